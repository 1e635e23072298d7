// kernel-userspace when the system refuses: each call that the keeper's side makes, and each command to the data
// process, fails in turn. The module is linked in, so that the linker can put this file's functions in their place.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

#include <racoon/kernel_backend.hpp>

#include "conformance.hpp"
#include "fake_host.hpp"
#include "netns.hpp"

namespace {

constexpr int kError = ENOBUFS;  // nothing of ours meets it otherwise
int calls_left = 0;              // until the one that fails; 0: none does
const char* failed_call = "";

bool fails(const char* call) {
    if (calls_left == 0 || --calls_left != 0) return false;
    failed_call = call;
    errno = kError;
    return true;
}

}  // namespace

extern "C" {
int __real_open(const char* path, int flags, ...);
int __real_socket(int family, int type, int protocol);
int __real_ioctl(int fd, unsigned long request, void* argument);
int __real_setsockopt(int fd, int level, int name, const void* value, socklen_t size);
int __real_getsockname(int fd, sockaddr* address, socklen_t* size);
int __real_bind(int fd, const sockaddr* address, socklen_t size);
ssize_t __real_send(int fd, const void* bytes, std::size_t size, int flags);
ssize_t __real_recv(int fd, void* bytes, std::size_t size, int flags);
ssize_t __real_sendmsg(int fd, const msghdr* message, int flags);

int __wrap_open(const char* path, int flags, ...) {
    return fails("open") ? -1 : __real_open(path, flags, 0600);
}
int __wrap_socket(int family, int type, int protocol) {
    return fails("socket") ? -1 : __real_socket(family, type, protocol);
}
int __wrap_ioctl(int fd, unsigned long request, ...) {
    va_list list;
    va_start(list, request);
    void* const argument = va_arg(list, void*);
    va_end(list);
    return fails("ioctl") ? -1 : __real_ioctl(fd, request, argument);
}
int __wrap_setsockopt(int fd, int level, int name, const void* value, socklen_t size) {
    return fails("setsockopt") ? -1 : __real_setsockopt(fd, level, name, value, size);
}
int __wrap_getsockname(int fd, sockaddr* address, socklen_t* size) {
    return fails("getsockname") ? -1 : __real_getsockname(fd, address, size);
}
int __wrap_bind(int fd, const sockaddr* address, socklen_t size) {
    return fails("bind") ? -1 : __real_bind(fd, address, size);
}
ssize_t __wrap_send(int fd, const void* bytes, std::size_t size, int flags) {
    return fails("send") ? -1 : __real_send(fd, bytes, size, flags);
}
ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags) {
    return fails("sendmsg") ? -1 : __real_sendmsg(fd, message, flags);
}
// What waits in a socket stays there.
ssize_t __wrap_recv(int fd, void* bytes, std::size_t size, int flags) {
    if ((flags & MSG_DONTWAIT) != 0) return __real_recv(fd, bytes, size, flags);
    return fails("recv") ? -1 : __real_recv(fd, bytes, size, flags);
}
}

namespace racoon::test {
namespace {

using namespace std::chrono_literals;

struct UserspaceFailures : ::testing::Test {
    TwoHosts net;
    FakeHost a{FakeHost::Clock::Real};
    bool usable = false;

    void SetUp() override {
        if (!net.problem().empty() || ::access("/dev/net/tun", R_OK | W_OK) != 0) {
            if (std::getenv("CI") != nullptr) FAIL() << net.problem() << " or no /dev/net/tun";
            GTEST_SKIP() << net.problem() << " or no /dev/net/tun";
        }
        net.enter(0);
        ASSERT_TRUE(a.load("kernel-userspace")) << a.error();
    }
    void TearDown() override { calls_left = 0; }

