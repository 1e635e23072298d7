#include "key_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace credential_files {
namespace {

std::string owner_text(uid_t uid) {
    return uid == 0 ? "root" : "uid " + std::to_string(uid);
}

/// What speaks against using the file. Empty: nothing.
std::string weakness(const std::string& path, const struct stat& st, Access access) {
    if (!S_ISREG(st.st_mode)) return path + " is not a regular file";
    if (access == Access::Public) return {};
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(st.st_mode & 07777));
    const std::string facts =
        path + " has weak file permission: owner " + owner_text(st.st_uid) + ", mode " + mode;
    // Root's are safe for everybody; who is not root tests a configuration.
    if (st.st_uid != ::geteuid() && st.st_uid != 0)
        return facts + "; it must belong to " + owner_text(::geteuid()) + "; run: chown " +
               std::to_string(::geteuid()) + " " + path + " && chmod 600 " + path;
    if (st.st_mode & 077) return facts + "; run: chmod 600 " + path;
    return {};
}

}  // namespace

racoon_status report(racoon_error* err, racoon_status status, int os_errno,
                     const std::string& text) {
    if (err) {
        err->status = status;
        err->os_errno = os_errno;
        std::snprintf(err->text, sizeof err->text, "%s", text.c_str());
    }
    return status;
}

std::string place(const std::string& path, unsigned line, unsigned column) {
    std::string out = path + ":" + std::to_string(line);
    if (column != 0) out += ":" + std::to_string(column);
    return out;
}

racoon_status report_at(racoon_error* err, racoon_status status, const std::string& path,
                        unsigned line, unsigned column, const std::string& text) {
    std::string full = place(path, line, column) + ": " + text;
    const std::size_t room = sizeof(racoon_error::text) - 1;
    if (full.size() > room) {
        const std::size_t cut = std::min(full.size() - room + 3, path.size());
        full = "..." + full.substr(cut);
    }
    return report(err, status, 0, full);
}

SecretMemory::SecretMemory(const Services& services, std::size_t capacity)
    : services_(services),
      memory_(static_cast<std::uint8_t*>(services.secret->allocate(services.host, capacity))),
      capacity_(capacity) {}

SecretMemory::~SecretMemory() {
    if (memory_) services_.secret->free(services_.host, memory_, capacity_);
}

bool FileState::unchanged(const struct stat& now) const {
    return known_ && !too_fresh_ && now.st_dev == seen_.st_dev && now.st_ino == seen_.st_ino &&
           now.st_size == seen_.st_size && now.st_uid == seen_.st_uid &&
           now.st_mode == seen_.st_mode && now.st_mtim.tv_sec == seen_.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec &&
           now.st_ctim.tv_sec == seen_.st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == seen_.st_ctim.tv_nsec;
}

std::optional<KeyFile> KeyFile::open(const std::string& path, Access access, racoon_error* err) {
    // O_NONBLOCK: whatever else lies at this path must not stop the daemon.
    KeyFile file(path, ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (file.fd_ < 0) {
        const int why = errno;
        report(err, why == ENOENT ? RACOON_NOT_FOUND : RACOON_IO, why,
               "failed to open " + path + ": " + std::strerror(why));
        return std::nullopt;
    }
    struct stat& seen = file.state_.seen_;
    if (::fstat(file.fd_, &seen) != 0) {
        const int why = errno;
        report(err, RACOON_IO, why, "failed to look at " + path + ": " + std::strerror(why));
        return std::nullopt;
    }
    if (const std::string weak = weakness(path, seen, access); !weak.empty()) {
        report(err, RACOON_DENIED, 0, weak);
        return std::nullopt;
    }
    if (static_cast<std::uint64_t>(seen.st_size) > kMaxKeyFile) {
        report(err, RACOON_CONFIG, 0, path + " is larger than 16 MiB");
        return std::nullopt;
    }
    struct timespec clock {};
    ::clock_gettime(CLOCK_REALTIME, &clock);
    file.state_.too_fresh_ = clock.tv_sec - seen.st_ctim.tv_sec < 2;
    file.state_.known_ = true;
    return file;
}

KeyFile::KeyFile(KeyFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), state_(other.state_) {}

KeyFile::~KeyFile() {
    if (fd_ >= 0) ::close(fd_);
}

std::optional<std::size_t> KeyFile::read(SecretMemory& memory, racoon_error* err) const {
    if (!memory.data()) {
        report(err, RACOON_NO_MEMORY, 0, "no memory for " + path_);
        return std::nullopt;
    }
    std::size_t size = 0;
    while (size < memory.capacity()) {
        const ssize_t got = ::read(fd_, memory.data() + size, memory.capacity() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            const int why = errno;
            report(err, RACOON_IO, why, "failed to read " + path_ + ": " + std::strerror(why));
            return std::nullopt;
        }
        if (got == 0) return size;
        size += static_cast<std::size_t>(got);
    }
    report(err, RACOON_BUSY, 0, path_ + " grew while it was read; it is read anew at the next use");
    return std::nullopt;
}

}  // namespace credential_files
