// Integrity of ESP and AH packets: HMAC (RFC 2403, 2404, 4868) and AES-XCBC-MAC (RFC 3566), cut to the SA's
// length, and in AH AES-GMAC (RFC 4543 4), whose IV is the first part of its ICV.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>

#include <racoon/plugin/kernel.h>

#include "bytes.hpp"

namespace racoon::kernel_userspace {

inline constexpr std::size_t kMaxIcv = 64;

class Mac {
  public:
    virtual ~Mac() = default;
    std::size_t size() const { return size_; }
    /// Bytes of the IV at the beginning of an ICV; set it before compute(), and never one twice under a key.
    virtual std::size_t iv_size() const { return 0; }
    virtual void set_iv(ByteView) {}
    /// The ICV of the parts, one behind the other; out has size() bytes.
    bool compute(std::initializer_list<ByteView> parts, std::uint8_t* out);
    bool compute(ByteView first, ByteView second, std::uint8_t* out) {
        return compute({first, second}, out);
    }

  protected:
    explicit Mac(std::size_t size) : size_(size) {}
    virtual bool start() = 0;
    virtual bool update(ByteView data) = 0;
    /// The whole MAC; at least size() bytes of it.
    virtual bool finish(std::uint8_t (&full)[kMaxIcv]) = 0;

  private:
    std::size_t size_;
};

/// Whether both are the same, in a time that does not depend on where they differ. Sizes are equal.
bool same_secret(ByteView a, ByteView b);

/// Null: `error` says why.
std::unique_ptr<Mac> make_mac(const racoon_kernel_alg& alg, std::string* error);

}  // namespace racoon::kernel_userspace
