// What the kernel says by itself, and which of it concerns us.
#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>
#include <vector>

#include "backend.hpp"

namespace racoon::kernel_pfkey {
namespace {
using namespace pfkey;
constexpr int kMessagesAtOnce = 256;  // then the loop looks at others
}  // namespace

void Backend::on_readable() {
    for (int i = 0; i < kMessagesAtOnce && opened_; ++i) {
        Message m;
        switch (event_socket_.receive(&m)) {
            case Socket::Got::Nothing:
                // What was left in the buffer has been read: now the rest can be told from the tables.
                if (std::exchange(overrun_, false)) {
                    read_foreign();
                    find_lost();
                    emit(RACOON_KERNEL_OVERRUN, nullptr);
                }
                return;
            case Socket::Got::Overrun:
                log(RACOON_LOG_WARNING, "events of the kernel were lost: its buffer overran");
                overrun_ = true;
                continue;
            case Socket::Got::Broken:
                log(RACOON_LOG_ERROR, "the kernel's event socket is broken");
                host_.fd->unwatch(host_.host->ctx, watch_);
                emit(RACOON_KERNEL_FAILED, nullptr);
                return;
            case Socket::Got::Malformed:
                log(RACOON_LOG_WARNING, "a PF_KEY message is malformed and is ignored");
                continue;
            case Socket::Got::Message:
                on_event(m);
        }
    }
}

void Backend::emit(std::uint32_t type, const Sa* sa, std::uint32_t policy_id) {
    racoon_kernel_event event{};
    event.struct_size = sizeof(event);
    event.type = type;
    event.policy_id = policy_id;
    if (sa != nullptr) {
        event.policy_id = sa->policy_id;
        event.protocol = sa->id.protocol;
        event.spi = sa->id.spi;
        event.src = sa->id.src;
        event.dst = sa->id.dst;
    }
    events_.event(events_.arg, &event);
}

void Backend::on_event(const Message& m) {
    const bool own = m.pid == event_socket_.pid();
    if (m.error != 0) return;  // the answer to somebody's request
    switch (m.type) {
        case kAcquire:
            return on_acquire(m);
        case kFlush:
            return own ? void() : on_sas_flushed(m.satype);
        case kSpdAdd:
        case kSpdUpdate:
        case kSpdSetIdx:
            return own ? void() : on_policy_changed(m);
        case kSpdDelete:
        case kSpdDelete2:
        case kSpdExpire:
            if (own || m.policy() == nullptr) return;
            foreign_.remove(m.policy()->id);
            return on_policy_lost(m.policy()->id);
        case kSpdFlush: {
            if (own) return;
            std::vector<std::uint32_t> indexes;
            for (const auto& [index, id] : by_index_) indexes.push_back(index);
            for (const std::uint32_t index : indexes) {
                if (opened_) on_policy_lost(index);
            }
            // Some may have come since: what is there now counts.
            if (opened_) read_foreign();
            return;
        }
        case kNewMapping:
            return on_mapping(m);
        case kMigrate:
            return own ? void() : find_migrated();
        case kExpire:
        case kDelete:
            break;
        default:
            return;
    }
    if (!m.sa) return;
    const racoon_addr dst = end_of(m.dst, std::nullopt);
    const auto at = sas_.find(key_of(dst, protocol_of(m.satype), m.sa->spi));
    if (at == sas_.end()) return;
    if (m.type == kExpire) return on_expire(m, at);
    if (own) return;
    const Sa sa = at->second;
    forget(at);
    emit(RACOON_KERNEL_SA_DELETED, &sa);
}

void Backend::on_expire(const Message& m, std::map<SaKey, Sa>::iterator at) {
    const Sa sa = at->second;
    if (!m.hard) {
        at->second.state = 2;
        return emit(RACOON_KERNEL_EXPIRE_SOFT, &sa);
    }
    forget(at);
    emit(RACOON_KERNEL_EXPIRE_HARD, &sa);
}

void Backend::on_acquire(const Message& m) {
    if (m.policy() == nullptr || !m.src || !m.dst) return;
    const auto at = by_index_.find(m.policy()->id);
    const racoon_kernel_policy* policy = foreign_.find(m.policy()->id);
    const std::uint32_t* reqids = nullptr;  // the kernel's, where they are not in the policy
    if (at != by_index_.end()) {
        policy = &policies_.at(at->second).policy;
        reqids = policies_.at(at->second).reqids.data();
    }
    if (policy == nullptr) return;  // one that we know nothing of
    // The larval SA that it made is found by the acquire's number, or by what it was made of.
    racoon_kernel_spi_request larval{};
    larval.protocol = protocol_of(m.satype);
    larval.src = m.src->addr;
    larval.dst = m.dst->addr;
    larval.min_spi = 0x100;
    larval.max_spi = 0x0fffffff;
    std::uint32_t reqid = 0;
    for (std::uint32_t i = 0; i < policy->template_count; ++i) {
        const racoon_kernel_template& t = policy->templates[i];
        if (t.protocol != larval.protocol) continue;
        larval.mode = t.mode;
        reqid = reqids != nullptr ? reqids[i] : t.reqid;
        break;
    }
    Message getspi = spi_message(larval, reqid);
    getspi.seq = m.seq;
    tell_acquire(acquires_.add({getspi}, now_ns()), policy->id, larval);
}

void Backend::tell_acquire(std::uint64_t token, std::uint32_t policy_id,
                           const racoon_kernel_spi_request& larval) {
    racoon_kernel_event out{};
    out.struct_size = sizeof(out);
    out.type = RACOON_KERNEL_ACQUIRE;
    out.acquire_token = token;
    out.policy_id = policy_id;
    out.protocol = larval.protocol;
    // PF_KEY tells the SA's ends, not the packet's: in transport mode they are the same.
    out.src = larval.src;
    out.dst = larval.dst;
    events_.event(events_.arg, &out);
}

// What acquires have left in the kernel: larval SAs without an SPI, which keep it from asking again. The
// kernel's request id tells whose each is.
std::vector<racoon_kernel_spi_request> Backend::read_larvals() {
    std::vector<racoon_kernel_spi_request> larval;
    Message question;
    question.type = kDump;
    requests_.transact(question, [&](const Message& m) {
        if (!m.sa || m.sa->spi != 0 || !m.sa2 || !m.src || !m.dst) return;
        racoon_kernel_spi_request r{};
        r.protocol = protocol_of(m.satype);
        r.src = m.src->addr;
        r.dst = m.dst->addr;
        r.min_spi = 0x100;
        r.max_spi = 0x0fffffff;
        r.reqid = m.sa2->reqid;
        larval.push_back(r);
    });
    return larval;
}

// A run that was killed answered its last acquires to nobody: the same policy's traffic would wait until they
// die of age.
void Backend::end_stale_larvals(const racoon_kernel_policy& policy, const std::uint32_t* reqids) {
    if (stale_larvals_.empty() || policy.direction != RACOON_DIR_OUT) return;
    const auto ends = [&](racoon_kernel_spi_request& larval) {
        return sdk::can_have_left(policy, reqids, &larval) &&
               end_larval(spi_message(larval, larval.reqid)) == 0;
    };
    const auto last = std::remove_if(stale_larvals_.begin(), stale_larvals_.end(), ends);
    stale_larvals_.erase(last, stale_larvals_.end());
}

racoon_status Backend::watch_policies(const racoon_kernel_foreign& listener, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    foreign_.listen(listener);
    const int error = read_foreign();
    if (error != 0) return sdk::refuse_errno(err, "reading the policies of others", error);
    tell_stale_larvals();
    return RACOON_OK;
}

// For a policy of others another daemon may be at work, and lose its own SA by what would be done to ours.
void Backend::tell_stale_larvals() {
    const std::vector<racoon_kernel_spi_request> larvals = stale_larvals_;
    for (racoon_kernel_spi_request larval : larvals) {
        const std::uint32_t policy = opened_ ? sdk::asked_for_by(foreign_, &larval) : 0;
        if (policy == 0) continue;
        Acquire acquire{spi_message(larval, larval.reqid)};
        tell_acquire(acquires_.add(std::move(acquire), now_ns()), policy, larval);
    }
}

int Backend::read_foreign() {
    if (!foreign_.listening()) return 0;
    std::vector<sdk::ForeignPolicies::Indexed> all;
    Message question;
    question.type = kSpdDump;
    const int error = requests_.transact(question, [&](const Message& m) {
        if (m.policy() == nullptr || by_index_.count(m.policy()->id) != 0) return;
        if (const auto policy = read_whole_policy(m, requests_.dialect()))
            all.emplace_back(m.policy()->id, *policy);
    });
    if (error != 0 && error != ENOENT) return error;
    foreign_.replace(all);
    tell_left_out();
    return 0;
}

void Backend::on_policy_changed(const Message& m) {
    if (m.policy() == nullptr) return;
    const auto policy = read_whole_policy(m, requests_.dialect());
    if (is_unchanged(m.policy()->id, policy)) return;
    on_policy_lost(m.policy()->id);  // another stands in its place, which is not ours
    if (!policy) return foreign_.remove(m.policy()->id);
    foreign_.put(m.policy()->id, *policy);
    tell_left_out();
}

void Backend::tell_left_out() {
    const std::string text = foreign_.complaint();
    if (!text.empty()) log(RACOON_LOG_WARNING, text);
}

// Acquires that were lost, and policies that are gone, which are found by their numbers.
void Backend::find_lost() {
    std::vector<racoon_kernel_spi_request> larval = read_larvals();
    std::set<std::uint32_t> present;
    Message question;
    question.type = kSpdDump;
    const int error = requests_.transact(question, [&](const Message& m) {
        if (const pfkey::Policy* p = m.policy()) present.insert(p->id);
    });
    std::vector<std::uint32_t> lost;
    for (const auto& [index, id] : by_index_)
        if ((error == 0 || error == ENOENT) && present.count(index) == 0) lost.push_back(index);
    for (const std::uint32_t index : lost) {
        if (opened_) on_policy_lost(index);
    }
    const auto key = [](const racoon_addr& src, const racoon_addr& dst, std::uint32_t protocol,
                        std::uint32_t reqid) {
        return std::pair(key_of(dst, protocol, reqid), key_of(src, 0, 0));
    };
    std::set<std::pair<SaKey, SaKey>> known;
    acquires_.forget_dead(now_ns());
    acquires_.each([&](const Acquire& a) {
        if (a.larval.sa2 && a.larval.src && a.larval.dst)
            known.insert(key(a.larval.src->addr, a.larval.dst->addr, protocol_of(a.larval.satype),
                             a.larval.sa2->reqid));
    });
    std::size_t found = 0;
    for (racoon_kernel_spi_request& r : larval) {
        const std::uint32_t reqid = r.reqid;
        if (acquires_.full()) break;
        std::uint32_t policy = 0;
        const auto owner = std::find_if(policies_.begin(), policies_.end(), [&](const auto& entry) {
            const Policy& p = entry.second;
            if (p.policy.direction != RACOON_DIR_OUT) return false;
            for (std::uint32_t i = 0; i < p.policy.template_count; ++i) {
                if (p.reqids[i] != reqid || p.policy.templates[i].protocol != r.protocol) continue;
                r.mode = p.policy.templates[i].mode;
                return true;
            }
            return false;
        });
        if (owner != policies_.end()) policy = owner->first;
        if (policy == 0) policy = sdk::asked_for_by(foreign_, &r);
        if (policy == 0 || !known.insert(key(r.src, r.dst, r.protocol, reqid)).second) continue;
        ++found;
        tell_acquire(acquires_.add({spi_message(r, reqid)}, now_ns()), policy, r);
        if (!opened_) return;
    }
    if (found != 0) log(RACOON_LOG_NOTIFY, std::to_string(found) + " acquires had been lost");
}

// A flush is one message, whatever it hit.
void Backend::on_sas_flushed(std::uint8_t satype) {
    std::vector<Sa> lost;
    for (auto it = sas_.begin(); it != sas_.end();) {
        const auto next = std::next(it);
        if (satype == kSaUnspec || it->second.id.protocol == protocol_of(satype)) {
            lost.push_back(it->second);
            forget(it);
        }
        it = next;
    }
    for (const Sa& sa : lost) {
        if (opened_) emit(RACOON_KERNEL_SA_DELETED, &sa);
    }
}

bool Backend::is_unchanged(std::uint32_t index,
                           const std::optional<racoon_kernel_policy>& now) const {
    const auto at = by_index_.find(index);
    if (at == by_index_.end() || !now) return false;
    const auto ours = policies_.find(at->second);
    return ours != policies_.end() && sdk::same_rules(ours->second.policy, *now);
}

void Backend::on_policy_lost(std::uint32_t index) {
    const auto at = by_index_.find(index);
    if (at == by_index_.end()) return;
    const std::uint32_t id = at->second;
    by_index_.erase(at);
    const auto policy = policies_.find(id);
    if (policy == policies_.end()) return;
    Policy& p = policy->second;
    if (p.fwd_index == index) {
        journal_.remove(entry_of(p, RACOON_DIR_FWD));
        p.fwd_index = 0;
        return;
    }
    const Policy gone = p;
    policies_.erase(policy);
    journal_.remove(entry_of(gone, gone.policy.direction));
    if (gone.fwd_index != 0) {
        by_index_.erase(gone.fwd_index);
        remove_policy(gone, RACOON_DIR_FWD);
    }
    give_back_reqids(gone);  // its SAs have it still
    emit(RACOON_KERNEL_POLICY_CHANGED, nullptr, id);
}

}  // namespace racoon::kernel_pfkey
