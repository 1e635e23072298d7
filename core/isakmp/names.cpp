#include "isakmp/names.hpp"

#include "base/bytes.hpp"

namespace racoon::isakmp {

namespace {

template <typename Enum>
std::string number_text(Enum v) {
    return std::to_string(static_cast<unsigned>(v));
}

}  // namespace

// Two enumerators never share a number, so the table is a switch: the compiler checks that.
#define RACOON_NAME_CASE(enumerator, number, text) \
    case number:                                   \
        return text;

std::string name(PayloadType v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_PAYLOAD_TYPE RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(ExchangeType v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_EXCHANGE_TYPE RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(ProtocolId v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_PROTOCOL_ID RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(NotifyType v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_NOTIFY_TYPE RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(IdType v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_ID_TYPE RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(CertEncoding v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_CERT_ENCODING RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(Phase1Attribute v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_PHASE1_ATTRIBUTE RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(Phase2Attribute v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_PHASE2_ATTRIBUTE RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(Encryption v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_ENCRYPTION RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(HashAlgorithm v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_HASH_ALGORITHM RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(AuthMethod v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_AUTH_METHOD RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(DhGroup v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_DH_GROUP RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(LifeType v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_LIFE_TYPE RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(EspTransform v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_ESP_TRANSFORM RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(AhTransform v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_AH_TRANSFORM RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(IpcompTransform v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_IPCOMP_TRANSFORM RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(Encapsulation v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_ENCAPSULATION RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(Integrity v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_INTEGRITY RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string name(ConfigMessage v) {
    switch (static_cast<unsigned>(v)) {
#define RACOON_CONFIG_MESSAGE RACOON_NAME_CASE
#include "isakmp/numbers.def"
    }
    return number_text(v);
}

std::string transform_name(ProtocolId protocol, std::uint8_t transform) {
    switch (protocol) {
        case ProtocolId::Isakmp:
            return transform == kTransformKeyIke ? "KEY_IKE" : std::to_string(transform);
        case ProtocolId::Ah:
            return name(static_cast<AhTransform>(transform));
        case ProtocolId::Esp:
            return name(static_cast<EspTransform>(transform));
        case ProtocolId::Ipcomp:
            return name(static_cast<IpcompTransform>(transform));
        case ProtocolId::None:
            break;
    }
    return std::to_string(transform);
}

std::string flags_text(std::uint8_t flags) {
    if (flags == 0) return "none";
    std::string out;
    const auto add = [&out](std::string_view text) {
        if (!out.empty()) out += '|';
        out += text;
    };
    if (flags & kFlagEncryption) add("E");
    if (flags & kFlagCommit) add("C");
    if (flags & kFlagAuthenticationOnly) add("A");
    const std::uint8_t unknown = static_cast<std::uint8_t>(flags & ~kFlagsKnown);
    if (unknown != 0) add("0x" + to_hex(ByteView(&unknown, 1)));
    return out;
}

bool is_known(PayloadType type) {
    switch (static_cast<unsigned>(type)) {
#define RACOON_PAYLOAD_TYPE(enumerator, number, text) case number:
#include "isakmp/numbers.def"
        return type != PayloadType::None;
    }
    return false;
}

}  // namespace racoon::isakmp
