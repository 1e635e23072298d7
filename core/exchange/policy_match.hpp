// Which policy a quick mode serves. The peer's IDs must lie within a policy: what is asked for may be
// narrower than the policy, never wider (facts: selectors are not widened for anybody).
//
//     PolicyIndex index(*config);
//     RACOON_TRY(QuickModeIds ids, ids_of_quick_mode(msg.id_ci, msg.id_cr, false, local, remote));
//     PolicyHit hit = index.match(ids.selector, local_addr, peer_addr);
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/net_addr.hpp"
#include "base/result.hpp"
#include "conf/policies.hpp"
#include "conf/select.hpp"
#include "isakmp/message_views.hpp"

namespace racoon::exchange {

/// An outbound IPsec policy.
struct PolicyHit {
    const conf::Policy* policy = nullptr;
};

/// Outbound policies that others have put into the kernel (setkey(8)), and whose SAs are negotiated all the same.
/// Their numbers are the backend's, and stand for the same policy for ever.
using ForeignPolicies = std::shared_ptr<const std::vector<std::shared_ptr<const conf::Policy>>>;
bool is_foreign(const conf::Policy& policy);

class PolicyIndex {
  public:
    /// `foreign`: none, or kept alive by this.
    explicit PolicyIndex(const conf::Config& config, ForeignPolicies foreign = {});
    /// The same configuration's policies, with others of others.
    PolicyIndex(const PolicyIndex& configured, ForeignPolicies foreign);

    /// By number; null: no outbound IPsec policy has it.
    const conf::Policy* find(PolicyId id) const;
    /// The narrowest outbound policy towards `peer` that contains `ts`; exact matches are narrowest.
    PolicyHit match(const TrafficSelector& ts, const IpAddr& local, const IpAddr& peer) const;
    /// Whether a policy is with just this peer.
    bool names_peer(const IpAddr& peer) const {
        return own_->by_peer.contains(peer) || others_.by_peer.contains(peer);
    }
    /// How many policies are with this peer, or may be.
    std::size_t with_peer(const IpAddr& peer) const {
        return own_->with_peer(peer) + others_.with_peer(peer);
    }
    /// The policy of this configuration that is the same as one of another; null: there is none.
    const conf::Policy* same(const conf::Policy& other) const;
    /// The narrowest outbound policy that contains `ts`, whoever the peer is.
    const conf::Policy* covering(const TrafficSelector& ts) const;

  private:
    struct Table {
        void add(const conf::Policy& policy);
        std::size_t with_peer(const IpAddr& peer) const {
            const auto it = by_peer.find(peer);
            return any_peer.size() + (it == by_peer.end() ? 0 : it->second.size());
        }
        std::unordered_map<PolicyId, const conf::Policy*> by_id;
        std::unordered_map<IpAddr, std::vector<const conf::Policy*>, IpAddrHash> by_peer;
        std::vector<const conf::Policy*> any_peer;
    };
    void add_foreign();

    ForeignPolicies foreign_;
    std::shared_ptr<const Table> own_;  // the configuration's
    Table others_;
};

/// Whether every packet of `inner` is a packet of `outer`.
bool contains(const TrafficSelector& outer, const TrafficSelector& inner);

/// Between which hosts SAs are; family None: it is open.
struct Between {
    IpAddr local, peer;
    friend auto operator<=>(const Between&, const Between&) = default;
};
/// Without a tunnel the SAs of a policy are between the packets' own addresses: such a policy may be for nets,
/// and have other SAs for each two hosts of theirs.
bool is_between_hosts(const conf::Policy& policy);
/// Those of a policy's SAs; what it leaves open is the packet's.
Between hosts_of(const conf::Policy& policy, const Between& packet);
/// What SAs between these hosts can carry of `asked`, which is traffic of the policy.
TrafficSelector traffic_between(const conf::Policy& policy, const TrafficSelector& asked,
                                const Between& hosts);

/// The section for a quick mode; null: there is none. What was asked for decides, and where no section is for that,
/// the policy that allows it. Who begins for two hosts of a policy for nets looks for the policy first
/// (reference 2.8).
const conf::SaInfo* sainfo_for(const conf::SectionIndex& index, conf::SaInfoQuery query,
                               const conf::Policy& policy, bool initiator);

/// An ID of quick mode that no selector can express, as a sainfo names it.
struct LiteralId {
    std::uint8_t type = 0;
    Bytes data;
};
struct QuickModeIds {
    TrafficSelector selector;  // seen from this host
    std::optional<LiteralId> local, remote;
    /// A range that is no net stands for the net around it: enough to find a policy that allows all of it, too
    /// much to make one.
    bool widened = false;
};
/// The IDs of quick mode. Without IDs the hosts themselves (RFC 2409 5.5). A text, or a range that is no
/// net and has the host in it, stands for the host that it belongs to (reference 5.8).
/// InvalidId (INVALID-ID-INFORMATION) where the two IDs name different protocols or families.
Result<QuickModeIds> ids_of_quick_mode(const std::optional<isakmp::IdView>& id_ci,
                                       const std::optional<isakmp::IdView>& id_cr,
                                       bool we_initiated, const IpAddr& local, const IpAddr& peer);

}  // namespace racoon::exchange
