#include "exchange/flood_guard.hpp"

#include <algorithm>

namespace racoon::exchange {

HalfOpen* FloodGuard::admit(const CookiePair& cookies, const Endpoint& local,
                            const Endpoint& remote, ByteView offer, std::uint64_t message1,
                            bool trusted, TimePoint now) {
    if (offer.size() > kMaxOffer) return nullptr;
    expire(now);
    make_room(remote, trusted);
    while (size() != 0 && offer_bytes_ + offer.size() > kMaxOfferBytes) erase(oldest());
    Record r;
    r.cookies = cookies;
    r.local = local;
    r.remote = remote;
    r.offer = share(offer);
    r.message1 = message1;
    r.created = now;
    r.trusted = trusted;
    List& list = trusted ? trusted_ : strangers_;
    const Place place = list.insert(list.end(), std::move(r));
    by_cookies_.insert_or_assign(cookies, place);
    by_first_.insert_or_assign(std::pair(remote, cookies.initiator), place);
    by_net_[net_of(remote.addr)].records.push_back(place);
    return &*place;
}

void FloodGuard::make_room(const Endpoint& remote, bool trusted) {
    const auto it = by_net_.find(net_of(remote.addr));
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
            if (!p->trusted && oldest_stranger == nullptr) oldest_stranger = &p;
        }
        if (of_address >= kMaxPerAddress)
            erase(*oldest_of_address);
        else if (!trusted && list.size() >= kMaxPerNet && oldest_stranger != nullptr)
            erase(*oldest_stranger);
    }
    if (size() >= kMaxTotal) erase(oldest());
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
    const auto net = by_net_.find(net_of(place->remote.addr));
    std::erase(net->second.records, place);
    if (net->second.records.empty()) by_net_.erase(net);
    if (place->offer.use_count() == 1) {
        offer_bytes_ -= place->offer->size();
        offers_.erase(hash_(*place->offer));
    }
    if (place->has_pieces) --reassemblies_;
    (place->trusted ? trusted_ : strangers_).erase(place);
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

Reassembly* FloodGuard::reassembly(HalfOpen& h) {
    if (h.pieces == nullptr) {
        if (reassemblies_ >= kMaxReassemblies) return nullptr;
        ++reassemblies_;
        h.pieces = std::make_unique<Reassembly>(kMaxMessage3);
        h.has_pieces = true;
    }
    return h.pieces.get();
}

void FloodGuard::drop(const HalfOpen& h) {
    if (const auto it = by_cookies_.find(h.cookies); it != by_cookies_.end()) erase(it->second);
}

void FloodGuard::expire(TimePoint now) {
    for (List* list : {&strangers_, &trusted_})
        while (!list->empty() && list->front().created + kLifetime <= now) erase(list->begin());
}

void FloodGuard::clear() {
    while (size() != 0) erase(oldest());
}

std::optional<TimePoint> FloodGuard::next_expiry() const {
    std::optional<TimePoint> next;
    for (const List* list : {&strangers_, &trusted_}) {
        if (list->empty()) continue;
        const TimePoint due = list->front().created + kLifetime;
        next = next ? std::min(*next, due) : due;
    }
    return next;
}

}  // namespace racoon::exchange
