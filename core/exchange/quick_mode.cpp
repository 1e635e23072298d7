#include "exchange/quick_mode.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "conf/features.hpp"
#include "exchange/key_material.hpp"
#include "exchange/natt.hpp"
#include "exchange/phase1.hpp"
#include "exchange/sealing.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

using isakmp::ExchangeType;
using isakmp::MessageBuilder;
using isakmp::NotifyType;
using isakmp::PayloadType;

/// How long a responder waits for the CONNECTED of an initiator that set the commit bit.
constexpr auto kCommitWait = std::chrono::seconds(3);

const conf::HashInfo& hash_of(const Phase2& x) {
    return *x.phase1().params().hash;
}

HashCheck check_of(const Phase2& x) {
    return HashCheck(hash_of(x), x.phase1().skeyid_a());
}

Failure refusal(Errc code, NotifyType type, std::string text) {
    return fail(code, std::move(text)).notify(isakmp::number(type));
}

std::size_t nonce_size(const Phase2& x) {
    return std::clamp<std::size_t>(x.phase1().section().nonce_size, isakmp::kMinNonce,
                                   isakmp::kMaxNonce);
}

/// HASH, SA, nonce, [KE,] [IDci, IDcr,] [N]: messages 1 and 2.
Result<Bytes> offer_message(Phase2& x, ByteView sa, ByteView nonce,
                            const std::optional<Bytes>& notify) {
    Phase2::Negotiation& n = x.negotiation();
    MessageBuilder b(x.phase1().header(ExchangeType::QuickMode, x.id()));
    b.reserve_hash(hash_of(x).digest_size);
    b.add(PayloadType::SecurityAssociation, sa);
    b.add(PayloadType::Nonce, nonce);
    if (!n.public_value.empty()) b.add(PayloadType::KeyExchange, n.public_value);
    if (!n.id_ci.empty()) {
        b.add(PayloadType::Identification, n.id_ci);
        b.add(PayloadType::Identification, n.id_cr);
    }
    if (std::none_of(x.params().sas.begin(), x.params().sas.end(),
                     [](const SaParams& one) { return one.tunnel; }))
        RACOON_TRY_STATUS(add_nat_oa(x.phase1(), x.initiator(), b));
    if (notify) b.add(PayloadType::Notification, *notify);
    const ByteView key = x.phase1().skeyid_a();
    auto hash = x.initiator() ? hash_1(hash_of(x), key, x.id(), b.after_hash())
                              : hash_2(hash_of(x), key, x.id(), n.ni, b.after_hash());
    if (!hash) return tl::unexpected<Error>(hash.error());
    b.set_hash(hash->view());
    return seal_message(b, x.phase1().cipher_key(), x.ivs(), x.ctx(), x.settings().config->padding);
}

Result<Bytes> message_3(Phase2& x) {
    const Phase2::Negotiation& n = x.negotiation();
    MessageBuilder b(x.phase1().header(ExchangeType::QuickMode, x.id()));
    b.reserve_hash(hash_of(x).digest_size);
    RACOON_TRY(Secret hash, hash_3(hash_of(x), x.phase1().skeyid_a(), x.id(), n.ni, n.nr));
    b.set_hash(hash.view());
    return seal_message(b, x.phase1().cipher_key(), x.ivs(), x.ctx(), x.settings().config->padding);
}

/// HASH, N(CONNECTED) as message 4: that we are ready, for an initiator that set the commit bit and expects it
/// of us, as racoon does.
Result<Bytes> message_4(Phase2& x) {
    isakmp::Notification n;
    n.protocol = wire_protocol(x.params().sas.front().protocol);
    n.type = NotifyType::Connected;
    const Bytes spi = isakmp::spi_bytes(n.protocol, x.params().sas.front().spi_in);
    n.spi = spi;
    MessageBuilder b(x.phase1().header(ExchangeType::QuickMode, x.id()));
    b.reserve_hash(hash_of(x).digest_size);
    b.add(PayloadType::Notification, n.body());
    RACOON_TRY(Secret hash, hash_1(hash_of(x), x.phase1().skeyid_a(), x.id(), b.after_hash()));
    b.set_hash(hash.view());
    return seal_message(b, x.phase1().cipher_key(), x.ivs(), x.ctx(), x.settings().config->padding);
}

