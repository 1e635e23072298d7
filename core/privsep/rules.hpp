// Rules: what the keeper lets an engine ask for. The engine parses packets from anywhere; should
// somebody take it over, it must get neither a way around the configured policies nor an oracle for
// pre-shared keys.
//
//     Book book(config, generation);                      // the keeper's own parse
//     RACOON_TRY(const conf::Remote* section, book.check_open(request));
//     RACOON_TRY_STATUS(book.check_spi_get(request, use));
//
// Every refusal of what an honest engine would not ask is Errc::Denied, and its text says what was asked
// and what the configuration says.
// Const after construction.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include "conf/config.hpp"
#include "conf/select.hpp"
#include "exchange/operations.hpp"

namespace racoon::privsep {

/// A phase 1 as the keeper knows it.
struct Phase1Facts {
    const conf::Remote* section = nullptr;
    bool initiator = false;
    std::uint8_t exchange_type = 2;
    Endpoint local, peer;
    std::optional<IpAddr> began = {};  // where the peer was first, if it has moved
};

class Book {
  public:
    /// `hosts`: what the host names in it stand for.
    Book(conf::ConfigPtr config, std::uint32_t generation, const conf::HostAddresses& hosts = {});

    const conf::Config& config() const { return *config_; }
    const conf::ConfigPtr& config_ptr() const { return config_; }
    std::uint32_t generation() const { return generation_; }
    /// Null: no such section.
    const conf::Remote* remote(std::string_view name) const { return index_.named(name); }
    /// Null: no such policy.
    const conf::Policy* policy(PolicyId id) const;
    /// A section with which we may begin negotiations is for this peer.
    bool may_initiate_to(const IpAddr& peer) const;

    /// The section exists, is for this peer and knows this exchange.
    Result<const conf::Remote*> check_open(const exchange::Phase1Open& request) const;
    /// A peer behind a NAT goes on from another address: the section is for it too, no other one is nearer to
    /// it, and no policy, nor one of `foreign`, names it as its peer, unless the phase 1 began there.
    Result<const conf::Remote*> check_move(const Endpoint& peer, const Phase1Facts& phase1,
                                           std::span<const conf::Policy* const> foreign = {}) const;
    /// A phase 1 of an earlier configuration may go on under this section.
    Result<const conf::Remote*> check_rebind(const std::string& section,
                                             const Phase1Facts& phase1) const;
    /// The input is SKEYID's: a peer nonce of 8 to 256 bytes (RFC 2409 5), a hash of one of the
    /// section's pre-shared key proposals, an identity where the exchange has one, which the
    /// section accepts.
    static Status check_skeyid(const exchange::Phase1Skeyid& request, const Phase1Facts& phase1);
    /// The section makes policies, and this one is no wider than it may be: the peer's side is one host,
    /// outside of our own nets and of those that a configured policy has, or what a sainfo names; our
    /// side lies in one of `local_nets`, or is what a sainfo names; a tunnel is between the ends of the
    /// phase 1, and without one the traffic is theirs. `foreign`: policies that others have in the kernel,
    /// whose nets belong to them just so.
    Status check_policy_make(const exchange::PolicyMake& request, const Phase1Facts& phase1,
                             std::span<const Prefix> local_nets,
                             std::span<const conf::Policy* const> foreign = {}) const;
    /// Policy, template, addresses and the phase 1's peer belong together. `made`: the policy, if it is
    /// none of the configuration's: made for the peer, or installed by others.
    Status check_spi_get(const exchange::SpiGet& request, const Phase1Facts& phase1,
                         const conf::Policy* made = nullptr) const;
    /// The same for an SA, and its selector lies within the policy's, and a sainfo for it names its
    /// algorithms, with keys of their lengths. That an inbound SPI is ours is the caller's to
    /// check.
    Status check_sa_install(const exchange::SaInstall& request, const Phase1Facts& phase1,
                            const conf::Policy* made = nullptr) const;

  private:
    Result<const conf::Remote*> section_for(const std::string& name, const IpAddr& peer,
                                            std::uint8_t exchange_type, bool bound) const;
    struct Place {  // what both kinds of request say about an SA
        PolicyId policy;
        std::uint8_t protocol;
        bool tunnel;
        ReqId reqid;
        bool inbound;
        const IpAddr& local;
        const IpAddr& peer;
    };
    Result<const conf::Policy*> check_place(const Place& place, const Phase1Facts& phase1,
                                            const conf::Policy* made) const;
    bool may_serve(const conf::SaInfo& info, const Phase1Facts& phase1) const;
    Status check_algorithms(const exchange::SaInstall& request, const Phase1Facts& phase1,
                            const TrafficSelector& of_policy) const;

    conf::ConfigPtr config_;
    std::uint32_t generation_;
    conf::SectionIndex index_;
    std::unordered_map<std::uint32_t, const conf::Policy*> policies_;
};

/// The outbound policy that a request asks for, without number and reqid.
conf::Policy policy_of(const exchange::PolicyMake& request, const Phase1Facts& phase1);

}  // namespace racoon::privsep
