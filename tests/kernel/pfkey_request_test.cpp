// SAs and policies of the daemon as kernel-pfkey asks for them.
#include <gtest/gtest.h>

#include <set>

#include "conformance.hpp"
#include "requests.hpp"

namespace racoon::test {
namespace {

using namespace pfkey;
using namespace kernel_pfkey;

racoon_kernel_sa sha1_sa() {
    racoon_kernel_sa sa = esp_sa(RACOON_DIR_IN, "10.9.0.1", "10.9.0.2", 0x1001, 7, 1);
    sa.auth = algorithm("hmac_sha1", "hmac(sha1)", 20, 96, 2);
    return sa;
}

TEST(PfkeyRequests, SayWhatPfkeyCannotExpress) {
    const Dialect& d = linux_dialect();
    EXPECT_EQ(cannot(sha1_sa(), d), "");
    racoon_kernel_sa sa = sha1_sa();
    sa.flags = RACOON_SA_ESN;
    EXPECT_NE(cannot(sa, d), "");
    sa = sha1_sa();
    sa.auth = algorithm("hmac_sha256", "hmac(sha256)", 32, 128, 2);
    EXPECT_EQ(cannot(sa, d), "the kernel cuts hmac_sha256 to 96 bits through PF_KEY, not to 128");
    sa.auth.icv_bits = 96;
    EXPECT_EQ(cannot(sa, d), "");
    sa.auth = algorithm("hmac_sha512", "hmac(sha512)", 64, 256, 2);
    EXPECT_EQ(cannot(sa, d), "");
    sa.enc = algorithm("idea", "", 16, 0, 1);
    EXPECT_EQ(cannot(sa, d), "PF_KEY has no number for idea");
}

TEST(PfkeyRequests, CutHmacSha256AsTheSystemDoes) {
    racoon_kernel_sa sa = sha1_sa();
    sa.auth = algorithm("hmac_sha256", "hmac(sha256)", 32, 128, 2);
    for (const Dialect* d : {&freebsd_dialect(), &netbsd_dialect(), &macos_dialect()}) {
        SCOPED_TRACE(d->name);
        EXPECT_EQ(cannot(sa, *d), "");
        EXPECT_EQ(sa_message(kAdd, sa, 7, *d).sa->auth, d == &macos_dialect() ? 6 : 5);
    }
    sa.auth.icv_bits = 96;
    EXPECT_EQ(cannot(sa, freebsd_dialect()),
              "the kernel cuts hmac_sha256 to 128 bits through PF_KEY, not to 96");
}

TEST(PfkeyRequests, CombineCipherAndIntegrityWhereTheSystemCan) {
    racoon_kernel_sa sa = sha1_sa();
    sa.is_aead = 1;
    sa.auth = {};
    sa.enc = algorithm("aes_gcm_16", "rfc4106(gcm(aes))", 20, 128, 1);
    for (const Dialect* d : {&linux_dialect(), &macos_dialect()})
        EXPECT_EQ(cannot(sa, *d),
                  std::string("PF_KEY of ") + d->name + " has no combined algorithms");
    for (const Dialect* d : {&freebsd_dialect(), &netbsd_dialect()}) {
        SCOPED_TRACE(d->name);
        EXPECT_EQ(cannot(sa, *d), "");
        const auto m = decode(encode(sa_message(kAdd, sa, 7, *d), *d), *d);
        ASSERT_TRUE(m && m->encrypt_key);
        EXPECT_EQ(m->sa->encrypt, 20);
        EXPECT_EQ(m->sa->auth, 0);
        EXPECT_FALSE(m->auth_key);
        EXPECT_EQ(m->encrypt_key->bits, 160) << "the salt is at its end";
    }
    sa.enc.icv_bits = 96;
    sa.enc.pfkey_id = 19;
    EXPECT_NE(cannot(sa, freebsd_dialect()), "") << "its tag is whole";
}

TEST(PfkeyRequests, CapTheWindowAndSendBothLifetimes) {
    racoon_kernel_sa sa = sha1_sa();
    sa.replay_window = 64;
    sa.hard_ns = 3'600'000'000'001;
    const Message m = sa_message(kAdd, sa, 7, linux_dialect());
    EXPECT_EQ(m.sa->replay, 32);
    ASSERT_TRUE(m.soft && m.hard);
    EXPECT_EQ(m.hard->addtime, 3601u);
    EXPECT_EQ(sa_message(kAdd, sa, 7, freebsd_dialect()).sa->replay, 8) << "units of 8 packets";
    sa.replay_window = 4096;
    EXPECT_EQ(sa_message(kAdd, sa, 7, freebsd_dialect()).replay, 512u);
    EXPECT_EQ(m.sa->auth, 3);
    EXPECT_EQ(m.sa->encrypt, 12);
    EXPECT_EQ(sa_message(kAdd, sa, 7, macos_dialect()).sa->auth, 2);
}

TEST(PfkeyRequests, SendThePortsOfUdpEncapsulation) {
    racoon_kernel_sa sa = sha1_sa();
    sa.flags = RACOON_SA_UDP_ENCAP;
    sa.src.port = 4500;
    sa.dst.port = 61000;
    const Message m = sa_message(kAdd, sa, 7, linux_dialect());
    EXPECT_EQ(m.natt_type, kUdpEncapsulation);
    EXPECT_EQ(m.natt_sport, 4500);
    EXPECT_EQ(m.natt_dport, 61000);
    EXPECT_EQ(m.src->addr.port, 0);
    sa.flags |= RACOON_SA_NON_IKE_MARKER;
    EXPECT_EQ(sa_message(kAdd, sa, 7, linux_dialect()).natt_type, kUdpEncapsulationNonIke);
}

TEST(PfkeyRequests, SendThePeersOriginalAddressAndTheSizeOfItsFragments) {
    racoon_kernel_sa sa = sha1_sa();
    sa.flags = RACOON_SA_UDP_ENCAP;
    sa.mode = RACOON_MODE_TRANSPORT;
    sa.src.port = sa.dst.port = 4500;
    sa.peer_original = address("10.0.0.5");
    sa.esp_frag = 900;
    const auto original = [](const std::optional<Address>& a) {
        return a && sdk::same_address(a->addr, address("10.0.0.5"));
    };
    const auto sent = [&sa](const Dialect& d) {
        return decode(encode(sa_message(kAdd, sa, 7, d), d), d).value();
    };
    Message m = sent(linux_dialect());
    EXPECT_TRUE(original(m.oai));
    EXPECT_FALSE(m.natt_frag);
    m = sent(freebsd_dialect());
    EXPECT_TRUE(original(m.oai)) << "the peer is the source of what comes in";
    EXPECT_FALSE(m.oar);
    EXPECT_EQ(sent(netbsd_dialect()).natt_frag, 900);
    sa.direction = RACOON_DIR_OUT;
    m = sent(freebsd_dialect());
    EXPECT_FALSE(m.oai);
    EXPECT_TRUE(original(m.oar)) << "and the destination of what goes out";
    EXPECT_TRUE(original(sent(linux_dialect()).oai)) << "which has one word for both";
    EXPECT_FALSE(sent(macos_dialect()).oai);
    sa.flags = 0;
    m = sent(netbsd_dialect());
    EXPECT_FALSE(m.oai || m.oar || m.natt_frag || m.natt_type);
}

TEST(PfkeyRequests, MoveAnSaInUdpAsTheSystemWantsIt) {
    racoon_kernel_sa sa = sha1_sa();
    EXPECT_FALSE(
        move_message(sa_message(kAdd, sa, 7, linux_dialect()), true, 61001, linux_dialect()))
        << "not in UDP";
    sa.flags = RACOON_SA_UDP_ENCAP;
    sa.src.port = 61000;
    sa.dst.port = 4500;
    sa.hard_ns = 3'600'000'000'000;
    Message told = sa_message(kAdd, sa, 7, linux_dialect());
    told.type = kGet;
    told.sa->state = kDying;
    told.current = Lifetime{5, 500, 1, 2};
    auto m = move_message(told, true, 61001, linux_dialect());
    ASSERT_TRUE(m);
    EXPECT_EQ(m->type, kUpdate);
    EXPECT_EQ(m->seq, 0u) << "a request of its own";
    EXPECT_EQ(m->sa->state, kMature);
    EXPECT_EQ(m->natt_sport, 61001);
    EXPECT_EQ(m->natt_dport, 4500);
    EXPECT_EQ(m->hard, told.hard) << "without it the SA would live for ever";
    EXPECT_EQ(m->encrypt_key, told.encrypt_key);
    EXPECT_EQ(m->auth_key, told.auth_key);
    EXPECT_FALSE(m->current);
    EXPECT_EQ(move_message(told, false, 61001, linux_dialect())->natt_dport, 61001);
    told.encrypt_key.reset();
    EXPECT_TRUE(move_message(told, true, 1, linux_dialect())->encrypt_key) << "an empty one";
    m = move_message(told, true, 61001, freebsd_dialect());
    EXPECT_FALSE(m->auth_key || m->encrypt_key);
    told.natt_type = std::uint8_t{0};
    EXPECT_FALSE(move_message(told, true, 1, linux_dialect()));
}

TEST(PfkeyRequests, CompressUnderACpiOfSixteenBits) {
    racoon_kernel_sa sa = sha1_sa();
    sa.protocol = RACOON_IPPROTO_COMP;
    sa.auth = {};
    sa.enc = algorithm("deflate", "deflate", 0, 0, 0);
    for (const Dialect* d :
         {&linux_dialect(), &freebsd_dialect(), &netbsd_dialect(), &macos_dialect()}) {
        SCOPED_TRACE(d->name);
        EXPECT_EQ(cannot(sa, *d), "");
        const Message m = sa_message(kAdd, sa, 7, *d);
        EXPECT_EQ(m.satype, kSaIpComp);
        EXPECT_EQ(m.sa->encrypt, 2) << "of a list of its own: it is no DES";
        EXPECT_EQ(m.sa->flags, d == &linux_dialect() ? 0u : 0x80u);
        EXPECT_FALSE(m.encrypt_key || m.auth_key);
    }
    sa.enc = algorithm("lzs", "", 0, 0, 0);
    EXPECT_EQ(cannot(sa, linux_dialect()), "PF_KEY has no number for lzs");
    racoon_kernel_spi_request request = spi_request("10.9.0.2", "10.9.0.1", 7);
    request.min_spi = 0x100;
    request.max_spi = 0x0fffffff;
    EXPECT_EQ(spi_message(request, 7).range->max, 0x0fffffffu);
    request.protocol = RACOON_IPPROTO_COMP;
    EXPECT_EQ(spi_message(request, 7).range->max, 0xffffu);
}

TEST(PfkeyRequests, NamePoliciesFromTheKernelsView) {
    const racoon_kernel_policy p =
        esp_policy(3, RACOON_DIR_IN, selector("192.168.1.0/24", "192.168.2.0/24", 6), "10.9.0.1",
                   "10.9.0.2", 0x10005);
    const std::uint32_t reqids[4] = {5};
    const Message m = policy_message(kSpdAdd, p, RACOON_DIR_IN, reqids);
    EXPECT_EQ(m.src->addr.bytes[2], 2) << "the remote net is the source of what comes in";
    EXPECT_EQ(m.src->proto, 6);
    const Policy& policy = m.policies.at(0);
    EXPECT_EQ(policy.priority, 0x80000000u);
    EXPECT_EQ(policy.requests.at(0).level, kLevelUnique) << "an id is taken with unique alone";
    EXPECT_EQ(policy.requests.at(0).reqid, 5u);
    EXPECT_EQ(policy.requests.at(0).src.bytes[3], 2);
    EXPECT_TRUE(
        policy_message(kSpdDelete, p, RACOON_DIR_FWD, reqids).policies.at(0).requests.empty());
}

TEST(PfkeyRequests, GiveSmallRequestIdsToLargeOnes) {
    RequestIds ids([](std::uint32_t) { return false; });
    EXPECT_EQ(ids.take(0), 0u);
    EXPECT_EQ(ids.take(7), 7u) << "a manual one stays";
    const std::uint32_t small = ids.take(0x10000);
    EXPECT_GT(small, 0u);
    EXPECT_LE(small, kManualReqIdMax);
    EXPECT_EQ(ids.take(0x10000), small) << "the SA's is the policy's";
    EXPECT_NE(ids.take(0x10001), small);
    ids.give_back(0x10000);
    EXPECT_EQ(ids.take(0x10000), small) << "still in use";
    for (std::uint32_t i = 0; i < kManualReqIdMax - 3; ++i) ASSERT_NE(ids.take(0x20000 + i), 0u);
    EXPECT_EQ(ids.take(0x90000), 0u) << "there is none left";
    ids.give_back(7);
    EXPECT_EQ(ids.take(0x90000), 7u);
}

TEST(PfkeyRequests, KeepAwayFromTheRequestIdsOfOthers) {
    std::set<std::uint32_t> others = {1, 3};
    RequestIds ids([&](std::uint32_t number) { return others.count(number) != 0; });
    EXPECT_EQ(ids.take(0x10000), 2u);
    EXPECT_EQ(ids.take(0x10001), 4u);
    EXPECT_EQ(ids.take(3), 3u) << "what racoon.conf names is what it names";
    // Whatever they have had: what counts is what they have when a number is wanted.
    for (std::uint32_t i = 1; i <= kManualReqIdMax; ++i) others.insert(i);
    EXPECT_EQ(ids.take(0x10002), 0u) << "they have all";
    others = {5};
    EXPECT_NE(ids.take(0x10002), 0u) << "and now they have one";
}

TEST(PfkeyRequests, APolicyOfOthersIsReadAsItWasWritten) {
    const Dialect& d = linux_dialect();
    for (const std::uint32_t direction : {RACOON_DIR_OUT, RACOON_DIR_IN}) {
        racoon_kernel_policy p = esp_policy(1, direction, selector("10.1.0.0/16", "10.2.0.0/16"),
                                            "10.9.0.1", "10.9.0.2", 5);
        p.priority = 12;
        p.selector.protocol = 17;
        p.selector.local.port = 53;
        const std::uint32_t reqids[4] = {5, 0, 0, 0};
        Message m = policy_message(kSpdAdd, p, direction, reqids);
        const auto read = read_whole_policy(m, d);
        ASSERT_TRUE(read);
        EXPECT_EQ(read->direction, direction);
        EXPECT_EQ(read->action, RACOON_POLICY_IPSEC);
        EXPECT_EQ(read->priority, 12);
        EXPECT_TRUE(sdk::same_selector(read->selector, p.selector));
        ASSERT_EQ(read->template_count, 1u);
        EXPECT_EQ(read->templates[0].level, RACOON_LEVEL_UNIQUE);
        EXPECT_EQ(read->templates[0].reqid, 5u);
        EXPECT_TRUE(sdk::same_address(read->templates[0].local, p.templates[0].local));
        EXPECT_TRUE(sdk::same_address(read->templates[0].remote, p.templates[0].remote));

        m.policies[0].id = 8 + 4;
        EXPECT_FALSE(read_whole_policy(m, d)) << "a socket's";
        m.policies[0].id = 8;
        m.policies[0].type = kPolicyNone;
        EXPECT_EQ(read_whole_policy(m, d)->action, RACOON_POLICY_NONE);
        m.policies[0].type = kPolicyIpsec;
        m.src->proto = m.dst->proto = 1;
        EXPECT_FALSE(read_whole_policy(m, d)) << "a type of ICMP is no port";
        m.policies[0].dir = kDirFwd;
        EXPECT_FALSE(read_whole_policy(m, d));
        m.src.reset();
        EXPECT_FALSE(read_whole_policy(m, d)) << "as the BSDs tell those of sockets";
    }
}

}  // namespace
}  // namespace racoon::test
