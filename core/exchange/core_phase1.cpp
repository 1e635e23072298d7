// ISAKMP SAs between their exchanges: started, adopted by requests, renewed, deleted.
#include <fmt/format.h>

#include <algorithm>

#include "conf/features.hpp"
#include "exchange/core.hpp"
#include "exchange/natt.hpp"
#include "isakmp/names.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {
using std::chrono::seconds;

constexpr std::uint16_t kIkePort = 500;
/// ISAKMP SAs of one peer. One is enough, and renewals and both ends at once make it a few; but an identity may
/// be that of a group, with many hosts behind one NAT.
constexpr std::size_t kMaxOfOwner = 64;

Duration part(seconds lifetime, std::int64_t percent) {
    return Duration(lifetime) / 100 * percent;
}

/// Whether an ISAKMP SA is with whom one is looking for.
enum class Fit : std::uint8_t { No, Yes, Named };

Fit fit_of(const Phase1& sa, const Wanted& who) {
    if (!same_peer(who.id, sa.peer_id())) return Fit::No;
    if (who.sections.empty() || !sa.peer_id()) return Fit::Yes;
    const Bytes data = sa.peer_id()->data();
    const conf::PeerId id{static_cast<std::uint8_t>(sa.peer_id()->type()), data};
    Fit best = Fit::No;
    for (const conf::Remote* section : who.sections) {
        if (conf::matches_any(section->peers_identifiers, id)) return Fit::Named;
        // What it names is no more than expected then (reference 4.4: a warning).
        if (!section->verify_identifier) best = Fit::Yes;
    }
    return best;
}

/// Of several modes the first is the one to begin with.
isakmp::ExchangeType initiators_exchange(const conf::Remote& section) {
    return static_cast<isakmp::ExchangeType>(
        conf::initiating_mode(section).value_or(conf::ExchangeMode::Main));
}
}  // namespace

Endpoint Core::local_endpoint(const IpAddr& addr, Family family) const {
    Endpoint best;
    for (const Endpoint& e : local_endpoints_) {
        if (addr.family != Family::None ? e.addr != addr : e.addr.family != family) continue;
        // A NAT-T socket puts a marker before what it sends.
        if (std::find(ctx_.natt_endpoints.begin(), ctx_.natt_endpoints.end(), e) !=
            ctx_.natt_endpoints.end())
            continue;
        if (best.addr.family == Family::None || e.port == kIkePort) best = e;
        if (e.port == kIkePort) break;
    }
    if (best.addr.family == Family::None) {
        best.addr = addr;
        best.port = kIkePort;
    }
    return best;
}

bool Core::has_address(const IpAddr& addr) const {
    return std::any_of(local_endpoints_.begin(), local_endpoints_.end(),
                       [&](const Endpoint& e) { return e.addr == addr; });
}

Phase1* Core::usable_phase1(const IpAddr& local, const IpAddr& peer, const Wanted& who) const {
    using Rank = std::tuple<Fit, bool, bool, TimePoint>;
    Phase1* best = nullptr;
    Rank highest;
    for (Phase1* sa : sas_.with_peer(peer)) {
        if (!sa->usable() || sa->suspect || sa->message_ids_exhausted()) continue;
        if (local.family != Family::None && sa->local().addr != local) continue;
        const Rank rank(fit_of(*sa, who), who.port != 0 && sa->remote().port == who.port,
                        sa->state() == Phase1::State::Established, sa->established_at());
        if (std::get<Fit>(rank) == Fit::No || (best != nullptr && rank <= highest)) continue;
        best = sa;
        highest = rank;
    }
    return best;
}

bool Core::is_with(const Phase1& sa, const Wanted& who) {
    return fit_of(sa, who) != Fit::No;
}

