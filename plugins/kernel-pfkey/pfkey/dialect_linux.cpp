// Linux: <linux/pfkeyv2.h> and <linux/ipsec.h>. Sockaddrs have no length byte, policies a priority, and
// the replay window is counted in packets.
#include "pfkey/dialect.hpp"

namespace racoon::pfkey {
namespace {
std::uint8_t same(std::uint8_t number) {
    return number;
}
// The keyed hashes of RFC 1828 and TCP-MD5 were never there.
std::uint8_t authentication(std::uint8_t number) {
    return number == 249 || number == 250 || number == 252 ? 0 : number;
}
}  // namespace

const Dialect& linux_dialect() {
    static const Dialect d = [] {
        Dialect out{};
        out.name = "Linux";
        out.inet6 = 10;
        out.wide_reqid = out.priority = out.forward = true;
        out.max_type = 24;
        out.natt_type = 20;
        out.natt_sport = 21;
        out.natt_dport = 22;
        out.natt_oai = 23;
        out.security_context = 24;
        out.km_address = 25;
        out.window_unit = 1;
        out.max_window = 32;
        out.udp_encap = 100;
        out.natt_move = Move::Whole;
        out.hmac_sha256_bits = 96;
        out.ip_policy = 16;
        out.ipv6_policy = 34;
        out.encryption = same;
        out.authentication = authentication;
        return out;
    }();
    return d;
}

}  // namespace racoon::pfkey
