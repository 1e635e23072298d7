#include "privsep/acquires.hpp"

#include <algorithm>
#include <utility>

namespace racoon::privsep {

namespace {

using std::chrono::seconds;

// A captured engine must not fill the keeper's memory; honest ones stay far below.
constexpr std::size_t kMaxAcquires = 16'384;
constexpr unsigned kMostDoublings = 3;
/// Failures that lie further apart have nothing to do with each other.
constexpr seconds kForgotten{120};

}  // namespace

Acquires::Acquires(loop::EventLoop& loop, GiveBack give_back)
    : loop_(loop), give_back_(std::move(give_back)) {}

Acquires::~Acquires() {
    for (const auto& [token, timer] : resting_) loop_.cancel(timer);
}

bool Acquires::add(std::uint64_t token, const Tunnel& tunnel) {
    if (open_.size() + resting_.size() >= kMaxAcquires) return false;
    if (token != 0) open_.insert_or_assign(token, tunnel);
    return true;
}

bool Acquires::contains(std::uint64_t token) const {
    return open_.contains(token);
}

Duration Acquires::pause(const Tunnel& tunnel) {
    const TimePoint now = loop_.now();
    // Policies of others may come and go under ever new numbers, and packets may be for very many hosts.
    if (failing_.size() >= kMaxAcquires)
        std::erase_if(failing_, [&](const auto& f) { return now - f.second.last > kForgotten; });
    if (failing_.size() >= kMaxAcquires && !failing_.contains(tunnel)) return seconds(1);
    Failing& f = failing_[tunnel];
    if (f.times != 0 && now - f.last > kForgotten) f.times = 0;
    f.last = now;
    if (++f.times == 1) return Duration(0);
    return seconds(1) * (1 << std::min(f.times - 2, kMostDoublings));
}

void Acquires::done(std::uint64_t token, bool success) {
    const auto found = open_.find(token);
    if (found == open_.end()) return;
    const Tunnel tunnel = found->second;
    open_.erase(found);
    if (success) failing_.erase(tunnel);
    const Duration wait = success ? Duration(0) : pause(tunnel);
    if (wait == Duration(0)) return give_back_(token, success);
    resting_[token] = loop_.arm(wait, [this, token] {
        resting_.erase(token);
        give_back_(token, false);
    });
}

void Acquires::forget_failures() {
    failing_.clear();
    for (const auto& [token, timer] : std::exchange(resting_, {})) {
        loop_.cancel(timer);
        give_back_(token, false);
    }
}

void Acquires::forget_all() {
    forget_failures();
    for (const auto& [token, tunnel] : std::exchange(open_, {})) give_back_(token, false);
}

}  // namespace racoon::privsep
