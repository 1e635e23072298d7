// What the kernel says by itself, and which of it concerns us.
#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "backend.hpp"

namespace racoon::kernel_xfrm {
namespace {
constexpr int kDatagramsAtOnce = 256;  // then the loop looks at others
}  // namespace

void Backend::on_readable() {
    for (int i = 0; i < kDatagramsAtOnce && opened_; ++i) {
        ByteView datagram;
        switch (event_socket_.receive(&datagram)) {
            case EventSocket::Got::Nothing:
                // What was left in the buffer has been read: now the rest can be told from the tables.
                if (std::exchange(overrun_, false)) {
                    find_lost_policies();
                    read_foreign();
                    find_lost_acquires();
                    emit(RACOON_KERNEL_OVERRUN, nullptr);
                }
                return;
            case EventSocket::Got::Overrun:
                log(RACOON_LOG_WARNING, "events of the kernel were lost: its buffer overran");
                overrun_ = true;
                continue;
            case EventSocket::Got::Broken:
                log(RACOON_LOG_ERROR, "the kernel's event socket is broken");
                host_.fd->unwatch(host_.host->ctx, watch_);
                emit(RACOON_KERNEL_FAILED, nullptr);
                return;
            case EventSocket::Got::Datagram:
                break;
        }
        // First read, then told: a listener may close us, and the buffer with us.
        std::vector<KernelEvent> events;
        split_datagram(datagram, [&](const Message& m) {
            if (auto event = read_event(m)) events.push_back(*event);
            return true;
        });
        for (const KernelEvent& event : events) {
            if (opened_) on_event(event);
        }
    }
}

void Backend::emit(std::uint32_t type, const Sa* sa, std::uint32_t policy_id) {
    racoon_kernel_event event{};
    event.struct_size = sizeof(event);
    event.type = type;
    event.policy_id = policy_id;
    if (sa != nullptr) {
        event.policy_id = sa->policy_id;
        event.protocol = sa->id.protocol;
        event.spi = sa->id.spi;
        event.src = sa->id.src;
        event.dst = sa->id.dst;
    }
    events_.event(events_.arg, &event);
}

void Backend::on_event(const KernelEvent& event) {
    using Kind = KernelEvent::Kind;
    const bool own = event.port == requests_.port();
    if (event.kind == Kind::Acquire) return on_acquire(event);
    if (event.kind == Kind::SasFlushed) return own ? void() : on_sas_flushed(event.protocol);
    if (event.kind == Kind::PolicyChanged) {
        if (own || is_unchanged(event.policy_index, event.policy)) return;
        on_policy_lost(event.policy_index);  // another stands in its place, which is not ours
        if (!event.policy) return foreign_.remove(event.policy_index);
        foreign_.put(event.policy_index, *event.policy);
        return tell_left_out();
    }
    if (event.kind == Kind::PolicyDeleted) {
        if (own) return;
        foreign_.remove(event.policy_index);
        return on_policy_lost(event.policy_index);
    }
    if (event.kind == Kind::PoliciesFlushed) {
        std::vector<std::uint32_t> indexes;
        for (const auto& [index, id] : by_index_) indexes.push_back(index);
        for (const std::uint32_t index : indexes) {
            if (opened_) on_policy_lost(index);
        }
        // Some may have come since: what is there now counts.
        if (opened_) read_foreign();
        return;
    }
    if (event.kind == Kind::Migrated) return find_migrated();
    const auto at = sas_.find(key_of(event.dst, event.protocol, event.spi));
    if (at == sas_.end()) return;
    const Sa sa = at->second;
    switch (event.kind) {
        case Kind::ExpireSoft:
            at->second.state = 2;
            return emit(RACOON_KERNEL_EXPIRE_SOFT, &sa);
        case Kind::ExpireHard:
            forget(at);
            return emit(RACOON_KERNEL_EXPIRE_HARD, &sa);
        case Kind::SaDeleted:
            if (own) return;
            forget(at);
            return emit(RACOON_KERNEL_SA_DELETED, &sa);
        case Kind::Mapping: {
            Sa moved = sa;
            moved.id.src = event.src;
            return emit(RACOON_KERNEL_MAPPING, &moved);
        }
        default:
            return;
    }
}

void Backend::on_acquire(const KernelEvent& event) {
    const auto at = by_index_.find(event.policy_index);
    const std::uint32_t policy =
        at != by_index_.end() ? at->second : foreign_.number_of(event.policy_index);
    if (policy == 0) return;  // one that we know nothing of
    const std::uint64_t token =
        acquires_.add({event.sequence, event.larval, event.larval_marks}, now_ns());
    tell_acquire(token, policy, event.protocol, event.src, event.dst);
}

void Backend::tell_acquire(std::uint64_t token, std::uint32_t policy_id, std::uint32_t protocol,
                           const racoon_addr& src, const racoon_addr& dst) {
    racoon_kernel_event out{};
    out.struct_size = sizeof(out);
    out.type = RACOON_KERNEL_ACQUIRE;
    out.acquire_token = token;
    out.policy_id = policy_id;
    out.protocol = protocol;
    out.src = src;
    out.dst = dst;
    events_.event(events_.arg, &out);
}

// What acquires have left in the kernel: larval SAs without an SPI, which keep it from asking again. The
// request id tells whose each is.
std::vector<Backend::Acquire> Backend::read_larvals() {
    std::vector<Acquire> larvals;
    Request request = dump_sas();
    requests_.transact(request, [&](const Message& m) {
        const auto facts = read_sa(m);
        if (!facts || facts->info.spi != 0) return;
        racoon_kernel_spi_request tuple{};
        tuple.struct_size = sizeof(tuple);
        tuple.protocol = facts->info.protocol;
        tuple.mode = facts->info.mode;
        tuple.reqid = facts->info.reqid;
        tuple.src = facts->info.src;
        tuple.dst = facts->info.dst;
        larvals.push_back({0, tuple, facts->marks});
    });
    return larvals;
}

// A run that was killed answered its last acquires to nobody: the same policy's traffic would wait until they
// die of age.
void Backend::end_stale_larvals(const racoon_kernel_policy& policy) {
    if (stale_larvals_.empty() || policy.direction != RACOON_DIR_OUT) return;
    const auto ends = [&](const Acquire& left) {
        racoon_kernel_spi_request larval = left.larval;
        return sdk::can_have_left(policy, nullptr, &larval) && end_larval(left) == 0;
    };
    const auto last = std::remove_if(stale_larvals_.begin(), stale_larvals_.end(), ends);
    stale_larvals_.erase(last, stale_larvals_.end());
}

void Backend::find_lost_acquires() {
    const std::vector<Acquire> larvals = read_larvals();
    if (larvals.empty()) return;
    std::map<std::uint32_t, std::uint32_t> by_reqid;  // → outbound policy
    for (const auto& [id, p] : policies_) {
        if (p.policy.direction != RACOON_DIR_OUT) continue;
        for (std::uint32_t i = 0; i < p.policy.template_count; ++i)
            by_reqid.emplace(p.policy.templates[i].reqid, id);
    }
    const auto key = [](const racoon_kernel_spi_request& r) {
        const SaKey to = key_of(r.dst, r.protocol, r.reqid);
        return std::pair(to, key_of(r.src, r.mode, 0));
    };
    std::set<std::pair<SaKey, SaKey>> known;
    acquires_.forget_dead(now_ns());
    acquires_.each([&](const Acquire& acquire) { known.insert(key(acquire.larval)); });
    std::size_t found = 0;
    for (const Acquire& larval : larvals) {
        const racoon_kernel_spi_request& tuple = larval.larval;
        if (known.count(key(tuple)) != 0 || acquires_.full()) continue;
        const auto own = by_reqid.find(tuple.reqid);
        std::uint32_t policy = own != by_reqid.end() ? own->second : 0;
        racoon_kernel_spi_request of = tuple;
        if (policy == 0) policy = sdk::asked_for_by(foreign_, &of);
        if (policy == 0) continue;  // one that we know nothing of
        known.insert(key(tuple));
        const std::uint64_t token = acquires_.add(larval, now_ns());
        ++found;
        tell_acquire(token, policy, tuple.protocol, tuple.src, tuple.dst);
        if (!opened_) return;
    }
    if (found != 0) log(RACOON_LOG_NOTIFY, std::to_string(found) + " acquires had been lost");
}

void Backend::find_lost_policies() {
    std::vector<std::uint32_t> lost;
    for (const auto& [id, p] : policies_) {
        if (by_index_.count(p.index) != 0 && !look_up_policy(p.policy, p.policy.direction))
            lost.push_back(p.index);
        if (p.fwd_index != 0 && !look_up_policy(p.policy, RACOON_DIR_FWD))
            lost.push_back(p.fwd_index);
    }
    for (const std::uint32_t index : lost) {
        if (opened_) on_policy_lost(index);
    }
}

racoon_status Backend::watch_policies(const racoon_kernel_foreign& listener, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    foreign_.listen(listener);
    const int error = read_foreign();
    if (error != 0) return sdk::refuse_errno(err, "reading the policies of others", error);
    tell_stale_larvals();
    return RACOON_OK;
}

// For a policy of others another daemon may be at work, and lose its own SA by what would be done to ours.
void Backend::tell_stale_larvals() {
    const std::vector<Acquire> larvals = stale_larvals_;
    for (const Acquire& left : larvals) {
        racoon_kernel_spi_request larval = left.larval;
        const std::uint32_t policy = opened_ ? sdk::asked_for_by(foreign_, &larval) : 0;
        if (policy == 0) continue;
        const std::uint64_t token = acquires_.add(left, now_ns());
        tell_acquire(token, policy, larval.protocol, larval.src, larval.dst);
    }
}

int Backend::read_foreign() {
    if (!foreign_.listening()) return 0;
    std::vector<sdk::ForeignPolicies::Indexed> all;
    Request request = dump_policies();
    const int error = requests_.transact(request, [&](const Message& m) {
        const auto facts = read_policy(m);
        if (!facts || by_index_.count(facts->index) != 0) return;
        if (const auto policy = read_whole_policy(m)) all.emplace_back(facts->index, *policy);
    });
    if (error != 0) return error;
    foreign_.replace(all);
    tell_left_out();
    return 0;
}

void Backend::tell_left_out() {
    const std::string text = foreign_.complaint();
    if (!text.empty()) log(RACOON_LOG_WARNING, text);
}

// A flush is one message, whatever it hit.
void Backend::on_sas_flushed(std::uint32_t protocol) {
    std::vector<Sa> lost;
    for (auto it = sas_.begin(); it != sas_.end();) {
        const auto next = std::next(it);
        if (protocol == 0 || protocol == 255 || it->second.id.protocol == protocol) {
            lost.push_back(it->second);
            forget(it);
        }
        it = next;
    }
    for (const Sa& sa : lost) {
        if (opened_) emit(RACOON_KERNEL_SA_DELETED, &sa);
    }
}

bool Backend::is_unchanged(std::uint32_t index,
                           const std::optional<racoon_kernel_policy>& now) const {
    const auto at = by_index_.find(index);
    if (at == by_index_.end() || !now) return false;
    const auto ours = policies_.find(at->second);
    return ours != policies_.end() && sdk::same_rules(ours->second.policy, *now);
}

void Backend::on_policy_lost(std::uint32_t index) {
    const auto at = by_index_.find(index);
    if (at == by_index_.end()) return;
    const std::uint32_t id = at->second;
    by_index_.erase(at);
    const auto policy = policies_.find(id);
    if (policy == policies_.end()) return;
    Policy& p = policy->second;
    if (p.fwd_index == index) {
        journal_.remove(sdk::policy_entry(p.policy, RACOON_DIR_FWD));
        p.fwd_index = 0;
        return;
    }
    const Policy gone = p;
    policies_.erase(policy);
    journal_.remove(sdk::policy_entry(gone.policy, gone.policy.direction));
    if (gone.fwd_index != 0) {
        by_index_.erase(gone.fwd_index);
        remove_policy(gone.policy, RACOON_DIR_FWD);
    }
    emit(RACOON_KERNEL_POLICY_CHANGED, nullptr, id);
}

}  // namespace racoon::kernel_xfrm
