// Reads pcap and pcapng files, gzipped or not, and takes the UDP datagrams out of their frames.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/bytes.hpp"

namespace racoon::test {

struct Datagram {
    std::uint16_t source_port = 0;
    std::uint16_t target_port = 0;
    Bytes payload;  // cut where the capture ends

    /// Without the non-ESP marker of port 4500 (RFC 3948 2.2).
    Bytes isakmp() const;
};

struct Capture {
    std::vector<Bytes> frames;  // every record, from its link-level header on
    std::vector<Datagram>
        datagrams;  // of IPv4 and IPv6, unfragmented, over Ethernet or BSD loopback
};

Capture read_capture(const std::filesystem::path& path);

}  // namespace racoon::test
