#include "privsep/spawn.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/close_range.h>
#include <sys/syscall.h>
#endif

extern char** environ;

namespace racoon::privsep {

namespace {

/// In the child, between fork and exec: only what is safe after a fork with threads.
[[noreturn]] void become_engine(int program, int channel) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    // Out of the way of 0 to 3 before these are filled.
    const int self = ::fcntl(program, F_DUPFD_CLOEXEC, 10);
    const int link = ::fcntl(channel, F_DUPFD_CLOEXEC, 10);
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (self < 0 || link < 0 || null < 0) ::_exit(126);
    if (::dup2(null, STDIN_FILENO) < 0 || ::dup2(link, kEngineChannelFd) < 0) ::_exit(126);
#ifdef SYS_close_range
    // The keeper's own descriptors are all close-on-exec; this is for those of libraries.
    ::syscall(SYS_close_range, kEngineChannelFd + 1, ~0u, CLOSE_RANGE_CLOEXEC);
#endif
    char title[] = "racoon: engine";
    char argument[32];
    std::strncpy(argument, kEngineArgument, sizeof argument - 1);
    argument[sizeof argument - 1] = '\0';
    char* arguments[] = {title, argument, nullptr};
    ::fexecve(self, arguments, environ);
    ::_exit(127);
}

}  // namespace

Result<UniqueFd> open_self() {
    UniqueFd fd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) return fail_os("opening /proc/self/exe", errno);
    return fd;
}

Result<pid_t> spawn_engine(const UniqueFd& program, UniqueFd channel) {
    const pid_t pid = ::fork();
    if (pid < 0) return fail_os("fork", errno);
    if (pid == 0) become_engine(program.get(), channel.get());
    return pid;
}

void set_process_title(char** argv, const std::string& title) {
    if (argv == nullptr || argv[0] == nullptr) return;
    // The arguments lie one behind the other; what is after the last belongs to the environment.
    char* begin = argv[0];
    char* end = begin;
    for (char** arg = argv; *arg != nullptr; ++arg)
        if (*arg == end) end = *arg + std::strlen(*arg) + 1;
    const auto room = static_cast<std::size_t>(end - begin);
    if (room == 0) return;
    std::memset(begin, 0, room);
    std::memcpy(begin, title.data(), std::min(title.size(), room - 1));
}

}  // namespace racoon::privsep
