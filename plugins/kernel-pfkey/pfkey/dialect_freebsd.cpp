// FreeBSD since 11: <net/pfkeyv2.h> and <netipsec/ipsec.h>. KAME's layout with a priority in policies, a
// replay window beyond 8 bits in an extension of its own, and SAs that move.
#include "pfkey/dialect.hpp"

namespace racoon::pfkey {
namespace {
// Neither Twofish nor what Linux calls CCM and SM4.
std::uint8_t encryption(std::uint8_t number) {
    switch (number) {
        case 2:
        case 3:
        case 6:
        case 7:
        case 11:
        case 12:
        case 13:
        case 18:
        case 19:
        case 20:
        case 22:
            return number;
        default:
            return 0;
    }
}
std::uint8_t same(std::uint8_t number) {
    return number;
}
}  // namespace

const Dialect& freebsd_dialect() {
    static const Dialect d = [] {
        Dialect out{};
        out.name = "FreeBSD";
        out.sockaddr_len = true;
        out.inet6 = 28;
        out.priority = true;
        out.max_type = 23;
        out.natt_type = 20;
        out.natt_sport = 21;
        out.natt_dport = 22;
        out.natt_oai = 23;
        out.natt_oar = 24;
        out.natt_frag = 25;
        out.replay = 26;
        out.new_src = 27;
        out.new_dst = 28;
        out.window_unit = 8;
        out.max_window = 0xffffffff / 8;
        out.udp_encap = 1;
        out.natt_move = Move::Keyless;
        out.hmac_sha256_bits = 128;
        out.aead = true;
        out.ip_policy = 21;
        out.ipv6_policy = 28;
        out.raw_cpi = 0x80;
        out.encryption = encryption;
        out.authentication = same;
        return out;
    }();
    return d;
}

}  // namespace racoon::pfkey
