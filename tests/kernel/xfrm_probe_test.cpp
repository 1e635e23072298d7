// kernel-xfrm without a kernel that has ESP: its probe, its messages and its journal.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include <racoon/kernel_backend.hpp>
#include <racoon/kernel_journal.hpp>

#include "codec.hpp"
#include "conformance.hpp"
#include "fake_host.hpp"
#include "netns.hpp"

namespace racoon::test {
namespace {

using namespace kernel_xfrm;
using namespace sdk;

TEST(XfrmProbe, SaysWhatAKernelWithoutEspLacks) {
    TwoHosts net;
    if (!net.problem().empty()) {
        ASSERT_EQ(std::getenv("CI"), nullptr) << net.problem();
        GTEST_SKIP() << net.problem();
    }
    FakeHost host(FakeHost::Clock::Real);
    net.enter(0);
    ASSERT_TRUE(host.load("kernel-xfrm")) << host.error();
    racoon_error* error = host.err();
    const racoon_status able = host.table().probe(host.impl(), error);
    std::string left;
    net.run_in(0, "ip xfrm state; ip xfrm policy", &left);
    EXPECT_TRUE(left.empty() || able == RACOON_NOT_SUPPORTED) << left;
    if (able == RACOON_OK) return;
    EXPECT_EQ(able, RACOON_NOT_SUPPORTED);
    EXPECT_NE(std::string(error->text).find("CONFIG_"), std::string::npos) << error->text;
}

std::vector<Message> messages_of(Request& request) {
    std::vector<Message> all;
    split_datagram(request.bytes(), [&](const Message& m) {
        all.push_back(m);
        return true;
    });
    return all;
}

TEST(XfrmMessages, HoldTheTruncationLengthOfTheIntegrityAlgorithm) {
    Request request =
        new_sa(XFRM_MSG_NEWSA, esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 7, 1, 5));
    const auto all = messages_of(request);
    ASSERT_EQ(all.size(), 1u);
    const ByteView auth = find_attribute(all[0], sizeof(xfrm_usersa_info), XFRMA_ALG_AUTH_TRUNC);
    ASSERT_EQ(auth.size(), sizeof(xfrm_algo_auth) + 32);
    std::uint32_t bits = 0;
    std::memcpy(&bits, auth.data() + offsetof(xfrm_algo_auth, alg_trunc_len), sizeof(bits));
    EXPECT_EQ(bits, 128u);
    EXPECT_TRUE(find_attribute(all[0], sizeof(xfrm_usersa_info), XFRMA_REPLAY_ESN_VAL).empty());
}

TEST(XfrmMessages, AskForExtendedSequenceNumbersOnlyWhereTheSaDoes) {
    racoon_kernel_sa sa = esp_sa(RACOON_DIR_IN, "10.9.0.1", "10.9.0.2", 7, 1, 5);
    sa.replay_window = 1024;
    for (const bool esn : {false, true}) {
        sa.flags = esn ? RACOON_SA_ESN : 0;
        Request request = new_sa(XFRM_MSG_NEWSA, sa);
        const auto all = messages_of(request);
        xfrm_usersa_info info{};
        std::memcpy(&info, all[0].body.data(), sizeof(info));
        EXPECT_EQ((info.flags & XFRM_STATE_ESN) != 0, esn);
        EXPECT_EQ(info.replay_window, 0) << "the wide window has an attribute of its own";
        const auto read = read_sa(all[0]);
        ASSERT_TRUE(read);
        EXPECT_EQ(read->info.replay_window, 1024u);
    }
}

constexpr std::uint16_t kSaDirection = 33;  // XFRMA_SA_DIR of Linux 6.10

// Such a kernel refuses an outbound SA with a window, older ones an SA with extended numbers without.
TEST(XfrmMessages, SayADirectionWhereTheKernelKnowsIt) {
    for (const std::uint32_t direction : {RACOON_DIR_IN, RACOON_DIR_OUT}) {
        racoon_kernel_sa sa = esp_sa(direction, "10.9.0.1", "10.9.0.2", 7, 1, 5);
        sa.flags = RACOON_SA_ESN;
        sa.replay_window = direction == RACOON_DIR_IN ? 64 : 0;
        sa.sequence = direction == RACOON_DIR_IN ? 0 : 0x100000007;
        for (const bool known : {false, true}) {
            Request request = new_sa(XFRM_MSG_NEWSA, sa, {known, Offload::Off});
            const Message m = messages_of(request).at(0);
            const ByteView said = find_attribute(m, sizeof(xfrm_usersa_info), kSaDirection);
            EXPECT_EQ(said.size(), known ? 1u : 0u);
            if (known) {
                EXPECT_EQ(said[0], direction == RACOON_DIR_IN ? 1 : 2);
            }
            const ByteView value =
                find_attribute(m, sizeof(xfrm_usersa_info), XFRMA_REPLAY_ESN_VAL);
            ASSERT_GE(value.size(), sizeof(xfrm_replay_state_esn));
            const auto* replay = reinterpret_cast<const xfrm_replay_state_esn*>(value.data());
            const bool none = known && direction == RACOON_DIR_OUT;
            EXPECT_EQ(replay->replay_window, none ? 0u : direction == RACOON_DIR_IN ? 64u : 32u);
            EXPECT_EQ(value.size(), sizeof(xfrm_replay_state_esn) + replay->bmp_len * 4);
            EXPECT_EQ(replay->bmp_len, replay->replay_window / 32);
            EXPECT_EQ(replay->oseq, direction == RACOON_DIR_IN ? 0u : 7u);
            EXPECT_EQ(replay->oseq_hi, direction == RACOON_DIR_IN ? 0u : 1u);
            EXPECT_EQ(read_sa(m)->directed, known);
            // Also when the SA gets another port, for which the kernel wants all of it.
            sa.flags |= RACOON_SA_UDP_ENCAP;
            sa.src.port = sa.dst.port = 4500;
            Request in_udp = new_sa(XFRM_MSG_NEWSA, sa, {known, Offload::Off});
            auto moved = moved_sa(messages_of(in_udp).at(0), direction == RACOON_DIR_IN, 4501);
            ASSERT_TRUE(moved);
            EXPECT_EQ(
                find_attribute(messages_of(*moved).at(0), sizeof(xfrm_usersa_info), kSaDirection)
                    .size(),
                known ? 1u : 0u);
            sa.flags &= ~RACOON_SA_UDP_ENCAP;
            sa.src.port = sa.dst.port = 0;
        }
    }
}

// The window of an SA without extended numbers stands elsewhere if it is small.
TEST(XfrmMessages, GiveNoSmallWindowToAnOutboundSaWithADirection) {
    for (const std::uint32_t direction : {RACOON_DIR_IN, RACOON_DIR_OUT}) {
        racoon_kernel_sa sa = esp_sa(direction, "10.9.0.1", "10.9.0.2", 7, 1, 5);
        sa.replay_window = 32;
        sa.sequence = 9;  // sent, so that it is nothing to an inbound one
        for (const bool known : {false, true}) {
            Request request = new_sa(XFRM_MSG_NEWSA, sa, {known, Offload::Off});
            const Message m = messages_of(request).at(0);
            const auto info = xfrm::copy_from<xfrm_usersa_info>(m.body);
            const bool none = known && direction == RACOON_DIR_OUT;
            EXPECT_EQ(info->replay_window, none ? 0 : 32);
            const auto replay = xfrm::copy_from<xfrm_replay_state>(
                find_attribute(m, sizeof(xfrm_usersa_info), XFRMA_REPLAY_VAL));
            EXPECT_EQ(replay.has_value(), !known || direction == RACOON_DIR_OUT);
            if (replay) {
                EXPECT_EQ(replay->oseq, 9u);
            }
        }
    }
}

// An SA is completed with the direction that its SPI was got with. That of an acquire is outbound by itself.
TEST(XfrmMessages, AskForAnSpiWithTheDirectionOfTheSa) {
    const racoon_kernel_spi_request asked = spi_request("10.9.0.2", "10.9.0.1", 10);
    for (const bool known : {false, true}) {
        Request request = allocate_spi(asked, 0, {}, known);
        const ByteView said =
            find_attribute(messages_of(request).at(0), sizeof(xfrm_userspi_info), kSaDirection);
        ASSERT_EQ(said.size(), known ? 1u : 0u);
        if (known) {
            EXPECT_EQ(said[0], 1);
        }
    }
}

TEST(XfrmMessages, AskTheDeviceOfTheRouteToDoEsp) {
    for (const std::uint32_t direction : {RACOON_DIR_IN, RACOON_DIR_OUT}) {
        racoon_kernel_sa sa = esp_sa(direction, "10.9.0.1", "10.9.0.2", 7, 1, 5);
        for (const Offload offload : {Offload::Off, Offload::Crypto, Offload::Packet}) {
            Request request = new_sa(XFRM_MSG_NEWSA, sa, {false, offload});
            const auto device = xfrm::copy_from<xfrm_user_offload>(find_attribute(
                messages_of(request).at(0), sizeof(xfrm_usersa_info), XFRMA_OFFLOAD_DEV));
            EXPECT_EQ(device.has_value(), offload != Offload::Off);
            if (!device) continue;
            EXPECT_EQ(device->ifindex, 0);
            EXPECT_EQ(device->flags,
                      (direction == RACOON_DIR_IN ? 2 : 0) | (offload == Offload::Packet ? 4 : 0));
        }
        sa.protocol = RACOON_IPPROTO_AH;
        Request request = new_sa(XFRM_MSG_NEWSA, sa, {false, Offload::Crypto});
        EXPECT_TRUE(
            find_attribute(messages_of(request).at(0), sizeof(xfrm_usersa_info), XFRMA_OFFLOAD_DEV)
                .empty());
    }
}

TEST(XfrmMessages, CarryMarksAndTheNumberOfAnInterface) {
    racoon_kernel_sa sa = esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 7, 1, 5);
    Request plain = new_sa(XFRM_MSG_NEWSA, sa);
    for (const std::uint16_t type : {XFRMA_MARK, XFRMA_IF_ID, XFRMA_SET_MARK, XFRMA_SET_MARK_MASK})
        EXPECT_TRUE(
            find_attribute(messages_of(plain).at(0), sizeof(xfrm_usersa_info), type).empty());
    sa.mark = {0x10, 0xff};
    sa.output_mark = {0x20, 0xf0};
    sa.if_id = 7;
    Request request = new_sa(XFRM_MSG_NEWSA, sa);
    const auto read = read_sa(messages_of(request).at(0));
    ASSERT_TRUE(read);
    EXPECT_TRUE(same_mark(read->marks.mark, sa.mark));
    EXPECT_TRUE(same_mark(read->marks.output_mark, sa.output_mark));
    EXPECT_EQ(read->marks.if_id, 7u);
    // Without them the kernel would delete the policy of somebody else, or none.
    racoon_kernel_policy p = esp_policy(1, RACOON_DIR_OUT, selector("10.1.0.0/16", "10.2.0.0/16"),
                                        "10.9.0.1", "10.9.0.2", 5);
    p.mark = sa.mark;
    p.if_id = sa.if_id;
    for (Request& name : std::vector<Request>{name_policy(XFRM_MSG_DELPOLICY, p, RACOON_DIR_OUT),
                                              name_policy(XFRM_MSG_GETPOLICY, p, RACOON_DIR_OUT)}) {
        const Message m = messages_of(name).at(0);
        EXPECT_EQ(find_attribute(m, sizeof(xfrm_userpolicy_id), XFRMA_MARK).size(),
                  sizeof(xfrm_mark));
        EXPECT_EQ(find_attribute(m, sizeof(xfrm_userpolicy_id), XFRMA_IF_ID).size(), 4u);
    }
    Request gone = delete_sa(id_of(sa), sa.mark);
    EXPECT_EQ(find_attribute(messages_of(gone).at(0), sizeof(xfrm_usersa_id), XFRMA_MARK).size(),
              sizeof(xfrm_mark));
}

