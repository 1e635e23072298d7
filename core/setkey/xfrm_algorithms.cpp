#include "setkey/xfrm_algorithms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "xfrm/attributes.hpp"

namespace racoon::setkey {

using namespace pfkey;
using xfrm::find_attribute;

namespace {

constexpr auto kE = AlgorithmKind::Encryption;
constexpr auto kA = AlgorithmKind::Authentication;
constexpr auto kC = AlgorithmKind::Compression;

constexpr std::array kNames = {
    XfrmName{kA, 2, "hmac(md5)", 96, false, ""},
    XfrmName{kA, 3, "hmac(sha1)", 96, false, ""},
    XfrmName{kA, 5, "hmac(sha256)", 96, false, ""},
    XfrmName{kA, 6, "hmac(sha384)", 192, false, ""},
    XfrmName{kA, 7, "hmac(sha512)", 256, false, ""},
    XfrmName{kA, 8, "hmac(rmd160)", 96, false, ""},
    XfrmName{kA, 9, "xcbc(aes)", 96, false, ""},
    XfrmName{kA, 10, "hmac(sm3)", 256, false, "hmac-sm3"},
    XfrmName{kA, 251, "digest_null", 0, false, ""},
    XfrmName{kA, 0, "cmac(aes)", 96, false, "aes-cmac"},
    XfrmName{kE, 2, "cbc(des)", 0, false, ""},
    XfrmName{kE, 3, "cbc(des3_ede)", 0, false, ""},
    XfrmName{kE, 6, "cbc(cast5)", 0, false, ""},
    XfrmName{kE, 7, "cbc(blowfish)", 0, false, ""},
    XfrmName{kE, 11, "ecb(cipher_null)", 0, false, ""},
    XfrmName{kE, 12, "cbc(aes)", 0, false, ""},
    XfrmName{kE, 13, "rfc3686(ctr(aes))", 0, false, ""},
    XfrmName{kE, 22, "cbc(camellia)", 0, false, ""},
    XfrmName{kE, 24, "cbc(sm4)", 0, false, "sm4-cbc"},
    XfrmName{kE, 252, "cbc(serpent)", 0, false, "serpent-cbc"},
    XfrmName{kE, 253, "cbc(twofish)", 0, false, ""},
    XfrmName{kE, 14, "rfc4309(ccm(aes))", 64, true, ""},
    XfrmName{kE, 15, "rfc4309(ccm(aes))", 96, true, ""},
    XfrmName{kE, 16, "rfc4309(ccm(aes))", 128, true, ""},
    XfrmName{kE, 18, "rfc4106(gcm(aes))", 64, true, ""},
    XfrmName{kE, 19, "rfc4106(gcm(aes))", 96, true, ""},
    XfrmName{kE, 20, "rfc4106(gcm(aes))", 128, true, ""},
    XfrmName{kE, 23, "rfc4543(gcm(aes))", 128, true, ""},
    XfrmName{kE, 0, "rfc7539esp(chacha20,poly1305)", 128, true, "chacha20-poly1305"},
    XfrmName{kC, 2, "deflate", 0, false, ""},
    XfrmName{kC, 3, "lzs", 0, false, ""},
    XfrmName{kC, 4, "lzjh", 0, false, "lzjh"},
};

Key key_of(const xfrm::TakenAlgorithm& a) {
    return {static_cast<std::uint16_t>(std::min(a.key_bits, 0xffffu)),
            {a.key.begin(), a.key.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                                                a.key.size(), (0xffff + 7) / 8))}};
}

/// As setkey's user knows it; "": a dump finds it by its number.
std::string shown_name(const XfrmName* known, const xfrm::TakenAlgorithm& a) {
    return known != nullptr ? std::string(known->shown) : std::string(a.name);
}

}  // namespace

const XfrmName* find_xfrm_name(AlgorithmKind kind, std::uint8_t number) {
    for (const XfrmName& n : kNames)
        if (n.kind == kind && n.number == number && number != 0) return &n;
    return nullptr;
}

