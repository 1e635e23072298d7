#include "exchange/core.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "exchange/main_mode.hpp"
#include "exchange/sealing.hpp"
#include "isakmp/names.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

using isakmp::ExchangeType;
using isakmp::NotifyType;
using isakmp::PayloadType;

/// Phase 1 exchanges as responder that may cost Diffie-Hellman at one time; the rest is asked for
/// again by its peers.
constexpr std::size_t kMaxNegotiatingStrangers = 256;
constexpr std::size_t kMaxNegotiatingResponders = 4096;
constexpr std::size_t kMaxNegotiatingPerAddress = 16;
/// Quick modes of one peer at one time.
constexpr std::size_t kMaxChildren = 128;

/// The kept offer as a payload again.
Result<isakmp::SaPayload> parse_offer(const Bytes& offer) {
    isakmp::Payload p{};
    p.type = PayloadType::SecurityAssociation;
    p.body = offer;
    return isakmp::SaPayload::parse(p);
}

}  // namespace

Core::Core(conf::ConfigPtr config, std::uint32_t generation, Output& output)
    : ctx_(std::make_shared<const Settings>(std::move(config), generation), output),
      sas_(ctx_.hash),
      guard_(ctx_.hash) {}

Core::~Core() {
    stopping_ = true;
    // Children point to their SA, and requests to children.
    for (Phase1* sa : sas_.all())
        for (auto& child : sa->children) dead_phase2_.push_back(std::move(child));
    bury();
}

void Core::bury() {
    // What dies may remove something else, but nothing here comes to life again.
    while (!dead_phase2_.empty() || !dead_phase1_.empty() || !dead_pairs_.empty() ||
           !dead_requests_.empty() || !dead_deletes_.empty() || !dead_timers_.empty() ||
           !dead_starters_.empty() || !dead_lookups_.empty()) {
        auto children = std::move(dead_phase2_);
        dead_phase2_.clear();
        children.clear();
        auto sas = std::move(dead_phase1_);
        dead_phase1_.clear();
        sas.clear();
        dead_pairs_.clear();
        dead_requests_.clear();
        dead_deletes_.clear();
        dead_timers_.clear();
        dead_starters_.clear();
        dead_lookups_.clear();
    }
}

void Core::noise(const Endpoint& from, const std::string& text) {
    if (ctx_.noise.allow(ctx_.now)) LOGD(from.addr.text(), text);
}

std::optional<TimePoint> Core::next_deadline() const {
    return ctx_.timers.next();
}

void Core::tick() {
    // A bound, so that a callback that re-arms for the same moment cannot hold the loop.
    for (int i = 0; i < 100000 && ctx_.timers.fire_one(ctx_.now); ++i) {
    }
}

// --- datagrams ---

void Core::datagram(const Datagram& in) {
    auto header = isakmp::parse_header(in.bytes);
    if (!header) return noise(in.remote, "dropped: " + header.error().text());
    if (auto s = isakmp::check_ikev1(*header); !s)
        return noise(in.remote, "dropped: " + s.error().text());
    if (in.remote.port == 0) return;
    auto message = isakmp::Message::parse(to_bytes(in.bytes));
    if (!message) return noise(in.remote, "dropped: " + message.error().text());
    const std::uint64_t digest = ctx_.hash(in.bytes);
    const CookiePair& cookies = header->cookies;

    if (cookies.responder.is_zero()) {
        if (header->exchange_type() == ExchangeType::IdentityProtection)
            return first_message(in, std::move(*message), digest);
        return noise(in.remote, fmt::format("dropped: {} exchange without a responder cookie",
                                            isakmp::name(header->exchange_type())));
    }
    Phase1* sa = sas_.by_cookies(cookies);
    if (sa == nullptr) {
        if (HalfOpen* h = guard_.by_cookies(cookies)) {
            promote(in, *h, std::move(*message), digest);
            return;
        }
        sa = sas_.by_initiator_cookie(cookies.initiator);
        if (sa != nullptr && header->exchange_type() != ExchangeType::IdentityProtection) {
            if (sa->remote().addr == in.remote.addr && sa->log_limit.allow(ctx_.now))
                LOGW(sa->peer_text(), "unauthenticated " + isakmp::name(header->exchange_type()) +
                                          " message during phase 1, ignored");
            return;
        }
    }
    if (sa == nullptr) {
        if (header->exchange_type() == ExchangeType::QuickMode)
            return refuse_stranger(in, cookies,
                                   Error(Errc::NotFound, "quick mode of an unknown ISAKMP-SA")
                                       .notify(isakmp::number(NotifyType::InvalidCookie)));
        return noise(in.remote, "dropped: unknown ISAKMP-SA " + cookies.text());
    }
    if (sa->remote().addr != in.remote.addr)
        return noise(in.remote, "dropped: ISAKMP-SA of another address, " + sa->text());
    for_sa(*sa, in, std::move(*message), digest);
}

