// Config: the built, immutable configuration, shared by everything that serves. A reload builds a new
// one beside it and swaps the pointer; SAs keep the one they were negotiated with alive.
//
// Names are resolved: algorithms point into the Catalog, which outlives every Config made from it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/net_addr.hpp"
#include "conf/catalog.hpp"

namespace racoon::conf {

using std::chrono::seconds;

/// A place in a file; line and column count from 1. line 0: built in, not from a file.
struct Location {
    std::string file;
    int line = 0;
    int column = 0;
    std::string text() const {
        return file + ":" + std::to_string(line) + ":" + std::to_string(column);
    }
};

enum class ExchangeMode : std::uint8_t { Base = 1, Main = 2, Aggressive = 4 };  // wire numbers
enum class ProposalCheck : std::uint8_t { Obey, Strict, Claim, Exact };
enum class Rekey : std::uint8_t { Off, On, Force };

/// `my_identifier`, `peers_identifier`. type: ID type of RFC 2407 4.6.2.1 (1 address, 2 fqdn, 3
/// user_fqdn, 9 asn1dn, 11 keyid); for addresses of either family 1.
struct IdentitySpec {
    std::uint8_t type = 1;
    std::optional<IpAddr> address;     // type 1; unset: the exchange's own address / any
    std::optional<std::string> value;  // other types; unset: any
    Location where;
};

struct Phase1Proposal {
    const CipherInfo* cipher = nullptr;
    std::uint16_t key_bits = 0;  // 0: fixed-length cipher
    const HashInfo* hash = nullptr;
    const AuthMethodInfo* auth = nullptr;
    const GroupInfo* group = nullptr;
    seconds lifetime{28800};
    Location where;
};

struct Dpd {
    bool enabled = true;  // announce and answer
    seconds delay{0};     // 0: never probe
    seconds retry{5};
    unsigned max_fail = 5;
};

struct Remote {
    std::string name;  // of a named section, else the address as "192.0.2.1[500]" or "anonymous"
    std::optional<Endpoint> address;  // unset: anonymous
    std::vector<ExchangeMode> modes;  // the first is used to initiate
    IdentitySpec my_identifier;
    std::vector<IdentitySpec> peers_identifiers;  // empty: any
    bool verify_identifier = false;
    bool passive = false;
    bool support_proxy = false;
    bool initial_contact = true;
    std::uint16_t nonce_size = 16;
    ProposalCheck proposal_check = ProposalCheck::Strict;
    Rekey rekey = Rekey::On;
    Dpd dpd;
    std::uint32_t ph1id = 0;
    std::vector<Phase1Proposal> proposals;
    Location where;
};

struct Phase2Encryption {
    const TransformInfo* transform = nullptr;
    std::uint16_t key_bits = 0;  // 0: fixed
};

/// One side of a sainfo. unset net: anonymous.
struct SaInfoSide {
    std::optional<Selector> selector;
    std::uint8_t protocol = 0;
};

struct SaInfo {
    SaInfoSide local, remote;
    std::uint32_t remoteid = 0;
    std::optional<IdentitySpec> from;
    const GroupInfo* pfs_group = nullptr;
    seconds lifetime{28800};
    std::vector<Phase2Encryption> encryption;
    std::vector<const TransformInfo*> integrity;
    std::vector<const TransformInfo*> compression;
    Location where;
};

/// Retransmission. Without a `timer` block: 9 sends within 50 s with back-off; with one, `counter`
/// sends `interval` apart.
struct Timer {
    bool given = false;
    unsigned counter = 5;
    seconds interval{10};
    unsigned persend = 1;
    seconds phase1{30};
    seconds phase2{30};
    seconds natt_keepalive{20};
};

struct Padding {
    bool randomize = true;
    bool randomize_length = false;
    std::uint8_t maximum_length = 20;
    bool exclusive_tail = true;
    bool strict_check = false;
};

struct AdminSocket {
    bool disabled = false;
    std::string path;  // empty: the compiled default
    std::string owner, group;
    unsigned mode = 0600;
};

struct Listen {
    std::vector<Endpoint> isakmp;  // empty: every local address
    std::vector<Endpoint> isakmp_natt;
    bool strict_address = false;
    AdminSocket adminsock;
};

struct Privsep {
    std::optional<std::string> user, group;  // name or number
    std::optional<std::string> chroot;
};

enum class Direction : std::uint8_t { In = 1, Out = 2, Forward = 3 };
enum class PolicyAction : std::uint8_t { None = 0, Ipsec = 1, Discard = 2 };
enum class Level : std::uint8_t { Default = 0, Use = 1, Require = 2, Unique = 3 };

struct PolicyTemplate {
    std::uint8_t protocol = 50;  // 50 esp, 51 ah, 108 ipcomp
    bool tunnel = true;
    Level level = Level::Require;
    ReqId reqid;                 // of `unique:N`, else given by assign_policy_ids()
    bool reqid_written = false;  // it is the N of `unique:N`
    IpAddr local, remote;        // tunnel endpoints; family None in transport mode
};

/// An spdadd line. The selector is seen from this host for every direction: local is the source of
/// an `out` policy and the destination of an `in` policy.
struct Policy {
    PolicyId id;
    Direction direction = Direction::Out;
    PolicyAction action = PolicyAction::Ipsec;
    std::int32_t priority = 0;
    TrafficSelector selector;
    std::vector<PolicyTemplate> templates;
    bool copied = false;  // a `fwd` policy that was not written but follows from an `in` policy
    Location where;
};

/// A value of a module's own key, unparsed: the manifest's schema decides.
struct ModuleValue {
    std::string text;  // words joined by a space; quotes removed
    Location where;
};
struct ModuleBlock {
    std::string name;
    bool optional = false;
    bool isolate = false;
    std::string sha256;  // hex; empty: not pinned
    std::map<std::string, ModuleValue, std::less<>> values;
    Location where;
};

struct Config {
    std::string file;
    std::map<std::string, std::string, std::less<>> paths;  // `path KIND "…"`
    std::vector<ModuleBlock> modules;                       // empty: those that are "standard"
    std::string kernel = "auto";
    std::optional<std::uint8_t> log_level;  // log::Level
    Timer timer;
    Padding padding;
    Listen listen;
    std::optional<Privsep> privsep;
    std::vector<Remote> remotes;  // in file order; never changes, so pointers into it are stable
    std::vector<SaInfo> sainfos;
    std::vector<Policy> policies;
    std::uint32_t next_policy_id = 1;  // never used before by this configuration or an earlier one
    std::uint32_t next_reqid = 0x10000;  // beyond what `unique:N` is meant to name
};

using ConfigPtr = std::shared_ptr<const Config>;

}  // namespace racoon::conf
