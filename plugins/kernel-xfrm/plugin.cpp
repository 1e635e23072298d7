// kernel-xfrm: the entry table and the configuration.
#include <memory>

#include <racoon/kernel_backend.hpp>
#include <racoon/plugin.h>

#include "backend.hpp"
#include "racoon_manifest.h"

namespace racoon::kernel_xfrm {
namespace {

Backend& backend(void* ctx) {
    return *static_cast<Backend*>(ctx);
}

racoon_status init(const racoon_host* host, void** ctx, racoon_error* err) noexcept {
    auto made = std::make_unique<Backend>(host);
    if (made->host().fd == nullptr) {
        return sdk::fail(err, RACOON_NOT_SUPPORTED, "this host lacks racoon.fd");
    }
    const racoon_status status =
        host->provide(host->ctx, RACOON_POINT_KERNEL, "xfrm", &sdk::kernel_table(),
                      static_cast<sdk::KernelBackend*>(made.get()), err);
    if (status != RACOON_OK) return status;
    *ctx = made.release();
    return RACOON_OK;
}

racoon_status configure(void* ctx, const racoon_section* conf, void** pending,
                        racoon_error* err) noexcept {
    auto settings = std::make_unique<Settings>();
    const sdk::HostServices& host = backend(ctx).host();
    if (conf != nullptr && host.conf != nullptr) {
        racoon_span text{};
        std::int64_t ns = 0;
        if (host.conf->get_text(host.host->ctx, conf, "journal", &text) == RACOON_OK) {
            settings->journal.assign(text.data, text.data + text.size);
        }
        if (host.conf->get_duration_ns(host.host->ctx, conf, "larval_lifetime", &ns) == RACOON_OK) {
            settings->larval_lifetime_s = ns / 1'000'000'000;
        }
        if (host.conf->get_text(host.host->ctx, conf, "offload", &text) == RACOON_OK) {
            const std::string word(text.data, text.data + text.size);
            if (word != "off" && word != "crypto" && word != "packet") {
                if (err != nullptr) std::strcpy(err->key, "offload");
                return sdk::fail(err, RACOON_CONFIG,
                                 "found \"" + word + "\", expected off, crypto or packet");
            }
            settings->offload = word == "crypto"   ? Offload::Crypto
                                : word == "packet" ? Offload::Packet
                                                   : Offload::Off;
        }
    }
    if (settings->journal.empty() || settings->journal[0] != '/') {
        if (err != nullptr) std::strcpy(err->key, "journal");
        return sdk::fail(
            err, RACOON_CONFIG,
            "found \"" + settings->journal + "\", expected an absolute path of a folder");
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
}  // namespace racoon::kernel_xfrm

namespace xfrm = racoon::kernel_xfrm;
extern "C" __attribute__((visibility("default"))) const racoon_plugin racoon_plugin_v1;
extern "C" const racoon_plugin racoon_plugin_v1 = {RACOON_PLUGIN_MAGIC,
                                                   sizeof(racoon_plugin),
                                                   RACOON_ABI_MAJOR,
                                                   RACOON_ABI_MINOR,
                                                   0,
                                                   0,
                                                   racoon_manifest,
                                                   sizeof(racoon_manifest),
                                                   "kernel-xfrm",
                                                   xfrm::init,
                                                   xfrm::configure,
                                                   xfrm::commit,
                                                   xfrm::rollback,
                                                   nullptr,
                                                   xfrm::stop,
                                                   xfrm::destroy,
                                                   nullptr};
