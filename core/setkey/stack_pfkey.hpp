// The kernel's stack by its own PF_KEY.
#pragma once

#include "pfkey/socket.hpp"
#include "setkey/stack.hpp"

namespace racoon::setkey {

class PfKeyStack : public Stack {
  public:
    explicit PfKeyStack(const pfkey::Dialect& dialect = pfkey::native_dialect())
        : socket_(dialect) {}
    Status open() override;
    const pfkey::Dialect& dialect() const override { return socket_.dialect(); }
    int transact(pfkey::Message& message, const Each& answer) override;
    Status watch() override;
    int fd() const override { return socket_.fd(); }
    Got receive(Told* out) override;
    pfkey::ByteView last() const override { return socket_.last(); }

  protected:
    pfkey::Socket socket_;
};

}  // namespace racoon::setkey
