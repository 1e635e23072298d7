// A Runtime with a clock of its own and no threads but the caller's: time moves when a test says so.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "plugin/runtime.hpp"

namespace racoon::test {

class FakeRuntime final : public plugin::Runtime {
  public:
    TimePoint now() const override { return now_; }
    std::int64_t wall_ns() const override { return now_.time_since_epoch().count() + 1; }
    bool on_main_thread() const override { return std::this_thread::get_id() == main_; }

    void post(UniqueFunction<void()> callback) override {
        const std::lock_guard guard(lock_);
        posted_.push_back(std::move(callback));
    }
    std::uint64_t arm(Duration delay, UniqueFunction<void()> callback) override {
        const std::uint64_t token = next_++;
        timers_.emplace(token, Timer{now_ + delay, std::move(callback)});
        return token;
    }
    void cancel(std::uint64_t timer) override { timers_.erase(timer); }
    Result<std::uint64_t> watch(int fd, unsigned,
                                UniqueFunction<void(unsigned)> callback) override {
        const std::uint64_t token = next_++;
        watches_.emplace(token, Watch{fd, std::move(callback)});
        return token;
    }
    void unwatch(std::uint64_t watch) override { watches_.erase(watch); }
    Result<std::uint64_t> submit(UniqueFunction<void()> job,
                                 UniqueFunction<void(bool)> done) override {
        if (jobs_.size() >= job_limit) return fail(Errc::Busy, "full");
        const std::uint64_t token = next_++;
        jobs_.emplace(token, Job{std::move(job), std::move(done)});
        return token;
    }
    void cancel_work(std::uint64_t work) override {
        const auto it = jobs_.find(work);
        if (it == jobs_.end()) return;
        auto done = std::move(it->second.done);
        jobs_.erase(it);
        post([d = std::move(done)]() mutable { d(false); });
    }

    /// Runs what was posted, also what that posts. Returns how many calls.
    std::size_t run_posted() {
        std::size_t count = 0;
        while (true) {
            UniqueFunction<void()> next;
            {
                const std::lock_guard guard(lock_);
                if (posted_.empty()) return count;
                next = std::move(posted_.front());
                posted_.pop_front();
            }
            next();
            ++count;
        }
    }
    /// Moves the clock, firing timers in order, and runs what was posted.
    void advance(Duration by) {
        const TimePoint until = now_ + by;
        while (true) {
            auto due = timers_.end();
            for (auto it = timers_.begin(); it != timers_.end(); ++it)
                if (it->second.at <= until &&
                    (due == timers_.end() || it->second.at < due->second.at))
                    due = it;
            if (due == timers_.end()) break;
            now_ = std::max(now_, due->second.at);
            auto callback = std::move(due->second.callback);
            timers_.erase(due);
            callback();
            run_posted();
        }
        now_ = until;
        run_posted();
    }
    void run_jobs() {
        while (!jobs_.empty()) {
            auto it = jobs_.begin();
            Job job = std::move(it->second);
            jobs_.erase(it);
            job.work();
            job.done(true);
        }
    }
    /// Says that `fd` is ready to whoever watches it.
    void ready(int fd, unsigned events) {
        std::vector<std::uint64_t> tokens;
        for (const auto& [token, w] : watches_)
            if (w.fd == fd) tokens.push_back(token);
        for (const std::uint64_t token : tokens)
            if (const auto it = watches_.find(token); it != watches_.end()) {
                auto callback = std::move(it->second.callback);
                callback(events);
                if (const auto again = watches_.find(token); again != watches_.end())
                    again->second.callback = std::move(callback);
            }
    }
    std::vector<int> watched() const {
        std::vector<int> out;
        for (const auto& [token, w] : watches_) out.push_back(w.fd);
        return out;
    }
    std::size_t timers() const { return timers_.size(); }
    std::size_t jobs() const { return jobs_.size(); }
    std::size_t job_limit = 16;

  private:
    struct Timer {
        TimePoint at;
        UniqueFunction<void()> callback;
    };
    struct Watch {
        int fd;
        UniqueFunction<void(unsigned)> callback;
    };
    struct Job {
        UniqueFunction<void()> work;
        UniqueFunction<void(bool)> done;
    };
    std::thread::id main_ = std::this_thread::get_id();
    TimePoint now_{std::chrono::seconds(1000)};
    std::uint64_t next_ = 1;
    std::map<std::uint64_t, Timer> timers_;
    std::map<std::uint64_t, Watch> watches_;
    std::map<std::uint64_t, Job> jobs_;
    std::mutex lock_;
    std::deque<UniqueFunction<void()>> posted_;
};

}  // namespace racoon::test
