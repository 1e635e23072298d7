// UniqueFunction: a callable that may own what cannot be copied (std::move_only_function is C++23).
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace racoon {

template <typename Signature>
class UniqueFunction;

template <typename R, typename... Args>
class UniqueFunction<R(Args...)> {
  public:
    UniqueFunction() = default;
    UniqueFunction(std::nullptr_t) {}
    template <typename F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, UniqueFunction>) UniqueFunction(F&& f)
        : holder_(std::make_unique<Holder<std::decay_t<F>>>(std::forward<F>(f))) {}

    R operator()(Args... args) { return holder_->call(std::forward<Args>(args)...); }
    explicit operator bool() const { return holder_ != nullptr; }

  private:
    struct Base {
        virtual ~Base() = default;
        virtual R call(Args... args) = 0;
    };
    template <typename F>
    struct Holder final : Base {
        template <typename G>
        explicit Holder(G&& g) : f(std::forward<G>(g)) {}
        R call(Args... args) override { return f(std::forward<Args>(args)...); }
        F f;
    };
    std::unique_ptr<Base> holder_;
};

}  // namespace racoon
