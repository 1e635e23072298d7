#include "plugin/points.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include <racoon/plugin.h>

#include "plugin/messages.hpp"

namespace racoon::plugin {

namespace {

using F = PointInfo::Function;

#define RACOON_F(type, member)          \
    F {                                 \
#member, offsetof(type, member) \
    }
constexpr std::array kCipher = {RACOON_F(racoon_cipher, key_new), RACOON_F(racoon_cipher, key_free),
                                RACOON_F(racoon_cipher, crypt)};
constexpr std::array kHash = {RACOON_F(racoon_hash, digest), RACOON_F(racoon_hash, hmac)};
constexpr std::array kPrf = {RACOON_F(racoon_prf, compute)};
constexpr std::array kGroup = {RACOON_F(racoon_dh_group, generate),
                               RACOON_F(racoon_dh_group, check_public),
                               RACOON_F(racoon_dh_group, compute), RACOON_F(racoon_dh_group, free)};
constexpr std::array kAuth = {
    RACOON_F(racoon_auth_method, begin), RACOON_F(racoon_auth_method, end),
    RACOON_F(racoon_auth_method, skeyid_recipe), RACOON_F(racoon_auth_method, auth_out),
    RACOON_F(racoon_auth_method, auth_in)};
constexpr std::array kCredential = {RACOON_F(racoon_credential, psk_find),
                                    RACOON_F(racoon_credential, psk_prf),
                                    RACOON_F(racoon_credential, release)};
constexpr std::array kKernel = {
    RACOON_F(racoon_kernel, probe),       RACOON_F(racoon_kernel, capabilities),
    RACOON_F(racoon_kernel, open),        RACOON_F(racoon_kernel, close),
    RACOON_F(racoon_kernel, spi_get),     RACOON_F(racoon_kernel, sa_update),
    RACOON_F(racoon_kernel, sa_add),      RACOON_F(racoon_kernel, sa_delete),
    RACOON_F(racoon_kernel, policy_add),  RACOON_F(racoon_kernel, policy_delete),
    RACOON_F(racoon_kernel, acquire_done)};
constexpr std::array kNatt = {
    RACOON_F(racoon_natt, describe),        RACOON_F(racoon_natt, vendor_id),
    RACOON_F(racoon_natt, match_vendor_id), RACOON_F(racoon_natt, natd_input),
    RACOON_F(racoon_natt, natoa_write),     RACOON_F(racoon_natt, natoa_read)};
constexpr std::array kStateStore = {
    RACOON_F(racoon_state_store, open),   RACOON_F(racoon_state_store, close),
    RACOON_F(racoon_state_store, load),   RACOON_F(racoon_state_store, save),
    RACOON_F(racoon_state_store, remove), RACOON_F(racoon_state_store, clear)};
#undef RACOON_F

constexpr std::array kPoints = {
    PointInfo{RACOON_POINT_CIPHER, Zone::Engine, sizeof(racoon_cipher), kCipher, true, false},
    PointInfo{RACOON_POINT_HASH, Zone::Both, sizeof(racoon_hash), kHash, true, false},
    PointInfo{RACOON_POINT_PRF, Zone::Both, sizeof(racoon_prf), kPrf, true, false},
    PointInfo{RACOON_POINT_DH_GROUP, Zone::Engine, sizeof(racoon_dh_group), kGroup, true, false},
    PointInfo{
        RACOON_POINT_ESP_TRANSFORM, Zone::Engine, sizeof(racoon_esp_transform), {}, false, true},
    PointInfo{RACOON_POINT_AUTH_METHOD, Zone::Engine, sizeof(racoon_auth_method), kAuth, false,
              false},
    PointInfo{RACOON_POINT_NATT, Zone::Engine, sizeof(racoon_natt), kNatt, false, false},
    PointInfo{RACOON_POINT_KERNEL, Zone::Keeper, sizeof(racoon_kernel), kKernel, false, false},
    PointInfo{RACOON_POINT_STATE_STORE, Zone::Keeper, sizeof(racoon_state_store), kStateStore,
              false, false},
    PointInfo{RACOON_POINT_CREDENTIAL, Zone::Keeper, sizeof(racoon_credential), kCredential, false,
              false},
};

}  // namespace

std::string_view zone_name(Zone zone) {
    return zone == Zone::Engine ? "engine" : zone == Zone::Keeper ? "keeper" : "both";
}

std::span<const PointInfo> points() {
    return kPoints;
}

const PointInfo* find_point(std::string_view id) {
    const auto it = std::find_if(kPoints.begin(), kPoints.end(),
                                 [&](const PointInfo& p) { return p.id == id; });
    return it == kPoints.end() ? nullptr : &*it;
}

std::uint32_t copy_sized(void* to, std::size_t size, const void* from, std::size_t size_at) {
    std::uint32_t theirs = 0;
    std::memcpy(&theirs, static_cast<const std::byte*>(from) + size_at, sizeof theirs);
    std::size_t use = std::min<std::size_t>(theirs, size);
    // A size that ends inside a member is nonsense: half a pointer is none.
    if (use < size) use -= use % alignof(void*);
    std::memset(to, 0, size);
    std::memcpy(to, from, use);
    return theirs;
}

Result<Table> copy_table(const PointInfo& point, const void* from) {
    if (!from)
        return refuse(kMsgTable, Errc::Plugin,
                      "found a null table for " + std::string(point.id) + ", expected one");
    const std::size_t slots =
        (point.table_size + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t);
    Table table = std::make_unique<std::max_align_t[]>(slots);
    auto* bytes = reinterpret_cast<std::byte*>(table.get());
    const std::uint32_t size = copy_sized(bytes, point.table_size, from);
    if (size < sizeof(std::uint32_t))
        return refuse(kMsgTable, Errc::Plugin,
                      "found struct_size " + std::to_string(size) + " in the table of " +
                          std::string(point.id) + ", expected " + std::to_string(point.table_size));
    const auto full = static_cast<std::uint32_t>(point.table_size);
    std::memcpy(bytes, &full, sizeof full);
    for (const F& f : point.required) {
        void (*function)() = nullptr;
        std::memcpy(&function, bytes + f.offset, sizeof function);
        if (!function)
            return refuse(kMsgTable, Errc::Plugin,
                          "found no function " + std::string(f.name) + " in the table of " +
                              std::string(point.id) + " (struct_size " + std::to_string(size) +
                              "), expected one");
    }
    return table;
}

}  // namespace racoon::plugin