TEST(XfrmMessages, APolicyOfOthersIsReadAsItWasWritten) {
    for (const std::uint32_t direction : {RACOON_DIR_OUT, RACOON_DIR_IN}) {
        racoon_kernel_policy p = esp_policy(1, direction, selector("10.1.0.0/16", "10.2.0.0/16"),
                                            "10.9.0.1", "10.9.0.2", 16385);
        p.selector.remote.port = 80;
        p.selector.protocol = 6;
        p.priority = -5;
        p.mark = {0x10, 0xff};
        p.if_id = 7;
        p.templates[1] = p.templates[0];
        p.templates[1].protocol = RACOON_IPPROTO_AH;
        p.templates[1].mode = RACOON_MODE_TRANSPORT;
        p.templates[1].local = p.templates[1].remote = racoon_addr{};
        p.templates[1].reqid = 0;
        p.template_count = 2;
        for (const std::uint16_t type : {XFRM_MSG_NEWPOLICY, XFRM_MSG_UPDPOLICY}) {
            Request request = new_policy(type, p, direction);
            const auto event = read_event(messages_of(request).at(0));
            ASSERT_TRUE(event && event->policy);
            EXPECT_EQ(event->kind, KernelEvent::Kind::PolicyChanged);
            const racoon_kernel_policy& read = *event->policy;
            EXPECT_EQ(read.direction, direction);
            EXPECT_EQ(read.action, RACOON_POLICY_IPSEC);
            EXPECT_EQ(read.priority, -5);
            EXPECT_TRUE(same_place(read, p));
            ASSERT_EQ(read.template_count, 2u);
            for (std::size_t i = 0; i < 2; ++i) {
                EXPECT_EQ(read.templates[i].protocol, p.templates[i].protocol);
                EXPECT_EQ(read.templates[i].mode, p.templates[i].mode);
                EXPECT_EQ(read.templates[i].reqid, p.templates[i].reqid);
                EXPECT_TRUE(same_address(read.templates[i].local, p.templates[i].local));
                EXPECT_TRUE(same_address(read.templates[i].remote, p.templates[i].remote));
            }
        }
    }
}

