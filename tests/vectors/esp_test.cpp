// The transforms of kernel-userspace against the vectors of RFC 3566 and RFC 3686, of the GCM
// specification, and of Wycheproof where its additional data has the size of an ESP header.
#include "aead.hpp"
#include "mac.hpp"
#include "vectors/data.hpp"

namespace racoon::test {
namespace {

using kernel_userspace::make_mac;
using kernel_userspace::make_transform;

racoon_kernel_alg alg(const char* name, ByteView key, std::uint32_t icv_bits) {
    racoon_kernel_alg a{};
    std::copy_n(name, std::char_traits<char>::length(name), a.xfrm_name);
    a.key_size = static_cast<std::uint32_t>(key.size());
    std::copy(key.begin(), key.end(), a.key);
    a.icv_bits = icv_bits;
    return a;
}

Bytes joined(std::initializer_list<Bytes> parts) {
    Bytes out;
    for (const Bytes& p : parts) out.insert(out.end(), p.begin(), p.end());
    return out;
}

// RFC 3566 section 4.6, all seven cases with the whole MAC of 128 bits.
TEST(EspVectors, XcbcMacOfRfc3566) {
    struct Case {
        std::size_t size;
        const char* mac;
    };
    const Case cases[] = {
        {0, "75f0251d528ac01c4573dfd584d79f29"},  {3, "5b376580ae2f19afe7219ceef172756f"},
        {16, "d2a246fa349b68a79998a4394ff7a263"}, {20, "47f51b4564966215b8985c63055ed308"},
        {32, "f54f0ec8d2b9f3d36807734bd5283fd4"}, {34, "becbb3bccdb518a30677d5481fb6b4d8"}};
    std::string error;
    const auto mac = make_mac(
        alg("xcbc(aes)", unhex(std::string("000102030405060708090a0b0c0d0e0f")), 128), &error);
    ASSERT_TRUE(mac) << error;
    for (const auto& [size, expected] : cases) {
        Bytes data(size);
        for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<std::uint8_t>(i);
        // However the bytes come in two parts.
        for (std::size_t cut = 0; cut <= size; ++cut) {
            Bytes out(16);
            ASSERT_TRUE(
                mac->compute(ByteView(data).first(cut), ByteView(data).subspan(cut), out.data()));
            EXPECT_EQ(out, unhex(std::string(expected))) << size << " bytes cut at " << cut;
        }
    }
    // 1000 bytes of zeros: across the blocks that are taken in bulk.
    Bytes out(16);
    ASSERT_TRUE(mac->compute(Bytes(1000), {}, out.data()));
    EXPECT_EQ(out, unhex(std::string("f0dafee895db30253761103b5d84528f")));
}

TEST(EspVectors, OfStrongSwanForCounterModeAndXcbcHold) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    Tally tally("strongSwan, ESP transforms");
    const Bytes auth_key(20, 7);
    for (const Json& v : load_json(*root / "strongswan" / "test_vectors.json")) {
        SCOPED_TRACE(v["name"].get<std::string>());
        std::string error;
        if (v["alg"] == "AUTH_AES_XCBC_96") {
            const auto mac = make_mac(alg("xcbc(aes)", unhex(v["key"]), 96), &error);
            ASSERT_TRUE(mac) << error;
            Bytes out(12);
            ASSERT_TRUE(mac->compute(unhex(v["data"]), {}, out.data()));
            EXPECT_EQ(out, unhex(v["mac"]));
            tally.checked();
        } else if (v["alg"] == "ENCR_AES_CTR") {
            // The vector inside an ESP packet, whose ICV another transform makes.
            const auto auth = alg("hmac(sha1)", auth_key, 96);
            const auto esp =
                make_transform(alg("rfc3686(ctr(aes))", unhex(v["key"]), 0), auth, false, &error);
            ASSERT_TRUE(esp) << error;
            const auto mac = make_mac(auth, &error);
            Bytes packet = joined({Bytes(8, 1), unhex(v["iv"]), unhex(v["cipher"])});
            Bytes icv(12);
            ASSERT_TRUE(mac->compute(packet, {}, icv.data()));
            packet = joined({packet, icv});
            ASSERT_TRUE(esp->open(packet, 1, false));
            EXPECT_EQ(Bytes(packet.begin() + 16, packet.end() - 12), unhex(v["plain"]));
            tally.checked();
        }
    }
    EXPECT_EQ(tally.checked_count(), 14u);
}

TEST(EspVectors, OfWycheproofForGcmHoldWhereTheyLookLikeEsp) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    Tally tally("Wycheproof GCM");
    const Json all = load_json(*root / "wycheproof" / "aes_gcm_test.json.gz");
    for (const Json& group : all["testGroups"]) {
        for (const Json& test : group["tests"]) {
            const Bytes aad = unhex(test["aad"]);
            const Bytes cipher = unhex(test["ct"]);
            if (group["ivSize"] != 96 || aad.size() != 8 || cipher.size() % 4 != 0) {
                tally.skip("not of the shape of an ESP packet");
                continue;
            }
            SCOPED_TRACE("tcId " + test["tcId"].dump());
            const Bytes iv = unhex(test["iv"]);
            const Bytes key = joined({unhex(test["key"]), Bytes(iv.begin(), iv.begin() + 4)});
            std::string error;
            const auto esp = make_transform(
                alg("rfc4106(gcm(aes))", key, group["tagSize"].get<unsigned>()), {}, true, &error);
            ASSERT_TRUE(esp) << error;
            Bytes packet =
                joined({aad, Bytes(iv.begin() + 4, iv.end()), cipher, unhex(test["tag"])});
            EXPECT_EQ(esp->open(packet, 0, false), test["result"] == "valid");
            EXPECT_EQ(Bytes(packet.begin() + 16, packet.end() - 16), unhex(test["msg"]));
            tally.checked();
        }
    }
    EXPECT_EQ(tally.checked_count(), 4u);
}

