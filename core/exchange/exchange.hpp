// Exchange: the driver under one negotiation. The coroutine on top of it reads like the RFC; sending
// again, timeouts, duplicates and cancelling are here.
//
//     x.transmit(std::move(message1), Repeat::OnTimer);
//     auto in = co_await x.message();          // Result<Received>; an error ends the exchange
//     …                                        // look at it; `continue` when it is not the one
//     x.accept(*in);                           // it counts: repetition stops, it is "the last one"
//     SpiGet request;  …
//     auto spi = co_await x.operate(request);  // Result<SpiGet::Reply>
//
// A message that comes while the coroutine waits for an operation is kept (the latest one) until it
// asks. Destroying the exchange destroys the coroutine where it waits and abandons its operation.
#pragma once

#include <coroutine>
#include <memory>
#include <optional>

#include "base/result.hpp"
#include "base/task.hpp"
#include "exchange/context.hpp"
#include "exchange/retransmit.hpp"
#include "isakmp/message.hpp"

namespace racoon::exchange {

/// A datagram that belongs to an exchange: parsed, not yet verified.
class Received {
  public:
    Received(isakmp::Message m, std::uint64_t digest) : message(std::move(m)), digest_(digest) {}
    isakmp::Message message;
    Endpoint local, remote;  // which way it came; none: not known any more
    std::uint64_t digest() const { return digest_; }

  private:
    std::uint64_t digest_;  // keyed hash of the whole datagram
};

/// How a sent message is repeated: by the clock until the peer answers; only when the peer repeats what
/// it answers; or, to an address that has not shown that it receives what we send, as before, but
/// never more than one datagram for one.
enum class Repeat : std::uint8_t { OnTimer, OnDuplicate, Sparingly };

class Exchange : public OpWaiter {
  public:
    virtual ~Exchange();
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    // --- for the coroutine ---
    class MessageAwaiter;
    template <typename Op>
    class OpAwaiter;
    class CompletionAwaiter;
    /// The next message of this exchange. Timeout: the peer did not answer all our sendings.
    MessageAwaiter message();
    template <typename Op>
    OpAwaiter<Op> operate(const Op& request);
    /// The answer of an operation that a plugin took as PENDING.
    CompletionAwaiter completion(OpToken token);
    class PauseAwaiter;
    /// Goes on after that long. Not while a message is repeated by the clock.
    PauseAwaiter pause(Duration length);
    void transmit(Bytes datagram, Repeat repeat);
    /// The wait for messages ends with Timeout after that long. Not while one is repeated by the clock.
    void wait_at_most(Duration length);
    void accept(const Received& in) { accept(in.digest()); }
    void accept(std::uint64_t digest);

    // --- for the dispatcher ---
    /// Duplicates are answered here; anything else goes to the coroutine.
    void deliver(Received in);
    /// Answers it again when it is the message answered last; false: it is another one.
    bool answer_again(std::uint64_t digest);
    bool running() const { return task_.has_value(); }
    /// Ends a running negotiation from outside; finished() is called with the error.
    void abort(Error error);

    Context& ctx() { return ctx_; }
    const Context& ctx() const { return ctx_; }

  protected:
    explicit Exchange(Context& ctx) : ctx_(ctx) {}
    /// `limit`: the negotiation ends with Timeout after it, whatever happens.
    void run(Task<Status> task, Duration limit);
    /// The coroutine has ended, or was aborted; it is gone when this is called. Once per run().
    virtual void finished(Status status) = 0;
    /// Sends one datagram to the peer.
    virtual void emit(ByteView datagram) = 0;
    virtual const conf::Timer& timer_config() const = 0;
    /// What was sent last, once more; false: it has been forgotten.
    bool emit_again();
    /// What is sent goes to an address that has not shown that it receives it.
    bool sending_sparingly() const { return sparing_ && !last_out_.empty(); }
    /// The peer sent again what we had answered.
    virtual void on_duplicate() {}
    /// The messages kept for duplicates are no longer needed.
    void forget_messages();
    /// First thing in a derived destructor: the coroutine's frame refers to what is destroyed next.
    void stop();

  private:
    void completed(OpToken token, const Result<Bytes>& result) override;
    void resume();
    void emit_copies();
    void repeat();
    void wait_for_message();
    void wake_after(Duration length);

    Context& ctx_;
    std::optional<Task<Status>> task_;
    std::coroutine_handle<> waiter_;  // the innermost coroutine that waits
    bool awaiting_message_ = false;
    std::optional<OpToken> op_;
    std::optional<Result<Bytes>> op_result_;
    std::optional<Received> inbox_;
    std::optional<Error> wait_error_;

    Bytes last_out_;
    bool sparing_ = false;  // last_out_ is sent Repeat::Sparingly
    std::uint64_t last_in_ = 0;
    bool last_in_valid_ = false;
    std::optional<Backoff> backoff_;
    RateLimit duplicates_{3};
    Timer repeat_timer_;
    Timer limit_timer_;
};

class Exchange::MessageAwaiter {
  public:
    explicit MessageAwaiter(Exchange& x) : x_(x) {}
    bool await_ready() const { return x_.inbox_.has_value() || x_.wait_error_.has_value(); }
    void await_suspend(std::coroutine_handle<> h) {
        x_.waiter_ = h;
        x_.awaiting_message_ = true;
        x_.wait_for_message();
    }
    Result<Received> await_resume();

  private:
    Exchange& x_;
};

class Exchange::CompletionAwaiter {
  public:
    CompletionAwaiter(Exchange& x, OpToken token) : x_(x) { x_.op_ = token; }
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> h) { x_.waiter_ = h; }
    Result<Bytes> await_resume();

  private:
    Exchange& x_;
};

class Exchange::PauseAwaiter {
  public:
    PauseAwaiter(Exchange& x, Duration length) : x_(x), length_(length) {}
    bool await_ready() const { return length_ <= Duration::zero(); }
    void await_suspend(std::coroutine_handle<> h) {
        x_.waiter_ = h;
        x_.wake_after(length_);
    }
    void await_resume() const {}

  private:
    Exchange& x_;
    Duration length_;
};

template <typename Op>
class Exchange::OpAwaiter {
  public:
    OpAwaiter(Exchange& x, const Op& request)
        : inner_(x, x.ctx_.ops.start(Op::kKind, encode(request), &x)) {}
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> h) { inner_.await_suspend(h); }
    Result<typename Op::Reply> await_resume() {
        Result<Bytes> bytes = inner_.await_resume();
        if (!bytes) return tl::unexpected<Error>(std::move(bytes).error());
        auto reply = decode<typename Op::Reply>(*bytes);
        wipe(*bytes);
        return reply;
    }

  private:
    CompletionAwaiter inner_;
};

inline Exchange::MessageAwaiter Exchange::message() {
    return MessageAwaiter(*this);
}
inline Exchange::PauseAwaiter Exchange::pause(Duration length) {
    return PauseAwaiter(*this, length);
}
inline Exchange::CompletionAwaiter Exchange::completion(OpToken token) {
    return CompletionAwaiter(*this, token);
}
template <typename Op>
Exchange::OpAwaiter<Op> Exchange::operate(const Op& request) {
    return OpAwaiter<Op>(*this, request);
}

}  // namespace racoon::exchange
