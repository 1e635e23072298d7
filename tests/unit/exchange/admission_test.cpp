// Who may begin what costs: quotas by number, source and rate.
#include <gtest/gtest.h>

#include "exchange/admission.hpp"
#include "exchange/vendor_ids.hpp"

namespace racoon::exchange {
namespace {

using namespace std::chrono_literals;

IpAddr v4(unsigned n) {
    return *IpAddr::parse(std::to_string(20 + (n >> 24)) + "." + std::to_string(n >> 16 & 255) +
                          "." + std::to_string(n >> 8 & 255) + "." + std::to_string(n & 255));
}

TEST(TokenBucket, GivesABurstAndThenItsRate) {
    TokenBucket bucket(100, 50);
    TimePoint now{std::chrono::hours(1)};
    unsigned got = 0;
    for (int i = 0; i < 1000; ++i) got += bucket.take(now);
    EXPECT_EQ(got, 50u);
    for (int i = 0; i < 1000; ++i, now += 1ms) got += bucket.take(now);
    EXPECT_NEAR(got, 150u, 1);
    now += std::chrono::hours(1);
    got = 0;
    for (int i = 0; i < 1000; ++i) got += bucket.take(now);
    EXPECT_EQ(got, 50u) << "full, not more than full";
}

TEST(KnownPeers, RemembersTheLastOnesInBoundedMemory) {
    KnownPeers known;
    for (unsigned i = 0; i < 5 * KnownPeers::kHalf; ++i) known.add(v4(i));
    unsigned held = 0;
    for (unsigned i = 0; i < 5 * KnownPeers::kHalf; ++i) held += known.contains(v4(i));
    EXPECT_GE(held, KnownPeers::kHalf);
    EXPECT_LE(held, 2 * KnownPeers::kHalf);
    EXPECT_TRUE(known.contains(v4(5 * KnownPeers::kHalf - 1)));
}

class Early : public testing::Test {
  protected:
    KeyedHash hash{KeyedHash::Key{4, 5, 6}};
    EarlyStarts early{hash};
    std::uint64_t last = 0;
    std::vector<SaToken> begin(const IpAddr& a, bool trusted = false) {
        auto out = early.begin(SaToken{++last}, a, trusted);
        early.answered(SaToken{last});
        return out;
    }
};

TEST_F(Early, TheOldestStrangerGoesForANewOneAndTrustedOnesStay) {
    for (unsigned i = 0; i < 100; ++i) EXPECT_TRUE(begin(v4(i << 8), true).empty());
    for (unsigned i = 0; i < EarlyStarts::kMaxStrangers; ++i)
        EXPECT_TRUE(begin(v4((1000 + i) << 8)).empty());
    const auto out = begin(v4(5000u << 8));
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0], SaToken{101});
    EXPECT_FALSE(early.end(out[0])) << "it is out already";
    EXPECT_EQ(early.size(), 100 + EarlyStarts::kMaxStrangers);
}

TEST_F(Early, OneAddressPushesOutOnlyItself) {
    begin(v4(1 << 8));
    for (unsigned i = 0; i < 100; ++i) begin(v4(2 << 8));
    EXPECT_EQ(early.size(), 1 + EarlyStarts::kMaxPerAddress);
    EXPECT_TRUE(early.end(SaToken{1}));
    for (unsigned i = 0; i < 300; ++i) begin(v4((9 << 8) + i % 250));
    EXPECT_EQ(early.size(), EarlyStarts::kMaxPerAddress + EarlyStarts::kMaxPerNet);
}

TEST_F(Early, ASourceHasItsRateAndStrangersOneTogether) {
    const TimePoint now{std::chrono::hours(1)};
    unsigned one = 0, all = 0, trusted = 0;
    for (int i = 0; i < 100; ++i) one += early.may_begin(v4(1), false, now);
    EXPECT_EQ(one, EarlyStarts::kPerAddressPerSecond);
    for (unsigned i = 0; i < 10000; ++i) all += early.may_begin(v4(i << 8), false, now);
    EXPECT_LE(all, EarlyStarts::kStrangersPerSecond);
    for (unsigned i = 0; i < 50; ++i) trusted += early.may_begin(v4(i << 8), true, now + 1s);
    EXPECT_GE(trusted, 49u) << "strangers have a rate of their own";
}

TEST_F(Early, StrangersWaitWhileTooManyAreBeingWorkedOn) {
    const TimePoint now{std::chrono::hours(1)};
    for (unsigned i = 0; i < EarlyStarts::kMaxUnansweredStrangers; ++i)
        early.begin(SaToken{++last}, v4(i << 8), false);
    EXPECT_FALSE(early.may_begin(v4(1000u << 8), false, now));
    EXPECT_TRUE(early.may_begin(v4(1001u << 8), true, now));
    early.answered(SaToken{1});
    EXPECT_TRUE(early.may_begin(v4(1002u << 8), false, now));
    early.begin(SaToken{++last}, v4(1002u << 8), false);
    EXPECT_FALSE(early.may_begin(v4(1003u << 8), false, now));
    early.end(SaToken{2});
    EXPECT_TRUE(early.may_begin(v4(1004u << 8), false, now));
}

TEST(MainModePlaces, NobodyGoesForANewOneWhileItIsWorkedOn) {
    MainModeStarts main;
    std::uint64_t token = 0;
    for (unsigned i = 0; i < 1000; ++i)
        if (main.may_begin(v4(1), true)) {
            EXPECT_TRUE(main.begin(SaToken{++token}, v4(1), true).empty());
        }
    EXPECT_EQ(main.size(), MainModeStarts::kMaxUnansweredPerAddress);
    for (unsigned i = 0; i < 1000; ++i)
        if (main.may_begin(v4(1000 + i * 256), false)) {
            EXPECT_TRUE(main.begin(SaToken{++token}, v4(1000 + i * 256), false).empty());
        }
    EXPECT_EQ(main.unanswered_strangers(), MainModeStarts::kMaxUnansweredStrangers);
    main.answered(SaToken{1});
    EXPECT_TRUE(main.may_begin(v4(1), true));
}

TEST(VendorIds, AreKnownByWhatTheyBeginWith) {
    EXPECT_TRUE(is_dpd_vendor_id(*from_hex("afcad71368a1f1c96b8696fc77570100")));
    EXPECT_FALSE(is_dpd_vendor_id(*from_hex("afcad71368a1f1c96b8696fc775701")));
    EXPECT_EQ(vendor_id_name(*from_hex("7003cbc1097dbe9c2600ba6983bc8b35")), "KAME/racoon");
    EXPECT_EQ(vendor_id_name(*from_hex("1e2b516905991c7d7c96fcbfb587e46100000004")),
              "MS NT5 ISAKMPOAKLEY");
    EXPECT_EQ(vendor_id_name(*from_hex("00112233")), "");
}

}  // namespace
}  // namespace racoon::exchange
