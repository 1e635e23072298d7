// Names of algorithms, methods and backends that racoon.conf has always known, whoever provides them.
#pragma once

#include <string_view>

#include "conf/catalog.hpp"

namespace racoon::conf {

/// Separated by spaces.
std::string_view classic_words(Kind kind);

}  // namespace racoon::conf
