#include "daemon/launcher.hpp"

#include <array>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace racoon::daemon {
namespace {

TEST(Launcher, TheDaemonKeepsNoDescriptorOfWhoeverStartedIt) {
    // A lock that a script holds while it starts us would be held as long as we live.
    std::array<int, 2> held{};
    ASSERT_EQ(::pipe(held.data()), 0);
    UniqueFd in(held[0]), out(held[1]);
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
        auto daemon = detach("racoon");
        if (!daemon) ::_exit(2);
        daemon->ready();
        ::sleep(6);
        ::_exit(0);
    }
    out.reset();
    int status = -1;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    pollfd one{in.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&one, 1, 3000), 1);
}

}  // namespace
}  // namespace racoon::daemon
