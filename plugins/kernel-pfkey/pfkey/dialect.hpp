// What is laid out or numbered differently from system to system. One file per system fills it in.
//
//     const Dialect& d = linux_dialect();
//     std::vector<std::uint8_t> bytes = encode(message, d);
#pragma once

#include <cstdint>

namespace racoon::pfkey {

/// How an SA in use gets other ports of UDP encapsulation.
enum class Move : std::uint8_t {
    None,     // it cannot
    Whole,    // UPDATE with the SA as it is, its keys too
    Keyless,  // UPDATE, which is refused if there are keys in it
};

struct Dialect {
    const char* name;
    bool sockaddr_len;   // a sockaddr begins with its length in one byte, the family in the next
    std::uint8_t inet6;  // AF_INET6
    bool wide_reqid;     // sadb_x_ipsecrequest has 16 bytes and a reqid of 32 bits, else 8 and 16
    bool priority;       // the last word of sadb_x_policy is a priority
    bool forward;        // there is a direction fwd
    std::uint8_t max_type;
    // Extensions; 0: this system has none such.
    std::uint16_t natt_type, natt_sport, natt_dport, natt_oai, natt_oar, natt_frag;
    std::uint16_t security_context, km_address;
    std::uint16_t replay;            // a window in 32 bits
    std::uint16_t new_src, new_dst;  // where an SA moves to
    bool natt_port_in_sa;            // macOS: sadb_sa is followed by the port of the encapsulation
    int udp_encap;  // the option by which a UDP socket gives its ESP to the kernel; 0: there is none
    Move natt_move;
    std::uint32_t window_unit;   // packets that one unit of sadb_sa_replay stands for
    std::uint32_t max_window;    // packets
    int ip_policy, ipv6_policy;  // options of sockets
    std::uint32_t
        raw_cpi;  // flag of sadb_sa: the SPI of IPComp is the CPI, not the algorithm's number
    std::uint32_t
        hmac_sha256_bits;  // what it is cut to: 128 (RFC 4868), or 96 of a draft before it
    bool aead;             // combined algorithms: AES-GCM with its whole tag of 128 bits
    std::uint8_t (*encryption)(std::uint8_t number);  // ours (Linux's) → the system's; 0: none
    std::uint8_t (*authentication)(std::uint8_t number);  // the same
};

const Dialect& linux_dialect();
const Dialect& freebsd_dialect();
const Dialect& netbsd_dialect();
const Dialect& macos_dialect();
/// Of the system that this is built for.
const Dialect& native_dialect();

}  // namespace racoon::pfkey
