// Messages in pieces: putting them together in whatever order they come, and whole negotiations between
// engines that send them.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "exchange/flood_guard.hpp"
#include "exchange/reassembly.hpp"
#include "exchange/vendor_ids.hpp"
#include "isakmp/message.hpp"
#include "isakmp/message_builder.hpp"
#include "simulation/world.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using conf::ExchangeMode;
using conf::Offer;
using exchange::Reassembly;
using Got = Reassembly::Got;
using isakmp::Fragment;
using test::LogCapture;

TEST(Fragment, APieceOfAnEncryptedMessageIsItselfInClear) {
    isakmp::Header header;
    header.cookies.initiator.bytes.fill(1);
    header.exchange = isakmp::number(isakmp::ExchangeType::QuickMode);
    header.message_id = MessageId{7};
    isakmp::MessageBuilder b(header);
    const Bytes message = b.finish_encrypted(Bytes(1200, 3));
    ASSERT_TRUE(isakmp::parse_header(message)->encrypted());
    const auto pieces = isakmp::split_message(message);
    ASSERT_TRUE(pieces);
    ASSERT_EQ(pieces->size(), 3u);
    for (const Bytes& piece : *pieces) {
        EXPECT_EQ(isakmp::parse_header(piece)->flags, 0);
        EXPECT_EQ(isakmp::parse_header(piece)->message_id, MessageId{0});
    }
}

// --- putting together ---

/// Piece `index` of `count`, of a message that `salt` tells from others.
struct Piece {
    Piece(const Piece& other) : data(other.data), f(other.f) { f.data = data; }
    Piece(unsigned index, unsigned count, std::uint8_t salt = 0)
        : data(10, static_cast<std::uint8_t>(index ^ salt)) {
        f.id = 1;
        f.index = static_cast<std::uint8_t>(index);
        f.last = index == count;
        f.data = data;
    }
    Result<Got> to(Reassembly& r) const {
        return r.add(f, static_cast<std::uint64_t>(data.front()) + 1000u);
    }
    Bytes data;
    Fragment f;
};

Bytes whole(unsigned count, std::uint8_t salt = 0) {
    Bytes out;
    for (unsigned i = 1; i <= count; ++i) {
        const Piece p(i, count, salt);
        out.insert(out.end(), p.data.begin(), p.data.end());
    }
    return out;
}

TEST(Reassembly, EachOrderOfSixPiecesTwiceOverMakesTheMessage) {
    std::vector<unsigned> order(6);
    std::iota(order.begin(), order.end(), 1u);
    unsigned orders = 0;
    do {
        Reassembly r;
        for (std::size_t i = 0; i < order.size(); ++i) {
            const Piece p(order[i], 6);
            const Got expected = i == 5 ? Got::Whole : Got::Piece;
            ASSERT_EQ(p.to(r).value(), expected);
            if (i < 5) {
                ASSERT_EQ(p.to(r).value(), Got::Repeated);
            }
        }
        ASSERT_EQ(r.take(), whole(6));
        ASSERT_EQ(r.size(), 0u);
        ++orders;
    } while (std::next_permutation(order.begin(), order.end()));
    EXPECT_EQ(orders, 720u);
}

