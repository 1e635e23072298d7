// Operations: what the engine asks of the outside. An operation leaves the engine as {token, kind,
// owned request bytes}; the answer comes back as engine.complete(token, status, bytes). Requests and
// results are flat records, because for most kinds another process answers them: keeper kinds travel
// over the privsep channel as they are, local kinds are served by the plugins of this process.
//
//     SpiGet request{…};
//     auto result = co_await x.operate(request);      // Result<SpiGet::Reply>
//
// Every record has put(Writer&) and a static get(Reader&) that checks everything: the keeper trusts
// nothing that the engine sends, and the engine nothing that a plugin answers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/marks.hpp"
#include "base/net_addr.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace racoon::exchange {

enum class OpKind : std::uint8_t {
    // served in the engine's process
    DhGenerate = 1,
    DhCompute = 2,
    DhFree = 3,  // no answer
    AuthOut = 4,
    AuthIn = 5,
    // served by the keeper
    Phase1Open = 32,
    Phase1Skeyid = 33,
    Phase1Close = 34,   // no answer
    Phase1Rebind = 35,  // no answer
    Resolve = 36,
    Phase1Move = 40,  // no answer
    SpiGet = 48,
    SaInstall = 49,
    SaDelete = 50,
    SaQuery = 51,
    AcquireDone = 52,  // no answer
    PolicyMake = 53,
    PolicyUse = 54,
    PolicyDrop = 55,  // no answer
    PairKeep = 56,    // no answer
    SaMove = 60,      // no answer
};
inline bool served_by_keeper(OpKind kind) {
    return static_cast<std::uint8_t>(kind) >= 32;
}
inline bool has_answer(OpKind kind) {
    return kind != OpKind::DhFree && kind != OpKind::Phase1Close && kind != OpKind::Phase1Rebind &&
           kind != OpKind::AcquireDone && kind != OpKind::PolicyDrop && kind != OpKind::PairKeep &&
           kind != OpKind::Phase1Move && kind != OpKind::SaMove;
}

struct Operation {
    OpToken token;
    OpKind kind;
    Bytes request;
};

/// A reply that says no more than that it is done.
struct Empty {
    void put(Writer&) const {}
    static Result<Empty> get(Reader&) { return Empty{}; }
};

/// A key pair in `group` (number on the wire).
struct DhGenerate {
    static constexpr OpKind kKind = OpKind::DhGenerate;
    std::uint16_t group = 0;
    struct Reply {
        std::uint64_t handle = 0;  // of the private key, until DhFree
        Bytes public_value;
        void put(Writer& out) const;
        static Result<Reply> get(Reader& in);
    };
    void put(Writer& out) const;
    static Result<DhGenerate> get(Reader& in);
};

/// g^xy. The private key stays until DhFree.
struct DhCompute {
    static constexpr OpKind kKind = OpKind::DhCompute;
    std::uint64_t handle = 0;
    Bytes peer_public;
    struct Reply {
        Secret shared;
        void put(Writer& out) const;
        static Result<Reply> get(Reader& in);
    };
    void put(Writer& out) const;
    static Result<DhCompute> get(Reader& in);
};

struct DhFree {
    static constexpr OpKind kKind = OpKind::DhFree;
    std::uint64_t handle = 0;
    void put(Writer& out) const;
    static Result<DhFree> get(Reader& in);
};

/// An identity as it travels: ID payload fields of RFC 2407 4.6.2.
struct FlatIdentity {
    std::uint8_t type = 0;  // 0: none
    std::uint8_t protocol = 0;
    std::uint16_t port = 0;
    Bytes data;
    void put(Writer& out) const;
    static Result<FlatIdentity> get(Reader& in);
};

/// Makes a phase 1 known to the keeper, which draws our nonce: a captured engine cannot use the
/// keeper as an oracle for a pre-shared key with nonces of its choice.
struct Phase1Open {
    static constexpr OpKind kKind = OpKind::Phase1Open;
    std::uint32_t generation = 0;  // of the configuration that `section` is from
    std::string section;           // Remote::name
    bool initiator = false;
    std::uint8_t exchange_type = 2;
    Endpoint local, peer;
    std::uint16_t nonce_size = 16;
    struct Reply {
        std::uint64_t use = 0;  // names this phase 1 towards the keeper, until Phase1Close
        Bytes nonce;
        void put(Writer& out) const;
        static Result<Reply> get(Reader& in);
    };
    void put(Writer& out) const;
    static Result<Phase1Open> get(Reader& in);
};

