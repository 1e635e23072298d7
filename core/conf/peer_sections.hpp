// PeerSections: which `remote` sections may be for the peer of a policy, before anything but its address is
// known.
//
//     PeerSections sections(config);
//     for (const Remote* r : sections.of(peer_of(policy))) …
#pragma once

#include <cstddef>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "conf/config.hpp"

namespace racoon::conf {

/// The `remote` sections by peer, the first few of each: there may be any number for one.
class PeerSections {
  public:
    static constexpr std::size_t kMost = 64;  // sections for one peer that are looked at

    explicit PeerSections(const Config& config) {
        for (const Remote& r : config.remotes) {
            List* list = r.address ? &by_address_[bare(r.address->addr)]
                         : r.net   ? &by_net_[{r.net->addr.family, r.net->length}][r.net->addr]
                         : r.host.empty() ? &anonymous_
                                          : nullptr;  // whose addresses are not known here
            if (list && list->size() <= kMost) list->push_back(&r);
        }
    }

    using List = std::vector<const Remote*>;
    /// Those for a peer, the most specific first; of more than kMost only so many and one.
    List of(const IpAddr& peer) const {
        List out;
        const auto add = [&](const List& list) {
            for (const Remote* r : list) {
                if (out.size() > kMost) return;
                const unsigned scope = r->address ? r->address->addr.scope : 0;
                if (scope == 0 || peer.scope == 0 || scope == peer.scope) out.push_back(r);
            }
        };
        if (const auto found = by_address_.find(bare(peer)); found != by_address_.end())
            add(found->second);
        for (auto at = by_net_.rbegin(); at != by_net_.rend(); ++at) {
            if (at->first.first != peer.family) continue;
            const auto net = Prefix::make(bare(peer), at->first.second);
            if (!net) continue;
            if (const auto found = at->second.find(net->addr); found != at->second.end())
                add(found->second);
        }
        add(anonymous_);
        return out;
    }

  private:
    using ByAddress = std::unordered_map<IpAddr, List, IpAddrHash>;
    static IpAddr bare(IpAddr a) {
        a.scope = 0;
        return a;
    }

    ByAddress by_address_;
    std::map<std::pair<Family, unsigned>, ByAddress> by_net_;  // by length of the prefix
    List anonymous_;
};

}  // namespace racoon::conf
