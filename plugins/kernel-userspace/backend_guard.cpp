// What arrives in the clear: the kernel's packet filter is told of the inbound policies once a turn of the loop, after
// all that has changed in it.
#include "backend.hpp"

namespace racoon::kernel_userspace {
namespace {

// Between two repairs, and before another try.
constexpr std::int64_t kGuardPauseNs = 1'000'000'000;

}  // namespace

GuardTable Backend::guard_table() const {
    return {guard_table_name(settings_.table), settings_.device, ike_ports_};
}

// What an earlier run left goes on until our own replaces it. A run with another table whose device is gone has
// ended.
void Backend::open_guard() {
    for (const std::uint32_t number : guard_.tables()) {
        Failure ignored;
        if (number == settings_.table)
            guard_stands_ = true;
        else if (!routes_.is_in_use(number))
            guard_.remove(guard_table_name(number), &ignored);
    }
    // The policies are about to come.
    if (guard_stands_) arm_guard(kGuardPauseNs);
}

void Backend::close_guard() {
    if (guard_armed_) host_.timer->cancel(host_.host->ctx, guard_timer_);
    guard_armed_ = guard_soon_ = false;
    unwatch_guard();
    Failure failure;
    if (guard_stands_ && !guard_.remove(guard_table_name(settings_.table), &failure))
        log(RACOON_LOG_ERROR,
            "what keeps packets in the clear out is left behind: " + failure.text);
    guard_stands_ = false;
    guard_told_.clear();
}

void Backend::guard_changed() {
    if (opened_ && !guard_soon_) arm_guard(0);
}

void Backend::arm_guard(std::int64_t delay) {
    if (guard_armed_) host_.timer->cancel(host_.host->ctx, guard_timer_);
    const auto callback = [](void* arg) noexcept {
        auto* backend = static_cast<Backend*>(arg);
        backend->guard_armed_ = backend->guard_soon_ = false;
        backend->renew_guard();
    };
    guard_armed_ =
        host_.timer->arm(host_.host->ctx, delay, callback, this, &guard_timer_) == RACOON_OK;
    guard_soon_ = guard_armed_ && delay == 0;
}

void Backend::renew_guard() {
    if (!opened_) return;
    const std::vector<GuardRule> rules =
        settings_.guard ? guard_rules(policies_by_age()) : std::vector<GuardRule>{};
    Failure failure;
    if (rules.empty()) {
        unwatch_guard();
        if (!guard_stands_ || guard_.remove(guard_table_name(settings_.table), &failure)) {
            guard_stands_ = guard_lost_ = false;
            return;
        }
    } else if (guard_.put(guard_table(), rules, &failure)) {
        if (guard_lost_)
            log(RACOON_LOG_NOTIFY,
                "what keeps packets in the clear out had been taken away, and is there again");
        guard_lost_ = false;
        guard_stands_ = true;
        guard_told_.clear();
        return watch_guard();
    }
    const bool missing = Guard::is_missing(failure);
    if (guard_told_ != failure.text) {
        log(missing ? RACOON_LOG_WARNING : RACOON_LOG_ERROR,
            std::string(rules.empty()
                            ? "packets in the clear are kept out still: "
                            : "packets in the clear that an inbound policy covers are let in: ") +
                failure.text);
    }
    guard_told_ = failure.text;
    if (!missing) arm_guard(kGuardPauseNs);
}

void Backend::watch_guard() {
    if (guard_token_ != 0) return;
    Failure failure;
    const auto callback = [](void* arg, std::uint32_t) noexcept {
        static_cast<Backend*>(arg)->on_guard();
    };
    const int fd = guard_.watch(&failure);
    if (fd >= 0 && host_.fd->watch(host_.host->ctx, fd, RACOON_FD_READ, callback, this,
                                   &guard_token_) == RACOON_OK) {
        return;
    }
    unwatch_guard();
    log(RACOON_LOG_WARNING,
        "what keeps packets in the clear out does not come again when somebody takes it away: " +
            (failure.text.empty() ? std::string("the socket cannot be watched") : failure.text));
}

void Backend::unwatch_guard() {
    if (guard_token_ != 0) host_.fd->unwatch(host_.host->ctx, guard_token_);
    guard_token_ = 0;
    guard_.unwatch();
}

// Whoever takes it away again and again is not raced.
void Backend::on_guard() {
    if (!guard_.lost(guard_table_name(settings_.table)) || guard_lost_) return;
    guard_lost_ = true;
    const std::int64_t wait = guard_repaired_at_ + kGuardPauseNs - host_.now_ns();
    const bool at_once = guard_repaired_at_ == 0 || wait <= 0;
    guard_repaired_at_ = host_.now_ns() + (at_once ? 0 : wait);
    if (!guard_armed_) arm_guard(at_once ? 0 : wait);
}

}  // namespace racoon::kernel_userspace