SpiGet spi_request(Phase2& x, const SaParams& sa) {
    SpiGet r;
    r.use = x.phase1().use();
    r.policy = x.policy()->id;
    r.protocol = sa.protocol;
    r.tunnel = sa.tunnel;
    r.reqid = sa.reqid;
    r.local = x.phase1().local().addr;
    r.peer = x.phase1().remote().addr;
    r.acquire_token = x.negotiation().acquire_token;
    return r;
}

Result<const conf::SaInfo*> find_sainfo(Phase2& x) {
    conf::SaInfoQuery query;
    query.selector = x.selector();
    query.ph1id = x.phase1().section().ph1id;
    query.client = x.phase1().remote().addr;
    Bytes data;
    if (const auto& id = x.phase1().peer_id(); id && !x.initiator()) {
        data = id->data();
        conf::PeerId peer;
        peer.type = static_cast<std::uint8_t>(id->type());
        peer.data = data;
        query.peer_id = peer;
    }
    const auto literal = [](const std::optional<LiteralId>& id) {
        std::optional<conf::PeerId> out;
        if (id) out = conf::PeerId{id->type, id->data};
        return out;
    };
    query.local_id = literal(x.local_id);
    query.remote_id = literal(x.remote_id);
    if (const conf::SaInfo* found = x.settings().index.sainfo(query)) {
        const std::string why = conf::refusal(*found, x.initiator());
        if (why.empty()) return found;
        return refusal(Errc::Unsupported, NotifyType::NoProposalChosen, why);
    }
    return refusal(
        Errc::NotFound, NotifyType::InvalidIdInformation,
        fmt::format("failed to get sainfo for {} (ph1id {}); {} sainfo sections are "
                    "configured",
                    x.selector().text(), query.ph1id, x.settings().config->sainfos.size()));
}

/// One direction's keys and SA (RFC 2409 5.5: KEYMAT of an SA uses the SPI that its receiver chose, and
/// its protocol). Compression has no key.
Result<SaInstall> install_request(Phase2& x, const SaParams& p, bool inbound) {
    const Phase2::Negotiation& n = x.negotiation();
    const isakmp::ProtocolId protocol = wire_protocol(p.protocol);
    const Spi spi = inbound ? p.spi_in : p.spi_out;
    const Bytes spi_on_wire = isakmp::spi_bytes(protocol, spi);
    KeymatInput in;
    in.gxy = n.gxy.view();
    in.protocol = isakmp::number(protocol);
    in.spi = spi_on_wire;
    in.ni = n.ni;
    in.nr = n.nr;
    const std::size_t enc = p.encryption_key_bytes();
    const std::size_t mac = p.integrity_key_bytes();
    Secret keymat;
    if (enc + mac != 0) {
        RACOON_TRY(keymat, quick_mode_keymat(hash_of(x), x.phase1().skeyid_d(), in, enc + mac));
    }

    SaInstall r;
    r.use = x.phase1().use();
    r.policy = x.policy()->id;
    r.inbound = inbound;
    r.protocol = p.protocol;
    r.tunnel = p.tunnel;
    r.esn = p.esn;
    r.spi = spi;
    r.reqid = p.reqid;
    r.local = x.phase1().local().addr;
    r.peer = x.phase1().remote().addr;
    r.selector = x.selector();
    if (p.compression != nullptr) r.compression = p.compression->name;
    // What IPComp made goes into ESP, and only that into UDP.
    if (x.phase1().natt().encapsulates() && p.compression == nullptr) {
        r.local_port = x.phase1().local().port;
        r.peer_port = x.phase1().remote().port;
        if (!p.tunnel) r.peer_original = n.peer_original;
    }
    if (p.encryption != nullptr) r.encryption = p.encryption->name;
    r.key_bits = p.key_bits;
    r.encryption_key = Secret(keymat.view().first(enc));
    if (p.integrity != nullptr) r.integrity = p.integrity->name;
    r.integrity_key = Secret(keymat.view().subspan(enc));
    const std::uint32_t most = x.ctx().caps.max_replay_window;
    if (x.ctx().caps_known && most < r.replay_window) r.replay_window = most;
    if (p.compression != nullptr) r.replay_window = 0;  // there are no sequence numbers in it
    const Phase2Params& common = x.params();
    r.hard_seconds = common.seconds;
    r.soft_seconds = common.seconds * 4 / 5;
    if (x.ctx().can(RACOON_CAP_BYTE_LIFETIME) && common.kilobytes != 0 &&
        common.kilobytes < (std::uint64_t{1} << 53)) {
        r.hard_bytes = common.kilobytes * 1024;
        r.soft_bytes = r.hard_bytes / 5 * 4;
    }
    return r;
}

