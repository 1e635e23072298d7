// The extension points that this racoon serves: where each lives, how large its table is, and which
// functions a provider cannot do without.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.hpp"

namespace racoon::plugin {

/// Where a point is served. The keeper is privileged and holds the keys; the engine reads packets.
enum class Zone : std::uint8_t { Engine = 1, Keeper = 2, Both = 3 };
inline bool in_zone(Zone point, Zone process) {
    return (static_cast<unsigned>(point) & static_cast<unsigned>(process)) != 0;
}
std::string_view zone_name(Zone zone);

struct PointInfo {
    std::string_view id;
    Zone zone;
    std::size_t table_size;
    struct Function {
        std::string_view name;
        std::size_t offset;
    };
    std::span<const Function> required;
    bool needs_self_test;
    /// True if one registration stands for all manifest entries of its key (esp-transform: the kinds).
    bool by_kind;
};

std::span<const PointInfo> points();
/// Null: this racoon does not serve it.
const PointInfo* find_point(std::string_view id);

/// A point's table as the core uses it: full size, zero where the provider's was shorter.
using Table = std::unique_ptr<std::max_align_t[]>;

/// Copies a provider's table, which says its own size first. Errors: Plugin, naming the function.
Result<Table> copy_table(const PointInfo& point, const void* from);
/// The same for any struct that crosses the border and begins with struct_size at `size_at`; at most
/// `size` bytes are written to `to`, the rest is zeroed. Returns the size that the other side gave.
std::uint32_t copy_sized(void* to, std::size_t size, const void* from, std::size_t size_at = 0);

}  // namespace racoon::plugin
