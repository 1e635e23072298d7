// Policies and SAs that somebody else has given other end points (SADB_X_MIGRATE): a daemon of Mobile IPv6. The kernel does
// not say that an SA under its old address has gone, so all are looked at. What was ours ends: traffic between the new
// end points negotiates anew, by what is the policy now.
#include <set>
#include <vector>

#include "backend.hpp"

namespace racoon::kernel_pfkey {

using namespace pfkey;

void Backend::find_migrated() {
    std::vector<std::uint32_t> changed;
    Message question;
    question.type = kSpdDump;
    requests_.transact(question, [&](const Message& m) {
        const auto at = m.policy() != nullptr ? by_index_.find(m.policy()->id) : by_index_.end();
        if (at == by_index_.end()) return;
        const auto ours = policies_.find(at->second);
        // With the inbound one its companion for what is forwarded goes, too.
        if (ours == policies_.end() || ours->second.index != m.policy()->id) return;
        const auto now = read_whole_policy(m, requests_.dialect());
        if (now && !is_unchanged(m.policy()->id, now)) changed.push_back(m.policy()->id);
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
    struct Other {
        racoon_kernel_sa_id id;
        std::uint32_t reqid;
    };
    std::vector<Other> others;
    Message question;
    question.type = kDump;
    const int error = requests_.transact(question, [&](const Message& m) {
        if (!m.sa || m.sa->spi == 0 || !m.src || !m.dst) return;
        racoon_kernel_sa_id id{};
        id.struct_size = sizeof(id);
        id.protocol = protocol_of(m.satype);
        id.spi = m.sa->spi;
        id.src = m.src->addr;
        id.dst = m.dst->addr;
        const SaKey key = key_of(id.dst, id.protocol, id.spi);
        const auto at = sas_.find(key);
        if (at != sas_.end() && sdk::same_address(at->second.id.src, id.src))
            there.insert(key);
        else
            others.push_back({id, m.sa2 ? m.sa2->reqid : 0});
    });
    if (error != 0 && error != ENOENT) return;
    std::vector<Sa> gone;
    for (const auto& [key, sa] : sas_) {
        if (there.count(key) == 0) gone.push_back(sa);
    }
    for (const Sa& sa : gone) {
        // It has the same SPI and request id where it is now, and would be nobody's.
        for (const Other& now : others) {
            if (now.id.spi != sa.id.spi || now.id.protocol != sa.id.protocol ||
                now.reqid != sa.kernel_reqid)
                continue;
            Message away = name_sa(kDelete, now.id);
            requests_.transact(away);
        }
        const auto at = sas_.find(key_of(sa.id.dst, sa.id.protocol, sa.id.spi));
        if (!opened_ || at == sas_.end()) continue;
        forget(at);
        emit(RACOON_KERNEL_SA_DELETED, &sa);
    }
}

}  // namespace racoon::kernel_pfkey