/// The SAs of one direction, the innermost last: a packet that comes meanwhile finds the template that the
/// kernel looks for first without its SA, and does not ask for the others one by one.
Task<Status> install(Phase2& x, bool inbound) {
    if (inbound) x.owner().phase2_installs(x);
    for (std::size_t i = x.params().sas.size(); i-- > 0;) {
        const SaParams& sa = x.params().sas[i];
        Result<SaInstall> request = install_request(x, sa, inbound);
        if (!request) co_return tl::unexpected<Error>(request.error());
        // A failed or cancelled installation is deleted too.
        if (!inbound) x.own(sa.protocol, sa.spi_out, false);
        Result<SaInstall::Reply> done = co_await x.operate(*request);
        if (!done) co_return tl::unexpected<Error>(done.error());
    }
    co_return ok();
}

/// Our inbound SPIs, one for each protocol.
Task<Status> get_spis(Phase2& x) {
    for (std::size_t i = 0; i < x.params().sas.size(); ++i) {
        const SpiGet request = spi_request(x, x.params().sas[i]);
        Result<SpiGet::Reply> reply = co_await x.operate(request);
        if (!reply) co_return tl::unexpected<Error>(reply.error());
        x.params().sas[i].spi_in = reply->spi;
        x.own(x.params().sas[i].protocol, reply->spi, true);
    }
    co_return ok();
}

Task<Status> make_key_pair(Phase2& x, const conf::GroupInfo& group) {
    DhGenerate request;
    request.group = group.number;
    Result<DhGenerate::Reply> pair = co_await x.operate(request);
    if (!pair) co_return tl::unexpected<Error>(pair.error());
    x.negotiation().dh = DhKey(x.ctx(), pair->handle);
    x.negotiation().public_value = std::move(pair->public_value);
    co_return ok();
}

Task<Status> compute_secret(Phase2& x) {
    DhCompute request;
    request.handle = x.negotiation().dh.id();
    request.peer_public = x.negotiation().peer_public;
    Result<DhCompute::Reply> reply = co_await x.operate(request);
    if (!reply) co_return tl::unexpected<Error>(reply.error());
    x.negotiation().gxy = std::move(reply->shared);
    x.negotiation().dh.reset();
    co_return ok();
}

/// KE must be there exactly when a group was agreed on (reference 5.8), and fit the group.
Status take_key_exchange(Phase2& x, const std::optional<ByteView>& ke) {
    const conf::GroupInfo* group = x.params().pfs;
    if ((group != nullptr) != ke.has_value())
        return refusal(
            Errc::NoProposalChosen, NotifyType::NoProposalChosen,
            group ? "no KE payload, but PFS was agreed on" : "KE payload without a group");
    if (group == nullptr) return ok();
    if (ke->size() != group->public_size ||
        (group->table != nullptr &&
         group->table->check_public(group->impl, {ke->data(), ke->size()}) != RACOON_OK))
        return refusal(Errc::Crypto, NotifyType::InvalidKeyInformation,
                       "public value is not of group " + group->name);
    x.negotiation().peer_public = to_bytes(*ke);
    return ok();
}

// --- initiator ---

/// IDs that say nothing new: all traffic between the hosts themselves, without a tunnel (reference 5.8).
bool ids_are_left_out(const Phase2& x) {
    const TrafficSelector& s = x.selector();
    const auto& templates = x.policy()->templates;
    return std::none_of(templates.begin(), templates.end(),
                        [](const conf::PolicyTemplate& t) { return t.tunnel; }) &&
           !x.phase1().section().support_proxy && s.protocol == 0 && s.local.port == 0 &&
           s.remote.port == 0 && s.local.net == Prefix::host(x.phase1().local().addr) &&
           s.remote.net == Prefix::host(x.phase1().remote().addr);
}

