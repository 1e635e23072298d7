#include "exchange/admission.hpp"

#include <algorithm>

namespace racoon::exchange {

IpAddr net_of(const IpAddr& a) {
    const auto p = Prefix::make(a, a.family == Family::V6 ? 64 : 24);
    return p ? p->addr : a;
}

void KnownPeers::add(const IpAddr& a) {
    newer_.insert(a);
    if (newer_.size() < kHalf) return;
    older_ = std::move(newer_);
    newer_ = {};
}

bool TokenBucket::take(TimePoint now) {
    // What is paid for lies in the future; a bucket that rested is full, not more than full.
    paid_until_ = std::max(paid_until_, now);
    if (paid_until_ + each_ > now + burst_) return false;
    paid_until_ += each_;
    return true;
}

bool EarlyStarts::address_may(const IpAddr& addr, TimePoint now) {
    if (now - second_ >= std::chrono::seconds(1)) {
        second_ = now;
        begun_.fill(0);
    }
    std::uint8_t& begun = begun_[hash_(addr.view()) % begun_.size()];
    if (begun >= kPerAddressPerSecond) return false;
    ++begun;
    return true;
}

bool EarlyStarts::may_begin(const IpAddr& addr, bool trusted, TimePoint now) {
    // First what one source has of it: the common allowance is not for one alone.
    if (!address_may(addr, now)) return false;
    if (trusted) return trusted_rate_.take(now);
    return unanswered_strangers() < kMaxUnansweredStrangers && strangers_rate_.take(now);
}

std::vector<SaToken> Places::begin(SaToken token, const IpAddr& addr, bool trusted) {
    std::vector<SaToken> out;
    List& list = trusted ? trusted_ : strangers_;
    const IpAddr net = net_of(addr);
    const Entry* oldest_of_address = nullptr;
    const Entry* oldest_of_net = nullptr;
    std::size_t of_address = 0, of_net = 0;
    for (const Entry& e : list) {
        if (e.addr == addr && ++of_address == 1) oldest_of_address = &e;
        if (net_of(e.addr) == net && ++of_net == 1) oldest_of_net = &e;
    }
    if (of_address >= bounds_.per_address)
        out.push_back(oldest_of_address->token);
    else if (!trusted && of_net >= bounds_.per_net)
        out.push_back(oldest_of_net->token);
    else if (list.size() >= (trusted ? bounds_.trusted : bounds_.strangers))
        out.push_back(list.front().token);
    for (const SaToken gone : out) end(gone);
    Entry e;
    e.token = token;
    e.addr = addr;
    e.trusted = trusted;
    places_.emplace(token, list.insert(list.end(), e));
    if (!trusted) ++unanswered_strangers_;
    return out;
}

std::size_t Places::unanswered_of(const IpAddr& addr) const {
    const auto counts = [&](const Entry& e) { return !e.answered && e.addr == addr; };
    return static_cast<std::size_t>(std::count_if(strangers_.begin(), strangers_.end(), counts) +
                                    std::count_if(trusted_.begin(), trusted_.end(), counts));
}

void Places::answered(SaToken token) {
    const auto it = places_.find(token);
    if (it == places_.end() || it->second->answered) return;
    it->second->answered = true;
    if (!it->second->trusted) --unanswered_strangers_;
}

bool Places::end(SaToken token) {
    const auto it = places_.find(token);
    if (it == places_.end()) return false;
    const Entry& e = *it->second;
    if (!e.trusted && !e.answered) --unanswered_strangers_;
    (e.trusted ? trusted_ : strangers_).erase(it->second);
    places_.erase(it);
    return true;
}

}  // namespace racoon::exchange
