#include "isakmp/attribute.hpp"

#include <deque>
#include <gtest/gtest.h>

namespace racoon::isakmp {
namespace {

/// Bytes that stay for the length of the program, since what is parsed points into them.
ByteView hex(std::string_view digits) {
    static std::deque<Bytes> kept;
    kept.push_back(from_hex(digits).value());
    return kept.back();
}

auto parse(ByteView bytes) {
    return parse_attributes<kMaxAttributes>(Reader(bytes));
}

TEST(Attribute, ReadsBothFormats) {
    const auto list = parse(hex("800b0001"
                                "000c000400015180"
                                "40000000"))
                          .value();
    ASSERT_EQ(list.size(), 3u);
    EXPECT_TRUE(list[0].basic);
    EXPECT_EQ(list[0].type, 11);
    EXPECT_EQ(list[0].number().value(), 1u);
    EXPECT_FALSE(list[1].basic);
    EXPECT_EQ(list[1].number().value(), 86400u);
    EXPECT_EQ(list[1].offset, 4u);
    EXPECT_EQ(list[2].type, 16384);
    EXPECT_FALSE(list[2].number()) << "no bytes are no number";
}

TEST(Attribute, NumbersHaveUpToEightBytes) {
    const auto eight = parse(hex("000c0008"
                                 "ffffffffffffffff"))
                           .value();
    EXPECT_EQ(eight[0].number().value(), 0xffffffffffffffffu);
    const auto nine = parse(hex("000c0009"
                                "000000000000000001"))
                          .value();
    EXPECT_EQ(nine[0].number().error().code(), Errc::TooLong);
}

TEST(Attribute, RefusesAValueBeyondTheEnd) {
    for (const char* digits :
         {"80", "800b", "800b00", "000c", "000c00", "000c0004000151", "0006ffff00"}) {
        const auto list = parse(hex(digits));
        ASSERT_FALSE(list) << digits;
        EXPECT_EQ(list.error().code(), Errc::Truncated) << digits;
    }
}

TEST(Attribute, HasABoundOnTheirNumber) {
    Writer out;
    for (std::size_t i = 0; i < kMaxAttributes; ++i) write_basic(out, 1, 1);
    EXPECT_TRUE(parse(out.view()));
    write_basic(out, 1, 1);
    EXPECT_EQ(parse(out.view()).error().code(), Errc::TooLong);
}

TEST(Attribute, WritesNumbersInTheShortestFormOfRacoon) {
    Writer out;
    write_number(out, 12, 65535);
    write_number(out, 12, 65536);
    write_number(out, 12, 0x100000000);
    EXPECT_EQ(to_hex(out.view()),
              "800cffff"
              "000c000400010000"
              "000c00080000000100000000");
}

TEST(Attribute, IsWrittenBackAsItCame) {
    const ByteView bytes =
        hex("800b0001"
            "000c000400015180"
            "000c000200aa");
    Writer out;
    const auto list = parse(bytes).value();
    for (const Attribute& a : list) write_attribute(out, a);
    EXPECT_EQ(to_hex(out.view()), to_hex(bytes));
}

}  // namespace
}  // namespace racoon::isakmp