/// Before message 1: sainfo, IDs, nonce.
Status prepare(Phase2& x) {
    Phase2::Negotiation& n = x.negotiation();
    RACOON_TRY(n.sainfo, find_sainfo(x));
    if (!ids_are_left_out(x)) {
        const TrafficSelector& s = x.selector();
        n.id_ci = isakmp::Identity::selector(s.local, s.protocol).body();
        n.id_cr = isakmp::Identity::selector(s.remote, s.protocol).body();
    }
    n.ni = x.ctx().random_bytes(nonce_size(x));
    return ok();
}

Result<Bytes> message_1(Phase2& x) {
    Phase2::Negotiation& n = x.negotiation();
    RACOON_TRY(n.offered, phase2_offer(x.ctx(), x.rules(), x.params().sas));
    return offer_message(x, isakmp::build_phase2_sa(n.offered), n.ni, {});
}

/// The next message of the peer that is really message 2.
Task<Result<Verified<isakmp::QuickMode1>>> verified_message_2(Phase2& x, bool& committed) {
    for (;;) {
        Result<Received> in = co_await x.message();
        if (!in) co_return tl::unexpected<Error>(in.error());
        Result<isakmp::Message> clear = open_message(in->message, x.phase1().cipher_key(),
                                                     x.ivs().next(), x.settings().config->padding);
        if (!clear) {
            x.ignore(clear.error(), "quick mode message 2");
            continue;
        }
        auto verified = check_of(x).quick_mode_2(std::move(*clear), x.negotiation().ni);
        if (!verified) {
            x.ignore(verified.error(), "quick mode message 2");
            continue;
        }
        committed = in->message.header().commit();
        x.ivs().advance(in->message.body());
        x.accept(*in);
        x.phase1().follow(*in);
        x.negotiation().peer_original =
            peer_original_address(x.phase1(), false, verified->message());
        co_return verified;
    }
}

Status take_message_2(Phase2& x, const isakmp::QuickMode1& m) {
    Phase2::Negotiation& n = x.negotiation();
    RACOON_TRY(Phase2Choice choice, check_phase2_answer(x.rules(), n.offered, m.sa));
    for (std::size_t i = 0; i < choice.params.sas.size(); ++i)
        choice.params.sas[i].spi_in = x.params().sas[i].spi_in;
    x.set_params(std::move(choice.params));
    n.nr = to_bytes(m.nonce);
    if (m.id_ci && m.id_cr) {
        RACOON_TRY(QuickModeIds theirs,
                   ids_of_quick_mode(m.id_ci, m.id_cr, true, x.phase1().local().addr,
                                     x.phase1().remote().addr));
        if (!(theirs.selector == x.selector()))
            return refusal(Errc::InvalidId, NotifyType::InvalidIdInformation,
                           "the peer answered with other IDs: " + theirs.selector.text());
    }
    for (const isakmp::Notification& note : m.notifications)
        if (note.type == NotifyType::ResponderLifetime)
            apply_responder_lifetime(x.params(), x.phase1().section().proposal_check, note.data,
                                     x.peer_text());
    return take_key_exchange(x, m.key_exchange);
}

/// After a message with the commit bit: the CONNECTED of who set it (RFC 2408 3.1), in a quick mode message or
/// in an informational one with the same message id.
Task<Status> connected(Phase2& x) {
    x.awaits_connected = true;
    for (;;) {
        Result<Received> in = co_await x.message();
        if (!in) co_return tl::unexpected<Error>(in.error());
        const bool quick = in->message.header().exchange_type() == ExchangeType::QuickMode;
        Result<IvChain> chain(x.ivs());
        if (!quick) chain = x.phase1().phase2_chain(x.id());
        if (!chain) co_return tl::unexpected<Error>(chain.error());
        Result<isakmp::Message> clear = open_message(in->message, x.phase1().cipher_key(),
                                                     chain->next(), x.settings().config->padding);
        bool found = false;
        const auto look = [&found](const auto& list) {
            for (const isakmp::Notification& note : list)
                found = found || note.type == NotifyType::Connected;
        };
        if (clear && quick) {
            auto verified = check_of(x).connected(std::move(*clear));
            if (verified) look((*verified)->notifications);
        } else if (clear) {
            auto verified = check_of(x).informational(std::move(*clear));
            if (verified) look((*verified)->notifications);
        }
        if (found) {
            x.accept(*in);
            co_return ok();
        }
    }
}

