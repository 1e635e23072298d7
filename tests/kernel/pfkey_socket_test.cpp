// A process that speaks PF_KEY at a local socket, as kernel-userspace does for setkey.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "pfkey/message.hpp"
#include "pfkey/socket.hpp"

namespace racoon::test {
namespace {

using namespace std::chrono_literals;

// A flush of thousands of policies takes it longer than the kernel takes for anything.
TEST(PfkeySocket, WaitsForABusyProcess) {
    char folder[] = "/tmp/racoon-pfkey-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    const std::string path = std::string(folder) + "/sock";
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, path.data(), path.size());
    const int listener = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    ASSERT_EQ(::listen(listener, 1), 0);
    std::thread busy([&] {
        const int fd = ::accept(listener, nullptr, nullptr);
        char request[4096];
        const ssize_t size = ::recv(fd, request, sizeof request, 0);
        std::this_thread::sleep_for(6s);
        ::send(fd, request, static_cast<std::size_t>(size), MSG_NOSIGNAL);
        ::close(fd);
    });
    pfkey::Socket socket(pfkey::linux_dialect());
    std::uint32_t pid = 0;
    ASSERT_EQ(socket.open_local(path, &pid), 0);
    EXPECT_EQ(pid, static_cast<std::uint32_t>(::getpid()));
    pfkey::Message flush;
    flush.type = pfkey::kSpdFlush;
    EXPECT_EQ(socket.transact(flush), 0);
    // And no longer than there is somebody.
    busy.join();
    EXPECT_EQ(socket.transact(flush), EIO);
    ::close(listener);
    ::unlink(path.c_str());
    ::rmdir(folder);
}

}  // namespace
}  // namespace racoon::test
