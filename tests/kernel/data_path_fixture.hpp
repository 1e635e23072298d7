// A data path without descriptors, and what comes out of it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <racoon/kernel_backend.hpp>

#include "conformance.hpp"
#include "data_path.hpp"

namespace racoon::test {

using namespace kernel_userspace;

inline Bytes from_hex(const std::string& hex) {
    Bytes out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        out.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
    }
    return out;
}

inline racoon_kernel_alg keyed(const char* name, const std::string& key, std::uint32_t icv_bits) {
    racoon_kernel_alg a = algorithm("", name, 0, icv_bits, 0);
    const Bytes bytes = from_hex(key);
    a.key_size = static_cast<std::uint32_t>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), a.key);
    return a;
}

inline Bytes ping_packet(const std::string& from, const std::string& to, std::uint8_t tos = 0,
                         std::size_t size = 28) {
    Bytes p(size);
    p[0] = 0x45;
    p[1] = tos;
    p[2] = static_cast<std::uint8_t>(size >> 8);
    p[3] = static_cast<std::uint8_t>(size);
    p[8] = 64;
    p[9] = 1;
    const racoon_addr a = address(from);
    const racoon_addr b = address(to);
    std::copy(a.bytes, a.bytes + 4, p.begin() + 12);
    std::copy(b.bytes, b.bytes + 4, p.begin() + 16);
    set_traffic_class(p, tos);  // with the checksum
    return p;
}

struct Recorder final : Output {
    std::vector<Bytes> tun;
    std::vector<Bytes> wire;
    std::vector<std::uint8_t> classes;
    std::vector<Outer> outers;
    std::vector<racoon_kernel_event> events;
    std::vector<racoon_status> replies;
    void to_tun(ByteView p, const Flow&) override { tun.emplace_back(p.begin(), p.end()); }
    Bytes room;
    std::span<std::uint8_t> wire_room(std::size_t size) override {
        room.resize(size);
        return room;
    }
    void to_wire(const Outer& outer, ByteView p) override {
        wire.emplace_back(p.begin(), p.end());
        classes.push_back(outer.traffic_class);
        outers.push_back(outer);
    }
    void to_keeper(ByteView bytes) override {
        const auto frame = parse_frame(bytes);
        if (frame->type == Message::Event) events.push_back(*read_event(frame->body));
        if (frame->type == Message::Reply) {
            replies.push_back(static_cast<racoon_status>(Reader(frame->body).u32()));
        }
    }
};

struct DataPathTest : ::testing::Test {
    Recorder sink;
    DataPath path{sink};
    void set_sa(const racoon_kernel_sa& sa) {
        Writer out = begin_frame(Message::SaSet, 1);
        write_sa(out, sa);
        path.command(out.view(), 0);
    }
    void set_policy(std::uint32_t id, std::uint32_t direction) {
        Writer out = begin_frame(Message::PolicySet, 1);
        write_policy(out, esp_policy(id, direction, selector("192.168.1.0/24", "192.168.2.0/24"),
                                     "10.9.0.1", "10.9.0.2", 1));
        path.command(out.view(), 0);
    }
    Outer from_peer(std::uint8_t traffic_class = 0) {
        Outer outer;
        outer.src = address("10.9.0.2");
        outer.dst = address("10.9.0.1");
        outer.traffic_class = traffic_class;
        return outer;
    }
    Bytes sealed_by_peer(const Bytes& inner, std::uint8_t next = 4) {
        std::string error;
        Bytes out;
        static_cast<void>(
            EspSa::make(esp_sa(RACOON_DIR_OUT, "10.9.0.2", "10.9.0.1", 7, 1, 3), &error)
                ->seal(inner, next, &out));
        return out;
    }
};

}  // namespace racoon::test
