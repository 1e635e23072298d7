// AddressWatch: tells when this host's addresses have changed, by the kernel's routing messages. Which
// ones is for the listener to look up: what a message says is not even read.
//
//     RACOON_TRY(auto watch, net::AddressWatch::make(loop, [&] { look_again(); }));
//
// Needs no privileges. Loop thread only.
#pragma once

#include <memory>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "base/unique_function.hpp"
#include "loop/event_loop.hpp"

namespace racoon::net {

class AddressWatch {
  public:
    using Handler = UniqueFunction<void()>;

    /// `changed` is called once for all changes within half a second. Errors: Io.
    static Result<std::unique_ptr<AddressWatch>> make(loop::EventLoop& loop, Handler changed);
    ~AddressWatch();
    AddressWatch(const AddressWatch&) = delete;
    AddressWatch& operator=(const AddressWatch&) = delete;

  private:
    AddressWatch(loop::EventLoop& loop, UniqueFd fd, Handler changed);
    void readable();

    loop::EventLoop& loop_;
    UniqueFd fd_;
    Handler changed_;
    loop::WatchToken watch_{};
    loop::TimerToken pause_{};
    bool pausing_ = false;
};

}  // namespace racoon::net
