#include "exchange/phase1.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "exchange/aggressive_mode.hpp"
#include "exchange/base_mode.hpp"
#include "exchange/main_mode.hpp"
#include "exchange/natt.hpp"
#include "exchange/phase2.hpp"
#include "exchange/sealing.hpp"
#include "exchange/vendor_ids.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {
using std::chrono::seconds;
/// A negotiation ends after this, whatever the peer sends.
constexpr auto kNegotiationLimit = seconds(150);
/// How long the last message is kept, for a peer that did not get it.
constexpr auto kKeepMessages = seconds(70);

}  // namespace

Phase1::Phase1(Context& ctx, Phase1Owner& owner, SaToken token, isakmp::ExchangeType exchange,
               const Endpoint& local, const Endpoint& remote, bool initiator, SettingsPtr settings,
               const conf::Remote* section)
    : Exchange(ctx),
      owner_(owner),
      token_(token),
      local_(local),
      remote_(remote),
      first_remote_(remote),
      initiator_(initiator),
      exchange_(exchange),
      settings_(std::move(settings)),
      section_(section),
      negotiation_(std::make_unique<Negotiation>()),
      created_(ctx.now) {}

Phase1::~Phase1() {
    stop();
}

void Phase1::start() {
    switch (exchange_) {
        case isakmp::ExchangeType::Aggressive:
            return run(aggressive_mode_initiator(*this), kNegotiationLimit);
        case isakmp::ExchangeType::Base:
            return run(base_mode_initiator(*this), kNegotiationLimit);
        default:
            return run(main_mode_initiator(*this), kNegotiationLimit);
    }
}

void Phase1::start_responder(Received first) {
    switch (exchange_) {
        case isakmp::ExchangeType::Aggressive:
            run(aggressive_mode_responder(*this), kNegotiationLimit);
            break;
        case isakmp::ExchangeType::Base:
            run(base_mode_responder(*this), kNegotiationLimit);
            break;
        default:
            run(main_mode_responder(*this), kNegotiationLimit);
    }
    deliver(std::move(first));
}

std::string Phase1::text() const {
    return fmt::format("{}-{} spi:{}", local_.text(), remote_.text(), cookies_.text());
}

isakmp::Header Phase1::header(isakmp::ExchangeType type, MessageId id) const {
    isakmp::Header h;
    h.cookies = cookies_;
    h.exchange = isakmp::number(type);
    h.message_id = id;
    return h;
}

void Phase1::float_ports() {
    if (!natt_.encapsulates() || natt_.dialect->ike_port || !initiator_) return;
    const auto& sockets = ctx().natt_endpoints;
    const auto fits = [&](const Endpoint& e) { return e.addr == local_.addr; };
    auto ours = std::find_if(sockets.begin(), sockets.end(), fits);
    if (ours == sockets.end())
        ours = std::find_if(sockets.begin(), sockets.end(), [&](const Endpoint& e) {
            return e.addr.is_any() && e.addr.family == local_.addr.family;
        });
    if (ours == sockets.end() || ours->port == local_.port) return;
    local_.port = ours->port;
    remote_.port = kNattPort;
    LOGI(peer_text(), fmt::format("NAT-T: going on from {} to {}", local_.text(), remote_.text()));
}

void Phase1::follow(const Endpoint& local, const Endpoint& remote) {
    if (natt_.dialect == nullptr || remote.addr.family != remote_.addr.family) return;
    if (remote == remote_ && local == local_) return;
    const bool from_natt = ctx().on_natt_port(local_), to_natt = ctx().on_natt_port(local);
    // The change of ports (RFC 3947 4), which comes after the last message of aggressive and base mode.
    const bool changes_ports =
        natt_.encapsulates() && to_natt && !from_natt && remote.addr == remote_.addr;
    // Behind a NAT one does not follow a peer that is not: whoever could rewrite packets would lead us
    // away (RFC 3947 section 6).
    if (usable() && !natt_.peer_behind && !changes_ports) return;
    // Nobody goes back: what comes to port 500 after the change of ports was sent before it.
    if (from_natt && !to_natt) return;
    // While phase 1 is negotiated its section, and what proves the peer, belong to the address.
    if (remote.addr != remote_.addr) {
        if (usable()) owner_.phase1_elsewhere(*this, local, remote);
        return;
    }
    move_to(local, remote);
}

