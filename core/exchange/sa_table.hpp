// SaTable: all ISAKMP SAs of the engine, found in one step by what a datagram carries.
//
//     by_cookies(pair)             everything from message 2 on
//     by_initiator_cookie(ours)    message 2, whose responder cookie is new to us
//     by_first(peer, cookie)       message 1 again, when its exchange has gone further
//
// Strangers choose half of each key, so all tables hash with a secret key. Owns the SAs.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "exchange/keyed_hash.hpp"
#include "exchange/phase1.hpp"

namespace racoon::exchange {

/// Hasher for unordered containers.
struct KeyedHasher {
    const KeyedHash* hash;
    std::size_t operator()(const CookiePair& c) const {
        std::array<std::uint8_t, 16> b;
        std::copy(c.initiator.bytes.begin(), c.initiator.bytes.end(), b.begin());
        std::copy(c.responder.bytes.begin(), c.responder.bytes.end(), b.begin() + 8);
        return (*hash)(b);
    }
    std::size_t operator()(const Cookie& c) const { return (*hash)(c.view()); }
    std::size_t operator()(const std::pair<Endpoint, Cookie>& k) const {
        return (*hash)(k.first, k.second.view());
    }
};

class SaTable {
  public:
    explicit SaTable(const KeyedHash& hash)
        : by_cookies_(16, KeyedHasher{&hash}),
          by_initiator_(16, KeyedHasher{&hash}),
          by_first_(16, KeyedHasher{&hash}) {}

    Phase1& add(std::unique_ptr<Phase1> sa);
    /// Takes it out of every index; the caller decides when it dies.
    std::unique_ptr<Phase1> remove(Phase1& sa);
    void cookies_known(Phase1& sa, const Cookie& responder);

    /// remote() has changed.
    void moved(Phase1& sa, const IpAddr& old);
    Phase1* find(SaToken token) const;
    Phase1* by_cookies(const CookiePair& c) const;
    Phase1* by_initiator_cookie(const Cookie& c) const;
    Phase1* by_first(const Endpoint& peer, const Cookie& initiator) const;
    /// Empty when there are none.
    const std::vector<Phase1*>& with_peer(const IpAddr& addr) const;
    std::vector<Phase1*> all() const;
    std::size_t size() const { return all_.size(); }

  private:
    std::unordered_map<SaToken, std::unique_ptr<Phase1>> all_;
    std::unordered_map<CookiePair, Phase1*, KeyedHasher> by_cookies_;
    std::unordered_map<Cookie, Phase1*, KeyedHasher> by_initiator_;
    std::unordered_map<std::pair<Endpoint, Cookie>, Phase1*, KeyedHasher> by_first_;
    std::unordered_map<IpAddr, std::vector<Phase1*>, IpAddrHash> by_peer_;
};

}  // namespace racoon::exchange