TEST(XfrmMessages, APolicyThatCannotBeSaidIsLeftOut) {
    const racoon_kernel_policy p = esp_policy(
        1, RACOON_DIR_OUT, selector("10.1.0.0/16", "10.2.0.0/16"), "10.9.0.1", "10.9.0.2", 5);
    const auto with = [&](auto change) {
        Request request = new_policy(XFRM_MSG_NEWPOLICY, p, RACOON_DIR_OUT);
        xfrm_userpolicy_info info{};
        std::uint8_t* body = request.bytes().data() + sizeof(nlmsghdr);
        std::memcpy(&info, body, sizeof(info));
        change(info);
        std::memcpy(body, &info, sizeof(info));
        return read_whole_policy(messages_of(request).at(0)).has_value();
    };
    EXPECT_TRUE(with([](xfrm_userpolicy_info&) {}));
    EXPECT_FALSE(with([](auto& i) { i.index = 8 + 4; })) << "a socket's";
    EXPECT_FALSE(with([](auto& i) { i.sel.ifindex = 2; }));
    EXPECT_FALSE(with([](auto& i) { i.sel.family = 0; }));
    EXPECT_FALSE(with([](auto& i) { i.sel.prefixlen_d = 33; }));
    EXPECT_FALSE(with([](auto& i) { i.sel.dport_mask = 0xff00; }));
    EXPECT_FALSE(with([](auto& i) { i.dir = XFRM_POLICY_FWD; }));
    const auto icmp = [](auto& i) {
        i.sel.proto = IPPROTO_ICMP;
        i.sel.sport = 8;
        i.sel.sport_mask = 0xffff;
    };
    EXPECT_FALSE(with(icmp)) << "a type is no port";
    // What runs out by the soft limit is still there.
    xfrm_user_polexpire expire{};
    for (const bool hard : {false, true}) {
        expire.hard = hard ? 1 : 0;
        Request request(XFRM_MSG_POLEXPIRE, 0, &expire, sizeof(expire));
        EXPECT_EQ(read_event(messages_of(request).at(0)).has_value(), hard);
    }
}

