#include "exchange/exchange.hpp"

#include "base/check.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {
/// How long the peer has for its next message when it is the one who repeats.
constexpr auto kPassiveWait = std::chrono::seconds(60);
}  // namespace

Exchange::~Exchange() {
    stop();
}

void Exchange::stop() {
    task_.reset();
    if (op_) ctx_.ops.abandon(*op_);
    op_.reset();
    waiter_ = {};
}

void Exchange::run(Task<Status> task, Duration limit) {
    RACOON_CHECK(!task_.has_value());
    task_.emplace(std::move(task));
    limit_timer_.arm(ctx_.timers, ctx_.now + limit,
                     [this] { abort(Error(Errc::Timeout, "the negotiation took too long")); });
    task_->start();
    resume();
}

/// After the coroutine gave control back: has it ended?
void Exchange::resume() {
    if (!task_.has_value() || !task_->done()) return;
    Status status = task_->take();
    task_.reset();
    inbox_.reset();
    backoff_.reset();
    repeat_timer_.cancel();
    limit_timer_.cancel();
    finished(std::move(status));
}

void Exchange::abort(Error error) {
    if (!task_.has_value()) return;
    stop();
    awaiting_message_ = false;
    inbox_.reset();
    backoff_.reset();
    repeat_timer_.cancel();
    limit_timer_.cancel();
    finished(tl::unexpected<Error>(std::move(error)));
}

void Exchange::completed(OpToken token, const Result<Bytes>& result) {
    if (!op_ || *op_ != token || !waiter_) return;
    op_.reset();
    op_result_.emplace(result);
    const auto h = std::exchange(waiter_, {});
    h.resume();
    resume();
}

Result<Bytes> Exchange::CompletionAwaiter::await_resume() {
    Result<Bytes> r = std::move(*x_.op_result_);
    x_.op_result_.reset();
    return r;
}

Result<Received> Exchange::MessageAwaiter::await_resume() {
    x_.awaiting_message_ = false;
    if (x_.wait_error_) {
        Error e = std::move(*x_.wait_error_);
        x_.wait_error_.reset();
        return tl::unexpected<Error>(std::move(e));
    }
    Received in = std::move(*x_.inbox_);
    x_.inbox_.reset();
    return in;
}

bool Exchange::answer_again(std::uint64_t digest) {
    if (!last_in_valid_ || digest != last_in_) return false;
    if (!last_out_.empty() && duplicates_.allow(ctx_.now)) {
        emit(last_out_);
        on_duplicate();
    }
    return true;
}

bool Exchange::emit_again() {
    if (last_out_.empty()) return false;
    emit(last_out_);
    return true;
}

void Exchange::deliver(Received in) {
    if (answer_again(in.digest())) return;
    if (!task_.has_value()) return;
    inbox_.emplace(std::move(in));
    if (!awaiting_message_) return;
    const auto h = std::exchange(waiter_, {});
    h.resume();
    resume();
}

void Exchange::accept(std::uint64_t digest) {
    last_in_ = digest;
    last_in_valid_ = true;
    last_out_.clear();
    backoff_.reset();
    wait_error_.reset();
    repeat_timer_.cancel();
}

void Exchange::forget_messages() {
    last_out_ = Bytes();
    last_in_valid_ = false;
}

void Exchange::transmit(Bytes datagram, Repeat repeat) {
    last_out_ = std::move(datagram);
    sparing_ = repeat == Repeat::Sparingly;
    repeat_timer_.cancel();
    backoff_.reset();
    wait_error_.reset();
    if (repeat == Repeat::OnTimer) {
        backoff_.emplace(timer_config());
        this->repeat();
    } else if (repeat == Repeat::OnDuplicate) {
        emit_copies();
    } else {
        emit(last_out_);
    }
}

void Exchange::wake_after(Duration length) {
    repeat_timer_.arm(ctx_.timers, ctx_.now + length, [this] {
        const auto h = std::exchange(waiter_, {});
        if (!h) return;
        h.resume();
        resume();
    });
}

void Exchange::emit_copies() {
    const unsigned copies = Backoff(timer_config()).copies();
    for (unsigned i = 0; i < copies; ++i) emit(last_out_);
}

void Exchange::repeat() {
    const auto wait = backoff_->next();
    if (wait) {
        emit_copies();
        repeat_timer_.arm(ctx_.timers, ctx_.now + *wait, [this] { this->repeat(); });
        return;
    }
    // The peer stayed silent. A coroutine that waits for an operation instead hears of it later.
    wait_error_.emplace(Errc::Timeout, "no answer from the peer");
    if (!awaiting_message_) return;
    const auto h = std::exchange(waiter_, {});
    h.resume();
    resume();
}

void Exchange::wait_for_message() {
    // Its timer bounds the wait; a message that was not the one does not prolong it.
    if (!backoff_ && !repeat_timer_.armed()) wait_at_most(kPassiveWait);
}

void Exchange::wait_at_most(Duration length) {
    repeat_timer_.arm(ctx_.timers, ctx_.now + length, [this] {
        if (!awaiting_message_) return;
        wait_error_.emplace(Errc::Timeout, "no message from the peer");
        const auto h = std::exchange(waiter_, {});
        h.resume();
        resume();
    });
}

}  // namespace racoon::exchange
