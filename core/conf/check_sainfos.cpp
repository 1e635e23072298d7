// `sainfo` sections and policies: what is never found, and what nothing serves.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include "conf/check.hpp"
#include "conf/peer_sections.hpp"
#include "conf/policies.hpp"
#include "conf/select.hpp"

namespace racoon::conf {

namespace {

constexpr std::size_t kMaxCandidates = PeerSections::kMost;
constexpr std::size_t kMaxLookups = 250'000;  // of a sainfo, in all

std::string side_key(const SaInfoSide& side) {
    if (side.clientaddr) return "clientaddr";
    if (side.literal) return fmt::format("{}={}", side.literal->type, side.literal->data);
    if (!side.selector) return "anonymous";
    return fmt::format("{} {}", side.selector->net.text(), side.protocol);
}

/// A sainfo for every identity of a type hides later ones for the same nets and one of them.
void check_shadows(const Whole& whole) {
    std::unordered_map<std::string, std::size_t> any_of_type;
    for (std::size_t i = 0; i < whole.config.sainfos.size(); ++i) {
        const SaInfo& info = whole.config.sainfos[i];
        if (!info.from) continue;
        std::string key = fmt::format("{}|{}|{}|{}|{}", side_key(info.local), side_key(info.remote),
                                      info.remoteid, info.from->type, info.group);
        if (!info.from->address && !info.from->value) {
            any_of_type.emplace(std::move(key), i);
            continue;
        }
        const auto found = any_of_type.find(key);
        if (found != any_of_type.end())
            whole.diagnostics.warning(
                Warning::Shadowed, whole.sainfos[i]->where,
                fmt::format(
                    "this sainfo is never used: the one at {} is for the same nets and every "
                    "peer with an identity of that type, and stands first; move this one "
                    "before it",
                    whole.config.sainfos[found->second].where.text()));
    }
}

void check_remoteids(const Whole& whole) {
    const Config& config = whole.config;
    if (config.remotes.empty()) return;
    std::set<std::uint32_t> ids;
    for (const Remote& r : config.remotes) ids.insert(r.ph1id);
    for (std::size_t i = 0; i < config.sainfos.size(); ++i) {
        const std::uint32_t id = config.sainfos[i].remoteid;
        if (ids.contains(id)) continue;
        const Statement* s = written(*whole.sainfos[i], Word::RemoteId);
        if (s)
            whole.diagnostics.warning(
                Warning::Unused, s->where,
                fmt::format("this sainfo is never used: no remote section has \"ph1id {};\"", id));
        else
            whole.diagnostics.warning(
                Warning::Unused, whole.sainfos[i]->where,
                fmt::format("this sainfo is never used: every remote section has a ph1id, and this "
                            "has no remoteid; write for example \"remoteid {};\"",
                            *ids.begin()));
    }
}

/// Against the remotes that this sainfo can be used with: warned of when it outlives all of them.
void check_lifetimes(const Whole& whole) {
    struct Longest {
        seconds time{0};
        const Remote* remote = nullptr;
    };
    std::unordered_map<std::uint32_t, Longest> longest;  // by ph1id
    for (const Remote& r : whole.config.remotes)
        for (const Phase1Proposal& p : r.proposals) {
            Longest& l = longest[r.ph1id];
            if (p.lifetime > l.time) l = {p.lifetime, &r};
        }
    for (std::size_t i = 0; i < whole.config.sainfos.size(); ++i) {
        const SaInfo& info = whole.config.sainfos[i];
        const Statement* s = written(*whole.sainfos[i], Word::Lifetime);
        const auto found = longest.find(info.remoteid);
        if (!s || s->values.empty() || found == longest.end() ||
            info.lifetime <= found->second.time)
            continue;
        whole.diagnostics.warning(
            Warning::LifetimeOrder, s->values[0].where,
            fmt::format(
                "phase 2 lives for {}, but phase 1 only for {} (remote {} at {}): in between "
                "nothing can delete or watch the SAs; make phase 1 the longer one",
                duration(info.lifetime), duration(found->second.time),
                quoted(found->second.remote->name), found->second.remote->where.text()));
    }
}

/// One algorithm twice in the lists of a section.
void check_repeated(const Whole& whole, const Statement& section) {
    std::set<std::string> seen;
    for (const Statement& s : section.body) {
        if (s.broken || s.directive->form != Form::Algorithms) continue;
        for (const Value& v : s.values) {
            std::string name = fmt::format("{} {}", s.directive->keyword, v.text);
            if (v.has_number) name += fmt::format(" {}", v.number);
            if (!seen.insert(std::move(name)).second)
                whole.diagnostics.warning(
                    Warning::Repeated, v.where,
                    fmt::format("{} is already in this list; remove it", v.text));
        }
    }
}

/// One number, and what it is cut to is not said on the wire: hmac_sha256 and hmac_sha256_96.
void check_same_on_the_wire(const Whole& whole, const SaInfo& info, const Statement& section) {
    std::map<std::uint16_t, const TransformInfo*> seen;
    for (const TransformInfo* t : info.integrity) {
        const auto [first, fresh] = seen.emplace(t->attribute, t);
        if (fresh || first->second == t) continue;
        const Statement* s = written(section, Word::AuthenticationAlgorithm);
        whole.diagnostics.warning(
            Warning::Repeated, s ? s->where : section.where,
            fmt::format("{} and {} have one number on the wire, and only the first is used; "
                        "remove the one that this peer does not mean",
                        first->second->name, t->name));
    }
}

// --- policies ---

std::string net_words(const Prefix& net) {
    return fmt::format("address {}", net.is_host() ? net.addr.text() : net.text());
}

class PolicyCheck {
  public:
    explicit PolicyCheck(const Whole& whole)
        : whole_(whole), index_(whole.config), sections_(whole.config) {
        for (const Remote& r : whole.config.remotes) hosts_ = hosts_ || !r.host.empty();
        for (const Policy& p : whole.config.policies)
            if (p.direction == Direction::In && p.action == PolicyAction::Ipsec) ways_back_.add(p);
        for (const Policy& p : whole.config.policies)
            if (const PolicyTemplate* t = tunnel_of(p); t && p.direction == Direction::Out)
                gateways_.try_emplace(p.selector, t->local, t->remote);
    }

