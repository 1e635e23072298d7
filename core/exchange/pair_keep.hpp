// PairKeep: what an engine must know of a pair of IPsec SAs to go on with it. An engine tells the keeper of a
// pair before its first SA is installed; when the engine dies, the next one gets what the keeper has, since
// the SAs in the kernel outlive both. No keys are in it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "conf/config.hpp"
#include "exchange/operations.hpp"

namespace racoon::exchange {

struct PairKeep {
    static constexpr OpKind kKind = OpKind::PairKeep;
    struct Sa {
        std::uint8_t protocol = 50;
        bool tunnel = true, esn = false;
        ReqId reqid;
        Spi spi_in, spi_out;
        std::string encryption, integrity, compression;  // racoon.conf names; "" = none
        std::uint16_t key_bits = 0;
    };
    static constexpr std::size_t kMaxSas = 4;  // templates of a policy

    PolicyId policy;                           // the outbound one
    bool made = false;                         // for the peer (`generate_policy`)
    conf::Level level = conf::Level::Require;  // of a made policy's templates
    std::optional<bool> complex_bundle;        // of a made policy
    Marks marks;                               // of a made policy
    std::string section;                       // Remote::name
    Endpoint local, remote;                    // of the ISAKMP SA
    TrafficSelector selector;
    FlatIdentity local_id, remote_id;  // as SaPair has them; type 0: none
    Bytes peer_id;                     // body of the peer's phase 1 identity; empty: not known
    std::vector<Sa> sas;               // 1 to kMaxSas, the innermost first
    std::uint16_t pfs = 0;             // group; 0: none
    std::uint64_t seconds = 0, kilobytes = 0;  // 0: none
    CookiePair phase1;
    MessageId message_id;
    bool we_behind = false, peer_behind = false;
    bool initiator = false, phase1_initiator = false;
    bool replaced = false;  // another pair has taken over

    void put(Writer& out) const;
    static Result<PairKeep> get(Reader& in);
};

/// A pair of an earlier engine as the next one gets it.
struct KeptPair {
    PairKeep record;
    bool whole = false;  // else not all of its SAs had come up, and those that had are gone
    bool renew =
        false;       // soon: its SAs were made anew, so that what the windows had seen is forgotten
    Duration age{};  // since it was established

    void put(Writer& out) const;
    static Result<KeptPair> get(Reader& in);
};

}  // namespace racoon::exchange
