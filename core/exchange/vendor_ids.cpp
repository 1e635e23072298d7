#include "exchange/vendor_ids.hpp"

#include <algorithm>
#include <array>

namespace racoon::exchange {

namespace {

using Md5 = std::array<std::uint8_t, 16>;

// The last two bytes are the version; 1.0 is the only one.
constexpr Md5 kDpd{0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9,
                   0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01, 0x00};
constexpr std::array<std::uint8_t, 8> kXauth{0x09, 0x00, 0x26, 0x89, 0xdf, 0xd6, 0xb7, 0x12};
constexpr Md5 kUnity{0x12, 0xf5, 0xf2, 0x8c, 0x45, 0x71, 0x68, 0xa9,
                     0x70, 0x2d, 0x9f, 0xe2, 0x74, 0xcc, 0x01, 0x00};
constexpr Md5 kFragmentation{0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85,
                             0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2, 0xd3};
constexpr Md5 kKame{0x70, 0x03, 0xcb, 0xc1, 0x09, 0x7d, 0xbe, 0x9c,
                    0x26, 0x00, 0xba, 0x69, 0x83, 0xbc, 0x8b, 0x35};
constexpr Md5 kIpsecTools{0x20, 0xa3, 0x62, 0x2c, 0x1c, 0xea, 0x7c, 0xe3,
                          0x7b, 0xee, 0x3c, 0xa4, 0x84, 0x42, 0x52, 0x76};
constexpr Md5 kWindows{0x1e, 0x2b, 0x51, 0x69, 0x05, 0x99, 0x1c, 0x7d,
                       0x7c, 0x96, 0xfc, 0xbf, 0xb5, 0x87, 0xe4, 0x61};
constexpr Md5 kGss{0xad, 0x2c, 0x0d, 0xd0, 0xb9, 0xc3, 0x20, 0x83,
                   0xcc, 0xba, 0x25, 0xb8, 0x86, 0x1e, 0xc4, 0x55};
constexpr Md5 kGssapi{0x62, 0x1b, 0x04, 0xbb, 0x09, 0x88, 0x2a, 0xc1,
                      0xe1, 0x59, 0x35, 0xfe, 0xfa, 0x24, 0xae, 0xee};

struct Known {
    ByteView bytes;
    std::string_view name;
};
// The names as racoon's log has always had them.
constexpr std::array<Known, 9> kKnown{{
    {kDpd, "DPD"},
    {kXauth, "draft-ietf-ipsra-isakmp-xauth-06.txt"},
    {kUnity, "CISCO-UNITY"},
    {kFragmentation, "FRAGMENTATION"},
    {kKame, "KAME/racoon"},
    {kIpsecTools, "IPSec-Tools"},
    {kWindows, "MS NT5 ISAKMPOAKLEY"},
    {kGss, "A GSS-API Authentication Method for IKE"},
    {kGssapi, "GSSAPI"},
}};

bool begins_with(ByteView vid, ByteView known) {
    return vid.size() >= known.size() && std::equal(known.begin(), known.end(), vid.begin());
}

/// The bit for an exchange: base mode has its own.
std::uint32_t fragmentation_capability(isakmp::ExchangeType exchange) {
    return exchange == isakmp::ExchangeType::Base ? 0x40000000u : 0x80000000u;
}

}  // namespace

Bytes fragmentation_vendor_id(isakmp::ExchangeType exchange) {
    Writer out;
    out.bytes(kFragmentation);
    out.u32(fragmentation_capability(exchange));
    return std::move(out).take();
}

bool is_fragmentation_vendor_id(ByteView vid, isakmp::ExchangeType exchange) {
    if (!begins_with(vid, kFragmentation)) return false;
    const auto word = Reader(vid.subspan(kFragmentation.size())).u32();
    return word && (*word & fragmentation_capability(exchange)) != 0;
}

ByteView dpd_vendor_id() {
    return kDpd;
}

bool is_dpd_vendor_id(ByteView vid) {
    return begins_with(vid, kDpd);
}

std::string_view vendor_id_name(ByteView vid) {
    for (const Known& k : kKnown)
        if (begins_with(vid, k.bytes)) return k.name;
    return {};
}

}  // namespace racoon::exchange
