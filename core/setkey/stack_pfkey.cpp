#include "setkey/stack_pfkey.hpp"

#include <cerrno>

namespace racoon::setkey {

Status PfKeyStack::open() {
    const int error = socket_.open();
    if (error == 0) return ok();
    if (error == EAFNOSUPPORT || error == EPROTONOSUPPORT)
        return fail(Errc::Unsupported,
                    "this kernel has no PF_KEY: CONFIG_NET_KEY (modprobe af_key)");
    if (error == EPERM || error == EACCES)
        return fail(Errc::Denied, "no permission to use PF_KEY: run it as root (CAP_NET_ADMIN)");
    return fail_os("PF_KEY socket", error);
}

int PfKeyStack::transact(pfkey::Message& message, const Each& answer) {
    return socket_.transact(message, [&](const pfkey::Message& m) { answer(m); });
}

Status PfKeyStack::watch() {
    pfkey::Message m;
    m.type = pfkey::kPromisc;
    m.satype = 1;
    m.pid = socket_.pid();
    if (const int error = socket_.send(m)) return fail_os("promiscuous mode", error);
    return ok();
}

Stack::Got PfKeyStack::receive(Told* out) {
    pfkey::Message m;
    const pfkey::Socket::Got got = socket_.receive(&m);
    switch (got) {
        case pfkey::Socket::Got::Nothing:
            return Got::Nothing;
        case pfkey::Socket::Got::Malformed:
            return Got::Malformed;
        case pfkey::Socket::Got::Overrun:
            return Got::Overrun;
        case pfkey::Socket::Got::Broken:
            return Got::Broken;
        case pfkey::Socket::Got::Message:
            break;
    }
    *out = std::move(m);
    return Got::Message;
}

}  // namespace racoon::setkey
