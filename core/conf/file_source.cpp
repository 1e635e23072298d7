#include "conf/file_source.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.hpp"

namespace racoon::conf {

namespace {

constexpr std::uint32_t kMaxBundleEntries = 65536;
constexpr std::size_t kMaxVisits = 100'000;

// The C library's patterns have no limit: "/*/*/*/*" looks at the whole disk, and who reads it is held
// meanwhile. Where the library lets us read its folders for it, it finds them empty beyond a bound.
#ifdef GLOB_ALTDIRFUNC
thread_local std::size_t* visits = nullptr;

struct dirent* counted_entry(void* folder) {
    if (++*visits > kMaxVisits) return nullptr;
    return ::readdir(static_cast<DIR*>(folder));
}
void* counted_folder(const char* path) {
    return ++*visits > kMaxVisits ? nullptr : ::opendir(path);
}
void close_folder(void* folder) {
    ::closedir(static_cast<DIR*>(folder));
}
int counted_stat(const char* path, struct stat* out) {
    return ++*visits > kMaxVisits ? -1 : ::stat(path, out);
}
int counted_lstat(const char* path, struct stat* out) {
    return ++*visits > kMaxVisits ? -1 : ::lstat(path, out);
}

int bounded_glob(const char* pattern, int flags, glob_t& found, std::size_t& count) {
    found.gl_readdir = counted_entry;
    found.gl_opendir = counted_folder;
    found.gl_closedir = close_folder;
    found.gl_stat = counted_stat;
    found.gl_lstat = counted_lstat;
    visits = &count;
    return ::glob(pattern, flags | GLOB_ALTDIRFUNC, nullptr, &found);
}
#else
int bounded_glob(const char* pattern, int flags, glob_t& found, std::size_t&) {
    return ::glob(pattern, flags, nullptr, &found);
}
#endif

Result<std::string> text(Reader& in) {
    RACOON_TRY(const ByteView bytes, in.counted32());
    return std::string(as_text(bytes));
}

Result<UniqueFd> open_regular(const std::string& path) {
    // Not blocking: a pipe in the place of a file must not hold the daemon.
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd.valid()) return fail(Errc::Io, std::strerror(errno)).os(errno);
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return fail(Errc::Io, std::strerror(errno)).os(errno);
    if (S_ISDIR(info.st_mode)) return fail(Errc::Denied, "it is a directory");
    if (!S_ISREG(info.st_mode)) return fail(Errc::Denied, "it is not a regular file");
    return fd;
}

}  // namespace

void put(Writer& out, const FileBundle& bundle) {
    out.u32(static_cast<std::uint32_t>(bundle.files.size()));
    for (const auto& [name, bytes] : bundle.files) {
        out.counted32(as_bytes(name));
        out.counted32(as_bytes(bytes));
    }
    out.u32(static_cast<std::uint32_t>(bundle.globs.size()));
    for (const auto& [pattern, names] : bundle.globs) {
        out.counted32(as_bytes(pattern));
        out.u32(static_cast<std::uint32_t>(names.size()));
        for (const std::string& name : names) out.counted32(as_bytes(name));
    }
}

Result<FileBundle> get_file_bundle(Reader& in) {
    FileBundle out;
    RACOON_TRY(const std::uint32_t files, in.u32());
    if (files > kMaxBundleEntries) return fail(Errc::Malformed, "too many files in a bundle");
    for (std::uint32_t i = 0; i < files; ++i) {
        RACOON_TRY(std::string name, text(in));
        RACOON_TRY(std::string bytes, text(in));
        out.files.insert_or_assign(std::move(name), std::move(bytes));
    }
    RACOON_TRY(const std::uint32_t globs, in.u32());
    if (globs > kMaxBundleEntries) return fail(Errc::Malformed, "too many patterns in a bundle");
    for (std::uint32_t i = 0; i < globs; ++i) {
        RACOON_TRY(std::string pattern, text(in));
        RACOON_TRY(const std::uint32_t count, in.u32());
        if (count > kMaxBundleEntries) return fail(Errc::Malformed, "too many names in a bundle");
        std::vector<std::string> names;
        for (std::uint32_t n = 0; n < count; ++n) {
            RACOON_TRY(std::string name, text(in));
            names.push_back(std::move(name));
        }
        out.globs.insert_or_assign(std::move(pattern), std::move(names));
    }
    return out;
}

