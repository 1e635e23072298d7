#include "exchange/phase1_offer.hpp"

#include <algorithm>

namespace racoon::exchange {

namespace {

using isakmp::NotifyType;
using isakmp::ProtocolId;

constexpr std::uint64_t kDefaultLifetime = 28800;  // RFC 2407 4.5
constexpr std::uint64_t kLongestLifetime = 10ull * 365 * 86400;
constexpr std::uint64_t kMostKilobytes = 0xffffffff;

/// What both ends keep to; 0 is no limit.
std::uint64_t fewer(std::uint64_t a, std::uint64_t b) {
    return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
}

Phase1Params params_of(const conf::Phase1Proposal& ours, const isakmp::Phase1Transform& agreed) {
    Phase1Params p;
    p.cipher = ours.cipher;
    p.key_bits = ours.cipher->key.min;
    if (!ours.cipher->key.fixed())
        p.key_bits = agreed.key_length != 0 ? agreed.key_length : ours.cipher->key.absent;
    p.hash = ours.hash;
    p.auth = ours.auth;
    p.group = ours.group;
    const std::uint64_t life = agreed.life.seconds.value_or(kDefaultLifetime);
    p.lifetime = conf::seconds(std::clamp<std::uint64_t>(life, 1, kLongestLifetime));
    p.kilobytes = to_conf(agreed).kilobytes;
    if (p.kilobytes == 0) p.kilobytes = ours.kilobytes;
    return p;
}

isakmp::Phase1Transform transform_of(const conf::Phase1Proposal& p) {
    isakmp::Phase1Transform t;
    t.encryption = static_cast<isakmp::Encryption>(p.cipher->ike_id);
    t.key_length = p.cipher->key.fixed() ? std::uint16_t{0} : p.key_bits;
    t.hash = static_cast<isakmp::HashAlgorithm>(p.hash->ike_id);
    t.auth_method = static_cast<isakmp::AuthMethod>(p.auth->number);
    t.group = static_cast<isakmp::DhGroup>(p.group->number);
    t.life.seconds = static_cast<std::uint64_t>(p.lifetime.count());
    if (p.kilobytes != 0) t.life.kilobytes = p.kilobytes;
    return t;
}

Failure none(std::string why) {
    return fail(Errc::NoProposalChosen, std::move(why))
        .notify(isakmp::number(NotifyType::NoProposalChosen));
}

bool key_allowed(const conf::CipherInfo& cipher, std::uint16_t bits) {
    if (cipher.key.fixed()) return bits == 0 || bits == cipher.key.min;
    return cipher.key.allows(bits != 0 ? bits : cipher.key.absent);
}

}  // namespace

conf::Phase1Transform to_conf(const isakmp::Phase1Transform& t) {
    conf::Phase1Transform out;
    out.cipher = static_cast<std::uint16_t>(t.encryption);
    out.key_bits = t.key_length;
    out.hash = static_cast<std::uint16_t>(t.hash);
    out.auth = static_cast<std::uint16_t>(t.auth_method);
    out.group = static_cast<std::uint16_t>(t.group);
    if (t.life.seconds) out.lifetime = conf::seconds(std::min(*t.life.seconds, kLongestLifetime));
    // Of none at all nothing could be said under the SA; and of 2^54 there is no number of bytes.
    if (t.life.kilobytes)
        out.kilobytes = std::clamp<std::uint64_t>(*t.life.kilobytes, 1, kMostKilobytes);
    return out;
}

conf::Phase1Transform to_conf(const Phase1Params& agreed) {
    conf::Phase1Transform t;
    t.cipher = agreed.cipher->ike_id;
    t.key_bits = agreed.key_bits;
    t.hash = agreed.hash->ike_id;
    t.auth = agreed.auth->number;
    t.group = agreed.group->number;
    t.lifetime = agreed.lifetime;
    t.kilobytes = agreed.kilobytes;
    return t;
}

Bytes phase1_offer(const conf::Remote& section) {
    std::vector<isakmp::Phase1Transform> list;
    for (const auto& p : section.proposals) {
        if (list.size() == isakmp::kMaxTransforms) break;
        list.push_back(transform_of(p));
    }
    return isakmp::build_phase1_sa(list);
}

namespace {

/// The section for one transform; null with `tie` set: several, and nothing can tell them apart.
Result<const conf::Remote*> section_for(const conf::SectionIndex& index,
                                        const conf::RemoteQuery& query, std::string& tie) {
    const conf::RemoteChoice found = index.choose(query);
    if (found.refused != nullptr)
        return fail(Errc::Unsupported, found.problem)
            .notify(isakmp::number(NotifyType::NoProposalChosen));
    if (found.remote != nullptr || found.tied.empty()) return found.remote;
    tie = found.problem;
    const bool later =
        !query.peer_id && std::any_of(found.tied.begin(), found.tied.end(),
                                      [](const auto* r) { return r->verify_identifier; });
    return later ? found.tied.front() : nullptr;
}

/// What would have to be written in one of our proposals for this transform; "": it fits.
std::string wanted(const conf::Phase1Proposal& ours, conf::ProposalCheck check,
                   const isakmp::Phase1Transform& t) {
    if (!ours.cipher || !ours.hash || !ours.auth || !ours.group) return "";
    std::vector<std::string> list;
    const conf::Phase1Transform offered = to_conf(t);
    conf::Phase1Transform own_key = offered;
    own_key.lifetime = ours.lifetime;  // apart from it, the cipher and its key decide
    own_key.kilobytes = ours.kilobytes;
    own_key.hash = ours.hash->ike_id;
    own_key.auth = ours.auth->number;
    own_key.group = ours.group->number;
    if (!conf::acceptable(ours, check, own_key)) {
        const std::string bits = ours.key_bits != 0 ? " " + std::to_string(ours.key_bits) : "";
        list.push_back("encryption_algorithm " + ours.cipher->name + bits);
    }
    if (ours.hash->ike_id != offered.hash) list.push_back("hash_algorithm " + ours.hash->name);
    if (ours.auth->number != offered.auth)
        list.push_back("authentication_method " + ours.auth->name);
    if (ours.group->number != offered.group) list.push_back("dh_group " + ours.group->name);
    if (list.empty() && !conf::acceptable(ours, check, offered)) {
        list.push_back("lifetime time " + std::to_string(ours.lifetime.count()) + " sec");
        if (ours.kilobytes != 0)
            list.push_back("lifetime byte " + std::to_string(ours.kilobytes) + " KB");
    }
    std::string out;
    for (const std::string& word : list) out += (out.empty() ? "" : ", ") + word;
    return out;
}

/// Why there is no agreement: what was offered, and how the nearest proposal of the section that
/// this peer would meet first differs. Bounded, since strangers can make us write it.
std::string disagreement(const conf::SectionIndex& index, conf::RemoteQuery query,
                         const isakmp::SaPayload& sa) {
    constexpr std::size_t kTransforms = 16, kProposals = 16;
    query.agreed.reset();
    const auto sections = index.candidates(query);
    std::string first, nearest;
    std::size_t offers = 0, fewest = std::string::npos;
    for (const auto& proposal : sa.proposals) {
        for (const auto& transform : proposal.transforms) {
            const auto t = isakmp::Phase1Transform::decode(transform);
            if (!t || ++offers > kTransforms) continue;
            if (first.empty()) first = t->text();
            if (sections.empty()) continue;
            const auto& ours = sections.front()->proposals;
            for (std::size_t i = 0; i < ours.size() && i < kProposals; ++i) {
                const std::string words = wanted(ours[i], sections.front()->proposal_check, *t);
                const auto count =
                    static_cast<std::size_t>(std::count(words.begin(), words.end(), ','));
                if (words.empty() || count >= fewest) continue;
                fewest = count;
                nearest = words;
            }
        }
    }
    if (first.empty()) return "nothing in the offer can be read";
    std::string out = "offered " + first;
    if (offers > 1) out += " and " + std::to_string(offers - 1) + " more";
    if (!nearest.empty()) out += "; remote \"" + sections.front()->name + "\" wants " + nearest;
    return out;
}

Result<Phase1Choice> choose(const conf::SectionIndex& index, conf::RemoteQuery& query,
                            const Phase1Offer& offer) {
    std::string tie;
    for (const auto& proposal : offer.sa->proposals) {
        if (proposal.protocol != ProtocolId::Isakmp) continue;
        for (const auto& transform : proposal.transforms) {
            auto t = isakmp::Phase1Transform::decode(transform);
            if (!t) continue;  // one that cannot be read is no offer
            query.agreed = to_conf(*t);
            RACOON_TRY(const conf::Remote* section, section_for(index, query, tie));
            if (section == nullptr) continue;
            const conf::Phase1Proposal* ours = conf::acceptable(*section, *query.agreed);
            if (ours == nullptr || !key_allowed(*ours->cipher, t->key_length)) continue;
            if (offer.public_size != 0 && ours->group->public_size != offer.public_size) continue;
            Phase1Choice out;
            out.section = section;
            out.params = params_of(*ours, *t);
            isakmp::ChosenProposal chosen;
            chosen.proposal = &proposal;
            chosen.transform = &transform;
            out.answer = isakmp::build_sa_answer({&chosen, 1});
            return out;
        }
    }
    if (!tie.empty())
        return fail(Errc::Conflict, tie).notify(isakmp::number(NotifyType::NoProposalChosen));
    return none("no suitable proposal found: " + disagreement(index, query, *offer.sa));
}

}  // namespace

Result<Phase1Choice> choose_phase1(const conf::SectionIndex& index, const Phase1Offer& offer) {
    conf::RemoteQuery query;
    query.peer = offer.peer;
    query.mode = offer.mode;
    if (index.candidates(query).empty())
        return fail(Errc::NotFound, "no configuration found for " + offer.peer.text());
    query.peer_id = offer.peer_id;
    Result<Phase1Choice> found = choose(index, query, offer);
    if (found || !offer.peer_id || found.error().code() == Errc::Conflict) return found;
    query.peer_id.reset();
    return choose(index, query, offer);
}

Result<Phase1Params> check_phase1_answer(const conf::Remote& section,
                                         const isakmp::SaPayload& answer) {
    if (answer.proposals.size() != 1 || answer.proposals[0].transforms.size() != 1)
        return none("the answer is not exactly one transform");
    const auto& proposal = answer.proposals[0];
    if (proposal.protocol != ProtocolId::Isakmp) return none("the answer is not for ISAKMP");
    RACOON_TRY(auto t, isakmp::Phase1Transform::decode(proposal.transforms[0]));
    for (const auto& p : section.proposals) {
        isakmp::Phase1Transform ours = transform_of(p);
        const auto our_life = ours.life;
        ours.life = t.life;
        if (!(ours == t)) continue;
        // Some responders write their own lifetime: the shorter one holds.
        t.life.seconds = std::min(t.life.seconds.value_or(kLongestLifetime), *our_life.seconds);
        Phase1Params agreed = params_of(p, t);
        agreed.kilobytes = fewer(agreed.kilobytes, p.kilobytes);
        return agreed;
    }
    return none("the answer " + t.text() + " is not what we offered");
}

}  // namespace racoon::exchange
