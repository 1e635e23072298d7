// macOS: <net/pfkeyv2.h> of XNU. KAME's layout before NAT traversal had extensions: the port of the
// encapsulation follows sadb_sa (sadb_sa_2), and the algorithms have numbers of their own.
#include "pfkey/dialect.hpp"

namespace racoon::pfkey {
namespace {
std::uint8_t encryption(std::uint8_t number) {
    switch (number) {
        case 2:
            return 1;  // DES
        case 3:
            return 2;  // 3DES
        case 6:
            return 5;  // CAST-128
        case 7:
            return 4;  // Blowfish
        case 11:
            return 3;  // NULL
        case 12:
            return 12;  // AES
        default:
            return 0;
    }
}
std::uint8_t authentication(std::uint8_t number) {
    switch (number) {
        case 2:
            return 1;  // HMAC-MD5
        case 3:
            return 2;  // HMAC-SHA1
        case 5:
            return 6;  // HMAC-SHA2-256
        case 6:
            return 7;
        case 7:
            return 8;
        case 249:
            return 3;  // keyed MD5
        case 250:
            return 4;  // keyed SHA
        case 251:
            return 5;  // null
        default:
            return 0;
    }
}
}  // namespace

const Dialect& macos_dialect() {
    static const Dialect d = [] {
        Dialect out{};
        out.name = "macOS";
        out.sockaddr_len = true;
        out.inet6 = 30;
        out.max_type = 22;
        out.natt_port_in_sa = true;
        out.window_unit = 8;
        out.max_window = 255 * 8;
        out.hmac_sha256_bits = 128;
        out.ip_policy = 21;
        out.ipv6_policy = 28;
        out.raw_cpi = 0x80;
        out.encryption = encryption;
        out.authentication = authentication;
        return out;
    }();
    return d;
}

}  // namespace racoon::pfkey
