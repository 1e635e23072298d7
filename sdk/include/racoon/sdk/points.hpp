// The C++ side of the plugin ABI, part 2: one abstract class per extension point, with the trampolines
// from the C table. Meanings, threads and sizes are those of the C header of each point. For the point
// racoon.kernel/1 see <racoon/kernel_backend.hpp>.
#pragma once

#include <memory>

#include <racoon/sdk/core.hpp>

namespace racoon::sdk {
inline namespace v1 {

/// Base of every point's class: knows the host from the moment it is provided.
class point {
  public:
    virtual ~point() = default;
    sdk::host the_host;
};

class cipher : public point {
  public:
    class key {
      public:
        virtual ~key() = default;  // wipes the key
        /// CBC in place; `iv` is replaced by the last ciphertext block.
        virtual result<void> crypt(bool encrypt, std::uint8_t* iv, std::uint8_t* data,
                                   std::size_t size) = 0;
    };
    virtual result<std::unique_ptr<key>> key_new(span bytes) = 0;
};

class hash : public point {
  public:
    virtual result<void> digest(const racoon_span* parts, std::size_t count, std::uint8_t* out) = 0;
    virtual result<void> hmac(span key, const racoon_span* parts, std::size_t count,
                              std::uint8_t* out) = 0;
};

class prf : public point {
  public:
    virtual result<void> compute(span key, const racoon_span* parts, std::size_t count,
                                 std::uint8_t* out) = 0;
};

class dh_group : public point {
  public:
    class key {
      public:
        virtual ~key() = default;  // wipes the private value
    };
    virtual result<std::unique_ptr<key>> generate(std::uint8_t* public_out) = 0;
    virtual result<void> check_public(span peer_public) = 0;
    virtual result<void> compute(key& own, span peer_public, std::uint8_t* secret_out) = 0;
};

class auth_method : public point {
  public:
    class session {
      public:
        virtual ~session() = default;
        virtual std::uint32_t skeyid_recipe() = 0;
        /// Fill `out` and return `done`, or move `later` away and return `pending`.
        virtual reply auth_out(span hash, racoon_auth_out& out, op<racoon_auth_out>& later) = 0;
        virtual reply auth_in(span expected_hash, const racoon_payload* payloads, std::size_t count,
                              const racoon_identity& peer_id, racoon_auth_verdict& out,
                              op<racoon_auth_verdict>& later) = 0;
        virtual void cancel(racoon_op) {}
    };
    virtual result<std::unique_ptr<session>> begin(const racoon_auth_params& params) = 0;
};

class credential : public point {
  public:
    class key {
      public:
        virtual ~key() = default;
        virtual result<void> psk_prf(const char* hash, const racoon_span* parts, std::size_t count,
                                     racoon_buffer& out) = 0;
    };
    virtual result<std::unique_ptr<key>> psk_find(const racoon_psk_query& query) = 0;
};

namespace detail {

inline racoon_status plain(const result<void>& r) {
    return r ? RACOON_OK : report(nullptr, r.why());
}

template <typename Handle, typename R>
racoon_status hand_out(R made, void** out, racoon_error* err = nullptr) {
    if (!made) return report(err, made.why());
    if (!*made) return report(err, RACOON_INTERNAL, "no object was made");
    *out = static_cast<Handle*>((*made).release());
    return RACOON_OK;
}

template <typename T>
T& self(void* impl) {
    return *static_cast<T*>(impl);
}

inline const racoon_cipher& cipher_table() {
    static const racoon_cipher table = {
        sizeof(racoon_cipher),
        [](void* impl, const std::uint8_t* key, std::size_t size, void** out) noexcept {
            auto& c = self<cipher>(impl);
            return guard(c.the_host, nullptr, [&] {
                return hand_out<cipher::key>(c.key_new({key, size}), out);
            });
        },
        [](void*, void* key) noexcept { delete static_cast<cipher::key*>(key); },
        [](void* impl, void* key, std::int32_t encrypt, std::uint8_t* iv, std::uint8_t* data,
           std::size_t size) noexcept {
            return guard(self<cipher>(impl).the_host, nullptr, [&] {
                return plain(static_cast<cipher::key*>(key)->crypt(encrypt != 0, iv, data, size));
            });
        }};
    return table;
}

inline const racoon_hash& hash_table() {
    static const racoon_hash table = {
        sizeof(racoon_hash),
        [](void* impl, const racoon_span* parts, std::size_t count, std::uint8_t* out) noexcept {
            auto& h = self<hash>(impl);
            return guard(h.the_host, nullptr, [&] { return plain(h.digest(parts, count, out)); });
        },
        [](void* impl, racoon_span key, const racoon_span* parts, std::size_t count,
           std::uint8_t* out) noexcept {
            auto& h = self<hash>(impl);
            return guard(h.the_host, nullptr,
                         [&] { return plain(h.hmac(key, parts, count, out)); });
        }};
    return table;
}

inline const racoon_prf& prf_table() {
    static const racoon_prf table = {
        sizeof(racoon_prf), [](void* impl, racoon_span key, const racoon_span* parts,
                               std::size_t count, std::uint8_t* out) noexcept {
            auto& p = self<prf>(impl);
            return guard(p.the_host, nullptr,
                         [&] { return plain(p.compute(key, parts, count, out)); });
        }};
    return table;
}

inline const racoon_dh_group& dh_group_table() {
    static const racoon_dh_group table = {
        sizeof(racoon_dh_group),
        [](void* impl, std::uint8_t* public_out, void** key) noexcept {
            auto& g = self<dh_group>(impl);
            return guard(g.the_host, nullptr,
                         [&] { return hand_out<dh_group::key>(g.generate(public_out), key); });
        },
        [](void* impl, racoon_span peer) noexcept {
            auto& g = self<dh_group>(impl);
            return guard(g.the_host, nullptr, [&] { return plain(g.check_public(peer)); });
        },
        [](void* impl, void* key, racoon_span peer, std::uint8_t* out) noexcept {
            auto& g = self<dh_group>(impl);
            return guard(g.the_host, nullptr, [&] {
                return plain(g.compute(*static_cast<dh_group::key*>(key), peer, out));
            });
        },
        [](void*, void* key) noexcept { delete static_cast<dh_group::key*>(key); }};
    return table;
}

inline const racoon_auth_method& auth_method_table() {
    using session = auth_method::session;
    static const racoon_auth_method table = {
        sizeof(racoon_auth_method),
        [](void* impl, const racoon_auth_params* params, void** out) noexcept {
            auto& m = self<auth_method>(impl);
            return guard(m.the_host, nullptr,
                         [&] { return hand_out<session>(m.begin(*params), out); });
        },
        [](void*, void* s) noexcept { delete static_cast<session*>(s); },
        [](void* impl, void* s) noexcept -> std::uint32_t {
            std::uint32_t recipe = 0;
            guard(self<auth_method>(impl).the_host, nullptr, [&] {
                recipe = static_cast<session*>(s)->skeyid_recipe();
                return RACOON_OK;
            });
            return recipe;
        },
        [](void* impl, void* s, racoon_span hash, racoon_op token, racoon_auth_out* out) noexcept {
            const host& h = self<auth_method>(impl).the_host;
            op<racoon_auth_out> later(h, token);
            const racoon_status status = guard(h, nullptr, [&] {
                return settle(static_cast<session*>(s)->auth_out(hash, *out, later), later);
            });
            later.release();  // after an exception: the status says it all
            return status;
        },
        [](void* impl, void* s, racoon_span expected, const racoon_payload* payloads,
           std::size_t count, const racoon_identity* id, racoon_op token,
           racoon_auth_verdict* out) noexcept {
            const host& h = self<auth_method>(impl).the_host;
            op<racoon_auth_verdict> later(h, token);
            out->verdict = RACOON_AUTH_NONE;
            const racoon_status status = guard(h, nullptr, [&] {
                return settle(
                    static_cast<session*>(s)->auth_in(expected, payloads, count, *id, *out, later),
                    later);
            });
            later.release();
            if (status != RACOON_OK && status != RACOON_PENDING) out->verdict = RACOON_AUTH_NONE;
            return status;
        },
        [](void* impl, void* s, racoon_op token) noexcept {
            guard(self<auth_method>(impl).the_host, nullptr, [&] {
                static_cast<session*>(s)->cancel(token);
                return RACOON_OK;
            });
        }};
    return table;
}

inline const racoon_credential& credential_table() {
    static const racoon_credential table = {
        sizeof(racoon_credential),
        [](void* impl, const racoon_psk_query* query, void** handle, racoon_error* err) noexcept {
            auto& c = self<credential>(impl);
            return guard(c.the_host, err, [&] {
                return hand_out<credential::key>(c.psk_find(*query), handle, err);
            });
        },
        [](void* impl, void* handle, const char* hash, const racoon_span* parts, std::size_t count,
           racoon_buffer* out) noexcept {
            return guard(self<credential>(impl).the_host, nullptr, [&] {
                return plain(
                    static_cast<credential::key*>(handle)->psk_prf(hash, parts, count, *out));
            });
        },
        [](void*, void* handle) noexcept { delete static_cast<credential::key*>(handle); },
        nullptr,  // the wrapper has pre-shared keys only
        nullptr,
        nullptr,
        nullptr};
    return table;
}

}  // namespace detail
}  // namespace v1
}  // namespace racoon::sdk
