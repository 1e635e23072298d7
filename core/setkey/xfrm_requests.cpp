#include "setkey/xfrm_requests.hpp"

#include <linux/udp.h>

#include <algorithm>
#include <cerrno>

#include "setkey/xfrm_algorithms.hpp"

namespace racoon::setkey {

using namespace pfkey;

namespace {

constexpr std::size_t kMaxTemplates = 6;  // XFRM_MAX_DEPTH
constexpr std::uint32_t kNoPmtuDiscovery = 0x20000000, kDecapDscp = 0x40000000,
                        kNoEcn = 0x80000000;  // SADB_SAFLAGS_…

XfrmRequest refuse(int error) {
    return {error, std::nullopt};
}

std::uint8_t mode_of(std::uint8_t mode) {
    return mode == kModeTunnel ? XFRM_MODE_TUNNEL
           : mode == kModeBeet ? XFRM_MODE_BEET
                               : XFRM_MODE_TRANSPORT;
}

/// Both are there and of one family.
bool has_ends(const Message& m) {
    return m.src && m.dst && m.src->addr.family == m.dst->addr.family && m.src->addr.family != 0;
}

std::uint64_t limit(std::uint64_t value) {
    return value == 0 ? XFRM_INF : value;
}

xfrm_lifetime_cfg limits_of(const Message& m) {
    xfrm_lifetime_cfg out = xfrm::no_limits();
    if (m.hard) {
        out.hard_byte_limit = limit(m.hard->bytes);
        out.hard_packet_limit = limit(m.hard->allocations);
        out.hard_add_expires_seconds = m.hard->addtime;
        out.hard_use_expires_seconds = m.hard->usetime;
    }
    if (m.soft) {
        out.soft_byte_limit = limit(m.soft->bytes);
        out.soft_packet_limit = limit(m.soft->allocations);
        out.soft_add_expires_seconds = m.soft->addtime;
        out.soft_use_expires_seconds = m.soft->usetime;
    }
    return out;
}

void put_label(xfrm::Request& request, const std::optional<Label>& label) {
    if (!label) return;
    xfrm_user_sec_ctx head{};
    const std::size_t size = std::min<std::size_t>(label->text.size(), 4096);
    head.len = static_cast<std::uint16_t>(sizeof(head) + size);
    head.exttype = XFRMA_SEC_CTX;
    head.ctx_alg = label->algorithm;
    head.ctx_doi = label->doi;
    head.ctx_len = static_cast<std::uint16_t>(size);
    std::vector<std::uint8_t> bytes(sizeof(head) + size);
    std::memcpy(bytes.data(), &head, sizeof(head));
    std::memcpy(bytes.data() + sizeof(head), label->text.data(), size);
    request.attribute(XFRMA_SEC_CTX, bytes.data(), bytes.size());
}

void put_encapsulation(xfrm::Request& request, const Message& m) {
    if (m.natt_type.value_or(0) == 0) return;
    xfrm_encap_tmpl encap{};
    encap.encap_type = *m.natt_type;
    encap.encap_sport = htons(m.natt_sport.value_or(0));
    encap.encap_dport = htons(m.natt_dport.value_or(0));
    if (m.oai) xfrm::put_address(&encap.encap_oa, m.oai->addr);
    request.attribute(XFRMA_ENCAP, &encap, sizeof(encap));
}

xfrm_usersa_info sa_info(const Message& m, std::uint8_t protocol) {
    xfrm_usersa_info info{};
    info.family = xfrm::family_of(m.dst->addr);
    xfrm::put_address(&info.saddr, m.src->addr);
    xfrm::put_address(&info.id.daddr, m.dst->addr);
    info.id.proto = protocol;
    if (m.sa) info.id.spi = htonl(m.sa->spi);
    info.mode = mode_of(m.sa2 ? m.sa2->mode : std::uint8_t{kModeAny});
    info.reqid = m.sa2 ? m.sa2->reqid : 0;
    return info;
}

XfrmRequest new_sa(const Message& m, std::uint8_t protocol) {
    if (!m.sa || !has_ends(m)) return refuse(EINVAL);
    const std::uint32_t flags = m.sa->flags;
    xfrm_usersa_info info = sa_info(m, protocol);
    info.lft = limits_of(m);
    const bool small = m.sa->replay <= xfrm::kSmallWindow;
    if (small) info.replay_window = m.sa->replay;
    info.flags =
        static_cast<std::uint8_t>(((flags & kNoEcn) != 0 ? XFRM_STATE_NOECN : 0) |
                                  ((flags & kDecapDscp) != 0 ? XFRM_STATE_DECAP_DSCP : 0) |
                                  ((flags & kNoPmtuDiscovery) != 0 ? XFRM_STATE_NOPMTUDISC : 0));
    xfrm::Request request(m.type == kUpdate ? XFRM_MSG_UPDSA : XFRM_MSG_NEWSA,
                          m.type == kUpdate ? 0 : NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
    if (const int error = put_xfrm_algorithms(request, m)) return refuse(error);
    if (!small) xfrm::put_window(request, m.sa->replay, 0);
    put_encapsulation(request, m);
    put_label(request, m.label);
    return {0, std::move(request)};
}

XfrmRequest allocate_spi(const Message& m, std::uint8_t protocol) {
    if (!m.range || !has_ends(m)) return refuse(EINVAL);
    xfrm_userspi_info info{};
    info.info = sa_info(m, protocol);
    info.min = m.range->min;
    info.max = m.range->max;
    return {0, xfrm::Request(XFRM_MSG_ALLOCSPI, 0, &info, sizeof(info))};
}

xfrm_selector selector_of(const Message& m) {
    xfrm_selector out{};
    out.family = xfrm::family_of(m.src->addr);
    xfrm::put_address(&out.saddr, m.src->addr);
    xfrm::put_address(&out.daddr, m.dst->addr);
    out.prefixlen_s = m.src->prefix;
    out.prefixlen_d = m.dst->prefix;
    out.proto = m.src->proto == kProtoAny ? std::uint8_t{0} : m.src->proto;
    out.sport = htons(m.src->addr.port);
    out.dport = htons(m.dst->addr.port);
    out.sport_mask = out.sport != 0 ? 0xffff : 0;
    out.dport_mask = out.dport != 0 ? 0xffff : 0;
    return out;
}

/// 0, or errno.
int put_templates(xfrm::Request& request, const Policy& policy, std::uint16_t family,
                  const std::function<std::uint32_t()>& unique) {
    if (policy.requests.size() > kMaxTemplates) return ELOOP;
    std::vector<xfrm_user_tmpl> all;
    for (const pfkey::Request& r : policy.requests) {
        if (r.mode == kModeAny) return EINVAL;
        xfrm_user_tmpl t{};
        t.id.proto = static_cast<std::uint8_t>(r.proto);
        t.mode = mode_of(r.mode);
        t.share = XFRM_SHARE_ANY;
        t.aalgos = t.ealgos = t.calgos = ~0u;
        if (r.level == kLevelUse) t.optional = 1;
        if (r.level == kLevelUnique)
            t.reqid = r.reqid == 0 || r.reqid > kManualReqIdMax ? unique() : r.reqid;
        // Rules from the inside out: behind a tunnel packets are of its ends' family.
        if (r.mode != kModeTransport) {
            if (r.src.family == 0 || r.src.family != r.dst.family) return EINVAL;
            xfrm::put_address(&t.saddr, r.src);
            xfrm::put_address(&t.id.daddr, r.dst);
            family = xfrm::family_of(r.src);
        }
        t.family = family;
        all.push_back(t);
    }
    if (!all.empty())
        request.attribute(XFRMA_TMPL, all.data(), all.size() * sizeof(xfrm_user_tmpl));
    return 0;
}

XfrmRequest policy_request(const Message& m, const std::function<std::uint32_t()>& unique) {
    const Policy* const p = m.policy();
    if (p == nullptr || !has_ends(m) || p->type > kPolicyIpsec || p->dir == kDirAny ||
        p->dir > kDirFwd)
        return refuse(EINVAL);
    const auto direction = static_cast<std::uint8_t>(p->dir - 1);
    if (m.type == kSpdDelete) {
        xfrm_userpolicy_id id{};
        id.sel = selector_of(m);
        id.dir = direction;
        xfrm::Request request(XFRM_MSG_DELPOLICY, 0, &id, sizeof(id));
        put_label(request, m.label);
        return {0, std::move(request)};
    }
    xfrm_userpolicy_info info{};
    info.sel = selector_of(m);
    info.lft = limits_of(m);
    info.priority = p->priority;
    info.dir = direction;
    info.action = p->type == kPolicyDiscard ? XFRM_POLICY_BLOCK : XFRM_POLICY_ALLOW;
    const bool update = m.type == kSpdUpdate;
    xfrm::Request request(update ? XFRM_MSG_UPDPOLICY : XFRM_MSG_NEWPOLICY,
                          update ? 0 : NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
    if (p->type == kPolicyIpsec)
        if (const int error = put_templates(request, *p, info.sel.family, unique))
            return refuse(error);
    put_label(request, m.label);
    return {0, std::move(request)};
}

}  // namespace

std::uint8_t protocol_of_satype(std::uint8_t satype) {
    constexpr std::uint8_t kAnyProtocol = 255;  // IPSEC_PROTO_ANY
    return satype == kSaUnspec ? kAnyProtocol : static_cast<std::uint8_t>(protocol_of(satype));
}

xfrm::Request xfrm_name_sa(const Message& m, const racoon_kernel_mark& mark) {
    xfrm_usersa_id id{};
    xfrm::put_address(&id.daddr, m.dst->addr);
    id.family = xfrm::family_of(m.dst->addr);
    id.proto = protocol_of_satype(m.satype);
    id.spi = htonl(m.sa->spi);
    xfrm::Request request(m.type == kDelete ? XFRM_MSG_DELSA : XFRM_MSG_GETSA, 0, &id, sizeof(id));
    xfrm::put_marks(request, mark, 0);
    return request;
}

XfrmRequest xfrm_request(const Message& m, const std::function<std::uint32_t()>& unique) {
    const std::uint8_t protocol = protocol_of_satype(m.satype);
    const bool of_sa = m.type <= kDump;
    if (of_sa && protocol == 0) return refuse(EINVAL);
    if (m.type <= kGet && m.satype == kSaUnspec) return refuse(EINVAL);
    switch (m.type) {
        case kGetSpi:
            return allocate_spi(m, protocol);
        case kAdd:
        case kUpdate:
            return new_sa(m, protocol);
        case kGet:
        case kDelete:
            if (!m.sa || !has_ends(m)) return refuse(EINVAL);
            return {0, xfrm_name_sa(m, {})};
        case kFlush: {
            const xfrm_usersa_flush flush{protocol};
            return {0, xfrm::Request(XFRM_MSG_FLUSHSA, 0, &flush, sizeof(flush))};
        }
        case kDump: {
            const xfrm_usersa_id none{};
            return {0, xfrm::Request(XFRM_MSG_GETSA, NLM_F_DUMP, &none, sizeof(none))};
        }
        case kSpdAdd:
        case kSpdUpdate:
        case kSpdDelete:
            return policy_request(m, unique);
        case kSpdFlush: {
            const std::uint8_t nothing = 0;
            return {0, xfrm::Request(XFRM_MSG_FLUSHPOLICY, 0, &nothing, 0)};
        }
        case kSpdDump: {
            const xfrm_userpolicy_id none{};
            return {0, xfrm::Request(XFRM_MSG_GETPOLICY, NLM_F_DUMP, &none, sizeof(none))};
        }
        default:
            return refuse(EOPNOTSUPP);
    }
}

}  // namespace racoon::setkey