TEST(XfrmMessages, AlignAnAhHeaderAsItsAddressFamilyHasIt) {
    for (const std::uint32_t protocol : {RACOON_IPPROTO_AH, RACOON_IPPROTO_ESP})
        for (const bool v4 : {true, false}) {
            racoon_kernel_sa sa = v4 ? esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 7, 1, 5)
                                     : esp_sa(RACOON_DIR_OUT, "fd00:9::1", "fd00:9::2", 7, 1, 5);
            sa.protocol = protocol;
            Request request = new_sa(XFRM_MSG_NEWSA, sa);
            const auto all = messages_of(request);
            xfrm_usersa_info info{};
            std::memcpy(&info, all[0].body.data(), sizeof(info));
            EXPECT_EQ((info.flags & XFRM_STATE_ALIGN4) != 0, v4 && protocol == RACOON_IPPROTO_AH);
        }
}

TEST(XfrmMessages, GiveTheKernelSetkeysPrioritiesTheOtherWayRound) {
    EXPECT_EQ(kernel_priority(0), 0x80000000u);
    EXPECT_EQ(kernel_priority(1), 0x7fffffffu);
    EXPECT_EQ(kernel_priority(-1), 0x80000001u);
    EXPECT_EQ(kernel_priority(INT32_MAX), 1u);
    EXPECT_EQ(kernel_priority(INT32_MIN), 0xffffffffu)
        << "the least must not come out as the first";
}

