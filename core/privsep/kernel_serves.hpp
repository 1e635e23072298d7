// What a configuration asks for and the active backend cannot give, so that it is left out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "conf/config.hpp"

namespace racoon::privsep {

/// A text for each section that asks for UDP encapsulation, its fragments or ESN, with its place.
std::vector<std::string> without_effect(const conf::Config& config, std::uint64_t capabilities,
                                        const std::string& backend);

}  // namespace racoon::privsep
