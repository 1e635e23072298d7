#include "psk_store.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>

namespace credential_files {
namespace {

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

std::string owner_text(uid_t uid) {
    return uid == 0 ? "root" : "uid " + std::to_string(uid);
}

/// The rule that racoon has always had: a regular file of the daemon's own, closed to everybody
/// else. Empty: it holds.
std::string weakness(const std::string& path, const struct stat& st) {
    if (!S_ISREG(st.st_mode)) return path + " is not a regular file";
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(st.st_mode & 07777));
    const std::string facts =
        path + " has weak file permission: owner " + owner_text(st.st_uid) + ", mode " + mode;
    if (st.st_uid != ::geteuid())
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

LoadedFile::LoadedFile(const Services& services, std::size_t capacity)
    : services_(services),
      memory_(static_cast<std::uint8_t*>(services.secret->allocate(services.host, capacity))),
      capacity_(capacity) {}

LoadedFile::~LoadedFile() {
    if (memory_) services_.secret->free(services_.host, memory_, capacity_);
}

bool PskStore::unchanged(const struct stat& now) const {
    return loaded_ && !seen_too_fresh_ && now.st_dev == seen_.st_dev &&
           now.st_ino == seen_.st_ino && now.st_size == seen_.st_size &&
           now.st_uid == seen_.st_uid && now.st_mode == seen_.st_mode &&
           now.st_mtim.tv_sec == seen_.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec &&
           now.st_ctim.tv_sec == seen_.st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == seen_.st_ctim.tv_nsec;
}

std::shared_ptr<const LoadedFile> PskStore::current(const std::string& path, racoon_error* err) {
    struct stat now {};
    if (path == path_ && ::stat(path.c_str(), &now) == 0 && unchanged(now)) return loaded_;
    loaded_ = read(path, err);
    path_ = path;
    return loaded_;
}

std::shared_ptr<const LoadedFile> PskStore::read(const std::string& path, racoon_error* err) {
    // O_NONBLOCK: whatever else lies at this path must not stop the daemon. Checks and reading are
    // on the same descriptor.
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (fd.get() < 0) {
        const int why = errno;
        report(err, why == ENOENT ? RACOON_NOT_FOUND : RACOON_IO, why,
               "failed to open " + path + ": " + std::strerror(why));
        return nullptr;
    }
    if (::fstat(fd.get(), &seen_) != 0) {
        report(err, RACOON_IO, errno, "failed to look at " + path + ": " + std::strerror(errno));
        return nullptr;
    }
    if (const std::string weak = weakness(path, seen_); !weak.empty()) {
        report(err, RACOON_DENIED, 0, weak);
        return nullptr;
    }
    if (static_cast<std::uint64_t>(seen_.st_size) > kMaxFile) {
        report(err, RACOON_CONFIG, 0, path + " is larger than 16 MiB");
        return nullptr;
    }
    struct timespec clock {};
    ::clock_gettime(CLOCK_REALTIME, &clock);
    seen_too_fresh_ = clock.tv_sec - seen_.st_ctim.tv_sec < 2;

    auto file =
        std::make_shared<LoadedFile>(services_, static_cast<std::size_t>(seen_.st_size) + 1);
    if (!file->memory()) {
        report(err, RACOON_NO_MEMORY, 0, "no memory for " + path);
        return nullptr;
    }
    std::size_t size = 0;
    while (size < file->capacity()) {
        const ssize_t got = ::read(fd.get(), file->memory() + size, file->capacity() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            report(err, RACOON_IO, errno, "failed to read " + path + ": " + std::strerror(errno));
            return nullptr;
        }
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    if (size == file->capacity()) {
        report(err, RACOON_BUSY, 0,
               path + " grew while it was read; it is read anew at the next use");
        return nullptr;
    }
    file->parse(size);
    for (const PskRemark& remark : file->index().remarks())
        services_.write(RACOON_LOG_WARNING,
                        path + ":" + std::to_string(remark.line) + ": " + remark.text);
    return file;
}

}  // namespace credential_files
