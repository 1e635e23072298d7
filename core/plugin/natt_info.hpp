// What a dialect of NAT traversal says of itself, asked once: the engine then knows it without calls.
#pragma once

#include <string>

#include "conf/catalog.hpp"

namespace racoon::plugin {

/// `table` may be null: the module is not loaded in this process. Not spoken, if what it says cannot be
/// used.
conf::NattInfo natt_info(std::string name, std::string module, bool ike_port,
                         const racoon_natt* table, void* impl);

}  // namespace racoon::plugin
