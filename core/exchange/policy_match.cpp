#include "exchange/policy_match.hpp"

#include <racoon/plugin.h>

#include <algorithm>

namespace racoon::exchange {

namespace {

/// How narrow a selector is: more is narrower.
int narrowness(const TrafficSelector& ts) {
    return ts.local.net.length + ts.remote.net.length + (ts.protocol != 0 ? 1 : 0) +
           (ts.local.port != 0 ? 1 : 0) + (ts.remote.port != 0 ? 1 : 0);
}

bool same_or_open(const IpAddr& configured, const IpAddr& actual) {
    return configured.is_any() ||
           (configured.family == actual.family && configured.bytes == actual.bytes);
}

bool is_range(std::uint8_t type) {
    return type == static_cast<std::uint8_t>(isakmp::IdType::Ipv4Range) ||
           type == static_cast<std::uint8_t>(isakmp::IdType::Ipv6Range);
}

Failure bad_id(std::string text) {
    return fail(Errc::InvalidId, std::move(text))
        .notify(isakmp::number(isakmp::NotifyType::InvalidIdInformation));
}

}  // namespace

bool is_foreign(const conf::Policy& policy) {
    return policy.id.value >= RACOON_FOREIGN_POLICY_FIRST &&
           policy.id.value <= RACOON_FOREIGN_POLICY_LAST;
}

bool contains(const TrafficSelector& outer, const TrafficSelector& inner) {
    return outer.local.contains(inner.local) && outer.remote.contains(inner.remote) &&
           (outer.protocol == 0 || outer.protocol == inner.protocol);
}

bool is_between_hosts(const conf::Policy& policy) {
    return std::none_of(policy.templates.begin(), policy.templates.end(),
                        [](const conf::PolicyTemplate& t) { return t.tunnel; });
}

Between hosts_of(const conf::Policy& policy, const Between& packet) {
    Between out{local_of(policy), peer_of(policy)};
    if (out.peer.is_any()) out.peer = packet.peer;
    if (out.local.is_any() && is_between_hosts(policy) && !packet.local.is_any())
        out.local = packet.local;
    return out;
}

TrafficSelector traffic_between(const conf::Policy& policy, const TrafficSelector& asked,
                                const Between& hosts) {
    TrafficSelector out = asked;
    if (!is_between_hosts(policy)) return out;
    const auto narrow = [](Prefix& net, const IpAddr& host) {
        if (!host.is_any() && net.contains(host)) net = Prefix::host(host);
    };
    narrow(out.local.net, hosts.local);
    narrow(out.remote.net, hosts.peer);
    return out;
}

const conf::SaInfo* sainfo_for(const conf::SectionIndex& index, conf::SaInfoQuery query,
                               const conf::Policy& policy, bool initiator) {
    conf::SaInfoQuery wide = query;
    wide.selector = policy.selector;
    // A range is in the policy's nets, and where no section names it, it is served as these are.
    for (std::optional<conf::PeerId>* id : {&wide.local_id, &wide.remote_id})
        if (*id && is_range((*id)->type)) id->reset();
    if (initiator && is_between_hosts(policy)) std::swap(query, wide);
    const conf::SaInfo* found = index.sainfo(query);
    return found != nullptr ? found : index.sainfo(wide);
}

PolicyIndex::PolicyIndex(const conf::Config& config, ForeignPolicies foreign)
    : foreign_(std::move(foreign)) {
    const auto own = std::make_shared<Table>();
    for (const conf::Policy& p : config.policies) own->add(p);
    own_ = own;
    add_foreign();
}

PolicyIndex::PolicyIndex(const PolicyIndex& configured, ForeignPolicies foreign)
    : foreign_(std::move(foreign)), own_(configured.own_) {
    add_foreign();
}

void PolicyIndex::add_foreign() {
    if (foreign_ == nullptr) return;
    others_.by_id.reserve(foreign_->size());
    for (const auto& p : *foreign_) others_.add(*p);
}

void PolicyIndex::Table::add(const conf::Policy& p) {
    if (p.direction != conf::Direction::Out || p.action != conf::PolicyAction::Ipsec ||
        p.templates.empty() || !conf::why_not_negotiable(p).empty())
        return;
    by_id.emplace(p.id, &p);
    const IpAddr peer = peer_of(p);
    if (peer.is_any())
        any_peer.push_back(&p);
    else
        by_peer[peer].push_back(&p);
}

const conf::Policy* PolicyIndex::find(PolicyId id) const {
    for (const Table* table : {own_.get(), &others_})
        if (const auto it = table->by_id.find(id); it != table->by_id.end()) return it->second;
    return nullptr;
}

const conf::Policy* PolicyIndex::same(const conf::Policy& other) const {
    const conf::Policy* p = find(other.id);
    if (p == nullptr || p->selector != other.selector || p->marks != other.marks) return nullptr;
    const auto equal = [](const conf::PolicyTemplate& a, const conf::PolicyTemplate& b) {
        return a.protocol == b.protocol && a.tunnel == b.tunnel && a.level == b.level &&
               a.reqid == b.reqid && a.reqid_in == b.reqid_in && a.local == b.local &&
               a.remote == b.remote;
    };
    return std::equal(p->templates.begin(), p->templates.end(), other.templates.begin(),
                      other.templates.end(), equal)
               ? p
               : nullptr;
}

PolicyHit PolicyIndex::match(const TrafficSelector& ts, const IpAddr& local,
                             const IpAddr& peer) const {
    PolicyHit best;
    const auto consider = [&](const std::vector<const conf::Policy*>& list) {
        for (const conf::Policy* p : list) {
            if (!contains(p->selector, ts) || !same_or_open(local_of(*p), local)) continue;
            if (best.policy == nullptr ||
                narrowness(p->selector) > narrowness(best.policy->selector))
                best.policy = p;
        }
    };
    for (const Table* table : {own_.get(), &others_})
        if (const auto it = table->by_peer.find(peer); it != table->by_peer.end())
            consider(it->second);
    if (best.policy != nullptr) return best;
    for (const Table* table : {own_.get(), &others_}) consider(table->any_peer);
    return best;
}

const conf::Policy* PolicyIndex::covering(const TrafficSelector& ts) const {
    const conf::Policy* best = nullptr;
    for (const Table* table : {own_.get(), &others_})
        for (const auto& [id, p] : table->by_id)
            if (contains(p->selector, ts) &&
                (best == nullptr || narrowness(p->selector) > narrowness(best->selector)))
                best = p;
    return best;
}

namespace {

/// One side; `host` is who speaks IKE there.
Selector side_of(const isakmp::Identity& id, const IpAddr& host, std::optional<LiteralId>& literal,
                 bool& widened) {
    if (const auto selector = id.as_selector()) return *selector;
    literal = LiteralId{static_cast<std::uint8_t>(id.type()), id.data()};
    const auto* range = std::get_if<isakmp::IdRange>(&id.value);
    if (range == nullptr || range->contains(host)) return Selector{Prefix::host(host), id.port};
    widened = true;
    return Selector{range->net_around(), id.port};
}

}  // namespace

Result<QuickModeIds> ids_of_quick_mode(const std::optional<isakmp::IdView>& id_ci,
                                       const std::optional<isakmp::IdView>& id_cr,
                                       bool we_initiated, const IpAddr& local, const IpAddr& peer) {
    QuickModeIds out;
    TrafficSelector& ts = out.selector;
    if (!id_ci || !id_cr) {
        ts.local.net = Prefix::host(local);
        ts.remote.net = Prefix::host(peer);
        return out;
    }
    const isakmp::Identity& ours = we_initiated ? id_ci->identity : id_cr->identity;
    const isakmp::Identity& theirs = we_initiated ? id_cr->identity : id_ci->identity;
    ts.local = side_of(ours, local, out.local, out.widened);
    ts.remote = side_of(theirs, peer, out.remote, out.widened);
    if (ts.local.net.addr.family != ts.remote.net.addr.family)
        return bad_id("IDs of two address families");
    if (ours.protocol != theirs.protocol)
        return bad_id("IDs with protocols " + std::to_string(ours.protocol) + " and " +
                      std::to_string(theirs.protocol));
    ts.protocol = ours.protocol;
    return out;
}

}  // namespace racoon::exchange