TEST(XfrmMessages, ReadAnAcquireWithItsPolicyAndLarvalSa) {
    xfrm_user_acquire acquire{};
    acquire.id.proto = RACOON_IPPROTO_ESP;
    acquire.sel.family = AF_INET6;
    acquire.policy.index = 0x129;
    acquire.seq = 77;
    xfrm_user_tmpl t{};
    t.id.proto = RACOON_IPPROTO_ESP;
    t.family = AF_INET;
    t.mode = XFRM_MODE_TUNNEL;
    t.reqid = 4711;
    Request request(XFRM_MSG_ACQUIRE, 0, &acquire, sizeof(acquire));
    request.attribute(XFRMA_TMPL, &t, sizeof(t));
    const xfrm_mark mark{0x10, 0xff};
    request.attribute(XFRMA_MARK, &mark, sizeof(mark));
    const std::uint32_t if_id = 7;
    request.attribute(XFRMA_IF_ID, &if_id, sizeof(if_id));
    const auto event = read_event(messages_of(request).at(0));
    ASSERT_TRUE(event);
    EXPECT_EQ(event->policy_index, 0x129u);
    EXPECT_EQ(event->larval.reqid, 4711u);
    EXPECT_TRUE(same_mark(event->larval_marks.mark, {0x10, 0xff}));
    EXPECT_EQ(event->larval_marks.if_id, 7u);
    EXPECT_EQ(event->larval.dst.family, 4) << "of the tunnel, not of the packet";
    EXPECT_EQ(event->src.family, 6);
    Request bare(XFRM_MSG_ACQUIRE, 0, &acquire, sizeof(acquire));
    EXPECT_FALSE(read_event(messages_of(bare).at(0)))
        << "without a template it names no negotiation";
}

TEST(XfrmMessages, AreTakenNoFurtherThanTheirLengthsGo) {
    xfrm_user_expire expire{};
    Request request(XFRM_MSG_EXPIRE, 0, &expire, sizeof(expire));
    for (std::size_t size = 0; size < request.bytes().size(); ++size) {
        std::vector<std::uint8_t> cut(request.bytes().begin(),
                                      request.bytes().begin() + static_cast<std::ptrdiff_t>(size));
        split_datagram(cut, [&](const Message&) {
            ADD_FAILURE() << "a message of which only " << size << " bytes are there";
            return true;
        });
    }
}