    void judge(const Policy& p) {
        if (p.direction == Direction::In) judge_gateways(p);
        if (p.direction != Direction::Out || p.action != PolicyAction::Ipsec) return;
        if (ways_back_.of(p) == nullptr)
            whole_.diagnostics.warning(
                Warning::OneWay, p.where,
                "no \"in\" policy is for the same traffic in the other direction: what comes back is "
                "accepted without protection; write both");
        if (p.templates.empty()) return;
        if (const std::string why = why_not_negotiable(p); !why.empty()) {
            whole_.diagnostics.warning(
                Warning::UnservedPolicy, p.where,
                fmt::format("nothing can be negotiated for this policy: it has {}", why));
            return;
        }
        if (const IpAddr peer = peer_of(p); !peer.is_any()) judge(p, peer);
    }

  private:
    static const PolicyTemplate* tunnel_of(const Policy& p) {
        for (const PolicyTemplate& t : p.templates)
            if (t.tunnel) return &t;
        return nullptr;
    }
    /// Lines of both directions are often copies of each other.
    void judge_gateways(const Policy& p) {
        const PolicyTemplate* t = tunnel_of(p);
        const auto out = gateways_.find(p.selector);
        if (t == nullptr || out == gateways_.end() || t->local == t->remote ||
            out->second != std::pair(t->remote, t->local))
            return;
        whole_.diagnostics.warning(
            Warning::OneWay, p.where,
            fmt::format(
                "the gateways of this \"in\" policy stand in the order of the \"out\" policy; "
                "what comes in goes from {} to {}: write {}-{}",
                t->local.text(), t->remote.text(), t->local.text(), t->remote.text()));
    }
    void judge(const Policy& p, const IpAddr& peer) {
        const Candidates& candidates = candidates_for(peer);
        if (candidates.sections == 0) {
            if (!hosts_)  // whose addresses are not known here
                whole_.diagnostics.warning(
                    Warning::UnservedPolicy, p.where,
                    fmt::format(
                        "no remote section is for {}, the peer of this policy: nothing can be "
                        "negotiated; write \"remote {} {{ … }}\"",
                        peer.text(), peer.text()));
            return;
        }
        if (whole_.config.sainfos.empty()) return;  // which was told
        if (candidates.sections > kMaxCandidates) return;
        for (const std::uint32_t ph1id : candidates.ph1ids) {
            if (++lookups_ > kMaxLookups) return;
            SaInfoQuery wanted;
            wanted.selector = p.selector;
            wanted.ph1id = ph1id;
            if (index_.sainfo(wanted)) return;
        }
        const std::uint32_t id = candidates.ph1ids.front();
        const std::string protocol =
            p.selector.protocol == 0 ? "any" : std::to_string(p.selector.protocol);
        whole_.diagnostics.warning(
            Warning::NoSaInfo, p.where,
            fmt::format(
                "no sainfo{} is for the traffic of this policy, so that phase 2 fails; nets "
                "must be equal, not only contained; write \"sainfo {} {} {} {} {{ … }}\"",
                id != 0 ? fmt::format(" with \"remoteid {};\"", id) : "",
                net_words(p.selector.local.net), protocol, net_words(p.selector.remote.net),
                protocol));
    }

    /// What is asked of the sections for a peer, found once for each.
    struct Candidates {
        std::size_t sections = 0;           // at most one more than are looked at
        std::vector<std::uint32_t> ph1ids;  // different ones, in order
    };
    const Candidates& candidates_for(const IpAddr& peer) {
        const auto [at, fresh] = candidates_.try_emplace(peer);
        Candidates& out = at->second;
        if (!fresh) return out;
        const auto found = sections_.of(peer);
        out.sections = found.size();
        if (found.size() > kMaxCandidates) return out;
        for (const Remote* r : found)
            if (std::find(out.ph1ids.begin(), out.ph1ids.end(), r->ph1id) == out.ph1ids.end())
                out.ph1ids.push_back(r->ph1id);
        return out;
    }

    const Whole& whole_;
    SectionIndex index_;
    PeerSections sections_;
    std::unordered_map<IpAddr, Candidates, IpAddrHash> candidates_;
    std::size_t lookups_ = 0;
    bool hosts_ = false;
    WaysBack ways_back_;
    std::map<TrafficSelector, std::pair<IpAddr, IpAddr>> gateways_;  // of `out` policies
};

}  // namespace

void check_sainfos(const Whole& whole) {
    check_shadows(whole);
    check_remoteids(whole);
    check_lifetimes(whole);
    for (std::size_t i = 0; i < whole.sainfos.size(); ++i) {
        check_repeated(whole, *whole.sainfos[i]);
        check_same_on_the_wire(whole, whole.config.sainfos[i], *whole.sainfos[i]);
    }
}

void check_policies(const Whole& whole) {
    if (whole.config.policies.empty()) return;
    PolicyCheck check(whole);
    for (const Policy& p : whole.config.policies) check.judge(p);
}

}  // namespace racoon::conf