    /// From now on the n-th call fails; 0: none. Whether the one before is still to come.
    static bool fail_call(int n) {
        const bool to_come = calls_left != 0;
        calls_left = n;
        if (n != 0) failed_call = "";
        return to_come;
    }
    std::string in_kernel() {
        std::string all;
        net.run_in(
            0,
            "ip -br link show type tun; ip rule | grep 'proto 114'; ip -6 rule | grep 'proto 114'; "
            "ip route show table 7261 2>/dev/null; ip -6 route show table 7261 2>/dev/null",
            &all);
        net.enter(0);
        return all;
    }
    std::vector<racoon_kernel_policy> policies() const {
        std::vector<racoon_kernel_policy> all;
        for (const std::uint32_t direction : {RACOON_DIR_OUT, RACOON_DIR_IN})
            all.push_back(esp_policy(10 + direction, direction,
                                     selector("192.168.1.0/24", "192.168.2.0/24"), "10.9.0.1",
                                     "10.9.0.2", 1));
        return all;
    }
    racoon_kernel_sa sa(std::uint32_t direction) const {
        const bool in = direction == RACOON_DIR_IN;
        racoon_kernel_sa s = esp_sa(direction, in ? "10.9.0.2" : "10.9.0.1",
                                    in ? "10.9.0.1" : "10.9.0.2", in ? 0x1002 : 0x1001, 1, 5);
        s.policy_id = 10 + RACOON_DIR_OUT;
        return s;
    }
    int open_files() {
        int n = 0;
        for (int fd = 0; fd < 256; ++fd) n += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
        return n;
    }
};

// The fault is told with the system's number, in the error of the call or in the log with the request's name.
#define EXPECT_TOLD(what, status)                                                         \
    do {                                                                                  \
        const racoon_status is = (status);                                                \
        if (is != RACOON_OK) told += std::string(what) + ": " + a.error() + "\n";         \
        if (is != RACOON_OK && is != RACOON_NOT_FOUND && is != RACOON_STATE && !gone()) { \
            EXPECT_NE(a.os_errno(), 0) << what << ": " << a.error();                      \
        }                                                                                 \
    } while (false)

TEST_F(UserspaceFailures, OfEachCallOfTheOpeningAreToldAndLeaveNothing) {
    ASSERT_TRUE(a.open()) << a.error();
    a.close();
    a.run_until([] { return false; }, 300ms);  // its end has been seen
    const int files = open_files();
    int refused = 0;
    for (int n = 1; n < 300; ++n) {
        SCOPED_TRACE(n);
        a.log.clear();
        fail_call(n);
        const bool opened = a.open();
        const bool hit = !fail_call(0);
        SCOPED_TRACE(failed_call);
        if (!opened) {
            ++refused;
            EXPECT_NE(a.error().find(std::strerror(kError)), std::string::npos) << a.error();
            EXPECT_EQ(a.os_errno(), kError) << a.error();
        }
        a.close();
        EXPECT_TRUE(a.run_until([&] { return open_files() == files; }, 5s)) << open_files();
        EXPECT_EQ(in_kernel(), "") << a.error();
        EXPECT_EQ(a.open_watches(), 0u);
        EXPECT_EQ(a.open_timers(), 0u);
        if (hit) continue;
        EXPECT_TRUE(opened) << a.error();
        EXPECT_GT(refused, 20) << "most of " << n << " calls are needed";
        return;
    }
    FAIL() << "there is no end of calls";
}

TEST_F(UserspaceFailures, OfEachCallInADaemonsLifeAreToldAndLeaveNothing) {
    std::size_t refused = 0;
    std::size_t restarted = 0;
    for (int n = 1; n < 300; ++n) {
        SCOPED_TRACE(n);
        ASSERT_TRUE(a.open()) << a.error();
        ASSERT_TRUE(
            a.run_until([&] { return a.log.find("without capabilities") != std::string::npos; }));
        a.log.clear();
        a.events.clear();
        std::string told;
        fail_call(n);
        const auto gone = [&] { return a.log.find("the data process") != std::string::npos; };
        for (const racoon_kernel_policy& p : policies()) EXPECT_TOLD("policy_add", a.policy_add(p));
        std::uint32_t spi = 0;
        EXPECT_TOLD("spi_get", a.spi_get(spi_request("10.9.0.2", "10.9.0.1", 1), &spi));
        racoon_kernel_sa in = sa(RACOON_DIR_IN);
        if (spi != 0) in.spi = spi;
        EXPECT_TOLD("sa_update", a.sa_update(in));
        EXPECT_TOLD("sa_add", a.sa_add(sa(RACOON_DIR_OUT)));
        racoon_kernel_sa_info info{};
        EXPECT_TOLD("sa_query", a.sa_query(id_of(in), &info));
        racoon_kernel_policy other = policies()[0];
        other.priority = 5;
        EXPECT_TOLD("policy_update", a.policy_update(other.id, other));
        EXPECT_TOLD("sa_delete", a.sa_delete(id_of(in)));
        EXPECT_TOLD("policy_delete", a.policy_delete(10 + RACOON_DIR_IN));
        EXPECT_TOLD("acquire_done", a.table().acquire_done(a.impl(), 77, RACOON_OK));
        const bool hit = !fail_call(0);
        const std::string call = failed_call;
        SCOPED_TRACE(call + "\n" + told + a.log);
        if (!told.empty()) ++refused;
        if (hit && a.log.find("it is started anew") != std::string::npos) {
            ++restarted;
            // Which request, of what, and why.
            EXPECT_TRUE(
                a.log.find("sa_update of ESP 10.9.0.2->10.9.0.1 spi=") != std::string::npos ||
                a.log.find("sa_add of ESP 10.9.0.1->10.9.0.2 spi=4097(0x1001)") !=
                    std::string::npos ||
                a.log.find("sa_query of ESP 10.9.0.2->10.9.0.1 spi=") != std::string::npos ||
                a.log.find("sa_delete of ESP 10.9.0.2->10.9.0.1 spi=") != std::string::npos ||
                a.log.find("policy_add of policy 1") != std::string::npos ||
                a.log.find("policy_update of policy 12") != std::string::npos ||
                a.log.find("policy_delete of policy 11") != std::string::npos ||
                a.log.find("the end of an acquire") != std::string::npos);
            EXPECT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_FAILED) == 1; }, 5s));
            EXPECT_TRUE(a.run_until([&] { return a.helper_pids().size() == 1; }, 5s));
        }
        // Whatever it was, the next request goes well, and what is known is what is there.
        for (const racoon_kernel_sa_info& left : std::vector<racoon_kernel_sa_info>(a.sa_dump())) {
            racoon_kernel_sa_id id{};
            id.struct_size = sizeof id;
            id.protocol = left.protocol;
            id.spi = left.spi;
            id.src = left.src;
            id.dst = left.dst;
            EXPECT_EQ(a.sa_delete(id), RACOON_OK);
        }
        for (const racoon_kernel_policy& p : std::vector<racoon_kernel_policy>(a.policy_dump()))
            EXPECT_EQ(a.policy_delete(p.id), RACOON_OK) << a.error();
        EXPECT_EQ(in_kernel().find("192.168.2.0/24"), std::string::npos) << in_kernel();
        for (const racoon_kernel_policy& p : policies())
            EXPECT_EQ(a.policy_add(p), RACOON_OK) << a.error();
        EXPECT_EQ(a.sa_add(sa(RACOON_DIR_OUT)), RACOON_OK) << a.error();
        a.close();
        while (!a.helper_pids().empty()) a.step(10ms);
        ASSERT_TRUE(a.run_until([&] { return in_kernel().empty(); }, 5s)) << in_kernel();
        if (hit) continue;
        EXPECT_TRUE(told.empty()) << told;
        EXPECT_GT(refused, 5u) << "of " << n << " calls";
        EXPECT_EQ(restarted, 9u) << "every command to the data process has had its turn";
        return;
    }
    FAIL() << "there is no end of calls";
}

