// Things that live elsewhere and are given back when their owner goes: a DH key at a worker, a phase 1
// at the keeper.
#pragma once

#include <cstdint>
#include <utility>

#include "exchange/context.hpp"

namespace racoon::exchange {

/// `Release`: a record with one number, posted when the handle goes.
template <typename Release, std::uint64_t Release::*Member>
class Handle {
  public:
    Handle() = default;
    Handle(Context& ctx, std::uint64_t id) : ctx_(&ctx), id_(id) {}
    Handle(Handle&& other) noexcept : ctx_(other.ctx_), id_(std::exchange(other.id_, 0)) {}
    Handle& operator=(Handle&& other) noexcept {
        if (this != &other) {
            reset();
            ctx_ = other.ctx_;
            id_ = std::exchange(other.id_, 0);
        }
        return *this;
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() { reset(); }

    std::uint64_t id() const { return id_; }
    void reset() {
        if (id_ == 0) return;
        Release r;
        r.*Member = std::exchange(id_, 0);
        ctx_->ops.post(r);
    }

  private:
    Context* ctx_ = nullptr;
    std::uint64_t id_ = 0;
};

using DhKey = Handle<DhFree, &DhFree::handle>;
using KeeperUse = Handle<Phase1Close, &Phase1Close::use>;

}  // namespace racoon::exchange
