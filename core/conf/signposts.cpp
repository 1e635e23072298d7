#include "conf/signposts.hpp"

#include <array>

namespace racoon::conf {

namespace {

struct Signpost {
    Context context;
    std::string_view word, text;
};

constexpr std::string_view kKeyFile =
    "keys stand in a file of their own, one line for each peer with its identifier, a blank and the key; "
    "outside of every block write: path pre_shared_key \"/etc/racoon/psk.txt\";";

constexpr std::array kSignposts = {
    Signpost{Context::SaInfo, "dh_group",
             "in a sainfo the group is pfs_group: write for example \"pfs_group modp2048;\""},
    Signpost{Context::SaInfo, "hash_algorithm",
             "in a sainfo it is authentication_algorithm, with hmac_ before the hash: write for "
             "example \"authentication_algorithm hmac_sha256;\""},
    Signpost{Context::Proposal, "pfs_group",
             "in a proposal the group is dh_group: write for example \"dh_group modp2048;\""},
    Signpost{Context::Proposal, "authentication_algorithm",
             "in a proposal it is hash_algorithm, without hmac_: write for example "
             "\"hash_algorithm sha256;\""},
    Signpost{Context::Top, "pre_shared_key", kKeyFile},
    Signpost{Context::Remote, "pre_shared_key", kKeyFile},
    Signpost{Context::Proposal, "pre_shared_key", kKeyFile},
    Signpost{Context::SaInfo, "pre_shared_key", kKeyFile},
    Signpost{Context::Top, "psk", kKeyFile},
    Signpost{Context::Remote, "psk", kKeyFile},
};

struct Foreign {
    std::string_view word, program;
};

constexpr std::string_view kIpsecConf = "ipsec.conf (strongSwan, Libreswan, Openswan)";
constexpr std::string_view kSwanctl = "swanctl.conf (strongSwan)";
constexpr std::string_view kOpenBsd = "ipsec.conf (OpenBSD's ipsecctl)";

constexpr std::array kForeign = {
    Foreign{"conn", kIpsecConf},
    Foreign{"config", kIpsecConf},
    Foreign{"ca", kIpsecConf},
    Foreign{"version", kIpsecConf},
    Foreign{"connections", kSwanctl},
    Foreign{"secrets", kSwanctl},
    Foreign{"pools", kSwanctl},
    Foreign{"authorities", kSwanctl},
    Foreign{"ike", kOpenBsd},
    Foreign{"flow", kOpenBsd},
    Foreign{"tcpmd5", kOpenBsd},
    Foreign{"ikev2", "iked.conf (OpenIKED)"},
    Foreign{"charon", "strongswan.conf"},
};

constexpr std::string_view kAes = "aes 256", kSha = "sha256", kPsk = "pre_shared_key";
constexpr std::string_view kGroup = "modp2048 or ecp256", kIt = "it";
constexpr std::string_view kCertificates = "authentication with certificates";
constexpr std::string_view kPublicKeys = "authentication with encryption by public keys";
constexpr std::string_view kGss = "authentication with GSS-API";
constexpr std::string_view kHybrid = "hybrid authentication", kXauth = "XAuth";

constexpr std::array kUnserved = {
    Unserved{Kind::AuthMethod, "rsasig", kCertificates, kPsk},
    Unserved{Kind::AuthMethod, "dsssig", kCertificates, kPsk},
    Unserved{Kind::AuthMethod, "rsaenc", kPublicKeys, kPsk},
    Unserved{Kind::AuthMethod, "rsarev", kPublicKeys, kPsk},
    Unserved{Kind::AuthMethod, "gssapi_krb", kGss, kPsk},
    Unserved{Kind::AuthMethod, "hybrid_rsa_server", kHybrid, kPsk},
    Unserved{Kind::AuthMethod, "hybrid_rsa_client", kHybrid, kPsk},
    Unserved{Kind::AuthMethod, "hybrid_dss_server", kHybrid, kPsk},
    Unserved{Kind::AuthMethod, "hybrid_dss_client", kHybrid, kPsk},
    Unserved{Kind::AuthMethod, "xauth_psk_server", kXauth, kPsk},
    Unserved{Kind::AuthMethod, "xauth_psk_client", kXauth, kPsk},
    Unserved{Kind::AuthMethod, "xauth_rsa_server", kXauth, kPsk},
    Unserved{Kind::AuthMethod, "xauth_rsa_client", kXauth, kPsk},
    Unserved{Kind::Cipher, "idea", kIt, kAes},
    Unserved{Kind::Cipher, "rc5", kIt, kAes},
    Unserved{Kind::Cipher, "rc4", kIt, kAes},
    Unserved{Kind::Cipher, "3idea", kIt, kAes},
    Unserved{Kind::Cipher, "des_iv64", kIt, kAes},
    Unserved{Kind::Cipher, "des_iv32", kIt, kAes},
    Unserved{Kind::Cipher, "twofish", kIt, kAes},
    Unserved{Kind::EspEncryption, "idea", kIt, kAes},
    Unserved{Kind::EspEncryption, "rc5", kIt, kAes},
    Unserved{Kind::EspEncryption, "rc4", kIt, kAes},
    Unserved{Kind::EspEncryption, "3idea", kIt, kAes},
    Unserved{Kind::EspEncryption, "des_iv64", kIt, kAes},
    Unserved{Kind::EspEncryption, "des_iv32", kIt, kAes},
    Unserved{Kind::EspEncryption, "twofish", kIt, kAes},
    Unserved{Kind::Hash, "tiger", kIt, kSha},
    Unserved{Kind::EspIntegrity, "des_mac", kIt, "hmac_sha256"},
    Unserved{Kind::EspIntegrity, "kpdk", kIt, "hmac_sha256"},
    Unserved{Kind::Group, "3", kIt, kGroup},
    Unserved{Kind::Group, "4", kIt, kGroup},
    Unserved{Kind::Group, "ec2n155", kIt, kGroup},
    Unserved{Kind::Group, "ec2n185", kIt, kGroup},
    Unserved{Kind::Compression, "oui", kIt, "deflate"},
    Unserved{Kind::Compression, "lzs", kIt, "deflate"},
};

}  // namespace

std::string_view signpost(Context context, std::string_view word) {
    for (const Signpost& s : kSignposts)
        if (s.context == context && s.word == word) return s.text;
    return {};
}

std::string_view foreign_program(std::string_view word) {
    for (const Foreign& f : kForeign)
        if (f.word == word) return f.program;
    return {};
}

const Unserved* unserved(Kind kind, std::string_view word) {
    for (const Unserved& u : kUnserved)
        if (u.kind == kind && u.word == word) return &u;
    return nullptr;
}

}  // namespace racoon::conf
