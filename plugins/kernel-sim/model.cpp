#include "model.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

#include <racoon/kernel_backend.hpp>

namespace racoon::kernel_sim {
namespace {

void put32(std::uint8_t* to, std::uint32_t v) {
    for (int i = 0; i < 4; ++i) to[i] = static_cast<std::uint8_t>(v >> (24 - 8 * i));
}

bool in_network(const racoon_addr& net, unsigned prefix, const racoon_addr& addr) {
    if (net.family != addr.family) return false;
    const unsigned whole = prefix / 8;
    if (std::memcmp(net.bytes, addr.bytes, whole) != 0) return false;
    if (prefix % 8 == 0) return true;
    const unsigned mask = 0xff00u >> (prefix % 8) & 0xffu;
    return ((net.bytes[whole] ^ addr.bytes[whole]) & mask) == 0;
}

// A length of time after `now` that cannot overflow.
std::int64_t after(std::int64_t now, std::int64_t delay) {
    return delay > kNever - now ? kNever : now + delay;
}

bool carries(const Packet& p, const racoon_kernel_mark& mark, std::uint32_t if_id) {
    return (p.mark & mark.mask) == mark.value && p.if_id == if_id;
}

}  // namespace

bool covers(const racoon_selector& s, const Packet& p) {
    if (!in_network(s.local, s.local_prefix, p.local)) return false;
    if (!in_network(s.remote, s.remote_prefix, p.remote)) return false;
    if (s.protocol != 0 && s.protocol != p.protocol) return false;
    if (s.local.port != 0 && s.local.port != p.local.port) return false;
    return s.remote.port == 0 || s.remote.port == p.remote.port;
}

Model::SaKey Model::key_of(const racoon_addr& dst, std::uint32_t protocol, std::uint32_t spi) {
    SaKey key{};
    key[0] = dst.family;
    key[1] = static_cast<std::uint8_t>(protocol);
    put32(key.data() + 2, spi);
    std::memcpy(key.data() + 6, dst.bytes, dst.family == 4 ? 4 : 16);
    return key;
}

Model::AcquireKey Model::acquire_key(const racoon_kernel_template& t, const Packet& packet,
                                     const racoon_kernel_mark& mark, std::uint32_t if_id) {
    const bool tunnel = t.local.family != 0;
    const racoon_addr& local = tunnel ? t.local : packet.local;
    const racoon_addr& remote = tunnel ? t.remote : packet.remote;
    AcquireKey key{};
    key[0] = local.family;
    key[1] = static_cast<std::uint8_t>(t.protocol);
    key[2] = static_cast<std::uint8_t>(t.mode);
    put32(key.data() + 3, t.reqid);
    const std::size_t size = local.family == 4 ? 4 : 16;
    std::memcpy(key.data() + 7, local.bytes, size);
    std::memcpy(key.data() + 23, remote.bytes, size);
    put32(key.data() + 39, mark.value);
    put32(key.data() + 43, mark.mask);
    put32(key.data() + 47, if_id);
    return key;
}

void Model::clear() {
    sas_.clear();
    outbound_by_reqid_.clear();
    deadlines_.clear();
    policies_.clear();
    acquires_.clear();
    acquire_tokens_.clear();
    events_.clear();
}

std::uint32_t Model::draw() {  // splitmix64
    random_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = random_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<std::uint32_t>((z ^ (z >> 31)) >> 32);
}

racoon_status Model::spi_get(std::int64_t now, const racoon_kernel_spi_request& r,
                             std::uint32_t* spi) {
    const bool any = r.min_spi == 0 && r.max_spi == 0;
    const bool comp = r.protocol == RACOON_IPPROTO_COMP;
    const std::uint32_t least = any ? 0x100 : r.min_spi;
    const std::uint32_t most = any ? (comp ? 0xffffu : 0xffffffffu) : r.max_spi;
    const bool family_known = r.dst.family == 4 || r.dst.family == 6;
    if (!family_known || r.src.family != r.dst.family || least == 0 || least > most) {
        return RACOON_INVALID_ARGUMENT;
    }
    if (sas_.size() >= kMaxSas) return RACOON_NO_MEMORY;
    const std::uint64_t span = std::uint64_t{most} - least + 1;
    for (std::uint64_t attempt = 0; attempt < std::min<std::uint64_t>(span * 4, 4096); ++attempt) {
        const auto value = static_cast<std::uint32_t>(least + draw() % span);
        const SaKey key = key_of(r.dst, r.protocol, value);
        if (sas_.count(key) != 0) continue;
        Entry entry;
        entry.sa.struct_size = sizeof(entry.sa);
        entry.sa.direction = RACOON_DIR_IN;
        entry.sa.protocol = r.protocol;
        entry.sa.mode = r.mode;
        entry.sa.reqid = r.reqid;
        entry.sa.spi = value;
        entry.sa.src = r.src;
        entry.sa.dst = r.dst;
        entry.serial = ++serial_;
        entry.hard_at = after(now, kLarvalLifetimeNs);
        schedule(key, entry);
        sas_.emplace(key, entry);
        *spi = value;
        return RACOON_OK;
    }
    return RACOON_NOT_FOUND;
}

racoon_status Model::sa_update(std::int64_t now, const racoon_kernel_sa& sa) {
    const racoon_status valid = sdk::check_sa(sa, nullptr);
    if (valid != RACOON_OK) return valid;
    const auto at = sas_.find(key_of(sa.dst, sa.protocol, sa.spi));
    if (at != sas_.end() && at->second.state != 0) return RACOON_STATE;
    if (at != sas_.end()) erase(at);
    return install(now, sa);
}

racoon_status Model::sa_add(std::int64_t now, const racoon_kernel_sa& sa) {
    const racoon_status valid = sdk::check_sa(sa, nullptr);
    if (valid != RACOON_OK) return valid;
    if (sas_.count(key_of(sa.dst, sa.protocol, sa.spi)) != 0) return RACOON_STATE;
    return install(now, sa);
}

racoon_status Model::install(std::int64_t now, const racoon_kernel_sa& sa) {
    if (sas_.size() >= kMaxSas) return RACOON_NO_MEMORY;
    Entry entry;
    entry.sa = sa;
    entry.state = 1;
    entry.serial = ++serial_;
    const SaKey key = key_of(sa.dst, sa.protocol, sa.spi);
    if (sa.soft_ns > 0) entry.soft_at = after(now, sa.soft_ns);
    if (sa.hard_ns > 0) entry.hard_at = after(now, sa.hard_ns);
    schedule(key, entry);
    sas_.emplace(key, entry);
    if (sa.direction == RACOON_DIR_OUT) {
        outbound_by_reqid_.emplace(sa.reqid, key);
        settle_acquires_of(sa);
    }
    return RACOON_OK;
}

void Model::schedule(const SaKey& key, const Entry& e) {
    if (e.soft_at != kNever) deadlines_.insert({e.soft_at, e.serial, key, Due::Soft});
    if (e.hard_at != kNever) deadlines_.insert({e.hard_at, e.serial, key, Due::Hard});
}

// The larval SA of an acquire gives way to the SA that answers it.
void Model::settle_acquires_of(const racoon_kernel_sa& sa) {
    racoon_kernel_template t{};
    t.protocol = sa.protocol;
    t.mode = sa.mode;
    t.reqid = sa.reqid;
    t.local = sa.src;
    t.remote = sa.dst;
    const auto at = acquires_.find(acquire_key(t, {}, sa.mark, sa.if_id));
    if (at == acquires_.end()) return;
    acquire_tokens_.erase(at->second.token);
    acquires_.erase(at);
}

void Model::erase(std::map<SaKey, Entry>::iterator at) {
    if (at->second.sa.direction == RACOON_DIR_OUT) {
        const auto range = outbound_by_reqid_.equal_range(at->second.sa.reqid);
        for (auto it = range.first; it != range.second; ++it) {
            if (it->second == at->first) {
                outbound_by_reqid_.erase(it);
                break;
            }
        }
    }
    deadlines_.erase({at->second.soft_at, at->second.serial, at->first, Due::Soft});
    deadlines_.erase({at->second.hard_at, at->second.serial, at->first, Due::Hard});
    sas_.erase(at);
}

racoon_status Model::sa_delete(const racoon_kernel_sa_id& id) {
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    if (at == sas_.end()) return RACOON_NOT_FOUND;
    erase(at);
    return RACOON_OK;
}

racoon_status Model::sa_move(const racoon_kernel_sa_id& id, const racoon_addr& peer) {
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    if (at == sas_.end()) return RACOON_NOT_FOUND;
    racoon_kernel_sa& sa = at->second.sa;
    racoon_addr& end = sa.direction == RACOON_DIR_IN ? sa.src : sa.dst;
    if ((sa.flags & RACOON_SA_UDP_ENCAP) == 0 || !sdk::same_address(end, peer) || peer.port == 0)
        return RACOON_INVALID_ARGUMENT;
    end.port = peer.port;
    return RACOON_OK;
}

bool Model::delete_by_others(const racoon_kernel_sa_id& id) {
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    if (at == sas_.end()) return false;
    queue_sa_event(RACOON_KERNEL_SA_DELETED, at->second.sa);
    erase(at);
    flush_events();
    return true;
}

racoon_kernel_sa_info Model::describe(std::int64_t now, const Entry& e) const {
    racoon_kernel_sa_info info{};
    info.struct_size = sizeof(info);
    info.state = e.state;
    info.bytes = e.bytes;
    info.packets = e.packets;
    info.idle_ns = e.last_used < 0 ? -1 : now - e.last_used;
    info.replay_window = e.sa.direction == RACOON_DIR_IN ? e.sa.replay_window : 0;
    info.direction = e.sa.direction;
    info.protocol = e.sa.protocol;
    info.mode = e.sa.mode;
    info.spi = e.sa.spi;
    info.reqid = e.sa.reqid;
    info.src = e.sa.src;
    info.dst = e.sa.dst;
    return info;
}

racoon_status Model::sa_query(std::int64_t now, const racoon_kernel_sa_id& id,
                              racoon_kernel_sa_info* out) const {
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    if (at == sas_.end()) return RACOON_NOT_FOUND;
    *out = describe(now, at->second);
    return RACOON_OK;
}

std::vector<racoon_kernel_sa_info> Model::sa_dump(std::int64_t now) const {
    std::vector<racoon_kernel_sa_info> all;
    all.reserve(sas_.size());
    for (const auto& [key, entry] : sas_) all.push_back(describe(now, entry));
    return all;
}

const racoon_kernel_sa* Model::find(const racoon_kernel_sa_id& id) const {
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    return at == sas_.end() || at->second.state == 0 ? nullptr : &at->second.sa;
}

racoon_status Model::policy_add(const racoon_kernel_policy& policy) {
    const racoon_status valid = sdk::check_policy(policy, nullptr);
    if (valid != RACOON_OK) return valid;
    if (policies_.size() >= kMaxPolicies) return RACOON_NO_MEMORY;
    for (const auto& p : policies_) {
        if (p.id == policy.id || sdk::same_place(p, policy)) return RACOON_STATE;
    }
    const auto at = std::find_if(policies_.begin(), policies_.end(),
                                 [&](const auto& p) { return p.priority < policy.priority; });
    policies_.insert(at, policy);
    return RACOON_OK;
}

racoon_status Model::policy_delete(std::uint32_t policy_id) {
    const auto at = std::find_if(policies_.begin(), policies_.end(),
                                 [&](const auto& p) { return p.id == policy_id; });
    if (at == policies_.end()) return RACOON_NOT_FOUND;
    policies_.erase(at);
    return RACOON_OK;
}

racoon_status Model::policy_update(std::uint32_t old_id, const racoon_kernel_policy& policy) {
    const racoon_status valid = sdk::check_policy(policy, nullptr);
    if (valid != RACOON_OK) return valid;
    const auto old = std::find_if(policies_.begin(), policies_.end(),
                                  [&](const auto& p) { return p.id == old_id; });
    if (old == policies_.end()) return RACOON_NOT_FOUND;
    if (!sdk::same_place(*old, policy)) return RACOON_INVALID_ARGUMENT;
    for (const auto& p : policies_)
        if (p.id == policy.id && p.id != old_id) return RACOON_STATE;
    policies_.erase(old);
    return policy_add(policy);
}

std::vector<racoon_kernel_policy> Model::policy_dump() const {
    return policies_;
}

racoon_status Model::acquire_done(std::uint64_t token) {
    const auto at = acquire_tokens_.find(token);
    if (at == acquire_tokens_.end()) return RACOON_NOT_FOUND;
    acquires_.erase(at->second);
    acquire_tokens_.erase(at);
    return RACOON_OK;
}

const racoon_kernel_policy* Model::outbound_policy(const Packet& packet) const {
    for (const auto& p : policies_) {
        if (p.direction == RACOON_DIR_OUT && covers(p.selector, packet) &&
            carries(packet, p.mark, p.if_id))
            return &p;
    }
    return nullptr;
}

// The youngest SA that is not about to end, as Linux chooses.
Model::Entry* Model::outbound_sa(const racoon_kernel_policy& policy,
                                 const racoon_kernel_template& t, const Packet& packet) {
    Entry* best = nullptr;
    const auto range = outbound_by_reqid_.equal_range(t.reqid);
    for (auto it = range.first; it != range.second; ++it) {
        const auto at = sas_.find(it->second);
        if (at == sas_.end()) continue;
        Entry& e = at->second;
        const bool ends_match = t.local.family == 0 || (sdk::same_address(e.sa.src, t.local) &&
                                                        sdk::same_address(e.sa.dst, t.remote));
        if (!ends_match || e.sa.protocol != t.protocol || e.sa.mode != t.mode) continue;
        // The mark that counts is the policy's, not the packet's.
        if (e.sa.if_id != policy.if_id ||
            (policy.mark.value & policy.mark.mask & e.sa.mark.mask) != e.sa.mark.value)
            continue;
        if (e.sa.selector.local.family != 0 && !covers(e.sa.selector, packet)) continue;
        const bool better = best == nullptr || (e.state == 1 && best->state != 1) ||
                            (e.state == best->state && e.serial > best->serial);
        if (better) best = &e;
    }
    return best;
}

std::uint64_t Model::begin_acquire(std::int64_t now, const racoon_kernel_policy& policy,
                                   const racoon_kernel_template& t, const Packet& packet) {
    const AcquireKey key = acquire_key(t, packet, policy.mark, policy.if_id);
    const auto at = acquires_.find(key);
    if (at != acquires_.end()) {
        if (at->second.ends > now) return 0;
        acquire_tokens_.erase(at->second.token);
        acquires_.erase(at);
    }
    if (acquires_.size() >= kMaxAcquires) {
        for (auto it = acquires_.begin(); it != acquires_.end();) {
            if (it->second.ends <= now) acquire_tokens_.erase(it->second.token);
            it = it->second.ends <= now ? acquires_.erase(it) : std::next(it);
        }
        if (acquires_.size() >= kMaxAcquires) return 0;
    }
    const std::uint64_t token = ++tokens_;
    acquires_.emplace(key, Acquire{token, after(now, kLarvalLifetimeNs)});
    acquire_tokens_.emplace(token, key);
    racoon_kernel_event event{};
    event.struct_size = sizeof(event);
    event.type = RACOON_KERNEL_ACQUIRE;
    event.acquire_token = token;
    event.policy_id = policy.id;
    event.protocol = t.protocol;
    event.src = packet.local;
    event.dst = packet.remote;
    events_.push_back(event);
    return token;
}

Sent Model::send(std::int64_t now, const Packet& packet) {
    advance(now);
    Sent sent;
    const racoon_kernel_policy* policy = outbound_policy(packet);
    if (policy == nullptr) return sent;
    sent.policy_id = policy->id;
    if (policy->action == RACOON_POLICY_NONE) sent.verdict = Verdict::Bypass;
    if (policy->action == RACOON_POLICY_DISCARD) sent.verdict = Verdict::Discarded;
    if (policy->action != RACOON_POLICY_IPSEC) return sent;
    for (std::uint32_t i = 0; i < policy->template_count; ++i) {
        const racoon_kernel_template& t = policy->templates[i];
        Entry* entry = outbound_sa(*policy, t, packet);
        if (entry != nullptr) {
            sent.verdict = Verdict::Protected;
            sent.spi = entry->sa.spi;
            count(now, *entry, packet.bytes);
            continue;
        }
        const std::uint64_t token = begin_acquire(now, *policy, t, packet);
        sent.verdict = token != 0 ? Verdict::Acquired : Verdict::Suppressed;
        if (t.level == RACOON_LEVEL_USE) sent.verdict = Verdict::Bypass;
        if (t.level != RACOON_LEVEL_USE) break;
    }
    flush_events();
    return sent;
}

bool Model::receive(std::int64_t now, const racoon_kernel_sa_id& id, std::uint32_t bytes) {
    advance(now);
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    if (at == sas_.end() || at->second.state == 0 || at->second.sa.direction != RACOON_DIR_IN) {
        return false;
    }
    count(now, at->second, bytes);
    flush_events();
    return true;
}

std::uint64_t Model::acquire(std::int64_t now, std::uint32_t policy_id) {
    for (const auto& p : policies_) {
        if (p.id != policy_id || p.direction != RACOON_DIR_OUT || p.template_count == 0) continue;
        Packet packet;
        packet.local = p.selector.local;
        packet.remote = p.selector.remote;
        packet.protocol = p.selector.protocol;
        const std::uint64_t token = begin_acquire(now, p, p.templates[0], packet);
        flush_events();
        return token;
    }
    return 0;
}

// Counts a packet and raises what its bytes bring about; true if that ended the SA.
bool Model::count(std::int64_t now, Entry& e, std::uint32_t bytes) {
    e.bytes += bytes;
    e.packets += 1;
    e.last_used = now;
    if (e.sa.hard_bytes != 0 && e.bytes >= e.sa.hard_bytes) {
        queue_sa_event(RACOON_KERNEL_EXPIRE_HARD, e.sa);
        erase(sas_.find(key_of(e.sa.dst, e.sa.protocol, e.sa.spi)));
        return true;
    }
    if (e.sa.soft_bytes != 0 && e.bytes >= e.sa.soft_bytes && e.state == 1) {
        e.state = 2;
        queue_sa_event(RACOON_KERNEL_EXPIRE_SOFT, e.sa);
    }
    return false;
}

std::int64_t Model::next_deadline() const {
    return deadlines_.empty() ? kNever : deadlines_.begin()->at;
}

void Model::advance(std::int64_t now) {
    while (!deadlines_.empty() && deadlines_.begin()->at <= now) {
        const Deadline due = *deadlines_.begin();
        deadlines_.erase(deadlines_.begin());
        const auto at = sas_.find(due.key);
        if (at == sas_.end()) continue;
        if (due.due == Due::Soft) {
            if (at->second.state != 1) continue;
            at->second.state = 2;
            queue_sa_event(RACOON_KERNEL_EXPIRE_SOFT, at->second.sa);
            continue;
        }
        queue_sa_event(RACOON_KERNEL_EXPIRE_HARD, at->second.sa);
        erase(at);
    }
    flush_events();
}

void Model::queue_sa_event(std::uint32_t type, const racoon_kernel_sa& sa) {
    racoon_kernel_event event{};
    event.struct_size = sizeof(event);
    event.type = type;
    event.protocol = sa.protocol;
    event.spi = sa.spi;
    event.policy_id = sa.policy_id;
    event.src = sa.src;
    event.dst = sa.dst;
    events_.push_back(event);
}

void Model::flush_events() {
    std::vector<racoon_kernel_event> out;
    out.swap(events_);
    if (!listener_) return;
    for (const auto& event : out) listener_(event);
}

}  // namespace racoon::kernel_sim
