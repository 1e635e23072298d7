// The messages between the keeper's side of this module and its data process. Each is one frame of
// racoon.proc/1: a type, a number that the reply repeats (0: none wanted), and the fields in order.
// Both sides take the other's bytes as untrusted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <racoon/plugin/kernel.h>

#include "bytes.hpp"

namespace racoon::kernel_userspace {

enum class Message : std::uint8_t {
    // to the data process
    SaSet = 1,     // racoon_kernel_sa; replaces none: the keeper knows that there is none
    SaDelete,      // SaName
    SaQuery,       // SaName; the reply's body is SaFacts
    PolicySet,     // racoon_kernel_policy
    PolicyDelete,  // id
    AcquireDone,   // token, 1 if the SAs are there
    SaMove,        // SaName, the peer with its new port
    Settings,      // PathSettings
    PolicyUpdate,  // id of the one that goes, racoon_kernel_policy
    SaFlush,       // protocol; 0: all
    PolicyQuery,   // id; the reply's body is how long ago a packet met it
    // to the keeper
    Reply = 128,  // status, then a body or an error text
    Event,        // racoon_kernel_event
    Log,          // level, text
    Ready,        // uid, 1 if it holds no capability
};

struct SaName {
    racoon_addr dst{};
    std::uint32_t protocol = 0;
    std::uint32_t spi = 0;
};

struct SaFacts {
    std::uint32_t state = 1;
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
    std::int64_t idle_ns = -1;
    std::uint32_t replay_window = 0;
};

/// How packets that are too long for the way are dealt with.
struct PathSettings {
    std::uint32_t device_mtu = 1380;
    bool copy_df =
        true;  // RFC 4301 8.1: a packet that may not be fragmented is not in its tunnel either
};

struct Frame {
    Message type{};
    std::uint32_t number = 0;
    ByteView body;
};
/// Nothing: shorter than a head. The type may be one that the reader does not know.
std::optional<Frame> parse_frame(ByteView bytes);

/// A writer with the head in it.
Writer begin_frame(Message type, std::uint32_t number);

void write_sa(Writer& out, const racoon_kernel_sa& sa);
std::optional<racoon_kernel_sa> read_sa(ByteView body);
void write_policy(Writer& out, const racoon_kernel_policy& policy);
std::optional<racoon_kernel_policy> read_policy(ByteView body);
void write_name(Writer& out, const SaName& name);
std::optional<SaName> read_name(ByteView body);
void write_move(Writer& out, const SaName& name, const racoon_addr& peer);
struct SaNewPeer {
    SaName name;
    racoon_addr peer{};
};
std::optional<SaNewPeer> read_move(ByteView body);
void write_settings(Writer& out, const PathSettings& settings);
std::optional<PathSettings> read_settings(ByteView body);
void write_facts(Writer& out, const SaFacts& facts);
std::optional<SaFacts> read_facts(ByteView body);
/// -1: never.
void write_idle(Writer& out, std::int64_t idle_ns);
std::optional<std::int64_t> read_idle(ByteView body);
void write_event(Writer& out, const racoon_kernel_event& event);
std::optional<racoon_kernel_event> read_event(ByteView body);

}  // namespace racoon::kernel_userspace
