// PF_KEY messages: written and read in the dialect of every system, and compared with the layout that
// its headers document.
#include <gtest/gtest.h>

#include <cstring>
#include <linux/pfkeyv2.h>

#include <racoon/kernel_backend.hpp>

#include "conformance.hpp"
#include "pfkey/message.hpp"

namespace racoon::test {
namespace {

using namespace pfkey;

const Dialect* const kDialects[] = {&linux_dialect(), &freebsd_dialect(), &netbsd_dialect(),
                                    &macos_dialect()};

Message an_add(const char* src, const char* dst) {
    Message m;
    m.type = kAdd;
    m.satype = kSaEsp;
    m.seq = 7;
    m.pid = 99;
    m.sa = Sa{0x12345678, 4, kMature, 3, 12, 0x40, 0};
    m.sa2 = Sa2{kModeTunnel, 0, 16385};
    m.hard = Lifetime{0, 1000, 3600, 0};
    m.soft = Lifetime{0, 800, 2880, 0};
    m.src = Address{address(src), 255, 32};
    m.dst = Address{address(dst), 255, 32};
    m.auth_key = Key{160, std::vector<std::uint8_t>(20, 0xaa)};
    m.encrypt_key = Key{128, std::vector<std::uint8_t>(16, 0xee)};
    return m;
}

Message a_policy() {
    Message m;
    m.type = kSpdAdd;
    m.src = Address{address("fd01::", 80), 6, 64};
    m.dst = Address{address("fd02::"), 6, 64};
    Policy p;
    p.dir = kDirOut;
    p.id = 8;
    p.priority = 0x80000000u - 10;
    Request tunnel;
    tunnel.mode = kModeTunnel;
    tunnel.level = kLevelUnique;
    tunnel.reqid = 1234;
    tunnel.src = address("fd09::1");
    tunnel.dst = address("fd09::2");
    Request transport;
    transport.proto = 51;
    transport.mode = kModeTransport;
    transport.level = kLevelRequire;
    p.requests = {tunnel, transport};
    m.policies = {p};
    return m;
}

TEST(PfkeyMessages, AreReadAsTheyWereWrittenInEveryDialect) {
    for (const Dialect* d : kDialects) {
        SCOPED_TRACE(d->name);
        const Message add = an_add("192.0.2.1", "192.0.2.2");
        const auto got = decode(encode(add, *d), *d);
        ASSERT_TRUE(got);
        EXPECT_EQ(got->sa, add.sa);
        EXPECT_EQ(got->sa2, add.sa2);
        EXPECT_EQ(got->hard, add.hard);
        EXPECT_EQ(got->soft, add.soft);
        EXPECT_EQ(got->auth_key, add.auth_key);
        EXPECT_EQ(got->encrypt_key, add.encrypt_key);
        EXPECT_TRUE(sdk::same_address(got->dst->addr, add.dst->addr));
        EXPECT_EQ(got->seq, 7u);
        EXPECT_EQ(got->pid, 99u);

        const auto policy = decode(encode(a_policy(), *d), *d);
        ASSERT_TRUE(policy);
        EXPECT_EQ(policy->src->addr.port, 80);
        EXPECT_EQ(policy->src->prefix, 64);
        ASSERT_EQ(policy->policies.size(), 1u);
        const Policy& p = policy->policies[0];
        EXPECT_EQ(p.priority, d->priority ? 0x80000000u - 10 : 0);
        ASSERT_EQ(p.requests.size(), 2u);
        EXPECT_EQ(p.requests[0].reqid, 1234u);
        EXPECT_TRUE(sdk::same_address(p.requests[0].dst, address("fd09::2")));
        EXPECT_EQ(p.requests[1].src.family, 0);
        EXPECT_EQ(p.requests[1].proto, 51);
    }
}

TEST(PfkeyMessages, CarryNatTraversalWhereTheSystemKnowsIt) {
    Message m = an_add("192.0.2.1", "192.0.2.2");
    m.natt_type = kUdpEncapsulation;
    m.natt_sport = 4500;
    m.natt_dport = 61234;
    m.oai = Address{address("10.0.0.5"), 0, 32};
    m.sa->natt_port = 4500;
    for (const Dialect* d : kDialects) {
        SCOPED_TRACE(d->name);
        const auto got = decode(encode(m, *d), *d);
        ASSERT_TRUE(got);
        EXPECT_EQ(got->natt_type.has_value(), d->natt_type != 0);
        EXPECT_EQ(got->sa->natt_port, d->natt_port_in_sa ? 4500 : 0);
        if (d->natt_type == 0) continue;
        EXPECT_EQ(got->natt_dport, 61234);
        EXPECT_TRUE(sdk::same_address(got->oai->addr, address("10.0.0.5")));
    }
}

// The system's own header says where things lie.
TEST(PfkeyMessages, HaveTheLayoutOfLinux) {
    const auto bytes = encode(an_add("192.0.2.1", "192.0.2.2"), linux_dialect());
    sadb_msg head{};
    std::memcpy(&head, bytes.data(), sizeof(head));
    EXPECT_EQ(head.sadb_msg_version, PF_KEY_V2);
    EXPECT_EQ(head.sadb_msg_type, SADB_ADD);
    EXPECT_EQ(head.sadb_msg_satype, SADB_SATYPE_ESP);
    EXPECT_EQ(head.sadb_msg_len * 8u, bytes.size());
    sadb_sa sa{};
    std::memcpy(&sa, bytes.data() + sizeof(head), sizeof(sa));
    EXPECT_EQ(sa.sadb_sa_len * 8u, sizeof(sa));
    EXPECT_EQ(sa.sadb_sa_exttype, SADB_EXT_SA);
    EXPECT_EQ(sa.sadb_sa_spi, 0x78563412u);
    EXPECT_EQ(sa.sadb_sa_auth, SADB_AALG_SHA1HMAC);
    EXPECT_EQ(sa.sadb_sa_encrypt, SADB_X_EALG_AESCBC);
    sadb_x_sa2 sa2{};
    std::memcpy(&sa2, bytes.data() + sizeof(head) + sizeof(sa), sizeof(sa2));
    EXPECT_EQ(sa2.sadb_x_sa2_exttype, SADB_X_EXT_SA2);
    EXPECT_EQ(sa2.sadb_x_sa2_reqid, 16385u);
    const auto policy = encode(a_policy(), linux_dialect());
    // head, two addresses of 8 + 32 bytes
    const std::size_t at = sizeof(head) + 2 * 40;
    sadb_x_policy p{};
    std::memcpy(&p, policy.data() + at, sizeof(p));
    EXPECT_EQ(p.sadb_x_policy_exttype, SADB_X_EXT_POLICY);
    EXPECT_EQ(p.sadb_x_policy_len * 8u, policy.size() - at);
    EXPECT_EQ(p.sadb_x_policy_priority, 0x80000000u - 10);
    sadb_x_ipsecrequest r{};
    std::memcpy(&r, policy.data() + at + sizeof(p), sizeof(r));
    EXPECT_EQ(r.sadb_x_ipsecrequest_len, sizeof(r) + 2 * 28);
    EXPECT_EQ(r.sadb_x_ipsecrequest_reqid, 1234u);
}

// KAME's: a length in each sockaddr, a reqid of 16 bits in a request of 8 bytes.
TEST(PfkeyMessages, HaveTheLayoutOfTheBsds) {
    const struct {
        const Dialect& d;
        std::uint8_t inet6;
    } systems[] = {{freebsd_dialect(), 28}, {netbsd_dialect(), 24}, {macos_dialect(), 30}};
    for (const auto& [d, inet6] : systems) {
        SCOPED_TRACE(d.name);
        const auto bytes = encode(a_policy(), d);
        EXPECT_EQ(bytes[16 + 8], 28) << "sin6_len";
        EXPECT_EQ(bytes[16 + 9], inet6) << "sin6_family";
        EXPECT_EQ(bytes[16 + 10], 0);
        EXPECT_EQ(bytes[16 + 11], 80) << "the port is in network order";
        const std::size_t request = 16 + 2 * 40 + 16;
        std::uint16_t length = 0, reqid = 0;
        std::memcpy(&length, bytes.data() + request, 2);
        std::memcpy(&reqid, bytes.data() + request + 6, 2);
        EXPECT_EQ(length, 8 + 2 * 28);
        EXPECT_EQ(reqid, 1234);
        EXPECT_EQ(bytes[request + 4], kModeTunnel);
        EXPECT_EQ(bytes.size(), request + 64 + 8);
    }
    EXPECT_EQ(macos_dialect().encryption(3), 2) << "3DES";
    EXPECT_EQ(macos_dialect().authentication(5), 6) << "HMAC-SHA2-256";
    EXPECT_EQ(linux_dialect().authentication(252), 0) << "no TCP-MD5";
    Message replay = an_add("192.0.2.1", "192.0.2.2");
    replay.replay = 4096;
    EXPECT_EQ(decode(encode(replay, freebsd_dialect()), freebsd_dialect())->replay, 4096u);
    EXPECT_FALSE(decode(encode(replay, netbsd_dialect()), netbsd_dialect())->replay);
}

TEST(PfkeyMessages, SkipExtensionsThatAreNotKnown) {
    auto bytes = encode(an_add("192.0.2.1", "192.0.2.2"), linux_dialect());
    const std::uint16_t unknown[] = {1, 77, 0, 0};
    const auto* p = reinterpret_cast<const std::uint8_t*>(unknown);
    bytes.insert(bytes.end(), p, p + sizeof(unknown));
    const auto units = static_cast<std::uint16_t>(bytes.size() / 8);
    std::memcpy(bytes.data() + 4, &units, 2);
    const auto got = decode(bytes, linux_dialect());
    ASSERT_TRUE(got) << "one unknown extension made the whole message invalid";
    EXPECT_EQ(got->skipped, std::vector<std::uint16_t>{77});
    EXPECT_TRUE(got->encrypt_key);
}

TEST(PfkeyMessages, RefuseEveryTruncationAndWrongLength) {
    for (const Dialect* d : kDialects) {
        const auto whole = encode(a_policy(), *d);
        for (std::size_t n = 0; n < whole.size(); ++n) {
            std::string why;
            EXPECT_FALSE(decode(ByteView(whole).first(n), *d, &why));
            EXPECT_NE(why, "");
        }
        // Every byte of a length field wrong: never read beyond, which the sanitizers watch.
        for (std::size_t at = kHeaderSize; at < whole.size(); ++at)
            for (const int value : {0, 1, 2, 3, 5, 127, 255}) {
                auto bad = whole;
                bad[at] = static_cast<std::uint8_t>(value);
                decode(bad, *d);
            }
    }
}

}  // namespace
}  // namespace racoon::test
