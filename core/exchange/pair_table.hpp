// PairTable: the established pairs of IPsec SAs, found by number, by any of their SPIs, or by policy. A pair
// outlives the ISAKMP SA that made it. Where a policy has several templates, a pair is the whole bundle: one
// SA in each direction for each of them, which come and go together.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "exchange/context.hpp"
#include "exchange/peer_identity.hpp"
#include "exchange/phase2_params.hpp"
#include "exchange/timers.hpp"

namespace racoon::exchange {

using PairId = Strong<struct PairIdTag, std::uint64_t>;

struct SaPair {
    PairId id;
    SettingsPtr settings;
    const conf::Policy* policy = nullptr;
    std::shared_ptr<const conf::Policy> made;  // the same, if it was made for the peer
    bool keep_policy = false;                  // though this pair goes
    std::shared_ptr<const conf::Policy> kept;  // what the policy was before others removed it
    std::string section;
    Endpoint local, remote;  // of the ISAKMP SA
    TrafficSelector selector;
    std::optional<LiteralId> local_id, remote_id;  // as Phase2 has them
    PeerIdentity peer_id;                          // of phase 1
    Phase2Params params;
    MessageId message_id;
    CookiePair phase1;
    bool we_behind = false, peer_behind = false;  // a NAT; the SAs are encapsulated in UDP then
    bool initiator = false;                       // we started the quick mode
    bool phase1_initiator = false;                // and its phase 1
    TimePoint created{}, established{};
    PairId replaces;        // by our own rekeying
    bool replaced = false;  // goes when its timer fires
    bool rekey_asked = false;
    Timer timer;  // soft, then hard lifetime; or the end of a replaced pair
};

class PairTable {
  public:
    SaPair& add(std::unique_ptr<SaPair> pair);
    std::unique_ptr<SaPair> remove(PairId id);
    /// The same pair under a reloaded configuration; `policy` has the same number.
    void adopt(SaPair& pair, SettingsPtr settings, const conf::Policy* policy);
    SaPair* find(PairId id) const;
    SaPair* by_inbound(std::uint8_t protocol, Spi spi) const;
    /// The SA towards `peer` with that SPI, which the peer chose; `who`: of this one, if it is known.
    SaPair* by_outbound(std::uint8_t protocol, Spi spi, const IpAddr& peer,
                        const PeerIdentity& who = {}) const;
    /// Pairs that serve the same traffic of the same peer, oldest first.
    std::vector<SaPair*> alike(const SaPair& pair) const;
    std::vector<SaPair*> with_peer(const IpAddr& peer) const;
    std::vector<SaPair*> with_policy(PolicyId policy) const;
    std::vector<SaPair*> all() const;
    std::size_t size() const { return all_.size(); }
    /// How many of them one peer has (owner_key).
    std::size_t of_owner(const Bytes& owner) const;

  private:
    std::unordered_map<PairId, std::unique_ptr<SaPair>> all_;
    std::unordered_map<std::uint64_t, PairId> by_inbound_;
    std::unordered_map<IpAddr, std::vector<SaPair*>, IpAddrHash> by_peer_;
    std::unordered_map<PolicyId, std::vector<SaPair*>> by_policy_;
    std::map<Bytes, std::size_t> of_owner_;
    std::uint64_t last_ = 0;
};

}  // namespace racoon::exchange