/// SKEYID = prf(pre-shared key, Ni_b | Nr_b) (RFC 2409 section 5), with the nonce of Phase1Open as
/// ours. Once per use and peer nonce.
struct Phase1Skeyid {
    static constexpr OpKind kKind = OpKind::Phase1Skeyid;
    std::uint64_t use = 0;
    std::string hash;      // racoon.conf name of the negotiated hash
    Bytes peer_nonce;      // 8 to 256 bytes
    FlatIdentity peer_id;  // type 0 in main mode
    struct Reply {
        Secret skeyid;
        void put(Writer& out) const;
        static Result<Reply> get(Reader& in);
    };
    void put(Writer& out) const;
    static Result<Phase1Skeyid> get(Reader& in);
};

struct Phase1Close {
    static constexpr OpKind kKind = OpKind::Phase1Close;
    std::uint64_t use = 0;
    void put(Writer& out) const;
    static Result<Phase1Close> get(Reader& in);
};

/// An ISAKMP SA goes on under another configuration: what it asks for is judged by that one from now on.
struct Phase1Rebind {
    static constexpr OpKind kKind = OpKind::Phase1Rebind;
    std::uint64_t use = 0;
    std::uint32_t generation = 0;
    std::string section;  // Remote::name
    void put(Writer& out) const;
    static Result<Phase1Rebind> get(Reader& in);
};

/// The peer of an ISAKMP SA sits behind a NAT, and a packet that proved itself came from another address.
/// The keeper goes along when the section is for that address, too.
struct Phase1Move {
    static constexpr OpKind kKind = OpKind::Phase1Move;
    std::uint64_t use = 0;
    Endpoint peer;
    void put(Writer& out) const;
    static Result<Phase1Move> get(Reader& in);
};

/// Somebody is about to negotiate with a peer that the configuration knows by a host's name: the keeper
/// sees to a fresh answer, tells what has changed, and then answers.
struct Resolve {
    static constexpr OpKind kKind = OpKind::Resolve;
    std::uint32_t generation = 0;
    std::string section;  // Remote::name; "": all names, and nobody waits for the answers
    bool again = false;   // the last answer is in doubt
    using Reply = Empty;
    void put(Writer& out) const;
    static Result<Resolve> get(Reader& in);
};

/// An inbound SPI for the policy's template (RFC 2407 4.4). The keeper checks that the phase 1 `use`
/// belongs to the peer of that policy.
struct SpiGet {
    static constexpr OpKind kKind = OpKind::SpiGet;
    std::uint64_t use = 0;
    PolicyId policy;  // the outbound one
    std::uint8_t protocol = 50;
    bool tunnel = true;
    ReqId reqid;
    IpAddr local, peer;  // outer addresses
    std::uint64_t acquire_token = 0;
    struct Reply {
        Spi spi;
        void put(Writer& out) const;
        static Result<Reply> get(Reader& in);
    };
    void put(Writer& out) const;
    static Result<SpiGet> get(Reader& in);
};

/// Installs one SA. Inbound: the SPI of SpiGet. Keys are KEYMAT cut to size; an aead's key has its
/// salt at the end.
struct SaInstall {
    static constexpr OpKind kKind = OpKind::SaInstall;
    std::uint64_t use = 0;
    PolicyId policy;
    bool inbound = false;
    std::uint8_t protocol = 50;
    bool tunnel = true;
    bool esn = false;
    Spi spi;
    ReqId reqid;
    IpAddr local, peer;
    TrafficSelector selector;
    std::string encryption;  // racoon.conf names; "" = none
    std::uint16_t key_bits = 0;
    Secret encryption_key;
    std::string integrity;
    Secret integrity_key;
    std::string compression;           // of IPComp, which has nothing else
    std::uint32_t replay_window = 64;  // packets; the keeper lowers it to what the backend can
    std::uint64_t soft_seconds = 0, hard_seconds = 0;  // 0: none
    std::uint64_t soft_bytes = 0, hard_bytes = 0;
    std::uint16_t local_port = 0, peer_port = 0;  // of the encapsulation in UDP; 0: none
    bool non_ike_marker = false;                  // of that in UDP: eight bytes, on the IKE port
    std::uint16_t esp_frag = 0;                   // bytes of an outer packet in UDP; 0: no bound
    IpAddr peer_original;  // transport mode behind a NAT: the address that the peer has (NAT-OA)
    Marks marks;           // of_sa() of the policy's
    using Reply = Empty;
    void put(Writer& out) const;
    static Result<SaInstall> get(Reader& in);
};

struct SaDelete {
    static constexpr OpKind kKind = OpKind::SaDelete;
    std::uint8_t protocol = 50;
    Spi spi;
    IpAddr src, dst;
    using Reply = SaInstall::Reply;
    void put(Writer& out) const;
    static Result<SaDelete> get(Reader& in);
};

