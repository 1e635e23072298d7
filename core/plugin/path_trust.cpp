#include "plugin/path_trust.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

namespace racoon::plugin {

namespace {

constexpr std::size_t kMaxComponents = 256;
constexpr unsigned kMaxLinks = 32;

std::deque<std::string> split(std::string_view path) {
    std::deque<std::string> out;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const std::string_view part = path.substr(0, slash);
        if (!part.empty() && part != ".") out.emplace_back(part);
        path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    }
    return out;
}

class Walk {
  public:
    Walk(const TrustPolicy& policy, TrustReport& report) : policy_(policy), report_(report) {}

    bool run(std::string_view path) {
        todo_ = split(path);
        if (path.empty() || path.front() != '/' || todo_.empty() || todo_.size() > kMaxComponents)
            return stop(std::string(path), "expected an absolute path: write it out in full");
        if (!open_root()) return false;
        while (!todo_.empty()) {
            const std::string name = todo_.front();
            todo_.pop_front();
            if (name == "..") return stop(child(name), "found \"..\", expected a path without it");
            if (!step(name)) return false;
        }
        return true;
    }

  private:
    bool open_root() {
        dir_.reset(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        here_.clear();
        struct stat st {};
        if (!dir_.valid() || ::fstat(dir_.get(), &st) != 0) return stop("/", std::strerror(errno));
        return judge("/", st);
    }

    bool step(const std::string& name) {
        const bool last = todo_.empty();
        const std::string path = child(name);
        // O_PATH tells a link from what it points to and opens nothing (no FIFO can block us).
        UniqueFd entry(::openat(dir_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        struct stat st {};
        if (!entry.valid() || ::fstat(entry.get(), &st) != 0)
            return stop(path, std::strerror(errno));
        if (S_ISLNK(st.st_mode)) return follow(path, entry.get(), st, last);
        if (!last) {
            if (!S_ISDIR(st.st_mode)) return stop(path, "found a file, expected a folder");
            if (!judge(path, st)) return false;
            UniqueFd opened(::openat(dir_.get(), name.c_str(),
                                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (!same(opened.get(), st)) return stop(path, "changed while it was looked at");
            dir_ = std::move(opened);
            here_ = path;
            return true;
        }
        if (!S_ISREG(st.st_mode)) return stop(path, "expected a regular file");
        if (!judge(path, st)) return false;
        UniqueFd opened(::openat(dir_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        if (!opened.valid()) return stop(path, std::strerror(errno));
        if (!same(opened.get(), st)) return stop(path, "changed while it was looked at");
        report_.file = std::move(opened);
        return true;
    }

    // A link is as good as its owner (its mode means nothing); then its target is walked.
    bool follow(const std::string& path, int link, const struct stat& st, bool last) {
        if (++links_ > kMaxLinks) return stop(path, "found too many symbolic links");
        std::array<char, 4096> target{};
        const ssize_t n = ::readlinkat(link, "", target.data(), target.size());
        if (n <= 0 || static_cast<std::size_t>(n) == target.size())
            return stop(path, "cannot read the symbolic link");
        const std::string_view text(target.data(), static_cast<std::size_t>(n));
        if (last && text.find('/') != std::string_view::npos)
            return stop(path,
                        fmt::format("found a link to {}, expected a file, or a link within its "
                                    "folder: copy the file here",
                                    text));
        if (!judge(path, st)) return false;
        report_.steps.back().text += fmt::format(", link to {}", text);
        std::deque<std::string> parts = split(text);
        if (parts.size() + todo_.size() > kMaxComponents)
            return stop(path, "found too long a path");
        todo_.insert(todo_.begin(), parts.begin(), parts.end());
        return text.front() != '/' || open_root();
    }

    bool judge(const std::string& path, const struct stat& st) {
        const bool link = S_ISLNK(st.st_mode);
        const std::string facts =
            fmt::format("owned by uid {}, mode {:04o}", st.st_uid, st.st_mode & 07777u);
        if (!owner_trusted(path, st.st_uid))
            return stop(path, fmt::format("{}, expected root's: chown root {}", facts, path));
        const bool others_write = !link && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0;
        const bool sticky = S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX) != 0;
        if (others_write && !sticky)
            return stop(path,
                        fmt::format("{}, writable by group or others: chmod go-w {}", facts, path));
        add(path, true,
            facts + (others_write ? ", sticky: trusted if what follows is" : ": trusted"));
        return true;
    }

    bool owner_trusted(const std::string& path, uid_t uid) {
        if (uid == 0) return true;
        if (policy_.overflow_is_root && uid == policy_.overflow_uid) {
            report_.used_overflow_uid = true;
            return true;
        }
        if (policy_.build_tree.empty() || uid != policy_.builder) return false;
        // The tree, what is in it, and the builder's own folders above it.
        const auto within = [](std::string_view inner, std::string_view outer) {
            return inner.substr(0, outer.size()) == outer &&
                   (inner.size() == outer.size() || inner[outer.size()] == '/');
        };
        if (!within(path, policy_.build_tree) && !within(policy_.build_tree, path)) return false;
        report_.used_builder = true;
        return true;
    }

    static bool same(int fd, const struct stat& before) {
        struct stat now {};
        return fd >= 0 && ::fstat(fd, &now) == 0 && now.st_dev == before.st_dev &&
               now.st_ino == before.st_ino && now.st_uid == before.st_uid &&
               now.st_mode == before.st_mode;
    }

    std::string child(const std::string& name) const { return here_ + "/" + name; }
    void add(const std::string& path, bool trusted, std::string text) {
        report_.steps.push_back({path, trusted, std::move(text)});
    }
    bool stop(const std::string& path, std::string text) {
        add(path, false, std::move(text));
        return false;
    }

    const TrustPolicy& policy_;
    TrustReport& report_;
    std::deque<std::string> todo_;
    UniqueFd dir_;
    std::string here_;
    unsigned links_ = 0;
};

// "0 1000 1": uid 0 is mapped and nothing else.
bool maps_only_root() {
    std::ifstream in("/proc/self/uid_map");
    std::uint64_t inside = 0, outside = 0, count = 0;
    if (!(in >> inside >> outside >> count)) return false;
    std::uint64_t more = 0;
    return inside == 0 && count == 1 && !(in >> more);
}

std::string find_build_tree() {
    std::array<char, 4096> buffer{};
    const ssize_t n = ::readlink("/proc/self/exe", buffer.data(), buffer.size());
    if (n <= 0 || static_cast<std::size_t>(n) == buffer.size()) return {};
    std::string path(buffer.data(), static_cast<std::size_t>(n));
    while (true) {
        const std::size_t slash = path.rfind('/');
        if (slash == std::string::npos || slash == 0) return {};
        path.resize(slash);
        struct stat st {};
        if (::lstat((path + "/CMakeCache.txt").c_str(), &st) == 0 && S_ISREG(st.st_mode) &&
            (st.st_uid == 0 || st.st_uid == ::geteuid()))
            return path;
    }
}

}  // namespace

TrustPolicy default_trust() {
    TrustPolicy policy;
    policy.builder = ::geteuid();
    policy.build_tree = find_build_tree();
    policy.overflow_is_root = maps_only_root();
    std::ifstream in("/proc/sys/kernel/overflowuid");
    uid_t uid = 0;
    if (in >> uid) policy.overflow_uid = uid;
    return policy;
}

std::string TrustReport::text() const {
    std::string out;
    for (const TrustStep& s : steps)
        out += fmt::format("{} {}: {}\n", s.trusted ? "ok " : "BAD", s.path, s.text);
    if (used_overflow_uid)
        out += "note: only uid 0 is mapped here, so files of the overflow uid count as root's\n";
    return out;
}

TrustReport walk_trusted(std::string_view path, const TrustPolicy& policy) {
    TrustReport report;
    report.trusted = Walk(policy, report).run(path);
    if (!report.trusted) report.file.reset();
    return report;
}

}  // namespace racoon::plugin
