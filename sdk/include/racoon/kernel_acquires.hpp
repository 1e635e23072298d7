// Acquires that a backend of Linux's own stack has told of and that have not been answered yet: by token, with what
// it takes to find each one's larval SA. That dies of age, and the acquire with it: then nobody need answer.
//
//     acquires_.live_for(larval_lifetime_.seconds());
//     const std::uint64_t token = acquires_.add(larval, now_ns);
//     if (const auto larval = acquires_.take(token)) …      // once
//
// No more than kMost at one time: the oldest makes room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace racoon::sdk {

template <typename Larval>
class Acquires {
  public:
    static constexpr std::size_t kMost = 1u << 14;

    /// How long larval SAs live.
    void live_for(std::int64_t seconds) { lifetime_ns_ = seconds * 1'000'000'000; }

    std::uint64_t add(Larval larval, std::int64_t now_ns) {
        forget_dead(now_ns);
        if (full()) open_.erase(open_.begin());
        open_.emplace(++last_, One{std::move(larval), now_ns});
        return last_;
    }
    std::optional<Larval> take(std::uint64_t token) {
        const auto at = open_.find(token);
        if (at == open_.end()) return {};
        std::optional<Larval> out(std::move(at->second.larval));
        open_.erase(at);
        return out;
    }
    /// Tokens are given in the order of time.
    void forget_dead(std::int64_t now_ns) {
        while (!open_.empty() && now_ns - open_.begin()->second.since_ns >= lifetime_ns_)
            open_.erase(open_.begin());
    }
    template <typename Each>
    void each(Each each) const {
        for (const auto& [token, one] : open_) each(one.larval);
    }
    /// The oldest one's token; 0: there is none.
    std::uint64_t first() const { return open_.empty() ? 0 : open_.begin()->first; }
    std::size_t size() const { return open_.size(); }
    bool full() const { return open_.size() >= kMost; }

  private:
    struct One {
        Larval larval;
        std::int64_t since_ns = 0;
    };
    std::map<std::uint64_t, One> open_;  // by token
    std::uint64_t last_ = 0;
    std::int64_t lifetime_ns_ = std::int64_t{30} * 1'000'000'000;  // as the kernel comes
};

}  // namespace racoon::sdk
