// Source lines are shown under messages, which go to logs that more people read than the configuration.
#pragma once

#include <string>
#include <string_view>

namespace racoon::conf {

/// The line with a star for each byte of what stands where keys and passwords do, which is often where they
/// do not belong: pre_shared_key "key"; secret = key. As long as before.
std::string masked(std::string_view line);

}  // namespace racoon::conf