/// Tells an unproved address why not: in clear, never more bytes than came, a few in a second.
void Core::refuse_stranger(const Datagram& in, const CookiePair& cookies, const Error& why) {
    if (why.code() == Errc::NotFound) stranger_seen();
    if (!ctx_.refusals.allow(ctx_.now)) return;
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

void Core::first_message(const Datagram& in, isakmp::Message message, std::uint64_t digest) {
    if (stopping_) return;
    const Cookie ci = message.header().cookies.initiator;
    if (sas_.by_first(in.remote, ci) != nullptr) return;  // already further on
    if (sas_.by_initiator_cookie(ci) != nullptr) return;  // our own, reflected
    if (HalfOpen* h = guard_.by_first(in.remote, ci)) {
        if (h->message1 == digest) answer_first_message(in, *h);
        return;
    }
    if (message.header().message_id.value != 0 || message.header().encrypted())
        return noise(in.remote, "dropped: first message with a message id or encryption");
    auto view = isakmp::MainMode1::parse(message);
    if (!view) return noise(in.remote, "dropped: " + view.error().text());
    CookiePair stateless;  // a refusal keeps no state, so it has no cookie of ours
    stateless.initiator = ci;
    auto choice =
        choose_phase1(ctx_.settings->index, in.remote.addr, conf::ExchangeMode::Main, view->sa);
    if (!choice) return refuse_stranger(in, stateless, choice.error());

    CookiePair cookies = stateless;
    do {
        cookies.responder = ctx_.random_cookie();
    } while (guard_.by_cookies(cookies) != nullptr || sas_.by_cookies(cookies) != nullptr);
    HalfOpen* h = guard_.admit(cookies, in.local, in.remote, view->sa.body, digest,
                               choice->section->address.has_value(), ctx_.now);
    if (h == nullptr) return noise(in.remote, "dropped: the offer is too long");
    arm_guard();
    for (ByteView vid : view->extras.vendor_ids)
        if (is_dpd_vendor_id(vid)) h->peer_dpd = true;
    if (ctx_.noise.allow(ctx_.now)) {
        LOGI(in.remote.addr.text(), fmt::format("respond new phase 1 negotiation: {}<=>{}",
                                                in.local.text(), in.remote.text()));
        LOGI(in.remote.addr.text(), "begin Identity Protection mode.");
    }
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
    auto choice =
        choose_phase1(ctx_.settings->index, h.remote.addr, conf::ExchangeMode::Main, *offer);
    if (!choice) return;
    const bool with_dpd = h.peer_dpd && choice->section->dpd.enabled;
    auto datagram = main_mode_message_2(h.cookies, choice->answer, with_dpd);
    if (!datagram || datagram->size() > in.bytes.size()) return;  // never an amplifier
    Datagram out;
    out.local = h.local;
    out.remote = h.remote;
    out.bytes = *datagram;
    ctx_.output.send(out);
}

/// Diffie-Hellman is for peers that receive what we send, but for a bounded number of them: of each
/// address, of strangers together, and in all.
bool Core::room_for(const HalfOpen& h, bool configured) const {
    if (negotiating_responders_ >=
        (configured ? kMaxNegotiatingResponders : kMaxNegotiatingStrangers))
        return false;
    const auto& same = sas_.with_peer(h.remote.addr);
    const auto busy = std::count_if(same.begin(), same.end(), [](const Phase1* sa) {
        return !sa->initiator() && sa->state() == Phase1::State::Negotiating;
    });
    return static_cast<std::size_t>(busy) < kMaxNegotiatingPerAddress;
}

/// Message 3 with our cookie in it: now the exchange gets a coroutine and Diffie-Hellman.
bool Core::promote(const Datagram& in, HalfOpen& h, isakmp::Message message, std::uint64_t digest) {
    if (stopping_ || in.remote != h.remote) return false;
    if (message.header().exchange_type() != ExchangeType::IdentityProtection) return false;
    if (!isakmp::MainMode3::parse(message, isakmp::MessageKind::MainMode3)) return false;
    auto offer = parse_offer(*h.offer);
    if (!offer) return false;
    auto choice =
        choose_phase1(ctx_.settings->index, h.remote.addr, conf::ExchangeMode::Main, *offer);
    if (!choice) return false;
    if (!room_for(h, choice->section->address.has_value())) {
        noise(in.remote, "busy: message 3 is left to be repeated");
        return false;
    }
    auto sa = std::make_unique<Phase1>(ctx_, *this, SaToken{++last_token_}, h.local, h.remote,
                                       false, ctx_.settings, choice->section);
    sa->set_cookies(h.cookies);
    sa->set_params(choice->params);
    sa->peer_has_dpd = h.peer_dpd;
    sa->negotiation().sai_b = *h.offer;
    guard_.drop(h);
    ++negotiating_responders_;
    Phase1& ref = sas_.add(std::move(sa));
    ref.start_main_mode_responder(Received(std::move(message), digest));
    return true;
}

void Core::for_sa(Phase1& sa, const Datagram& in, isakmp::Message message, std::uint64_t digest) {
    switch (message.header().exchange_type()) {
        case ExchangeType::IdentityProtection:
            sa.deliver(Received(std::move(message), digest));
            return;
        case ExchangeType::QuickMode:
            return quick_mode(sa, std::move(message), digest);
        case ExchangeType::Informational:
        case ExchangeType::AcknowledgedInformational:
            return informational(sa, message, digest);
        default:
            noise(in.remote, fmt::format("dropped: {} exchange is not served",
                                         isakmp::name(message.header().exchange_type())));
    }
}

void Core::quick_mode(Phase1& sa, isakmp::Message message, std::uint64_t digest) {
    if (!sa.usable()) return;
    const MessageId id = message.header().message_id;
    for (auto& child : sa.children)
        if (child->id() == id) return child->deliver(Received(std::move(message), digest));
    if (stopping_) return;
    const auto running = std::count_if(sa.children.begin(), sa.children.end(),
                                       [](const auto& c) { return c->running(); });
    if (static_cast<std::size_t>(running) >= kMaxChildren)
        return noise(sa.remote(), "too many quick modes at one time");
    auto chain = sa.phase2_chain(id);
    if (!chain) return;
    auto clear = open_message(message, sa.cipher_key(), chain->next(), sa.config().padding);
    if (!clear) return sa.ignore(clear.error(), "quick mode message 1");
    auto verified = HashCheck(*sa.params().hash, sa.skeyid_a()).quick_mode_1(std::move(*clear));
    if (!verified) return sa.ignore(verified.error(), "quick mode message 1");
    // Only an authentic message uses up its id; a repeated one of a finished quick mode ends here.
    if (!sa.use_message_id(id)) return;
    chain->advance(message.body());
    peer_alive(sa);
    LOGI(sa.peer_text(), fmt::format("respond new phase 2 negotiation: {}<=>{}", sa.local().text(),
                                     sa.remote().text()));
    sa.children.push_back(
        std::make_unique<Phase2>(ctx_, *this, sa, id, *chain, false, ctx_.settings, nullptr));
    sa.children.back()->start_responder(std::move(*verified), digest);
}

// --- the end ---

void Core::shutdown() {
    stopping_ = true;
    guard_.clear();
    std::vector<Request*> open;
    for (const auto& [key, r] : requests_) open.push_back(r.get());
    for (Request* r : open)
        if (r->running == nullptr)
            finish_request(*r, fail(Errc::Cancelled, "racoon is going down"));
    for (SaPair* pair : pairs_.all()) delete_pair(*pair, Tell::Peer, false, "racoon is going down");
    for (Phase1* sa : sas_.all()) delete_phase1(*sa, Tell::Peer, "racoon is going down");
    for (auto& [spi, d] : deletes_) dead_deletes_.push_back(std::move(d));
    deletes_.clear();
}

}  // namespace racoon::exchange
