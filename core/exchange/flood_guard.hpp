// FloodGuard: what a responder keeps of somebody who has not yet echoed its cookie: a small record and
// the offer, no coroutine, no Diffie-Hellman, no timer of its own. HASH_I covers the offer, which is
// sent only once, so it has to be kept; equal offers are shared.
//
//     auto record = guard.admit(key…);             // may push out the oldest of the same source
//     if (HalfOpen* h = guard.by_cookies(pair)) …  // message 3: it receives what we send
//     guard.take(*h)                               // becomes a Phase1
//
// Bounds: kMaxTotal records, kMaxPerAddress of one address, kMaxPerNet of one /24 or /64, kMaxOffer
// bytes of an offer, kMaxOfferBytes of all; each dies after kLifetime. The oldest goes first, and those of
// strangers before those of peers that are configured by their address or known.
#pragma once

#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "exchange/admission.hpp"
#include "exchange/reassembly.hpp"
#include "exchange/sa_table.hpp"

namespace racoon::exchange {

struct HalfOpen {
    CookiePair cookies;
    Endpoint local, remote;
    std::shared_ptr<const Bytes> offer;  // SAi_b
    std::uint64_t message1 = 0;          // keyed hash of the datagram
    TimePoint created{};
    const conf::NattInfo* natt = nullptr;  // the dialect agreed on; modules stay for ever
    std::uint8_t natt_vendor_id = 0;       // which of its vendor IDs came
    bool peer_dpd = false;
    bool peer_fragments = false;
    bool has_pieces = false;             // counted among the reassemblies
    std::unique_ptr<Reassembly> pieces;  // of message 3, after it has echoed our cookie
    std::uint8_t answers = 0;            // within the second of `answered`
    TimePoint answered{};
};
static_assert(sizeof(HalfOpen) <= 256);

class FloodGuard {
  public:
    static constexpr std::size_t kMaxTotal = 10000;
    static constexpr std::size_t kMaxPerAddress = 16;
    static constexpr std::size_t kMaxPerNet = 128;
    static constexpr std::size_t kMaxOffer = 2048;
    static constexpr std::size_t kMaxOfferBytes = 8u << 20;
    static constexpr std::size_t kMaxReassemblies = 256;
    static constexpr std::size_t kMaxMessage3 =
        4096;  // in pieces: the largest group has 1,024 bytes
    static constexpr unsigned kAnswersPerSecond = 3;
    static constexpr Duration kLifetime = std::chrono::seconds(60);

    explicit FloodGuard(const KeyedHash& hash)
        : hash_(hash), by_cookies_(16, KeyedHasher{&hash}), by_first_(16, KeyedHasher{&hash}) {}

    /// Null: the offer is too long. `trusted`: of a peer whose address a section names, or that has
    /// proved itself before; strangers do not push it out.
    HalfOpen* admit(const CookiePair& cookies, const Endpoint& local, const Endpoint& remote,
                    ByteView offer, std::uint64_t message1, bool trusted, TimePoint now);
    HalfOpen* by_cookies(const CookiePair& c);
    HalfOpen* by_first(const Endpoint& peer, const Cookie& initiator);
    /// Whether message 2 may be sent once more: a repeated message 1 is not answered without end.
    bool may_answer(HalfOpen& h, TimePoint now);
    /// Where the pieces of its message 3 are put together; null: too many do so already.
    Reassembly* reassembly(HalfOpen& h);
    void drop(const HalfOpen& h);
    void expire(TimePoint now);
    void clear();
    std::optional<TimePoint> next_expiry() const;
    std::size_t size() const { return strangers_.size() + trusted_.size(); }
    std::size_t reassemblies() const { return reassemblies_; }
    std::size_t offer_bytes() const { return offer_bytes_; }

  private:
    struct Record : HalfOpen {
        bool trusted = false;
    };
    using List = std::list<Record>;
    using Place = List::iterator;
    struct Source {
        std::vector<Place> records;  // oldest first
    };
    void erase(Place place);
    void make_room(const Endpoint& remote, bool trusted);
    /// Whoever has to go when there are too many.
    Place oldest() { return strangers_.empty() ? trusted_.begin() : strangers_.begin(); }
    std::shared_ptr<const Bytes> share(ByteView offer);

    const KeyedHash& hash_;
    List strangers_, trusted_;  // oldest first
    std::unordered_map<CookiePair, Place, KeyedHasher> by_cookies_;
    std::unordered_map<std::pair<Endpoint, Cookie>, Place, KeyedHasher> by_first_;
    std::unordered_map<IpAddr, Source, IpAddrHash> by_net_;
    std::unordered_map<std::uint64_t, std::weak_ptr<const Bytes>> offers_;
    std::size_t reassemblies_ = 0;
    std::size_t offer_bytes_ = 0;
};

}  // namespace racoon::exchange