/// An SA in UDP goes on to (or is received from) another port of the same peer: its NAT has a new mapping.
struct SaMove {
    static constexpr OpKind kKind = OpKind::SaMove;
    std::uint8_t protocol = 50;
    bool inbound = false;
    Spi spi;
    IpAddr local, peer;
    std::uint16_t peer_port = 0;
    void put(Writer& out) const;
    static Result<SaMove> get(Reader& in);
};

struct SaQuery {
    static constexpr OpKind kKind = OpKind::SaQuery;
    std::uint8_t protocol = 50;
    Spi spi;
    IpAddr src, dst;
    struct Reply {
        std::uint8_t state = 0;  // racoon_kernel_sa_info
        std::uint64_t bytes = 0, packets = 0;
        std::int64_t idle_ns = -1;
        void put(Writer& out) const;
        static Result<Reply> get(Reader& in);
    };
    void put(Writer& out) const;
    static Result<SaQuery> get(Reader& in);
};

/// A policy for a peer that asks for traffic which no configured policy has (`generate_policy`). The keeper
/// checks that its section makes policies and that nothing is widened, gives it a number and a reqid, and
/// puts nothing into the kernel yet. The same again for the same peer and traffic: the same answer.
struct PolicyMake {
    static constexpr OpKind kKind = OpKind::PolicyMake;
    struct Rule {
        std::uint8_t protocol = 50;
        bool tunnel = true;
        friend bool operator==(const Rule&, const Rule&) = default;
    };
    std::uint64_t use = 0;
    TrafficSelector selector;
    std::vector<Rule> rules;  // 1 to 3, the innermost first
    Marks marks;              // of the sainfo
    struct Reply {
        PolicyId policy;  // the outbound one's
        ReqId reqid;      // of all its rules
        void put(Writer& out) const;
        static Result<Reply> get(Reader& in);
    };
    void put(Writer& out) const;
    static Result<PolicyMake> get(Reader& in);
};

/// Puts it into the kernel, in every direction, or renews its time there.
struct PolicyUse {
    static constexpr OpKind kKind = OpKind::PolicyUse;
    PolicyId policy;
    std::uint64_t seconds = 0;  // and then it goes by itself; 0: it stays until it is dropped
    using Reply = Empty;
    void put(Writer& out) const;
    static Result<PolicyUse> get(Reader& in);
};

struct PolicyDrop {
    static constexpr OpKind kKind = OpKind::PolicyDrop;
    PolicyId policy;
    void put(Writer& out) const;
    static Result<PolicyDrop> get(Reader& in);
};

struct AcquireDone {
    static constexpr OpKind kKind = OpKind::AcquireDone;
    std::uint64_t acquire_token = 0;
    bool success = false;
    void put(Writer& out) const;
    static Result<AcquireDone> get(Reader& in);
};

/// What the kernel tells: keeper to engine, unasked.
struct KernelEvent {
    std::uint32_t type = 0;  // RACOON_KERNEL_…
    std::uint64_t acquire_token = 0;
    PolicyId policy;
    std::uint8_t protocol = 0;
    Spi spi;
    Endpoint src, dst;
    void put(Writer& out) const;
    static Result<KernelEvent> get(Reader& in);
};

/// An algorithm that the backend cannot do.
struct KernelLack {
    std::uint8_t protocol = 50;  // in which it cannot
    bool integrity = false;      // else encryption or aead
    std::string name;            // racoon.conf's
    bool operator==(const KernelLack&) const = default;
};

/// What the active backend can do; sent by the keeper before the first event, and again when a reload
/// names more algorithms.
struct KernelCapabilities {
    std::string backend;
    std::uint64_t flags = 0;  // RACOON_CAP_…
    std::uint32_t max_replay_window = 0;
    std::vector<KernelLack> lacks;  // of those that the configuration lists
    void put(Writer& out) const;
    static Result<KernelCapabilities> get(Reader& in);
};

/// The flat bytes of a record.
template <typename Record>
Bytes encode(const Record& record) {
    Writer out;
    record.put(out);
    return std::move(out).take();
}
/// The whole of `bytes` as one record: Malformed when anything is left over.
template <typename Record>
Result<Record> decode(ByteView bytes) {
    Reader in(bytes);
    RACOON_TRY(Record record, Record::get(in));
    if (!in.empty())
        return fail(Errc::Malformed, "bytes after the end of a record").at(in.offset());
    return record;
}

}  // namespace racoon::exchange
