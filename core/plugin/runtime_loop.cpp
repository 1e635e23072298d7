#include <chrono>
#include <thread>

#include "loop/event_loop.hpp"
#include "loop/work_pool.hpp"
#include "plugin/runtime.hpp"

namespace racoon::plugin {

namespace {

class LoopRuntime final : public Runtime {
  public:
    LoopRuntime(loop::EventLoop& loop, loop::WorkPool& workers)
        : loop_(loop), workers_(workers), main_(std::this_thread::get_id()) {}

    TimePoint now() const override { return monotonic_now(); }
    std::int64_t wall_ns() const override {
        const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
        return std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count();
    }
    void post(UniqueFunction<void()> callback) override { loop_.post(std::move(callback)); }
    bool on_main_thread() const override { return std::this_thread::get_id() == main_; }

    std::uint64_t arm(Duration delay, UniqueFunction<void()> callback) override {
        return loop_.arm(delay, std::move(callback)).value;
    }
    void cancel(std::uint64_t timer) override { loop_.cancel(loop::TimerToken{timer}); }
    Result<std::uint64_t> watch(int fd, unsigned events,
                                UniqueFunction<void(unsigned)> callback) override {
        RACOON_TRY(const auto token, loop_.watch(fd, events, std::move(callback)));
        return token.value;
    }
    void unwatch(std::uint64_t watch) override { loop_.unwatch(loop::WatchToken{watch}); }
    Result<std::uint64_t> submit(UniqueFunction<void()> job,
                                 UniqueFunction<void(bool)> done) override {
        RACOON_TRY(const auto token, workers_.submit(std::move(job), std::move(done)));
        return token.value;
    }
    void cancel_work(std::uint64_t work) override { workers_.cancel(loop::WorkToken{work}); }

  private:
    loop::EventLoop& loop_;
    loop::WorkPool& workers_;
    std::thread::id main_;
};

}  // namespace

std::unique_ptr<Runtime> make_loop_runtime(loop::EventLoop& loop, loop::WorkPool& workers) {
    return std::make_unique<LoopRuntime>(loop, workers);
}

}  // namespace racoon::plugin
