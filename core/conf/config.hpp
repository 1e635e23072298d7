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
#include <set>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/marks.hpp"
#include "base/net_addr.hpp"
#include "conf/catalog.hpp"
#include "conf/remote_access.hpp"

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
enum class Offer : std::uint8_t { Off, On, Force };  // nat_traversal, ike_frag
/// What becomes of a tunnel whose peer died or deleted it: its SAs and the policies made for it go; the
/// policies stay, so that the next packet asks for it; or it is negotiated again at once.
enum class PeerGone : std::uint8_t { Clear, Hold, Restart };
enum class GeneratePolicy : std::uint8_t { Off, Require, Unique };

/// `my_identifier`, `peers_identifier`. type: ID type of RFC 2407 4.6.2.1 (1 address, 2 fqdn, 3
/// user_fqdn, 9 asn1dn, 11 keyid); for addresses of either family 1.
struct IdentitySpec {
    std::uint8_t type = 1;
    std::optional<IpAddr> address;     // type 1; unset: the exchange's own address / any
    std::optional<std::string> value;  // other types; unset: any. asn1dn: the text as written
    Location where;
};

/// Something that a section asks for and this release does not do. Parsing goes well; whoever is
/// about to use the section refuses with text().
struct Unsupported {
    Location where;
    std::string message;                        // `xauth_login: this release has no XAuth`
    bool initiating = true, responding = true;  // in which roles it matters
    std::string text() const { return where.text() + ": " + message; }
};

enum class CertificateKind : std::uint8_t { X509, PlainRsa, Dnssec };

/// `certificate_type`. Names as written: relative ones are in `path certificate`.
struct OwnCertificate {
    CertificateKind kind = CertificateKind::X509;
    std::string certificate;  // X509 only
    std::string key;
    std::string issuer;  // DER, once somebody has read the file; for certificate requests
    Location where;
};
/// `peers_certfile`; no file for Dnssec.
struct PeersCertificate {
    CertificateKind kind = CertificateKind::X509;
    std::string file;
    Location where;
};

/// `script`: one file per hook, as written; relative ones are in `path script`. Empty: none.
struct Scripts {
    std::string phase1_up, phase1_down, phase1_dead;
};

struct Phase1Proposal {
    const CipherInfo* cipher = nullptr;
    std::uint16_t key_bits = 0;  // 0: fixed-length cipher
    const HashInfo* hash = nullptr;
    const AuthMethodInfo* auth = nullptr;
    const GroupInfo* group = nullptr;
    seconds lifetime{28800};
    std::uint64_t kilobytes = 0;        // of 1024 bytes; 0: no limit
    std::optional<std::string> gss_id;  // gssapi_krb; unset: "ike/" and the host's name
    Location where;
};

/// A proposal that no loaded module serves, as it was written. It is never offered; it is kept so that
/// what is printed is the whole configuration.
struct UnavailableProposal {
    std::size_t at = 0;  // how many of `proposals` stand before it
    std::string encryption, hash, method, group;
    seconds lifetime{28800};
    std::uint64_t kilobytes = 0;
    std::optional<std::string> gss_id;
};
/// Likewise an algorithm of a sainfo's list.
struct UnavailableAlgorithm {
    std::size_t at = 0;
    std::string text;
};

struct Dpd {
    bool enabled = true;  // announce and answer
    seconds delay{0};     // 0: never probe
    seconds retry{5};
    unsigned max_fail = 5;
};

enum class Warning : std::uint8_t;  // conf/warnings.hpp

/// A line of a section's `warnings` block. It changes what is told about the file and nothing else.
struct WarningChoice {
    Warning warning{};
    bool told = false;
};

struct Remote {
    std::string name;  // of a named section, else the address as "192.0.2.1[500]", the net as
                       // "192.0.2.0/24[500]", the host as "vpn.example.org[500]", or "anonymous"
    // Whom it is for: at most one is set, none for an anonymous section.
    std::optional<Endpoint> address;
    std::optional<Prefix> net;  // every peer in it
    std::string host;           // a name that is still to be resolved
    std::uint16_t port = 500;   // of address, net or host
    bool anonymous() const { return !address && !net && host.empty(); }

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
    PeerGone dpd_action = PeerGone::Clear, close_action = PeerGone::Clear;
    std::uint32_t ph1id = 0;
    std::vector<Phase1Proposal> proposals;
    std::vector<UnavailableProposal> unavailable;

    bool start = false;  // bring its tunnels up at once, and again when they are lost
    Offer nat_traversal = Offer::Off;
    Offer ike_frag = Offer::Off;
    std::uint16_t esp_frag = 0;  // bytes; 0: whole packets
    std::optional<OwnCertificate> certificate;
    std::vector<PeersCertificate> peers_certificates;
    std::string ca_file;  // besides those in `path certificate`; empty: none
    bool verify_cert = true;
    bool send_cert = true;
    bool send_cr = true;
    bool match_empty_cr = false;
    std::string xauth_login;  // empty: none
    bool mode_cfg = false;
    GeneratePolicy generate_policy = GeneratePolicy::Off;
    Scripts scripts;
    bool weak_phase1_check = false;       // kept for what is printed; it has no effect
    std::vector<WarningChoice> warnings;  // of its own block, one for each name; never inherited

