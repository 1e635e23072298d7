// Exchanges that somebody else begins, up to where a Phase1 takes over.
#include <fmt/format.h>

#include <algorithm>

#include "exchange/core.hpp"
#include "exchange/main_mode.hpp"
#include "exchange/natt.hpp"
#include "exchange/phase1_steps.hpp"
#include "exchange/vendor_ids.hpp"
#include "isakmp/names.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

using isakmp::ExchangeType;
using isakmp::NotifyType;
using isakmp::PayloadType;

/// The kept offer as a payload again.
Result<isakmp::SaPayload> parse_offer(const Bytes& offer) {
    isakmp::Payload p{};
    p.type = PayloadType::SecurityAssociation;
    p.body = offer;
    return isakmp::SaPayload::parse(p);
}

Phase1Offer main_mode_offer(const IpAddr& peer, const isakmp::SaPayload& sa) {
    Phase1Offer out;
    out.peer = peer;
    out.mode = conf::ExchangeMode::Main;
    out.sa = &sa;
    return out;
}

/// What the first message of aggressive or base mode says. Points into the message.
struct EarlyOffer {
    isakmp::SaPayload sa;
    ByteView key_exchange;  // aggressive mode
    isakmp::Identity id;
};
Result<EarlyOffer> early_offer(const isakmp::Message& m) {
    EarlyOffer out;
    if (m.header().exchange_type() == ExchangeType::Aggressive) {
        RACOON_TRY(auto view, isakmp::Aggressive1::parse(m));
        out.sa = std::move(view.sa);
        out.key_exchange = view.key_exchange;
        out.id = std::move(view.id.identity);
    } else {
        RACOON_TRY(auto view, isakmp::Base1::parse(m));
        out.sa = std::move(view.sa);
        out.id = std::move(view.id.identity);
    }
    if (out.sa.body.size() > FloodGuard::kMaxOffer)
        return fail(Errc::TooLong, "the offer is too long");
    return out;
}

CookiePair without_ours(const Cookie& initiator) {
    CookiePair c;  // a refusal keeps no state, so it has no cookie of ours
    c.initiator = initiator;
    return c;
}

}  // namespace

/// Tells an unproved address why not: in clear, never more bytes than came, a few in a second.
void Core::refuse_stranger(const Datagram& in, const CookiePair& cookies, const Error& why) {
    if (why.code() == Errc::NotFound) stranger_seen();
    if (!ctx_.refusals.allow(ctx_.now)) return;
    if (ctx_.refused.first(ctx_.hash(in.remote, as_bytes(cookies.text())), ctx_.now))
        LOGW(in.remote.addr.text(), why.text());
    if (why.notify_type() == 0) return;
    isakmp::Header h;
    h.cookies = cookies;
    h.exchange = isakmp::number(ExchangeType::Informational);
    h.message_id = MessageId{ctx_.random_u32() | 1};
    isakmp::Notification n;
    n.type = static_cast<NotifyType>(why.notify_type());
    isakmp::MessageBuilder b(h);
    b.add(PayloadType::Notification, n.body());
    auto datagram = b.finish();
    if (!datagram || datagram->size() > in.bytes.size()) return;
    Datagram out;
    out.local = in.local;
    out.remote = in.remote;
    out.bytes = *datagram;
    ctx_.output.send(out);
}

void Core::begun_by_peer(const Datagram& in, ExchangeType exchange) {
    if (!ctx_.noise.allow(ctx_.now)) return;
    LOGI(in.remote.addr.text(), fmt::format("respond new phase 1 negotiation: {}<=>{}",
                                            in.local.text(), in.remote.text()));
    LOGI(in.remote.addr.text(), fmt::format("begin {} mode.", isakmp::name(exchange)));
}

/// Peers that the configuration names by their address, or that have proved themselves: a flood of
/// strangers does not touch them.
bool Core::trusted(const conf::Remote& section, const IpAddr& peer) const {
    return section.address.has_value() || !section.host.empty() || known_.contains(peer) ||
           usable_phase1(IpAddr{}, peer) != nullptr;
}

Cookie Core::fresh_responder_cookie(const Cookie& initiator) {
    CookiePair cookies = without_ours(initiator);
    do {
        cookies.responder = ctx_.random_cookie();
    } while (guard_.by_cookies(cookies) != nullptr || sas_.by_cookies(cookies) != nullptr);
    return cookies.responder;
}

