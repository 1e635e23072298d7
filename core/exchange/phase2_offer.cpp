#include "exchange/phase2_offer.hpp"

#include <racoon/plugin.h>

#include <algorithm>
#include <optional>

#include "conf/policies.hpp"
#include "isakmp/names.hpp"

namespace racoon::exchange {

namespace {

using isakmp::Encapsulation;
using isakmp::Phase2Transform;
using isakmp::ProtocolId;

constexpr std::uint16_t kHmacSha2_256 = 5;
constexpr std::uint32_t kReserved = 256;  // SPIs and CPIs below (RFC 4303 2.1, RFC 3173 3.3)

Failure none(std::string why) {
    return fail(Errc::NoProposalChosen, std::move(why))
        .notify(isakmp::number(isakmp::NotifyType::NoProposalChosen));
}

/// The mode that is written on the wire, which without complex_bundle is one for the whole bundle.
Encapsulation mode_of(const Phase2Rules& rules, const conf::PolicyTemplate& t) {
    bool tunnel = t.tunnel;
    if (!rules.complex_bundle)
        for (const conf::PolicyTemplate& other : rules.templates) tunnel = tunnel || other.tunnel;
    return tunnel ? rules.modes.tunnel : rules.modes.transport;
}

bool kernel_can(const Context& ctx, const conf::TransformInfo& t, std::uint8_t protocol) {
    if (!ctx.can(t, protocol)) return false;
    if (t.kind == conf::TransformKind::Aead) return ctx.can(RACOON_CAP_AEAD);
    if (t.kind == conf::TransformKind::Integrity && t.attribute == kHmacSha2_256 &&
        t.icv_bytes == 16)
        return ctx.can(RACOON_CAP_TRUNC_128);
    return true;
}

/// "": it can do the SAs of the policy, but for their algorithms; else what it lacks.
std::string lacking(const Context& ctx, const std::vector<conf::PolicyTemplate>& templates) {
    for (const conf::PolicyTemplate& t : templates) {
        if (t.protocol == RACOON_IPPROTO_AH && !ctx.can(RACOON_CAP_AH)) return "AH";
        if (t.protocol == RACOON_IPPROTO_COMP && !ctx.can(RACOON_CAP_IPCOMP)) return "IPComp";
        if (!t.tunnel && !ctx.can(RACOON_CAP_TRANSPORT_MODE)) return "transport mode";
    }
    return {};
}

std::uint16_t bits_of(const conf::Phase2Encryption& e) {
    if (e.transform->key.fixed()) return e.transform->key.min;
    return e.key_bits != 0 ? e.key_bits : e.transform->key.standard;
}

/// Neither confidential nor authentic, or a counter mode (it has a nonce in its key), in which whoever
/// flips a bit of the packet flips that bit of the plaintext (RFC 3686 7): never without integrity.
bool needs_integrity(const conf::TransformInfo& enc) {
    return enc.kind == conf::TransformKind::Encryption && (enc.key.max == 0 || enc.salt_bytes != 0);
}

/// Whether the two may protect an ESP packet together. An integrity algorithm with a salt is a mode of
/// its own, which ESP has as an AEAD (RFC 4543 4).
bool fit_together(const conf::TransformInfo& enc, const conf::TransformInfo* integrity) {
    if (integrity == nullptr || integrity->attribute == 0) return !needs_integrity(enc);
    return integrity->salt_bytes == 0;
}

Phase2Transform base_transform(const Phase2Rules& rules, const conf::PolicyTemplate& tmpl) {
    const conf::SaInfo& info = rules.info;
    Phase2Transform t;
    t.mode = mode_of(rules, tmpl);
    if (info.pfs_group != nullptr) t.group = static_cast<isakmp::DhGroup>(info.pfs_group->number);
    t.life.seconds = static_cast<std::uint64_t>(info.lifetime.count());
    if (const std::uint64_t most = own_lifetime(info).kilobytes) t.life.kilobytes = most;
    return t;
}

/// The algorithms of one transform, if the sainfo has them.
struct Algorithms {
    const conf::TransformInfo* encryption = nullptr;
    std::uint16_t key_bits = 0;
    const conf::TransformInfo* integrity = nullptr;
    const conf::TransformInfo* compression = nullptr;
};

const conf::TransformInfo* integrity_of(const conf::SaInfo& info, std::uint16_t attribute) {
    const auto it = std::find_if(info.integrity.begin(), info.integrity.end(),
                                 [&](const auto* i) { return i->attribute == attribute; });
    return it == info.integrity.end() ? nullptr : *it;
}

std::optional<Algorithms> algorithms_of(const conf::SaInfo& info, std::uint8_t protocol,
                                        const Phase2Transform& t, conf::ProposalCheck check) {
    Algorithms a;
    const auto attribute = static_cast<std::uint16_t>(t.integrity);
    if (protocol == RACOON_IPPROTO_COMP) {
        for (const conf::TransformInfo* c : info.compression)
            if (c->esp_id == t.id && a.compression == nullptr) a.compression = c;
        if (a.compression == nullptr || attribute != 0 || t.esn) return {};
        return a;
    }
    if (protocol == RACOON_IPPROTO_AH) {
        a.integrity = integrity_of(info, attribute);
        if (a.integrity == nullptr || attribute == 0 || a.integrity->ah_id != t.id) return {};
        return a;
    }
    for (const conf::Phase2Encryption& e : info.encryption) {
        if (e.transform->esp_id != t.id) continue;
        const std::uint16_t ours = bits_of(e);
        if (e.transform->key.fixed()) {
            if (t.key_length != 0 && t.key_length != ours) continue;
            a.key_bits = ours;
        } else {
            const std::uint16_t bits = t.key_length != 0 ? t.key_length : e.transform->key.standard;
            if (!e.transform->key.allows(bits)) continue;
            if (check == conf::ProposalCheck::Exact
                    ? bits != ours
                    : check != conf::ProposalCheck::Obey && bits < ours)
                continue;
            a.key_bits = bits;
        }
        a.encryption = e.transform;
        if (e.transform->kind == conf::TransformKind::Aead) {
            if (attribute != 0) continue;  // RFC 4106 8.2: no separate authentication
            return a;
        }
        a.integrity = integrity_of(info, attribute);
        if (attribute != 0 && a.integrity == nullptr) continue;
        if (attribute == 0 && a.integrity == nullptr) continue;  // needs `non_auth` to be listed
        if (!fit_together(*a.encryption, a.integrity)) continue;
        if (attribute == 0) a.integrity = nullptr;
        return a;
    }
    return {};
}

/// "": the kernel has them; else the name of one that it has not.
std::string lacking(const Context& ctx, const Algorithms& a, std::uint8_t protocol) {
    for (const conf::TransformInfo* t : {a.encryption, a.integrity})
        if (t != nullptr && !kernel_can(ctx, *t, protocol)) return t->name;
    return {};
}

void set(SaParams& sa, const Algorithms& a, const Phase2Transform& t) {
    sa.encryption = a.encryption;
    sa.key_bits = a.key_bits;
    sa.integrity = a.integrity;
    sa.compression = a.compression;
    sa.esn = t.esn;
}

/// The transforms of one protocol that the sainfo lists and the kernel can do.
std::vector<Phase2Transform> transforms_for(const Context& ctx, const Phase2Rules& rules,
                                            const conf::PolicyTemplate& tmpl) {
    const conf::SaInfo& info = rules.info;
    std::vector<Phase2Transform> out;
    const auto add = [&](Phase2Transform t) {
        if (info.esn && tmpl.protocol != RACOON_IPPROTO_COMP && ctx.can(RACOON_CAP_ESN)) {
            t.esn = true;
            if (out.size() < isakmp::kMaxTransforms) out.push_back(t);
            t.esn = false;
        }
        if (out.size() < isakmp::kMaxTransforms) out.push_back(t);
    };
    Phase2Transform t = base_transform(rules, tmpl);
    if (tmpl.protocol == RACOON_IPPROTO_COMP) {
        for (const auto* c : info.compression) {
            t.id = c->esp_id;
            add(t);
        }
        return out;
    }
    if (tmpl.protocol == RACOON_IPPROTO_AH) {
        for (const auto* i : info.integrity) {
            if (i->ah_id == 0 || i->attribute == 0 || !kernel_can(ctx, *i, tmpl.protocol)) continue;
            t.id = i->ah_id;
            t.integrity = static_cast<isakmp::Integrity>(i->attribute);
            add(t);
        }
        return out;
    }
    for (const auto& e : info.encryption) {
        if (e.transform->esp_id == 0 || !kernel_can(ctx, *e.transform, tmpl.protocol)) continue;
        t = base_transform(rules, tmpl);
        t.id = e.transform->esp_id;
        if (!e.transform->key.fixed()) t.key_length = bits_of(e);
        if (e.transform->kind == conf::TransformKind::Aead) {
            add(t);
            continue;
        }
        for (const auto* i : info.integrity) {
            if (!kernel_can(ctx, *i, tmpl.protocol) || !fit_together(*e.transform, i)) continue;
            t.integrity = static_cast<isakmp::Integrity>(i->attribute);
            add(t);
        }
    }
    return out;
}

using Bundle = std::span<const isakmp::Proposal>;

/// The proposals of one number, from `at` on.
Bundle bundle_at(const isakmp::SaPayload& offer, std::size_t at) {
    std::size_t end = at;
    while (end < offer.proposals.size() &&
           offer.proposals[end].number == offer.proposals[at].number)
        ++end;
    return Bundle(offer.proposals.begin() + static_cast<std::ptrdiff_t>(at), end - at);
}

/// An SPI that is not reserved; a CPI has 16 bits, in however many bytes it comes.
std::optional<Spi> usable_spi(const isakmp::Proposal& p) {
    const auto spi = p.spi_value();
    if (!spi || spi->value < kReserved) return {};
    if (p.protocol == ProtocolId::Ipcomp && spi->value > 0xffff) return {};
    return spi;
}

/// Which proposal of a bundle is for which template; their order does not matter, but two of one
/// protocol are taken outermost first. Nothing: they are not the same protocols.
std::optional<std::vector<std::size_t>> assign(Bundle bundle,
                                               const std::vector<conf::PolicyTemplate>& templates) {
    if (bundle.size() != templates.size()) return {};
    std::vector<std::size_t> out(templates.size());
    std::vector<bool> taken(bundle.size());
    for (std::size_t i = templates.size(); i-- > 0;) {
        std::size_t k = 0;
        while (k < bundle.size() &&
               (taken[k] || bundle[k].protocol != wire_protocol(templates[i].protocol)))
            ++k;
        if (k == bundle.size()) return {};
        taken[k] = true;
        out[i] = k;
    }
    return out;
}

std::string protocols_of(const std::vector<conf::PolicyTemplate>& templates) {
    std::string out;
    for (const auto& t : templates) out += (out.empty() ? "" : "+") + protocol_text(t.protocol);
    return out;
}

/// One choice among the peer's bundles. What was refused last is kept for the log.
class Choosing {
  public:
    Choosing(const Context& ctx, const Phase2Rules& rules, conf::ProposalCheck check,
             const GroupMap& groups)
        : ctx_(ctx), rules_(rules), check_(check), groups_(groups) {
        last_ = "no proposal for " + protocols_of(rules.templates);
    }

