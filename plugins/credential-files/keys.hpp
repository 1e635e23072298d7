// The parts of the credential point that are about key files and private keys. Main thread, except
// sign() and public_key(), which touch nothing but the handle.
#pragma once

#include <cstdint>
#include <vector>

#include "psk_store.hpp"
#include "rsa_store.hpp"
#include "services.hpp"

namespace credential_files {

/// What either find gives out; release() deletes it.
struct Handle {
    Handle() = default;
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    virtual ~Handle() = default;
};

struct Plugin {
    Services services;
    PskStore psk{services};
    RsaStore rsa{services};
};

racoon_status check_file(void* impl, const racoon_key_file* file,
                         void (*remark)(void* arg, const racoon_key_remark* remark) RACOON_NOEXCEPT,
                         void* arg, racoon_error* err) noexcept;
racoon_status key_find(void* impl, const racoon_key_query* query, void** handle, std::size_t* count,
                       racoon_error* err) noexcept;
racoon_status sign(void* impl, void* handle, std::size_t index, std::uint32_t scheme,
                   racoon_span hash, racoon_buffer* out) noexcept;
racoon_status public_key(void* impl, void* handle, std::size_t index, racoon_buffer* out) noexcept;

}  // namespace credential_files
