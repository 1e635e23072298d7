#include "exchange/core.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "exchange/sealing.hpp"
#include "isakmp/names.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

using isakmp::ExchangeType;
using isakmp::NotifyType;

/// Quick modes of one peer at one time, and with those that have ended and could repeat their last message.
constexpr std::size_t kMaxChildren = 128;
constexpr std::size_t kMaxEnded = 1024;
/// Pairs of IPsec SAs of one peer. Its policies may be asked for in parts, and a pair that is renewed stands
/// beside the new one for a while: a peer with many policies has room for four pairs of each.
constexpr std::size_t kMaxPairs = 1024;
constexpr std::size_t kPairsOfPolicy = 4;

bool is_phase1(ExchangeType e) {
    return e == ExchangeType::IdentityProtection || e == ExchangeType::Aggressive ||
           e == ExchangeType::Base;
}

std::size_t running_in(const Phase1& sa) {
    return static_cast<std::size_t>(std::count_if(sa.children.begin(), sa.children.end(),
                                                  [](const auto& c) { return c->running(); }));
}

}  // namespace

Core::Core(conf::ConfigPtr config, std::uint32_t generation, Output& output)
    : ctx_(std::make_shared<const Settings>(std::move(config), generation), output),
      sas_(ctx_.hash),
      guard_(ctx_.hash),
      early_(ctx_.hash) {}

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
    if (header->first_payload() == isakmp::PayloadType::Fragment) return fragment(in, *header);
    whole_message(in, *header);
}

void Core::whole_message(const Datagram& in, const isakmp::Header& header) {
    auto message = isakmp::Message::parse(to_bytes(in.bytes));
    if (!message) return noise(in.remote, "dropped: " + message.error().text());
    const std::uint64_t digest = ctx_.hash(in.bytes);
    const CookiePair& cookies = header.cookies;
    const ExchangeType exchange = header.exchange_type();

    if (is_phase1(exchange) && header.commit())
        return refuse_stranger(in, cookies,
                               Error(Errc::Malformed, "commit bit in phase 1")
                                   .notify(isakmp::number(NotifyType::InvalidFlags)));
    if (cookies.responder.is_zero()) {
        if (is_phase1(exchange)) return first_message(in, std::move(*message), digest);
        // A refusal without state, to what we began.
        Phase1* ours = sas_.by_initiator_cookie(cookies.initiator);
        if (ours != nullptr && ours->remote().addr == in.remote.addr &&
            exchange == ExchangeType::Informational)
            return ignored_informational(*ours, *message);
        return noise(in.remote, fmt::format("dropped: {} exchange without a responder cookie",
                                            isakmp::name(exchange)));
    }
    Phase1* sa = sas_.by_cookies(cookies);
    if (sa == nullptr) {
        if (HalfOpen* h = guard_.by_cookies(cookies)) {
            promote(in, *h, std::move(*message), digest);
            return;
        }
        sa = sas_.by_initiator_cookie(cookies.initiator);
        if (sa != nullptr && exchange != sa->exchange()) {
            if (sa->remote().addr == in.remote.addr) ignored_informational(*sa, *message);
            return;
        }
    }
    if (sa == nullptr) {
        if (exchange == ExchangeType::QuickMode)
            return refuse_stranger(in, cookies,
                                   Error(Errc::NotFound, "quick mode of an unknown ISAKMP-SA")
                                       .notify(isakmp::number(NotifyType::InvalidCookie)));
        return noise(in.remote, "dropped: unknown ISAKMP-SA " + cookies.text());
    }
    // A peer behind a NAT may come from another one, but proves itself before anything goes there.
    if (sa->remote().addr != in.remote.addr && sa->natt().dialect == nullptr)
        return noise(in.remote, "dropped: ISAKMP-SA of another address, " + sa->text());
    for_sa(*sa, received(in, std::move(*message), digest));
}

Received Core::received(const Datagram& in, isakmp::Message message, std::uint64_t digest) {
    Received out(std::move(message), digest);
    out.local = in.local;
    out.remote = in.remote;
    return out;
}

/// The peer is done with its last message before we are: the initiator of aggressive mode goes on right
/// behind its message 3, which costs us g^xy first; the responder of the other modes right behind its
/// last, which our keeper has to judge. What comes meanwhile, or overtakes it, waits for the end of that.
bool Core::keep_for_later(Phase1& sa, Received& in) {
    constexpr std::size_t kMost = 4, kLongest = 4096;
    const bool may_be_behind = sa.initiator() || sa.exchange() == ExchangeType::Aggressive;
    if (!may_be_behind || sa.state() != Phase1::State::Negotiating ||
        !in.message.header().encrypted())
        return false;
    const bool again = std::any_of(sa.ahead.begin(), sa.ahead.end(),
                                   [&](const Received& r) { return r.digest() == in.digest(); });
    if (!again && sa.ahead.size() < kMost && in.message.bytes().size() <= kLongest)
        sa.ahead.push_back(std::move(in));
    return true;
}

