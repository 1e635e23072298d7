#include "exchange/policy_match.hpp"

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

Failure bad_id(std::string text) {
    return fail(Errc::InvalidId, std::move(text))
        .notify(isakmp::number(isakmp::NotifyType::InvalidIdInformation));
}

}  // namespace

bool contains(const TrafficSelector& outer, const TrafficSelector& inner) {
    return outer.local.contains(inner.local) && outer.remote.contains(inner.remote) &&
           (outer.protocol == 0 || outer.protocol == inner.protocol);
}

IpAddr peer_of(const conf::Policy& policy) {
    const auto& t = policy.templates.front();
    if (t.tunnel || !t.remote.is_any()) return t.remote;
    return policy.selector.remote.net.is_host() ? policy.selector.remote.net.addr : IpAddr{};
}

IpAddr local_of(const conf::Policy& policy) {
    const auto& t = policy.templates.front();
    if (t.tunnel || !t.local.is_any()) return t.local;
    return policy.selector.local.net.is_host() ? policy.selector.local.net.addr : IpAddr{};
}

PolicyIndex::PolicyIndex(const conf::Config& config) {
    for (const conf::Policy& p : config.policies) {
        if (p.direction != conf::Direction::Out || p.action != conf::PolicyAction::Ipsec ||
            p.templates.size() != 1)
            continue;
        by_id_.emplace(p.id, &p);
        const IpAddr peer = peer_of(p);
        if (peer.is_any())
            any_peer_.push_back(&p);
        else
            by_peer_[peer].push_back(&p);
    }
}

const conf::Policy* PolicyIndex::find(PolicyId id) const {
    const auto it = by_id_.find(id);
    return it == by_id_.end() ? nullptr : it->second;
}

const conf::Policy* PolicyIndex::same(const conf::Policy& other) const {
    const conf::Policy* p = find(other.id);
    if (p == nullptr || !(p->selector == other.selector)) return nullptr;
    const auto& a = p->templates.front();
    const auto& b = other.templates.front();
    const bool equal = a.protocol == b.protocol && a.tunnel == b.tunnel && a.level == b.level &&
                       a.reqid == b.reqid && a.local == b.local && a.remote == b.remote;
    return equal ? p : nullptr;
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
    if (const auto it = by_peer_.find(peer); it != by_peer_.end()) consider(it->second);
    if (best.policy == nullptr) consider(any_peer_);
    return best;
}

const conf::Policy* PolicyIndex::covering(const TrafficSelector& ts) const {
    const conf::Policy* best = nullptr;
    for (const auto& [id, p] : by_id_)
        if (contains(p->selector, ts) &&
            (best == nullptr || narrowness(p->selector) > narrowness(best->selector)))
            best = p;
    return best;
}

Result<TrafficSelector> selector_of_ids(const std::optional<isakmp::IdView>& id_ci,
                                        const std::optional<isakmp::IdView>& id_cr,
                                        bool we_initiated, const IpAddr& local,
                                        const IpAddr& peer) {
    TrafficSelector ts;
    if (!id_ci || !id_cr) {
        ts.local.net = Prefix::host(local);
        ts.remote.net = Prefix::host(peer);
        return ts;
    }
    const isakmp::Identity& ours = we_initiated ? id_ci->identity : id_cr->identity;
    const isakmp::Identity& theirs = we_initiated ? id_cr->identity : id_ci->identity;
    const auto l = ours.as_selector();
    const auto r = theirs.as_selector();
    if (!l || !r) return bad_id("no address or net: " + (l ? theirs : ours).text());
    if (l->net.addr.family != r->net.addr.family) return bad_id("IDs of two address families");
    if (ours.protocol != theirs.protocol)
        return bad_id("IDs with protocols " + std::to_string(ours.protocol) + " and " +
                      std::to_string(theirs.protocol));
    ts.local = *l;
    ts.remote = *r;
    ts.protocol = ours.protocol;
    return ts;
}

}  // namespace racoon::exchange
