#include "store.hpp"

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "format.hpp"

namespace racoon::state_file {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{4} << 30;  // more is not ours
constexpr std::uint64_t kCompactAt = 1u << 20;              // bytes; smaller files are left alone

bool refuse(std::string* error, const std::string& path, const std::string& why) {
    *error = path + ": " + why;
    return false;
}

/// What speaks against using the file. Empty: nothing.
std::string weakness(const struct stat& st) {
    if (!S_ISREG(st.st_mode)) return "is not a regular file";
    if (st.st_uid != ::geteuid())
        return "belongs to uid " + std::to_string(st.st_uid) + ", expected uid " +
               std::to_string(::geteuid()) + ": it holds keys of SAs";
    if ((st.st_mode & 077) != 0)
        return "others can read or change it, and it holds keys of SAs; run: chmod 600";
    if (static_cast<std::uint64_t>(st.st_size) > kMaxFile) return "is larger than 4 GiB";
    return {};
}

/// Line by line; `ended`: it has its end, else it is the file's last and may be a part of one. Lines longer
/// than any of ours come as "?". False: errno says why.
template <typename Take>
bool read_lines(int fd, Take take) {
    std::vector<char> buffer(1u << 16);
    std::string line;
    line.reserve(kMaxLine + 1);
    bool too_long = false;
    std::uint64_t at = 0;
    ssize_t n = 0;
    while ((n = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(at))) > 0) {
        at += static_cast<std::uint64_t>(n);
        for (ssize_t i = 0; i < n; ++i) {
            const char c = buffer[static_cast<std::size_t>(i)];
            if (c == '\n') {
                take(std::string_view(too_long ? "?" : line), true);
                line.clear();
                too_long = false;
            } else if (line.size() < kMaxLine) {
                line += c;
            } else {
                too_long = true;
            }
        }
    }
    if (!line.empty() || too_long) take(std::string_view(too_long ? "?" : line), false);
    wipe(line);
    std::memset(buffer.data(), 0, buffer.size());
    __asm__ __volatile__("" : : "r"(buffer.data()) : "memory");  // the keys are really gone
    return n == 0;
}

bool write_all(int fd, const std::string& text) {
    std::size_t at = 0;
    while (at < text.size()) {
        const ssize_t n = ::write(fd, text.data() + at, text.size() - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += static_cast<std::size_t>(n);
    }
    return true;
}

}  // namespace

bool Store::open(const std::string& path, std::string* error) {
    close();
    // Where it is a symbolic link, what it points to is replaced and not the link.
    const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
    path_ = real ? real.get() : path;
    fd_ =
        ::open(path_.c_str(),
               O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd_ < 0) return refuse(error, path_, std::strerror(errno));
    struct stat st {};
    std::string why = ::fstat(fd_, &st) != 0 ? std::strerror(errno) : weakness(st);
    if (why.empty() && ::flock(fd_, LOCK_EX | LOCK_NB) != 0) why = "another racoon uses it";
    if (!why.empty()) {
        close();
        return refuse(error, path_, why);
    }
    bytes_ = static_cast<std::uint64_t>(st.st_size);
    const bool read = read_lines(fd_, [this](std::string_view text, bool ended) {
        torn_ = !ended;
        auto line = read_line(text);
        if (!line) {
            if (!text.empty()) ++damaged_;
            return;
        }
        forget(line->key);
        if (line->saved) {
            live_bytes_ += text.size() + 1;
            live_.emplace(line->key, text.size() + 1);
        }
        wipe(line->value);
    });
    if (read) return true;
    why = std::strerror(errno);
    close();
    return refuse(error, path_, why);
}

void Store::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    live_.clear();
    bytes_ = live_bytes_ = 0;
    damaged_ = 0;
    torn_ = false;
}