const XfrmName* find_xfrm_name(AlgorithmKind kind, std::string_view name, std::uint32_t icv_bits) {
    for (const XfrmName& n : kNames)
        if (n.kind == kind && n.name == name && (!n.combined || n.icv_bits == icv_bits)) return &n;
    return nullptr;
}

int put_xfrm_algorithms(xfrm::Request& request, const Message& m) {
    const auto put = [&](std::uint16_t type, AlgorithmKind kind, std::uint8_t number,
                         const std::optional<Key>& key) {
        const XfrmName* const found = find_xfrm_name(kind, number);
        if (found == nullptr) return ENOSYS;
        const ByteView bytes = key ? ByteView(key->bytes) : ByteView();
        xfrm::put_algorithm(request, found->combined ? std::uint16_t{XFRMA_ALG_AEAD} : type,
                            found->name, bytes, found->icv_bits);
        return 0;
    };
    int error = 0;
    if (m.satype == kSaIpComp)
        return put(XFRMA_ALG_COMP, AlgorithmKind::Compression, m.sa->encrypt, {});
    if (m.sa->auth != 0 || m.auth_key)
        error = put(XFRMA_ALG_AUTH, AlgorithmKind::Authentication, m.sa->auth, m.auth_key);
    if (error == 0 && m.satype == kSaEsp && (m.sa->encrypt != 0 || m.encrypt_key))
        error = put(XFRMA_ALG_CRYPT, AlgorithmKind::Encryption, m.sa->encrypt, m.encrypt_key);
    return error;
}

bool take_xfrm_algorithms(const xfrm::Message& m, std::size_t skip, Told& out) {
    if (out.satype == kSaIpComp) {
        const auto compression = xfrm::take_algorithm(m, skip, XFRMA_ALG_COMP);
        if (!compression) return false;
        const XfrmName* const known =
            find_xfrm_name(AlgorithmKind::Compression, compression->name, 0);
        if (known != nullptr) out.sa->encrypt = known->number;
        out.encryption = shown_name(known, *compression);
        return true;
    }
    const bool combined = !find_attribute(m, skip, XFRMA_ALG_AEAD).empty();
    const auto cipher = xfrm::take_algorithm(m, skip, combined ? XFRMA_ALG_AEAD : XFRMA_ALG_CRYPT);
    if (cipher && out.satype != kSaAh) {
        const XfrmName* const known =
            find_xfrm_name(AlgorithmKind::Encryption, cipher->name, cipher->icv_bits);
        if (known != nullptr) out.sa->encrypt = known->number;
        out.encryption = shown_name(known, *cipher);
        if (known == nullptr && cipher->icv_bits != 0)
            out.encryption += fmt::format("-{}", cipher->icv_bits);
        if (cipher->key_bits != 0) out.encrypt_key = key_of(*cipher);
    }
    const bool cut = !find_attribute(m, skip, XFRMA_ALG_AUTH_TRUNC).empty();
    const auto hash = xfrm::take_algorithm(m, skip, cut ? XFRMA_ALG_AUTH_TRUNC : XFRMA_ALG_AUTH);
    if (hash) {
        const XfrmName* const known =
            find_xfrm_name(AlgorithmKind::Authentication, hash->name, hash->icv_bits);
        if (known != nullptr) out.sa->auth = known->number;
        out.authentication = shown_name(known, *hash);
        // Cut to another length than the kernel's own: that is another algorithm to the peer.
        if (cut && hash->icv_bits != (known != nullptr ? known->icv_bits : 0u)) {
            const Algorithm* const word =
                find_algorithm(AlgorithmKind::Authentication, out.sa->auth, 0);
            if (out.authentication.empty() && word != nullptr) out.authentication = word->shown;
            out.authentication += fmt::format("-{}", hash->icv_bits);
        }
        if (hash->key_bits != 0) out.auth_key = key_of(*hash);
    }
    return cipher || hash;
}

}  // namespace racoon::setkey
