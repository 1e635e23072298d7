// AH in the userspace data path: the bytes, against a computation of their own, and what is covered.
#include "ah.hpp"

#include <set>

#include "ah_header.hpp"
#include "data_path_fixture.hpp"
#include "fragment.hpp"

namespace racoon::test {
namespace {

racoon_kernel_sa ah_sa(bool v6, const racoon_kernel_alg& auth, std::uint32_t spi = 0x1001) {
    racoon_kernel_sa sa =
        esp_sa(RACOON_DIR_OUT, v6 ? "fd09::1" : "10.9.0.1", v6 ? "fd09::2" : "10.9.0.2", spi, 1, 1);
    sa.protocol = RACOON_IPPROTO_AH;
    sa.mode = RACOON_MODE_TRANSPORT;
    sa.enc = {};
    sa.auth = auth;
    sa.replay_window = 64;
    return sa;
}

std::unique_ptr<AhSa> make_ah(const racoon_kernel_sa& sa) {
    std::string error;
    auto made = AhSa::make(sa, &error);
    EXPECT_TRUE(made) << error;
    return made;
}

// UDP whose IPv4 header has router alert and a record of its route, or whose IPv6 header has router alert and
// an option that hosts on the way may change.
Bytes with_options(bool v6) {
    return from_hex(v6 ? "6abcdef100200021fd090000000000000000000000000001"
                         "fd090000000000000000000000000002"
                         "1101050200003e02aabb010400000000"
                         "04000035001000007261636f6f6e4148"
                       : "482200301234400021110000"
                         "0a0900010a090002"
                         "940400000707040a09090901"
                         "04000035001000007261636f6f6e4148");
}

// The packet with AH in it; empty: it could not be made.
Bytes sealed(AhSa& ah, const Bytes& packet) {
    const auto flow = parse_packet(packet);
    const auto at = place_for_ah(packet, *flow);
    if (!at) return {};
    const std::uint8_t next = next_at(packet, *at);
    Bytes out = packet;
    out.insert(out.begin() + static_cast<std::ptrdiff_t>(*at), ah.size(), 0);
    set_next(out, *at, kProtoAh);
    if (ah.seal(out, *at, next) != Sealed::Done) return {};
    return out;
}

Opened opened(AhSa& ah, const Bytes& packet, AhSa::Header* header = nullptr) {
    AhSa::Header unused;
    const auto flow = parse_packet(packet);
    if (!flow || flow->protocol != kProtoAh) return Opened::Malformed;
    return ah.open(packet, flow->header, header != nullptr ? header : &unused);
}

// Made by a few lines of Python with hashlib from the text of RFC 4302, not by this code. What may change on
// the way has values that would change the ICV if it were covered.
const char* const kSha1 =
    "482200481234400021337ef90a0900010a090002940400000707040a09090901"
    "110400000000100100000001657535356871ff66ba79c585"
    "04000035001000007261636f6f6e4148";
const char* const kSha256 =
    "6abcdef100400021fd090000000000000000000000000001fd0900000000000000000000000000023301050200003e02"
    "aabb01040000000011060000000010020000000"
    "1a3bd3e58a9e3ffe6148cf30b1636bf370000000004000035001000007261636f6f6e4148";
// The same with the number 2^32 + 5, of which only the 5 is in the packet.
const char* const kSha256Esn =
    "6abcdef100400021fd090000000000000000000000000001fd0900000000000000000000000000023301050200003e02"
    "aabb010400000000110600000000100200000005"
    "a75dc49e40d243ab2284f956b82958cf0000000004000035001000007261636f6f6e4148";

// AES-GMAC with 128 and 256 bits, whose tag was made by the program openssl.
const char* const kGmac128 =
    "482200541234400021337eed0a0900010a090002940400000707040a09090901"
    "110700000000100100000001000000000000000193b1425ec03f3cf262097407531084a2"
    "04000035001000007261636f6f6e4148";
const char* const kGmac256 =
    "6abcdef100480021fd090000000000000000000000000001fd0900000000000000000000000000023301050200003e02"
    "aabb010400000000110800000000100200000001"
    "0000000000000001a94021af8b14d15ab946a3ca34dd8ff10000000004000035001000007261636f6f6e4148";

TEST(Ah, MakesAndOpensWhatAnotherComputationMade) {
    const auto sha1 = algorithm("", "hmac(sha1)", 20, 96, 1);
    const auto sha256 = algorithm("", "hmac(sha256)", 32, 128, 1);
    const auto v4 = make_ah(ah_sa(false, sha1));
    EXPECT_EQ(sealed(*v4, with_options(false)), from_hex(kSha1));
    EXPECT_EQ(opened(*make_ah(ah_sa(false, sha1)), from_hex(kSha1)), Opened::Packet);

    const racoon_kernel_sa six = ah_sa(true, sha256, 0x1002);
    const auto v6 = make_ah(six);
    EXPECT_EQ(v6->size(), 32u) << "padded to a multiple of 8";
    EXPECT_EQ(sealed(*v6, with_options(true)), from_hex(kSha256));
    AhSa::Header header;
    EXPECT_EQ(opened(*make_ah(six), from_hex(kSha256), &header), Opened::Packet);
    EXPECT_EQ(header.next, 17);
    EXPECT_EQ(header.size, 32u);

    racoon_kernel_sa esn = six;
    esn.flags = RACOON_SA_ESN;
    esn.sequence = (std::uint64_t{1} << 32) + 4;
    EXPECT_EQ(sealed(*make_ah(esn), with_options(true)), from_hex(kSha256Esn));
}

// RFC 4543 4: the IV, then the tag, and in IPv6 four bytes of padding.
TEST(Ah, HasTheIvOfGmacInFrontOfItsTag) {
    const racoon_kernel_sa four = ah_sa(false, algorithm("", "rfc4543(gcm(aes))", 20, 128, 1));
    const auto v4 = make_ah(four);
    EXPECT_EQ(v4->size(), 36u);
    EXPECT_EQ(sealed(*v4, with_options(false)), from_hex(kGmac128));
    EXPECT_NE(sealed(*v4, with_options(false)), from_hex(kGmac128)) << "no IV twice";
    EXPECT_EQ(opened(*make_ah(four), from_hex(kGmac128)), Opened::Packet);
    const racoon_kernel_sa six =
        ah_sa(true, algorithm("", "rfc4543(gcm(aes))", 36, 128, 1), 0x1002);
    const auto v6 = make_ah(six);
    EXPECT_EQ(v6->size(), 40u);
    EXPECT_EQ(sealed(*v6, with_options(true)), from_hex(kGmac256));
    EXPECT_EQ(opened(*make_ah(six), from_hex(kGmac256)), Opened::Packet);
}

TEST(Ah, InfersTheUpperHalfOfTheNumber) {
    racoon_kernel_sa sa = ah_sa(false, algorithm("", "hmac(sha256)", 32, 128, 1));
    sa.flags = RACOON_SA_ESN;
    const auto receiver = make_ah(sa);
    // Across 2^32, in steps that a window can follow.
    for (const std::uint64_t start : {0x7fffffffu, 0xffffffe0u}) {
        sa.sequence = start;
        const auto sender = make_ah(sa);
        for (int i = 0; i < 60; ++i) {
            EXPECT_EQ(opened(*receiver, sealed(*sender, with_options(false))), Opened::Packet) << i;
        }
    }
}

// RFC 4302 3.3.3.1: each byte of the headers is covered, or may change and is not.
TEST(Ah, CoversJustWhatMayNotChangeOnTheWay) {
    for (const bool v6 : {false, true}) {
        for (const char* name : {"hmac(md5)", "hmac(sha1)", "hmac(sha256)", "hmac(sha384)",
                                 "hmac(sha512)", "xcbc(aes)", "rfc4543(gcm(aes))"}) {
            const std::string mac = name;
            const std::uint32_t key = mac == "xcbc(aes)"           ? 16
                                      : mac == "rfc4543(gcm(aes))" ? 20
                                                                   : 32;
            const std::uint32_t icv = mac == "hmac(sha512)"                ? 256
                                      : mac == "hmac(sha384)"              ? 192
                                      : mac == "hmac(sha256)" || key == 20 ? 128
                                                                           : 96;
            const racoon_kernel_sa sa = ah_sa(v6, algorithm("", name, key, icv, 7));
            const Bytes packet = sealed(*make_ah(sa), with_options(v6));
            ASSERT_FALSE(packet.empty());
            // Traffic class, flow label and hop limit, the data of an option; or type of service, flags, TTL,
            // checksum, and the whole of an option that is not known to stay.
            const std::set<std::size_t> free6 = {0, 1, 2, 3, 7, 48, 49};
            const std::set<std::size_t> free4 = {1, 6, 7, 8, 10, 11, 24, 26, 27, 28, 29, 30};
            for (std::size_t at = 0; at < packet.size(); ++at) {
                Bytes bent = packet;
                bent[at] = static_cast<std::uint8_t>(bent[at] ^ 1);
                const bool changes = (v6 ? free6 : free4).count(at) != 0;
                const Opened how = opened(*make_ah(sa), bent);
                EXPECT_EQ(how == Opened::Packet, changes) << name << ", byte " << at;
            }
        }
    }
}

TEST(Ah, AcceptsNoPacketTwiceAndNoneBehindTheWindow) {
    const racoon_kernel_sa sa = ah_sa(false, algorithm("", "hmac(sha1)", 20, 96, 1));
    const auto sender = make_ah(sa);
    const auto receiver = make_ah(sa);
    std::vector<Bytes> packets;
    for (int i = 0; i < 70; ++i) packets.push_back(sealed(*sender, with_options(false)));
    EXPECT_EQ(opened(*receiver, packets[5]), Opened::Packet);
    EXPECT_EQ(opened(*receiver, packets[5]), Opened::Replayed);
    EXPECT_EQ(opened(*receiver, packets[69]), Opened::Packet);
    EXPECT_EQ(opened(*receiver, packets[4]), Opened::Replayed) << "behind the window";
    EXPECT_EQ(opened(*receiver, packets[20]), Opened::Packet);
    // A forged number does not move the window.
    Bytes forged = packets[30];
    forged[32 + 8] = 0x70;
    EXPECT_EQ(opened(*receiver, forged), Opened::Forged);
    EXPECT_EQ(opened(*receiver, packets[30]), Opened::Packet);
}

TEST(Ah, EndsWithItsNumbers) {
    racoon_kernel_sa sa = ah_sa(false, algorithm("", "hmac(sha1)", 20, 96, 1));
    sa.sequence = 0xfffffffeu;
    const auto ah = make_ah(sa);
    EXPECT_FALSE(sealed(*ah, with_options(false)).empty());
    EXPECT_TRUE(sealed(*ah, with_options(false)).empty());
}

TEST(Ah, KnowsWhatItCannotCover) {
    const racoon_kernel_sa sa = ah_sa(true, algorithm("", "hmac(sha1)", 20, 96, 1));
    Bytes packet = sealed(*make_ah(sa), with_options(true));
    ASSERT_FALSE(packet.empty());
    packet[6] = 43;  // a routing header in place of the options
    EXPECT_EQ(opened(*make_ah(sa), packet), Opened::Unsupported);
    packet = with_options(true);
    packet[6] = 43;
    EXPECT_FALSE(place_for_ah(packet, *parse_packet(packet)));
    packet = with_options(false);
    packet[24] = 0x83;  // a source route in place of the record
    EXPECT_FALSE(place_for_ah(packet, *parse_packet(packet)));
    packet[24] = 7;
    packet[25] = 40;  // an option longer than the header
    EXPECT_FALSE(place_for_ah(packet, *parse_packet(packet)));
    packet = sealed(*make_ah(ah_sa(false, sa.auth)), with_options(false));
    packet[25] = 1;
    EXPECT_EQ(opened(*make_ah(ah_sa(false, sa.auth)), packet), Opened::Unsupported);
}

TEST(Ah, NeverReadsBeyondThePacket) {
    for (const bool v6 : {false, true}) {
        const racoon_kernel_sa sa = ah_sa(v6, algorithm("", "hmac(sha256)", 32, 128, 1));
        const Bytes packet = sealed(*make_ah(sa), with_options(v6));
        const std::size_t at = v6 ? 56 : 32;
        AhSa::Header header;
        for (std::size_t size = at; size < at + 44; ++size) {
            const Bytes cut(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size));
            EXPECT_NE(make_ah(sa)->open(cut, at, &header), Opened::Packet) << size;
        }
        for (unsigned length = 0; length < 256; ++length) {
            Bytes odd = packet;
            odd[at + 1] = static_cast<std::uint8_t>(length);
            const bool right = length == (v6 ? 6u : 5u);
            EXPECT_EQ(opened(*make_ah(sa), odd) == Opened::Packet, right) << length;
        }
    }
}

TEST(Ah, RefusesWhatIsNoAh) {
    std::string error;
    racoon_kernel_sa sa = ah_sa(false, algorithm("", "hmac(sha1)", 20, 96, 1));
    sa.flags = RACOON_SA_UDP_ENCAP;
    EXPECT_FALSE(AhSa::make(sa, &error));
    EXPECT_NE(error.find("UDP"), std::string::npos) << error;
    sa.flags = 0;
    sa.enc = algorithm("", "cbc(aes)", 16, 0, 1);
    EXPECT_FALSE(AhSa::make(sa, &error)) << "encryption";
    sa.enc = {};
    for (const char* name : {"", "digest_null", "rfc4543(gcm(aes))", "rfc4106(gcm(aes))"}) {
        sa.auth = algorithm("", name, 20, 96, 1);
        EXPECT_FALSE(AhSa::make(sa, &error)) << name;
    }
}

TEST(Fragments, HoldTheWholePacketAgain) {
    Outer ends;
    ends.id = 77;
    for (const bool v6 : {false, true}) {
        ends.src = address(v6 ? "fd09::1" : "10.9.0.1");
        ends.dst = address(v6 ? "fd09::2" : "10.9.0.2");
        Bytes body(3001);
        for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<std::uint8_t>(i * 7);
        const Bytes whole = make_packet(ends, kProtoAh, body);
        std::vector<Bytes> pieces;
        ASSERT_TRUE(split_packet(whole, 1300, 5,
                                 [&](ByteView p) { pieces.emplace_back(p.begin(), p.end()); }));
        ASSERT_EQ(pieces.size(), 3u);
        Reassembly parts;
        Bytes again;
        for (const Bytes& piece : pieces) {
            EXPECT_LE(piece.size(), 1300u);
            const auto flow = parse_packet(piece);
            ASSERT_TRUE(flow && flow->fragment);
            EXPECT_EQ(flow->size, piece.size());
            again = parts.add(piece, *flow, 1);
        }
        EXPECT_EQ(again, whole);
        if (ends.src.family == 6) {
            EXPECT_FALSE(split_packet(pieces[0], 600, 5, [](ByteView) {})) << "a piece already";
        } else {  // a router may do this
            Reassembly parts_of_parts;
            again.clear();
            for (const Bytes& piece : pieces)
                ASSERT_TRUE(split_packet(piece, 600, 5, [&](ByteView p) {
                    EXPECT_LE(p.size(), 600u);
                    Bytes whole_again = parts_of_parts.add(p, *parse_packet(p), 1);
                    if (!whole_again.empty()) again = std::move(whole_again);
                }));
            EXPECT_EQ(again, whole);
        }
        EXPECT_FALSE(split_packet(whole, 24, 5, [](ByteView) {})) << "too narrow";
    }
}

}  // namespace
}  // namespace racoon::test