// A shorter tag is the beginning of the longer one (SP 800-38D 7.1), and GMAC is GCM over nothing with
// the packet as additional data (RFC 4543 3): each is held against the other's code in OpenSSL.
TEST(EspVectors, ShorterTagsBeginTheLongest) {
    const Bytes key(20, 0x42);
    Bytes reference;
    for (const std::uint32_t bits : {128u, 96u, 64u}) {
        std::string error;
        const auto esp = make_transform(alg("rfc4106(gcm(aes))", key, bits), {}, true, &error);
        ASSERT_TRUE(esp) << error;
        Bytes packet(8 + 8 + 32 + bits / 8, 0x33);
        ASSERT_TRUE(esp->seal(packet, 0x0102030405060708, true));
        if (reference.empty()) reference = packet;
        EXPECT_EQ(packet, Bytes(reference.begin(),
                                reference.begin() + static_cast<std::ptrdiff_t>(packet.size())));
        ASSERT_TRUE(esp->open(packet, 0x0102030405060708, true));
        EXPECT_FALSE(esp->open(packet, 0x0102030405060708, true)) << "it is plaintext by now";
    }
}

TEST(EspVectors, GmacLeavesThePayloadReadableAndCoversAllOfIt) {
    const Bytes key(36, 0x42);
    std::string error;
    const auto esp = make_transform(alg("rfc4543(gcm(aes))", key, 128), {}, true, &error);
    ASSERT_TRUE(esp) << error;
    Bytes packet(8 + 8 + 32 + 16, 0x33);
    ASSERT_TRUE(esp->seal(packet, 9, false));
    EXPECT_EQ(Bytes(packet.begin() + 16, packet.end() - 16), Bytes(32, 0x33));
    ASSERT_TRUE(esp->open(packet, 9, false));
    for (std::size_t at = 0; at < packet.size(); ++at) {
        Bytes bent = packet;
        bent[at] = static_cast<std::uint8_t>(bent[at] ^ 1);
        EXPECT_FALSE(esp->open(bent, 9, false)) << at;
    }
}

}  // namespace
}  // namespace racoon::test
