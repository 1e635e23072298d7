// Which policy a quick mode serves. The peer's IDs must lie within a policy: what is asked for may be
// narrower than the policy, never wider (facts: selectors are not widened for anybody).
//
//     PolicyIndex index(*config);
//     RACOON_TRY(TrafficSelector ts, selector_of_ids(msg.id_ci, msg.id_cr, false, local, remote));
//     PolicyHit hit = index.match(ts, local_addr, peer_addr);
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "base/net_addr.hpp"
#include "base/result.hpp"
#include "conf/config.hpp"
#include "isakmp/message_views.hpp"

namespace racoon::exchange {

/// An outbound IPsec policy and the one template that it has.
struct PolicyHit {
    const conf::Policy* policy = nullptr;
    const conf::PolicyTemplate* tmpl() const {
        return policy ? &policy->templates.front() : nullptr;
    }
};

class PolicyIndex {
  public:
    explicit PolicyIndex(const conf::Config& config);

    /// By number; null: no outbound IPsec policy has it.
    const conf::Policy* find(PolicyId id) const;
    /// The narrowest outbound policy towards `peer` that contains `ts`; exact matches are narrowest.
    PolicyHit match(const TrafficSelector& ts, const IpAddr& local, const IpAddr& peer) const;
    /// The policy of this configuration that is the same as one of another; null: there is none.
    const conf::Policy* same(const conf::Policy& other) const;
    /// The narrowest outbound policy that contains `ts`, whoever the peer is.
    const conf::Policy* covering(const TrafficSelector& ts) const;

  private:
    std::unordered_map<PolicyId, const conf::Policy*> by_id_;
    std::unordered_map<IpAddr, std::vector<const conf::Policy*>, IpAddrHash> by_peer_;
    std::vector<const conf::Policy*> any_peer_;
};

/// Whether every packet of `inner` is a packet of `outer`.
bool contains(const TrafficSelector& outer, const TrafficSelector& inner);

/// The outer addresses of an SA for this policy: the template's in tunnel mode, else the selector's
/// hosts. Family None where the configuration leaves it open.
IpAddr peer_of(const conf::Policy& policy);
IpAddr local_of(const conf::Policy& policy);

/// The IDs of quick mode as a selector seen from this host. Without IDs the hosts themselves
/// (RFC 2409 5.5). InvalidId (INVALID-ID-INFORMATION) for what is no selector, or where the two IDs
/// name different protocols.
Result<TrafficSelector> selector_of_ids(const std::optional<isakmp::IdView>& id_ci,
                                        const std::optional<isakmp::IdView>& id_cr,
                                        bool we_initiated, const IpAddr& local, const IpAddr& peer);

}  // namespace racoon::exchange
