// Context: what every exchange of one engine shares. Time is set at each entry into the engine and
// stands still until it returns.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/clock.hpp"
#include "conf/config.hpp"
#include "conf/select.hpp"
#include "exchange/engine.hpp"
#include "exchange/keyed_hash.hpp"
#include "exchange/op_table.hpp"
#include "exchange/policy_match.hpp"
#include "exchange/timers.hpp"

namespace racoon::exchange {

/// Diffie-Hellman groups by number that a peer may ask for: those that the configuration names, and others that
/// are loaded unless there is something to say against them.
using GroupMap = std::unordered_map<std::uint16_t, const conf::GroupInfo*>;

/// What is made of a configuration alone, and of where its hosts' names point.
struct Sections {
    Sections(const conf::Config& config, const conf::HostAddresses& hosts);
    conf::SectionIndex index;
    GroupMap groups;
};

/// A configuration with the indices that search it; SAs keep theirs alive.
struct Settings {
    Settings(conf::ConfigPtr c, std::uint32_t g, const conf::HostAddresses& hosts = {},
             ForeignPolicies foreign = {});
    /// The same with other policies of others, which come and go often: all else is shared.
    Settings(const Settings& before, ForeignPolicies foreign);
    Settings(const Settings&) = delete;
    Settings& operator=(const Settings&) = delete;

    conf::ConfigPtr config;
    std::shared_ptr<const Sections> sections;
    const conf::SectionIndex& index;
    const GroupMap& groups;
    PolicyIndex policies;
    std::uint32_t generation;
};
using SettingsPtr = std::shared_ptr<const Settings>;

/// So many times in a second, and then no more: for log lines and answers to strangers.
class RateLimit {
  public:
    explicit RateLimit(unsigned per_second) : limit_(per_second) {}
    bool allow(TimePoint now) {
        if (now - window_ >= std::chrono::seconds(1)) {
            window_ = now;
            used_ = 0;
        }
        if (used_ >= limit_) return false;
        ++used_;
        return true;
    }

  private:
    unsigned limit_;
    unsigned used_ = 0;
    TimePoint window_{};
};

/// What was said once need not be said again for a repeated message. Bounded: the oldest is forgotten.
class Lately {
  public:
    /// True the first time within kSpan.
    bool first(std::uint64_t what, TimePoint now) {
        for (const auto& [seen, when] : seen_)
            if (seen == what && when + kSpan > now) return false;
        seen_[next_++ % seen_.size()] = {what, now};
        return true;
    }

  private:
    static constexpr Duration kSpan = std::chrono::minutes(2);
    std::array<std::pair<std::uint64_t, TimePoint>, 128> seen_{};
    std::size_t next_ = 0;
};

struct Context {
    Context(SettingsPtr s, Output& o);

    SettingsPtr settings;
    Output& output;
    TimePoint now{};
    Timers timers;
    KeyedHash hash;
    OpTable ops;
    KernelCapabilities caps;
    bool caps_known = false;
    std::vector<Endpoint> natt_endpoints;  // our sockets that take the non-ESP marker
    RateLimit noise{10};                   // log lines about datagrams of strangers
    RateLimit refusals{10};                // unauthenticated notifies
    RateLimit mappings{10};                // log lines about NATs that changed their mind
    RateLimit vendor_ids{20};              // log lines about those of strangers
    Lately refused;                        // exchanges whose refusal stands in the log

    bool can(std::uint64_t flag) const { return !caps_known || (caps.flags & flag) != 0; }
    /// Whether the backend has an algorithm, in ESP (50) or AH (51).
    bool can(const conf::TransformInfo& transform, std::uint8_t protocol) const;
    /// Whether our socket there takes the non-ESP marker.
    bool on_natt_port(const Endpoint& local) const;
    Bytes random_bytes(std::size_t n);
    std::uint32_t random_u32();
    /// A cookie that is not zero.
    Cookie random_cookie();
    void event(std::uint32_t code, const Endpoint& local, const Endpoint& remote,
               std::string text = {});
};

// Codes of reference 3.4.
inline constexpr std::uint32_t kEventPhase1Established = 0x0100;
inline constexpr std::uint32_t kEventPhase1Deleted = 0x0101;
inline constexpr std::uint32_t kEventPhase1NoResponse = 0x0102;
inline constexpr std::uint32_t kEventPhase1NoProposal = 0x0103;
inline constexpr std::uint32_t kEventPhase1AuthFailed = 0x0104;
inline constexpr std::uint32_t kEventPhase1Dead = 0x0105;
inline constexpr std::uint32_t kEventPhase1PeerDeleted = 0x0106;
inline constexpr std::uint32_t kEventPhase1ModeConfig = 0x0107;
inline constexpr std::uint32_t kEventPhase2NoPhase1 = 0x0200;
inline constexpr std::uint32_t kEventPhase2Established = 0x0201;
inline constexpr std::uint32_t kEventPhase2Deleted = 0x0202;
inline constexpr std::uint32_t kEventPhase2NoResponse = 0x0203;

}  // namespace racoon::exchange
