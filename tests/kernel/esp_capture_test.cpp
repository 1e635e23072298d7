// ESP that others made: a recorded session with known keys (AES-CBC, HMAC-SHA1-96, both directions).
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <string>

#include "base/bytes.hpp"
#include "base/net_addr.hpp"
#include "cipher.hpp"
#include "support/capture.hpp"
#include "support/test_data.hpp"

namespace racoon::test {
namespace {

racoon_kernel_alg keyed(const char* name, const std::string& hex, std::uint32_t icv_bits) {
    racoon_kernel_alg a{};
    std::copy_n(name, std::char_traits<char>::length(name), a.xfrm_name);
    const auto key = from_hex(hex);
    a.key_size = static_cast<std::uint32_t>(key->size());
    std::copy(key->begin(), key->end(), a.key);
    a.icv_bits = icv_bits;
    return a;
}

TEST(EspCapture, OpensEveryPacketOfARecordedSession) {
    const auto folder = test_data("vectors/wireshark");
    if (!folder) return;
    // "IPv4","source","destination","0xSPI","cipher","0xkey","integrity","0xkey"
    std::map<std::string, std::unique_ptr<kernel_userspace::Transform>> sas;
    const std::string table = read_text(*folder / "esp_sa.tmpl");
    const std::regex line(
        "\"IPv4\",\"[^\"]*\",\"[^\"]*\",\"0x([0-9a-f]+)\",\"AES-CBC[^\"]*\",\"0x([0-9a-f]+)\","
        "\"HMAC-SHA-1-96[^\"]*\",\"0x([0-9a-f]+)\"");
    for (auto it = std::sregex_iterator(table.begin(), table.end(), line);
         it != std::sregex_iterator(); ++it) {
        std::string error;
        sas[(*it)[1]] = kernel_userspace::make_transform(
            keyed("cbc(aes)", (*it)[2], 0), keyed("hmac(sha1)", (*it)[3], 96), false, &error);
        ASSERT_TRUE(sas[(*it)[1]]) << error;
    }
    ASSERT_EQ(sas.size(), 2u);
    std::size_t opened = 0;
    std::map<std::string, int> seen;
    for (const Bytes& frame : read_capture(*folder / "esp-bug-12671.pcapng.gz").frames) {
        if (frame.size() < 14 + 20 + 8 || frame[12] != 8 || frame[14 + 9] != 50) continue;
        const std::size_t header = std::size_t{frame[14]} % 16 * 4;
        const std::size_t total = std::size_t{frame[16]} << 8 | frame[17];
        if (14 + total > frame.size()) continue;
        Bytes esp(frame.begin() + 14 + static_cast<std::ptrdiff_t>(header),
                  frame.begin() + 14 + static_cast<std::ptrdiff_t>(total));
        const std::string spi = to_hex(ByteView(esp).first(4));
        std::string plain_spi = spi;
        ASSERT_EQ(sas.count(plain_spi), 1u) << "SPI " << spi;
        Bytes bent = esp;
        bent[20] = static_cast<std::uint8_t>(bent[20] ^ 1);
        EXPECT_FALSE(sas[spi]->open(bent, 0, false));
        ASSERT_TRUE(sas[spi]->open(esp, 0, false)) << "SPI " << spi;
        const std::size_t padding = esp[esp.size() - 12 - 2];
        ASSERT_LT(padding, 16u);
        for (std::size_t i = 0; i < padding; ++i) {
            EXPECT_EQ(esp[esp.size() - 12 - 2 - padding + i], i + 1);
        }
        ++seen[spi];
        ++opened;
    }
    EXPECT_GT(opened, 0u);
    EXPECT_EQ(seen.size(), 2u) << "both directions";
    std::printf("%zu ESP packets opened\n", opened);
}

}  // namespace
}  // namespace racoon::test
