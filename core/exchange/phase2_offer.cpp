#include "exchange/phase2_offer.hpp"

#include <racoon/plugin.h>

#include <algorithm>

#include "isakmp/attribute.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

using isakmp::Encapsulation;
using isakmp::Phase2Transform;
using isakmp::ProtocolId;

constexpr std::uint64_t kLongestLifetime = 10ull * 365 * 86400;
constexpr std::uint64_t kDefaultLifetime = 28800;  // RFC 2407 4.5
constexpr std::uint16_t kHmacSha2_256 = 5;

Failure none(std::string why) {
    return fail(Errc::NoProposalChosen, std::move(why))
        .notify(isakmp::number(isakmp::NotifyType::NoProposalChosen));
}

Encapsulation mode_of(const conf::PolicyTemplate& t) {
    return t.tunnel ? Encapsulation::Tunnel : Encapsulation::Transport;
}

bool kernel_can(const Context& ctx, const conf::TransformInfo& t, std::uint8_t protocol) {
    if (!ctx.can(t, protocol)) return false;
    if (t.kind == conf::TransformKind::Aead) return ctx.can(RACOON_CAP_AEAD);
    if (t.kind == conf::TransformKind::Integrity && t.attribute == kHmacSha2_256 &&
        t.icv_bytes == 16)
        return ctx.can(RACOON_CAP_TRUNC_128);
    return true;
}