// --- responder ---

/// The policy that the first readable bundle of the offer asks for, where the section makes policies
/// (reference 5.16). It has no number yet: the keeper has the say.
Result<std::shared_ptr<const conf::Policy>> policy_for_peer(Phase2& x, const TrafficSelector& ts,
                                                            const isakmp::SaPayload& offer) {
    const Phase1& sa = x.phase1();
    const std::string nothing =
        fmt::format("no suitable policy found for {} with {}", ts.text(), sa.remote().addr.text());
    if (sa.section().generate_policy == conf::GeneratePolicy::Off)
        return refusal(Errc::NotFound, NotifyType::InvalidIdInformation, nothing);
    if (x.owner().overlaps_another(x))
        return refusal(Errc::Denied, NotifyType::InvalidIdInformation,
                       nothing + ", and none is made: another peer has such traffic");
    auto out = std::make_shared<conf::Policy>();
    out->direction = conf::Direction::Out;
    out->selector = ts;
    if (!templates_of_offer(offer, sa.local().addr, sa.remote().addr, wire_modes(sa.natt()), *out))
        return refusal(Errc::NoProposalChosen, NotifyType::NoProposalChosen,
                       nothing + ", and none can be made of what it offers");
    return out;
}

/// The keeper's number for a policy that is to be made.
Task<Status> make_policy(Phase2& x) {
    PolicyMake request;
    request.use = x.phase1().use();
    request.selector = x.policy()->selector;
    for (const conf::PolicyTemplate& t : x.policy()->templates) {
        PolicyMake::Rule rule;
        rule.protocol = t.protocol;
        rule.tunnel = t.tunnel;
        request.rules.push_back(rule);
    }
    Result<PolicyMake::Reply> reply = co_await x.operate(request);
    if (!reply)
        co_return refusal(Errc::Denied, NotifyType::InvalidIdInformation,
                          "no policy is made for the peer: " + reply.error().text());
    auto numbered = std::make_shared<conf::Policy>(*x.policy());
    numbered->id = reply->policy;
    for (conf::PolicyTemplate& t : numbered->templates) t.reqid = reply->reqid;
    for (SaParams& one : x.params().sas) one.reqid = reply->reqid;
    x.set_made(std::move(numbered));
    co_return ok();
}

/// The SAs are there: so shall the policy be, for as long as they are.
Task<Status> use_policy(Phase2& x) {
    PolicyUse request;
    request.policy = x.policy()->id;
    request.seconds = x.params().seconds;
    Result<PolicyUse::Reply> done = co_await x.operate(request);
    if (!done) co_return tl::unexpected<Error>(done.error());
    co_return ok();
}

/// What our kernel cannot do is no proposal for the peer to wait for.
Error unserved(const Status& status) {
    if (status.error().notify_type() != 0) return status.error();
    return Error(status.error()).notify(isakmp::number(NotifyType::NoProposalChosen));
}

