#include "rsa_key_file.hpp"

#include <gtest/gtest.h>
#include <string>

namespace credential_files {
namespace {

// No RSA key, but a number of the right form: the parser does no arithmetic.
std::string digits(std::size_t bytes, const char* pair = "c3") {
    std::string out;
    for (std::size_t i = 0; i < bytes; ++i) out += pair;
    return out;
}

std::string base64(const std::string& bytes) {
    static const char kDigits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        unsigned bits = 0;
        for (std::size_t k = 0; k < 3; ++k)
            bits =
                bits << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
        for (std::size_t k = 0; k < 4; ++k)
            out += i + k > bytes.size() ? '=' : kDigits[bits >> (18 - 6 * k) & 63];
    }
    return out;
}

const std::string kModulus = digits(256);
const std::string kPublicBytes = std::string("\x03\x01\x00\x01", 4) + std::string(256, '\xc3');
const std::string kPub = ": PUB 0s" + base64(kPublicBytes);

class RsaKeyFileTest : public testing::Test {
  protected:
    const RsaKeyFile& parse(const std::string& text, RsaUse use = RsaUse::Public) {
        memory_.assign(text.begin(), text.end());
        file_ = RsaKeyFile::parse(memory_, use);
        return file_;
    }
    /// "3:14: what", or "" for a good file.
    std::string error(const std::string& text, RsaUse use = RsaUse::Public) {
        parse(text, use);
        if (file_.good()) return {};
        EXPECT_TRUE(file_.keys().empty());
        return std::to_string(file_.error().line) + ":" + std::to_string(file_.error().column) +
               ": " + file_.error().text;
    }
    static std::string block(const std::string& fields) { return ": RSA {\n" + fields + "}\n"; }
    static std::string whole(const std::string& n = kModulus, const std::string& e = "10001") {
        return "Modulus: 0x" + n + "\nPublicExponent: 0x" + e + "\nPrivateExponent: 0x" +
               digits(255) + "\nPrime1: 0x0d\nPrime2: 0x0b\nExponent1: 0x1\nExponent2: 0x2\n" +
               "Coefficient: 0x3\n";
    }
    static racoon_addr address(std::uint8_t family, std::initializer_list<std::uint8_t> bytes) {
        racoon_addr out{};
        out.family = family;
        std::copy(bytes.begin(), bytes.end(), out.bytes);
        return out;
    }
    std::vector<std::uint8_t> memory_;
    RsaKeyFile file_;
};

TEST_F(RsaKeyFileTest, ReadsAPrivateKeyWithAllItsNumbers) {
    ASSERT_EQ(error("# ours\n" + block(whole()), RsaUse::Private), "");
    ASSERT_EQ(file_.keys().size(), 1u);
    const RsaKey& key = file_.keys()[0];
    EXPECT_TRUE(key.is_private);
    EXPECT_EQ(key.line, 2u);
    EXPECT_EQ(key.column, 3u);
    EXPECT_EQ(bit_length(key.n), 2048u);
    EXPECT_EQ(key.n.size(), 256u);
    EXPECT_EQ(std::vector<std::uint8_t>(key.e.begin(), key.e.end()),
              (std::vector<std::uint8_t>{1, 0, 1}));
    EXPECT_EQ(key.d.size(), 255u);
    EXPECT_EQ(key.p[0], 0x0d);
    EXPECT_EQ(key.qinv[0], 3);
    EXPECT_TRUE(file_.remarks().empty());
}

TEST_F(RsaKeyFileTest, ReadsPublicKeysInBase64AndHex) {
    ASSERT_EQ(error(kPub + "\n: PUB 0x03010001" + kModulus + "\n"), "");
    ASSERT_EQ(file_.keys().size(), 2u);
    for (const RsaKey& key : file_.keys()) {
        EXPECT_FALSE(key.is_private);
        EXPECT_EQ(std::string(key.n.begin(), key.n.end()), kPublicBytes.substr(4));
        EXPECT_EQ(std::string(key.e.begin(), key.e.end()), kPublicBytes.substr(1, 3));
    }
}

TEST_F(RsaKeyFileTest, TheLengthOfAnExponentMayTakeThreeBytes) {
    EXPECT_EQ(error(": PUB 0x000003010001" + kModulus + "\n"), "");
    EXPECT_EQ(bit_length(file_.keys()[0].e), 17u);
}

// The numbers of RFC 4034 section 5.4, in the form that DNS and these files share.
TEST_F(RsaKeyFileTest, ReadsTheKeyOfTheDnssecStandard) {
    ASSERT_EQ(error(": PUB 0sAQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMz"
                    "NXxeYCmZDRD99WYwYqUSdjMmmAphXdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2"
                    "wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw=="),
              "");
    const RsaKey& key = file_.keys()[0];
    EXPECT_EQ(bit_length(key.n), 1024u);
    EXPECT_EQ(key.e.size(), 1u);
    EXPECT_EQ(key.e[0], 3);
    ASSERT_EQ(file_.remarks().size(), 2u) << "1024 bits and exponent 3 are both weak";
}

TEST_F(RsaKeyFileTest, PaddingOfBase64MayBeMissing) {
    std::string text = kPub;
    while (text.back() == '=') text.pop_back();
    EXPECT_EQ(error(text), "");
    EXPECT_EQ(bit_length(file_.keys()[0].n), 2048u);
}

TEST_F(RsaKeyFileTest, OneAddressIsThePeersTwoAreOursAndThePeers) {
    ASSERT_EQ(error("192.0.2.1 " + kPub + "\n198.51.100.0/24 2001:db8::/32 " + kPub + "\nany any" +
                    kPub + "\n" + kPub),
              "");
    ASSERT_EQ(file_.keys().size(), 4u);
    EXPECT_EQ(file_.keys()[0].source.family, 0);
    EXPECT_EQ(file_.keys()[0].destination.family, 4);
    EXPECT_EQ(file_.keys()[0].destination.length, 32);
    EXPECT_EQ(file_.keys()[1].source.length, 24);
    EXPECT_EQ(file_.keys()[1].destination.family, 6);
    EXPECT_EQ(file_.keys()[1].destination.length, 32);
    EXPECT_EQ(file_.keys()[2].destination.family, 0);
    EXPECT_EQ(file_.keys()[3].destination.family, 0);
}

TEST_F(RsaKeyFileTest, BlanksMayBeMissingAroundTheColon) {
    const std::string pub = kPub.substr(2);
    EXPECT_EQ(error("192.0.2.1:" + pub + "\n2001:db8::1:" + pub + "\n::1 :" + pub + "\nany:" + pub),
              "");
    ASSERT_EQ(file_.keys().size(), 4u);
    EXPECT_EQ(file_.keys()[1].destination.bytes[15], 1);
    EXPECT_EQ(error(":RSA{" + whole() + "}", RsaUse::Private), "");
}

TEST_F(RsaKeyFileTest, DosLineEndsAndCommentsAnywhereAreFine) {
    EXPECT_EQ(
        error("\r\n# x\r\n: RSA { # one\r\nModulus: 0x" + kModulus +
                  "# two\r\nPublicExponent:0x10001\r\nPrivateExponent: 0x" + digits(255) + "}\r\n#",
              RsaUse::Private),
        "");
}

TEST_F(RsaKeyFileTest, AnErrorHasItsLineAndColumn) {
    EXPECT_EQ(error(""), "1:1: the file has no key, expected \": PUB 0s...\"");
    EXPECT_EQ(error("# nothing\n", RsaUse::Private),
              "2:1: the file has no key, expected \": RSA { ... }\"; make one with plainrsa-gen");
    EXPECT_EQ(error("192.0.2.300 " + kPub),
              "1:1: found \"192.0.2.300\", expected an address, an address with a prefix length, "
              "any, or \":\"");
    EXPECT_EQ(error("\n  192.0.2.0/33 " + kPub),
              "2:3: found \"192.0.2.0/33\", expected an address, an address with a prefix length, "
              "any, or \":\"");
    EXPECT_EQ(error("@gw.example.org " + kPub),
              "1:1: found \"@gw.example.org\", expected an address, an address with a prefix "
              "length, any, or \":\"");
    EXPECT_EQ(error("any any any " + kPub), "1:9: found \"any\", expected \":\"");
    EXPECT_EQ(error("192.0.2.1"),
              "1:10: found the end of the file, expected \": RSA { ... }\" or \": PUB ...\"");
    EXPECT_EQ(error(": PSK \"x\""),
              "1:3: found \"PSK\", expected RSA or PUB; pre-shared keys belong into psk.txt");
    EXPECT_EQ(error(": pub 0sAA"), "1:3: found \"pub\", expected RSA or PUB");
    EXPECT_EQ(error(": PUB AA"),
              "1:7: found digits, expected the key in base64 after 0s, or in hex after 0x");
    EXPECT_EQ(error(kPub.substr(0, 100) + "*"),
              "1:101: PUB: found a character that is no base64 digit");
    EXPECT_EQ(error(": PUB 0sAQM"),
              "1:7: PUB: 2 bytes, expected the exponent's length, the exponent and the modulus; "
              "was the line cut?");
    EXPECT_EQ(error(": RSA Modulus", RsaUse::Private),
              "1:7: found \"Modulus\", expected \"{\" after RSA");
    EXPECT_EQ(error(": RSA {", RsaUse::Private), "1:8: found the end of the file, expected \"}\"");
    EXPECT_EQ(error(block("Modulus 0x11\n"), RsaUse::Private),
              "2:9: found digits, expected \":\" after Modulus");
    EXPECT_EQ(error(block("Modulus: 11\n"), RsaUse::Private),
              "2:10: Modulus: found digits, expected hex digits after 0x");
    EXPECT_EQ(error(block("Modulus: 0x12g\n"), RsaUse::Private),
              "2:14: Modulus: found a character that is no hex digit");
    EXPECT_EQ(error(block("Modulus: 0x00\n"), RsaUse::Private), "2:10: Modulus is zero");
    EXPECT_EQ(error(block("Modulus: 0x11\nModulus: 0x11\n"), RsaUse::Private),
              "3:1: found Modulus twice, expected once");
    EXPECT_EQ(error(block("modulus: 0x11\n"), RsaUse::Private).substr(0, 31),
              "2:1: found \"modulus\", expected ");
    EXPECT_EQ(error(block("Modulus: 0x" + kModulus + "\n"), RsaUse::Private),
              "3:1: found \"}\", expected PublicExponent before it");
    EXPECT_EQ(error(std::string("\0", 1)),
              "1:1: found a byte that is no text, expected an address, an address with a prefix "
              "length, any, or \":\"");
}

TEST_F(RsaKeyFileTest, APieceOfAKeyIsNeverShown) {
    // A number that an editor has wrapped.
    const std::string wrapped = error(
        block("PrivateExponent: 0xdeadbeef\ncafe0123\nModulus: 0x" + kModulus), RsaUse::Private);
    EXPECT_EQ(wrapped.substr(0, 25), "3:1: found digits, expect");
    EXPECT_EQ(wrapped.find("cafe"), std::string::npos);
}

TEST_F(RsaKeyFileTest, KeysThatNobodyShouldUseAreRefused) {
    const auto with = [this](const std::string& n, const std::string& e) {
        return error(block(whole(n, e)), RsaUse::Private);
    };
    EXPECT_EQ(with(digits(127), "10001"), "2:10: a modulus of 1016 bits, expected 1024 to 16384");
    EXPECT_EQ(with(digits(2049), "10001"), "2:10: Modulus is longer than 16384 bits");
    EXPECT_EQ(with(digits(2048), "10001"), "");
    EXPECT_EQ(with(digits(255) + "c2", "10001"), "2:10: an even modulus: this is no RSA key");
    EXPECT_EQ(with(kModulus, "1"), "3:17: public exponent 1, expected an odd one, as 65537");
    EXPECT_EQ(with(kModulus, "10000"),
              "3:17: public exponent 65536, expected an odd one, as 65537");
    EXPECT_EQ(with(kModulus, "10000000000000001"),
              "3:17: a public exponent of 65 bits, expected at most 64");
    EXPECT_EQ(with(kModulus, "0"), "3:17: PublicExponent is zero");
    EXPECT_EQ(error(": PUB 0x0100" + kModulus),
              "1:7: public exponent 0, expected an odd one, as 65537");
}

TEST_F(RsaKeyFileTest, OldAndShortKeysAreTakenWithARemark) {
    ASSERT_EQ(error(block(whole(digits(128), "3")), RsaUse::Private), "");
    ASSERT_EQ(file_.remarks().size(), 2u);
    EXPECT_EQ(file_.remarks()[0].line, 2u);
    EXPECT_EQ(file_.remarks()[0].column, 10u);
    EXPECT_NE(file_.remarks()[0].text.find("1024 bits is weak"), std::string::npos);
    EXPECT_EQ(file_.remarks()[1].line, 3u);
    EXPECT_NE(file_.remarks()[1].text.find("public exponent 3"), std::string::npos);
}

TEST_F(RsaKeyFileTest, APublicKeyIsNoPrivateOne) {
    EXPECT_EQ(error("\n" + kPub, RsaUse::Private),
              "2:3: found a public key, expected the private one, \": RSA { ... }\"");
    EXPECT_EQ(
        error(block("Modulus: 0x" + kModulus + "\nPublicExponent: 0x10001\n"), RsaUse::Private),
        "4:1: found \"}\", expected PrivateExponent before it");
}

TEST_F(RsaKeyFileTest, APrivateKeyAmongPublicOnesGivesItsPublicHalf) {
    ASSERT_EQ(error(block(whole())), "");
    EXPECT_FALSE(file_.keys()[0].is_private);
    EXPECT_TRUE(file_.keys()[0].d.empty());
    EXPECT_TRUE(file_.keys()[0].p.empty());
    ASSERT_EQ(file_.remarks().size(), 1u);
}

TEST_F(RsaKeyFileTest, WithoutAllPrimesTheRestIsPutAside) {
    ASSERT_EQ(
        error(block("Modulus: 0x" + kModulus + "\nPublicExponent: 0x10001\nPrivateExponent: 0x" +
                    digits(255) + "\nPrime1: 0x0d\n"),
              RsaUse::Private),
        "");
    EXPECT_TRUE(file_.keys()[0].p.empty());
    EXPECT_EQ(file_.remarks().size(), 4u);
}

TEST_F(RsaKeyFileTest, TheNumberOfKeysAndRemarksIsBounded) {
    const std::string one = ": PUB 0x0103" + digits(128) + "\n";
    std::string text;
    for (std::size_t i = 0; i < kMaxRsaKeys; ++i) text += one;
    EXPECT_EQ(error(text), "");
    EXPECT_EQ(file_.keys().size(), kMaxRsaKeys);
    EXPECT_EQ(file_.remarks().size(), kMaxRsaRemarks);
    EXPECT_EQ(error(text + one), "20001:3: more than 20000 keys in one file");
}

TEST_F(RsaKeyFileTest, AKeyScoresByTheBitsThatFit) {
    const racoon_addr ours = address(4, {192, 0, 2, 1});
    const racoon_addr peer = address(4, {198, 51, 100, 200});
    const racoon_addr other = address(6, {0x20, 0x01, 0x0d, 0xb8});
    const auto fit = [&](const std::string& addresses) {
        EXPECT_EQ(error(addresses + kPub), "");
        return score(file_.keys()[0], ours, peer);
    };
    EXPECT_EQ(fit(""), 0);
    EXPECT_EQ(fit("any "), 0);
    EXPECT_EQ(fit("198.51.100.200 "), 32);
    EXPECT_EQ(fit("198.51.100.201 "), -1);
    EXPECT_EQ(fit("192.0.2.1 "), -1) << "one address alone is the peer's";
    EXPECT_EQ(fit("192.0.2.0/24 198.51.100.128/25 "), 49);
    EXPECT_EQ(fit("192.0.2.0/24 198.51.100.0/25 "), -1);
    EXPECT_EQ(fit("any 0.0.0.0/0 "), 0);
    EXPECT_EQ(fit("::/0 "), -1) << "of the other family";
    EXPECT_EQ(error("2001:db8::/32 " + kPub), "");
    EXPECT_EQ(score(file_.keys()[0], other, other), 32);
}

}  // namespace
}  // namespace credential_files
