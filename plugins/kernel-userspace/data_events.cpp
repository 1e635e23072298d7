// When the data path asks for SAs, which packets wait for them, and how long SAs live.
#include <algorithm>

#include "data_path.hpp"

namespace racoon::kernel_userspace {
namespace {

std::int64_t after(std::int64_t now, std::int64_t delay) {
    return delay > kNever - now ? kNever : now + delay;
}

}  // namespace

DataPath::Wanted DataPath::wanted(const racoon_kernel_policy& policy, const racoon_addr& src,
                                  const racoon_addr& dst) {
    Wanted out;
    out.policy_id = policy.id;
    const auto* const rules = policy.templates;
    if (std::any_of(rules, rules + policy.template_count,
                    [](const auto& t) { return t.mode == RACOON_MODE_TUNNEL; }))
        return out;
    out.src = key_of(src, 0, 0);
    out.dst = key_of(dst, 0, 0);
    return out;
}

void DataPath::acquire(const racoon_kernel_policy& policy, const Flow& flow, std::int64_t now) {
    const Wanted which = wanted(policy, flow.source, flow.destination);
    const auto at = acquires_.find(which);
    if (at != acquires_.end() && at->second.ends > now) return;
    if (at == acquires_.end() && acquires_.size() >= kMaxAcquires) {
        std::erase_if(acquires_, [&](const auto& a) { return a.second.ends <= now; });
        if (acquires_.size() >= kMaxAcquires) return;
    }
    const std::uint64_t token = ++tokens_;
    acquires_[which] = {token, after(now, kAcquireNs)};
    racoon_kernel_event event{};
    event.type = RACOON_KERNEL_ACQUIRE;
    event.policy_id = policy.id;
    event.protocol = policy.templates[0].protocol;
    event.acquire_token = token;
    event.src = flow.source;
    event.dst = flow.destination;
    to_keeper(event);
}

// Whether there may be an SA for each rule that must have one, with the newest one's hosts where they are the
// packets' own. Those of a bundle come one by one, and what waits for all of them waits on until the last.
bool DataPath::served(const racoon_kernel_policy& policy, const racoon_kernel_sa& newest) const {
    const Wanted which = wanted(policy, newest.src, newest.dst);
    for (std::uint32_t i = 0; i < policy.template_count; ++i) {
        const racoon_kernel_template& t = policy.templates[i];
        if (t.level == RACOON_LEVEL_USE) continue;
        const auto range = t.reqid != 0 ? outbound_.equal_range(t.reqid)
                                        : std::make_pair(outbound_.begin(), outbound_.end());
        const bool there = std::any_of(range.first, range.second, [&](const auto& entry) {
            const auto at = sas_.find(entry.second);
            return at != sas_.end() && at->second.facts.protocol == t.protocol &&
                   at->second.facts.mode == t.mode &&
                   wanted(policy, at->second.facts.src, at->second.facts.dst) == which;
        });
        if (!there) return false;
    }
    return true;
}

void DataPath::hold(const Wanted& which, ByteView packet) {
    const auto waits = [&](const Held& h) { return h.wanted == which; };
    const auto mine = std::count_if(held_.begin(), held_.end(), waits);
    if (static_cast<std::size_t>(mine) >= kHeldPerPolicy) {
        ++drops_.held_too_many;
        return;
    }
    if (held_.size() >= kHeldInAll) {
        held_.pop_front();
        ++drops_.held_too_many;
    }
    held_.push_back({which, Bytes(packet.begin(), packet.end())});
}

// The policy is gone, or another one.
void DataPath::forget(std::uint32_t policy_id) {
    std::erase_if(acquires_, [&](const auto& a) { return a.first.policy_id == policy_id; });
    std::erase_if(held_, [&](const Held& h) { return h.wanted.policy_id == policy_id; });
}

void DataPath::release(const Wanted& which, std::int64_t now, bool send) {
    std::vector<Bytes> mine;
    for (auto it = held_.begin(); it != held_.end();) {
        if (!(it->wanted == which)) {
            ++it;
            continue;
        }
        mine.push_back(std::move(it->packet));
        it = held_.erase(it);
    }
    if (!send) return;
    for (const Bytes& packet : mine) from_tun(packet, now);
}

void DataPath::to_keeper(const racoon_kernel_event& event) {
    Writer out = begin_frame(Message::Event, 0);
    write_event(out, event);
    output_.to_keeper(out.view());
}

void DataPath::tell(std::uint32_t type, const Sa& sa) {
    racoon_kernel_event event{};
    event.type = type;
    event.policy_id = sa.facts.policy_id;
    event.protocol = sa.facts.protocol;
    event.spi = sa.facts.spi;
    event.src = sa.facts.src;
    event.dst = sa.facts.dst;
    to_keeper(event);
}

void DataPath::end_sa(const SaKey& key, bool with_event) {
    const auto at = sas_.find(key);
    if (at == sas_.end()) return;
    const Sa& sa = at->second;
    if (with_event) tell(RACOON_KERNEL_EXPIRE_HARD, sa);
    deadlines_.erase({sa.soft_at, sa.serial, false, key});
    deadlines_.erase({sa.hard_at, sa.serial, true, key});
    const auto range = outbound_.equal_range(sa.facts.reqid);
    for (auto it = range.first; it != range.second; ++it) {
        if (it->second == key) {
            outbound_.erase(it);
            break;
        }
    }
    comp_tunnels_.erase(key);
    sas_.erase(at);
}

void DataPath::advance(std::int64_t now) {
    while (!deadlines_.empty() && deadlines_.begin()->at <= now) {
        const Deadline due = *deadlines_.begin();
        deadlines_.erase(deadlines_.begin());
        if (due.hard) {
            end_sa(due.key, true);
            continue;
        }
        const auto at = sas_.find(due.key);
        if (at == sas_.end() || at->second.state != 1) continue;
        at->second.state = 2;
        tell(RACOON_KERNEL_EXPIRE_SOFT, at->second);
    }
}

// False: that was the SA's end.
bool DataPath::count(Sa& sa, std::size_t bytes, std::int64_t now) {
    sa.bytes += bytes;
    sa.packets += 1;
    sa.last_used = now;
    if (sa.facts.hard_bytes != 0 && sa.bytes >= sa.facts.hard_bytes) {
        end_sa(key_of(sa), true);
        return false;
    }
    if (sa.facts.soft_bytes != 0 && sa.bytes >= sa.facts.soft_bytes && sa.state == 1) {
        sa.state = 2;
        tell(RACOON_KERNEL_EXPIRE_SOFT, sa);
    }
    return true;
}

// To end one of them leaves the others where they are.
bool DataPath::count(const Layers& layers, std::size_t bytes, std::int64_t now) {
    bool all = true;
    for (Sa* sa : layers.all()) all = count(*sa, bytes, now) && all;
    return all;
}

}  // namespace racoon::kernel_userspace
