#include "setkey/session.hpp"

#include <poll.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "conf/file_source.hpp"
#include "setkey/requests.hpp"

namespace racoon::setkey {

using pfkey::Message;

namespace {

void out(const std::string& text) {
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
}

bool is_policy(Verb v) {
    return v == Verb::SpdAdd || v == Verb::SpdUpdate || v == Verb::SpdDelete;
}

const char* verb_text(Verb v) {
    switch (v) {
        case Verb::Add:
            return "add";
        case Verb::Update:
            return "update";
        case Verb::Get:
            return "get";
        case Verb::GetSpi:
            return "getspi";
        case Verb::Delete:
            return "delete";
        case Verb::DeleteAll:
            return "deleteall";
        case Verb::Flush:
            return "flush";
        case Verb::Dump:
            return "dump";
        case Verb::SpdAdd:
            return "spdadd";
        case Verb::SpdUpdate:
            return "spdupdate";
        case Verb::SpdDelete:
            return "spddelete";
        case Verb::SpdFlush:
            return "spdflush";
        case Verb::SpdDump:
            return "spddump";
        default:
            return "exit";
    }
}

/// Of an algorithm that this system has no number for: a kernel might take the SA without it.
bool lacks_algorithm(const Message& m) {
    return m.sa && ((m.auth_key && m.sa->auth == 0) || (m.encrypt_key && m.sa->encrypt == 0));
}

constexpr std::size_t kMostRules = 6;  // of a policy, on Linux

}  // namespace

std::string refusal_hint(const Command& c, int error, bool kernels) {
    if (!kernels && error == EPERM) return "; racoon has negotiated this SA";
    if (!kernels && error == ENOSYS) return "; the stack has no such algorithm";
    if (!kernels && (error == EPROTONOSUPPORT || error == EOPNOTSUPP))
        return "; that is beyond this stack";
    const bool ah = c.protocol == SaProtocol::Ah || c.protocol == SaProtocol::AhOld;
    switch (error) {
        case EEXIST:
            return is_policy(c.verb) ? "; there is a policy for this traffic: spdupdate replaces it"
                                     : "; there is an SA of this destination, protocol and SPI";
        case ESRCH:
        case ENOENT:
            if (c.verb == Verb::Add || c.verb == Verb::Update)
                return "; or the kernel has no such algorithm";
            return is_policy(c.verb) ? "; there is no such policy" : "; there is no such SA";
        case EPROTONOSUPPORT:
            return c.protocol == SaProtocol::IpComp
                       ? "; this kernel has no IPComp: CONFIG_INET_IPCOMP"
                   : ah ? "; this kernel has no AH: CONFIG_INET_AH"
                        : "; this kernel has no ESP: CONFIG_INET_ESP";
        case ENOSYS:
            return "; this kernel has no such algorithm (CONFIG_CRYPTO_…)";
        case EINVAL:
            if (c.protocol == SaProtocol::Tcp)
                return "; SAs of TCP-MD5 are in the kernels of the BSDs only";
            if (is_policy(c.verb) && c.policy.rules.size() > kMostRules) break;
            if (c.sa.encryption || c.sa.authentication)
                return "; the kernel may lack the algorithm, or not take its key";
            return "";
        case ELOOP:
            break;
        default:
            return "";
    }
    return "; the kernel takes policies of up to 6 rules";
}

Status Session::open() {
    RACOON_TRY(stack_, stack_select(how_.kernel, how_.socket));
    return ok();
}

PrintSetting Session::setting() const {
    return {how_.ports, std::int64_t{std::time(nullptr)}};
}

void Session::show(const Told& m) const {
    const std::vector<std::uint8_t> bytes = encode(m, stack_->dialect());
    if (how_.verbose) out(print_message(m, bytes.size()));
    if (how_.hex) out(print_hex(bytes));
}

int Session::transact(Message message, const Stack::Each& each) {
    show(message);
    return stack_->transact(message, [&](const Told& answer) {
        show(answer);
        if (each) each(answer);
    });
}

void Session::refused(const std::string& where, const Command& c, int error) {
    std::fprintf(stderr, "%s: %s: %s: %s%s\n", program_.c_str(), where.c_str(), verb_text(c.verb),
                 std::strerror(error), refusal_hint(c, error, stack_->is_kernels()).c_str());
}

void Session::run(const Command& c, const conf::Location& location) {
    const std::string where = location.text();
    if (c.verb == Verb::Dump || c.verb == Verb::SpdDump)
        return print_dump(c.verb == Verb::SpdDump, c.protocol);
    if (c.verb == Verb::DeleteAll) return delete_all(c, where);
    for (const Message& m : requests_of(c, stack_->dialect(), !how_.kernel_policies)) {
        const auto print = [&](const Told& answer) {
            if (c.verb == Verb::Get || c.verb == Verb::GetSpi) out(print_sa(answer, setting()));
        };
        const int error = lacks_algorithm(m) ? ENOSYS : transact(m, print);
        if (error != 0) refused(where, c, error);
    }
}

void Session::delete_all(const Command& c, const std::string& where) {
    std::vector<Message> found;
    const int error = transact(dump_request(false, c.protocol), [&](const Told& m) {
        if (matches(c, m)) found.push_back(delete_of(m));
    });
    if (error != 0 && error != ENOENT) return refused(where, c, error);
    for (const Message& m : found)
        if (const int refusal = transact(m, {})) refused(where, c, refusal);
}

void Session::print_dump(bool policies, SaProtocol protocol) {
    std::size_t shown = 0, hidden = 0;
    const int error = transact(dump_request(policies, protocol), [&](const Told& m) {
        if (policies && how_.hide_socket_policies && is_socket_policy(m)) {
            ++hidden;
            return;
        }
        const bool dead = m.sa && m.sa->state == pfkey::kDead;
        if (!policies && dead && !how_.dead) return;
        const std::string text = policies      ? print_policy(m, setting())
                                 : how_.repeat ? print_short(m, setting())
                                               : print_sa(m, setting());
        if (!text.empty()) ++shown;
        out(text);
    });
    if (error != 0 && error != ENOENT && error != ESRCH)
        std::fprintf(stderr, "%s: dump: %s\n", program_.c_str(), std::strerror(error));
    else if (shown == 0 && hidden == 0 && !how_.repeat)
        out(policies ? "No SPD entries.\n" : "No SAD entries.\n");
    if (hidden != 0) out(std::to_string(hidden) + " per-socket policies are not shown.\n");
}

void Session::dump() {
    do {
        if (how_.repeat) out(short_head());
        print_dump(how_.policies, SaProtocol::Any);
        if (how_.repeat) ::poll(nullptr, 0, 1000);
    } while (how_.repeat && std::ferror(stdout) == 0);
}

void Session::flush() {
    const int error = transact(flush_request(how_.policies, SaProtocol::Any), {});
    // Nothing to flush is told as "no such process" by some kernels.
    if (error != 0 && error != ESRCH && error != ENOENT)
        std::fprintf(stderr, "%s: flush: %s\n", program_.c_str(), std::strerror(error));
}

Status Session::watch() {
    Told m;
    RACOON_TRY_STATUS(stack_->watch());
    for (;;) {
        pollfd p{stack_->fd(), POLLIN, 0};
        if (::poll(&p, 1, -1) < 0 && errno != EINTR) return fail_os("the kernel's socket", errno);
        const auto got = stack_->receive(&m);
        if (got == Stack::Got::Nothing) continue;
        if (got == Stack::Got::Broken) return fail(Errc::Io, "the kernel's socket failed");
        if (got == Stack::Got::Overrun) {
            out("(messages were lost: the socket's buffer overran)\n");
            continue;
        }
        timespec now{};
        ::clock_gettime(CLOCK_REALTIME, &now);
        char stamp[64] = "";
        std::tm parts{};
        const std::time_t second = now.tv_sec;
        if (how_.watch > 1)
            std::snprintf(stamp, sizeof(stamp), "%lld.%06ld", static_cast<long long>(second),
                          now.tv_nsec / 1000);
        else if (::localtime_r(&second, &parts) != nullptr)
            std::strftime(stamp, sizeof(stamp), "%H:%M:%S", &parts);
        out(std::string("\n") + stamp + "\n");
        if (got == Stack::Got::Malformed)
            out("(a malformed message)\n");
        else
            out(print_message(m, stack_->last().size()));
        if (how_.hex || got == Stack::Got::Malformed) out(print_hex(stack_->last()));
    }
}

Status Session::decode_file(const std::string& name) {
    conf::DiskFiles disk;
    RACOON_TRY(const std::string text, disk.read(name));
    ByteView bytes = as_bytes(text);
    while (!bytes.empty()) {
        const std::size_t length = pfkey::message_length(bytes);
        std::string why = "no PF_KEY message begins here";
        const auto m = length != 0 ? decode(bytes.first(length), pfkey::native_dialect(), &why)
                                   : std::optional<Message>();
        if (!m)
            return fail(Errc::Malformed,
                        name + ": byte " + std::to_string(text.size() - bytes.size()) + ": " + why);
        out(print_message(*m, length));
        if (how_.hex) out(print_hex(bytes.first(length)));
        bytes = bytes.subspan(length);
    }
    return ok();
}

}  // namespace racoon::setkey
