// A stack that a running daemon keeps by itself, without the kernel's: it listens at a local socket, and what is said
// there are messages of PF_KEY in Linux's dialect.
#pragma once

#include <string>

#include "setkey/stack_pfkey.hpp"

namespace racoon::setkey {

class LocalStack final : public PfKeyStack {
  public:
    /// "": where a daemon of this system listens that is on this host, which is to say in this network namespace.
    explicit LocalStack(std::string path)
        : PfKeyStack(pfkey::linux_dialect()), path_(std::move(path)) {}

    /// Errors: Unsupported, when nobody listens or answers there; Denied; Io.
    Status open() override;
    bool is_kernels() const override { return false; }

  private:
    std::string path_;
};

}  // namespace racoon::setkey