bool Core::negotiating_as_initiator(const IpAddr& local, const IpAddr& peer) const {
    const auto& list = sas_.with_peer(peer);
    return std::any_of(list.begin(), list.end(), [&](const Phase1* sa) {
        return sa->initiator() && sa->state() == Phase1::State::Negotiating &&
               (local.family == Family::None || sa->local().addr == local);
    });
}

/// A peer's NAT-T port wants the marker from the first message on.
Endpoint Core::natt_endpoint(const Endpoint& local) const {
    for (const Endpoint& e : ctx_.natt_endpoints)
        if (e.addr == local.addr || (e.addr.is_any() && e.addr.family == local.addr.family))
            return Endpoint{local.addr, e.port};
    return local;
}

Phase1* Core::initiate(const Endpoint& from, const Endpoint& remote, SettingsPtr settings,
                       const conf::Remote& section) {
    Endpoint local = from;
    if (remote.port == kNattPort && local.port == kIkePort) local = natt_endpoint(local);
    LOGI(remote.addr.text(),
         fmt::format("initiate new phase 1 negotiation: {}<=>{}", local.text(), remote.text()));
    const isakmp::ExchangeType exchange = initiators_exchange(section);
    LOGI(remote.addr.text(), fmt::format("begin {} mode.", isakmp::name(exchange)));
    auto sa = std::make_unique<Phase1>(ctx_, *this, SaToken{++last_token_}, exchange, local, remote,
                                       true, std::move(settings), &section);
    CookiePair cookies;
    cookies.initiator = ctx_.random_cookie();
    sa->set_cookies(cookies);
    Phase1& ref = sas_.add(std::move(sa));
    ref.start();
    return &ref;
}

Phase1* Core::initiate_to(const IpAddr& local, const IpAddr& peer, std::string& problem) {
    conf::RemoteQuery query;
    query.peer = peer;
    query.initiating = true;
    const conf::RemoteChoice found = ctx_.settings->index.choose(query);
    if (found.remote == nullptr) {
        problem =
            found.problem.empty() ? "no configuration found for " + peer.text() : found.problem;
        return nullptr;
    }
    const conf::Remote& section = *found.remote;
    if (section.proposals.empty()) {
        problem = "remote \"" + section.name + "\" has no proposal";
        return nullptr;
    }
    Endpoint remote;
    remote.addr = peer;
    remote.port = section.address ? section.address->port : section.port;
    if (remote.port == 0) remote.port = kIkePort;
    return initiate(local_endpoint(local, peer.family), remote, ctx_.settings, section);
}

void Core::establish_phase1(const Endpoint& remote, std::string_view section, Done done) {
    if (Phase1* sa = usable_phase1(IpAddr{}, remote.addr)) {
        if (sa->state() == Phase1::State::Established) return done(ok());
    }
    for (Phase1* under_way : sas_.with_peer(remote.addr))
        if (under_way->initiator() && under_way->state() == Phase1::State::Negotiating &&
            (section.empty() || under_way->section().name == section)) {
            phase1_waiters_[under_way->token()].push_back(std::move(done));
            return;
        }
    if (const conf::Remote* named = ctx_.settings->index.named(section);
        named != nullptr && !named->host.empty())
        return find_host(*named, [this, name = named->name, done](const Status& status) {
            establish_found(name, status, done);
        });
    Phase1* sa = nullptr;
    std::string problem;
    if (section.empty()) {
        sa = initiate_to(IpAddr{}, remote.addr, problem);
    } else if (const conf::Remote* named = ctx_.settings->index.named(section)) {
        if (const std::string why = conf::refusal(*named, true); !why.empty())
            return done(fail(Errc::Unsupported, why));
        if (named->proposals.empty())
            return done(fail(Errc::NotFound, "remote \"" + named->name + "\" has no proposal"));
        Endpoint to = named->address ? *named->address : remote;
        if (to.port == 0) to.port = kIkePort;
        sa = initiate(local_endpoint(IpAddr{}, to.addr.family), to, ctx_.settings, *named);
    } else {
        problem = "no remote section \"" + std::string(section) + "\"";
    }
    if (sa == nullptr) return done(fail(Errc::NotFound, problem));
    phase1_waiters_[sa->token()].push_back(std::move(done));
}

