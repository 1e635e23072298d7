// Task<T>: a lazily started coroutine that is owned by whoever holds the object. Destroying it ends
// the coroutine wherever it waits; that is how an exchange is cancelled.
//
//     Task<Result<Bytes>> read_reply(Exchange& x) {
//         auto message = co_await x.message();      // awaitables are the driver's
//         …
//         co_return message.body;
//     }
//     auto inner = co_await read_reply(x);           // a Task awaits a Task
//
// g++ 12 miscompiles some forms, so inside a co_await expression there is no aggregate temporary, no
// braced list and no conditional operator: name a local first (a test reads the sources for this).
// One thread only.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "base/check.hpp"

namespace racoon {

template <typename T>
class [[nodiscard]] Task {
  public:
    struct promise_type {
        std::optional<T> value;
        std::coroutine_handle<> continuation;

        Task get_return_object() {
            return Task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        struct Final {
            bool await_ready() noexcept { return false; }
            std::coroutine_handle<> await_suspend(
                std::coroutine_handle<promise_type> self) noexcept {
                auto next = self.promise().continuation;
                return next ? next : std::noop_coroutine();
            }
            void await_resume() noexcept {}
        };
        Final final_suspend() noexcept { return {}; }
        template <typename U>
        void return_value(U&& v) {
            value.emplace(std::forward<U>(v));
        }
        void unhandled_exception() noexcept { std::terminate(); }
    };

    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    Task& operator=(Task&& other) noexcept {
        if (this != &other) {
            destroy();
            handle_ = std::exchange(other.handle_, {});
        }
        return *this;
    }
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    ~Task() { destroy(); }

    /// Runs to the first suspension. For the outermost task; inner ones are awaited.
    void start() { handle_.resume(); }
    bool done() const { return handle_ && handle_.done(); }
    /// The value of a finished task.
    T take() {
        RACOON_CHECK(done() && handle_.promise().value.has_value());
        return std::move(*handle_.promise().value);
    }

    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) noexcept {
        handle_.promise().continuation = waiter;
        return handle_;
    }
    T await_resume() { return std::move(*handle_.promise().value); }

  private:
    explicit Task(std::coroutine_handle<promise_type> h) : handle_(h) {}
    void destroy() {
        if (handle_) handle_.destroy();
        handle_ = {};
    }
    std::coroutine_handle<promise_type> handle_;
};

}  // namespace racoon
