// Somebody else moves a policy and its SAs to other end points (XFRM_MSG_MIGRATE), as a daemon of Mobile IPv6 does. In
// the guest's first namespace: in others Linux does not tell PF_KEY of it.
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <tuple>
#include <vector>

#include <racoon/kernel_backend.hpp>

#include "stack_fixture.hpp"

namespace racoon::test {
namespace {

constexpr const char* kOwn = "10.9.0.1";
constexpr const char* kPeer = "10.9.0.2";
constexpr const char* kNewPeer = "10.9.0.9";

/// The outbound policy between the protected nets, and what it is tied to, go to the peer's new address. 0, or errno.
int migrate() {
    struct {
        nlmsghdr head;
        xfrm_userpolicy_id id;
        nlattr attribute;
        xfrm_user_migrate move;
    } request{};
    request.head.nlmsg_len = sizeof request;
    request.head.nlmsg_type = XFRM_MSG_MIGRATE;
    request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    const auto put = [](xfrm_address_t& to, const char* text) {
        std::memcpy(&to, address(text).bytes, 4);
    };
    xfrm_selector& sel = request.id.sel;
    sel.family = AF_INET;
    sel.prefixlen_s = sel.prefixlen_d = 24;
    put(sel.saddr, "192.168.1.0");
    put(sel.daddr, "192.168.2.0");
    request.id.dir = XFRM_POLICY_OUT;
    request.attribute.nla_len = sizeof request.attribute + sizeof request.move;
    request.attribute.nla_type = XFRMA_MIGRATE;
    put(request.move.old_saddr, kOwn);
    put(request.move.old_daddr, kPeer);
    put(request.move.new_saddr, kOwn);
    put(request.move.new_daddr, kNewPeer);
    request.move.proto = IPPROTO_ESP;
    request.move.mode = XFRM_MODE_TUNNEL;
    request.move.old_family = request.move.new_family = AF_INET;
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
    struct {
        nlmsghdr head;
        nlmsgerr error;
        std::uint8_t more[512];
    } answer{};
    const bool asked = ::send(fd, &request, sizeof request, 0) == sizeof request &&
                       ::recv(fd, &answer, sizeof answer, 0) > 0;
    ::close(fd);
    return asked && answer.head.nlmsg_type == NLMSG_ERROR ? -answer.error.error : -1;
}

TEST(StackMigrate, WhatWasMovedIsNoLongerOursAndNothingStaysBehind) {
    const int first = ::open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC);
    ASSERT_EQ(::setns(first, CLONE_NEWNET), 0);
    ::close(first);
    if (kPfkey) use_suite(Suite::Sha1);
    char folder[] = "/tmp/racoon-migrate-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    FakeHost a(FakeHost::Clock::Real);
    a.set("journal", folder);
    ASSERT_TRUE(a.load(kModule)) << a.error();
    ASSERT_TRUE(a.open()) << a.error();

    // Two policies, one of which is moved, and the SAs of both.
    std::vector<racoon_kernel_policy> told;
    racoon_kernel_foreign listener{};
    listener.struct_size = sizeof listener;
    listener.arg = &told;
    listener.policy = [](void* arg, const racoon_kernel_policy* p) noexcept {
        static_cast<std::vector<racoon_kernel_policy>*>(arg)->push_back(*p);
    };
    listener.gone = [](void*, std::uint32_t) noexcept {};
    ASSERT_EQ(a.table().watch_policies(a.impl(), &listener, a.err()), RACOON_OK) << a.error();
    for (const auto& [id, net, peer] :
         {std::tuple(10u, "192.168.2.0/24", kPeer), std::tuple(20u, "192.168.3.0/24", "10.9.0.3")})
        ASSERT_EQ(a.policy_add(esp_policy(id, RACOON_DIR_OUT, selector("192.168.1.0/24", net), kOwn,
                                          peer, id)),
                  RACOON_OK)
            << a.error();
    racoon_kernel_sa moved = esp_sa(RACOON_DIR_OUT, kOwn, kPeer, 0x1001, 10, 1);
    racoon_kernel_sa other = esp_sa(RACOON_DIR_OUT, kOwn, "10.9.0.3", 0x1002, 20, 2);
    moved.policy_id = 10;
    other.policy_id = 20;
    ASSERT_EQ(a.sa_add(moved), RACOON_OK) << a.error();
    ASSERT_EQ(a.sa_add(other), RACOON_OK) << a.error();

    ASSERT_EQ(migrate(), 0);
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_SA_DELETED) != 0; }, 5s));
    a.step(50ms);
    EXPECT_EQ(a.count(RACOON_KERNEL_SA_DELETED), 1u);
    EXPECT_EQ(a.last(RACOON_KERNEL_SA_DELETED)->spi, moved.spi);
    ASSERT_EQ(a.count(RACOON_KERNEL_POLICY_CHANGED), 1u);
    EXPECT_EQ(a.last(RACOON_KERNEL_POLICY_CHANGED)->policy_id, 10u);
    // What stands there now is somebody's, and served as such.
    ASSERT_EQ(told.size(), 1u);
    EXPECT_TRUE(sdk::same_address(told[0].templates[0].remote, address(kNewPeer)));
    racoon_kernel_sa_info info{};
    EXPECT_EQ(a.sa_query(id_of(moved), &info), RACOON_NOT_FOUND);
    EXPECT_EQ(a.sa_query(id_of(other), &info), RACOON_OK);
    EXPECT_NE(run("ip xfrm state | grep -q 0x00001001"), 0) << "the SA is at its new address still";
    EXPECT_EQ(run("ip xfrm state | grep -q 0x00001002"), 0);
    a.close();
    // What was moved is nobody's to delete but ours here.
    run("ip xfrm policy delete src 192.168.1.0/24 dst 192.168.2.0/24 dir out; rm -rf " +
        std::string(folder));
}

}  // namespace
}  // namespace racoon::test