    std::optional<Phase2Choice> bundle(Bundle bundle) {
        const auto which = assign(bundle, rules_.templates);
        if (!which) return {};
        Phase2Choice out;
        out.params.sas = wanted_sas(rules_.templates);
        has_group_ = false;
        for (std::size_t i = 0; i < rules_.templates.size(); ++i) {
            const isakmp::Proposal& p = bundle[(*which)[i]];
            const auto spi = usable_spi(p);
            if (!spi) return {};
            out.params.sas[i].spi_out = *spi;
            const isakmp::Transform* t = transform(out.params, i, p);
            if (t == nullptr) return {};
            out.parts.push_back({&p, t, i});
        }
        std::sort(out.parts.begin(), out.parts.end(),
                  [](const auto& a, const auto& b) { return a.proposal < b.proposal; });
        return out;
    }

    const std::string& last() const { return last_; }

  private:
    const isakmp::Transform* transform(Phase2Params& params, std::size_t i,
                                       const isakmp::Proposal& proposal) {
        for (const auto& transform : proposal.transforms) {
            auto t = Phase2Transform::decode(transform);
            if (!t) {
                last_ = t.error().text();
                continue;
            }
            last_ = "not acceptable: " + t->text(proposal.protocol);
            if (take(params, i, *t)) return &transform;
        }
        return nullptr;
    }

