#include "exchange/quick_mode_steps.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "conf/features.hpp"
#include "exchange/key_material.hpp"
#include "exchange/natt.hpp"
#include "exchange/phase1.hpp"
#include "exchange/sealing.hpp"

namespace racoon::exchange {

using isakmp::ExchangeType;
using isakmp::MessageBuilder;
using isakmp::NotifyType;
using isakmp::PayloadType;

namespace {

SpiGet spi_request(Phase2& x, const SaParams& sa) {
    SpiGet r;
    r.use = x.phase1().use();
    r.policy = x.policy()->id;
    r.protocol = sa.protocol;
    r.tunnel = sa.tunnel;
    r.reqid = sa.reqid_in;
    r.local = x.phase1().local().addr;
    r.peer = x.phase1().remote().addr;
    r.acquire_token = x.negotiation().acquire_token;
    return r;
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
    r.reqid = inbound ? p.reqid_in : p.reqid;
    r.local = x.phase1().local().addr;
    r.peer = x.phase1().remote().addr;
    r.selector = x.selector();
    r.marks = x.policy()->marks.of_sa(inbound);
    if (p.compression != nullptr) r.compression = p.compression->name;
    // What IPComp made goes into ESP, and only that into UDP.
    if (x.phase1().natt().encapsulates() && p.compression == nullptr) {
        r.local_port = x.phase1().local().port;
        r.peer_port = x.phase1().remote().port;
        r.non_ike_marker = x.phase1().natt().dialect->ike_port;
        r.esp_frag = x.phase1().section().esp_frag;
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

}  // namespace

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

void take_nat_oa(Phase2& x, const isakmp::Message& m) {
    x.negotiation().peer_original = original_address(x.phase1(), !x.initiator(), m);
    x.negotiation().own_as_seen = original_address(x.phase1(), x.initiator(), m);
}

void name_hosts(Phase2& x, TrafficSelector& theirs) {
    const Phase1& sa = x.phase1();
    const IpAddr& peer = x.negotiation().peer_original;
    const IpAddr& own = x.negotiation().own_as_seen;
    if (!peer.is_any() && theirs.remote.net == Prefix::host(peer))
        theirs.remote.net = Prefix::host(sa.remote().addr);
    if (!own.is_any() && theirs.local.net == Prefix::host(own))
        theirs.local.net = Prefix::host(sa.local().addr);
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
    if (const conf::SaInfo* found =
            sainfo_for(x.settings().index, query, *x.policy(), x.initiator())) {
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

Task<Status> install(Phase2& x, bool inbound) {
    if (inbound) x.owner().phase2_installs(x);
    for (std::size_t i = x.params().sas.size(); i-- > 0;) {
        const SaParams& sa = x.params().sas[i];
        Result<SaInstall> request = install_request(x, sa, inbound);
        if (!request) co_return tl::unexpected<Error>(request.error());
        // A failed or cancelled installation is deleted too.
        if (!inbound) x.own(sa.protocol, sa.spi_out, false);
        Result<SaInstall::Reply> done = co_await x.operate(*request);
        // What the keeper refused may be the name of somebody else's SA.
        if (!done && !inbound && done.error().code() == Errc::Denied) x.disown_last();
        if (!done) co_return tl::unexpected<Error>(done.error());
    }
    co_return ok();
}

Status check_outbound(Phase2& x) {
    if (!x.owner().outbound_taken(x)) return ok();
    return refusal(Errc::Conflict, NotifyType::NoProposalChosen,
                   "the peer proposes an SPI that an SA towards its address has already");
}

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

Task<Status> use_policy(Phase2& x) {
    PolicyUse request;
    request.policy = x.policy()->id;
    request.seconds = x.params().seconds;
    Result<PolicyUse::Reply> done = co_await x.operate(request);
    if (!done) co_return tl::unexpected<Error>(done.error());
    co_return ok();
}

}  // namespace racoon::exchange
