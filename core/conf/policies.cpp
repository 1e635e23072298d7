#include "conf/policies.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <vector>

namespace racoon::conf {

namespace {

/// A template without the number that we gave it.
using TemplateKey = std::tuple<std::uint8_t, bool, Level, std::uint32_t, IpAddr, IpAddr>;
using Templates = std::vector<TemplateKey>;
/// What a policy says, place and numbers aside.
using PolicyKey =
    std::tuple<Direction, PolicyAction, std::int32_t, TrafficSelector, Marks, Templates>;
/// What a policy and its mirror images have in common: selectors are seen from this host in every
/// direction, so they are equal as they stand.
using MirrorKey = std::tuple<TrafficSelector, Templates, std::uint32_t, Mark>;

Templates template_keys(const Policy& p) {
    Templates out;
    for (const PolicyTemplate& t : p.templates)
        out.emplace_back(t.protocol, t.tunnel, t.level, t.reqid_written ? t.reqid.value : 0,
                         t.local, t.remote);
    return out;
}

PolicyKey policy_key(const Policy& p) {
    return {p.direction, p.action, p.priority, p.selector, p.marks, template_keys(p)};
}

MirrorKey mirror_key(const Policy& p) {
    Templates templates = template_keys(p);
    // `unique` on one side and `require` on the other still mean one pair of SAs.
    for (TemplateKey& t : templates) {
        std::get<2>(t) = Level::Require;
        std::get<3>(t) = 0;
    }
    return {p.selector, std::move(templates), p.marks.if_id, p.marks.mark};
}

/// The keys of a configuration's policies. An `in` or `fwd` policy without a mark takes what a marked `out`
/// policy has brought in, too: packets have no mark yet when they are opened.
class Mirrors {
  public:
    explicit Mirrors(const Config& config) {
        for (const Policy& p : config.policies) {
            if (p.direction != Direction::Out) continue;
            const MirrorKey key = mirror_key(p);
            exact_.insert(key);
            if (p.marks.mark.given()) marked_.emplace(without_mark(key), key);
        }
    }
    MirrorKey of(const Policy& p) const {
        MirrorKey key = mirror_key(p);
        if (p.direction == Direction::Out || exact_.contains(key)) return key;
        const auto found = marked_.find(key);
        return found == marked_.end() ? key : found->second;
    }

