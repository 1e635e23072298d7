// IPComp in the userspace data path: what is compressed, what is not, and what comes out of nonsense.
#include "comp.hpp"
#include "data_path_fixture.hpp"

namespace racoon::test {
namespace {

racoon_kernel_sa comp_sa(std::uint32_t cpi = 0x1234) {
    racoon_kernel_sa sa = esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", cpi, 1, 1);
    sa.protocol = RACOON_IPPROTO_COMP;
    sa.mode = RACOON_MODE_TRANSPORT;
    sa.auth = {};
    sa.enc = algorithm("deflate", "deflate", 0, 0, 0);
    return sa;
}

std::unique_ptr<CompSa> make_comp() {
    std::string error;
    auto made = CompSa::make(comp_sa(), &error);
    EXPECT_TRUE(made) << error;
    return made;
}

Bytes text(std::size_t size) {
    const std::string words = "racoon compresses what repeats itself, ";
    Bytes out;
    for (std::size_t i = 0; i < size; ++i) {
        out.push_back(static_cast<std::uint8_t>(words[i % words.size()]));
    }
    return out;
}

// Made by Python's zlib with a window of 32 KiB.
TEST(Comp, ExpandsWhatAnotherCompressed) {
    const Bytes packet = from_hex(
        "11001234"
        "2b4a4ccecfcf5348cecf2d284a2d2e4e2d5628cf482c51284a2d484d2c2956c82c294ecd49d351281a086500");
    std::uint8_t next = 0;
    Bytes out;
    ASSERT_TRUE(make_comp()->expand(packet, 0xffff, &next, &out));
    EXPECT_EQ(next, 17);
    EXPECT_EQ(out, text(156));
}

TEST(Comp, BringsBackEveryPayloadThatItMakesSmaller) {
    const auto comp = make_comp();
    for (std::size_t size = 0; size < 3000; size += 37) {
        Bytes packet;
        const bool smaller = comp->compress(text(size), 6, &packet);
        EXPECT_EQ(smaller, size >= 90) << size;
        if (!smaller) continue;
        EXPECT_LT(packet.size(), size);
        EXPECT_EQ(Bytes(packet.begin(), packet.begin() + 4), from_hex("06001234"));
        std::uint8_t next = 0;
        Bytes out;
        ASSERT_TRUE(comp->expand(packet, 0xffff, &next, &out)) << size;
        EXPECT_EQ(out, text(size));
        EXPECT_EQ(next, 6);
    }
}

TEST(Comp, LeavesAloneWhatDoesNotGetSmaller) {
    Bytes noise(1000);
    std::uint32_t state = 1;
    for (std::uint8_t& byte : noise) {
        state = state * 1664525 + 1013904223;
        byte = static_cast<std::uint8_t>(state >> 24);
    }
    Bytes packet;
    EXPECT_FALSE(make_comp()->compress(noise, 6, &packet));
}

TEST(Comp, ExpandsNoBombAndNoNonsense) {
    const auto comp = make_comp();
    Bytes packet;
    ASSERT_TRUE(comp->compress(Bytes(60000, 0), 6, &packet));
    EXPECT_LT(packet.size(), 200u);
    std::uint8_t next = 0;
    Bytes out;
    EXPECT_FALSE(comp->expand(packet, 59999, &next, &out));
    EXPECT_TRUE(comp->expand(packet, 60000, &next, &out));
    for (std::size_t size = 0; size < packet.size(); ++size) {
        EXPECT_FALSE(comp->expand(ByteView(packet).first(size), 60000, &next, &out)) << size;
    }
    EXPECT_FALSE(comp->expand(from_hex("06001234ffffffffff"), 60000, &next, &out));
}

TEST(Comp, RefusesWhatIsNoCompression) {
    std::string error;
    racoon_kernel_sa sa = comp_sa(0x12345);
    EXPECT_FALSE(CompSa::make(sa, &error));
    EXPECT_NE(error.find("16 bits"), std::string::npos) << error;
    sa = comp_sa();
    sa.enc = algorithm("lzs", "lzs", 0, 0, 0);
    EXPECT_FALSE(CompSa::make(sa, &error));
    sa = comp_sa();
    sa.auth = algorithm("", "hmac(sha1)", 20, 96, 1);
    EXPECT_FALSE(CompSa::make(sa, &error));
}

}  // namespace
}  // namespace racoon::test
