// Key material of IKEv1 (RFC 2409 sections 5, 5.5 and appendix B).
//
//     auto keys = SkeyidSet::derive(hash, std::move(skeyid), gxy, cookies);
//     auto ka = expand_key(hash, keys->e.view(), key_bytes);        // for the ISAKMP cipher
//     auto mine = hash_i(hash, keys->skeyid.view(), inputs);
//     auto h1 = hash_1(hash, keys->a.view(), message_id, builder.after_hash());
//     auto keymat = quick_mode_keymat(hash, keys->d.view(), input, length);
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "conf/catalog.hpp"

namespace racoon::exchange {

/// SKEYID with signatures: prf(Ni_b | Nr_b, g^xy). With a pre-shared key the keeper computes it:
/// prf(psk, Ni_b | Nr_b).
Result<Secret> skeyid_signature(const conf::HashInfo& hash, ByteView ni, ByteView nr, ByteView gxy);

struct SkeyidSet {
    Secret skeyid;
    Secret d;  // prf(SKEYID, g^xy | CKY-I | CKY-R | 0)
    Secret a;  // prf(SKEYID, SKEYID_d | g^xy | CKY-I | CKY-R | 1)
    Secret e;  // prf(SKEYID, SKEYID_a | g^xy | CKY-I | CKY-R | 2)

    static Result<SkeyidSet> derive(const conf::HashInfo& hash, Secret skeyid, ByteView gxy,
                                    const CookiePair& cookies);
};

/// The key of the ISAKMP cipher: SKEYID_e cut, or stretched as Ka when it is too short (appendix B):
/// K1 = prf(SKEYID_e, 0), K2 = prf(SKEYID_e, K1), …
Result<Secret> expand_key(const conf::HashInfo& hash, ByteView skeyid_e, std::size_t bytes);

/// What HASH_I and HASH_R cover. Bodies are payloads without their generic header.
struct Phase1HashInput {
    ByteView gxi, gxr;
    CookiePair cookies;
    ByteView sai_b;
    ByteView id_b;  // IDii_b or IDir_b
};
/// HASH_I = prf(SKEYID, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b)
Result<Secret> hash_i(const conf::HashInfo& hash, ByteView skeyid, const Phase1HashInput& in);
/// HASH_R = prf(SKEYID, g^xr | g^xi | CKY-R | CKY-I | SAi_b | IDir_b)
Result<Secret> hash_r(const conf::HashInfo& hash, ByteView skeyid, const Phase1HashInput& in);

/// HASH_I of base mode, made before the responder has shown g^xr:
/// prf(key, g^xi | CKY-I | CKY-R | SAi_b | IDii_b). The key is SKEYID; with signatures, whose SKEYID
/// needs g^xy, hash(Ni_b | Nr_b).
Result<Secret> base_hash_i(const conf::HashInfo& hash, ByteView key, const Phase1HashInput& in);
/// HASH_R of base mode with signatures: prf(key, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDir_b), the key
/// as above. With a pre-shared key it is hash_r().
Result<Secret> base_hash_r_signature(const conf::HashInfo& hash, ByteView key,
                                     const Phase1HashInput& in);

/// HASH(1) = prf(SKEYID_a, M-ID | rest of the message); also of informational messages (5.7).
Result<Secret> hash_1(const conf::HashInfo& hash, ByteView skeyid_a, MessageId m_id, ByteView rest);
/// HASH(2) = prf(SKEYID_a, M-ID | Ni_b | rest of the message)
Result<Secret> hash_2(const conf::HashInfo& hash, ByteView skeyid_a, MessageId m_id, ByteView ni,
                      ByteView rest);
/// HASH(3) = prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b)
Result<Secret> hash_3(const conf::HashInfo& hash, ByteView skeyid_a, MessageId m_id, ByteView ni,
                      ByteView nr);

struct KeymatInput {
    ByteView gxy;               // of quick mode; empty without PFS
    std::uint8_t protocol = 0;  // as in the proposal: 2 AH, 3 ESP
    ByteView spi;               // as on the wire
    ByteView ni, nr;
};
/// KEYMAT = K1 | K2 | …, K1 = prf(SKEYID_d, [g^xy |] protocol | SPI | Ni_b | Nr_b),
/// Kn = prf(SKEYID_d, Kn-1 | the same) (5.5); the first `bytes` of it.
Result<Secret> quick_mode_keymat(const conf::HashInfo& hash, ByteView skeyid_d,
                                 const KeymatInput& in, std::size_t bytes);

}  // namespace racoon::exchange
