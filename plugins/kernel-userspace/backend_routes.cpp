// What others do to the routes is made good.
#include "backend.hpp"

namespace racoon::kernel_userspace {
namespace {

// Between two repairs: who takes away what we put there, again and again, is not raced.
constexpr std::int64_t kRepairPauseNs = 1'000'000'000;

}  // namespace

void Backend::watch_routes() {
    Failure failure;
    const auto callback = [](void* arg, std::uint32_t) noexcept {
        static_cast<Backend*>(arg)->on_routes();
    };
    const bool watched = route_watch_.open(settings_.table, &failure) &&
                         host_.fd->watch(host_.host->ctx, route_watch_.fd(), RACOON_FD_READ,
                                         callback, this, &route_token_) == RACOON_OK;
    if (watched) return;
    route_token_ = 0;
    route_watch_.close();
    log(RACOON_LOG_WARNING,
        "rules and routes that somebody else takes away do not come again: " +
            (failure.text.empty() ? std::string("the socket cannot be watched") : failure.text));
}

void Backend::on_routes() {
    const RouteWatch::News news =
        route_watch_.read({routes_.device_index(), settings_.table, routes_.port()});
    if (news.device == RouteWatch::Device::Down) {
        log(RACOON_LOG_WARNING, settings_.device +
                                    " has been set down: what the policies cover is refused "
                                    "until it is up again");
    }
    if (news.device == RouteWatch::Device::Up)
        log(RACOON_LOG_INFO, settings_.device + " is up again");
    if (!news.lost || repair_armed_) return;
    const std::int64_t wait = repaired_at_ + kRepairPauseNs - host_.now_ns();
    if (repaired_at_ == 0 || wait <= 0)
        repair_routes();
    else
        arm_repair(wait);
}

void Backend::arm_repair(std::int64_t delay) {
    const auto callback = [](void* arg) noexcept {
        auto* backend = static_cast<Backend*>(arg);
        backend->repair_armed_ = false;
        backend->repair_routes();
    };
    repair_armed_ =
        host_.timer->arm(host_.host->ctx, delay, callback, this, &repair_timer_) == RACOON_OK;
}

// A device that was deleted is made anew with all that belongs to it.
void Backend::repair_routes() {
    repaired_at_ = host_.now_ns();
    if (!opened_ || !tun_lives(tun_)) return;
    Failure failure;
    const std::size_t back = routes_.repair(&failure);
    if (back != 0) {
        log(RACOON_LOG_NOTIFY, std::to_string(back) +
                                   " rules or routes of ours had been taken away, and are there "
                                   "again");
    }
    if (!failure.text.empty()) {
        if (failure.text != repair_trouble_)
            log(RACOON_LOG_ERROR,
                "a rule or route that was taken away does not come again: " + failure.text);
        arm_repair(kRepairPauseNs);
    }
    repair_trouble_ = failure.text;
}

}  // namespace racoon::kernel_userspace