    std::vector<Unsupported> unsupported;
    Location where;
};

struct Phase2Encryption {
    const TransformInfo* transform = nullptr;
    std::uint16_t key_bits = 0;  // 0: fixed
};

/// A phase 2 identity that is compared as it stands in the ID payload.
struct LiteralId {
    std::uint8_t type = 2;  // 2 fqdn, 3 user_fqdn, 11 keyid, 7 and 8 address ranges
    std::string data;       // of a range: both addresses, in network order
    friend auto operator<=>(const LiteralId&, const LiteralId&) = default;
};

/// One side of a sainfo. Nothing set: anonymous.
struct SaInfoSide {
    std::optional<Selector> selector;  // an address or a net
    std::optional<LiteralId> literal;  // a text or a range
    bool clientaddr = false;  // the address given to the client, or else the peer's; remote only
    std::uint8_t protocol = 0;
    bool anonymous() const { return !selector && !literal && !clientaddr; }
};

struct SaInfo {
    SaInfoSide local, remote;
    std::uint32_t remoteid = 0;
    std::optional<IdentitySpec> from;  // only peers of this identity
    std::string group;                 // only XAuth users in it; empty: everybody
    const GroupInfo* pfs_group = nullptr;
    seconds lifetime{28800};
    std::uint64_t kilobytes = 0;  // of 1024 bytes; 0: no limit
    bool esn = false;             // offer extended sequence numbers where the backend has them
    Marks marks;                  // of its policies that say none themselves, and of their SAs
    Location marks_where;
    std::vector<Phase2Encryption> encryption;
    std::vector<const TransformInfo*> integrity;
    std::vector<const TransformInfo*> compression;
    std::vector<UnavailableAlgorithm> no_encryption, no_integrity, no_compression;
    std::string no_pfs_group;
    std::vector<WarningChoice> warnings;
    std::vector<Unsupported> unsupported;
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

struct ListenAddress : Endpoint {
    ListenAddress(const Endpoint& endpoint, Location place = {})
        : Endpoint(endpoint), where(std::move(place)) {}
    Location where;
};

struct Listen {
    std::vector<ListenAddress> isakmp;  // empty: every local address
    std::vector<ListenAddress> isakmp_natt;
    bool strict_address = false;
    AdminSocket adminsock;
};

struct Privsep {
    std::optional<std::string> user, group;  // name or number
    std::optional<std::string> chroot;
};

enum class GssIdEncoding : std::uint8_t { Utf16Le, Latin1 };

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
    /// Of a policy that others installed: what their inbound policy asks for, where that is another number.
    std::optional<ReqId> reqid_in = {};
    ReqId reqid_of(bool inbound) const { return inbound ? reqid_in.value_or(reqid) : reqid; }
};

/// An spdadd line. The selector is seen from this host for every direction: local is the source of
/// an `out` policy and the destination of an `in` policy.
struct Policy {
    PolicyId id;
    Direction direction = Direction::Out;
    PolicyAction action = PolicyAction::Ipsec;
    std::int32_t priority = 0;
    TrafficSelector selector;
    Marks marks;  // its own, or those of its sainfo; output_mark: of an `out` policy only
    std::vector<PolicyTemplate> templates;
    /// Of a policy made for a peer: whether it wrote each protocol's own mode; else the configuration says.
    std::optional<bool> complex_bundle = {};
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
    std::map<std::string, Location, std::less<>> path_places;
    std::set<std::string, std::less<>> silenced;  // names of warnings that nobody wants to be told
    std::vector<ModuleBlock> modules;             // empty: those that are "standard"
    std::string kernel = "auto";
    std::optional<std::uint8_t> log_level;  // log::Level
    Timer timer;
    Padding padding;
    Listen listen;
    std::optional<Privsep> privsep;
    bool complex_bundle = true;      // each protocol of a bundle in the mode of its own rule
    std::uint32_t pfkey_buffer = 0;  // KiB; 0: the backend's own choice
    Location pfkey_buffer_where;
    GssIdEncoding gss_id_enc = GssIdEncoding::Utf16Le;
    std::optional<ModeCfg> mode_cfg;
    std::optional<RadiusCfg> radius;  // unset: the library's own file
    std::optional<LdapCfg> ldap;
    std::vector<const NattInfo*> natt;  // dialects of NAT traversal, the preferred first
    std::vector<Remote> remotes;  // in file order; never changes, so pointers into it are stable
    std::vector<SaInfo> sainfos;
    std::vector<Policy> policies;
    std::uint32_t next_policy_id = 1;  // never used before by this configuration or an earlier one
    std::uint32_t next_reqid = 0x10000;    // beyond what `unique:N` is meant to name
    std::vector<const GroupInfo*> groups;  // that are loaded, named here or not
};

using ConfigPtr = std::shared_ptr<const Config>;

}  // namespace racoon::conf
