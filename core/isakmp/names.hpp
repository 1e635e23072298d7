// Numbers as text for logs: "NO-PROPOSAL-CHOSEN", or "77" where no name is known.
#pragma once

#include <string>

#include "isakmp/wire.hpp"

namespace racoon::isakmp {

std::string name(PayloadType v);
std::string name(ExchangeType v);
std::string name(ProtocolId v);
std::string name(NotifyType v);
std::string name(IdType v);
std::string name(CertEncoding v);
std::string name(Phase1Attribute v);
std::string name(Phase2Attribute v);
std::string name(Encryption v);
std::string name(HashAlgorithm v);
std::string name(AuthMethod v);
std::string name(DhGroup v);
std::string name(LifeType v);
std::string name(EspTransform v);
std::string name(AhTransform v);
std::string name(IpcompTransform v);
std::string name(Encapsulation v);
std::string name(Integrity v);
std::string name(ConfigMessage v);
/// The transform of a phase 2 proposal, whose numbers depend on the protocol.
std::string transform_name(ProtocolId protocol, std::uint8_t transform);
/// "E", "E|C", "none"; unknown bits in hexadecimal.
std::string flags_text(std::uint8_t flags);

/// Whether IKEv1 or a draft that we read defines this payload type.
bool is_known(PayloadType type);

}  // namespace racoon::isakmp