/// The address of a section's host is known now, or cannot be had.
void Core::establish_found(const std::string& section, const Status& status, const Done& done) {
    const conf::Remote* named = ctx_.settings->index.named(section);
    if (!status) return done(status);
    const auto to = named != nullptr ? host_endpoint(*named) : std::nullopt;
    if (!to) return done(fail(Errc::NotFound, "remote \"" + section + "\" has no address now"));
    if (const std::string why = conf::refusal(*named, true); !why.empty())
        return done(fail(Errc::Unsupported, why));
    for (Phase1* under_way : sas_.with_peer(to->addr)) {
        if (under_way->section().name != section) continue;
        if (under_way->state() == Phase1::State::Established) return done(ok());
        if (under_way->initiator() && under_way->state() == Phase1::State::Negotiating) {
            phase1_waiters_[under_way->token()].push_back(done);
            return;
        }
    }
    Phase1* sa = initiate(local_endpoint(IpAddr{}, to->addr.family), *to, ctx_.settings, *named);
    phase1_waiters_[sa->token()].push_back(done);
}

void Core::cookies_known(Phase1& sa, const Cookie& responder) {
    sas_.cookies_known(sa, responder);
}

void Core::finish_waiters(Phase1& sa, const Status& status) {
    const auto it = phase1_waiters_.find(sa.token());
    if (it == phase1_waiters_.end()) return;
    auto list = std::move(it->second);
    phase1_waiters_.erase(it);
    for (Done& d : list) d(status);
}

void Core::phase1_established(Phase1& sa) {
    if (!sa.initiator()) responder_ended(sa);
    known_.add(sa.remote().addr);
    LOGI(sa.peer_text(), "ISAKMP-SA established " + sa.text());
    ctx_.event(kEventPhase1Established, sa.local(), sa.remote(), sa.cookies().text());
    ctx_.event(kEventPhase1ModeConfig, sa.local(), sa.remote());  // nothing to configure: done
    if (!settle_phase1(sa))
        return finish_waiters(sa, fail(Errc::Cancelled, "the configuration has changed"));
    bound_owner(sa);
    peer_alive(sa);
    send_initial_contact(sa);
    if (sa.peer_has_initial_contact) initial_contact(sa);
    arm_lifetime(sa);
    start_dpd(sa);
    finish_waiters(sa, ok());
    serve_waiting(sa);
    if (sa.natt().we_behind) keep_alive(sa.local(), sa.remote());
    for (Received& r : std::exchange(sa.ahead, {})) for_sa(sa, std::move(r));
}

void Core::phase1_failed(Phase1& sa, const Error& error) {
    if (!sa.initiator()) responder_ended(sa);
    const std::string peer = sa.peer_text();
    // Strangers that stop half-way may be many.
    const bool tell = sa.initiator() || ctx_.noise.allow(ctx_.now);
    if (error.code() == Errc::Timeout) {
        if (tell)
            LOGE(peer,
                 fmt::format("phase1 negotiation failed due to time up. {}", sa.cookies().text()));
        if (sa.initiator() && sa.cipher_key().valid())
            LOGE(peer,
                 "our identity and proof were not answered: likely a wrong pre-shared key, or "
                 "the peer refuses our identity; its log says which");
        if (tell) ctx_.event(kEventPhase1NoResponse, sa.local(), sa.remote());
        if (sa.initiator()) doubt_host(sa.section());
    } else {
        if (tell)
            LOGE(peer, fmt::format("phase1 negotiation failed: {}. {}", error.text(),
                                   sa.cookies().text()));
        if (tell && error.code() == Errc::AuthFailed)
            ctx_.event(kEventPhase1AuthFailed, sa.local(), sa.remote());
    }
    const IpAddr local = sa.local().addr;
    const IpAddr remote = sa.remote().addr;
    const bool initiator = sa.initiator();
    finish_waiters(sa, tl::unexpected<Error>(error));
    take_out(sa);
    if (!initiator || negotiating_as_initiator(local, remote)) return;
    // Requests that waited for this one have nothing left to wait for.
    const auto it = waiting_.find(remote);
    if (it == waiting_.end()) return;
    const std::vector<Request*> list = it->second;
    for (Request* r : list) {
        LOGE(peer, fmt::format("phase2 negotiation failed {}. {}",
                               error.code() == Errc::Timeout ? "due to time up waiting for phase1"
                                                             : "since phase1 failed",
                               r->selector.text()));
        finish_request(*r, fail(Error(error)));
    }
}

