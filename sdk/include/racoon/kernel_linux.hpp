// What the backends of Linux's own IPsec stack share, whether they speak netlink or PF_KEY to it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include <racoon/kernel_backend.hpp>

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
/// retransmission takes. Raised while a backend is open, and put back unless somebody else has set it.
class LarvalLifetime {
  public:
    static constexpr const char* kSetting = "/proc/sys/net/core/xfrm_acq_expires";

    /// False: it may not be changed, and stays at `left_at`.
    bool raise(std::int64_t seconds, std::string* left_at) {
        *left_at = read_line();
        if (left_at->empty() || std::atoll(left_at->c_str()) >= seconds) return true;
        if (!write_line(std::to_string(seconds))) return false;
        before_ = *left_at;
        raised_ = std::to_string(seconds);
        return true;
    }
    void lower() {
        if (!before_.empty() && read_line() == raised_) write_line(before_);
        before_.clear();
    }

  private:
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
};

}  // namespace racoon::sdk
