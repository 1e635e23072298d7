// The policies in a kernel's SPD that are not the daemon's, as a backend's `watch_policies` tells them: numbered,
// compared with what was told before, and no more than kMost.
//
//     foreign_.listen(listener);
//     foreign_.replace(dump);                      // all that there are: at the start, and when events were lost
//     foreign_.put(index, policy);                 // one was added or changed
//     foreign_.remove(index);
//     emit_acquire(foreign_.number_of(index), …);  // 0: it was not told
//
// `index` is the kernel's number for a policy. The listener must not call back.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <racoon/kernel_backend.hpp>

namespace racoon::sdk {

class ForeignPolicies {
  public:
    /// Policies that are told at one time, and those gone whose numbers are remembered.
    static constexpr std::size_t kMost = 1u << 14;
    using Indexed = std::pair<std::uint32_t, racoon_kernel_policy>;

    void listen(const racoon_kernel_foreign& listener) { listener_ = listener; }
    bool listening() const { return listener_.policy != nullptr; }
    /// Tells nothing.
    void forget() {
        listener_ = {};
        told_.clear();
        reqids_.clear();
        left_out_ = 0;
    }

    void put(std::uint32_t index, const racoon_kernel_policy& policy) {
        if (!listening() || policy.action != RACOON_POLICY_IPSEC ||
            policy.direction == RACOON_DIR_FWD) {
            return remove(index);
        }
        std::string text = contents_of(policy);
        const auto at = told_.find(index);
        if (at != told_.end() && at->second.contents == text) {
            if (at->second.policy.priority == policy.priority) return;
            at->second.policy.priority = policy.priority;
            return listener_.policy(listener_.arg, &at->second.policy);
        }
        if (at != told_.end()) remove(index);
        if (told_.size() >= kMost) {
            ++left_out_;
            return;
        }
        One& one = told_[index];
        one.policy = policy;
        one.policy.struct_size = sizeof(one.policy);
        one.policy.id = number_for(text);
        one.contents = std::move(text);
        for_reqids(one.policy, [this](std::uint32_t reqid) { ++reqids_[reqid]; });
        listener_.policy(listener_.arg, &one.policy);
    }

    void remove(std::uint32_t index) {
        const auto at = told_.find(index);
        if (at == told_.end()) return;
        const std::uint32_t id = at->second.policy.id;
        for_reqids(at->second.policy, [this](std::uint32_t reqid) {
            const auto used = reqids_.find(reqid);
            if (used != reqids_.end() && --used->second == 0) reqids_.erase(used);
        });
        remember(std::move(at->second.contents), id);
        told_.erase(at);
        listener_.gone(listener_.arg, id);
    }

    void replace(const std::vector<Indexed>& all) {
        left_out_ = 0;
        std::map<std::uint32_t, bool> there;
        for (const Indexed& one : all) there.emplace(one.first, true);
        std::vector<std::uint32_t> lost;
        for (const auto& [index, one] : told_)
            if (there.count(index) == 0) lost.push_back(index);
        for (const std::uint32_t index : lost) remove(index);
        for (const Indexed& one : all) put(one.first, one.second);
    }

    /// The daemon's number for the kernel's; 0: none was told.
    std::uint32_t number_of(std::uint32_t index) const {
        const auto at = told_.find(index);
        return at == told_.end() ? 0 : at->second.policy.id;
    }
    const racoon_kernel_policy* find(std::uint32_t index) const {
        const auto at = told_.find(index);
        return at == told_.end() ? nullptr : &at->second.policy;
    }
    template <typename Each>
    void each(Each each) const {
        for (const auto& [index, one] : told_) each(one.policy);
    }
    /// Whether a template of one that is there has this request id.
    bool uses_reqid(std::uint32_t reqid) const { return reqids_.count(reqid) != 0; }
    std::size_t size() const { return told_.size(); }
    /// How many more there are than kMost, since the last replace().
    std::size_t left_out() const { return left_out_; }
    /// What to log of them, once until they are twice as many; "": nothing.
    std::string complaint() {
        if (left_out_ <= told_left_out_) return {};
        told_left_out_ = left_out_ * 2;
        return std::to_string(left_out_) + " policies of others are not served: no more than " +
               std::to_string(kMost) + " are followed";
    }

  private:
    struct One {
        racoon_kernel_policy policy{};
        std::string contents;
    };

