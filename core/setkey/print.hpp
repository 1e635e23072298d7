// Messages of PF_KEY as text: the dumps that scripts read, and a detailed form of any message.
#pragma once

#include <cstdint>
#include <string>

#include "setkey/stack.hpp"

namespace racoon::setkey {

struct PrintSetting {
    bool ports = false;    // -p: of an SA's ends
    std::int64_t now = 0;  // seconds since the epoch
};

/// One SA of a dump or of `get`.
std::string print_sa(const Told& m, const PrintSetting& setting);
/// One policy of a dump.
std::string print_policy(const Told& m, const PrintSetting& setting);
/// -l: one line; its head.
std::string print_short(const Told& m, const PrintSetting& setting);
std::string short_head();
/// -v, -x: everything in it, extension by extension.
std::string print_message(const Told& m, std::size_t size);
/// -H: sixteen bytes a line.
std::string print_hex(pfkey::ByteView bytes);

/// A policy of a socket: Linux numbers these so.
bool is_socket_policy(const pfkey::Message& m);

}  // namespace racoon::setkey
