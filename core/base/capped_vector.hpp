// CappedVector: a list that input from outside may grow, up to a bound known at compile time.
//
//     CappedVector<Payload, 64> payloads;
//     RACOON_TRY_STATUS(payloads.add(p, "payloads in one message"));   // the 65th is TooLong
//
// Code that reads the wire has no other list to push to.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace racoon {

template <typename T, std::size_t N>
class CappedVector {
  public:
    static constexpr std::size_t kMax = N;

    /// Appends, or fails with TooLong: "more than 64 payloads in one message".
    Status add(T value, std::string_view what) {
        if (items_.size() == N)
            return fail(Errc::TooLong, "more than " + std::to_string(N) + " " + std::string(what));
        items_.push_back(std::move(value));
        return ok();
    }

    std::size_t size() const { return items_.size(); }
    bool empty() const { return items_.empty(); }
    const T& operator[](std::size_t i) const { return items_[i]; }
    T& operator[](std::size_t i) { return items_[i]; }
    const T& front() const { return items_.front(); }
    const T& back() const { return items_.back(); }
    T& back() { return items_.back(); }
    auto begin() const { return items_.begin(); }
    auto end() const { return items_.end(); }
    auto begin() { return items_.begin(); }
    auto end() { return items_.end(); }

  private:
    std::vector<T> items_;
};

}  // namespace racoon
