#include "privsep/rules.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "conf/features.hpp"
#include "conf/policies.hpp"

namespace racoon::privsep {

namespace {

using exchange::FlatIdentity;

constexpr std::uint8_t kMainMode = 2;

Failure denied(std::string text) {
    return fail(Errc::Denied, std::move(text));
}

bool knows_mode(const conf::Remote& section, std::uint8_t exchange_type) {
    if (section.modes.empty()) return exchange_type == kMainMode;
    return std::any_of(section.modes.begin(), section.modes.end(), [&](conf::ExchangeMode mode) {
        return static_cast<std::uint8_t>(mode) == exchange_type;
    });
}

std::size_t key_size(const conf::TransformInfo& info, unsigned bits) {
    if (info.kind == conf::TransformKind::Integrity)
        return std::size_t{info.key_bytes} + info.salt_bytes;
    return bits / 8 + info.salt_bytes;
}

/// `host` is who speaks IKE on that side: a text or a range stands for it.
bool side_fits(const conf::SaInfoSide& side, const Selector& selector, std::uint8_t protocol,
               const IpAddr& host) {
    if (side.anonymous()) return true;
    if (side.clientaddr) return selector.net.is_host();
    if (!side.selector) return selector.net == Prefix::host(host);
    return side.selector->net == selector.net && (side.protocol == 0 || side.protocol == protocol);
}

/// Integrity is left out only where the cipher brings its own, or the section lists `non_auth`.
bool may_be_bare(const conf::SaInfo& info, const exchange::SaInstall& request) {
    const auto own = [&](const conf::Phase2Encryption& e) {
        return e.transform->name == request.encryption &&
               e.transform->kind == conf::TransformKind::Aead;
    };
    return request.protocol != 50 ||
           std::any_of(info.encryption.begin(), info.encryption.end(), own) ||
           std::any_of(info.integrity.begin(), info.integrity.end(),
                       [](const conf::TransformInfo* t) { return t->attribute == 0; });
}

bool names(const conf::SaInfo& info, const exchange::SaInstall& request) {
    const bool encryption =
        request.encryption.empty() ||
        std::any_of(
            info.encryption.begin(), info.encryption.end(), [&](const conf::Phase2Encryption& e) {
                return e.transform->name == request.encryption &&
                       (e.transform->key.fixed()
                            ? request.key_bits == 0 || request.key_bits == e.transform->key.min
                            : request.key_bits >= e.key_bits);
            });
    const bool integrity =
        (request.integrity.empty() && may_be_bare(info, request)) ||
        std::any_of(info.integrity.begin(), info.integrity.end(),
                    [&](const conf::TransformInfo* t) { return t->name == request.integrity; });
    const bool compression =
        request.compression.empty() ||
        std::any_of(info.compression.begin(), info.compression.end(),
                    [&](const conf::TransformInfo* t) { return t->name == request.compression; });
    return encryption && integrity && compression;
}

const conf::TransformInfo* encryption_of(const conf::SaInfo& info, const std::string& name) {
    for (const auto& e : info.encryption)
        if (e.transform->name == name) return e.transform;
    return nullptr;
}
const conf::TransformInfo* integrity_of(const conf::SaInfo& info, const std::string& name) {
    for (const auto* t : info.integrity)
        if (t->name == name) return t;
    return nullptr;
}

Status check_keys(const conf::SaInfo& info, const exchange::SaInstall& request) {
    if (request.protocol == 50 && request.encryption.empty())
        return denied("an ESP SA without an encryption algorithm");
    if (request.protocol == 51 && (request.integrity.empty() || !request.encryption.empty()))
        return denied("an AH SA without an integrity algorithm, or with an encryption");
    if ((request.protocol == 108) != !request.compression.empty() ||
        (request.protocol == 108 && !(request.encryption.empty() && request.integrity.empty())))
        return denied("an IPComp SA without a compression algorithm, or compression elsewhere");
    if (request.protocol == 108 && request.spi.value > 0xffff)
        return denied(fmt::format("a CPI of {}", request.spi.value));
    if (request.encryption.empty() && request.encryption_key.size() != 0)
        return denied("a key without an encryption algorithm");
    if (request.integrity.empty() && request.integrity_key.size() != 0)
        return denied("a key without an integrity algorithm");
    if (const auto* t = encryption_of(info, request.encryption)) {
        const unsigned bits = t->key.fixed() ? t->key.min : request.key_bits;
        if (!t->key.allows(bits) || request.encryption_key.size() != key_size(*t, bits))
            return denied(fmt::format("a key of {} bytes for {} with {} bits",
                                      request.encryption_key.size(), t->name, bits));
    }
    if (const auto* t = integrity_of(info, request.integrity);
        t != nullptr && request.integrity_key.size() != key_size(*t, 0))
        return denied(
            fmt::format("a key of {} bytes for {}", request.integrity_key.size(), t->name));
    return ok();
}

/// 127.0.0.0/8, also mapped into IPv6, and ::1.
bool is_loopback(const IpAddr& a) {
    static const IpAddr v4 = *IpAddr::parse("127.0.0.0"), v6 = *IpAddr::parse("::1"),
                        mapped = *IpAddr::parse("::ffff:127.0.0.0");
    return Prefix{v4, 8}.contains(a) || a == v6 || Prefix{mapped, 104}.contains(a);
}

}  // namespace

Book::Book(conf::ConfigPtr config, std::uint32_t generation, const conf::HostAddresses& hosts)
    : config_(std::move(config)), generation_(generation), index_(*config_, hosts) {
    for (const auto& policy : config_->policies) policies_.emplace(policy.id.value, &policy);
}

const conf::Policy* Book::policy(PolicyId id) const {
    const auto found = policies_.find(id.value);
    return found == policies_.end() ? nullptr : found->second;
}

bool Book::may_initiate_to(const IpAddr& peer) const {
    conf::RemoteQuery query;
    query.peer = peer;
    query.initiating = true;
    return !index_.candidates(query).empty();
}

Result<const conf::Remote*> Book::section_for(const std::string& name, const IpAddr& peer,
                                              std::uint8_t exchange_type, bool bound) const {
    const conf::Remote* section = index_.named(name);
    if (section == nullptr) return denied("no remote section \"" + name + "\"");
    if (!index_.serves(*section, peer) && !(bound && !section->host.empty())) {
        const std::string whom = section->address ? section->address->addr.text()
                                 : section->net   ? section->net->text()
                                                  : section->host;
        return denied("remote \"" + section->name + "\" is for " + whom + ", not for " +
                      peer.text());
    }
    if (!knows_mode(*section, exchange_type))
        return denied(
            fmt::format("remote \"{}\" has no exchange mode {}", section->name, exchange_type));
    return section;
}

Result<const conf::Remote*> Book::check_rebind(const std::string& section,
                                               const Phase1Facts& phase1) const {
    // Where a host's name pointed when the SA came up it may stay.
    return section_for(section, phase1.peer.addr, phase1.exchange_type, true);
}

Result<const conf::Remote*> Book::check_move(const Endpoint& peer, const Phase1Facts& phase1,
                                             std::span<const conf::Policy* const> foreign) const {
    if (phase1.section->nat_traversal == conf::Offer::Off)
        return denied("remote \"" + phase1.section->name +
                      "\" has no nat_traversal: nothing moves");
    if (peer.addr.family != phase1.peer.addr.family || peer.addr.is_any())
        return denied("a peer moves to " + peer.text());
    if (peer.addr == phase1.peer.addr) return phase1.section;
    RACOON_TRY(const conf::Remote* section,
               section_for(phase1.section->name, peer.addr, phase1.exchange_type, false));
    if (!conf::may_move_to(index_, *section, peer.addr,
                           static_cast<conf::ExchangeMode>(phase1.exchange_type)))
        return denied("a peer of remote \"" + section->name + "\" moves to " + peer.addr.text() +
                      ", which another section is for");
    // Its SAs belong to whoever begins there.
    const auto names = [&](const conf::Policy& p) {
        return p.direction == conf::Direction::Out && peer_of(p) == peer.addr;
    };
    if (peer.addr != phase1.began.value_or(phase1.peer.addr) &&
        (std::any_of(config_->policies.begin(), config_->policies.end(), names) ||
         std::any_of(foreign.begin(), foreign.end(),
                     [&](const conf::Policy* p) { return names(*p); })))
        return denied("a peer of remote \"" + section->name + "\" moves to " + peer.addr.text() +
                      ", which a policy names as its peer");
    return section;
}

Result<const conf::Remote*> Book::check_open(const exchange::Phase1Open& request) const {
    RACOON_TRY(const conf::Remote* section,
               section_for(request.section, request.peer.addr, request.exchange_type, false));
    if (const std::string why = conf::refusal(*section, request.initiator); !why.empty())
        return denied(why);
    if (request.initiator && section->passive)
        return denied("remote \"" + section->name + "\" is passive and does not initiate");
    // RFC 2409 section 5: a nonce has 8 to 256 bytes.
    if (request.nonce_size < 8 || request.nonce_size > 256)
        return denied(fmt::format("a nonce of {} bytes", request.nonce_size));
    if (request.local.addr.family != request.peer.addr.family || request.peer.addr.is_any())
        return denied("phase 1 between " + request.local.text() + " and " + request.peer.text());
    return section;
}

Status Book::check_skeyid(const exchange::Phase1Skeyid& request, const Phase1Facts& phase1) {
    const conf::Remote& section = *phase1.section;
    if (request.peer_nonce.size() < 8 || request.peer_nonce.size() > 256)
        return denied(fmt::format("a peer nonce of {} bytes", request.peer_nonce.size()));
    const bool hash_known = std::any_of(
        section.proposals.begin(), section.proposals.end(), [&](const conf::Phase1Proposal& p) {
            return p.auth != nullptr && p.auth->credential == conf::CredentialKind::Psk &&
                   p.hash != nullptr && p.hash->name == request.hash;
        });
    if (!hash_known)
        return denied("remote \"" + section.name +
                      "\" has no pre-shared key proposal with hash \"" + request.hash + "\"");
    if (phase1.exchange_type == kMainMode) {
        // The identity comes encrypted with what this key makes (RFC 2409 5.4).
        if (request.peer_id.type != 0) return denied("a peer identity before main mode has one");
        return ok();
    }
    if (request.peer_id.type == 0) return denied("no peer identity in a mode that sends it first");
    const conf::PeerId id{request.peer_id.type, request.peer_id.data};
    // Not Denied: a peer that gives a wrong identity is no sign of a captured engine.
    if (section.verify_identifier && !conf::matches_any(section.peers_identifiers, id))
        return fail(Errc::InvalidId, "an identity that peers_identifier of remote \"" +
                                         section.name + "\" does not name");
    return ok();
}

conf::Policy policy_of(const exchange::PolicyMake& request, const Phase1Facts& phase1) {
    conf::Policy out;
    out.direction = conf::Direction::Out;
    out.selector = request.selector;
    out.marks = request.marks;
    const bool unique = phase1.section->generate_policy == conf::GeneratePolicy::Unique;
    for (const auto& rule : request.rules) {
        conf::PolicyTemplate t;
        t.protocol = rule.protocol;
        t.tunnel = rule.tunnel;
        t.level = unique ? conf::Level::Unique : conf::Level::Require;
        if (rule.tunnel) {
            t.local = phase1.local.addr;
            t.remote = phase1.peer.addr;
        }
        out.templates.push_back(t);
    }
    return out;
}

bool Book::may_serve(const conf::SaInfo& info, const Phase1Facts& phase1) const {
    if (info.remoteid == 0 || info.remoteid == phase1.section->ph1id) return true;
    // Which section it is may depend on an identity that only the engine has seen. In main mode that holds
    // for sections of the peer itself.
    conf::RemoteQuery same_peer;
    same_peer.peer = phase1.peer.addr;
    same_peer.mode = static_cast<conf::ExchangeMode>(phase1.exchange_type);
    const auto sections = index_.candidates(same_peer);
    return std::any_of(sections.begin(), sections.end(),
                       [&](const conf::Remote* r) { return r->ph1id == info.remoteid; });
}

Status Book::check_policy_make(const exchange::PolicyMake& request, const Phase1Facts& phase1,
                               std::span<const Prefix> local_nets,
                               std::span<const conf::Policy* const> foreign) const {
    if (phase1.section->generate_policy == conf::GeneratePolicy::Off)
        return denied("remote \"" + phase1.section->name + "\" makes no policies");
    const conf::Policy wanted = policy_of(request, phase1);
    if (const std::string why = conf::why_not_negotiable(wanted); !why.empty())
        return denied("a policy with " + why);
    const Prefix& ours = request.selector.local.net;
    const Prefix& theirs = request.selector.remote.net;
    const Prefix own = Prefix::host(phase1.local.addr), peer = Prefix::host(phase1.peer.addr);
    const bool tunnel = std::any_of(request.rules.begin(), request.rules.end(),
                                    [](const auto& rule) { return rule.tunnel; });
    if (!tunnel && (ours != own || theirs != peer))
        return denied("a policy without a tunnel for others than the two hosts: " +
                      request.selector.text());
    bool ours_named = false, theirs_named = false;
    bool marks_named = !request.marks.any();
    const auto names_net = [&](const conf::SaInfoSide& side, const Prefix& net) {
        return side.selector && side.selector->net == net &&
               (side.protocol == 0 || side.protocol == request.selector.protocol);
    };
    for (const conf::SaInfo& info : config_->sainfos) {
        if (!may_serve(info, phase1)) continue;
        ours_named = ours_named || names_net(info.local, ours);
        theirs_named = theirs_named || names_net(info.remote, theirs);
        marks_named = marks_named || info.marks == request.marks;
    }
    if (!marks_named)
        return denied("a policy with " + request.marks.text() + ", which no sainfo has");
    if (!theirs_named && theirs != peer) {
        if (!theirs.is_host() || theirs.addr.is_any() || theirs.addr.is_multicast())
            return denied(theirs.text() + " of " + phase1.peer.addr.text() +
                          ": more than one host, and no sainfo names it");
        if (is_loopback(theirs.addr))
            return denied(theirs.addr.text() + " is every host's own address");
        for (const Prefix& net : local_nets)
            if (net.contains(theirs))
                return denied(theirs.addr.text() + " lies in our own net " + net.text());
        const auto has = [&](const conf::Policy& p) {
            return p.direction == conf::Direction::Out && (p.selector.local.net.contains(theirs) ||
                                                           p.selector.remote.net.contains(theirs));
        };
        const auto belongs = [&](const conf::Policy& p) {
            return denied(theirs.addr.text() + " belongs to the policy for " + p.selector.text());
        };
        for (const conf::Policy& p : config_->policies)
            if (has(p)) return belongs(p);
        for (const conf::Policy* p : foreign)
            if (has(*p)) return belongs(*p);
    }
    const auto within = [&](const Prefix& net) { return net.contains(ours); };
    if (!ours_named && ours != own &&
        (ours.addr.is_multicast() || std::none_of(local_nets.begin(), local_nets.end(), within)))
        return denied(ours.text() + " lies in none of our nets, and no sainfo names it");
    return ok();
}

Result<const conf::Policy*> Book::check_place(const Place& place, const Phase1Facts& phase1,
                                              const conf::Policy* made) const {
    const conf::Policy* found = made != nullptr ? made : policy(place.policy);
    if (found == nullptr)
        return denied(fmt::format("no policy {} is configured", place.policy.value));
    if (found->direction != conf::Direction::Out || found->action != conf::PolicyAction::Ipsec)
        return denied(fmt::format("policy {} is not an outbound ipsec policy", place.policy.value));
    if (const std::string why = conf::why_not_negotiable(*found); !why.empty())
        return denied(fmt::format("policy {} has {}", place.policy.value, why));
    const auto fitting = std::find_if(
        found->templates.begin(), found->templates.end(), [&](const conf::PolicyTemplate& t) {
            return t.protocol == place.protocol && t.tunnel == place.tunnel &&
                   t.reqid_of(place.inbound) == place.reqid;
        });
    if (fitting == found->templates.end())
        return denied(fmt::format("policy {} ({}) has no template for protocol {}, {}, reqid {}",
                                  place.policy.value, found->selector.text(), place.protocol,
                                  place.tunnel ? "tunnel" : "transport", place.reqid.value));
    // In a bundle with a tunnel every SA is between the tunnel's ends.
    const IpAddr local = local_of(*found), peer = peer_of(*found);
    if ((!local.is_any() && local != place.local) || (!peer.is_any() && peer != place.peer))
        return denied(fmt::format("policy {} is between {} and {}, not {} and {}",
                                  place.policy.value, local.text(), peer.text(), place.local.text(),
                                  place.peer.text()));
    const bool tunnel = std::any_of(found->templates.begin(), found->templates.end(),
                                    [](const conf::PolicyTemplate& t) { return t.tunnel; });
    if (!tunnel && (!found->selector.local.net.contains(place.local) ||
                    !found->selector.remote.net.contains(place.peer))) {
        return denied(fmt::format("policy {} ({}) does not cover {} and {}", place.policy.value,
                                  found->selector.text(), place.local.text(), place.peer.text()));
    }
    // An initiator that took the wildcard address learns its own from the answer.
    if (phase1.peer.addr != place.peer ||
        (!phase1.local.addr.is_any() && phase1.local.addr != place.local))
        return denied(fmt::format("an SA with {} by the phase 1 with {}", place.peer.text(),
                                  phase1.peer.addr.text()));
    return found;
}

Status Book::check_spi_get(const exchange::SpiGet& request, const Phase1Facts& phase1,
                           const conf::Policy* made) const {
    const Place place{request.policy, request.protocol, request.tunnel, request.reqid,
                      true,           request.local,    request.peer};
    RACOON_TRY([[maybe_unused]] const auto* found, check_place(place, phase1, made));
    return ok();
}

Status Book::check_sa_install(const exchange::SaInstall& request, const Phase1Facts& phase1,
                              const conf::Policy* made) const {
    const Place place{request.policy,  request.protocol, request.tunnel, request.reqid,
                      request.inbound, request.local,    request.peer};
    RACOON_TRY(const conf::Policy* found, check_place(place, phase1, made));
    const TrafficSelector& wide = found->selector;
    const TrafficSelector& narrow = request.selector;
    if (!wide.local.contains(narrow.local) || !wide.remote.contains(narrow.remote) ||
        (wide.protocol != 0 && wide.protocol != narrow.protocol))
        return denied(fmt::format("policy {} covers {}, not {}", request.policy.value, wide.text(),
                                  narrow.text()));
    if (request.peer_port != 0 && phase1.section->nat_traversal == conf::Offer::Off)
        return denied("an SA in UDP, and remote \"" + phase1.section->name +
                      "\" has no nat_traversal");
    if (request.esp_frag != 0 && request.esp_frag != phase1.section->esp_frag)
        return denied(fmt::format("esp_frag {} of an SA, and remote \"{}\" has {}",
                                  request.esp_frag, phase1.section->name,
                                  phase1.section->esp_frag));
    if (const Marks marks = found->marks.of_sa(request.inbound); request.marks != marks)
        return denied(fmt::format("an SA with \"{}\" for policy {}, which has \"{}\"",
                                  request.marks.text(), request.policy.value, marks.text()));
    if (request.spi.value < 256)
        return denied(fmt::format("the reserved SPI {}", request.spi.value));
    return check_algorithms(request, phase1, wide);
}

Status Book::check_algorithms(const exchange::SaInstall& request, const Phase1Facts& phase1,
                              const TrafficSelector& of_policy) const {
    conf::SaInfoQuery query;
    query.selector = request.selector;
    query.ph1id = phase1.section->ph1id;
    query.client = phase1.peer.addr;
    if (const conf::SaInfo* info = index_.sainfo(query); info != nullptr && names(*info, request))
        return check_keys(*info, request);
    // Several sections may fit, and which one depends on an identity that only the engine has seen. What is
    // narrower than its policy may have the policy's.
    const auto fits = [&](const conf::SaInfo& info, const TrafficSelector& ts) {
        return side_fits(info.local, ts.local, ts.protocol, request.local) &&
               side_fits(info.remote, ts.remote, ts.protocol, request.peer);
    };
    for (const auto& info : config_->sainfos)
        if (may_serve(info, phase1) && (fits(info, request.selector) || fits(info, of_policy)) &&
            names(info, request))
            return check_keys(info, request);
    return denied(fmt::format("no sainfo for {} names {}{}{}{}", request.selector.text(),
                              request.encryption, request.integrity.empty() ? "" : " with ",
                              request.integrity, request.compression));
}

}  // namespace racoon::privsep