void Phase1::move_to(const Endpoint& local, const Endpoint& remote) {
    const Endpoint old = remote_;
    local_ = local;
    remote_ = remote;
    if (remote == old) return;
    if (log_limit.allow(ctx().now))
        LOGI(peer_text(),
             fmt::format("NAT-T: the peer moved from {} to {}", old.text(), remote.text()));
    owner_.phase1_moved(*this, old);
}

/// `ike_frag on`: when the peer said that it can. A first message has to be whole, since nobody knows yet
/// where its pieces belong; so has an answer to an address that is not proved, since it may not get more
/// datagrams than it sent. `force` leaves only the former.
bool Phase1::in_pieces(ByteView datagram) const {
    if (datagram.size() <= isakmp::kWholeMessageSize) return false;
    // Of the message, not ours: the first one may be repeated when the answer is there already.
    const auto header = isakmp::parse_header(datagram);
    if (!header || header->cookies.responder.is_zero()) return false;
    switch (section_->ike_frag) {
        case conf::Offer::Off:
            return false;
        case conf::Offer::On:
            return peer_has_fragments && !sending_sparingly();
        case conf::Offer::Force:
            return true;
    }
    return false;
}

void Phase1::send(ByteView datagram, std::uint16_t fragment_id) {
    Datagram d;
    d.local = way_ ? way_->local : local_;
    d.remote = way_ ? way_->remote : remote_;
    d.bytes = datagram;
    if (!in_pieces(datagram)) return ctx().output.send(d);
    const auto parts = isakmp::split_message(datagram, fragment_id);
    if (!parts) return ctx().output.send(d);
    LOGD(peer_text(),
         fmt::format("sending {} bytes in {} fragments", datagram.size(), parts->size()));
    for (const Bytes& part : *parts) {
        d.bytes = part;
        ctx().output.send(d);
    }
}

/// With HASH(1) and encrypted, as soon as there are keys.
Result<Bytes> Phase1::informational_message(isakmp::PayloadType type, ByteView body) {
    const MessageId id = fresh_message_id();
    isakmp::MessageBuilder builder(header(isakmp::ExchangeType::Informational, id));
    if (!cipher_.valid()) {
        builder.add(type, body);
        return builder.finish();
    }
    RACOON_TRY(IvChain chain, phase2_chain(id));
    builder.reserve_hash(params_.hash->digest_size);
    builder.add(type, body);
    RACOON_TRY(Secret hash, hash_1(*params_.hash, skeyid_a_.view(), id, builder.after_hash()));
    builder.set_hash(hash.view());
    return seal_message(builder, cipher_, chain, ctx(), config().padding);
}

void Phase1::send_informational(isakmp::PayloadType type, ByteView body) {
    if (!cipher_.valid()) return;
    const auto datagram = informational_message(type, body);
    if (datagram) emit(*datagram);
}

void Phase1::complain(isakmp::NotifyType type, std::size_t asked) {
    if (!complaints.allow(ctx().now) || !ctx().refusals.allow(ctx().now)) return;
    isakmp::Notification n;
    n.type = type;
    const auto datagram = informational_message(isakmp::PayloadType::Notification, n.body());
    if (datagram && datagram->size() <= asked) emit(*datagram);
}

void Phase1::send_notify(isakmp::NotifyType type, isakmp::ProtocolId protocol, ByteView spi,
                         ByteView data) {
    isakmp::Notification n;
    n.protocol = protocol;
    n.type = type;
    n.spi = spi;
    n.data = data;
    send_informational(isakmp::PayloadType::Notification, n.body());
}

void Phase1::send_notify_by(const Endpoint& local, const Endpoint& remote, isakmp::NotifyType type,
                            ByteView spi, ByteView data) {
    way_ = Way{local, remote};
    send_notify(type, isakmp::ProtocolId::Isakmp, spi, data);
    way_.reset();
}

