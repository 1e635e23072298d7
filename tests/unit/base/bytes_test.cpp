#include "base/bytes.hpp"

#include <gtest/gtest.h>

namespace racoon {
namespace {

TEST(Reader, ReadsBigEndianAndRefusesToReadPastTheEnd) {
    const Bytes in = {0x12, 0x34, 0x56, 0x78, 0x9a};
    Reader r(in);
    EXPECT_EQ(r.u16().value(), 0x1234);
    auto too_much = r.u32();
    ASSERT_FALSE(too_much);
    EXPECT_EQ(too_much.error().code(), Errc::Truncated);
    EXPECT_EQ(too_much.error().offset(), 2u);
    EXPECT_EQ(r.left(), 3u) << "a failed read must not move";
}

TEST(Reader, SubReaderKeepsOffsetsOfTheWhole) {
    const Bytes in = {0, 1, 2, 3, 4, 5};
    Reader r(in);
    ASSERT_TRUE(r.skip(2));
    Reader inner = r.sub(3).value();
    EXPECT_EQ(inner.offset(), 2u);
    EXPECT_EQ(inner.u8().value(), 2);
    EXPECT_FALSE(inner.bytes(3));
    EXPECT_EQ(r.left(), 1u);
}

TEST(Writer, PatchesLengthsThatAreKnownLater) {
    Writer w;
    auto mark = w.u16_later();
    w.u32(0xdeadbeef);
    w.patch_u16(mark, w.size());
    EXPECT_EQ(to_hex(w.view()), "0006deadbeef");
}

TEST(Hex, RoundTripsAndNamesTheBadDigit) {
    EXPECT_EQ(to_hex(from_hex("00fFa5").value()), "00ffa5");
    EXPECT_FALSE(from_hex("abc"));
    EXPECT_EQ(from_hex("0g").error().offset(), 1u);
}

TEST(EqualConstantTime, ComparesWholeLength) {
    EXPECT_TRUE(equal_constant_time(as_bytes("abc"), as_bytes("abc")));
    EXPECT_FALSE(equal_constant_time(as_bytes("abc"), as_bytes("abd")));
    EXPECT_FALSE(equal_constant_time(as_bytes("abc"), as_bytes("abcd")));
}

}  // namespace
}  // namespace racoon
