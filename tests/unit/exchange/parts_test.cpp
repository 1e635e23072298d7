// The small parts below the exchanges: timers, back-off, IVs, keys, the guard, policies.
#include <gtest/gtest.h>

#include "exchange/crypto.hpp"
#include "exchange/flood_guard.hpp"
#include "exchange/iv_chain.hpp"
#include "exchange/key_material.hpp"
#include "exchange/policy_match.hpp"
#include "exchange/retransmit.hpp"
#include "exchange/timers.hpp"
#include "simulation/world.hpp"

namespace racoon::exchange {
namespace {

using sim::catalog;
using sim::ip;
using sim::net;
using namespace std::chrono_literals;

TEST(Backoff, SendsNineTimesWithinFiftySecondsWhenNoTimerIsGiven) {
    Backoff b{conf::Timer{}};
    unsigned sends = 0;
    Duration last_send{}, at{};
    while (auto wait = b.next()) {
        ++sends;
        last_send = at;
        at += *wait;
    }
    EXPECT_EQ(sends, 9u);
    EXPECT_LE(last_send, 50s);
    EXPECT_EQ(at, 50s);
}

TEST(Backoff, SendsExactlyCounterTimesIntervalApartWhenTheTimerIsGiven) {
    conf::Timer timer;
    timer.given = true;
    timer.counter = 2;
    timer.interval = conf::seconds(2);
    timer.persend = 3;
    Backoff b(timer);
    EXPECT_EQ(b.next(), Duration(2s));
    EXPECT_EQ(b.next(), Duration(2s));
    EXPECT_EQ(b.next(), std::nullopt);  // sends at 0 s and 2 s, failure at 4 s
    EXPECT_EQ(b.copies(), 3u);
}

TEST(Timers, FireInOrderOfDeadlineAndThenOfArming) {
    Timers timers;
    std::string order;
    const TimePoint t{};
    timers.add(t + 2s, [&] { order += "c"; });
    timers.add(t + 1s, [&] { order += "a"; });
    timers.add(t + 1s, [&] { order += "b"; });
    EXPECT_EQ(timers.next(), t + 1s);
    EXPECT_FALSE(timers.fire_one(t));
    while (timers.fire_one(t + 5s)) {
    }
    EXPECT_EQ(order, "abc");
    EXPECT_EQ(timers.next(), std::nullopt);
}

TEST(Timers, ACancelledTimerNeitherFiresNorShowsAsADeadline) {
    Timers timers;
    bool fired = false;
    {
        Timer timer;
        timer.arm(timers, TimePoint{} + 1s, [&] { fired = true; });
        EXPECT_TRUE(timer.armed());
    }
    EXPECT_EQ(timers.next(), std::nullopt);
    EXPECT_FALSE(timers.fire_one(TimePoint{} + 2s));
    EXPECT_FALSE(fired);
}

TEST(Timers, ACallbackMayArmItsOwnTimerAnew) {
    Timers timers;
    Timer timer;
    int n = 0;
    std::function<void()> again = [&] {
        if (++n < 3) timer.arm(timers, TimePoint{} + std::chrono::seconds(n + 1), again);
    };
    timer.arm(timers, TimePoint{} + 1s, again);
    while (timers.fire_one(TimePoint{} + 10s)) {
    }
    EXPECT_EQ(n, 3);
}

TEST(Timers, TenThousandRearmedTimersLeaveNoHeapBehind) {
    Timers timers;
    Timer timer;
    for (int i = 0; i < 10000; ++i) timer.arm(timers, TimePoint{} + std::chrono::seconds(i), [] {});
    EXPECT_EQ(timers.size(), 1u);
    EXPECT_EQ(timers.next(), TimePoint{} + 9999s);
}

TEST(IvChain, AForgedMessageLeavesTheChainAsItWas) {
    auto chain = IvChain::phase1(catalog().hash, 16, Bytes(8, 1), Bytes(8, 2));
    ASSERT_TRUE(chain);
    const Iv before = chain->next();
    Iv copy = chain->next();
    std::fill(copy.span().begin(), copy.span().end(), std::uint8_t{0});  // what decryption does
    EXPECT_EQ(chain->next(), before);
    chain->advance(Bytes(32, 9));
    EXPECT_EQ(to_bytes(chain->next().view()), Bytes(16, 9));
}

TEST(IvChain, PhaseOneStartsFromBothPublicValuesAndPhaseTwoFromTheLastBlockAndTheMessageId) {
    const Bytes gxi(8, 1), gxr(8, 2);
    auto chain = IvChain::phase1(catalog().hash, 16, gxi, gxr);
    const Bytes h = *digest(catalog().hash, {gxi, gxr});
    EXPECT_EQ(to_bytes(chain->next().view()), Bytes(h.begin(), h.begin() + 16));
    const Bytes last(16, 7);
    chain->advance(last);
    auto quick = chain->phase2(catalog().hash, MessageId{0x01020304});
    const Bytes h2 = *digest(catalog().hash, {last, Bytes{1, 2, 3, 4}});
    EXPECT_EQ(to_bytes(quick->next().view()), Bytes(h2.begin(), h2.begin() + 16));
    EXPECT_NE(quick->next(), chain->phase2(catalog().hash, MessageId{5})->next());
}

TEST(KeyMaterial, AShortKeyIsCutAndALongOneStretched) {
    const Bytes skeyid_e(32, 3);
    EXPECT_EQ(to_bytes(expand_key(catalog().hash, skeyid_e, 16)->view()), Bytes(16, 3));
    auto longer = expand_key(catalog().hash, skeyid_e, 56);
    ASSERT_TRUE(longer);
    auto k1 = prf(catalog().hash, skeyid_e, {Bytes{0}});
    auto k2 = prf(catalog().hash, skeyid_e, {k1->view()});
    Bytes expected = to_bytes(k1->view());
    append(expected, k2->view().first(24));
    EXPECT_EQ(to_bytes(longer->view()), expected);
}

TEST(KeyMaterial, KeymatDiffersByDirectionAndGrowsWithoutChangingItsBeginning) {
    KeymatInput in;
    const Bytes spi{0, 0, 1, 0}, other{0, 0, 1, 1}, ni(16, 1), nr(16, 2), d(32, 5);
    in.protocol = 3;
    in.spi = spi;
    in.ni = ni;
    in.nr = nr;
    auto one = quick_mode_keymat(catalog().hash, d, in, 20);
    auto more = quick_mode_keymat(catalog().hash, d, in, 100);
    EXPECT_TRUE(std::equal(one->view().begin(), one->view().end(), more->view().begin()));
    in.spi = other;
    auto reverse = quick_mode_keymat(catalog().hash, d, in, 20);
    EXPECT_NE(to_bytes(one->view()), to_bytes(reverse->view()));
}

class Guard : public testing::Test {
  protected:
    KeyedHash hash{KeyedHash::Key{1, 2, 3}};
    FloodGuard guard{hash};
    std::uint64_t n = 0;
    CookiePair cookies() {
        CookiePair c;
        ++n;
        for (std::size_t i = 0; i < 8; ++i)
            c.initiator.bytes[i] = c.responder.bytes[i] = static_cast<std::uint8_t>(n >> (8 * i));
        c.responder.bytes[7] = 0xff;
        return c;
    }
    HalfOpen* admit(std::string_view addr, bool configured = false, Bytes offer = Bytes(100, 1),
                    TimePoint now = {}) {
        return guard.admit(cookies(), {ip("192.0.2.1"), 500}, {ip(addr), 500}, offer, 1, configured,
                           now);
    }
};

TEST_F(Guard, HoldsOneAddressToItsShareAndDropsItsOldest) {
    const HalfOpen* first = admit("198.51.100.1");
    const CookiePair oldest = first->cookies;
    for (std::size_t i = 1; i < FloodGuard::kMaxPerAddress; ++i) admit("198.51.100.1");
    EXPECT_EQ(guard.size(), FloodGuard::kMaxPerAddress);
    EXPECT_NE(guard.by_cookies(oldest), nullptr);
    admit("198.51.100.1");
    EXPECT_EQ(guard.size(), FloodGuard::kMaxPerAddress);
    EXPECT_EQ(guard.by_cookies(oldest), nullptr);
}

TEST_F(Guard, ANetOfStrangersDoesNotPushOutAConfiguredPeerOfThatNet) {
    const CookiePair peer = admit("198.51.100.200", true)->cookies;
    for (int i = 0; i < 1000; ++i) admit("198.51.100." + std::to_string(i % 199));
    EXPECT_LE(guard.size(), FloodGuard::kMaxPerNet + 1);
    EXPECT_NE(guard.by_cookies(peer), nullptr);
}

TEST_F(Guard, IsBoundedInAllAndSharesEqualOffers) {
    for (unsigned i = 0; i < FloodGuard::kMaxTotal + 500; ++i)
        admit(std::to_string(i / 60000 + 20) + "." + std::to_string(i / 250 % 240) + "." +
              std::to_string(i % 250) + ".1");
    EXPECT_EQ(guard.size(), FloodGuard::kMaxTotal);
    EXPECT_EQ(guard.offer_bytes(), 100u);
    EXPECT_EQ(admit("192.0.2.77", false, Bytes(FloodGuard::kMaxOffer + 1, 0)), nullptr);
    guard.clear();
    EXPECT_EQ(guard.size(), 0u);
    EXPECT_EQ(guard.offer_bytes(), 0u);
}

TEST_F(Guard, ForgetsAfterItsLifetime) {
    admit("198.51.100.1", false, Bytes(100, 1), TimePoint{} + 10s);
    EXPECT_EQ(guard.next_expiry(), TimePoint{} + 10s + FloodGuard::kLifetime);
    guard.expire(TimePoint{} + 10s + FloodGuard::kLifetime);
    EXPECT_EQ(guard.size(), 0u);
}

TEST(PolicyMatch, TakesWhatLiesWithinAPolicyAndRefusesWhatReachesBeyondIt) {
    sim::ConfigOptions o;
    o.policies = 3;
    const IpAddr local = ip("192.0.2.1"), peer = ip("192.0.2.2");
    auto config = sim::make_config(local, peer, o);
    const PolicyIndex index(*config);
    TrafficSelector ts = config->policies[1].selector;
    EXPECT_EQ(index.match(ts, local, peer).policy, &config->policies[1]);
    ts.remote.net = Prefix::host(ip("10.2.1.7"));
    ts.remote.port = 53;
    ts.protocol = 17;
    EXPECT_EQ(index.match(ts, local, peer).policy, &config->policies[1]);
    EXPECT_EQ(index.match(ts, local, ip("192.0.2.3")).policy, nullptr) << "another peer";
    EXPECT_EQ(index.match(ts, ip("192.0.2.9"), peer).policy, nullptr) << "another local address";
    ts.remote.net = net("10.2.0.0", 23);
    EXPECT_EQ(index.match(ts, local, peer).policy, nullptr);
    ts.remote.net = net("0.0.0.0", 0);
    EXPECT_EQ(index.match(ts, local, peer).policy, nullptr);
}

TEST(PolicyMatch, AProtocolOrPortOfThePolicyBindsTheRequest) {
    TrafficSelector policy, ask;
    policy.local = {net("10.1.0.0", 16), 0};
    policy.remote = {net("10.2.0.0", 16), 80};
    policy.protocol = 6;
    ask = policy;
    EXPECT_TRUE(contains(policy, ask));
    ask.protocol = 0;
    EXPECT_FALSE(contains(policy, ask)) << "any protocol is wider than tcp";
    ask = policy;
    ask.remote.port = 0;
    EXPECT_FALSE(contains(policy, ask)) << "any port is wider than port 80";
}

}  // namespace
}  // namespace racoon::exchange
