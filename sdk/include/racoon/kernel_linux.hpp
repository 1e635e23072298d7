// What the backends of Linux's own IPsec stack share, whether they speak netlink or PF_KEY to it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>

#include <racoon/kernel_backend.hpp>
#include <racoon/kernel_journal.hpp>

namespace racoon::sdk {

inline racoon_status status_of_errno(int error) noexcept {
    switch (error) {
        case 0:
            return RACOON_OK;
        case EEXIST:
            return RACOON_STATE;
        case ESRCH:
        case ENOENT:
            return RACOON_NOT_FOUND;
        case EINVAL:
            return RACOON_INVALID_ARGUMENT;
        case ENOMEM:
        case ENOBUFS:
            return RACOON_NO_MEMORY;
        case EPERM:
        case EACCES:
            return RACOON_DENIED;
        case EPROTONOSUPPORT:
        case EOPNOTSUPP:
        case ENOSYS:
            return RACOON_NOT_SUPPORTED;
        default:
            return RACOON_IO;
    }
}

/// "WHAT: the error's text".
inline racoon_status refuse_errno(racoon_error* err, const std::string& what, int error) {
    return fail(err, status_of_errno(error), what + ": " + std::strerror(error), error);
}

/// How long larval SAs and SPIs that were asked for live: 30 s as the kernel comes, which is less than
/// retransmission takes. Raised while a backend is open, and put back unless somebody else has set it; by the
/// next run, when this one is killed: what it was stands in the journal.
class LarvalLifetime {
  public:
    static constexpr const char* kSetting = "/proc/sys/net/core/xfrm_acq_expires";

    /// False: it may not be changed, and stays at `left_at`.
    bool raise(std::int64_t seconds, Journal& journal, std::string* left_at) {
        *left_at = read_line();
        lives_s_ = seconds;
        if (left_at->empty()) return true;
        const std::int64_t now = std::atoll(left_at->c_str());
        if (now >= seconds) {
            lives_s_ = now;
            return true;
        }
        before_ = *left_at;
        raised_ = std::to_string(seconds);
        journal.add(entry());
        if (write_line(raised_)) return true;
        journal.remove(entry());
        before_.clear();
        lives_s_ = now;
        return false;
    }
    /// What it is since raise().
    std::int64_t seconds() const { return lives_s_; }
    void lower(Journal& journal) {
        if (before_.empty()) return;
        if (read_line() == raised_) write_line(before_);
        journal.remove(entry());
        before_.clear();
    }
    /// Puts back what a run that was killed had raised. False: `entry` is about something else.
    static bool recover(const std::string& entry) {
        std::istringstream in(entry);
        std::string kind;
        std::string before;
        std::string raised;
        if (!(in >> kind >> before >> raised) || kind != kEntry) return false;
        if (read_line() == raised) write_line(before);
        return true;
    }

  private:
    static constexpr const char* kEntry = "larval-lifetime";
    std::string entry() const { return std::string(kEntry) + " " + before_ + " " + raised_; }
    static std::string read_line() {
        char buffer[64] = "";
        const int fd = ::open(kSetting, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return "";
        const ssize_t n = ::read(fd, buffer, sizeof(buffer) - 1);
        ::close(fd);
        std::string text(buffer, n > 0 ? static_cast<std::size_t>(n) : 0);
        while (!text.empty() && text.back() == '\n') text.pop_back();
        return text;
    }
    static bool write_line(const std::string& text) {
        const int fd = ::open(kSetting, O_WRONLY | O_CLOEXEC);
        if (fd < 0) return false;
        const bool done =
            ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
        ::close(fd);
        return done;
    }

    std::string before_;
    std::string raised_;
    std::int64_t lives_s_ = 30;
};

}  // namespace racoon::sdk
