// SAs by hand: the keeper's table and the data process have them as they have negotiated ones, but the core is told
// nothing of them. What setkey does to the core's own SAs, it is told as of somebody else's doing.
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "backend.hpp"

namespace racoon::kernel_userspace {
namespace {

namespace pf = racoon::pfkey;

// The other half of what the data process takes is for what is negotiated.
constexpr std::size_t kMostSasWithManual = 1u << 16;

int errno_of(racoon_status status) {
    switch (status) {
        case RACOON_INVALID_ARGUMENT:
            return EINVAL;
        case RACOON_NOT_SUPPORTED:
            return EPROTONOSUPPORT;
        case RACOON_NOT_FOUND:
            return ENOENT;
        case RACOON_NO_MEMORY:
            return ENOBUFS;
        case RACOON_STATE:
            return EEXIST;
        default:
            return EIO;
    }
}

// The copy had keys.
void forget_keys(racoon_kernel_sa& sa) {
    for (racoon_kernel_alg* alg : {&sa.enc, &sa.auth}) {
        volatile std::uint8_t* p = alg->key;
        for (std::size_t i = 0; i < sizeof(alg->key); ++i) p[i] = 0;
    }
}

}  // namespace

// PF_KEY's SAs have no direction: one to an address of this host is for what comes in.
void Backend::setkey_add(ClientId from, const pf::Message& request) {
    racoon_kernel_sa sa{};
    int error = read_sa(request, &sa);
    const SaKey key = key_of(sa.dst, sa.protocol, sa.spi);
    const auto at = sas_.find(key);
    const bool update = request.type == pf::kUpdate;
    if (error == 0 && (at != sas_.end()) != update) error = update ? ESRCH : EEXIST;
    // Its keys are the core's to choose.
    if (error == 0 && update && at->second.info.state != 0 && !at->second.note.manual)
        error = EPERM;
    if (error == 0 && sas_.size() >= kMostSasWithManual) error = ENOBUFS;
    if (error != 0) {
        forget_keys(sa);
        return refuse_setkey(from, request, error);
    }
    sa.direction = routes_.is_local(sa.dst) ? RACOON_DIR_IN : RACOON_DIR_OUT;
    if (sa.direction == RACOON_DIR_OUT) sa.replay_window = 0;
    if (update) drop_sa(key);
    const pf::Message asked = refusal(request, 0);
    setkey_.hold(from, true);
    const racoon_status status = install(sa, 0, nullptr, [this, from, key, asked](racoon_status s) {
        const auto made = sas_.find(key);
        if (s == RACOON_OK && made != sas_.end())
            announce(from, asked,
                     describe(asked.type, made->second.info, made->second.note, wall_seconds()));
        else
            refuse_setkey(from, asked, s == RACOON_NOT_SUPPORTED ? ENOSYS : errno_of(s));
        setkey_.hold(from, false);
    });
    forget_keys(sa);
    if (status == RACOON_PENDING) return;
    refuse_setkey(from, asked, errno_of(status));
    setkey_.hold(from, false);
}

void Backend::setkey_get_spi(ClientId from, const pf::Message& request) {
    racoon_kernel_spi_request wanted{};
    if (const int error = read_spi_request(request, &wanted))
        return refuse_setkey(from, request, error);
    if (sas_.size() >= kMostSasWithManual) return refuse_setkey(from, request, ENOBUFS);
    racoon_kernel_spi_result got{};
    const racoon_status status = spi_get(wanted, 0, &got, nullptr);
    if (status != RACOON_OK) return refuse_setkey(from, request, errno_of(status));
    Sa& sa = sas_.at(key_of(wanted.dst, wanted.protocol, got.spi));
    sa.note.manual = true;
    announce(from, request, describe(pf::kGetSpi, sa.info, sa.note, wall_seconds()));
}

void Backend::setkey_get(ClientId from, const pf::Message& request) {
    racoon_kernel_sa_id name{};
    if (const int error = read_name(request, &name)) return refuse_setkey(from, request, error);
    const SaKey key = key_of(name.dst, name.protocol, name.spi);
    const auto at = sas_.find(key);
    if (at == sas_.end()) return refuse_setkey(from, request, ESRCH);
    const auto tell = [this, from, key, asked = refusal(request, 0)](racoon_status status) {
        const auto now = sas_.find(key);
        if (status == RACOON_OK && now != sas_.end())
            reply_setkey(from, asked,
                         describe(pf::kGet, now->second.info, now->second.note, wall_seconds()));
        else
            refuse_setkey(from, asked, ESRCH);
        setkey_.hold(from, false);
    };
    if (at->second.info.state == 0) return tell(RACOON_OK);
    setkey_.hold(from, true);
    if (!ask_facts(key, at->second.info, 0, tell, nullptr)) tell(RACOON_IO);
}

void Backend::setkey_delete(ClientId from, const pf::Message& request) {
    racoon_kernel_sa_id name{};
    if (const int error = read_name(request, &name)) return refuse_setkey(from, request, error);
    const auto at = sas_.find(key_of(name.dst, name.protocol, name.spi));
    if (at == sas_.end()) return refuse_setkey(from, request, ESRCH);
    const Sa gone = at->second;
    drop_sa(at->first);
    announce(from, request, describe(pf::kDelete, gone.info, gone.note, wall_seconds()));
    if (!gone.note.manual && gone.info.state != 0) emit(RACOON_KERNEL_SA_DELETED, gone);
}

// As a kernel's, it takes all.
void Backend::setkey_flush(ClientId from, const pf::Message& request) {
    if (!is_satype(request.satype)) return refuse_setkey(from, request, EINVAL);
    std::vector<Sa> lost;
    for (auto it = sas_.begin(); it != sas_.end();) {
        const auto next = std::next(it);
        if (request.satype == pf::kSaUnspec ||
            satype_of(it->second.info.protocol) == request.satype) {
            lost.push_back(it->second);
            sas_.erase(it);
        }
        it = next;
    }
    Writer out = begin_frame(Message::SaFlush, 0);
    out.u32(protocol_of(request.satype));
    send("the flush of SAs", out.view(), nullptr);
    pf::Message answer;
    answer.type = request.type;
    answer.satype = request.satype;
    announce(from, request, std::move(answer));
    for (const Sa& sa : lost)
        if (opened_ && !sa.note.manual && sa.info.state != 0) emit(RACOON_KERNEL_SA_DELETED, sa);
}

void Backend::tell_setkey(std::uint8_t type, const Sa& sa) {
    if (!setkey_.anybody_listens()) return;
    pf::Message m = describe(type, sa.info, sa.note, wall_seconds());
    m.pid = static_cast<std::uint32_t>(::getpid());
    setkey_.tell(encode(m, pf::linux_dialect()), 0);
}

void Backend::setkey_expire(const Sa& sa, bool hard) {
    if (!setkey_.anybody_listens()) return;
    pf::Message m = describe(pf::kExpire, sa.info, sa.note, wall_seconds());
    (hard ? m.soft : m.hard).reset();
    setkey_.tell(encode(m, pf::linux_dialect()), 0);
}

}  // namespace racoon::kernel_userspace