/// What message 1 asks for, held against policy, sainfo and kernel.
Result<Phase2Choice> plan(Phase2& x) {
    Phase2::Negotiation& n = x.negotiation();
    const isakmp::QuickMode1& m = **n.message1;
    const IpAddr& local = x.phase1().local().addr;
    const IpAddr& peer = x.phase1().remote().addr;
    // The SPI first: a refusal carries it, so that the peer knows what is meant.
    SaParams named;
    named.protocol = ip_protocol(m.sa.proposals[0].protocol);
    named.spi_out = m.sa.proposals[0].spi_value().value_or(Spi{});
    x.params().sas.assign(1, named);
    RACOON_TRY(QuickModeIds ids, ids_of_quick_mode(m.id_ci, m.id_cr, false, local, peer));
    const TrafficSelector& ts = ids.selector;
    x.local_id = std::move(ids.local);
    x.remote_id = std::move(ids.remote);
    const PolicyHit hit = x.settings().policies.match(ts, local, peer);
    x.set_selector(ts);
    if (hit.policy != nullptr) {
        x.set_policy(hit.policy);
    } else {
        auto wanted = policy_for_peer(x, ts, m.sa);
        if (!wanted) return tl::unexpected<Error>(wanted.error());
        x.set_made(std::move(*wanted));
    }
    auto info = find_sainfo(x);
    if (!info && !(ts == x.policy()->selector)) {
        // A narrower request is served by the sainfo of the policy that allows it.
        x.set_selector(x.policy()->selector);
        auto wider = find_sainfo(x);
        x.set_selector(ts);
        if (wider) info = wider;
    }
    if (!info) return tl::unexpected<Error>(info.error());
    n.sainfo = *info;
    RACOON_TRY(Phase2Choice choice,
               choose_phase2(x.ctx(), x.rules(), x.phase1().section().proposal_check,
                             x.settings().groups, m.sa));
    n.peer_original = peer_original_address(x.phase1(), true, n.message1->message());
    x.set_params(choice.params);
    n.ni = to_bytes(m.nonce);
    n.nr = x.ctx().random_bytes(nonce_size(x));
    if (m.id_ci) {
        n.id_ci = to_bytes(m.id_ci->body);
        n.id_cr = to_bytes(m.id_cr->body);
    }
    RACOON_TRY_STATUS(take_key_exchange(x, m.key_exchange));
    return choice;
}

Result<Bytes> message_2(Phase2& x, const Phase2Choice& choice) {
    const Phase2::Negotiation& n = x.negotiation();
    std::vector<isakmp::ChosenProposal> chosen;
    for (const Phase2Choice::Part& part : choice.parts) {
        isakmp::ChosenProposal one;
        one.proposal = part.proposal;
        one.transform = part.transform;
        one.spi = isakmp::spi_bytes(part.proposal->protocol, x.params().sas[part.sa].spi_in);
        chosen.push_back(std::move(one));
    }
    std::optional<Bytes> notify;
    if (x.params().send_lifetime) {
        isakmp::Notification note;
        const Bytes data = responder_lifetime(x.params());
        note.protocol = chosen.front().proposal->protocol;
        note.type = NotifyType::ResponderLifetime;
        note.spi = chosen.front().spi;
        note.data = data;
        notify = note.body();
    }
    return offer_message(x, isakmp::build_sa_answer(chosen), n.nr, notify);
}

/// The next message of the peer that is really message 3: what makes a responder's SAs count.
Task<Result<Verified<isakmp::QuickMode3>>> verified_message_3(Phase2& x) {
    for (;;) {
        Result<Received> in = co_await x.message();
        if (!in) co_return tl::unexpected<Error>(in.error());
        Result<isakmp::Message> clear = open_message(in->message, x.phase1().cipher_key(),
                                                     x.ivs().next(), x.settings().config->padding);
        if (!clear) {
            x.ignore(clear.error(), "quick mode message 3");
            continue;
        }
        const Phase2::Negotiation& n = x.negotiation();
        auto verified = check_of(x).quick_mode_3(std::move(*clear), n.ni, n.nr);
        if (!verified) {
            x.ignore(verified.error(), "quick mode message 3");
            continue;
        }
        x.ivs().advance(in->message.body());
        x.accept(*in);
        x.phase1().follow(*in);
        co_return verified;
    }
}

/// A renewed outbound SA carries traffic from the moment it is installed, but the peer may not take that
/// traffic before message 3 has reached it and it has installed its side; nothing tells us when (but for
/// the commit bit, which few peers know). The SA in use goes on meanwhile, so waiting costs nothing.
Duration switch_delay(const Phase2& x) {
    constexpr Duration kMost = std::chrono::seconds(1);
    if (x.params().seconds == 0 || x.params().seconds > 20) return kMost;
    return kMost * static_cast<int>(x.params().seconds) / 20;
}

}  // namespace

