#include "daemon/files.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/build_config.hpp"

namespace racoon::daemon {

namespace {

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return fail(Errc::Config, "adminsock \"" + path + "\" is longer than " +
                                      std::to_string(sizeof address.sun_path - 1) + " bytes");
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

bool somebody_answers(const sockaddr_un& address) {
    const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe.valid()) return false;
    return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
               0 ||
           errno == EAGAIN;
}

template <typename Find>
Result<long> id_of(const char* what, const std::string& name, Find find) {
    if (const long found = find(name.c_str()); found >= 0) return found;
    long number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size() && number >= 0) return number;
    return fail(Errc::Config, std::string("adminsock: there is no ") + what + " \"" + name + "\"");
}

Status set_owner(const std::string& path, const conf::AdminSocket& socket, bool only_check) {
    long uid = -1, gid = -1;
    if (!socket.owner.empty()) {
        RACOON_TRY(uid, id_of("user", socket.owner, [](const char* name) {
                       const passwd* entry = ::getpwnam(name);
                       return entry != nullptr ? static_cast<long>(entry->pw_uid) : -1;
                   }));
    }
    if (!socket.group.empty()) {
        RACOON_TRY(gid, id_of("group", socket.group, [](const char* name) {
                       const group* entry = ::getgrnam(name);
                       return entry != nullptr ? static_cast<long>(entry->gr_gid) : -1;
                   }));
    }
    if (only_check || (uid < 0 && gid < 0)) return ok();
    if (::chown(path.c_str(), static_cast<uid_t>(uid), static_cast<gid_t>(gid)) != 0)
        return fail_os("chown of the control socket " + path, errno);
    return ok();
}

}  // namespace

std::string pid_file_path(const conf::Config& config) {
    const auto found = config.paths.find("pidfile");
    if (found == config.paths.end() || found->second.empty())
        return RACOON_RUNSTATEDIR "/racoon.pid";
    if (found->second[0] == '/') return found->second;
    return std::string(RACOON_RUNSTATEDIR "/") + found->second;
}

Status write_pid_file(const std::string& path) {
    const UniqueFd fd(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd.valid()) return fail_os("pid file " + path, errno);
    ::fchmod(fd.get(), 0644);
    const std::string text = std::to_string(::getpid()) + "\n";
    if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return fail_os("pid file " + path, errno);
    return ok();
}

std::string control_socket_path(const conf::Config& config) {
    if (config.listen.adminsock.disabled) return "";
    if (!config.listen.adminsock.path.empty()) return config.listen.adminsock.path;
    return RACOON_RUNSTATEDIR "/racoon/racoon.sock";
}

Status adjust_control_socket(const conf::Config& config, bool only_check) {
    const std::string path = control_socket_path(config);
    RACOON_TRY_STATUS(set_owner(path, config.listen.adminsock, only_check));
    if (!only_check && ::chmod(path.c_str(), config.listen.adminsock.mode & 0777) != 0)
        return fail_os("mode of the control socket " + path, errno);
    return ok();
}

Result<UniqueFd> open_control_socket(const conf::Config& config) {
    const std::string path = control_socket_path(config);
    RACOON_TRY(const sockaddr_un address, address_of(path));
    const std::string folder = path.substr(0, path.rfind('/'));
    if (!folder.empty() && ::mkdir(folder.c_str(), 0755) == 0) ::chmod(folder.c_str(), 0755);
    if (somebody_answers(address))
        return fail(Errc::Exists,
                    "the control socket " + path +
                        " belongs to a running racoon; stop it first (racoonctl shutdown)");
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0) {
        if (!S_ISSOCK(info.st_mode))
            return fail(Errc::Exists,
                        "the control socket " + path + " cannot be made: a file is in its place");
        ::unlink(path.c_str());
    }
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) return fail_os("control socket", errno);
    // Closed to others from the first moment; opened as configured afterwards.
    const mode_t before = ::umask(0177);
    const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int failed = errno;
    ::umask(before);
    if (bound != 0) return fail_os("control socket " + path, failed);
    RACOON_TRY_STATUS(adjust_control_socket(config, false));
    if (::listen(fd.get(), 16) != 0) return fail_os("control socket " + path, errno);
    return fd;
}

}  // namespace racoon::daemon