// Sockets of the daemon: its own packets pass by the policies, and the NAT-T port is shared.
TEST_F(UserspaceFailures, OfEachCallForASocketAreTold) {
    ASSERT_TRUE(a.open()) << a.error();
    int refused = 0;
    for (int n = 1; n < 40; ++n) {
        const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
        const int on = 1;
        sockaddr_in at{};
        at.sin_family = AF_INET;
        ASSERT_EQ(::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
        ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
        fail_call(n);
        racoon_error* const error = a.err();
        racoon_status status = a.table().bind_socket(a.impl(), fd, 4, error);
        if (status == RACOON_OK) status = a.table().bind_natt_socket(a.impl(), fd, 4, error);
        const bool hit = !fail_call(0);
        SCOPED_TRACE(failed_call);
        if (hit && status != RACOON_OK) {  // else it was about the size of a buffer
            ++refused;
            EXPECT_EQ(status, RACOON_IO);
            EXPECT_EQ(error->os_errno, kError);
            EXPECT_NE(error->text[0], '\0');
        }
        sockaddr_in local{};
        socklen_t size = sizeof local;
        ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size), 0);
        racoon_addr own{};
        own.family = 4;
        own.port = ntohs(local.sin_port);
        EXPECT_EQ(a.table().release_natt_socket(a.impl(), &own, error),
                  status == RACOON_OK ? RACOON_OK : RACOON_NOT_FOUND);
        ::close(fd);
        if (hit) continue;
        EXPECT_EQ(status, RACOON_OK) << error->text;
        EXPECT_GT(refused, 8);
        return;
    }
}

// Without setkey's socket the daemon serves as before.
TEST_F(UserspaceFailures, OfSetkeysSocketAreToldAndTheStackWorksOn) {
    char folder[] = "/tmp/racoon-setkey-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    const std::string path = std::string(folder) + "/stack.sock";
    FakeHost b(FakeHost::Clock::Real);
    b.set("socket", path);
    ASSERT_TRUE(b.load("kernel-userspace")) << b.error();
    racoon_kernel_foreign listener{};
    listener.struct_size = sizeof listener;
    listener.policy = [](void*, const racoon_kernel_policy*) noexcept {};
    listener.gone = [](void*, std::uint32_t) noexcept {};
    int failed = 0;
    for (bool hit = true; hit;) {
        ASSERT_TRUE(b.open()) << b.error();
        b.log.clear();
        fail_call(failed + 1);
        EXPECT_EQ(b.table().watch_policies(b.impl(), &listener, b.err()), RACOON_OK);
        hit = !fail_call(0);
        SCOPED_TRACE(failed_call);
        EXPECT_EQ(b.log.find("setkey cannot act on this stack: " + path + ": " +
                             std::strerror(kError)) != std::string::npos,
                  hit)
            << b.log;
        for (const racoon_kernel_policy& p : policies())
            EXPECT_EQ(b.policy_add(p), RACOON_OK) << b.error();
        b.close();
        while (!b.helper_pids().empty()) b.step(10ms);
        EXPECT_NE(::access(path.c_str(), F_OK), 0);
        EXPECT_EQ(b.open_watches(), 0u);
        if (hit) ++failed;
    }
    EXPECT_EQ(failed, 2) << "socket and bind";
    ::rmdir(folder);
}

}  // namespace
}  // namespace racoon::test
