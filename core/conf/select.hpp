// Which `remote` and which `sainfo` serve an exchange. One index per Config, built once; look-ups
// cost the same with 10,000 sections as with ten.
//
//     SectionIndex index(*config);                          // config must outlive the index
//     RemoteQuery query{.peer = from.addr, .mode = ExchangeMode::Main};
//     auto candidates = index.candidates(query);            // first packet: none bound yet
//     …                                                     // offer checked against all of them
//     query.agreed = transform;                             // after the SA payload
//     RemoteChoice choice = index.choose(query);            // .remote, or .tied names the rivals
//     query.peer_id = PeerId{type, data};                   // after the ID payload: must be unique
//     const SaInfo* info = index.sainfo({.selector = policy, .ph1id = choice.remote->ph1id});
//
// Rules: every section that is not excluded gets a score, the highest wins, and two with the same
// highest score are a tie, which is no answer. There is no "first match wins" among remotes. A section
// for a net counts like one for an address, but among equal scores the longer prefix wins.
// Const after construction; any thread may look up.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "conf/config.hpp"

namespace racoon::conf {

/// An ID payload's type and identification data, without protocol and port. Borrowed.
struct PeerId {
    std::uint8_t type = 0;  // RFC 2407 4.6.2.1
    ByteView data;
};

/// Whether an ID payload is what an identity in the configuration asks for: equal type and equal
/// value over the whole length; a spec without a value accepts every value of its type.
bool matches(const IdentitySpec& spec, const PeerId& id);

/// The list of `peers_identifier`: any of them; an empty list accepts everything.
bool matches_any(const std::vector<IdentitySpec>& specs, const PeerId& id);

/// A phase 1 transform as it stands on the wire. Numbers are those of RFC 2409 appendix A.
struct Phase1Transform {
    std::uint16_t cipher = 0;
    std::uint16_t key_bits = 0;  // 0: no key length attribute
    std::uint16_t hash = 0;
    std::uint16_t auth = 0;
    std::uint16_t group = 0;
    std::optional<seconds> lifetime = {};  // unset: not sent, 28800 s is meant
    std::uint64_t kilobytes = 0;           // 0: none sent, which is no limit
};

/// The section's first proposal that accepts a peer's transform under the section's
/// proposal_check, else null: cipher, hash, method and group must be equal in every mode; the key
/// may not be shorter than ours nor the lifetime longer under strict and claim, both must be equal
/// under exact, and obey takes the peer's. Likewise an amount of data, where the peer names one; that it names none
/// counts under exact alone.
const Phase1Proposal* acceptable(const Remote& remote, const Phase1Transform& offered);
/// The same for one proposal.
bool acceptable(const Phase1Proposal& ours, ProposalCheck check, const Phase1Transform& offered);

/// A CERT-REQUEST payload. Borrowed.
struct CertificateRequest {
    std::uint8_t type = 0;  // RFC 2408 3.9; 4: X.509 for signatures
    ByteView issuer;        // a name in DER; empty: any
};

/// What is known of an exchange when its section is looked for. What is unset is not judged.
struct RemoteQuery {
    IpAddr peer;
    bool initiating = false;  // leaves out sections with `passive on`
    std::optional<ExchangeMode> mode = {};
    std::optional<Phase1Transform> agreed = {};
    std::optional<PeerId> peer_id = {};  // judged only by sections with verify_identifier on
    std::optional<CertificateRequest> request = {};  // excludes sections without such a certificate
};

/// Addresses that host names stand for at the moment.
using HostAddresses = std::map<std::string, std::vector<IpAddr>, std::less<>>;

struct RemoteChoice {
    const Remote* remote = nullptr;   // null: no section, or a tie
    std::vector<const Remote*> tied;  // two or more of equal rank; empty when there is no tie
    /// The section that would serve if this release did what it asks for.
    const Remote* refused = nullptr;
    /// "" when a remote was chosen; else why not, for the log: `no remote section for 192.0.2.1`,
    /// `remote sections "a" (racoon.conf:3:1) and "b" (racoon.conf:9:1) match 192.0.2.1 equally`,
    /// `racoon.conf:4:5: xauth_login: this release has no support for XAuth`.
    std::string problem;
};

/// What quick mode negotiates. `selector` is seen from this host.
struct SaInfoQuery {
    TrafficSelector selector;
    std::uint32_t ph1id = 0;             // of the remote in use
    std::optional<PeerId> peer_id = {};  // unset when initiating: `from` then matches anybody
    IpAddr client = {};  // the address given to the client, else the peer's; for `clientaddr`
    std::vector<std::string> groups = {};  // of the XAuth user
    // ID payloads that `selector` cannot express: texts and ranges. They replace its side.
    std::optional<PeerId> local_id = {}, remote_id = {};
};

class SectionIndex {
  public:
    /// `hosts`: what the sections' host names stand for; a section whose name is missing there is
    /// found by its own name only.
    explicit SectionIndex(const Config& config, const HostAddresses& hosts = {});
    ~SectionIndex();
    SectionIndex(SectionIndex&&) noexcept;
    SectionIndex& operator=(SectionIndex&&) noexcept;

    /// Every section that is not excluded, best rank first, file order within a rank.
    std::vector<const Remote*> candidates(const RemoteQuery& query) const;
    RemoteChoice choose(const RemoteQuery& query) const;
    /// By name ("hq", "192.0.2.1[500]", "anonymous"); null: no such section. Of equally named
    /// old-form sections the first.
    const Remote* named(std::string_view name) const;
    /// Whether a section is for this peer: its address, in its net, among the addresses of its host,
    /// or anybody.
    bool serves(const Remote& remote, const IpAddr& peer) const;

    /// The sainfo of highest weight (remoteid +3, from +3, explicit local +1, explicit remote +1),
    /// first in the file among equals, that fits; null: none. Nets are compared for equality, not
    /// for containment, and ports are not compared.
    const SaInfo* sainfo(const SaInfoQuery& query) const;

  private:
    struct Tables;
    std::unique_ptr<const Tables> tables_;
};

/// Whether an exchange of this section may go on from another address: the section serves it, and none that is
/// nearer to it does, as far as that can be said without the peer's identity (which is judged by sections with
/// verify_identifier, and may be why a farther one was chosen).
bool may_move_to(const SectionIndex& index, const Remote& section, const IpAddr& to,
                 ExchangeMode mode);

}  // namespace racoon::conf
