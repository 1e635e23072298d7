#include "isakmp/transform.hpp"

#include <algorithm>
#include <array>

#include "isakmp/names.hpp"
#include "isakmp/proposal.hpp"

namespace racoon::isakmp {

namespace {

constexpr std::size_t kMaxGssName = 1024;

template <typename Class>
Error refuse(Class type, const Attribute& a, std::string_view why) {
    return Error(Errc::Malformed, "attribute " + name(type) + " " + std::string(why)).at(a.offset);
}

/// A number of at most 16 bits: algorithms, lengths and groups all are.
template <typename Class>
Result<std::uint16_t> small_number(Class type, const Attribute& a) {
    RACOON_TRY(const std::uint64_t v, a.number());
    if (v > 0xffff) return fail(refuse(type, a, "is larger than 65535"));
    return static_cast<std::uint16_t>(v);
}

/// Life type and duration come in pairs, type first (RFC 2409 appendix A).
template <typename Class>
class LifetimeReader {
  public:
    Status type(Class which, const Attribute& a) {
        if (pending_ != LifeType::None)
            return fail(refuse(which, a, "follows another one without a duration between them"));
        RACOON_TRY(const std::uint16_t v, small_number(which, a));
        pending_ = static_cast<LifeType>(v);
        if (pending_ != LifeType::Seconds && pending_ != LifeType::Kilobytes)
            return fail(
                refuse(which, a, "is " + name(pending_) + ", expected seconds or kilobytes"));
        return ok();
    }

    Status duration(Class which, const Attribute& a) {
        if (pending_ == LifeType::None) return fail(refuse(which, a, "comes without a life type"));
        auto& slot = pending_ == LifeType::Seconds ? life_.seconds : life_.kilobytes;
        if (slot) return fail(refuse(which, a, "is given twice for " + name(pending_)));
        RACOON_TRY(const std::uint64_t v, a.number());
        slot = v;
        pending_ = LifeType::None;
        return ok();
    }

    Result<Lifetime> finish() const {
        if (pending_ != LifeType::None)
            return fail(Errc::Malformed,
                        "a life type in " + name(pending_) + " without a duration");
        return life_;
    }

  private:
    LifeType pending_ = LifeType::None;
    Lifetime life_;
};

/// Refuses the second attribute of a class; life type and duration may come twice.
template <std::size_t N>
class SeenOnce {
  public:
    template <typename Class>
    Status check(Class type, const Attribute& a) {
        if (a.type >= N) return ok();
        if (seen_[a.type]) return fail(refuse(type, a, "is given twice"));
        seen_[a.type] = true;
        return ok();
    }

