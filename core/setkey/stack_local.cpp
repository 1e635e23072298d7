#include "setkey/stack_local.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/build_config.hpp"

namespace racoon::setkey {

namespace {

/// False: the daemon's packets are other ones than ours. What cannot be looked at is taken to be the same.
bool is_of_this_host(std::uint32_t pid) {
    struct stat ours {};
    struct stat theirs {};
    if (pid == 0 || ::stat("/proc/self/ns/net", &ours) != 0 ||
        ::stat(fmt::format("/proc/{}/ns/net", pid).c_str(), &theirs) != 0)
        return true;
    return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

}  // namespace

Status LocalStack::open() {
    const bool wanted = !path_.empty();
    const std::string path = wanted ? path_ : RACOON_RUNSTATEDIR "/racoon/stack.sock";
    std::uint32_t listener = 0;
    const int error = socket_.open_local(path, &listener);
    const std::string what = "the stack of a daemon at " + path;
    if (error == EACCES || error == EPERM)
        return fail(Errc::Denied, "no permission to use " + what + ": run it as root");
    if (error == ENOENT || error == ECONNREFUSED || error == ENOTDIR)
        return fail(Errc::Unsupported,
                    fmt::format("no daemon with a stack of its own listens at {}", path));
    if (error != 0) return fail_os(what, error);
    if (!wanted && !is_of_this_host(listener)) {
        socket_.close();
        return fail(Errc::Unsupported,
                    what + " is of another network namespace; --socket names it all the same");
    }
    // Whoever may not speak there is sent away, and a daemon that hangs is not waited for with each request.
    pfkey::Message hello;
    hello.type = pfkey::kPromisc;
    if (const int refused = socket_.transact(hello)) {
        socket_.close();
        return fail(Errc::Unsupported,
                    fmt::format("{} does not answer: {}", what, std::strerror(refused)));
    }
    return ok();
}

}  // namespace racoon::setkey
