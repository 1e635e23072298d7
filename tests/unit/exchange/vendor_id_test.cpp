// "received Vendor ID: NAME", which monitors look for (reference 1.7): at both ends, for known ones, and not without end.
#include <gtest/gtest.h>

#include "simulation/scripted_peer.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using test::LogCapture;

TEST(VendorIds, KnownOnesAreNamedByBothEndsOfEachMode) {
    for (const auto mode :
         {conf::ExchangeMode::Main, conf::ExchangeMode::Aggressive, conf::ExchangeMode::Base}) {
        ConfigOptions o;
        o.modes = {mode};
        o.ike_frag = conf::Offer::On;
        LogCapture log;
        World w(1, o);
        w.acquire(*w.a);
        w.run_for(2s);
        ASSERT_EQ(w.pairs(*w.b), 1u);
        EXPECT_EQ(log.count("received Vendor ID: DPD"), 2u) << log.all();
        EXPECT_EQ(log.count("received Vendor ID: FRAGMENTATION"), 2u) << log.all();
        EXPECT_EQ(log.count("unknown Vendor ID"), 0u);
    }
}

TEST(VendorIds, EachIsNamedOnceAndUnknownOnesAreForDebugging) {
    LogCapture log;
    World w(2);
    ScriptedPeer peer(w);
    std::vector<SaidPayload> said{{PayloadType::SecurityAssociation, peer.sai_b()}};
    for (int i = 0; i < 6; ++i) {
        said.push_back({PayloadType::VendorId, *from_hex("7003cbc1097dbe9c2600ba6983bc8b35")});
        said.push_back({PayloadType::VendorId, Bytes(16, static_cast<std::uint8_t>(i))});
    }
    // No dialect is loaded, and the name is known all the same.
    said.push_back({PayloadType::VendorId, *from_hex("4485152d18b6bbcd0be8a8469579ddcc")});
    said.push_back({PayloadType::VendorId, *from_hex("90cb80913ebb696e086381b5ec427b1f")});
    peer.say(peer.clear(ExchangeType::IdentityProtection, said));
    EXPECT_EQ(log.count("received Vendor ID: KAME/racoon"), 1u) << log.all();
    EXPECT_EQ(log.count("received Vendor ID: draft-ietf-ipsec-nat-t-ike-00"), 1u);
    EXPECT_EQ(log.count("received Vendor ID: draft-ietf-ipsec-nat-t-ike-02"), 1u);
    EXPECT_EQ(log.count("Vendor ID"), 3u) << log.all();
}

TEST(VendorIds, StrangersDoNotFillTheLog) {
    LogCapture log;
    World w(3);
    for (std::uint16_t port = 1000; port < 1200; ++port) {
        ScriptedPeer peer(w, ip("192.0.2.1"), port);
        peer.send(peer.message_1());
    }
    EXPECT_GE(log.count("received Vendor ID"), 1u);
    EXPECT_LE(log.count("received Vendor ID"), 20u);
}

}  // namespace
}  // namespace racoon::sim