    bool take(Phase2Params& params, std::size_t i, const Phase2Transform& t) {
        const conf::PolicyTemplate& tmpl = rules_.templates[i];
        // libreswan says none of IPComp, which is inside of the ESP that says it.
        const bool inside = tmpl.protocol == RACOON_IPPROTO_COMP && rules_.templates.size() > 1;
        Encapsulation mode = t.mode;
        if (mode == Encapsulation::None)
            mode = inside ? mode_of(rules_, tmpl) : Encapsulation::Transport;
        if (mode != mode_of(rules_, tmpl)) {
            last_ += std::string(": the policy asks for ") + isakmp::name(mode_of(rules_, tmpl)) +
                     " mode";
            return false;
        }
        const auto algorithms = algorithms_of(rules_.info, tmpl.protocol, t, check_);
        if (!algorithms) return false;
        if (const std::string name = lacking(ctx_, *algorithms, tmpl.protocol); !name.empty()) {
            last_ += ": the kernel backend " + ctx_.caps.backend + " cannot do " + name;
            return false;
        }
        if (t.esn && !ctx_.can(RACOON_CAP_ESN)) {
            last_ +=
                ": the kernel backend " + ctx_.caps.backend + " has no extended sequence numbers";
            return false;
        }
        Phase2Params with = params;
        // strongSwan says the group of IPComp no more than libreswan its mode.
        const auto group = static_cast<std::uint16_t>(t.group);
        const bool says_group = group != 0 || !inside;
        if (says_group && !take_group(with, group)) return false;
        const OwnLifetime ours = own_lifetime(rules_.info);
        if (!take_offered_lifetime(with, check_, ours, t.life)) {
            last_ += ": lifetime is " + ours.text() + " here";
            return false;
        }
        params = std::move(with);
        has_group_ = has_group_ || says_group;
        set(params.sas[i], *algorithms, t);
        return true;
    }

