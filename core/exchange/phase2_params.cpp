#include "exchange/phase2_params.hpp"

#include <racoon/plugin.h>

namespace racoon::exchange {

using isakmp::ProtocolId;

std::size_t SaParams::encryption_key_bytes() const {
    return encryption == nullptr ? 0 : key_bits / 8u + encryption->salt_bytes;
}
std::size_t SaParams::integrity_key_bytes() const {
    return integrity == nullptr ? 0 : std::size_t{integrity->key_bytes} + integrity->salt_bytes;
}

const SaParams* Phase2Params::inbound(std::uint8_t protocol, Spi spi) const {
    for (const SaParams& sa : sas)
        if (sa.protocol == protocol && sa.spi_in == spi) return &sa;
    return nullptr;
}
const SaParams* Phase2Params::outbound(std::uint8_t protocol, Spi spi) const {
    for (const SaParams& sa : sas)
        if (sa.protocol == protocol && sa.spi_out == spi) return &sa;
    return nullptr;
}

ProtocolId wire_protocol(std::uint8_t p) {
    return p == RACOON_IPPROTO_AH     ? ProtocolId::Ah
           : p == RACOON_IPPROTO_COMP ? ProtocolId::Ipcomp
                                      : ProtocolId::Esp;
}

std::uint8_t ip_protocol(ProtocolId p) {
    switch (p) {
        case ProtocolId::Ah:
            return RACOON_IPPROTO_AH;
        case ProtocolId::Esp:
            return RACOON_IPPROTO_ESP;
        case ProtocolId::Ipcomp:
            return RACOON_IPPROTO_COMP;
        default:
            return 0;
    }
}

std::string protocol_text(std::uint8_t p) {
    return p == RACOON_IPPROTO_AH ? "AH" : p == RACOON_IPPROTO_COMP ? "IPCOMP" : "ESP";
}

}  // namespace racoon::exchange
