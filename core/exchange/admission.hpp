// Who may begin what costs before it has shown that it receives our answers.
//
//     known.add(peer);                        // it has proved itself
//     if (!early.may_begin(addr, trusted, now)) return;        // it will ask again
//     for (SaToken out : early.begin(token, addr, trusted)) …   // pushed out: the oldest go first
//     early.answered(token);                  // the costly part is done
//     early.end(token);                       // proved, failed or given up
//
// In main mode nothing begins before message 3 (flood_guard.hpp), and then it has places enough; but aggressive mode costs a key pair and
// an operation of the keeper at once, and base mode the latter. So they have a quota of their own, in
// number, per source and in rate, apart for those that can be trusted to some degree (configured by their
// address, or known) and for strangers, who share what is left.
#pragma once

#include <array>
#include <list>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "base/net_addr.hpp"
#include "exchange/keyed_hash.hpp"

namespace racoon::exchange {

/// A /24 or /64 as one key.
IpAddr net_of(const IpAddr& a);

/// Addresses of peers that proved themselves: the last ones, at least kHalf of them.
class KnownPeers {
  public:
    static constexpr std::size_t kHalf = 16384;
    void add(const IpAddr& a);
    bool contains(const IpAddr& a) const { return newer_.contains(a) || older_.contains(a); }

  private:
    std::unordered_set<IpAddr, IpAddrHash> newer_, older_;
};

/// So many at once, and from then on so many in a second.
class TokenBucket {
  public:
    explicit TokenBucket(unsigned per_second, unsigned burst)
        : each_(Duration(std::chrono::seconds(1)) / per_second), burst_(each_ * burst) {}
    bool take(TimePoint now);

  private:
    Duration each_, burst_;
    TimePoint paid_until_{};
};

/// Negotiations of peers that have not proved themselves yet: so many of each kind of source, and a new one
/// pushes out the oldest. Whoever holds them back loses them; the honest need theirs for a moment.
class Places {
  public:
    struct Bounds {
        std::size_t strangers, trusted;
        std::size_t per_address;
        std::size_t per_net;  // of strangers
    };
    explicit Places(const Bounds& bounds) : bounds_(bounds) {}

    /// Those that have to go for it, which have no place any more.
    std::vector<SaToken> begin(SaToken token, const IpAddr& addr, bool trusted);
    /// What it costs has been paid.
    void answered(SaToken token);
    /// False: it was not among them.
    bool end(SaToken token);
    std::size_t size() const { return places_.size(); }
    std::size_t unanswered_strangers() const { return unanswered_strangers_; }
    std::size_t unanswered_of(const IpAddr& addr) const;

  private:
    struct Entry {
        SaToken token;
        IpAddr addr;
        bool trusted = false;
        bool answered = false;
    };
    using List = std::list<Entry>;

    Bounds bounds_;
    List strangers_, trusted_;  // oldest first; short, so they are searched
    std::unordered_map<SaToken, List::iterator> places_;
    std::size_t unanswered_strangers_ = 0;
};

/// Main mode from message 3 on: the peer receives what we send, which a flood from invented addresses does
/// not; somebody with a net of his own does.
class MainModeStarts : public Places {
  public:
    static constexpr Bounds kBounds{1024, 4096, 64, 256};
    /// Diffie-Hellman under way, which goes on for whoever was pushed out: so nobody is while it does.
    static constexpr std::size_t kMaxUnansweredStrangers = 256;
    static constexpr std::size_t kMaxUnansweredPerAddress = 16;

    MainModeStarts() : Places(kBounds) {}
    bool may_begin(const IpAddr& addr, bool trusted) const {
        return (trusted || unanswered_strangers() < kMaxUnansweredStrangers) &&
               unanswered_of(addr) < kMaxUnansweredPerAddress;
    }
};

class EarlyStarts : public Places {
  public:
    static constexpr std::size_t kMaxStrangers = 256;
    static constexpr std::size_t kMaxPerAddress = 16;
    static constexpr std::size_t kMaxPerNet = 128;
    static constexpr Bounds kBounds{kMaxStrangers, 1024, kMaxPerAddress, kMaxPerNet};
    /// Not yet answered: what they cost is still being paid.
    static constexpr std::size_t kMaxUnansweredStrangers = 64;
    static constexpr unsigned kStrangersPerSecond = 500;
    static constexpr unsigned kTrustedPerSecond = 1000;
    static constexpr std::uint8_t kPerAddressPerSecond = 16;

    explicit EarlyStarts(const KeyedHash& hash) : Places(kBounds), hash_(hash) {}

    /// Whether one more may begin now; it counts as begun.
    bool may_begin(const IpAddr& addr, bool trusted, TimePoint now);

  private:
    bool address_may(const IpAddr& addr, TimePoint now);

    const KeyedHash& hash_;
    TokenBucket strangers_rate_{kStrangersPerSecond, kStrangersPerSecond};
    TokenBucket trusted_rate_{kTrustedPerSecond, kTrustedPerSecond};
    std::array<std::uint8_t, 4096> begun_{};  // in this second, by a keyed hash of the address
    TimePoint second_{};
};

}  // namespace racoon::exchange