TEST(Reassembly, AnyPieceLostAndAllSentAgainMakesTheMessage) {
    std::vector<unsigned> order(6);
    std::iota(order.begin(), order.end(), 1u);
    do {
        Reassembly r;
        for (std::size_t i = 0; i < 5; ++i) ASSERT_EQ(Piece(order[i], 6).to(r).value(), Got::Piece);
        bool complete = false;
        for (unsigned i = 1; i <= 6; ++i) complete |= Piece(i, 6).to(r).value() == Got::Whole;
        ASSERT_TRUE(complete);
        ASSERT_EQ(r.take(), whole(6));
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Reassembly, RepeatedPiecesOfAMessageDoNotStandInTheWayOfTheNext) {
    Reassembly r;
    for (unsigned i = 1; i <= 3; ++i) EXPECT_TRUE(Piece(i, 3).to(r));
    EXPECT_EQ(r.take(), whole(3));
    EXPECT_TRUE(Piece(1, 3).to(r));
    EXPECT_TRUE(Piece(3, 3).to(r));
    EXPECT_EQ(Piece(1, 2, 0x80).to(r).value(), Got::Piece);
    EXPECT_EQ(Piece(1, 3).to(r).value(), Got::Repeated) << "the newer one stays";
    EXPECT_EQ(Piece(2, 2, 0x80).to(r).value(), Got::Whole);
    EXPECT_EQ(r.take(), whole(2, 0x80));
}

TEST(Reassembly, AMessageThatComesAgainWholeIsGivenAgain) {
    Reassembly r;
    for (unsigned i = 1; i <= 3; ++i) EXPECT_TRUE(Piece(i, 3).to(r));
    r.take();
    EXPECT_EQ(Piece(2, 3).to(r).value(), Got::Piece);
    EXPECT_EQ(Piece(1, 3).to(r).value(), Got::Piece);
    EXPECT_EQ(Piece(3, 3).to(r).value(), Got::Whole);
    EXPECT_EQ(r.take(), whole(3));
}

// Whoever forges pieces cannot keep the peer's from being put together: what the peer sends in one go counts.
TEST(Reassembly, WhatWasForgedBeforeStandsInNobodysWay) {
    const std::vector<Piece> forgeries{Piece(1, 3, 0x80), Piece(2, 3, 0x80),  Piece(3, 3, 0x80),
                                       Piece(1, 1, 0x80), Piece(9, 12, 0x80), Piece(4, 4, 0x80)};
    for (const Piece& one : forgeries)
        for (const Piece& two : forgeries) {
            Reassembly r;
            EXPECT_TRUE(one.to(r));
            if (r.size() != 0 && one.f.last && one.f.index == 1) r.take();
            EXPECT_TRUE(two.to(r));
            if (two.f.last && two.f.index == 1) r.take();
            Got got = Got::Piece;
            for (unsigned i = 1; i <= 3; ++i) got = Piece(i, 3).to(r).value();
            ASSERT_EQ(got, Got::Whole);
            EXPECT_EQ(r.take(), whole(3));
        }
}

TEST(Reassembly, WhatIsForgedInBetweenIsMadeGoodByTheNextSending) {
    for (const Piece& forged : {Piece(1, 3, 0x80), Piece(2, 3, 0x80), Piece(3, 3, 0x80),
                                Piece(1, 1, 0x80), Piece(9, 12, 0x80), Piece(4, 4, 0x80)})
        for (unsigned after = 1; after <= 3; ++after) {
            Reassembly r;
            bool complete = false;
            for (unsigned sending = 1; sending <= 2; ++sending)
                for (unsigned i = 1; i <= 3; ++i) {
                    if (Piece(i, 3).to(r).value() == Got::Whole) complete |= r.take() == whole(3);
                    if (sending == 1 && i == after && forged.to(r).value() == Got::Whole) r.take();
                }
            EXPECT_TRUE(complete) << "index " << int{forged.f.index} << " after " << after;
        }
}

// A damaged piece is among those remembered, and the right one of the next sending is not; they belong together.
TEST(Reassembly, ADamagedPieceIsMadeGoodByTheNextSending) {
    for (unsigned damaged = 1; damaged <= 3; ++damaged) {
        std::vector<unsigned> order{1, 2, 3};
        do {
            Reassembly r;
            for (unsigned i = 1; i <= 3; ++i) {
                const Got got = Piece(i, 3, i == damaged ? 0x80 : 0).to(r).value();
                if (got == Got::Whole) {
                    EXPECT_NE(r.take(), whole(3));
                }
            }
            Got got = Got::Piece;
            for (const unsigned i : order) got = Piece(i, 3).to(r).value();
            ASSERT_EQ(got, Got::Whole);
            EXPECT_EQ(r.take(), whole(3));
        } while (std::next_permutation(order.begin(), order.end()));
    }
}

TEST(Reassembly, HoldsNoMoreThanItMay) {
    Reassembly r(25);
    EXPECT_TRUE(Piece(1, 9).to(r));
    EXPECT_TRUE(Piece(2, 9).to(r));
    EXPECT_TRUE(Piece(3, 9).to(r)) << "begins anew";
    EXPECT_EQ(r.size(), 10u);
    EXPECT_FALSE(Piece(Reassembly::kMaxPieces + 1, 255).to(r));
    Piece large(1, 2);
    large.data.resize(26);
    large.f.data = large.data;
    EXPECT_FALSE(large.to(r));
    EXPECT_EQ(r.size(), 10u);
}

Piece with_id(Piece p, std::uint16_t id) {
    p.f.id = id;
    return p;
}

TEST(Reassemblies, TellMessagesApartByTheirIds) {
    exchange::Reassemblies all;
    for (unsigned i = 1; i <= 3; ++i)
        for (std::uint16_t id = 1; id <= 3; ++id) {
            const auto salt = static_cast<std::uint8_t>(id << 4);
            Reassembly& r = all.of(id);
            ASSERT_EQ(with_id(Piece(i, 3, salt), id).to(r).value(),
                      i == 3 ? Got::Whole : Got::Piece);
            if (i == 3) {
                EXPECT_EQ(r.take(), whole(3, salt));
            }
        }
}

TEST(Reassemblies, AreBoundedWhateverIdsThePeerSends) {
    exchange::Reassemblies all;
    for (std::uint16_t id = 1; id <= 5000; ++id) {
        Piece p(1 + id % 60, 64, static_cast<std::uint8_t>(id));
        p.data.resize(20000);
        EXPECT_TRUE(with_id(p, id).to(all.of(id)));
        ASSERT_LE(all.size(), 2 * Reassembly::kMaxSize);
    }
    EXPECT_EQ(with_id(Piece(1, 1), 7).to(all.of(7)).value(), Got::Whole);
}

TEST(FragmentationVendorId, SaysInItsWordForWhichExchangesItIs) {
    using exchange::fragmentation_vendor_id;
    using exchange::is_fragmentation_vendor_id;
    using isakmp::ExchangeType;
    const Bytes main = fragmentation_vendor_id(ExchangeType::IdentityProtection);
    const Bytes base = fragmentation_vendor_id(ExchangeType::Base);
    EXPECT_TRUE(is_fragmentation_vendor_id(main, ExchangeType::IdentityProtection));
    EXPECT_TRUE(is_fragmentation_vendor_id(main, ExchangeType::Aggressive));
    EXPECT_FALSE(is_fragmentation_vendor_id(main, ExchangeType::Base));
    EXPECT_TRUE(is_fragmentation_vendor_id(base, ExchangeType::Base));
    for (std::size_t n = 0; n < main.size(); ++n)
        EXPECT_FALSE(
            is_fragmentation_vendor_id(ByteView(main).first(n), ExchangeType::IdentityProtection))
            << n << " bytes";
}

// --- negotiations ---

bool is_piece(const exchange::Datagram& d) {
    auto h = isakmp::parse_header(d.bytes);
    return h && h->first_payload() == isakmp::PayloadType::Fragment;
}

class Fragments : public testing::TestWithParam<ExchangeMode> {
  protected:
    ConfigOptions options(Offer offer) const {
        ConfigOptions o;
        o.modes = {GetParam()};
        o.ike_frag = offer;
        o.large = true;
        o.pfs = true;  // large messages in quick mode, too
        return o;
    }
    struct Seen {
        unsigned pieces = 0, large = 0;
        std::size_t longest_piece = 0;
    };
    static void watch(World& w, Seen& seen) {
        w.tap = [&seen](const exchange::Datagram& d) {
            if (is_piece(d)) {
                ++seen.pieces;
                seen.longest_piece = std::max(seen.longest_piece, d.bytes.size());
            } else if (d.bytes.size() > isakmp::kWholeMessageSize) {
                ++seen.large;
            }
            return true;
        };
    }
};
INSTANTIATE_TEST_SUITE_P(Modes, Fragments,
                         testing::Values(ExchangeMode::Main, ExchangeMode::Aggressive,
                                         ExchangeMode::Base),
                         [](const auto& p) {
                             return p.param == ExchangeMode::Main         ? "Main"
                                    : p.param == ExchangeMode::Aggressive ? "Aggressive"
                                                                          : "Base";
                         });

TEST_P(Fragments, AreSentWhereBothEndsHaveThemAndNowhereElse) {
    for (const auto& [a, b] :
         {std::pair(Offer::On, Offer::On), std::pair(Offer::On, Offer::Off),
          std::pair(Offer::Off, Offer::On), std::pair(Offer::Off, Offer::Off)}) {
        const ConfigOptions ours = options(a), theirs = options(b);
        World w(3, ours, &theirs);
        Seen seen;
        watch(w, seen);
        w.acquire(*w.a);
        w.run_for(2s);
        EXPECT_EQ(w.compare(), "");
        EXPECT_EQ(w.pairs(*w.a), 1u);
        EXPECT_EQ(seen.pieces > 0, a == Offer::On && b == Offer::On);
        EXPECT_LE(seen.longest_piece, 552u);
        EXPECT_EQ(w.end_and_find_leaks(), "");
    }
}

TEST_P(Fragments, ForceSendsThemToWhoSaidNothing) {
    ConfigOptions ours = options(Offer::Force), theirs = options(Offer::On);
    World w(4, ours, &theirs);
    Seen seen;
    watch(w, seen);
    w.acquire(*w.a);
    w.run_for(2s);
    EXPECT_EQ(w.compare(), "");
    EXPECT_EQ(w.pairs(*w.b), 1u);
    EXPECT_GT(seen.pieces, 0u);
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

// Aggressive mode's message 2 goes to an address that has shown nothing: one datagram for one.
TEST_P(Fragments, AnAddressThatIsNotProvedGetsOneDatagramForOne) {
    World w(5, options(Offer::On));
    unsigned sent = 0, got = 0;
    w.tap = [&](const exchange::Datagram& d) {
        (d.local.addr == w.addr_a ? sent : got) += 1;
        return d.local.addr == w.addr_a;  // b's answers get lost
    };
    w.acquire(*w.a);
    w.run_for(30s);
    EXPECT_GT(sent, 3u);
    EXPECT_LE(got, sent);
}

TEST_P(Fragments, LostRepeatedAndReorderedOnesStillMakeATunnel) {
    unsigned up = 0;
    constexpr unsigned kSeeds = 40;
    for (unsigned seed = 1; seed <= kSeeds; ++seed) {
        World w(seed, options(Offer::On));
        w.wire.loss = 0.05;
        w.wire.duplicate = 0.1;
        w.wire.reorder = 0.2;
        w.acquire(*w.a);
        w.run_for(100s);
        up += w.pairs(*w.a) > 0 && w.pairs(*w.b) > 0 ? 1 : 0;
        EXPECT_EQ(w.end_and_find_leaks(), "") << "seed " << seed;
    }
    EXPECT_GE(up, kSeeds - 1);
}

// All peers number their messages 1, which does for one at a time.
TEST_P(Fragments, SeveralQuickModesAtOnceDoNotGetIntoEachOthersPieces) {
    ConfigOptions o = options(Offer::On);
    o.policies = 6;
    for (unsigned seed = 1; seed <= 5; ++seed) {
        World w(seed, o);
        w.wire.jitter = 50ms;
        for (unsigned i = 1; i <= o.policies; ++i) w.acquire(*w.a, PolicyId{i}, i);
        w.run_for(700ms);  // hardly time to send anything twice
        EXPECT_EQ(w.pairs(*w.a), o.policies) << "seed " << seed;
        EXPECT_EQ(w.end_and_find_leaks(), "");
    }
}

// The original could not be told twice: an answer that was lost stayed lost when the request came in pieces.
TEST_P(Fragments, ARepeatedRequestInPiecesIsAnsweredInPieces) {
    LogCapture log;
    World w(6, options(Offer::On));
    unsigned from_b = 0;
    w.tap = [&](const exchange::Datagram& d) {
        if (d.local.addr != w.addr_b || !is_piece(d)) return true;
        return ++from_b > 3;  // the first large answer of b is lost, in pieces
    };
    w.acquire(*w.a);
    w.run_for(20s);
    EXPECT_GT(from_b, 3u);
    EXPECT_EQ(w.compare(), "");
    EXPECT_EQ(w.pairs(*w.a), 1u) << log.all();
    EXPECT_EQ(w.a->events_of(0x0100), 1u);
}

// While the answer is being worked on the first message is still repeated, which nobody could put together.
TEST(FragmentsOfAFirstMessage, AreNeverSent) {
    ConfigOptions o;
    o.modes = {ExchangeMode::Aggressive};
    o.ike_frag = Offer::On;
    o.large = true;
    World w(9, o);
    bool answered = false;
    unsigned repeated = 0;
    w.tap = [&](const exchange::Datagram& d) {
        if (d.local.addr == w.addr_b) {
            answered = true;
            w.a->answer_ops = false;
        } else if (answered) {
            ++repeated;
            EXPECT_FALSE(is_piece(d));
        }
        return true;
    };
    w.acquire(*w.a);
    w.run_for(10s);
    EXPECT_GT(repeated, 0u);
}

TEST(FragmentsOfStrangers, KeepNothing) {
    ConfigOptions o;
    o.ike_frag = Offer::On;
    o.large = true;
    World w(7, o);
    isakmp::Header h;
    h.cookies.initiator.bytes.fill(1);
    h.cookies.responder.bytes.fill(2);
    h.exchange = isakmp::number(isakmp::ExchangeType::IdentityProtection);
    isakmp::MessageBuilder b(h);
    Fragment f;
    const Bytes data(400, 1);
    f.id = 1;
    f.index = 1;
    f.last = true;
    f.data = data;
    b.add(isakmp::PayloadType::Fragment, f.body());
    const Bytes piece = b.finish().value();
    for (int i = 0; i < 1000; ++i) w.deliver(w.addr_a, w.addr_b, piece);
    EXPECT_EQ(w.b->packets_out, 0u);
    EXPECT_EQ(w.b->engine->load().phase1, 0u);
}

// Pieces that make a piece again, or a message of other cookies, end there.
TEST(FragmentsOfAPeer, MayNotNest) {
    LogCapture log;
    log::set_level(log::Level::Debug);
    ConfigOptions o;
    o.ike_frag = Offer::On;
    o.large = true;
    World w(8, o);
    unsigned nested = 0;
    w.tap = [&](const exchange::Datagram& d) {
        if (nested != 0 || !is_piece(d) || d.local.addr != w.addr_a) return true;
        // The first piece of a's message 3 comes wrapped once more.
        ++nested;
        const auto parts = isakmp::split_message(d.bytes).value();
        for (const Bytes& p : parts) w.deliver(w.addr_a, w.addr_b, p);
        return false;
    };
    w.acquire(*w.a);
    w.run_for(10s);
    log::set_level(log::Level::Info);
    EXPECT_EQ(nested, 1u);
    EXPECT_EQ(log.count("fragments of a fragment"), 1u) << log.all();
    EXPECT_EQ(w.compare(), "");
}

TEST(FloodGuard, PutsTogetherForAFewAtATime) {
    exchange::KeyedHash hash{exchange::KeyedHash::Key{}};
    exchange::FloodGuard guard(hash);
    const TimePoint now{1h};
    const auto admit = [&](unsigned i) {
        CookiePair c;
        c.initiator.bytes[0] = static_cast<std::uint8_t>(i);
        c.initiator.bytes[1] = static_cast<std::uint8_t>(i >> 8);
        c.responder.bytes[0] = 1;
        IpAddr from = ip("10.0.0.1");
        from.bytes[1] = static_cast<std::uint8_t>(i >> 8);
        from.bytes[2] = static_cast<std::uint8_t>(i);
        return guard.admit(c, Endpoint{ip("192.0.2.1"), 500}, Endpoint{from, 500}, Bytes(40, 1), i,
                           false, now);
    };
    for (unsigned i = 0; i < exchange::FloodGuard::kMaxReassemblies; ++i)
        EXPECT_NE(guard.reassembly(*admit(i)), nullptr);
    exchange::HalfOpen* more = admit(9999);
    EXPECT_EQ(guard.reassembly(*more), nullptr);
    guard.expire(now + exchange::FloodGuard::kLifetime);
    EXPECT_EQ(guard.reassemblies(), 0u);
}

}  // namespace
}  // namespace racoon::sim
