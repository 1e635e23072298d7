// kernel-userspace: the entry table and the configuration.
#include <memory>
#include <new>

#include <racoon/kernel_backend.hpp>
#include <racoon/plugin.h>

#include "backend.hpp"
#include "racoon_manifest.h"

namespace racoon::kernel_userspace {
namespace {

Backend& backend(void* ctx) {
    return *static_cast<Backend*>(ctx);
}

racoon_status init(const racoon_host* host, void** ctx, racoon_error* err) noexcept {
    auto made = std::make_unique<Backend>(host);
    const sdk::HostServices& h = made->host();
    if (h.clock == nullptr || h.timer == nullptr || h.fd == nullptr || h.random == nullptr ||
        h.proc == nullptr || h.op == nullptr) {
        return sdk::fail(err, RACOON_NOT_SUPPORTED,
                         "this host lacks racoon.clock, .timer, .fd, .random, .proc or .op");
    }
    const racoon_status status =
        host->provide(host->ctx, RACOON_POINT_KERNEL, "userspace", &sdk::kernel_table(),
                      static_cast<sdk::KernelBackend*>(made.get()), err);
    if (status != RACOON_OK) return status;
    *ctx = made.release();
    return RACOON_OK;
}

bool is_device_name(const std::string& name) {
    if (name.empty() || name.size() > 15 || name == "." || name == "..") return false;
    return name.find_first_not_of(
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
           std::string::npos;
}

racoon_status configure(void* ctx, const racoon_section* conf, void** pending,
                        racoon_error* err) noexcept {
    auto settings = std::make_unique<Settings>();
    settings->socket = RACOON_STACK_SOCKET;
    const sdk::HostServices& host = backend(ctx).host();
    if (conf != nullptr && host.conf != nullptr) {
        void* const h = host.host->ctx;
        racoon_span text{};
        std::int64_t number = 0;
        if (host.conf->get_text(h, conf, "device", &text) == RACOON_OK) {
            settings->device.assign(text.data, text.data + text.size);
        }
        if (host.conf->get_integer(h, conf, "mtu", &number) == RACOON_OK) {
            settings->mtu = static_cast<int>(number);
        }
        if (host.conf->get_text(h, conf, "df", &text) == RACOON_OK) {
            const std::string df(text.data, text.data + text.size);
            settings->copy_df = df == "copy";
            if (df != "copy" && df != "clear") {
                if (err != nullptr) std::strcpy(err->key, "df");
                return sdk::fail(err, RACOON_CONFIG,
                                 "found \"" + df + "\", expected \"copy\" or \"clear\"");
            }
        }
        if (host.conf->get_text(h, conf, "socket", &text) == RACOON_OK && text.size != 0) {
            settings->socket.assign(text.data, text.data + text.size);
            if (settings->socket == "none") settings->socket.clear();
            if (!settings->socket.empty() && settings->socket[0] != '/') {
                if (err != nullptr) std::strcpy(err->key, "socket");
                return sdk::fail(
                    err, RACOON_CONFIG,
                    "found \"" + settings->socket + "\", expected an absolute path or \"none\"");
            }
        }
        if (host.conf->get_text(h, conf, "guard", &text) == RACOON_OK) {
            const std::string guard(text.data, text.data + text.size);
            settings->guard = guard == "on";
            if (guard != "on" && guard != "off") {
                if (err != nullptr) std::strcpy(err->key, "guard");
                return sdk::fail(err, RACOON_CONFIG,
                                 "found \"" + guard + "\", expected \"on\" or \"off\"");
            }
        }
        if (host.conf->get_integer(h, conf, "table", &number) == RACOON_OK) {
            settings->table = static_cast<std::uint32_t>(number);
        }
        if (host.conf->get_integer(h, conf, "mark", &number) == RACOON_OK) {
            settings->mark = static_cast<std::uint32_t>(number);
        }
    }
    if (!is_device_name(settings->device)) {
        if (err != nullptr) std::strcpy(err->key, "device");
        return sdk::fail(err, RACOON_CONFIG,
                         "found \"" + settings->device +
                             "\", expected a device name of 1 to 15 letters, "
                             "digits, dots, dashes or underscores");
    }
    *pending = settings.release();
    return RACOON_OK;
}

void commit(void* ctx, void* pending) noexcept {
    const std::unique_ptr<Settings> settings(static_cast<Settings*>(pending));
    if (settings) backend(ctx).set(*settings);
}
void rollback(void*, void* pending) noexcept {
    delete static_cast<Settings*>(pending);
}
void stop(void* ctx) noexcept {
    backend(ctx).close();
}
void destroy(void* ctx) noexcept {
    delete &backend(ctx);
}

}  // namespace
}  // namespace racoon::kernel_userspace

namespace us = racoon::kernel_userspace;
extern "C" __attribute__((visibility("default"))) const racoon_plugin racoon_plugin_v1;
extern "C" const racoon_plugin racoon_plugin_v1 = {RACOON_PLUGIN_MAGIC,
                                                   sizeof(racoon_plugin),
                                                   RACOON_ABI_MAJOR,
                                                   RACOON_ABI_MINOR,
                                                   0,
                                                   0,
                                                   racoon_manifest,
                                                   sizeof(racoon_manifest),
                                                   "kernel-userspace",
                                                   us::init,
                                                   us::configure,
                                                   us::commit,
                                                   us::rollback,
                                                   nullptr,
                                                   us::stop,
                                                   us::destroy,
                                                   nullptr};