    /// One group for the whole bundle (RFC 2409 5.5: there is one KE payload).
    bool take_group(Phase2Params& params, std::uint16_t group) {
        const conf::GroupInfo* ours = rules_.info.pfs_group;
        const conf::GroupInfo* found = nullptr;
        if (ours != nullptr && check_ != conf::ProposalCheck::Obey && group != ours->number) {
            last_ += ": pfs_group is " + ours->name + " here";
            return false;
        }
        if (check_ == conf::ProposalCheck::Exact && ours == nullptr && group != 0) {
            last_ += ": there is no pfs_group here";
            return false;
        }
        if (group != 0) {
            const auto it = groups_.find(group);
            if (it == groups_.end()) {
                last_ += ": " + why_not(group);
                return false;
            }
            found = it->second;
        }
        if (has_group_ && found != params.pfs) {
            last_ += ": another group than that of the protocol before it";
            return false;
        }
        params.pfs = found;
        return true;
    }

    std::string why_not(std::uint16_t group) const {
        for (const conf::GroupInfo* loaded : ctx_.settings->config->groups)
            if (loaded->number == group)
                return "group " + loaded->name + " is taken only where it is named as pfs_group";
        return "no loaded module has Diffie-Hellman group " + std::to_string(group);
    }

    const Context& ctx_;
    const Phase2Rules& rules_;
    conf::ProposalCheck check_;
    const GroupMap& groups_;
    bool has_group_ = false;  // of the bundle that is being judged
    std::string last_;
};

}  // namespace

std::vector<SaParams> wanted_sas(const std::vector<conf::PolicyTemplate>& templates) {
    std::vector<SaParams> out;
    for (const conf::PolicyTemplate& t : templates) {
        SaParams sa;
        sa.protocol = t.protocol;
        sa.tunnel = t.tunnel;
        sa.reqid = t.reqid;
        sa.reqid_in = t.reqid_of(true);
        out.push_back(sa);
    }
    return out;
}

namespace {

/// Whether it is a tunnel; nothing: in no mode that stands for one here.
std::optional<bool> tunnel_offered(const isakmp::Proposal& p, const WireModes& modes) {
    for (const auto& transform : p.transforms)
        if (const auto t = Phase2Transform::decode(transform)) {
            const Encapsulation mode =
                t->mode == Encapsulation::None ? Encapsulation::Transport : t->mode;
            if (mode == modes.tunnel || mode == modes.transport) return mode == modes.tunnel;
        }
    return {};
}

bool templates_of_bundle(Bundle bundle, const WireModes& modes,
                         std::vector<conf::PolicyTemplate>& out, bool& all_tunnels) {
    out.clear();
    all_tunnels = true;
    for (const ProtocolId protocol : {ProtocolId::Ipcomp, ProtocolId::Esp, ProtocolId::Ah})
        for (const isakmp::Proposal& p : bundle) {
            if (p.protocol != protocol) continue;
            const auto tunnel = tunnel_offered(p, modes);
            if (!tunnel) return false;
            conf::PolicyTemplate t;
            t.protocol = ip_protocol(protocol);
            t.tunnel = *tunnel;
            all_tunnels = all_tunnels && t.tunnel;
            out.push_back(t);
        }
    return !out.empty() && out.size() == bundle.size() && out.size() <= 3;
}

}  // namespace

bool templates_of_offer(const isakmp::SaPayload& offer, const IpAddr& local, const IpAddr& peer,
                        const WireModes& modes, conf::Policy& policy) {
    for (std::size_t at = 0; at < offer.proposals.size();) {
        const Bundle bundle = bundle_at(offer, at);
        at += bundle.size();
        bool all_tunnels = false;
        if (!templates_of_bundle(bundle, modes, policy.templates, all_tunnels)) continue;
        if (policy.templates.size() > 1) {
            policy.complex_bundle = !all_tunnels;
            for (std::size_t i = 1; all_tunnels && i < policy.templates.size(); ++i)
                policy.templates[i].tunnel = false;
        }
        for (conf::PolicyTemplate& t : policy.templates)
            if (t.tunnel) {
                t.local = local;
                t.remote = peer;
            }
        if (conf::why_not_negotiable(policy).empty()) return true;
    }
    return false;
}

Result<std::vector<isakmp::Phase2Proposal>> phase2_offer(const Context& ctx,
                                                         const Phase2Rules& rules,
                                                         std::span<const SaParams> sas) {
    if (const std::string what = lacking(ctx, rules.templates); !what.empty())
        return none("the kernel backend " + ctx.caps.backend + " has no " + what +
                    ", which the policy asks for");
    std::vector<isakmp::Phase2Proposal> out;
    for (std::size_t i = rules.templates.size(); i-- > 0;) {
        isakmp::Phase2Proposal p;
        p.protocol = wire_protocol(rules.templates[i].protocol);
        p.spi = sas[i].spi_in;
        p.transforms = transforms_for(ctx, rules, rules.templates[i]);
        if (p.transforms.empty())
            return none("nothing that sainfo " + rules.info.where.text() + " lists for " +
                        protocol_text(rules.templates[i].protocol) +
                        " can be done by the kernel backend " + ctx.caps.backend);
        out.push_back(std::move(p));
    }
    return out;
}

Result<Phase2Choice> choose_phase2(const Context& ctx, const Phase2Rules& rules,
                                   conf::ProposalCheck check, const GroupMap& groups,
                                   const isakmp::SaPayload& offer) {
    if (const std::string what = lacking(ctx, rules.templates); !what.empty())
        return none("the kernel backend " + ctx.caps.backend + " has no " + what +
                    ", which the policy asks for");
    Choosing choosing(ctx, rules, check, groups);
    for (std::size_t at = 0; at < offer.proposals.size();) {
        const Bundle bundle = bundle_at(offer, at);
        if (auto found = choosing.bundle(bundle)) return std::move(*found);
        at += bundle.size();
    }
    return none("no suitable proposal found: " + choosing.last());
}

bool still_acceptable(const conf::SaInfo& info, const Phase2Params& params,
                      conf::ProposalCheck check) {
    const auto listed = [](const auto& list, const conf::TransformInfo* t) {
        return t == nullptr || std::find(list.begin(), list.end(), t) != list.end();
    };
    for (const SaParams& sa : params.sas) {
        const auto same_cipher = [&](const conf::Phase2Encryption& e) {
            if (e.transform != sa.encryption) return false;
            const std::uint16_t ours = bits_of(e);
            return check == conf::ProposalCheck::Obey ||
                   (check == conf::ProposalCheck::Exact ? sa.key_bits == ours
                                                        : sa.key_bits >= ours);
        };
        if (sa.encryption != nullptr &&
            std::none_of(info.encryption.begin(), info.encryption.end(), same_cipher))
            return false;
        if (!listed(info.integrity, sa.integrity) || !listed(info.compression, sa.compression))
            return false;
    }
    if (check == conf::ProposalCheck::Obey) return true;
    if (info.pfs_group != nullptr ? params.pfs != info.pfs_group
                                  : check == conf::ProposalCheck::Exact && params.pfs != nullptr)
        return false;
    return still_takes_lifetime(params, check, own_lifetime(info));
}

namespace {

/// The one of our transforms that came back, with its algorithms; the answer's lifetime is taken.
bool take_answered(Phase2Params& params, std::size_t i, const Phase2Rules& rules,
                   const isakmp::Phase2Proposal& offered, const Phase2Transform& answered) {
    for (const Phase2Transform& ours : offered.transforms) {
        Phase2Transform theirs = answered;
        theirs.life = ours.life;
        if (theirs.mode == Encapsulation::None) theirs.mode = ours.mode;
        // Inside of ESP, whose transform says it.
        if (rules.templates[i].protocol == RACOON_IPPROTO_COMP && rules.templates.size() > 1 &&
            static_cast<std::uint16_t>(theirs.group) == 0)
            theirs.group = ours.group;
        if (!(theirs == ours)) continue;
        const auto algorithms =
            algorithms_of(rules.info, rules.templates[i].protocol, ours, conf::ProposalCheck::Obey);
        if (!algorithms) continue;
        set(params.sas[i], *algorithms, ours);
        take_answered_lifetime(params, answered.life);
        return true;
    }
    return false;
}

/// strongSwan that chose ESP with IPComp says the ESP proposal once more, under the next number.
bool repeats(Bundle bundle, std::span<const isakmp::Proposal> rest) {
    return std::all_of(rest.begin(), rest.end(), [&](const isakmp::Proposal& p) {
        return std::any_of(bundle.begin(), bundle.end(), [&](const isakmp::Proposal& first) {
            return first.protocol == p.protocol && std::ranges::equal(first.spi, p.spi);
        });
    });
}

}  // namespace

Result<Phase2Choice> check_phase2_answer(const Phase2Rules& rules,
                                         std::span<const isakmp::Phase2Proposal> offered,
                                         const isakmp::SaPayload& answer) {
    const Bundle bundle = bundle_at(answer, 0);
    const auto which = assign(bundle, rules.templates);
    if (!which || !repeats(bundle, std::span(answer.proposals).subspan(bundle.size())))
        return none("the answer does not have the protocols that we offered");
    Phase2Choice out;
    out.params.sas = wanted_sas(rules.templates);
    out.params.pfs = rules.info.pfs_group;
    out.params.seconds = own_lifetime(rules.info).seconds;
    out.params.kilobytes = own_lifetime(rules.info).kilobytes;
    for (std::size_t i = 0; i < rules.templates.size(); ++i) {
        const isakmp::Proposal& p = bundle[(*which)[i]];
        if (p.transforms.size() != 1) return none("the answer is not exactly one transform");
        const auto spi = usable_spi(p);
        if (!spi) return none("the answer has no usable SPI");
        out.params.sas[i].spi_out = *spi;
        RACOON_TRY(auto t, Phase2Transform::decode(p.transforms[0]));
        // The offer is in the opposite order of the templates.
        if (!take_answered(out.params, i, rules, offered[offered.size() - 1 - i], t))
            return none("the answer " + t.text(p.protocol) + " is not what we offered");
        out.parts.push_back({&p, &p.transforms[0], i});
    }
    return out;
}

}  // namespace racoon::exchange
