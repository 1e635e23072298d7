// The control socket as a client meets it that does not keep to the rules.
#include "control/server.hpp"

#include <gtest/gtest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <filesystem>

#include "conf/config.hpp"
#include "control/protocol.hpp"

namespace racoon::control {
namespace {

using namespace std::chrono_literals;

struct Silent final : exchange::Output {
    void send(const exchange::Datagram&) override {}
    void start(exchange::Operation) override {}
    void cancel(OpToken) override {}
    void event(const exchange::Event&) override {}
    void random(std::span<std::uint8_t>) override {}
};

class ServerTest : public ::testing::Test {
  protected:
    void SetUp() override {
        loop_ = std::move(*loop::EventLoop::make());
        path_ = (std::filesystem::temp_directory_path() /
                 ("racoon-control-" + std::to_string(::getpid())))
                    .string();
        ::unlink(path_.c_str());
        UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const sockaddr_un address = to();
        ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        ASSERT_EQ(::listen(fd.get(), 16), 0);
        Hooks hooks;
        hooks.modules = [this] {
            ++served_;
            return std::vector<ModuleRow>(500, ModuleRow{"m", "1", "loaded", "1", "in", {}, ""});
        };
        server_ = std::move(*Server::make(*loop_, std::move(fd), engine_, std::move(hooks)));
    }
    void TearDown() override {
        server_.reset();
        ::unlink(path_.c_str());
    }
    sockaddr_un to() const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
        return address;
    }
    UniqueFd client() const {
        UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const sockaddr_un address = to();
        EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
                  0);
        return fd;
    }
    void run(Duration length = 10ms) {
        loop_->arm(length, [this] { loop_->stop(); });
        loop_->run();
    }
    static bool closed(const UniqueFd& fd) {
        pollfd one{fd.get(), POLLRDHUP, 0};
        return ::poll(&one, 1, 0) == 1 && (one.revents & (POLLRDHUP | POLLHUP)) != 0;
    }

    Silent output_;
    exchange::Engine engine_{std::make_shared<conf::Config>(), 1, output_};
    std::unique_ptr<loop::EventLoop> loop_;
    std::unique_ptr<Server> server_;
    std::string path_;
    unsigned served_ = 0;
};

TEST_F(ServerTest, AClientThatAsksAndNeverReadsIsLetGo) {
    const UniqueFd fd = client();
    const Bytes request = frame({{"command", "show-modules"}});
    for (int i = 0; i < 200 && !closed(fd); ++i) {
        (void)::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
        run(1ms);
    }
    EXPECT_TRUE(closed(fd));
    EXPECT_LT(served_, 50u) << "replies of 50 KB that nobody reads";
}

TEST_F(ServerTest, WhatCannotBeAcceptedIsTriedAgainLaterAndNotAtOnce) {
    // A pipe cannot be accepted from, and stays readable, as a socket does when descriptors have run out
    // (which the sanitizers of these tests do not live through).
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd in(ends[1]);
    ASSERT_EQ(::write(in.get(), "x", 1), 1);
    ASSERT_TRUE(server_->listen_on(UniqueFd(ends[0])));
    const std::clock_t begun = std::clock();
    run(500ms);
    const double seconds = static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
    EXPECT_LT(seconds, 0.25) << "of CPU time in half a second";
    run(700ms);
    ASSERT_TRUE(server_->listen_on({})) << "in the middle of a pause, too";
    run(1500ms);
}

TEST_F(ServerTest, KeysAreForRootAlone) {
    const auto asked_as = [&](uid_t user) -> std::string {
        if (::seteuid(user) != 0) return "";
        const UniqueFd fd = client();
        if (::seteuid(0) != 0) return "";
        const Bytes request = frame({{"command", "show-keys"}});
        (void)::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
        run();
        char reply[512];
        const ssize_t n = ::recv(fd.get(), reply, sizeof reply, 0);
        return n < 4 ? "" : std::string(reply + 4, static_cast<std::size_t>(n - 4));
    };
    if (::geteuid() != 0) GTEST_SKIP() << "only root can be two users";
    ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
    EXPECT_NE(asked_as(0).find("\"keys\":[]"), std::string::npos) << asked_as(0);
    EXPECT_NE(asked_as(65534).find("root alone"), std::string::npos) << asked_as(65534);
}

TEST_F(ServerTest, BadFramesAndEarlyEndsHurtNobodyElse) {
    const Bytes request = frame({{"command", "show-modules"}});
    const UniqueFd good = client();
    for (std::size_t size = 0; size <= request.size(); ++size) {
        const UniqueFd early = client();
        (void)::send(early.get(), request.data(), size, MSG_NOSIGNAL);
        run(1ms);
    }
    const UniqueFd huge = client();
    (void)::send(huge.get(), "\xff\xff\xff\xff", 4, MSG_NOSIGNAL);
    run();
    EXPECT_TRUE(closed(huge));
    ASSERT_EQ(::send(good.get(), request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    const unsigned before = served_;
    run();
    EXPECT_EQ(served_, before + 1);
    EXPECT_FALSE(closed(good));
}

}  // namespace
}  // namespace racoon::control
