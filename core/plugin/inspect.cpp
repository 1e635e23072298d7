// The checks that need none of a module's code.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "base/build_config.hpp"
#include "base/unique_fd.hpp"
#include "log/log.hpp"
#include "plugin/elf_note.hpp"
#include "plugin/loader.hpp"
#include "plugin/messages.hpp"

namespace racoon::plugin {

namespace {

#if defined(__linux__)
constexpr std::string_view kPlatform = "linux";
#elif defined(__FreeBSD__)
constexpr std::string_view kPlatform = "freebsd";
#elif defined(__NetBSD__)
constexpr std::string_view kPlatform = "netbsd";
#elif defined(__OpenBSD__)
constexpr std::string_view kPlatform = "openbsd";
#elif defined(__APPLE__)
constexpr std::string_view kPlatform = "macos";
#else
constexpr std::string_view kPlatform = "unknown";
#endif

// What a module may ask for, and in which process it may have it. The engine has no privileges at all,
// so only a module with a point of the keeper can have those.
struct Privilege {
    std::string_view name;
    Zone zone;
};
constexpr std::array kPrivileges = {
    Privilege{"net-admin", Zone::Keeper}, Privilege{"net-raw", Zone::Keeper},
    Privilege{"net-bind", Zone::Keeper},  Privilege{"dac-read", Zone::Keeper},
    Privilege{"net-connect", Zone::Both},
};

Result<Bytes> read_file(const std::string& path) {
    // O_NONBLOCK: a FIFO must not hold us up.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat st {};
    if (!fd.valid() || ::fstat(fd.get(), &st) != 0)
        return refuse(
            kMsgFile, errno == ENOENT ? Errc::NotFound : Errc::Io,
            fmt::format(
                "cannot read {}: {}{}", path, std::strerror(errno),
                errno == ENOENT ? "; \"racoon --list-modules\" shows what is installed" : ""));
    if (!S_ISREG(st.st_mode))
        return refuse(kMsgFile, Errc::Plugin, fmt::format("{}: expected a regular file", path));
    if (static_cast<std::uint64_t>(st.st_size) > kMaxModuleFile)
        return refuse(kMsgFile, Errc::TooLong,
                      fmt::format("{}: found {} bytes, expected {} at most", path, st.st_size,
                                  kMaxModuleFile));
    Bytes out(static_cast<std::size_t>(st.st_size));
    std::size_t have = 0;
    while (have < out.size()) {
        const ssize_t n = ::read(fd.get(), out.data() + have, out.size() - have);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return refuse(kMsgFile, Errc::Io, fmt::format("cannot read {}", path));
        have += static_cast<std::size_t>(n);
    }
    return out;
}

Status check_platform(const Manifest& m) {
    if (m.platforms.empty() ||
        std::find(m.platforms.begin(), m.platforms.end(), kPlatform) != m.platforms.end())
        return ok();
    std::string all;
    for (const std::string& p : m.platforms) all += (all.empty() ? "" : ", ") + log::escaped(p, 30);
    return refuse(kMsgPlatform, Errc::Unsupported,
                  fmt::format("made for {}, this is {}: remove its module line", all, kPlatform));
}

Status check_privileges(const Manifest& m) {
    for (const std::string& wanted : m.privileges) {
        const auto it = std::find_if(kPrivileges.begin(), kPrivileges.end(),
                                     [&](const Privilege& p) { return p.name == wanted; });
        if (it == kPrivileges.end())
            return refuse(
                kMsgPrivilege, Errc::Denied,
                fmt::format("asks for privilege \"{}\", expected net-admin, net-raw, net-bind, "
                            "dac-read or net-connect: correct its manifest",
                            log::escaped(wanted, 40)));
        if (it->zone == Zone::Keeper && !serves_zone(m, Zone::Keeper))
            return refuse(
                kMsgPrivilege, Errc::Denied,
                fmt::format("asks for privilege {} but offers only points of the engine, which "
                            "has none: remove it from its manifest",
                            wanted));
    }
    return ok();
}

Status check_trust(const std::string& path, const TrustPolicy& policy) {
    const TrustReport report = walk_trusted(path, policy);
    if (!report.trusted) {
        const TrustStep& bad = report.steps.back();
        return refuse(kMsgTrust, Errc::Denied,
                      fmt::format("not loaded, since others than root could change it: {}: {}",
                                  bad.path, bad.text));
    }
    if (report.used_overflow_uid)
        LOGW("", fmt::format("{}: only uid 0 is mapped here, so files of uid {} count as root's",
                             path, policy.overflow_uid));
    return ok();
}

}  // namespace

Status check_abi(const Manifest& m, AbiVersion host, std::string_view racoon_version) {
    if (m.abi.major != host.major)
        return refuse(
            kMsgAbiMajor, Errc::Abi,
            fmt::format("built for plugin ABI {}, this racoon speaks {}: install a build of "
                        "{} for ABI {}",
                        m.abi.text(), host.text(), m.name, host.major));
    const bool before_one = racoon_version.starts_with("0.");
    if (before_one && m.abi.minor != host.minor)
        return refuse(
            kMsgAbiMinor, Errc::Abi,
            fmt::format("built for plugin ABI {}, racoon {} wants exactly {}: rebuild {} with "
                        "the SDK of this racoon",
                        m.abi.text(), racoon_version, host.text(), m.name));
    if (m.min_host.major != host.major || m.min_host.minor > host.minor)
        return refuse(
            kMsgMinHost, Errc::Abi,
            fmt::format("needs a host of plugin ABI {} or newer, this racoon has {}: install a "
                        "newer racoon",
                        m.min_host.text(), host.text()));
    return ok();
}

bool serves_zone(const Manifest& manifest, Zone zone) {
    return std::any_of(manifest.provides.begin(), manifest.provides.end(), [&](const Offer& o) {
        const PointInfo* p = find_point(o.point);
        return p && in_zone(p->zone, zone);
    });
}

std::vector<std::string> installed_modules(const std::string& dir) {
    std::vector<std::string> out;
    std::error_code error;
    for (std::filesystem::directory_iterator it(dir, error), end; !error && it != end;
         it.increment(error)) {
        const std::filesystem::path& p = it->path();
        if (p.extension() == ".so" && is_module_name(p.stem().string()))
            out.push_back(p.stem().string());
    }
    std::sort(out.begin(), out.end());
    return out;
}

Result<ModuleFile> read_module(const std::string& dir, std::string_view name) {
    if (!is_module_name(name))
        return refuse(
            kMsgName, Errc::Config,
            fmt::format("found module name \"{}\", expected [a-z0-9-], 1 to 32 characters, no "
                        "path",
                        log::escaped(name, 60)));
    if (dir.empty() || dir.front() != '/')
        return refuse(kMsgName, Errc::Config,
                      fmt::format("found module path \"{}\", expected an absolute one",
                                  log::escaped(dir, 80)));
    ModuleFile file;
    file.name = name;
    file.path = fmt::format("{}/{}.so", dir, name);
    RACOON_TRY(const Bytes bytes, read_file(file.path));
    const auto elf = read_elf_facts(bytes);
    if (!elf)
        return refuse(kMsgNotElf, elf.error().code(),
                      fmt::format("{}: {}", file.path, elf.error().text()));
    if (!elf->has_note)
        return refuse(
            kMsgNoNote, Errc::Plugin,
            fmt::format("{}: found no manifest (ELF note \"Racoon\"), expected one: build it with "
                        "racoon_add_plugin()",
                        file.path));
    RACOON_TRY_STATUS(check_elf_facts(*elf));
    auto manifest = parse_manifest(elf->manifest);
    if (!manifest)
        return refuse(kMsgManifest, manifest.error().code(),
                      fmt::format("{}: manifest: {}", file.path, manifest.error().text()));
    file.manifest = std::move(*manifest);
    // lib/racoon/modules/x.so has its helpers in lib/racoon/helper, built or installed.
    for (Helper& helper : file.manifest.helpers) {
        if (helper.program.front() == '/') continue;
        const std::size_t end = dir.find_last_not_of('/');
        const std::size_t slash = dir.rfind('/', end);
        helper.program = fmt::format("{}/helper/{}", dir.substr(0, slash), helper.program);
    }
    file.manifest_text = elf->manifest;
    file.build_id = elf->build_id;
    if (file.manifest.name != name)
        return refuse(
            kMsgStem, Errc::Plugin,
            fmt::format("{}: found name \"{}\" in the manifest, expected \"{}\" as the file is "
                        "called: rename one of them",
                        file.path, file.manifest.name, name));
    return file;
}

Result<ModuleFile> inspect_module(const std::string& dir, std::string_view name,
                                  const TrustPolicy& trust) {
    RACOON_TRY(ModuleFile file, read_module(dir, name));
    RACOON_TRY_STATUS(
        check_abi(file.manifest, {RACOON_ABI_MAJOR, RACOON_ABI_MINOR}, RACOON_VERSION));
    RACOON_TRY_STATUS(check_platform(file.manifest));
    RACOON_TRY_STATUS(check_privileges(file.manifest));
    RACOON_TRY_STATUS(check_trust(file.path, trust));
    return file;
}

}  // namespace racoon::plugin
