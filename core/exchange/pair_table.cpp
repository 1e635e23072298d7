#include "exchange/pair_table.hpp"

#include <algorithm>

namespace racoon::exchange {

namespace {
std::uint64_t key(std::uint8_t protocol, Spi spi) {
    return static_cast<std::uint64_t>(protocol) << 32 | spi.value;
}
template <typename Map, typename Key>
void take_out(Map& map, const Key& k, const SaPair* pair) {
    const auto it = map.find(k);
    if (it == map.end()) return;
    std::erase(it->second, pair);
    if (it->second.empty()) map.erase(it);
}
}  // namespace

SaPair& PairTable::add(std::unique_ptr<SaPair> pair) {
    pair->id = PairId{++last_};
    SaPair& ref = *pair;
    for (const SaParams& sa : ref.params.sas)
        by_inbound_.insert_or_assign(key(sa.protocol, sa.spi_in), ref.id);
    by_peer_[ref.remote.addr].push_back(&ref);
    by_policy_[ref.policy->id].push_back(&ref);
    ++of_owner_[owner_key(ref.peer_id, ref.remote.addr)];
    all_.emplace(ref.id, std::move(pair));
    return ref;
}

std::unique_ptr<SaPair> PairTable::remove(PairId id) {
    const auto it = all_.find(id);
    if (it == all_.end()) return nullptr;
    std::unique_ptr<SaPair> out = std::move(it->second);
    all_.erase(it);
    for (const SaParams& sa : out->params.sas) {
        const auto in = by_inbound_.find(key(sa.protocol, sa.spi_in));
        if (in != by_inbound_.end() && in->second == id) by_inbound_.erase(in);
    }
    take_out(by_peer_, out->remote.addr, out.get());
    take_out(by_policy_, out->policy->id, out.get());
    const auto owner = of_owner_.find(owner_key(out->peer_id, out->remote.addr));
    if (owner != of_owner_.end() && --owner->second == 0) of_owner_.erase(owner);
    return out;
}

void PairTable::adopt(SaPair& pair, SettingsPtr settings, const conf::Policy* policy) {
    pair.settings = std::move(settings);
    pair.policy = policy;
}

SaPair* PairTable::find(PairId id) const {
    const auto it = all_.find(id);
    return it == all_.end() ? nullptr : it->second.get();
}

SaPair* PairTable::by_inbound(std::uint8_t protocol, Spi spi) const {
    const auto it = by_inbound_.find(key(protocol, spi));
    return it == by_inbound_.end() ? nullptr : find(it->second);
}

SaPair* PairTable::by_outbound(std::uint8_t protocol, Spi spi, const IpAddr& peer,
                               const PeerIdentity& who) const {
    const auto it = by_peer_.find(peer);
    if (it == by_peer_.end()) return nullptr;
    for (SaPair* p : it->second)
        if (same_peer(p->peer_id, who) && p->params.outbound(protocol, spi) != nullptr) return p;
    return nullptr;
}

std::vector<SaPair*> PairTable::alike(const SaPair& pair) const {
    std::vector<SaPair*> out;
    const auto it = by_policy_.find(pair.policy->id);
    if (it == by_policy_.end()) return out;
    for (SaPair* p : it->second)
        if (p != &pair && p->selector == pair.selector && p->remote.addr == pair.remote.addr &&
            same_peer(p->peer_id, pair.peer_id))
            out.push_back(p);
    return out;
}

std::vector<SaPair*> PairTable::with_peer(const IpAddr& peer) const {
    const auto it = by_peer_.find(peer);
    return it == by_peer_.end() ? std::vector<SaPair*>() : it->second;
}

std::vector<SaPair*> PairTable::with_policy(PolicyId policy) const {
    const auto it = by_policy_.find(policy);
    return it == by_policy_.end() ? std::vector<SaPair*>() : it->second;
}

std::size_t PairTable::of_owner(const Bytes& owner) const {
    const auto found = of_owner_.find(owner);
    return found == of_owner_.end() ? 0 : found->second;
}

std::vector<SaPair*> PairTable::all() const {
    std::vector<SaPair*> out;
    out.reserve(all_.size());
    for (const auto& [id, p] : all_) out.push_back(p.get());
    std::sort(out.begin(), out.end(),
              [](const SaPair* a, const SaPair* b) { return a->id < b->id; });
    return out;
}

}  // namespace racoon::exchange
