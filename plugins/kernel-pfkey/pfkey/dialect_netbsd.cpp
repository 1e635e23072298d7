// NetBSD: <net/pfkeyv2.h> and <netipsec/ipsec.h>. KAME's layout with NAT traversal and the fragment size
// of encapsulated ESP; policies have no priority.
#include "pfkey/dialect.hpp"

namespace racoon::pfkey {
namespace {
std::uint8_t encryption(std::uint8_t number) {
    return number == 253 ? 0 : number;  // no Twofish
}
std::uint8_t same(std::uint8_t number) {
    return number;
}
}  // namespace

const Dialect& netbsd_dialect() {
    static const Dialect d = [] {
        Dialect out{};
        out.name = "NetBSD";
        out.sockaddr_len = true;
        out.inet6 = 24;
        out.max_type = 23;
        out.natt_type = 20;
        out.natt_sport = 21;
        out.natt_dport = 22;
        out.natt_oai = 23;
        out.natt_oar = 24;
        out.natt_frag = 25;
        out.window_unit = 8;
        out.max_window = 255 * 8;
        out.udp_encap = 100;
        out.hmac_sha256_bits = 128;
        out.aead = true;
        out.ip_policy = 22;
        out.ipv6_policy = 28;
        out.raw_cpi = 0x80;
        out.encryption = encryption;
        out.authentication = same;
        return out;
    }();
    return d;
}

}  // namespace racoon::pfkey