  private:
    std::array<bool, N> seen_{};
};

void encode_life(Writer& out, std::uint16_t type_class, std::uint16_t duration_class,
                 const Lifetime& life) {
    if (life.seconds) {
        write_basic(out, type_class, static_cast<std::uint16_t>(LifeType::Seconds));
        write_number(out, duration_class, *life.seconds);
    }
    if (life.kilobytes) {
        write_basic(out, type_class, static_cast<std::uint16_t>(LifeType::Kilobytes));
        write_number(out, duration_class, *life.kilobytes);
    }
}

template <typename Class, typename Value>
void encode_unless_none(Writer& out, Class type, Value value) {
    const auto number = static_cast<std::uint16_t>(value);
    if (number != 0) write_basic(out, static_cast<std::uint16_t>(type), number);
}

std::string life_text(const Lifetime& life) {
    std::string out;
    if (life.seconds) out += " " + std::to_string(*life.seconds) + " seconds";
    if (life.kilobytes) out += " " + std::to_string(*life.kilobytes) + " kilobytes";
    return out;
}

std::string length_text(std::uint16_t bits) {
    return bits == 0 ? std::string() : "(" + std::to_string(bits) + ")";
}

}  // namespace

Result<Phase1Transform> Phase1Transform::decode(const Transform& t) {
    using A = Phase1Attribute;
    if (t.id != kTransformKeyIke)
        return fail(Errc::Unsupported,
                    "found transform identifier " + std::to_string(t.id) + ", expected KEY_IKE")
            .at(t.offset);
    Phase1Transform out;
    LifetimeReader<A> life;
    SeenOnce<17> once;
    for (const Attribute& a : t.attributes) {
        const auto type = static_cast<A>(a.type);
        if (type == A::LifeType) {
            RACOON_TRY_STATUS(life.type(type, a));
            continue;
        }
        if (type == A::LifeDuration) {
            RACOON_TRY_STATUS(life.duration(type, a));
            continue;
        }
        RACOON_TRY_STATUS(once.check(type, a));
        switch (type) {
            case A::EncryptionAlgorithm: {
                RACOON_TRY(const std::uint16_t v, small_number(type, a));
                out.encryption = static_cast<Encryption>(v);
                break;
            }
            case A::HashAlgorithm: {
                RACOON_TRY(const std::uint16_t v, small_number(type, a));
                out.hash = static_cast<HashAlgorithm>(v);
                break;
            }
            case A::AuthenticationMethod: {
                RACOON_TRY(const std::uint16_t v, small_number(type, a));
                out.auth_method = static_cast<AuthMethod>(v);
                break;
            }
            case A::GroupDescription: {
                RACOON_TRY(const std::uint16_t v, small_number(type, a));
                out.group = static_cast<DhGroup>(v);
                break;
            }
            case A::KeyLength: {
                RACOON_TRY(out.key_length, small_number(type, a));
                break;
            }
            case A::GssName:
                if (!out.gss_name.empty()) return fail(refuse(type, a, "is given twice"));
                if (a.value.size() > kMaxGssName) return fail(refuse(type, a, "is too long"));
                out.gss_name = to_bytes(a.value);
                break;
            // A group of the peer's own making: RFC 2409 5.6 has new group mode for it, which we
            // do not do, and a prime of the peer's choice is never calculated with.
            case A::GroupType:
            case A::GroupPrime:
            case A::GroupGeneratorOne:
            case A::GroupGeneratorTwo:
            case A::GroupCurveA:
            case A::GroupCurveB:
            case A::FieldSize:
            case A::GroupOrder:
                return fail(refuse(type, a, "belongs to new group mode and is not accepted"));
            default:
                return fail(refuse(type, a, "is not known"));
        }
    }
    RACOON_TRY(out.life, life.finish());
    const A missing = out.encryption == Encryption::None    ? A::EncryptionAlgorithm
                      : out.hash == HashAlgorithm::None     ? A::HashAlgorithm
                      : out.auth_method == AuthMethod::None ? A::AuthenticationMethod
                      : out.group == DhGroup::None          ? A::GroupDescription
                                                            : A::None;
    if (missing != A::None)
        return fail(Errc::Malformed, "attribute " + name(missing) + " is missing").at(t.offset);
    return out;
}

void Phase1Transform::encode(Writer& out) const {
    using A = Phase1Attribute;
    encode_life(out, static_cast<std::uint16_t>(A::LifeType),
                static_cast<std::uint16_t>(A::LifeDuration), life);
    encode_unless_none(out, A::EncryptionAlgorithm, encryption);
    encode_unless_none(out, A::KeyLength, key_length);
    encode_unless_none(out, A::AuthenticationMethod, auth_method);
    encode_unless_none(out, A::HashAlgorithm, hash);
    encode_unless_none(out, A::GroupDescription, group);
    if (!gss_name.empty()) write_variable(out, static_cast<std::uint16_t>(A::GssName), gss_name);
}

std::string Phase1Transform::text() const {
    return name(encryption) + length_text(key_length) + " " + name(hash) + " " + name(auth_method) +
           " " + name(group) + life_text(life);
}

Result<Phase2Transform> Phase2Transform::decode(const Transform& t) {
    using A = Phase2Attribute;
    Phase2Transform out;
    out.id = t.id;
    LifetimeReader<A> life;
    SeenOnce<12> once;
    for (const Attribute& a : t.attributes) {
        const auto type = static_cast<A>(a.type);
        if (type == A::LifeType) {
            RACOON_TRY_STATUS(life.type(type, a));
            continue;
        }
        if (type == A::LifeDuration) {
            RACOON_TRY_STATUS(life.duration(type, a));
            continue;
        }
        RACOON_TRY_STATUS(once.check(type, a));
        switch (type) {
            case A::GroupDescription: {
                RACOON_TRY(const std::uint16_t v, small_number(type, a));
                out.group = static_cast<DhGroup>(v);
                break;
            }
            case A::EncapsulationMode: {
                RACOON_TRY(const std::uint16_t v, small_number(type, a));
                out.mode = static_cast<Encapsulation>(v);
                break;
            }
            case A::AuthenticationAlgorithm: {
                RACOON_TRY(const std::uint16_t v, small_number(type, a));
                out.integrity = static_cast<Integrity>(v);
                break;
            }
            case A::KeyLength: {
                RACOON_TRY(out.key_length, small_number(type, a));
                break;
            }
            case A::ExtendedSequenceNumbers: {
                RACOON_TRY(const std::uint16_t v, small_number(type, a));
                if (v != 1) return fail(refuse(type, a, "is not 1 (64-bit sequence numbers)"));
                out.esn = true;
                break;
            }
            default:
                return fail(refuse(type, a, "is not known or not supported"));
        }
    }
    RACOON_TRY(out.life, life.finish());
    return out;
}

void Phase2Transform::encode(Writer& out) const {
    using A = Phase2Attribute;
    encode_life(out, static_cast<std::uint16_t>(A::LifeType),
                static_cast<std::uint16_t>(A::LifeDuration), life);
    encode_unless_none(out, A::EncapsulationMode, mode);
    encode_unless_none(out, A::KeyLength, key_length);
    encode_unless_none(out, A::AuthenticationAlgorithm, integrity);
    encode_unless_none(out, A::GroupDescription, group);
    if (esn) write_basic(out, static_cast<std::uint16_t>(A::ExtendedSequenceNumbers), 1);
}

std::string Phase2Transform::text(ProtocolId protocol) const {
    std::string out = transform_name(protocol, id) + length_text(key_length);
    if (integrity != Integrity::None) out += " " + name(integrity);
    if (mode != Encapsulation::None) out += " " + name(mode);
    if (group != DhGroup::None) out += " " + name(group);
    if (esn) out += " ESN";
    return out + life_text(life);
}

}  // namespace racoon::isakmp
