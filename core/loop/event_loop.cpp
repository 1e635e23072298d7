#include "loop/event_loop.hpp"

#include <algorithm>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>
#include <uv.h>
#include <vector>

#include "base/check.hpp"

namespace racoon::loop {

namespace {

Failure uv_failure(std::string_view doing, int status) {
    return fail_os(doing, -status);  // libuv's codes are negated errno values on Unix
}

int to_uv(unsigned events) {
    return ((events & kReadable) != 0 ? UV_READABLE : 0) |
           ((events & kWritable) != 0 ? UV_WRITABLE : 0);
}

}  // namespace

struct EventLoop::Impl {
    // One libuv timer serves them all: libuv counts in milliseconds and breaks ties by its own
    // rule, ours fire in the order of their nanoseconds.
    struct Timer {
        TimePoint due;
        UniqueFunction<void()> callback;
    };
    // Watches and signals are freed by libuv's close callback, so that a callback may remove
    // itself.
    struct Watch {
        uv_poll_t handle;
        UniqueFunction<void(unsigned)> callback;
        unsigned wanted = 0;
        bool active = true;
    };
    struct Signal {
        uv_signal_t handle;
        UniqueFunction<void()> callback;
    };

    uv_loop_t loop{};
    uv_timer_t timer{};
    uv_async_t async{};
    bool stopped = false;

    std::uint64_t next_timer = 1;
    std::unordered_map<std::uint64_t, Timer> timers;
    std::set<std::pair<TimePoint, std::uint64_t>> order;

    std::uint64_t next_watch = 1;
    std::unordered_map<std::uint64_t, Watch*> watches;
    std::vector<Signal*> signals;

    std::mutex posted_lock;
    std::vector<UniqueFunction<void()>> posted;

