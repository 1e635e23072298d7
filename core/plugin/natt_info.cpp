#include "plugin/natt_info.hpp"

namespace racoon::plugin {

conf::NattInfo natt_info(std::string name, std::string module, bool ike_port,
                         const racoon_natt* table, void* impl) {
    conf::NattInfo info;
    info.name = std::move(name);
    info.module = std::move(module);
    info.ike_port = ike_port;
    info.table = table;
    info.impl = impl;
    if (info.table == nullptr) return info;
    racoon_natt_info facts{};
    facts.struct_size = sizeof facts;
    if (info.table->describe(info.impl, &facts) != RACOON_OK) return info;
    info.natd_payload = static_cast<std::uint8_t>(facts.natd_payload);
    info.natoa_payload = static_cast<std::uint8_t>(facts.natoa_payload);
    info.udp_tunnel_mode = static_cast<std::uint16_t>(facts.udp_tunnel_mode);
    info.udp_transport_mode = static_cast<std::uint16_t>(facts.udp_transport_mode);
    constexpr std::uint32_t kMostVendorIds = 8;
    for (std::uint32_t i = 0; i < kMostVendorIds; ++i) {
        Bytes id(RACOON_NATT_MAX_VENDOR_ID);
        racoon_buffer out{id.data(), id.size(), 0};
        if (info.table->vendor_id(info.impl, i, &out) != RACOON_OK || out.size > id.size()) break;
        id.resize(out.size);
        if (!id.empty()) info.vendor_ids.push_back(std::move(id));
    }
    const auto fits = [](std::uint32_t v, std::uint32_t most) { return v >= 1 && v <= most; };
    info.spoken = (facts.flags & RACOON_NATT_SPOKEN) != 0 && !info.vendor_ids.empty() &&
                  fits(facts.natd_payload, 255) && fits(facts.natoa_payload, 255) &&
                  fits(facts.udp_tunnel_mode, 65535) && fits(facts.udp_transport_mode, 65535);
    return info;
}

}  // namespace racoon::plugin