void Core::first_message(const Datagram& in, isakmp::Message message, std::uint64_t digest) {
    if (stopping_) return;
    const Cookie ci = message.header().cookies.initiator;
    const ExchangeType exchange = message.header().exchange_type();
    if (Phase1* sa = sas_.by_first(in.remote, ci)) {
        // Further on already; what answered this one may have been lost.
        if (sa->exchange() == exchange) sa->answer_again(digest);
        return;
    }
    if (sas_.by_initiator_cookie(ci) != nullptr) return;  // our own, reflected
    if (HalfOpen* h = guard_.by_first(in.remote, ci)) {
        if (h->message1 == digest) answer_first_message(in, *h);
        return;
    }
    if (message.header().message_id.value != 0 || message.header().encrypted())
        return noise(in.remote, "dropped: first message with a message id or encryption");
    if (exchange == ExchangeType::IdentityProtection) return main_mode_first(in, message, digest);
    early_first(in, std::move(message), digest);
}

// --- main mode: nothing but a record, until message 3 ---

void Core::main_mode_first(const Datagram& in, const isakmp::Message& message,
                           std::uint64_t digest) {
    auto view = isakmp::MainMode1::parse(message);
    if (!view) return noise(in.remote, "dropped: " + view.error().text());
    CookiePair cookies = without_ours(message.header().cookies.initiator);
    auto choice = choose_phase1(ctx_.settings->index, main_mode_offer(in.remote.addr, view->sa));
    if (!choice) return refuse_stranger(in, cookies, choice.error());
    cookies.responder = fresh_responder_cookie(cookies.initiator);
    HalfOpen* h = guard_.admit(cookies, in.local, in.remote, view->sa.body, digest,
                               trusted(*choice->section, in.remote.addr), ctx_.now);
    if (h == nullptr) return noise(in.remote, "dropped: the offer is too long");
    arm_guard();
    for (ByteView vid : view->extras.vendor_ids) {
        if (is_dpd_vendor_id(vid)) h->peer_dpd = true;
        if (is_fragmentation_vendor_id(vid, ExchangeType::IdentityProtection))
            h->peer_fragments = true;
    }
    const std::vector<ByteView> ids(view->extras.vendor_ids.begin(), view->extras.vendor_ids.end());
    const Natt natt = choose_natt(ctx_, *ctx_.settings->config, *choice->section, in.local, ids);
    h->natt = natt.dialect;
    h->natt_vendor_id = natt.vendor_id;
    begun_by_peer(in, ExchangeType::IdentityProtection);
    log_vendor_ids(*ctx_.settings->config, in.remote.addr.text(), ids,
                   [this] { return ctx_.vendor_ids.allow(ctx_.now); });
    answer_first_message(in, *h);
}

/// One timer for all half-open records.
void Core::arm_guard() {
    const auto next = guard_.next_expiry();
    if (!next || guard_timer_.armed()) return;
    guard_timer_.arm(ctx_.timers, *next, [this] {
        guard_.expire(ctx_.now);
        arm_guard();
    });
}

void Core::answer_first_message(const Datagram& in, HalfOpen& h) {
    if (!guard_.may_answer(h, ctx_.now)) return;
    auto offer = parse_offer(*h.offer);
    if (!offer) return;
    auto choice = choose_phase1(ctx_.settings->index, main_mode_offer(h.remote.addr, *offer));
    if (!choice) return;
    VendorAnswers with;
    with.dpd = h.peer_dpd && choice->section->dpd.enabled;
    with.fragments = h.peer_fragments && choice->section->ike_frag != conf::Offer::Off;
    if (h.natt != nullptr) with.natt = h.natt->vendor_ids[h.natt_vendor_id];
    auto datagram = main_mode_message_2(h.cookies, choice->answer, with);
    if (!datagram || datagram->size() > in.bytes.size()) return;  // never an amplifier
    Datagram out;
    out.local = h.local;
    out.remote = h.remote;
    out.bytes = *datagram;
    ctx_.output.send(out);
}