// --- lifetime ---

namespace {

/// The initiator renews first, so that normally one end does.
std::int64_t soft_percent(const Phase1& sa) {
    return sa.initiator() ? 80 : 90;
}

std::uint64_t soft_volume(const Phase1& sa) {
    return sa.params().kilobytes * 1024 / 100 * static_cast<std::uint64_t>(soft_percent(sa));
}

}  // namespace

void Core::arm_lifetime(Phase1& sa) {
    // Some spread, so that many tunnels of one start are not renewed at one moment.
    const seconds life = sa.params().lifetime;
    const Duration spread =
        part(life, 1) * static_cast<std::int64_t>(ctx_.random_u32() % 500) / 100;
    const Duration soft = part(life, soft_percent(sa)) - spread;
    sa.lifetime_timer.arm(ctx_.timers, sa.established_at() + soft,
                          [this, &sa] { lifetime_due(sa); });
}

/// Less than its time, when it has protected as much as was agreed on.
void Core::check_volume(Phase1& sa) {
    const std::uint64_t all = sa.params().kilobytes * 1024;
    if (all == 0 || !sa.usable() || sa.protected_bytes() < soft_volume(sa)) return;
    if (sa.state() == Phase1::State::Established || sa.protected_bytes() >= all)
        sa.lifetime_timer.arm(ctx_.timers, ctx_.now, [this, &sa] { lifetime_due(sa); });
}

bool Core::has_successor(const Phase1& sa) const {
    const auto& list = sas_.with_peer(sa.remote().addr);
    return std::any_of(list.begin(), list.end(), [&](const Phase1* other) {
        return other != &sa && other->state() == Phase1::State::Established &&
               other->local().addr == sa.local().addr &&
               (!sa.natt().peer_behind || same_peer(other->peer_id(), sa.peer_id()));
    });
}

bool Core::rekeying_wanted(const Phase1& sa) const {
    const conf::Remote& section = sa.section();
    if (section.rekey == conf::Rekey::Off || stopping_) return false;
    if (section.passive && !sa.initiator()) return false;
    if (section.rekey == conf::Rekey::Force) return true;
    const auto running = std::any_of(sa.children.begin(), sa.children.end(),
                                     [](const auto& c) { return c->running(); });
    return running || !pairs_.with_peer(sa.remote().addr).empty();
}