bool Phase1::used_message_id(MessageId id) const {
    return std::binary_search(used_ids_.begin(), used_ids_.end(), id);
}

bool Phase1::use_message_id(MessageId id) {
    if (id.value == 0 || message_ids_exhausted()) return false;
    const auto it = std::lower_bound(used_ids_.begin(), used_ids_.end(), id);
    if (it != used_ids_.end() && *it == id) return false;
    used_ids_.insert(it, id);
    return true;
}

MessageId Phase1::fresh_message_id() {
    for (;;) {
        const MessageId id{ctx().random_u32()};
        if (id.value != 0 && !used_message_id(id)) return id;
    }
}

void Phase1::set_responder_cookie(const Cookie& c) {
    owner_.cookies_known(*this, c);
    cookies_.responder = c;
}

void Phase1::set_keys(SkeyidSet keys, Secret encryption_key, CipherKey cipher, IvChain ivs) {
    skeyid_d_ = std::move(keys.d);
    skeyid_a_ = std::move(keys.a);
    negotiation_->skeyid = std::move(keys.skeyid);
    encryption_key_ = std::move(encryption_key);
    cipher_ = std::move(cipher);
    ivs_ = ivs;
}

void Phase1::note_vendor_ids(const isakmp::Phase1Extras& extras) {
    for (ByteView vid : extras.vendor_ids) {
        if (is_dpd_vendor_id(vid)) peer_has_dpd = true;
        if (is_fragmentation_vendor_id(vid, exchange_)) peer_has_fragments = true;
    }
    const std::vector<ByteView> ids(extras.vendor_ids.begin(), extras.vendor_ids.end());
    // Answers to what we began have our cookie; other messages may be anybody's.
    if (!initiator_)
        log_vendor_ids(config(), peer_text(), ids,
                       [this] { return ctx().vendor_ids.allow(ctx().now); });
    else if (!ids.empty() && log_limit.allow(ctx().now))
        log_vendor_ids(config(), peer_text(), ids, [] { return true; });
    // What comes with a proof is too late to agree on.
    if (natt_.dialect != nullptr || cipher_.valid() || progress_ > 4) return;
    natt_ = choose_natt(ctx(), config(), section(), local_, ids);
    if (natt_.dialect != nullptr)
        LOGI(peer_text(), "Selected NAT-T version: " + natt_.dialect->name);
}

void Phase1::note_notifications(const isakmp::Phase1Extras& extras) {
    for (const isakmp::Notification& n : extras.notifications)
        if (n.type == isakmp::NotifyType::InitialContact) peer_has_initial_contact = true;
}

void Phase1::heard() {
    unheard_ = false;
    unheard_timer_.cancel();
}

void Phase1::repeat_until_heard() {
    if (!unheard_backoff_) unheard_backoff_.emplace(timer_config());
    const auto wait = unheard_backoff_->next();
    if (!wait) return;
    unheard_timer_.arm(ctx().timers, ctx().now + *wait, [this] {
        if (emit_again()) repeat_until_heard();
    });
}

void Phase1::establish(AuthenticatedPeer peer) {
    peer_id_ = peer.identity();
    state_ = State::Established;
    progress_ = 9;
    established_at_ = ctx().now;
}

void Phase1::ignore(const Error& why, std::string_view what) {
    if (log_limit.allow(ctx().now))
        LOGW(peer_text(), fmt::format("ignored {}: {}", what, why.text()));
}

void Phase1::finished(Status status) {
    negotiation_.reset();
    if (status && state_ == State::Established) {
        forget_timer_.arm(ctx().timers, ctx().now + kKeepMessages, [this] { forget_messages(); });
        const bool unheard = unheard_;
        owner_.phase1_established(*this);
        if (unheard && state_ == State::Established) repeat_until_heard();
        return;
    }
    state_ = State::Dead;
    progress_ = 11;
    owner_.phase1_failed(
        *this, status ? Error(Errc::Internal, "the negotiation ended early") : status.error());
}

}  // namespace racoon::exchange