/// Message 3 with our cookie in it: now the exchange gets a coroutine and Diffie-Hellman.
bool Core::promote(const Datagram& in, HalfOpen& h, isakmp::Message message, std::uint64_t digest) {
    if (stopping_ || in.remote != h.remote) return false;
    if (message.header().exchange_type() != ExchangeType::IdentityProtection) return false;
    if (!isakmp::MainMode3::parse(message, isakmp::MessageKind::MainMode3)) return false;
    auto offer = parse_offer(*h.offer);
    if (!offer) return false;
    auto choice = choose_phase1(ctx_.settings->index, main_mode_offer(h.remote.addr, *offer));
    if (!choice) return false;
    const bool trust = trusted(*choice->section, h.remote.addr);
    if (!main_.may_begin(h.remote.addr, trust)) {
        noise(in.remote, "busy: message 3 is left to be repeated");
        return false;
    }
    auto sa = std::make_unique<Phase1>(ctx_, *this, SaToken{++last_token_},
                                       ExchangeType::IdentityProtection, h.local, h.remote, false,
                                       ctx_.settings, choice->section);
    sa->set_cookies(h.cookies);
    sa->set_params(choice->params);
    sa->peer_has_dpd = h.peer_dpd;
    sa->peer_has_fragments = h.peer_fragments;
    if (h.pieces != nullptr) {
        sa->reassemblies = std::make_unique<Reassemblies>();
        sa->reassemblies->adopt(std::move(*h.pieces));
    }
    if (h.natt != nullptr) {
        Natt natt;
        natt.dialect = h.natt;
        natt.vendor_id = h.natt_vendor_id;
        sa->set_natt(natt);
        LOGI(in.remote.addr.text(), "Selected NAT-T version: " + h.natt->name);
    }
    sa->negotiation().sai_b = *h.offer;
    push_out(main_.begin(sa->token(), h.remote.addr, trust));
    guard_.drop(h);
    Phase1& ref = sas_.add(std::move(sa));
    ref.start_responder(received(in, std::move(message), digest));
    return true;
}

// --- aggressive and base mode: at once, but only so many ---

void Core::early_first(const Datagram& in, isakmp::Message message, std::uint64_t digest) {
    const ExchangeType exchange = message.header().exchange_type();
    auto offer = early_offer(message);
    if (!offer) return noise(in.remote, "dropped: " + offer.error().text());
    CookiePair cookies = without_ours(message.header().cookies.initiator);
    const Bytes id_data = offer->id.data();
    Phase1Offer ask;
    ask.peer = in.remote.addr;
    ask.mode = static_cast<conf::ExchangeMode>(isakmp::number(exchange));
    ask.sa = &offer->sa;
    ask.peer_id.emplace();
    ask.peer_id->type = static_cast<std::uint8_t>(offer->id.type());
    ask.peer_id->data = id_data;
    ask.public_size = offer->key_exchange.size();
    auto choice = choose_phase1(ctx_.settings->index, ask);
    if (!choice) return refuse_stranger(in, cookies, choice.error());

    const bool trust = trusted(*choice->section, in.remote.addr);
    if (!early_.may_begin(in.remote.addr, trust, ctx_.now))
        return noise(in.remote, "busy: message 1 is left to be repeated");
    if (exchange == ExchangeType::Aggressive)
        if (Status good = check_key_exchange(*choice->params.group, offer->key_exchange); !good)
            return refuse_stranger(in, cookies, good.error());
    cookies.responder = fresh_responder_cookie(cookies.initiator);
    const SaToken token{++last_token_};
    auto sa = std::make_unique<Phase1>(ctx_, *this, token, exchange, in.local, in.remote, false,
                                       ctx_.settings, choice->section);
    sa->set_cookies(cookies);
    sa->set_params(choice->params);
    sa->negotiation().sai_b = to_bytes(offer->sa.body);
    sa->negotiation().sa_answer = std::move(choice->answer);
    push_out(early_.begin(token, in.remote.addr, trust));
    begun_by_peer(in, exchange);
    Phase1& ref = sas_.add(std::move(sa));
    ref.start_responder(received(in, std::move(message), digest));
}

void Core::push_out(const std::vector<SaToken>& list) {
    for (const SaToken gone : list)
        if (Phase1* old = sas_.find(gone))
            old->abort(Error(Errc::Busy, "newer ones took its place"));
}

void Core::answered_unproved(Phase1& sa) {
    if (sa.exchange() == ExchangeType::IdentityProtection)
        main_.answered(sa.token());
    else
        early_.answered(sa.token());
}

/// A negotiation as responder gives its place back.
void Core::responder_ended(const Phase1& sa) {
    if (sa.exchange() == ExchangeType::IdentityProtection)
        main_.end(sa.token());
    else
        early_.end(sa.token());
}

}  // namespace racoon::exchange