    void schedule() {
        if (order.empty()) {
            uv_timer_stop(&timer);
            return;
        }
        const auto left = order.begin()->first - monotonic_now();
        const auto ms = left.count() <= 0 ? 0 : (left.count() + 999'999) / 1'000'000;
        uv_update_time(&loop);
        uv_timer_start(&timer, on_timer, static_cast<std::uint64_t>(ms), 0);
    }

    void run_timers() {
        const TimePoint now = monotonic_now();
        while (!order.empty() && order.begin()->first <= now) {
            const auto id = order.begin()->second;
            order.erase(order.begin());
            auto node = timers.extract(id);
            node.mapped().callback();
        }
        schedule();
    }

    void run_posted() {
        std::vector<UniqueFunction<void()>> batch;
        {
            const std::lock_guard guard(posted_lock);
            batch.swap(posted);
        }
        for (auto& callback : batch) callback();
    }

    void close_watch(Watch* watch) {
        watch->active = false;
        uv_poll_stop(&watch->handle);
        uv_close(reinterpret_cast<uv_handle_t*>(&watch->handle),
                 [](uv_handle_t* handle) { delete static_cast<Watch*>(handle->data); });
    }

    static void on_timer(uv_timer_t* handle) { static_cast<Impl*>(handle->data)->run_timers(); }
    static void on_async(uv_async_t* handle) { static_cast<Impl*>(handle->data)->run_posted(); }
    static void on_poll(uv_poll_t* handle, int status, int events) {
        auto* watch = static_cast<Watch*>(handle->data);
        if (!watch->active) return;
        unsigned ready = 0;
        // libuv ends its polling at an error, but errors pass: of a netlink socket's buffer, or of one
        // datagram. Before the callback, which may change what is wanted.
        if (status < 0 && watch->wanted != 0)
            uv_poll_start(&watch->handle, to_uv(watch->wanted), on_poll);
        // An error is told as readiness: the owner's next read or write learns what it is.
        if (status < 0 || (events & UV_READABLE) != 0) ready |= kReadable;
        if (status < 0 || (events & UV_WRITABLE) != 0) ready |= kWritable;
        watch->callback(ready);
    }
};

Result<std::unique_ptr<EventLoop>> EventLoop::make() {
    auto impl = std::make_unique<Impl>();
    if (const int status = uv_loop_init(&impl->loop); status != 0)
        return uv_failure("event loop", status);
    impl->timer.data = impl.get();
    impl->async.data = impl.get();
    uv_timer_init(&impl->loop, &impl->timer);
    if (const int status = uv_async_init(&impl->loop, &impl->async, Impl::on_async); status != 0) {
        uv_close(reinterpret_cast<uv_handle_t*>(&impl->timer), nullptr);
        uv_run(&impl->loop, UV_RUN_DEFAULT);
        uv_loop_close(&impl->loop);
        return uv_failure("event loop", status);
    }
    return std::unique_ptr<EventLoop>(new EventLoop(std::move(impl)));
}

EventLoop::EventLoop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

EventLoop::~EventLoop() {
    // What callbacks own may refer to this loop (cancel, unwatch): it goes while the loop still
    // works.
    impl_->order.clear();
    auto timers = std::move(impl_->timers);
    timers.clear();
    {
        std::vector<UniqueFunction<void()>> batch;
        const std::lock_guard guard(impl_->posted_lock);
        batch.swap(impl_->posted);
    }
    auto watches = std::move(impl_->watches);
    impl_->watches.clear();
    for (auto& [id, watch] : watches) impl_->close_watch(watch);
    for (auto* signal : impl_->signals)
        uv_close(reinterpret_cast<uv_handle_t*>(&signal->handle),
                 [](uv_handle_t* handle) { delete static_cast<Impl::Signal*>(handle->data); });
    uv_close(reinterpret_cast<uv_handle_t*>(&impl_->timer), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&impl_->async), nullptr);
    // More than once if a stop() was never consumed.
    while (uv_loop_close(&impl_->loop) == UV_EBUSY) uv_run(&impl_->loop, UV_RUN_DEFAULT);
}

TimerToken EventLoop::arm(Duration delay, UniqueFunction<void()> callback) {
    const auto id = impl_->next_timer++;
    const TimePoint due = monotonic_now() + std::max(delay, Duration::zero());
    impl_->timers.emplace(id, Impl::Timer{due, std::move(callback)});
    const bool earliest = impl_->order.empty() || due < impl_->order.begin()->first;
    impl_->order.emplace(due, id);
    if (earliest) impl_->schedule();
    return TimerToken{id};
}

void EventLoop::cancel(TimerToken token) {
    const auto found = impl_->timers.find(token.value);
    if (found == impl_->timers.end()) return;
    const bool earliest = impl_->order.begin()->second == token.value;
    impl_->order.erase({found->second.due, token.value});
    // Extracted first: destroying the callback may come back to us.
    auto node = impl_->timers.extract(found);
    if (earliest) impl_->schedule();
}

Result<WatchToken> EventLoop::watch(int fd, unsigned events,
                                    UniqueFunction<void(unsigned)> callback) {
    auto watch = std::make_unique<Impl::Watch>();
    watch->callback = std::move(callback);
    watch->handle.data = watch.get();
    if (const int status = uv_poll_init(&impl_->loop, &watch->handle, fd); status != 0)
        return uv_failure("watching a descriptor", status);
    Impl::Watch* raw = watch.release();
    raw->wanted = events;
    if (events != 0) {
        if (const int status = uv_poll_start(&raw->handle, to_uv(events), Impl::on_poll);
            status != 0) {
            impl_->close_watch(raw);
            return uv_failure("watching a descriptor", status);
        }
    }
    const auto id = impl_->next_watch++;
    impl_->watches.emplace(id, raw);
    return WatchToken{id};
}

void EventLoop::change(WatchToken token, unsigned events) {
    const auto found = impl_->watches.find(token.value);
    if (found == impl_->watches.end()) return;
    found->second->wanted = events;
    if (events == 0)
        uv_poll_stop(&found->second->handle);
    else
        uv_poll_start(&found->second->handle, to_uv(events), Impl::on_poll);
}

void EventLoop::unwatch(WatchToken token) {
    const auto found = impl_->watches.find(token.value);
    if (found == impl_->watches.end()) return;
    Impl::Watch* watch = found->second;
    impl_->watches.erase(found);
    impl_->close_watch(watch);
}

Status EventLoop::on_signal(int signal, UniqueFunction<void()> callback) {
    auto entry = std::make_unique<Impl::Signal>();
    entry->callback = std::move(callback);
    entry->handle.data = entry.get();
    if (const int status = uv_signal_init(&impl_->loop, &entry->handle); status != 0)
        return uv_failure("catching a signal", status);
    Impl::Signal* raw = entry.release();
    impl_->signals.push_back(raw);
    const int status = uv_signal_start(
        &raw->handle,
        [](uv_signal_t* handle, int) { static_cast<Impl::Signal*>(handle->data)->callback(); },
        signal);
    if (status != 0) return uv_failure("catching a signal", status);
    return ok();
}

void EventLoop::post(UniqueFunction<void()> callback) {
    {
        const std::lock_guard guard(impl_->posted_lock);
        impl_->posted.push_back(std::move(callback));
    }
    uv_async_send(&impl_->async);
}

void EventLoop::run() {
    while (!impl_->stopped) uv_run(&impl_->loop, UV_RUN_DEFAULT);
    impl_->stopped = false;
}

void EventLoop::stop() {
    impl_->stopped = true;
    uv_stop(&impl_->loop);
}

}  // namespace racoon::loop