/// From the soft lifetime on, again and again until the hard one: is a successor needed?
void Core::lifetime_due(Phase1& sa) {
    const seconds life = sa.params().lifetime;
    const TimePoint hard = sa.established_at() + Duration(life);
    const std::uint64_t kilobytes = sa.params().kilobytes;
    if (ctx_.now >= hard || (kilobytes != 0 && sa.protected_bytes() >= kilobytes * 1024)) {
        LOGI(sa.peer_text(), "ISAKMP-SA expired " + sa.text());
        // Where nothing replaces it, the peer's SAs of phase 2 stay as long as ours: no delete, which
        // some peers would take for the end of everything.
        delete_phase1(sa, has_successor(sa) ? Tell::Peer : Tell::No, "expired");
        return;
    }
    sa.set_state(Phase1::State::Dying);
    const IpAddr peer = sa.remote().addr;
    if (!has_successor(sa) && !negotiating_as_initiator(sa.local().addr, peer) &&
        rekeying_wanted(sa)) {
        LOGI(sa.peer_text(), "renegotiating phase1 to " + sa.remote().text());
        initiate(sa.local(), sa.remote(), sa.settings_ptr(), sa.section());
    }
    const Duration again = std::max(part(life, 4), Duration(seconds(5)));
    sa.lifetime_timer.arm(ctx_.timers, std::min(ctx_.now + again, hard),
                          [this, &sa] { lifetime_due(sa); });
}

// --- deletion ---

/// The newest one is what the peer needs.
void Core::bound_owner(const Phase1& sa) {
    std::vector<SaToken>& list = of_owner_[owner_key(sa.peer_id(), sa.first_remote().addr)];
    list.push_back(sa.token());
    if (list.size() <= kMaxOfOwner) return;
    if (Phase1* oldest = sas_.find(list.front()))
        delete_phase1(*oldest, Tell::Peer, "the peer has too many");
}

/// Out of all tables; its quick modes fail. The object dies when the engine is left.
void Core::take_out(Phase1& sa) {
    sa.set_state(Phase1::State::Dead);
    auto children = std::move(sa.children);
    sa.children.clear();
    for (auto& child : children) {
        Phase2& x = *child;
        dead_phase2_.push_back(std::move(child));
        x.abort(Error(Errc::Cancelled, "the ISAKMP-SA is gone"));
    }
    sa.lifetime_timer.cancel();
    sa.dpd.timer.cancel();
    sa.elsewhere.timer.cancel();
    if (const auto own = of_owner_.find(owner_key(sa.peer_id(), sa.first_remote().addr));
        own != of_owner_.end()) {
        std::erase(own->second, sa.token());
        if (own->second.empty()) of_owner_.erase(own);
    }
    if (auto owned = sas_.remove(sa)) dead_phase1_.push_back(std::move(owned));
}

void Core::delete_phase1(Phase1& sa, Tell tell, std::string_view why) {
    if (sa.state() == Phase1::State::Dead) return;
    if (!sa.usable()) {
        sa.abort(Error(Errc::Cancelled, std::string(why)));  // removes itself through phase1_failed
        return;
    }
    if (tell == Tell::Peer)
        sa.send_informational(isakmp::PayloadType::Delete, isakmp::Delete::body_of(sa.cookies()));
    LOGI(sa.peer_text(), fmt::format("ISAKMP-SA deleted {} ({})", sa.text(), why));
    ctx_.event(kEventPhase1Deleted, sa.local(), sa.remote(), sa.cookies().text());
    take_out(sa);
    start_lost({{}, sa.section().name}, sa.established_at());
}

std::size_t Core::delete_phase1_between(const IpAddr& local, const IpAddr& remote) {
    const ByAdministrator wish(*this);
    std::size_t n = 0;
    for (Phase1* sa : sas_.all()) {
        if (local.family != Family::None && sa->local().addr != local) continue;
        if (remote.family != Family::None && sa->remote().addr != remote) continue;
        for (SaPair* pair : pairs_.with_peer(sa->remote().addr))
            if (pair->local.addr == sa->local().addr)
                delete_pair(*pair, Tell::Peer, false, "deleted by the administrator");
        delete_phase1(*sa, Tell::Peer, "deleted by the administrator");
        ++n;
    }
    return n;
}

std::size_t Core::flush_phase1() {
    const ByAdministrator wish(*this);
    std::size_t n = 0;
    for (Phase1* sa : sas_.all()) {
        delete_phase1(*sa, Tell::Peer, "flushed by the administrator");
        ++n;
    }
    return n;
}

}  // namespace racoon::exchange
