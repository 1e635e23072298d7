// The numbers and forms of each dialect against the documents, written down here once more.
#include <gtest/gtest.h>

#include "natt/dialects.hpp"

namespace racoon {
namespace {

using test::dialects;

struct Row {
    const char* name;
    unsigned natd, natoa, tunnel, transport;
    bool spoken;
    const char* vendor_id;
};
constexpr Row kRows[] = {
    {"rfc3947", 20, 21, 3, 4, true, "4a131c81070358455c5728f20e95452f"},
    {"draft-08", 15, 16, 3, 4, true, "8f8d83826d246b6fc7a8a6a428c11de8"},
    {"draft-07", 15, 16, 3, 4, true, "439b59f8ba676c4c7737ae22eab8f582"},
    {"draft-06", 15, 16, 3, 4, true, "4d1e0e136deafa34c4f3ea9f02ec7285"},
    {"draft-05", 15, 16, 3, 4, true, "80d0bb3def54565ee84645d4c85ce3ee"},
    {"draft-04", 15, 16, 3, 4, true, "9909b64eed937c6573de52ace952fa6b"},
    {"draft-03", 130, 131, 61443, 61444, true, "7d9419a65310ca6f2c179d9215529d56"},
    {"draft-02", 130, 131, 61443, 61444, true, "cd60464335df21f87cfdb2fc68b6a448"},
    {"draft-01", 130, 131, 61443, 61444, true, "16f6ca16e4a4066d83821a0f0aeaa862"},
    {"draft-00", 130, 131, 61443, 61444, true, "4485152d18b6bbcd0be8a8469579ddcc"},
};

std::int32_t matches(const conf::NattInfo& d, const Bytes& id) {
    return d.table->match_vendor_id(d.impl, {id.data(), id.size()});
}

TEST(NattDialects, HaveTheNumbersOfTheirDocuments) {
    for (const Row& row : kRows) {
        const conf::NattInfo& d = dialects().find(row.name);
        EXPECT_EQ(d.name, row.name);
        EXPECT_EQ(d.natd_payload, row.natd) << row.name;
        EXPECT_EQ(d.natoa_payload, row.natoa) << row.name;
        EXPECT_EQ(d.udp_tunnel_mode, row.tunnel) << row.name;
        EXPECT_EQ(d.udp_transport_mode, row.transport) << row.name;
        EXPECT_EQ(d.spoken, row.spoken) << row.name;
        EXPECT_EQ(to_hex(d.vendor_ids.front()), row.vendor_id);
    }
}

TEST(NattDialects, VendorIdsMatchTheirOwnAlone) {
    for (const Row& row : kRows)
        for (const conf::NattInfo& d : dialects().all())
            EXPECT_EQ(matches(d, dialects().find(row.name).vendor_ids.front()),
                      d.name == row.name ? 1 : 0)
                << row.name << " by " << d.name;
    // With bytes behind it, and cut short.
    Bytes longer = dialects().find("rfc3947").vendor_ids.front();
    longer.push_back(1);
    EXPECT_EQ(matches(dialects().find("rfc3947"), longer), 1);
    longer.resize(15);
    EXPECT_EQ(matches(dialects().find("rfc3947"), longer), 0);
    // Draft 02 was also hashed with the end of its line.
    const conf::NattInfo& two = dialects().find("draft-02");
    ASSERT_EQ(two.vendor_ids.size(), 2u);
    EXPECT_EQ(to_hex(two.vendor_ids[1]), "90cb80913ebb696e086381b5ec427b1f");
    EXPECT_EQ(matches(two, two.vendor_ids[1]), 1);
}

TEST(NattDialects, NatDIsTakenOfCookiesAddressAndPort) {
    const conf::NattInfo& d = dialects().find("rfc3947");
    Bytes cookies;
    for (std::uint8_t i = 1; i <= 16; ++i) cookies.push_back(i);
    racoon_addr end{};
    end.family = 4;
    end.port = 4500;
    end.bytes[0] = 192, end.bytes[2] = 2, end.bytes[3] = 1;
    Bytes out(64);
    racoon_buffer buffer{out.data(), out.size(), 0};
    ASSERT_EQ(d.table->natd_input(d.impl, {cookies.data(), 16}, &end, &buffer), RACOON_OK);
    out.resize(buffer.size);
    EXPECT_EQ(to_hex(out), "0102030405060708090a0b0c0d0e0f10c00002011194");
    buffer.capacity = 3;
    EXPECT_EQ(d.table->natd_input(d.impl, {cookies.data(), 16}, &end, &buffer),
              RACOON_BUFFER_TOO_SMALL);
    end.family = 0;
    EXPECT_EQ(d.table->natd_input(d.impl, {cookies.data(), 16}, &end, &buffer),
              RACOON_INVALID_ARGUMENT);
}

TEST(NattDialects, NatOaIsAnIdTypeAndAnAddress) {
    const conf::NattInfo& d = dialects().find("draft-03");
    racoon_addr addr{};
    addr.family = 4;
    addr.bytes[0] = 10, addr.bytes[3] = 7;
    Bytes out(64);
    racoon_buffer buffer{out.data(), out.size(), 0};
    ASSERT_EQ(d.table->natoa_write(d.impl, &addr, &buffer), RACOON_OK);
    out.resize(buffer.size);
    EXPECT_EQ(to_hex(out), "010000000a000007");
    racoon_addr back{};
    ASSERT_EQ(d.table->natoa_read(d.impl, {out.data(), out.size()}, &back), RACOON_OK);
    EXPECT_EQ(back.family, 4);
    EXPECT_EQ(back.bytes[3], 7);
    for (std::size_t size = 0; size < out.size(); ++size)
        EXPECT_EQ(d.table->natoa_read(d.impl, {out.data(), size}, &back), RACOON_INVALID_ARGUMENT);
    out[0] = 5;  // an IPv6 address of four bytes
    EXPECT_EQ(d.table->natoa_read(d.impl, {out.data(), out.size()}, &back),
              RACOON_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace racoon