bool Store::each(const Each& each, std::string* error) const {
    // Of several records of a key the last one counts.
    std::unordered_map<std::string, std::string> records;
    const bool read = read_lines(fd_, [&](std::string_view text, bool) {
        auto line = read_line(text);
        if (!line) return;
        std::string& slot = records[line->key];
        wipe(slot);
        if (line->saved)
            slot.swap(line->value);
        else
            records.erase(line->key);
    });
    if (!read) refuse(error, path_, std::strerror(errno));
    for (auto& [key, value] : records) {
        if (read) each(key, value);
        wipe(value);
    }
    return read;
}

bool Store::save(std::string_view key, std::string_view value, std::string* error) {
    if (fd_ < 0) return refuse(error, "the state file", "is not open");
    if (key.empty() || key.size() > kMaxKey || value.size() > kMaxValue)
        return refuse(error, path_, "a record that is too long");
    std::string line = saved_line(key, value);
    const std::uint64_t size = line.size() + 1;
    if (!append(std::move(line), error)) return false;
    forget(key);
    live_.emplace(std::string(key), size);
    live_bytes_ += size;
    return true;
}

bool Store::remove(std::string_view key, std::string* error) {
    if (fd_ < 0) return refuse(error, "the state file", "is not open");
    if (live_.count(std::string(key)) == 0) return true;
    if (live_.size() == 1) return clear(error);
    if (!append(removed_line(key), error)) return false;
    forget(key);
    if (bytes_ > kCompactAt && bytes_ > 2 * live_bytes_) compact();
    return true;
}

bool Store::clear(std::string* error) {
    if (fd_ < 0) return refuse(error, "the state file", "is not open");
    live_.clear();
    live_bytes_ = 0;
    if (::ftruncate(fd_, 0) != 0) return refuse(error, path_, std::strerror(errno));
    bytes_ = 0;
    torn_ = false;
    return true;
}

bool Store::append(std::string line, std::string* error) {
    line += '\n';
    // What a full file system left of a line is closed off, and counts as damaged.
    if (torn_) line.insert(line.begin(), '\n');
    ssize_t n = 0;
    do n = ::write(fd_, line.data(), line.size());
    while (n < 0 && errno == EINTR);
    const int why = n < 0 ? errno : ENOSPC;
    if (n > 0) bytes_ += static_cast<std::uint64_t>(n);
    const bool whole = n == static_cast<ssize_t>(line.size());
    if (whole)
        torn_ = false;
    else if (n > 0)
        torn_ = true;
    wipe(line);
    return whole || refuse(error, path_, std::strerror(why));
}

// A crash in between leaves the old file, which is whole.
void Store::compact() {
    const std::string fresh_path = path_ + ".new";
    ::unlink(fresh_path.c_str());
    const int fresh = ::open(fresh_path.c_str(),
                             O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fresh < 0) return;  // the old one still serves
    std::string ignored;
    bool good = ::flock(fresh, LOCK_EX | LOCK_NB) == 0;
    std::uint64_t bytes = 0;
    std::unordered_map<std::string, std::uint64_t> sizes;
    good = good && each(
                       [&](std::string_view key, std::string_view value) {
                           std::string line = saved_line(key, value);
                           line += '\n';
                           good = good && write_all(fresh, line);
                           bytes += line.size();
                           sizes.emplace(std::string(key), line.size());
                           wipe(line);
                       },
                       &ignored);
    good = good && ::fsync(fresh) == 0 && ::rename(fresh_path.c_str(), path_.c_str()) == 0;
    if (!good) {
        ::close(fresh);
        ::unlink(fresh_path.c_str());
        return;
    }
    ::close(fd_);
    fd_ = fresh;
    live_ = std::move(sizes);
    bytes_ = live_bytes_ = bytes;
    torn_ = false;
}

void Store::forget(std::string_view key) {
    const auto found = live_.find(std::string(key));
    if (found == live_.end()) return;
    live_bytes_ -= found->second;
    live_.erase(found);
}

}  // namespace racoon::state_file