Result<FileFacts> FileSource::facts(const std::string&) {
    return fail(Errc::Unsupported, "nothing is known of files here");
}

Result<std::string> DiskFiles::read(const std::string& path) {
    RACOON_TRY(const UniqueFd fd, open_regular(path));
    std::string out;
    char buffer[65536];
    for (;;) {
        const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(Errc::Io, std::strerror(errno)).os(errno);
        if (n == 0) break;
        out.append(buffer, static_cast<std::size_t>(n));
        if (out.size() > kMaxConfigFile)
            return fail(Errc::TooLong,
                        fmt::format("it is larger than {} MiB", kMaxConfigFile >> 20));
    }
    bundle_.files.insert_or_assign(path, out);
    return out;
}

std::optional<bool> FileSource::account(bool, const std::string&) {
    return std::nullopt;
}

std::optional<bool> DiskFiles::account(bool group, const std::string& name) {
    // Not found is told apart from an error of the name service, about which nobody can say anything.
    errno = 0;
    const bool there =
        group ? ::getgrnam(name.c_str()) != nullptr : ::getpwnam(name.c_str()) != nullptr;
    if (!there && errno != 0 && errno != ENOENT && errno != ESRCH) return std::nullopt;
    return there;
}

Result<FileFacts> DiskFiles::facts(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        if (errno == EACCES && ::geteuid() != 0) return fail(Errc::Denied, std::strerror(errno));
        return fail(errno == ENOENT ? Errc::NotFound : Errc::Io, std::strerror(errno)).os(errno);
    }
    FileFacts out;
    out.kind = S_ISREG(info.st_mode)   ? FileFacts::Kind::Regular
               : S_ISDIR(info.st_mode) ? FileFacts::Kind::Folder
                                       : FileFacts::Kind::Other;
    out.mode = info.st_mode & 07777;
    out.our_own = info.st_uid == ::geteuid() || (info.st_uid == 0 && ::geteuid() != 0);
    out.owner = info.st_uid == 0 ? "root" : fmt::format("uid {}", info.st_uid);
    return out;
}

Result<std::vector<std::string>> DiskFiles::glob(const std::string& pattern) {
    int flags = 0;
#ifdef GLOB_TILDE
    flags |= GLOB_TILDE;
#endif
    glob_t found{};
    const int status = bounded_glob(pattern.c_str(), flags, found, visits_);
    std::vector<std::string> out;
    if (status == 0)
        for (std::size_t i = 0; i < found.gl_pathc; ++i) out.emplace_back(found.gl_pathv[i]);
    ::globfree(&found);
    if (visits_ > kMaxVisits)
        return fail(Errc::TooLong,
                    fmt::format("the patterns of this configuration look at more than {} files",
                                kMaxVisits));
    if (status != 0 && status != GLOB_NOMATCH)
        return fail(Errc::Io, "the folder cannot be searched");
    bundle_.globs.insert_or_assign(pattern, out);
    return out;
}

Result<std::string> BundleFiles::read(const std::string& path) {
    const auto found = bundle_.files.find(path);
    if (found == bundle_.files.end()) return fail(Errc::NotFound, "No such file or directory");
    if (found->second.size() > kMaxConfigFile)
        return fail(Errc::TooLong, fmt::format("it is larger than {} MiB", kMaxConfigFile >> 20));
    return found->second;
}

Result<std::vector<std::string>> BundleFiles::glob(const std::string& pattern) {
    if (const auto found = bundle_.globs.find(pattern); found != bundle_.globs.end())
        return found->second;
    if (bundle_.files.contains(pattern)) return std::vector<std::string>{pattern};
    return std::vector<std::string>{};
}

}  // namespace racoon::conf
