// Everything a racoon plugin written in C++ includes: classes above the C ABI, header only, C++17.
//
//     #include <racoon/plugin.hpp>
//     #include "racoon_manifest.h"              // made by racoon_add_plugin()
//
//     class Acme final : public racoon::sdk::plugin {
//         racoon::sdk::result<void> init() override { return provide("acme_otp", method_); }
//         AcmeMethod method_;                   // a racoon::sdk::auth_method
//     };
//     RACOON_PLUGIN(Acme, "acme 1.4.2")
//
// Exceptions are caught before they reach the daemon and become RACOON_INTERNAL with their text.
#pragma once

#include <racoon/sdk/core.hpp>
#include <racoon/sdk/points.hpp>

namespace racoon::sdk {
inline namespace v1 {

/// The plugin itself. All functions come on the main loop's thread; their order is that of the C
/// header: init, then configure with commit or rollback (several times), start, stop, destruction.
class plugin {
  public:
    virtual ~plugin() = default;

    /// Provides what the manifest declares. No I/O, no threads.
    virtual result<void> init() = 0;
    /// Builds the new configuration beside the old one, without side effects.
    virtual result<void> configure(const section&) { return {}; }
    virtual void commit() noexcept {}
    virtual void rollback() noexcept {}
    virtual result<void> start() { return {}; }
    virtual void stop() noexcept {}
    virtual result<void> self_test() { return {}; }

    const sdk::host& host() const { return host_; }
    void attach(const racoon_host* table) { host_ = sdk::host(table); }

  protected:
    result<void> provide(const char* key, cipher& p) {
        return offer(RACOON_POINT_CIPHER, key, &detail::cipher_table(), p);
    }
    result<void> provide(const char* key, hash& p) {
        return offer(RACOON_POINT_HASH, key, &detail::hash_table(), p);
    }
    result<void> provide(const char* key, prf& p) {
        return offer(RACOON_POINT_PRF, key, &detail::prf_table(), p);
    }
    result<void> provide(const char* key, dh_group& p) {
        return offer(RACOON_POINT_DH_GROUP, key, &detail::dh_group_table(), p);
    }
    result<void> provide(const char* key, auth_method& p) {
        return offer(RACOON_POINT_AUTH_METHOD, key, &detail::auth_method_table(), p);
    }
    result<void> provide(const char* key, credential& p) {
        return offer(RACOON_POINT_CREDENTIAL, key, &detail::credential_table(), p);
    }
    /// An esp-transform is all manifest; this says that it is there.
    result<void> provide_esp_transform(const char* key) {
        static const racoon_esp_transform table = {sizeof(racoon_esp_transform), 0};
        return offer_raw(RACOON_POINT_ESP_TRANSFORM, key, &table, nullptr);
    }
    /// A table of your own, as for racoon.kernel/1 (<racoon/kernel_backend.hpp>).
    result<void> offer_raw(const char* point_id, const char* key, const void* table, void* impl) {
        racoon_error err{};
        err.struct_size = sizeof err;
        const racoon_host* h = host_.table();
        const racoon_status status = h->provide(h->ctx, point_id, key, table, impl, &err);
        if (status == RACOON_OK) return {};
        return failure(status, err.text);
    }

  private:
    template <typename P>
    result<void> offer(const char* point_id, const char* key, const void* table, P& p) {
        p.the_host = host_;
        return offer_raw(point_id, key, table, &p);
    }
    sdk::host host_;
};

namespace detail {

template <typename Plugin>
struct entry {
    static plugin& of(void* ctx) { return *static_cast<plugin*>(ctx); }

    static racoon_status init(const racoon_host* table, void** ctx, racoon_error* err) noexcept {
        const sdk::host h(table);
        return guard(h, err, [&] {
            std::unique_ptr<plugin> made = std::make_unique<Plugin>();
            made->attach(table);
            const result<void> good = made->init();
            if (!good) return report(err, good.why());
            *ctx = made.release();
            return RACOON_OK;
        });
    }
    static racoon_status configure(void* ctx, const racoon_section* raw, void** pending,
                                   racoon_error* err) noexcept {
        return guard(of(ctx).host(), err, [&] {
            const result<void> good = of(ctx).configure(section(of(ctx).host(), raw));
            if (!good) {
                of(ctx).rollback();
                return report(err, good.why());
            }
            *pending = nullptr;
            return RACOON_OK;
        });
    }
    static void commit(void* ctx, void*) noexcept { of(ctx).commit(); }
    static void rollback(void* ctx, void*) noexcept { of(ctx).rollback(); }
    static racoon_status start(void* ctx, racoon_error* err) noexcept {
        return guard(of(ctx).host(), err, [&] {
            const result<void> good = of(ctx).start();
            return good ? RACOON_OK : report(err, good.why());
        });
    }
    static void stop(void* ctx) noexcept { of(ctx).stop(); }
    static void destroy(void* ctx) noexcept { delete static_cast<plugin*>(ctx); }
    static racoon_status self_test(void* ctx, racoon_error* err) noexcept {
        return guard(of(ctx).host(), err, [&] {
            const result<void> good = of(ctx).self_test();
            return good ? RACOON_OK : report(err, good.why());
        });
    }
};

}  // namespace detail
}  // namespace v1
}  // namespace racoon::sdk

/// The one exported symbol. Once per plugin, outside of namespaces, after "racoon_manifest.h".
#define RACOON_PLUGIN(Class, build_id_text)                               \
    RACOON_PLUGIN_ENTRY = {RACOON_PLUGIN_HEADER,                          \
                           build_id_text,                                 \
                           &racoon::sdk::detail::entry<Class>::init,      \
                           &racoon::sdk::detail::entry<Class>::configure, \
                           &racoon::sdk::detail::entry<Class>::commit,    \
                           &racoon::sdk::detail::entry<Class>::rollback,  \
                           &racoon::sdk::detail::entry<Class>::start,     \
                           &racoon::sdk::detail::entry<Class>::stop,      \
                           &racoon::sdk::detail::entry<Class>::destroy,   \
                           &racoon::sdk::detail::entry<Class>::self_test};
