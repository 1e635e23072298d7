// What one command of setkey says, as the parser hands it on. Nothing here is of a kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "conf/policy_reader.hpp"
#include "setkey/algorithms.hpp"

namespace racoon::setkey {

enum class Verb : std::uint8_t {
    Add,
    Update,
    Get,
    GetSpi,
    Delete,
    DeleteAll,
    Flush,
    Dump,
    SpdAdd,
    SpdUpdate,
    SpdDelete,
    SpdFlush,
    SpdDump,
    Exit
};

/// Any is for flush and dump. The old forms are RFC 1826 and 1827.
enum class SaProtocol : std::uint8_t { Any, Esp, EspOld, EspUdp, Ah, AhOld, IpComp, Tcp };
enum class Mode : std::uint8_t { Any, Transport, Tunnel };

/// -ctx DOI ALGORITHM "LABEL"
struct SecurityLabel {
    std::uint8_t doi = 0;
    std::uint8_t algorithm = 0;
    std::string label;
};

/// What add says of an SA beyond its name.
struct SaSettings {
    Mode mode = Mode::Any;
    std::uint8_t replay = 0;
    std::uint32_t reqid = 0;
    std::uint32_t flags = 0x40;  // SADB_X_EXT_…; CYCSEQ unless nocyclic-seq
    std::uint64_t hard_seconds = 0, soft_seconds = 0, hard_bytes = 0, soft_bytes = 0;  // 0: none
    const Algorithm* encryption = nullptr;
    const Algorithm* authentication = nullptr;
    const Algorithm* compression = nullptr;
    Bytes encryption_key, authentication_key;
    std::optional<SecurityLabel> label;
};

struct Command {
    Verb verb = Verb::Exit;
    conf::Span where;

    // SAs. A name may stand for several addresses: every pair of one family is meant.
    conf::PolicyEnd src, dst;
    SaProtocol protocol = SaProtocol::Any;
    std::optional<IpAddr> original_address;  // of esp-udp
    std::uint32_t spi = 0;
    SaSettings sa;

    // Policies: src and dst with their prefix, and:
    std::optional<std::string> tag;  // instead of addresses
    conf::PolicyUpper upper;
    conf::WrittenPolicy policy;
    std::optional<SecurityLabel> label;
};

/// Flags of sadb_sa, as KAME numbers them.
inline constexpr std::uint32_t kFlagOld = 0x0001, kFlagCyclic = 0x0040, kFlagRawCpi = 0x0080,
                               kFlagRandomPad = 0x0100, kFlagZeroPad = 0x0200;

}  // namespace racoon::setkey
