#include "setkey/xfrm_names.hpp"

#include <array>

namespace racoon::setkey {

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
    XfrmName{kE, 14, "rfc4309(ccm(aes))", 64, true, "aes-ccm-8"},
    XfrmName{kE, 15, "rfc4309(ccm(aes))", 96, true, "aes-ccm-12"},
    XfrmName{kE, 16, "rfc4309(ccm(aes))", 128, true, "aes-ccm-16"},
    XfrmName{kE, 18, "rfc4106(gcm(aes))", 64, true, "aes-gcm-8"},
    XfrmName{kE, 19, "rfc4106(gcm(aes))", 96, true, "aes-gcm-12"},
    XfrmName{kE, 20, "rfc4106(gcm(aes))", 128, true, "aes-gcm-16"},
    XfrmName{kE, 23, "rfc4543(gcm(aes))", 128, true, "aes-gmac"},
    XfrmName{kE, 0, "rfc7539esp(chacha20,poly1305)", 128, true, "chacha20-poly1305"},
    XfrmName{kC, 2, "deflate", 0, false, ""},
    XfrmName{kC, 3, "lzs", 0, false, ""},
    XfrmName{kC, 4, "lzjh", 0, false, "lzjh"},
};

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

}  // namespace racoon::setkey
