// state-file: the point racoon.state-store/1 over one file, which `path backupsa` names.
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <racoon/plugin.h>

#include "format.hpp"
#include "racoon_manifest.h"
#include "store.hpp"

namespace {

using racoon::state_file::Store;

struct Plugin {
    void* host = nullptr;
    const racoon_conf_service* conf = nullptr;
    const racoon_log_service* log = nullptr;  // may be null
    std::string path;                         // "": none is configured
    Store store;

    void write(std::uint32_t level, const std::string& text) const {
        if (log != nullptr) log->write(host, level, text.data(), text.size());
    }
};

racoon_status report(racoon_error* err, racoon_status status, const std::string& text) {
    if (err != nullptr) {
        err->status = status;
        std::strncpy(err->text, text.c_str(), sizeof err->text - 1);
    }
    return status;
}

std::string_view text_of(racoon_span span) {
    return {reinterpret_cast<const char*>(span.data), span.size};
}

racoon_status open(void* impl, racoon_error* err) noexcept {
    auto& p = *static_cast<Plugin*>(impl);
    if (p.path.empty()) return report(err, RACOON_NOT_FOUND, "there is no `path backupsa`");
    std::string error;
    if (!p.store.open(p.path, &error)) return report(err, RACOON_IO, error);
    if (p.store.damaged() != 0)
        p.write(RACOON_LOG_WARNING, p.path + ": " + std::to_string(p.store.damaged()) +
                                        " damaged entries are left out");
    return RACOON_OK;
}

void close(void* impl) noexcept {
    static_cast<Plugin*>(impl)->store.close();
}

racoon_status load(void* impl,
                   void (*each)(void* arg, racoon_span key, racoon_span value) RACOON_NOEXCEPT,
                   void* arg, racoon_error* err) noexcept {
    const auto span = [](std::string_view text) {
        return racoon_span{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
    };
    std::string error;
    const bool good = static_cast<Plugin*>(impl)->store.each(
        [&](std::string_view key, std::string_view value) { each(arg, span(key), span(value)); },
        &error);
    return good ? RACOON_OK : report(err, RACOON_IO, error);
}

racoon_status save(void* impl, racoon_span key, racoon_span value, racoon_error* err) noexcept {
    std::string error;
    const bool good = static_cast<Plugin*>(impl)->store.save(text_of(key), text_of(value), &error);
    return good ? RACOON_OK : report(err, RACOON_IO, error);
}

racoon_status remove(void* impl, racoon_span key, racoon_error* err) noexcept {
    std::string error;
    const bool good = static_cast<Plugin*>(impl)->store.remove(text_of(key), &error);
    return good ? RACOON_OK : report(err, RACOON_IO, error);
}

racoon_status clear(void* impl, racoon_error* err) noexcept {
    std::string error;
    return static_cast<Plugin*>(impl)->store.clear(&error) ? RACOON_OK
                                                           : report(err, RACOON_IO, error);
}

const racoon_state_store kStore = {
    sizeof(racoon_state_store), open, close, load, save, remove, clear};

racoon_status init(const racoon_host* host, void** ctx, racoon_error* err) noexcept {
    auto plugin = std::unique_ptr<Plugin>(new (std::nothrow) Plugin);
    if (!plugin) return report(err, RACOON_NO_MEMORY, "no memory");
    plugin->host = host->ctx;
    plugin->conf =
        static_cast<const racoon_conf_service*>(host->get_service(host->ctx, RACOON_SERVICE_CONF));
    plugin->log =
        static_cast<const racoon_log_service*>(host->get_service(host->ctx, RACOON_SERVICE_LOG));
    if (plugin->conf == nullptr)
        return report(err, RACOON_NOT_SUPPORTED, "this racoon has no service " RACOON_SERVICE_CONF);
    const racoon_status status =
        host->provide(host->ctx, RACOON_POINT_STATE_STORE, "file", &kStore, plugin.get(), err);
    if (status == RACOON_OK) *ctx = plugin.release();
    return status;
}

racoon_status configure(void* ctx, const racoon_section*, void** pending,
                        racoon_error* err) noexcept {
    const auto& p = *static_cast<Plugin*>(ctx);
    auto path = std::make_unique<std::string>();
    racoon_span text{};
    if (p.conf->get_path(p.host, "backupsa", &text) == RACOON_OK) path->assign(text_of(text));
    if (!path->empty() && (*path)[0] != '/')
        return report(err, RACOON_CONFIG,
                      "path backupsa \"" + *path + "\": expected an absolute path");
    *pending = path.release();
    return RACOON_OK;
}

// What is saved goes along to another file.
void move_to(Plugin& p, const std::string& path) {
    std::string error;
    Store fresh;
    bool good = fresh.open(path, &error) && fresh.clear(&error);
    good = good && p.store.each(
                       [&](std::string_view key, std::string_view value) {
                           good = good && fresh.save(key, value, &error);
                       },
                       &error);
    if (!good) {
        p.write(RACOON_LOG_ERROR, "the SAs stay in " + p.path + ": " + error);
        return;
    }
    fresh.close();
    p.store.clear(&error);
    if (!p.store.open(path, &error)) p.write(RACOON_LOG_ERROR, error);
    p.path = path;
}

void commit(void* ctx, void* pending) noexcept {
    auto& p = *static_cast<Plugin*>(ctx);
    const std::unique_ptr<std::string> path(static_cast<std::string*>(pending));
    if (!path || *path == p.path) return;
    if (p.store.is_open() && !path->empty()) return move_to(p, *path);
    std::string error;
    if (p.store.is_open()) p.store.clear(&error);
    p.store.close();
    p.path = *path;
}

void rollback(void*, void* pending) noexcept {
    delete static_cast<std::string*>(pending);
}

void destroy(void* ctx) noexcept {
    delete static_cast<Plugin*>(ctx);
}

}  // namespace

RACOON_PLUGIN_ENTRY = {
    RACOON_PLUGIN_HEADER,
    "state-file 0.1.0",
    init,
    configure,
    commit,
    rollback,
    nullptr,
    nullptr,
    destroy,
    nullptr,
};