Task<Status> quick_mode_initiator(Phase2& x) {
    Phase2::Negotiation& n = x.negotiation();
    Status prepared = prepare(x);
    if (!prepared) co_return prepared;
    Status spi = co_await get_spis(x);
    if (!spi) co_return spi;
    if (n.sainfo->pfs_group != nullptr) {
        Status pair = co_await make_key_pair(x, *n.sainfo->pfs_group);
        if (!pair) co_return pair;
    }

    // HDR*, HASH(1), SA, Ni, [KE,] IDci, IDcr -->
    Result<Bytes> m1 = message_1(x);
    if (!m1) co_return tl::unexpected<Error>(m1.error());
    x.transmit(std::move(*m1), Repeat::OnTimer);

    // <-- HDR*, HASH(2), SA, Nr, [KE,] IDci, IDcr
    bool committed = false;
    auto m2 = co_await verified_message_2(x, committed);
    if (!m2) co_return tl::unexpected<Error>(m2.error());
    Status taken = take_message_2(x, **m2);
    if (!taken) {
        x.refuse(taken.error());
        co_return taken;
    }
    if (x.params().pfs != nullptr) {
        Status secret = co_await compute_secret(x);
        if (!secret) co_return secret;
    }
    Status inbound = co_await install(x, true);
    if (!inbound) co_return inbound;

    // HDR*, HASH(3) -->
    Result<Bytes> m3 = message_3(x);
    if (!m3) co_return tl::unexpected<Error>(m3.error());
    x.transmit(std::move(*m3), committed ? Repeat::OnTimer : Repeat::OnDuplicate);
    if (committed) {
        Status up = co_await connected(x);
        if (!up) co_return up;
    } else if (x.negotiation().renews) {
        co_await x.pause(switch_delay(x));
    }
    Status outbound = co_await install(x, false);
    if (outbound && x.made() != nullptr) outbound = co_await use_policy(x);
    co_return outbound;
}

Task<Status> quick_mode_responder(Phase2& x) {
    Phase2::Negotiation& n = x.negotiation();
    // HDR*, HASH(1), SA, Ni, [KE,] IDci, IDcr -->
    Result<Phase2Choice> choice = plan(x);
    if (!choice) {
        x.refuse(choice.error());
        co_return tl::unexpected<Error>(choice.error());
    }
    if (x.made() != nullptr) {
        Status made = co_await make_policy(x);
        if (!made) {
            x.refuse(made.error());
            co_return made;
        }
    }
    Status spi = co_await get_spis(x);
    if (!spi) {
        x.refuse(unserved(spi));
        co_return spi;
    }
    if (x.params().pfs != nullptr) {
        Status pair = co_await make_key_pair(x, *x.params().pfs);
        if (!pair) co_return pair;
        Status secret = co_await compute_secret(x);
        if (!secret) co_return secret;
    }
    Status inbound = co_await install(x, true);
    if (!inbound) {
        x.refuse(unserved(inbound));
        co_return inbound;
    }

    // <-- HDR*, HASH(2), SA, Nr, [KE,] IDci, IDcr
    Result<Bytes> m2 = message_2(x, *choice);
    if (!m2) co_return tl::unexpected<Error>(m2.error());
    n.message1.reset();
    x.transmit(std::move(*m2), Repeat::OnTimer);

    // HDR*, HASH(3) -->
    auto m3 = co_await verified_message_3(x);
    if (!m3) co_return tl::unexpected<Error>(m3.error());
    x.confirmed = !n.peer_committed;
    if (n.peer_committed) {
        // Message 3 has proved as much, so a peer that leaves it out is not waited for long.
        x.wait_at_most(kCommitWait);
        Status up = co_await connected(x);
        if (!up && up.error().code() != Errc::Timeout) co_return up;
        x.awaits_connected = false;
    }
    Status outbound = co_await install(x, false);
    if (!outbound) co_return outbound;
    if (x.made() != nullptr) {
        Status used = co_await use_policy(x);
        if (!used) co_return used;
    }
    if (n.peer_committed) {
        Result<Bytes> m4 = message_4(x);
        if (m4) x.transmit(std::move(*m4), Repeat::OnDuplicate);
    }
    co_return ok();
}

}  // namespace racoon::exchange
