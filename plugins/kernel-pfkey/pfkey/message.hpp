// One message of PF_KEY, as values. Building and reading it are each other's reverse, in any dialect:
//
//     Message m;
//     m.type = kGetSpi; m.satype = kSaEsp; m.src = …;
//     send(encode(m, native_dialect()));
//     if (auto got = decode(bytes, native_dialect())) …
//
// Reading trusts nothing: each extension is taken only as far as its length, one that is not known is
// skipped and noted, and one that is malformed makes the message invalid.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <racoon/plugin/base.h>

#include "pfkey/dialect.hpp"
#include "pfkey/wire.hpp"

namespace racoon::pfkey {

using ByteView = std::span<const std::uint8_t>;

struct Sa {
    std::uint32_t spi = 0;  // host order
    std::uint8_t replay = 0, state = kMature, auth = 0, encrypt = 0;
    std::uint32_t flags = 0;
    std::uint16_t natt_port = 0;  // macOS only
    bool operator==(const Sa&) const = default;
};
struct Sa2 {
    std::uint8_t mode = kModeAny;
    std::uint32_t sequence = 0, reqid = 0;
    bool operator==(const Sa2&) const = default;
};
struct Lifetime {
    std::uint32_t allocations = 0;
    std::uint64_t bytes = 0, addtime = 0, usetime = 0;  // seconds; of `current`: since the epoch
    bool operator==(const Lifetime&) const = default;
};
struct Address {
    racoon_addr addr{};
    std::uint8_t proto = 0, prefix = 0;
};
struct Key {
    std::uint16_t bits = 0;
    std::vector<std::uint8_t> bytes;
    bool operator==(const Key&) const = default;
};
struct SpiRange {
    std::uint32_t min = 0, max = 0;  // host order
    bool operator==(const SpiRange&) const = default;
};
struct Request {  // sadb_x_ipsecrequest
    std::uint16_t proto = 50;
    std::uint8_t mode = kModeAny, level = kLevelDefault;
    std::uint32_t reqid = 0;
    racoon_addr src{}, dst{};  // family 0: none
};
struct Policy {
    std::uint16_t type = kPolicyIpsec;
    std::uint8_t dir = kDirAny;
    std::uint32_t id = 0, priority = 0;  // as the kernel counts: less is earlier
    std::vector<Request> requests;
};
struct Algorithm {  // of REGISTER's answer
    std::uint8_t id = 0, iv = 0;
    std::uint16_t min_bits = 0, max_bits = 0;
    bool operator==(const Algorithm&) const = default;
};
struct Combination {
    std::uint8_t auth = 0, encrypt = 0;
    std::uint16_t auth_min = 0, auth_max = 0, encrypt_min = 0, encrypt_max = 0;
    bool operator==(const Combination&) const = default;
};
struct Proposal {
    std::uint8_t replay = 0;
    std::vector<Combination> combinations;
    bool operator==(const Proposal&) const = default;
};
struct Label {
    std::uint8_t algorithm = 0, doi = 0;
    std::string text;
    bool operator==(const Label&) const = default;
};
struct KmAddress {
    racoon_addr local{}, remote{};
};

struct Message {
    std::uint8_t type = 0, error = 0, satype = kSaUnspec;
    std::uint32_t seq = 0, pid = 0;
    std::uint16_t reserved = 0;  // of a policy that Linux dumps: how often it is referred to

    std::optional<Sa> sa;
    std::optional<Sa2> sa2;
    std::optional<Lifetime> current, hard, soft;
    std::optional<Address> src, dst, proxy, oai, oar, new_src, new_dst;
    std::optional<Key> auth_key, encrypt_key;
    std::optional<SpiRange> range;
    std::vector<Policy> policies;  // of MIGRATE: the old and the new; else at most one
    std::optional<std::uint8_t> natt_type;
    std::optional<std::uint16_t> natt_sport, natt_dport, natt_frag;  // host order
    std::optional<std::uint32_t> replay;
    std::optional<Label> label;
    std::optional<KmAddress> km;
    std::optional<std::vector<Algorithm>> supported_auth, supported_encrypt;
    std::optional<Proposal> proposal;
    std::vector<std::uint16_t> skipped;  // extensions that are not known here

    const Policy* policy() const { return policies.empty() ? nullptr : &policies.front(); }
};

/// SADB_SATYPE_… of an IP protocol, and back; kSaUnspec and 0: there is none.
std::uint8_t satype_of(std::uint32_t protocol);
std::uint32_t protocol_of(std::uint8_t satype);

/// Overwrites the keys in it.
void wipe(Message& message);

/// What this system cannot say is left out. Keys are in the result: wipe it.
std::vector<std::uint8_t> encode(const Message& message, const Dialect& dialect);
/// One whole message. Nothing: malformed; `why`, where given, says how.
std::optional<Message> decode(ByteView bytes, const Dialect& dialect, std::string* why = nullptr);
/// The length of the message that these bytes begin with, 0: they begin none.
std::size_t message_length(ByteView bytes);

}  // namespace racoon::pfkey
