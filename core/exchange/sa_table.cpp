#include "exchange/sa_table.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "exchange/phase2.hpp"

namespace racoon::exchange {

namespace {
template <typename Map, typename Key>
Phase1* lookup(const Map& map, const Key& key) {
    const auto it = map.find(key);
    return it == map.end() ? nullptr : it->second;
}
}  // namespace

Phase1& SaTable::add(std::unique_ptr<Phase1> sa) {
    Phase1& ref = *sa;
    all_.emplace(ref.token(), std::move(sa));
    if (ref.cookies().responder.is_zero())
        by_initiator_.emplace(ref.cookies().initiator, &ref);
    else
        by_cookies_.emplace(ref.cookies(), &ref);
    if (!ref.initiator())
        by_first_.emplace(std::pair(ref.first_remote(), ref.cookies().initiator), &ref);
    by_peer_[ref.remote().addr].push_back(&ref);
    return ref;
}

std::unique_ptr<Phase1> SaTable::remove(Phase1& sa) {
    const auto it = all_.find(sa.token());
    if (it == all_.end()) return nullptr;
    std::unique_ptr<Phase1> out = std::move(it->second);
    all_.erase(it);
    if (by_cookies(sa.cookies()) == &sa) by_cookies_.erase(sa.cookies());
    if (by_initiator_cookie(sa.cookies().initiator) == &sa)
        by_initiator_.erase(sa.cookies().initiator);
    if (by_first(sa.first_remote(), sa.cookies().initiator) == &sa)
        by_first_.erase(std::pair(sa.first_remote(), sa.cookies().initiator));
    const auto peer = by_peer_.find(sa.remote().addr);
    std::erase(peer->second, &sa);
    if (peer->second.empty()) by_peer_.erase(peer);
    return out;
}

void SaTable::moved(Phase1& sa, const IpAddr& old) {
    if (sa.remote().addr == old) return;
    const auto before = by_peer_.find(old);
    if (before == by_peer_.end()) return;
    std::erase(before->second, &sa);
    if (before->second.empty()) by_peer_.erase(before);
    by_peer_[sa.remote().addr].push_back(&sa);
}

void SaTable::cookies_known(Phase1& sa, const Cookie& responder) {
    if (by_initiator_cookie(sa.cookies().initiator) == &sa)
        by_initiator_.erase(sa.cookies().initiator);
    CookiePair pair = sa.cookies();
    pair.responder = responder;
    by_cookies_.insert_or_assign(pair, &sa);
}

Phase1* SaTable::find(SaToken token) const {
    const auto it = all_.find(token);
    return it == all_.end() ? nullptr : it->second.get();
}
Phase1* SaTable::by_cookies(const CookiePair& c) const {
    return lookup(by_cookies_, c);
}
Phase1* SaTable::by_initiator_cookie(const Cookie& c) const {
    return lookup(by_initiator_, c);
}
Phase1* SaTable::by_first(const Endpoint& peer, const Cookie& initiator) const {
    return lookup(by_first_, std::pair(peer, initiator));
}

const std::vector<Phase1*>& SaTable::with_peer(const IpAddr& addr) const {
    static const std::vector<Phase1*> kNone;
    const auto it = by_peer_.find(addr);
    return it == by_peer_.end() ? kNone : it->second;
}

std::vector<Phase1*> SaTable::all() const {
    std::vector<Phase1*> out;
    out.reserve(all_.size());
    for (const auto& [token, sa] : all_) out.push_back(sa.get());
    std::sort(out.begin(), out.end(),
              [](const Phase1* a, const Phase1* b) { return a->token() < b->token(); });
    return out;
}

}  // namespace racoon::exchange
