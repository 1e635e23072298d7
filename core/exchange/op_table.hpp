// OpTable: the operations under way. Each is known by a token that is never used twice; the answer
// finds its waiter by it, or nobody when the waiter has gone.
//
//     OpToken token = ops.start(SpiGet::kKind, encode(request), this);
//     …  ops.complete(token, result);          // calls waiter->completed(token, result)
//     ops.abandon(token);                      // the waiter goes: see below
//
// What an abandoned operation would have created (a DH key, a phase 1 at the keeper, an SPI, an SA)
// is given back when its answer comes: those answers are waited for, the others are cancelled. An SA
// that could not be removed is tried again, since nobody else would.
#pragma once

#include <cstddef>
#include <unordered_map>

#include "base/result.hpp"
#include "exchange/operations.hpp"

namespace racoon::exchange {

class Output;

class OpWaiter {
  public:
    virtual void completed(OpToken token, const Result<Bytes>& result) = 0;

  protected:
    ~OpWaiter() = default;
};

class OpTable {
  public:
    explicit OpTable(Output& output) : output_(output) {}

    /// `waiter` null: the answer interests nobody, but is counted until it comes.
    OpToken start(OpKind kind, Bytes request, OpWaiter* waiter);
    /// Starts a record's operation without waiting.
    template <typename Record>
    void post(const Record& record) {
        start(Record::kKind, encode(record), nullptr);
    }
    /// A token for an auth method that may answer PENDING.
    OpToken reserve(OpWaiter* waiter);
    /// Forgets a token without telling anybody: the auth method answered at once.
    void release(OpToken token) { pending_.erase(token); }
    /// The waiter goes away.
    void abandon(OpToken token);
    void complete(OpToken token, const Result<Bytes>& result);
    std::size_t pending() const { return pending_.size(); }

  private:
    struct Pending {
        OpKind kind;
        OpWaiter* waiter;
        Bytes request;  // kept only where an answer may have to be undone, or asked for again
        unsigned attempts = 1;
    };
    void delete_again(const Pending& op, const Error& error);
    void undo(const Pending& op, const Bytes& answer);
    Output& output_;
    std::unordered_map<OpToken, Pending> pending_;
    std::uint64_t last_ = 0;
};

}  // namespace racoon::exchange
