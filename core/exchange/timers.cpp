#include "exchange/timers.hpp"

#include <algorithm>

namespace racoon::exchange {

Timers::Id Timers::add(TimePoint when, Callback callback) {
    const Id id = ++last_;
    live_.emplace(id, std::move(callback));
    heap_.push_back({when, id});
    std::push_heap(heap_.begin(), heap_.end());
    return id;
}

void Timers::cancel(Id id) {
    if (live_.erase(id) != 0) prune();
}

std::optional<TimePoint> Timers::next() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.front().when;
}

bool Timers::fire_one(TimePoint now) {
    if (heap_.empty() || heap_.front().when > now) return false;
    const auto it = live_.find(heap_.front().id);  // the top is always live: prune() sees to it
    Callback callback = std::move(it->second);
    live_.erase(it);
    prune();
    callback();
    return true;
}

void Timers::prune() {
    if (heap_.size() > 64 && heap_.size() > 2 * live_.size()) {
        std::erase_if(heap_, [&](const Entry& e) { return !live_.contains(e.id); });
        std::make_heap(heap_.begin(), heap_.end());
    }
    while (!heap_.empty() && !live_.contains(heap_.front().id)) {
        std::pop_heap(heap_.begin(), heap_.end());
        heap_.pop_back();
    }
}

void Timer::arm(Timers& timers, TimePoint when, Timers::Callback callback) {
    cancel();
    timers_ = &timers;
    when_ = when;
    // The slot is emptied before the callback runs, so that it may arm this timer anew.
    id_ = timers.add(when, [this, callback = std::move(callback)]() mutable {
        timers_ = nullptr;
        callback();
    });
}

void Timer::cancel() {
    if (timers_ == nullptr) return;
    timers_->cancel(id_);
    timers_ = nullptr;
}

}  // namespace racoon::exchange