TEST(XfrmJournal, ReadsBackWhatItWrote) {
    const racoon_kernel_sa sa = esp_sa(RACOON_DIR_OUT, "fd09::1", "fd09::2", 0x1001, 9, 1);
    racoon_kernel_sa_id id{};
    std::uint32_t reqid = 0;
    ASSERT_TRUE(parse_sa_entry(sa_entry(id_of(sa), sa.reqid), &id, &reqid));
    EXPECT_EQ(reqid, 9u);
    EXPECT_EQ(sa_entry(id, reqid), sa_entry(id_of(sa), sa.reqid));
    racoon_kernel_policy p = esp_policy(
        1, RACOON_DIR_FWD, selector("192.168.1.0/24", "0.0.0.0/0", 17), "10.9.0.1", "10.9.0.2", 9);
    p.priority = -5;
    p.selector.remote.port = 53;
    racoon_kernel_mark mark{1, 1};
    ASSERT_TRUE(parse_sa_entry(sa_entry(id_of(sa), sa.reqid), &id, &reqid, &mark));
    EXPECT_EQ(mark.mask, 0u);
    ASSERT_TRUE(parse_sa_entry(sa_entry(id_of(sa), sa.reqid, {0x10, 0xff}), &id, &reqid, &mark));
    EXPECT_TRUE(same_mark(mark, {0x10, 0xff}));
    racoon_kernel_policy read{};
    ASSERT_TRUE(parse_policy_entry(policy_entry(p, RACOON_DIR_FWD), &read));
    EXPECT_EQ(policy_entry(read, read.direction), policy_entry(p, RACOON_DIR_FWD));
    p.if_id = 7;
    ASSERT_TRUE(parse_policy_entry(policy_entry(p, RACOON_DIR_FWD), &read));
    EXPECT_EQ(read.if_id, 7u);
    EXPECT_EQ(read.mark.mask, 0u);
    p.mark = {0x10, 0xff};
    ASSERT_TRUE(parse_policy_entry(policy_entry(p, RACOON_DIR_FWD), &read));
    EXPECT_TRUE(same_mark(read.mark, p.mark));
    for (const char* bad : {"", "sa", "sa 50 10.9.0.1 nonsense 5 1", "sa 50 10.9.0.1 10.9.0.2 0 1",
                            "sa 50 10.9.0.1 10.9.0.2 5 1 16", "sa 50 10.9.0.1 10.9.0.2 5 1 red"}) {
        EXPECT_FALSE(parse_sa_entry(bad, &id, &reqid)) << bad;
    }
    for (const char* bad :
         {"", "policy up 0 1 0 1.2.3.0/24 0 4.5.6.0/24 0",
          "policy in 0 1 0 1.2.3.0/64 0 1.2.3.4/32 0", "policy in 0 1 0 1.2.3.0/24 0 fd00::/64 0",
          "policy in 0 1 0 1.2.3.0/24 0 4.5.6.0/24 0 1/1 seven"}) {
        EXPECT_FALSE(parse_policy_entry(bad, &read)) << bad;
    }
}

TEST(XfrmJournal, HandsTheNextRunWhatWasNotRemoved) {
    char folder[] = "/tmp/racoon-journal-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    std::vector<std::string> left;
    std::string error;
    {
        Journal first;
        ASSERT_EQ(first.open(folder, &left, &error), Journal::Opened::Yes) << error;
        EXPECT_TRUE(left.empty());
        for (int i = 1; i <= 10000; ++i) {  // long enough to be compacted on the way
            first.add("sa 50 10.9.0.1 10.9.0.2 " + std::to_string(i) + " 1");
            if (i > 3) first.remove("sa 50 10.9.0.1 10.9.0.2 " + std::to_string(i) + " 1");
        }
        Journal second;
        EXPECT_EQ(second.open(folder, &left, &error), Journal::Opened::InUse);
    }
    Journal next;
    ASSERT_EQ(next.open(folder, &left, &error), Journal::Opened::Yes) << error;
    EXPECT_EQ(left.size(), 3u);
    for (const std::string& entry : left) next.remove(entry);
    next.close();
    EXPECT_EQ(::rmdir(folder), 0) << "an empty journal leaves no file";
}

}  // namespace
}  // namespace racoon::test