bool kernel_can(const Context& ctx, const conf::PolicyTemplate& t) {
    if (t.protocol == RACOON_IPPROTO_AH && !ctx.can(RACOON_CAP_AH)) return false;
    return t.tunnel || ctx.can(RACOON_CAP_TRANSPORT_MODE);
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

Phase2Transform base_transform(const conf::SaInfo& info, const conf::PolicyTemplate& tmpl) {
    Phase2Transform t;
    t.mode = mode_of(tmpl);
    if (info.pfs_group != nullptr) t.group = static_cast<isakmp::DhGroup>(info.pfs_group->number);
    t.life.seconds = static_cast<std::uint64_t>(info.lifetime.count());
    return t;
}

/// The algorithms of one transform, if the sainfo has them.
struct Algorithms {
    const conf::TransformInfo* encryption = nullptr;
    std::uint16_t key_bits = 0;
    const conf::TransformInfo* integrity = nullptr;
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

/// The lifetime under proposal_check (reference 2.11); false: refused.
bool judge_seconds(Phase2Params& p, conf::ProposalCheck check, std::uint64_t ours,
                   std::optional<std::uint64_t> offered) {
    const std::uint64_t theirs = std::min(offered.value_or(kDefaultLifetime), kLongestLifetime);
    if (theirs == 0) return false;
    p.seconds = theirs;
    switch (check) {
        case conf::ProposalCheck::Obey:
            return true;
        case conf::ProposalCheck::Strict:
            return theirs <= ours;
        case conf::ProposalCheck::Exact:
            return theirs == ours;
        case conf::ProposalCheck::Claim:
            if (theirs > ours) {
                p.seconds = ours;
                p.send_lifetime = true;
            }
            return true;
    }
    return false;
}

}  // namespace

std::size_t Phase2Params::encryption_key_bytes() const {
    return encryption == nullptr ? 0 : key_bits / 8u + encryption->salt_bytes;
}
std::size_t Phase2Params::integrity_key_bytes() const {
    return integrity == nullptr ? 0 : std::size_t{integrity->key_bytes} + integrity->salt_bytes;
}

ProtocolId wire_protocol(std::uint8_t p) {
    return p == RACOON_IPPROTO_AH     ? ProtocolId::Ah
           : p == RACOON_IPPROTO_COMP ? ProtocolId::Ipcomp
                                      : ProtocolId::Esp;
}
std::uint8_t ip_protocol(ProtocolId p) {
    switch (p) {
        case ProtocolId::Ah:
            return RACOON_IPPROTO_AH;
        case ProtocolId::Esp:
            return RACOON_IPPROTO_ESP;
        case ProtocolId::Ipcomp:
            return RACOON_IPPROTO_COMP;
        default:
            return 0;
    }
}

Result<isakmp::Phase2Proposal> phase2_offer(const Context& ctx, const conf::SaInfo& info,
                                            const conf::PolicyTemplate& tmpl, Spi spi) {
    isakmp::Phase2Proposal out;
    out.protocol = wire_protocol(tmpl.protocol);
    out.spi = spi;
    if (tmpl.protocol == RACOON_IPPROTO_COMP)
        return none("policies with ipcomp alone are not negotiated");
    if (!kernel_can(ctx, tmpl))
        return none("the kernel backend " + ctx.caps.backend + " cannot do what the policy at " +
                    "hand asks for");
    const auto add = [&](const Phase2Transform& t) {
        if (out.transforms.size() < isakmp::kMaxTransforms) out.transforms.push_back(t);
    };
    if (tmpl.protocol == RACOON_IPPROTO_AH) {
        for (const auto* i : info.integrity) {
            if (i->ah_id == 0 || i->attribute == 0 || !kernel_can(ctx, *i, tmpl.protocol)) continue;
            Phase2Transform t = base_transform(info, tmpl);
            t.id = i->ah_id;
            t.integrity = static_cast<isakmp::Integrity>(i->attribute);
            add(t);
        }
    } else {
        for (const auto& e : info.encryption) {
            if (e.transform->esp_id == 0 || !kernel_can(ctx, *e.transform, tmpl.protocol)) continue;
            Phase2Transform t = base_transform(info, tmpl);
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
    }
    if (out.transforms.empty())
        return none("nothing that sainfo " + info.where.text() +
                    " lists can be done by the kernel backend " + ctx.caps.backend);
    return out;
}

Result<Phase2Choice> choose_phase2(const Context& ctx, const conf::SaInfo& info,
                                   const conf::PolicyTemplate& tmpl, conf::ProposalCheck check,
                                   const GroupMap& groups, const isakmp::SaPayload& offer) {
    if (!kernel_can(ctx, tmpl))
        return none("the kernel backend cannot do what the policy asks for");
    const auto ours = std::min(static_cast<std::uint64_t>(info.lifetime.count()), kLongestLifetime);
    const ProtocolId protocol = wire_protocol(tmpl.protocol);
    std::string last =
        "no proposal for " + std::string(tmpl.protocol == RACOON_IPPROTO_AH ? "AH" : "ESP");
    for (std::size_t k = 0; k < offer.proposals.size(); ++k) {
        const isakmp::Proposal& proposal = offer.proposals[k];
        // Proposals of one number are a bundle, and the policy wants a single protocol.
        const auto same = std::count_if(offer.proposals.begin(), offer.proposals.end(),
                                        [&](const auto& q) { return q.number == proposal.number; });
        if (same != 1 || proposal.protocol != protocol) continue;
        const auto spi = proposal.spi_value();
        if (!spi || spi->value < 256) continue;  // RFC 2406 2.1: 1 to 255 are reserved
        for (const auto& transform : proposal.transforms) {
            auto t = Phase2Transform::decode(transform);
            if (!t) {
                last = t.error().text();
                continue;
            }
            last = "not acceptable: " + t->text(protocol);
            const Encapsulation mode =
                t->mode == Encapsulation::None ? Encapsulation::Transport : t->mode;
            if (mode != mode_of(tmpl)) continue;
            const auto algorithms = algorithms_of(info, tmpl.protocol, *t, check);
            if (!algorithms) continue;
            if ((algorithms->encryption != nullptr &&
                 !kernel_can(ctx, *algorithms->encryption, tmpl.protocol)) ||
                (algorithms->integrity != nullptr &&
                 !kernel_can(ctx, *algorithms->integrity, tmpl.protocol))) {
                last += ": the kernel backend " + ctx.caps.backend + " cannot do it";
                continue;
            }
            if (t->esn && !ctx.can(RACOON_CAP_ESN)) continue;
            const auto group = static_cast<std::uint16_t>(t->group);
            Phase2Choice out;
            out.params.protocol = tmpl.protocol;
            out.params.tunnel = tmpl.tunnel;
            out.params.encryption = algorithms->encryption;
            out.params.key_bits = algorithms->key_bits;
            out.params.integrity = algorithms->integrity;
            out.params.esn = t->esn;
            if (info.pfs_group != nullptr && check != conf::ProposalCheck::Obey &&
                group != info.pfs_group->number) {
                last += ": pfs_group is " + info.pfs_group->name + " here";
                continue;
            }
            if (check == conf::ProposalCheck::Exact && info.pfs_group == nullptr && group != 0)
                continue;
            if (group != 0) {
                const auto it = groups.find(group);
                if (it == groups.end()) continue;
                out.params.pfs = it->second;
            }
            if (!judge_seconds(out.params, check, ours, t->life.seconds)) {
                last += ": lifetime is " + std::to_string(ours) + " seconds here";
                continue;
            }
            if (t->life.kilobytes) out.params.kilobytes = *t->life.kilobytes;
            out.peer_spi = *spi;
            out.proposal = &proposal;
            out.transform = &transform;
            return out;
        }
    }
    return none("no suitable proposal found: " + last);
}

bool still_acceptable(const conf::SaInfo& info, const Phase2Params& params,
                      conf::ProposalCheck check) {
    const auto same_cipher = [&](const conf::Phase2Encryption& e) {
        if (e.transform != params.encryption) return false;
        const std::uint16_t ours = bits_of(e);
        return check == conf::ProposalCheck::Obey ||
               (check == conf::ProposalCheck::Exact ? params.key_bits == ours
                                                    : params.key_bits >= ours);
    };
    if (params.encryption != nullptr &&
        std::none_of(info.encryption.begin(), info.encryption.end(), same_cipher))
        return false;
    if (params.integrity != nullptr && std::find(info.integrity.begin(), info.integrity.end(),
                                                 params.integrity) == info.integrity.end())
        return false;
    if (check == conf::ProposalCheck::Obey) return true;
    if (info.pfs_group != nullptr ? params.pfs != info.pfs_group
                                  : check == conf::ProposalCheck::Exact && params.pfs != nullptr)
        return false;
    const auto ours = std::min(static_cast<std::uint64_t>(info.lifetime.count()), kLongestLifetime);
    return check == conf::ProposalCheck::Exact ? params.seconds == ours : params.seconds <= ours;
}

Result<Phase2Choice> check_phase2_answer(const conf::SaInfo& info, const conf::PolicyTemplate& tmpl,
                                         const isakmp::Phase2Proposal& offered,
                                         const isakmp::SaPayload& answer) {
    if (answer.proposals.size() != 1 || answer.proposals[0].transforms.size() != 1)
        return none("the answer is not exactly one transform");
    const isakmp::Proposal& proposal = answer.proposals[0];
    const auto spi = proposal.spi_value();
    if (proposal.protocol != offered.protocol || !spi || spi->value < 256)
        return none("the answer has another protocol, or no usable SPI");
    RACOON_TRY(auto t, Phase2Transform::decode(proposal.transforms[0]));
    for (const Phase2Transform& ours : offered.transforms) {
        Phase2Transform theirs = t;
        theirs.life = ours.life;
        if (theirs.mode == Encapsulation::None) theirs.mode = ours.mode;
        if (!(theirs == ours)) continue;
        const auto algorithms = algorithms_of(info, tmpl.protocol, ours, conf::ProposalCheck::Obey);
        if (!algorithms) continue;
        Phase2Choice out;
        out.params.protocol = tmpl.protocol;
        out.params.tunnel = tmpl.tunnel;
        out.params.encryption = algorithms->encryption;
        out.params.key_bits = algorithms->key_bits;
        out.params.integrity = algorithms->integrity;
        out.params.pfs = info.pfs_group;
        out.params.esn = ours.esn;
        out.params.seconds =
            std::min(static_cast<std::uint64_t>(info.lifetime.count()), kLongestLifetime);
        if (t.life.seconds && *t.life.seconds != 0)
            out.params.seconds = std::min(out.params.seconds, *t.life.seconds);
        if (t.life.kilobytes) out.params.kilobytes = *t.life.kilobytes;
        out.peer_spi = *spi;
        out.proposal = &proposal;
        out.transform = &proposal.transforms[0];
        return out;
    }
    return none("the answer " + t.text(proposal.protocol) + " is not what we offered");
}

Bytes responder_lifetime(const Phase2Params& params) {
    Writer out;
    isakmp::write_number(out, static_cast<std::uint16_t>(isakmp::Phase2Attribute::LifeType),
                         static_cast<std::uint16_t>(isakmp::LifeType::Seconds));
    isakmp::write_number(out, static_cast<std::uint16_t>(isakmp::Phase2Attribute::LifeDuration),
                         params.seconds);
    return std::move(out).take();
}

void apply_responder_lifetime(Phase2Params& params, conf::ProposalCheck check, ByteView data,
                              const std::string& peer) {
    auto list = isakmp::parse_attributes<isakmp::kMaxAttributes>(Reader(data));
    if (!list) return;
    bool seconds = false;
    for (const isakmp::Attribute& a : *list) {
        auto v = a.number();
        if (!v) return;
        if (a.type == static_cast<std::uint16_t>(isakmp::Phase2Attribute::LifeType))
            seconds = *v == static_cast<std::uint64_t>(isakmp::LifeType::Seconds);
        if (a.type != static_cast<std::uint16_t>(isakmp::Phase2Attribute::LifeDuration) || !seconds)
            continue;
        const std::uint64_t theirs = std::min(*v, kLongestLifetime);
        const bool fits =
            theirs != 0 && (check == conf::ProposalCheck::Obey ||
                            (check == conf::ProposalCheck::Exact ? theirs == params.seconds
                                                                 : theirs <= params.seconds));
        if (!fits) {
            LOGW(peer, "RESPONDER-LIFETIME of " + std::to_string(theirs) +
                           " seconds ignored, ours is " + std::to_string(params.seconds));
            continue;
        }
        params.seconds = theirs;
    }
}

}  // namespace racoon::exchange
