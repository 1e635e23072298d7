#include "setkey/stack_xfrm.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <set>

#include "setkey/xfrm_answers.hpp"

namespace racoon::setkey {

using namespace pfkey;

namespace {

std::int64_t now() {
    return std::int64_t{std::time(nullptr)};
}

/// A dump may be of one protocol.
bool is_wanted(const Message& request, const Told& told) {
    return request.type == kSpdDump || request.satype == kSaUnspec || request.satype == told.satype;
}

}  // namespace

Status XfrmStack::open() {
    int error = requests_.open();
    if (error == 0) {
        // Sockets are anybody's; what is asked on them is not.
        const std::uint32_t flags = ~0u;
        xfrm::Request request(XFRM_MSG_GETSADINFO, 0, &flags, sizeof(flags));
        error = requests_.transact(request);
    }
    if (error == 0) return ok();
    if (error == EAFNOSUPPORT || error == EPROTONOSUPPORT || error == ECONNREFUSED)
        return fail(Errc::Unsupported,
                    "this kernel has no XFRM: CONFIG_XFRM_USER (modprobe xfrm_user)");
    if (error == EPERM || error == EACCES)
        return fail(Errc::Denied, "no permission to use XFRM: run it as root (CAP_NET_ADMIN)");
    return fail_os("XFRM socket", error);
}

int XfrmStack::transact(Message& m, const Each& answer) {
    if (m.seq == 0) m.seq = ++sequence_;
    m.pid = static_cast<std::uint32_t>(::getpid());
    XfrmRequest asked = xfrm_request(m, [this] { return unique_reqid(); });
    if (!asked.request) return asked.error;
    if (m.type == kDump || m.type == kSpdDump) return dump(m, *asked.request, answer);
    Told told;
    told.type = m.type;
    told.satype = m.satype;
    const auto take = [&](const xfrm::Message& got) {
        if (auto read = xfrm_told(got, now())) told = std::move(*read);
    };
    int error = requests_.transact(*asked.request, take);
    if (error == EAGAIN) return ETIMEDOUT;  // no answer came
    // The kernel looks for an SA without a mark. One that has a mark is the only one of its name all the same.
    if (error == ESRCH && (m.type == kGet || m.type == kDelete)) error = name_marked(m, take);
    if (error != 0) return error;
    told.type = m.type;
    told.seq = m.seq;
    told.pid = m.pid;
    if (answer) answer(told);
    return 0;
}

// As PF_KEY numbers what it dumps: upwards, and the last one 0.
int XfrmStack::dump(const Message& m, xfrm::Request& request, const Each& answer) {
    std::vector<Told> all;
    const int error = requests_.transact(request, [&](const xfrm::Message& got) {
        if (!xfrm_is_dumped(got)) return;
        auto told = xfrm_told(got, now());
        if (told && is_wanted(m, *told)) all.push_back(std::move(*told));
    });
    if (error != 0) return error;
    if (all.empty()) return ENOENT;
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i].type = m.type;
        all[i].pid = m.pid;
        all[i].seq = i + 1 < all.size() ? static_cast<std::uint32_t>(i + 1) : 0;
        if (answer) answer(all[i]);
        wipe(all[i]);
    }
    return 0;
}

int XfrmStack::name_marked(const Message& m,
                           const std::function<void(const xfrm::Message&)>& each) {
    std::vector<racoon_kernel_mark> marks;
    const xfrm_usersa_id none{};
    xfrm::Request dump(XFRM_MSG_GETSA, NLM_F_DUMP, &none, sizeof(none));
    requests_.transact(dump, [&](const xfrm::Message& got) {
        const auto info = xfrm::copy_from<xfrm_usersa_info>(got.body);
        if (got.type != XFRM_MSG_NEWSA || !info || ntohl(info->id.spi) != m.sa->spi ||
            info->id.proto != protocol_of_satype(m.satype))
            return;
        const racoon_addr dst = xfrm::take_address(info->id.daddr, info->family);
        if (dst.family != m.dst->addr.family ||
            !std::equal(std::begin(dst.bytes), std::end(dst.bytes), m.dst->addr.bytes))
            return;
        marks.push_back(xfrm::take_marks(got, sizeof(*info)).mark);
    });
    if (marks.size() != 1) return ESRCH;
    xfrm::Request request = xfrm_name_sa(m, marks.front());
    return requests_.transact(request, each);
}

// PF_KEY has the kernel choose, which counts on; for netlink we look for one that neither a policy nor an SA has, since
// SAs outlive their policies, and would serve another.
std::uint32_t XfrmStack::unique_reqid() {
    std::set<std::uint32_t> taken;
    const xfrm_userpolicy_id policy{};
    const xfrm_usersa_id sa{};
    for (xfrm::Request dump :
         {xfrm::Request(XFRM_MSG_GETPOLICY, NLM_F_DUMP, &policy, sizeof(policy)),
          xfrm::Request(XFRM_MSG_GETSA, NLM_F_DUMP, &sa, sizeof(sa))}) {
        requests_.transact(dump, [&](const xfrm::Message& got) {
            const auto told = xfrm_told(got, 0);
            if (told && told->sa2) taken.insert(told->sa2->reqid);
            if (!told || told->policy() == nullptr) return;
            for (const pfkey::Request& rule : told->policy()->requests) taken.insert(rule.reqid);
        });
    }
    do {
        reqid_ = reqid_ == 0xffffffff ? kManualReqIdMax + 1 : reqid_ + 1;
    } while (taken.count(reqid_) != 0);
    return reqid_;
}

Status XfrmStack::watch() {
    if (const int error = events_.open()) return fail_os("events of XFRM", error);
    return ok();
}

Stack::Got XfrmStack::receive(Told* out) {
    if (waiting_.empty()) {
        xfrm::ByteView datagram;
        switch (events_.receive(&datagram)) {
            case xfrm::EventSocket::Got::Nothing:
                return Got::Nothing;
            case xfrm::EventSocket::Got::Overrun:
                return Got::Overrun;
            case xfrm::EventSocket::Got::Broken:
                return Got::Broken;
            case xfrm::EventSocket::Got::Datagram:
                break;
        }
        xfrm::split_datagram(datagram, [&](const xfrm::Message& m) {
            if (!xfrm_is_told(m.type)) return true;
            Event event;
            if (auto told = xfrm_told(m, now())) {
                event.bytes = encode(*told, dialect());
                event.told = std::move(*told);
            } else {
                event.got = Got::Malformed;
                event.bytes.assign(m.body.begin(), m.body.end());
            }
            waiting_.push_back(std::move(event));
            return true;
        });
        if (waiting_.empty()) return Got::Nothing;
    }
    Event& next = waiting_.front();
    const Got got = next.got;
    *out = std::move(next.told);
    last_ = std::move(next.bytes);
    waiting_.pop_front();
    return got;
}

}  // namespace racoon::setkey
