#include "privsep/sandbox.hpp"

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>

namespace racoon::privsep {

namespace {

std::optional<std::uint32_t> as_number(const std::string& text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

struct User {
    std::uint32_t uid, gid;
};

std::optional<User> find_user(const std::string& name) {
    if (const passwd* entry = ::getpwnam(name.c_str())) return User{entry->pw_uid, entry->pw_gid};
    return std::nullopt;
}

/// Is the id mapped into our user namespace? True where there are no such namespaces.
bool is_mapped(const char* map, std::uint32_t id) {
    std::ifstream in(map);
    if (!in) return true;
    std::uint64_t inside = 0, outside = 0, count = 0;
    while (in >> inside >> outside >> count)
        if (id >= inside && id < inside + count) return true;
    return false;
}

Result<User> wanted_user(const std::optional<conf::Privsep>& privsep, std::string& name) {
    User user{};
    if (privsep && privsep->user) {
        name = *privsep->user;
        if (const auto found = find_user(name))
            user = *found;
        else if (const auto number = as_number(name))
            user = {*number, *number};
        else
            return fail(Errc::Config,
                        "privsep: there is no user \"" + name + "\"; create it or name another");
    } else {
        name = "racoon";
        auto found = find_user(name);
        if (!found) found = find_user(name = "nobody");
        if (!found)
            return fail(Errc::Config,
                        "there is neither a user \"racoon\" nor \"nobody\"; create one or "
                        "write: privsep { user \"…\"; }");
        user = *found;
    }
    if (privsep && privsep->group) {
        if (const group* entry = ::getgrnam(privsep->group->c_str()))
            user.gid = entry->gr_gid;
        else if (const auto number = as_number(*privsep->group))
            user.gid = *number;
        else
            return fail(Errc::Config, "privsep: there is no group \"" + *privsep->group + "\"");
    }
    return user;
}

#ifdef __linux__
Status drop_capabilities() {
    // The bounding set needs CAP_SETPCAP, so it goes before the ids; where it may not be changed,
    // no_new_privs keeps it from mattering.
    for (unsigned long cap = 0; cap < 64; ++cap)
        if (::prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno == EINVAL) break;
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return ok();
}

Status clear_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> none{};
    if (::syscall(SYS_capset, &header, none.data()) != 0)
        return fail_os("giving up capabilities", errno);
    if (::syscall(SYS_capget, &header, none.data()) != 0)
        return fail_os("reading capabilities", errno);
    for (const auto& set : none)
        if (set.effective != 0 || set.permitted != 0 || set.inheritable != 0)
            return fail(Errc::Internal, "capabilities are left after giving them up");
    return ok();
}
#endif

Status change_ids(const Identity& identity) {
    if (::setgroups(0, nullptr) != 0) return fail_os("setgroups", errno);
    if (::setresgid(identity.gid, identity.gid, identity.gid) != 0) return fail_os("setgid", errno);
    if (::setresuid(identity.uid, identity.uid, identity.uid) != 0) return fail_os("setuid", errno);
    if (identity.uid != 0 && ::setuid(0) == 0)
        return fail(Errc::Internal, "the engine could become root again");
    return ok();
}

}  // namespace

Result<Identity> choose_identity(const std::optional<conf::Privsep>& privsep) {
    Identity out;
    if (privsep && privsep->chroot) {
        struct stat info {};
        if (::stat(privsep->chroot->c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
            return fail(Errc::Config,
                        "privsep: chroot \"" + *privsep->chroot + "\" is not a folder");
        out.chroot = *privsep->chroot;
    }
    std::string name;
    RACOON_TRY(const User user, wanted_user(privsep, name));
    out.uid = user.uid;
    out.gid = user.gid;
    if (::geteuid() != 0) {
        out.chroot.clear();
        out.note =
            "the engine keeps uid " + std::to_string(::geteuid()) + ": the daemon is not root";
    } else if (!is_mapped("/proc/self/uid_map", user.uid) ||
               !is_mapped("/proc/self/gid_map", user.gid)) {
        out.note = "the engine keeps uid 0 without capabilities: user " + name +
                   " is not mapped into this user namespace";
    } else if (user.uid == 0) {
        out.note = "the engine keeps uid 0 without capabilities, as configured";
    } else {
        out.change = true;
        out.note = "the engine runs as user " + name;
    }
    return out;
}

Status drop_privileges(const Identity& identity) {
    if (!identity.chroot.empty()) {
        if (::chroot(identity.chroot.c_str()) != 0)
            return fail_os("chroot " + identity.chroot, errno);
        if (::chdir("/") != 0) return fail_os("chdir to the new root", errno);
    }
    const rlimit no_core{0, 0};
    if (::setrlimit(RLIMIT_CORE, &no_core) != 0) return fail_os("setrlimit", errno);
#ifdef __linux__
    RACOON_TRY_STATUS(drop_capabilities());
#endif
    if (identity.change) RACOON_TRY_STATUS(change_ids(identity));
#ifdef __linux__
    RACOON_TRY_STATUS(clear_capabilities());
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_os("no_new_privs", errno);
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail_os("PR_SET_DUMPABLE", errno);
    // After the ids: changing them clears it.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return fail_os("PR_SET_PDEATHSIG", errno);
#endif
    return ok();
}

}  // namespace racoon::privsep
