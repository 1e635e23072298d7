#include "loop/work_pool.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <pthread.h>
#include <signal.h>
#include <thread>
#include <vector>

namespace racoon::loop {

namespace {

struct Item {
    std::uint64_t id;
    UniqueFunction<void()> job;
    UniqueFunction<void(bool)> done;
};

}  // namespace

struct WorkPool::Impl {
    Impl(EventLoop& l, unsigned count, std::size_t queue_limit)
        : loop(l),
          wanted(count != 0 ? count : std::max(1u, std::thread::hardware_concurrency())),
          limit(queue_limit) {}

    EventLoop& loop;
    const unsigned wanted;
    const std::size_t limit;
    std::vector<pthread_t> threads;

    mutable std::mutex lock;
    std::condition_variable wake;
    std::deque<Item> queue;
    std::uint64_t next_id = 1;
    bool ending = false;

    void answer(UniqueFunction<void(bool)> done, bool ran) {
        loop.post([done = std::move(done), ran]() mutable { done(ran); });
    }

    void work() {
        std::unique_lock guard(lock);
        while (true) {
            wake.wait(guard, [&] { return ending || !queue.empty(); });
            if (ending) return;
            Item item = std::move(queue.front());
            queue.pop_front();
            guard.unlock();
            item.job();
            item.job = nullptr;  // what the job owns goes on the thread that used it
            answer(std::move(item.done), true);
            guard.lock();
        }
    }

    /// A thread less than wanted is no error, none at all is.
    bool start() {
        while (threads.size() < wanted) {
            sigset_t all, before;
            sigfillset(&all);
            pthread_sigmask(SIG_SETMASK, &all, &before);
            pthread_t thread;
            const int failed = pthread_create(
                &thread, nullptr,
                [](void* self) -> void* {
                    static_cast<Impl*>(self)->work();
                    return nullptr;
                },
                this);
            pthread_sigmask(SIG_SETMASK, &before, nullptr);
            if (failed != 0) break;
            threads.push_back(thread);
        }
        return !threads.empty();
    }
};

WorkPool::WorkPool(EventLoop& loop, unsigned threads, std::size_t queue_limit)
    : impl_(std::make_unique<Impl>(loop, threads, queue_limit)) {}

WorkPool::~WorkPool() {
    std::deque<Item> cancelled;
    {
        const std::lock_guard guard(impl_->lock);
        impl_->ending = true;
        cancelled.swap(impl_->queue);
    }
    impl_->wake.notify_all();
    for (const pthread_t thread : impl_->threads) pthread_join(thread, nullptr);
    for (Item& item : cancelled) impl_->answer(std::move(item.done), false);
}

Result<WorkToken> WorkPool::submit(UniqueFunction<void()> job, UniqueFunction<void(bool)> done) {
    if (impl_->threads.empty() && !impl_->start())
        return fail(Errc::NoMemory, "cannot start a worker thread");
    std::uint64_t id = 0;
    {
        const std::lock_guard guard(impl_->lock);
        if (impl_->queue.size() >= impl_->limit)
            return fail(Errc::Busy, std::to_string(impl_->limit) + " jobs are waiting already");
        id = impl_->next_id++;
        impl_->queue.push_back({id, std::move(job), std::move(done)});
    }
    impl_->wake.notify_one();
    return WorkToken{id};
}

void WorkPool::cancel(WorkToken token) {
    Item item{};
    {
        const std::lock_guard guard(impl_->lock);
        const auto found = std::find_if(impl_->queue.begin(), impl_->queue.end(),
                                        [&](const Item& i) { return i.id == token.value; });
        if (found == impl_->queue.end()) return;
        item = std::move(*found);
        impl_->queue.erase(found);
    }
    impl_->answer(std::move(item.done), false);
}

std::size_t WorkPool::queued() const {
    const std::lock_guard guard(impl_->lock);
    return impl_->queue.size();
}

}  // namespace racoon::loop