  private:
    static MirrorKey without_mark(MirrorKey key) {
        std::get<3>(key) = {};
        return key;
    }
    std::set<MirrorKey> exact_;
    std::map<MirrorKey, MirrorKey> marked_;  // by the key without its mark; the first of them
};

}  // namespace

void assign_policy_ids(const Config* previous, Config& fresh) {
    std::map<PolicyKey, const Policy*> kept;
    std::map<MirrorKey, std::uint32_t> reqids;
    std::set<std::uint32_t> taken;
    if (previous) {
        const Mirrors mirrors(*previous);
        fresh.next_policy_id = std::max(fresh.next_policy_id, previous->next_policy_id);
        fresh.next_reqid = std::max(fresh.next_reqid, previous->next_reqid);
        for (const Policy& p : previous->policies) {
            kept.emplace(policy_key(p), &p);
            for (const PolicyTemplate& t : p.templates)
                if (!t.reqid_written && t.reqid.value != 0)
                    reqids.emplace(mirrors.of(p), t.reqid.value);
        }
    }
    for (const Policy& p : fresh.policies)
        for (const PolicyTemplate& t : p.templates)
            if (t.reqid_written) taken.insert(t.reqid.value);

    // Several policies in one direction may have the same mirror key (they differ in priority): only
    // the first of each direction may share, the others need a ReqId of their own.
    std::set<std::tuple<MirrorKey, Direction, std::uint32_t>> shared;
    const Mirrors mirrors(fresh);
    for (Policy& p : fresh.policies) {
        const auto found = kept.find(policy_key(p));
        if (found != kept.end()) {
            p.id = found->second->id;
            kept.erase(found);
        } else {
            p.id = PolicyId{fresh.next_policy_id++};
        }
        if (p.templates.empty()) continue;
        const MirrorKey key = mirrors.of(p);
        auto reqid = reqids.find(key);
        const bool used =
            reqid != reqids.end() && !shared.insert({key, p.direction, reqid->second}).second;
        std::uint32_t number = 0;
        if (reqid == reqids.end() || used) {
            while (taken.contains(fresh.next_reqid)) ++fresh.next_reqid;
            number = fresh.next_reqid++;
            reqids.insert_or_assign(key, number);
            shared.insert({key, p.direction, number});
        } else {
            number = reqid->second;
        }
        for (PolicyTemplate& t : p.templates)
            if (!t.reqid_written) t.reqid = ReqId{number};
    }
}

namespace {

/// The template that says between which hosts the SAs are; null: the packets' own addresses do.
const PolicyTemplate* outer(const Policy& policy) {
    for (const auto& t : policy.templates)
        if (t.tunnel || !t.remote.is_any()) return &t;
    return nullptr;
}

}  // namespace

IpAddr peer_of(const Policy& policy) {
    if (const auto* t = outer(policy)) return t->remote;
    return policy.selector.remote.net.is_host() ? policy.selector.remote.net.addr : IpAddr{};
}

IpAddr local_of(const Policy& policy) {
    if (const auto* t = outer(policy)) return t->local;
    return policy.selector.local.net.is_host() ? policy.selector.local.net.addr : IpAddr{};
}

std::string why_not_negotiable(const Policy& policy) {
    const IpAddr local = local_of(policy), peer = peer_of(policy);
    bool in_tunnel = false;
    for (std::size_t i = 0; i < policy.templates.size(); ++i) {
        const PolicyTemplate& t = policy.templates[i];
        for (std::size_t k = 0; k < i; ++k)
            if (policy.templates[k].protocol == t.protocol)
                return "two rules of one protocol, which one negotiation cannot tell apart";
        const bool open = t.remote.is_any();
        if (!open && (t.local != local || t.remote != peer))
            return "rules with different ends, which would need a negotiation each";
        // Inside the tunnel the SA is between the packet's own addresses.
        if (open && !in_tunnel && !peer.is_any() && !policy.selector.remote.net.contains(peer))
            return "a transport rule inside a tunnel, whose SA would be with other hosts than the "
                   "tunnel's end";
        in_tunnel = in_tunnel || t.tunnel;
    }
    return {};
}

namespace {

bool same_rules(const Policy& a, const Policy& b) {
    return std::equal(a.templates.begin(), a.templates.end(), b.templates.begin(),
                      b.templates.end(), [](const PolicyTemplate& x, const PolicyTemplate& y) {
                          return x.protocol == y.protocol && x.tunnel == y.tunnel &&
                                 x.local == y.local && x.remote == y.remote;
                      });
}

}  // namespace

void WaysBack::add(const Policy& in) {
    auto& list = all_[{in.selector, in.marks.if_id, in.marks.mark}];
    const auto before = [](const Policy* a, const Policy* b) { return a->id.value < b->id.value; };
    list.insert(std::upper_bound(list.begin(), list.end(), &in, before), &in);
}

void WaysBack::remove(const Policy& in) {
    const auto at = all_.find({in.selector, in.marks.if_id, in.marks.mark});
    if (at == all_.end()) return;
    std::erase(at->second, &in);
    if (at->second.empty()) all_.erase(at);
}

template <typename Fits>
const Policy* WaysBack::find(const Policy& out, Fits fits) const {
    for (const Mark& mark : {out.marks.mark, Mark{}}) {
        const auto at = all_.find({out.selector, out.marks.if_id, mark});
        if (at == all_.end()) continue;
        const auto in = std::find_if(at->second.begin(), at->second.end(),
                                     [&](const Policy* p) { return fits(*p); });
        if (in != at->second.end()) return *in;
    }
    return nullptr;
}

const Policy* WaysBack::of(const Policy& out) const {
    return find(out, [](const Policy&) { return true; });
}

const Policy* WaysBack::with_rules_of(const Policy& out) const {
    return find(out, [&](const Policy& in) { return same_rules(in, out); });
}

}  // namespace racoon::conf
