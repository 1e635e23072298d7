// What a quick mode agrees on: for each protocol of its bundle an SA in each direction, and what they have
// in common.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "conf/config.hpp"
#include "isakmp/wire.hpp"

namespace racoon::exchange {

/// One protocol of a bundle.
struct SaParams {
    std::uint8_t protocol = 50;  // IP protocol: 50 ESP, 51 AH, 108 IPComp
    bool tunnel = true;          // as the policy's template has it
    ReqId reqid, reqid_in;       // of the outbound and of the inbound SA
    Spi spi_in, spi_out;         // each chosen by its receiver; a CPI of IPComp
    const conf::TransformInfo* encryption = nullptr;  // ESP
    std::uint16_t key_bits = 0;
    const conf::TransformInfo* integrity = nullptr;    // null: aead, IPComp, or none
    const conf::TransformInfo* compression = nullptr;  // IPComp
    bool esn = false;

    /// Bytes of KEYMAT for the encryption (with an aead's salt) and for the integrity algorithm.
    std::size_t encryption_key_bytes() const;
    std::size_t integrity_key_bytes() const;
};

struct Phase2Params {
    std::vector<SaParams> sas;  // in the order of the policy's templates: the innermost first
    const conf::GroupInfo* pfs = nullptr;
    std::uint64_t seconds = 0;    // 0: none
    std::uint64_t kilobytes = 0;  // 0: none
    // RESPONDER-LIFETIME is owed to the peer (claim), of its time or its volume
    bool send_lifetime = false, send_kilobytes = false;

    /// Null: there is no SA with this SPI in that direction.
    const SaParams* inbound(std::uint8_t protocol, Spi spi) const;
    const SaParams* outbound(std::uint8_t protocol, Spi spi) const;
};

isakmp::ProtocolId wire_protocol(std::uint8_t ip_protocol);
std::uint8_t ip_protocol(isakmp::ProtocolId p);
/// "ESP", "AH", "IPCOMP".
std::string protocol_text(std::uint8_t ip_protocol);

}  // namespace racoon::exchange