void Core::for_sa(Phase1& sa, Received in) {
    if (sa.local().addr.is_any() && !in.local.addr.is_any()) sa.learn_local(in.local);
    const ExchangeType exchange = in.message.header().exchange_type();
    switch (exchange) {
        case ExchangeType::IdentityProtection:
        case ExchangeType::Aggressive:
        case ExchangeType::Base:
            if (exchange == sa.exchange()) sa.deliver(std::move(in));
            return;
        case ExchangeType::QuickMode:
            if (keep_for_later(sa, in)) return;
            return quick_mode(sa, std::move(in));
        case ExchangeType::Informational:
        case ExchangeType::AcknowledgedInformational:
            return informational(sa, std::move(in));
        default:
            noise(in.remote,
                  fmt::format("dropped: {} exchange is not served", isakmp::name(exchange)));
    }
}

void Core::quick_mode(Phase1& sa, Received in) {
    if (!sa.usable()) return;
    const MessageId id = in.message.header().message_id;
    for (auto& child : sa.children)
        if (child->id() == id) return child->deliver(std::move(in));
    if (stopping_) return;
    if (running_in(sa) >= kMaxChildren)
        return noise(sa.remote(), "too many quick modes at one time");
    auto chain = sa.phase2_chain(id);
    if (!chain) return;
    auto clear = open_message(in.message, sa.cipher_key(), chain->next(), sa.config().padding);
    const bool fresh = !sa.used_message_id(id);
    if (!clear) return refuse_quick_mode(sa, in, clear.error(), fresh);
    const HashCheck check(*sa.params().hash, sa.skeyid_a());
    auto verified = check.quick_mode_1(std::move(*clear));
    if (!verified) {
        const bool authentic = verified.error().code() != Errc::AuthFailed;
        if (authentic && fresh) static_cast<void>(sa.use_message_id(id));
        return refuse_quick_mode(sa, in, verified.error(), fresh);
    }
    // Only an authentic message uses up its id; a repeated one of a finished quick mode ends here.
    if (!fresh) return;
    // From another address it is served when the peer has answered there; it comes again.
    if (sa.natt().peer_behind && in.remote.addr != sa.remote().addr)
        return sa.follow(in.local, in.remote);
    if (!sa.use_message_id(id)) return;
    chain->advance(in.message.body());
    sa.follow(in);
    peer_alive(sa);
    if (!room_for_pair(sa)) {
        if (sa.log_limit.allow(ctx_.now))
            LOGW(sa.peer_text(),
                 "a quick mode is refused: this peer has more pairs of IPsec SAs than any needs");
        const isakmp::Proposal& first = (*verified)->sa.proposals[0];
        const Bytes spi = isakmp::spi_bytes(first.protocol, first.spi_value().value_or(Spi{}));
        return sa.send_notify(NotifyType::NoProposalChosen, first.protocol, spi);
    }
    bury_oldest(sa);
    LOGI(sa.peer_text(), fmt::format("respond new phase 2 negotiation: {}<=>{}", sa.local().text(),
                                     sa.remote().text()));
    sa.children.push_back(
        std::make_unique<Phase2>(ctx_, *this, sa, id, *chain, false, ctx_.settings, nullptr));
    sa.children.back()->start_responder(std::move(*verified), in.digest());
}

/// A first message that cannot be read, or is not authentic (reference 5.9). Whoever can put a packet on the way may have
/// made it: then it uses up no message id, and the peer, which is told seldom and with no more bytes, ends nothing.
void Core::refuse_quick_mode(Phase1& sa, const Received& in, const Error& why, bool fresh) {
    sa.ignore(why, "quick mode message 1");
    // A late copy of a quick mode's last message has another IV.
    if (!in.message.header().encrypted() || !fresh || in.remote != sa.remote()) return;
    const auto type = static_cast<NotifyType>(why.notify_type());
    sa.complain(type == NotifyType{} ? NotifyType::PayloadMalformed : type,
                in.message.bytes().size());
}

bool Core::room_for_pair(const Phase1& sa) const {
    const std::size_t most =
        std::max(kMaxPairs, kPairsOfPolicy * ctx_.settings->policies.with_peer(sa.remote().addr));
    const Bytes owner = owner_key(sa.peer_id(), sa.remote().addr);
    std::size_t has = pairs_.of_owner(owner);
    // Those that are on their way will be pairs, too.
    if (const auto mine = of_owner_.find(owner); mine != of_owner_.end())
        for (const SaToken token : mine->second)
            if (const Phase1* one = sas_.find(token)) has += running_in(*one);
    return has < most;
}

/// Quick modes that have ended wait for their last message to be asked for again. Of very many the oldest go.
void Core::bury_oldest(Phase1& sa) {
    if (sa.children.size() < kMaxChildren + kMaxEnded) return;
    const auto ended = std::find_if(sa.children.begin(), sa.children.end(),
                                    [](const auto& c) { return !c->running(); });
    if (ended != sa.children.end()) release_child(**ended);
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
