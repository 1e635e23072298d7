#include "exchange/phase2_lifetime.hpp"

#include <algorithm>

#include "isakmp/attribute.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

using isakmp::LifeType;

constexpr std::uint64_t kLongestLifetime = 10ull * 365 * 86400;
constexpr std::uint64_t kDefaultLifetime = 28800;  // RFC 2407 4.5
/// What racoon's default says, which is no limit; nor is anything above it one.
constexpr std::uint64_t kUnlimitedKilobytes = 0x7fffffff;

/// 0: no limit.
std::uint64_t limit_in_kilobytes(std::uint64_t offered) {
    return offered >= kUnlimitedKilobytes ? 0 : offered;
}

std::uint64_t shorter(std::uint64_t a, std::uint64_t b) {
    if (a == 0 || b == 0) return std::max(a, b);
    return std::min(a, b);
}

bool shorter_than(std::uint64_t a, std::uint64_t b) {
    return a != 0 && (b == 0 || a < b);
}

}  // namespace

std::string OwnLifetime::text() const {
    return std::to_string(seconds) + " seconds" +
           (kilobytes == 0 ? "" : " or " + std::to_string(kilobytes) + " kilobytes");
}

OwnLifetime own_lifetime(const conf::SaInfo& info) {
    return {std::min(static_cast<std::uint64_t>(info.lifetime.count()), kLongestLifetime),
            limit_in_kilobytes(info.kilobytes)};
}

bool take_offered_lifetime(Phase2Params& p, conf::ProposalCheck check, const OwnLifetime& ours,
                           const isakmp::Lifetime& offered) {
    std::uint64_t seconds = std::min(offered.seconds.value_or(kDefaultLifetime), kLongestLifetime);
    if (seconds == 0 || offered.kilobytes == 0) return false;
    std::uint64_t kilobytes = limit_in_kilobytes(offered.kilobytes.value_or(0));
    const bool more = shorter_than(ours.kilobytes, kilobytes);
    switch (check) {
        case conf::ProposalCheck::Obey:
            break;
        case conf::ProposalCheck::Strict:
            if (seconds > ours.seconds || (offered.kilobytes && more)) return false;
            break;
        case conf::ProposalCheck::Exact:
            // A peer that does not name kilobytes is equal to one that has no limit.
            if (seconds != ours.seconds || kilobytes != ours.kilobytes) return false;
            break;
        case conf::ProposalCheck::Claim:
            if (seconds > ours.seconds) p.send_lifetime = true;
            if (more) p.send_kilobytes = true;
            seconds = std::min(seconds, ours.seconds);
            break;
    }
    if (check != conf::ProposalCheck::Obey || !offered.kilobytes)
        kilobytes = shorter(kilobytes, ours.kilobytes);
    p.seconds = shorter(p.seconds, seconds);
    p.kilobytes = shorter(p.kilobytes, kilobytes);
    return true;
}

bool still_takes_lifetime(const Phase2Params& params, conf::ProposalCheck check,
                          const OwnLifetime& ours) {
    if (check == conf::ProposalCheck::Obey) return true;
    if (check == conf::ProposalCheck::Exact)
        return params.seconds == ours.seconds && params.kilobytes == ours.kilobytes;
    return params.seconds <= ours.seconds && !shorter_than(ours.kilobytes, params.kilobytes);
}

void take_answered_lifetime(Phase2Params& p, const isakmp::Lifetime& answered) {
    if (answered.seconds) p.seconds = shorter(p.seconds, *answered.seconds);
    if (answered.kilobytes)
        p.kilobytes = shorter(p.kilobytes, limit_in_kilobytes(*answered.kilobytes));
}

Bytes responder_lifetime(const Phase2Params& params) {
    using A = isakmp::Phase2Attribute;
    Writer out;
    const auto write = [&out](LifeType type, std::uint64_t duration) {
        isakmp::write_number(out, static_cast<std::uint16_t>(A::LifeType),
                             static_cast<std::uint16_t>(type));
        isakmp::write_number(out, static_cast<std::uint16_t>(A::LifeDuration), duration);
    };
    if (params.send_lifetime) write(LifeType::Seconds, params.seconds);
    if (params.send_kilobytes) write(LifeType::Kilobytes, params.kilobytes);
    return std::move(out).take();
}

void apply_responder_lifetime(Phase2Params& params, conf::ProposalCheck check, ByteView data,
                              const std::string& peer) {
    using A = isakmp::Phase2Attribute;
    auto list = isakmp::parse_attributes<isakmp::kMaxAttributes>(Reader(data));
    if (!list) return;
    std::uint64_t type = 0;
    for (const isakmp::Attribute& a : *list) {
        auto v = a.number();
        if (!v) return;
        if (a.type == static_cast<std::uint16_t>(A::LifeType)) type = *v;
        const bool seconds = type == static_cast<std::uint64_t>(LifeType::Seconds);
        if (a.type != static_cast<std::uint16_t>(A::LifeDuration) ||
            (!seconds && type != static_cast<std::uint64_t>(LifeType::Kilobytes)))
            continue;
        std::uint64_t& ours = seconds ? params.seconds : params.kilobytes;
        const std::uint64_t theirs =
            seconds ? std::min(*v, kLongestLifetime) : limit_in_kilobytes(*v);
        const bool takes = check == conf::ProposalCheck::Obey    ? *v != 0
                           : check == conf::ProposalCheck::Exact ? theirs == ours
                                                                 : shorter_than(theirs, ours);
        if (takes)
            ours = theirs;
        else if (theirs != ours)
            LOGW(peer, "RESPONDER-LIFETIME of " + std::to_string(*v) +
                           (seconds ? " seconds" : " kilobytes") + " ignored, ours is " +
                           (ours == 0 ? "without limit" : std::to_string(ours)));
    }
}

}  // namespace racoon::exchange
