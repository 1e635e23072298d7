#include "daemon/launcher.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

namespace racoon::daemon {

namespace {

constexpr char kReady = 'R';
constexpr char kFailed = 'F';

/// The parent's part: what the daemon says becomes our exit status.
[[noreturn]] void wait_for(const UniqueFd& pipe, const std::string& program) {
    std::string said;
    std::array<char, 4096> buffer{};
    while (true) {
        const ssize_t n = ::read(pipe.get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        said.append(buffer.data(), static_cast<std::size_t>(n));
        if (said[0] == kReady) ::_exit(0);
    }
    if (said.empty() || said[0] != kFailed)
        said = "Fthe daemon ended while it started; its log may say why";
    std::fprintf(stderr, "%s: %s\n", program.c_str(), said.c_str() + 1);
    std::fflush(stderr);
    ::_exit(1);
}

/// Whoever started us may have left a lock or a pipe open, which would be held as long as we live, by
/// the process with the privileges.
void close_inherited(int keep) {
#ifdef SYS_close_range
    const auto last = static_cast<unsigned>(keep);
    const bool below = last == 3 || ::syscall(SYS_close_range, 3u, last - 1, 0u) == 0;
    if (below && ::syscall(SYS_close_range, last + 1, ~0u, 0u) == 0) return;
#endif
    constexpr long kMost = 65536;
    const long limit = ::sysconf(_SC_OPEN_MAX);
    for (int fd = 3; fd < std::clamp(limit, 256L, kMost); ++fd)
        if (fd != keep) ::close(fd);
}

}  // namespace

void Readiness::ready() {
    if (told_) return;
    told_ = true;
    if (!piped_) return;
    static_cast<void>(!::write(pipe_.get(), &kReady, 1));
    pipe_.reset();
}

void Readiness::failed(const std::string& text) {
    if (told_) return;
    told_ = true;
    if (!piped_) {
        std::fprintf(stderr, "racoon: %s\n", text.c_str());
        return;
    }
    const std::string all = kFailed + text;
    static_cast<void>(!::write(pipe_.get(), all.data(), all.size()));
    pipe_.reset();
}

Result<Readiness> detach(const std::string& program) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_os("pipe", errno);
    UniqueFd in(ends[0]), out(ends[1]);
    const pid_t pid = ::fork();
    if (pid < 0) return fail_os("fork", errno);
    if (pid != 0) {
        out.reset();
        wait_for(in, program);
    }
    in.reset();
    close_inherited(out.get());
    ::setsid();
    if (::chdir("/") != 0) return fail_os("chdir /", errno);
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null.valid()) return fail_os("opening /dev/null", errno);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null.get(), fd);
    return Readiness(std::move(out));
}

void close_stdin() {
    const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (null.valid()) ::dup2(null.get(), STDIN_FILENO);
}

}  // namespace racoon::daemon
