// Policies and SAs that somebody else has given other end points (XFRM_MSG_MIGRATE): a daemon of Mobile IPv6, or of
// MOBIKE. The kernel says neither the policy's number nor that an SA under its old address has gone, so all are looked
// at. What was ours ends: traffic between the new end points negotiates anew, by what is the policy now.
#include <set>
#include <vector>

#include "backend.hpp"

namespace racoon::kernel_xfrm {

void Backend::find_migrated() {
    std::vector<std::uint32_t> changed;
    Request request = dump_policies();
    requests_.transact(request, [&](const Message& m) {
        const auto facts = read_policy(m);
        const auto at = facts ? by_index_.find(facts->index) : by_index_.end();
        if (at == by_index_.end()) return;
        const auto ours = policies_.find(at->second);
        // With the inbound one its companion for what is forwarded goes, too.
        if (ours == policies_.end() || ours->second.index != facts->index) return;
        const auto now = read_whole_policy(m);
        if (now && !is_unchanged(facts->index, now)) changed.push_back(facts->index);
    });
    log(RACOON_LOG_NOTIFY, "somebody has moved SAs and a policy to other end points (" +
                               std::to_string(changed.size()) + " policies of ours)");
    for (const std::uint32_t index : changed) {
        if (opened_) on_policy_lost(index);
    }
    if (opened_) read_foreign();
    if (opened_) find_migrated_sas();
}

void Backend::find_migrated_sas() {
    std::set<SaKey> there;
    std::vector<SaFacts> others;
    Request request = dump_sas();
    const int error = requests_.transact(request, [&](const Message& m) {
        const auto facts = read_sa(m);
        if (!facts || facts->info.spi == 0) return;
        const SaKey key = key_of(facts->info.dst, facts->info.protocol, facts->info.spi);
        const auto at = sas_.find(key);
        if (at != sas_.end() && sdk::same_address(at->second.id.src, facts->info.src))
            there.insert(key);
        else
            others.push_back(*facts);
    });
    if (error != 0) return;
    std::vector<Sa> gone;
    for (const auto& [key, sa] : sas_) {
        if (there.count(key) == 0) gone.push_back(sa);
    }
    for (const Sa& sa : gone) {
        // It has the same SPI and request id where it is now, and would be nobody's.
        for (const SaFacts& other : others) {
            const racoon_kernel_sa_info& now = other.info;
            if (now.spi != sa.id.spi || now.protocol != sa.id.protocol || now.reqid != sa.reqid)
                continue;
            Sa moved = sa;
            moved.id.src = now.src;
            moved.id.dst = now.dst;
            delete_in_kernel(moved);
        }
        const auto at = sas_.find(key_of(sa.id.dst, sa.id.protocol, sa.id.spi));
        if (!opened_ || at == sas_.end()) continue;
        forget(at);
        emit(RACOON_KERNEL_SA_DELETED, &sa);
    }
}

}  // namespace racoon::kernel_xfrm
