#include "exchange/flood_guard.hpp"

#include <algorithm>

namespace racoon::exchange {

Prefix FloodGuard::net_of(const IpAddr& a) {
    auto p = Prefix::make(a, a.family == Family::V6 ? 64 : 24);
    return p ? *p : Prefix::host(a);
}

HalfOpen* FloodGuard::admit(const CookiePair& cookies, const Endpoint& local,
                            const Endpoint& remote, ByteView offer, std::uint64_t message1,
                            bool configured, TimePoint now) {
    if (offer.size() > kMaxOffer) return nullptr;
    expire(now);
    make_room(remote, configured);
    while (!records_.empty() && offer_bytes_ + offer.size() > kMaxOfferBytes)
        erase(records_.begin());
    Record r;
    r.cookies = cookies;
    r.local = local;
    r.remote = remote;
    r.offer = share(offer);
    r.message1 = message1;
    r.created = now;
    r.configured = configured;
    const Place place = records_.insert(records_.end(), std::move(r));
    by_cookies_.insert_or_assign(cookies, place);
    by_first_.insert_or_assign(std::pair(remote, cookies.initiator), place);
    by_net_[net_of(remote.addr).addr].records.push_back(place);
    return &*place;
}

void FloodGuard::make_room(const Endpoint& remote, bool configured) {
    const auto it = by_net_.find(net_of(remote.addr).addr);
    if (it != by_net_.end()) {
        const std::vector<Place>& list = it->second.records;
        std::size_t of_address = 0;
        const Place* oldest_of_address = nullptr;
        const Place* oldest_stranger = nullptr;
        for (const Place& p : list) {
            if (p->remote.addr == remote.addr) {
                ++of_address;
                if (oldest_of_address == nullptr) oldest_of_address = &p;
            }
            if (!p->configured && oldest_stranger == nullptr) oldest_stranger = &p;
        }
        if (of_address >= kMaxPerAddress)
            erase(*oldest_of_address);
        else if (!configured && list.size() >= kMaxPerNet && oldest_stranger != nullptr)
            erase(*oldest_stranger);
    }
    if (records_.size() < kMaxTotal) return;
    // Strangers make room first; there may be few of them, so the search is bounded.
    Place victim = records_.begin();
    std::size_t looked = 0;
    for (Place p = records_.begin(); p != records_.end() && looked < 64; ++p, ++looked)
        if (!p->configured) {
            victim = p;
            break;
        }
    erase(victim);
}

std::shared_ptr<const Bytes> FloodGuard::share(ByteView offer) {
    const std::uint64_t digest = hash_(offer);
    if (const auto it = offers_.find(digest); it != offers_.end())
        if (auto known = it->second.lock();
            known && std::equal(known->begin(), known->end(), offer.begin(), offer.end()))
            return known;
    auto made = std::make_shared<const Bytes>(offer.begin(), offer.end());
    offers_.insert_or_assign(digest, made);
    offer_bytes_ += offer.size();
    return made;
}

void FloodGuard::erase(Place place) {
    by_cookies_.erase(place->cookies);
    by_first_.erase(std::pair(place->remote, place->cookies.initiator));
    const auto net = by_net_.find(net_of(place->remote.addr).addr);
    std::erase(net->second.records, place);
    if (net->second.records.empty()) by_net_.erase(net);
    if (place->offer.use_count() == 1) {
        offer_bytes_ -= place->offer->size();
        offers_.erase(hash_(*place->offer));
    }
    records_.erase(place);
}

HalfOpen* FloodGuard::by_cookies(const CookiePair& c) {
    const auto it = by_cookies_.find(c);
    return it == by_cookies_.end() ? nullptr : &*it->second;
}

HalfOpen* FloodGuard::by_first(const Endpoint& peer, const Cookie& initiator) {
    const auto it = by_first_.find(std::pair(peer, initiator));
    return it == by_first_.end() ? nullptr : &*it->second;
}

bool FloodGuard::may_answer(HalfOpen& h, TimePoint now) {
    if (now - h.answered >= std::chrono::seconds(1)) {
        h.answered = now;
        h.answers = 0;
    }
    if (h.answers >= kAnswersPerSecond) return false;
    ++h.answers;
    return true;
}

void FloodGuard::drop(const HalfOpen& h) {
    if (const auto it = by_cookies_.find(h.cookies); it != by_cookies_.end()) erase(it->second);
}

void FloodGuard::expire(TimePoint now) {
    while (!records_.empty() && records_.front().created + kLifetime <= now)
        erase(records_.begin());
}

void FloodGuard::clear() {
    while (!records_.empty()) erase(records_.begin());
}

std::optional<TimePoint> FloodGuard::next_expiry() const {
    if (records_.empty()) return std::nullopt;
    return records_.front().created + kLifetime;
}

}  // namespace racoon::exchange