    /// All that a number stands for; the priority may change.
    static std::string contents_of(const racoon_kernel_policy& p) {
        std::string out;
        const auto number = [&out](std::uint32_t value) {
            for (int shift = 0; shift < 32; shift += 8)
                out.push_back(static_cast<char>(value >> shift & 0xff));
        };
        const auto address = [&](const racoon_addr& a) {
            number(a.family);
            number(a.port);
            out.append(reinterpret_cast<const char*>(a.bytes), sizeof(a.bytes));
        };
        number(p.direction);
        address(p.selector.local);
        address(p.selector.remote);
        number(p.selector.local_prefix);
        number(p.selector.remote_prefix);
        number(p.selector.protocol);
        number(p.mark.value);
        number(p.mark.mask);
        number(p.if_id);
        for (std::uint32_t i = 0; i < p.template_count && i < 4; ++i) {
            const racoon_kernel_template& t = p.templates[i];
            number(t.protocol);
            number(t.mode);
            number(t.level);
            number(t.reqid);
            address(t.local);
            address(t.remote);
        }
        return out;
    }

    template <typename Each>
    static void for_reqids(const racoon_kernel_policy& p, Each each) {
        for (std::uint32_t i = 0; i < p.template_count && i < 4; ++i) each(p.templates[i].reqid);
    }

    std::uint32_t number_for(const std::string& contents) {
        const auto known = gone_.find(contents);
        if (known != gone_.end()) {
            const std::uint32_t id = known->second.first;
            gone_.erase(known);
            return id;
        }
        // Nobody sees half a billion policies come and go.
        constexpr std::uint32_t kNumbers =
            RACOON_FOREIGN_POLICY_LAST - RACOON_FOREIGN_POLICY_FIRST + 1;
        return RACOON_FOREIGN_POLICY_FIRST + next_++ % kNumbers;
    }

    void remember(std::string contents, std::uint32_t id) {
        if (!gone_.emplace(contents, std::pair(id, ++times_)).second) return;
        order_.emplace_back(std::move(contents), times_);
        while (order_.size() > kMost) {
            const auto oldest = gone_.find(order_.front().first);
            // It may have come back, and gone again, since.
            if (oldest != gone_.end() && oldest->second.second == order_.front().second)
                gone_.erase(oldest);
            order_.pop_front();
        }
    }

    racoon_kernel_foreign listener_{};
    std::map<std::uint32_t, One> told_;            // by index
    std::map<std::uint32_t, std::size_t> reqids_;  // and how many templates have each
    // Numbers by contents, and the how many-th it was that went.
    std::map<std::string, std::pair<std::uint32_t, std::uint64_t>> gone_;
    std::deque<std::pair<std::string, std::uint64_t>> order_;
    std::uint64_t times_ = 0;
    std::size_t left_out_ = 0, told_left_out_ = 0;
    std::uint32_t next_ = 0;
};

namespace detail {
inline bool lies_within(const racoon_addr& addr, const racoon_addr& net, unsigned prefix) noexcept {
    if (addr.family != net.family) return false;
    for (unsigned bit = 0; bit < prefix; bit += 8) {
        const unsigned left = prefix - bit;
        const auto mask = static_cast<std::uint8_t>(left >= 8 ? 0xff : 0xff << (8 - left));
        if (((addr.bytes[bit / 8] ^ net.bytes[bit / 8]) & mask) != 0) return false;
    }
    return true;
}
}  // namespace detail

/// Whether a packet of this outbound policy can have left this larval SA (src: we), which then gets the mode of
/// its template. `reqids`: the kernel's, of each template; null: those in the policy.
inline bool can_have_left(const racoon_kernel_policy& policy, const std::uint32_t* reqids,
                          racoon_kernel_spi_request* larval) noexcept {
    const racoon_selector& s = policy.selector;
    for (std::uint32_t i = 0; i < policy.template_count && i < 4; ++i) {
        const racoon_kernel_template& t = policy.templates[i];
        const std::uint32_t reqid = reqids != nullptr ? reqids[i] : t.reqid;
        if (reqid != larval->reqid || t.protocol != larval->protocol) continue;
        // Behind a tunnel's template an SA is between the tunnel's ends.
        const bool fits =
            t.local.family != 0
                ? same_address(t.local, larval->src) && same_address(t.remote, larval->dst)
                : i != 0 || (detail::lies_within(larval->src, s.local, s.local_prefix) &&
                             detail::lies_within(larval->dst, s.remote, s.remote_prefix));
        if (!fits) continue;
        larval->mode = t.mode;
        return true;
    }
    return false;
}

/// The number of a policy of others whose packet can have made this larval SA, which then gets the mode of its
/// template; 0: none.
inline std::uint32_t asked_for_by(const ForeignPolicies& policies,
                                  racoon_kernel_spi_request* larval) {
    std::uint32_t id = 0;
    policies.each([&](const racoon_kernel_policy& p) {
        if (id == 0 && p.direction == RACOON_DIR_OUT && can_have_left(p, nullptr, larval))
            id = p.id;
    });
    return id;
}

}  // namespace racoon::sdk
