#include "setkey/xfrm_answers.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "setkey/xfrm_beyond.hpp"
#include "setkey/xfrm_algorithms.hpp"
#include "xfrm/attributes.hpp"

namespace racoon::setkey {

using namespace pfkey;
using xfrm::copy_from;
using xfrm::find_attribute;

namespace {

std::uint8_t mode_of(unsigned mode) {
    return mode == XFRM_MODE_TRANSPORT ? kModeTransport
           : mode == XFRM_MODE_TUNNEL  ? kModeTunnel
           : mode == XFRM_MODE_BEET    ? kModeBeet
                                       : kModeAny;
}

/// A host, or of a selector a net with its port. Nothing: no family of ours.
std::optional<Address> end_of(const xfrm_address_t& from, unsigned family) {
    Address out;
    out.addr = xfrm::take_address(from, family);
    if (out.addr.family == 0) return {};
    out.prefix = out.addr.family == 6 ? 128 : 32;
    return out;
}
std::optional<Address> selector_end(const xfrm_selector& s, bool source) {
    auto out = end_of(source ? s.saddr : s.daddr, s.family);
    const std::uint8_t prefix = source ? s.prefixlen_s : s.prefixlen_d;
    if (!out || prefix > out->prefix) return {};
    out->prefix = prefix;
    out->proto = s.proto == 0 ? kProtoAny : s.proto;
    out->addr.port = ntohs(source ? s.sport : s.dport);
    return out;
}

std::uint64_t limit(std::uint64_t value) {
    return value == XFRM_INF ? 0 : value;
}
Lifetime lifetime(std::uint64_t packets, std::uint64_t bytes, std::uint64_t add,
                  std::uint64_t use) {
    return {static_cast<std::uint32_t>(std::min<std::uint64_t>(limit(packets), 0xffffffff)),
            limit(bytes), add, use};
}
void lifetimes(const xfrm_lifetime_cfg& l, const xfrm_lifetime_cur& now, Message& out) {
    out.hard = lifetime(l.hard_packet_limit, l.hard_byte_limit, l.hard_add_expires_seconds,
                        l.hard_use_expires_seconds);
    out.soft = lifetime(l.soft_packet_limit, l.soft_byte_limit, l.soft_add_expires_seconds,
                        l.soft_use_expires_seconds);
    out.current =
        Lifetime{static_cast<std::uint32_t>(now.packets), now.bytes, now.add_time, now.use_time};
}

bool is_dying(const xfrm_lifetime_cfg& l, const xfrm_lifetime_cur& c, std::int64_t now) {
    const auto reached = [&](std::uint64_t since, std::uint64_t seconds) {
        return seconds != 0 && since != 0 && now > 0 && static_cast<std::uint64_t>(now) > since &&
               static_cast<std::uint64_t>(now) - since >= seconds;
    };
    return reached(c.add_time, l.soft_add_expires_seconds) ||
           reached(c.use_time, l.soft_use_expires_seconds) || c.bytes >= l.soft_byte_limit ||
           c.packets >= l.soft_packet_limit;
}

void take_encapsulation(const xfrm::Message& m, std::size_t skip, unsigned family, Told& out) {
    const auto encap = copy_from<xfrm_encap_tmpl>(find_attribute(m, skip, XFRMA_ENCAP));
    if (!encap) return;
    out.natt_type = static_cast<std::uint8_t>(encap->encap_type);
    out.natt_sport = ntohs(encap->encap_sport);
    out.natt_dport = ntohs(encap->encap_dport);
    if (!xfrm::is_zero(encap->encap_oa)) out.oai = end_of(encap->encap_oa, family);
}

void take_label(const xfrm::Message& m, std::size_t skip, Told& out) {
    const xfrm::ByteView bytes = find_attribute(m, skip, XFRMA_SEC_CTX);
    const auto head = copy_from<xfrm_user_sec_ctx>(bytes);
    if (!head) return;
    const std::size_t size = std::min<std::size_t>(head->ctx_len, bytes.size() - sizeof(*head));
    const auto* text = reinterpret_cast<const char*>(bytes.data()) + sizeof(*head);
    out.label = Label{head->ctx_alg, head->ctx_doi, std::string(text, size)};
}

/// An SA whose attributes stand behind `skip` bytes of the message.
std::optional<Told> sa_told(const xfrm_usersa_info& info, const xfrm::Message& m, std::size_t skip,
                            std::int64_t now) {
    Told out;
    out.satype = satype_of(info.id.proto);
    out.src = end_of(info.saddr, info.family);
    out.dst = end_of(info.id.daddr, info.family);
    if (!out.src || !out.dst) return {};
    if (out.satype == kSaUnspec) out.beyond.push_back(fmt::format("protocol={}", info.id.proto));
    Sa& sa = out.sa.emplace();
    sa.spi = ntohl(info.id.spi);
    sa.replay = info.replay_window;
    sa.flags = ((info.flags & XFRM_STATE_NOECN) != 0 ? 0x80000000 : 0u) |
               ((info.flags & XFRM_STATE_DECAP_DSCP) != 0 ? 0x40000000 : 0u) |
               ((info.flags & XFRM_STATE_NOPMTUDISC) != 0 ? 0x20000000 : 0u);
    const bool larval = !take_xfrm_algorithms(m, skip, out);
    sa.state = larval ? kLarval : is_dying(info.lft, info.curlft, now) ? kDying : kMature;
    out.window = xfrm::take_window(m, skip);
    if (out.window)
        sa.replay = static_cast<std::uint8_t>(std::min(*out.window, std::uint32_t{0xff}));
    out.sa2 = Sa2{mode_of(info.mode), 0, info.reqid};
    lifetimes(info.lft, info.curlft, out);
    // The kernel's own PF_KEY shows the half of a selector that is not the SA's end so.
    if (std::memcmp(&info.sel.saddr, &info.saddr, sizeof(info.saddr)) != 0)
        out.proxy = selector_end(info.sel, true);
    take_encapsulation(m, skip, info.family, out);
    take_label(m, skip, out);
    sa_beyond(info, m, skip, larval, out.beyond);
    return out;
}

std::optional<Told> new_sa_told(const xfrm::Message& m, std::uint8_t type, std::int64_t now) {
    const auto info = copy_from<xfrm_usersa_info>(m.body);
    if (!info) return {};
    auto out = sa_told(*info, m, sizeof(*info), now);
    if (out) out->type = type;
    return out;
}

// The SA is an attribute, and stands among those that would otherwise be behind it.
std::optional<Told> deleted_sa_told(const xfrm::Message& m, std::int64_t now) {
    const auto id = copy_from<xfrm_usersa_id>(m.body);
    if (!id) return {};
    const auto info = copy_from<xfrm_usersa_info>(find_attribute(m, sizeof(*id), XFRMA_SA));
    std::optional<Told> out;
    if (info) {
        out = sa_told(*info, m, sizeof(*id), now);
    } else {
        out.emplace();
        out->satype = satype_of(id->proto);
        out->sa = Sa{ntohl(id->spi), 0, kDead, 0, 0, 0, 0};
        out->dst = end_of(id->daddr, id->family);
        if (!out->dst) return {};
    }
    if (!out) return {};
    out->type = kDelete;
    out->sa->state = kDead;
    return out;
}

std::optional<Told> expire_told(const xfrm::Message& m, std::int64_t now) {
    const auto expire = copy_from<xfrm_user_expire>(m.body);
    if (!expire) return {};
    auto out = sa_told(expire->state, m, sizeof(*expire), now);
    if (!out) return {};
    out->type = kExpire;
    out->sa->state = expire->hard != 0 ? kDead : kDying;
    (expire->hard != 0 ? out->soft : out->hard).reset();
    return out;
}

std::optional<Told> acquire_told(const xfrm::Message& m) {
    const auto acquire = copy_from<xfrm_user_acquire>(m.body);
    if (!acquire) return {};
    // A tunnel's ends may be of another family than the packet.
    unsigned family = acquire->sel.family;
    const xfrm::ByteView rules = find_attribute(m, sizeof(*acquire), XFRMA_TMPL);
    for (std::size_t at = 0; at + sizeof(xfrm_user_tmpl) <= rules.size();
         at += sizeof(xfrm_user_tmpl)) {
        const auto t = copy_from<xfrm_user_tmpl>(rules.subspan(at));
        if (!t || t->id.proto != acquire->id.proto) continue;
        if (t->mode != XFRM_MODE_TRANSPORT) family = t->family;
        break;
    }
    Told out;
    out.type = kAcquire;
    out.seq = acquire->seq;
    out.satype = satype_of(acquire->id.proto);
    out.src = end_of(acquire->saddr, family);
    out.dst = end_of(acquire->id.daddr, family);
    if (!out.src || !out.dst) return {};
    Policy policy;
    policy.dir = kDirOut;
    policy.id = acquire->policy.index;
    policy.priority = acquire->policy.priority;
    out.policies.push_back(std::move(policy));
    take_label(m, sizeof(*acquire), out);
    selector_beyond(acquire->sel, out.beyond);
    return out;
}

std::optional<Told> mapping_told(const xfrm::Message& m) {
    const auto mapping = copy_from<xfrm_user_mapping>(m.body);
    if (!mapping) return {};
    Told out;
    out.type = kNewMapping;
    out.satype = satype_of(mapping->id.proto);
    out.sa = Sa{ntohl(mapping->id.spi), 0, kMature, 0, 0, 0, 0};
    out.src = end_of(mapping->old_saddr, mapping->id.family);
    out.natt_sport = ntohs(mapping->old_sport);
    out.dst = end_of(mapping->new_saddr, mapping->id.family);
    out.natt_dport = ntohs(mapping->new_sport);
    if (!out.src || !out.dst) return {};
    return out;
}

pfkey::Request rule_of(const xfrm_user_tmpl& t) {
    pfkey::Request out;
    out.proto = t.id.proto;
    out.mode = mode_of(t.mode);
    out.level = t.optional != 0 ? kLevelUse : t.reqid != 0 ? kLevelUnique : kLevelRequire;
    out.reqid = t.reqid;
    if (t.mode == XFRM_MODE_TUNNEL || !xfrm::is_zero(t.saddr) || !xfrm::is_zero(t.id.daddr)) {
        out.src = xfrm::take_address(t.saddr, t.family);
        out.dst = xfrm::take_address(t.id.daddr, t.family);
    }
    return out;
}

std::optional<Told> policy_told(const xfrm_userpolicy_info& info, const xfrm::Message& m,
                                std::size_t skip, std::uint8_t type) {
    Told out;
    out.type = type;
    out.reserved = 1;  // how often it is referred to: netlink does not tell, and the table does
    out.src = selector_end(info.sel, true);
    out.dst = selector_end(info.sel, false);
    if (!out.src || !out.dst) {
        // A socket's policy may be of no family; nothing shows its selector.
        if (info.sel.family != AF_UNSPEC) return {};
        out.src.emplace().addr.family = 4;
        out.dst.emplace().addr.family = 4;
    }
    lifetimes(info.lft, info.curlft, out);
    Policy policy;
    policy.dir = static_cast<std::uint8_t>(info.dir + 1);
    policy.id = info.index;
    policy.priority = info.priority;
    const xfrm::ByteView rules = find_attribute(m, skip, XFRMA_TMPL);
    for (std::size_t at = 0; at + sizeof(xfrm_user_tmpl) <= rules.size();
         at += sizeof(xfrm_user_tmpl)) {
        const auto t = copy_from<xfrm_user_tmpl>(rules.subspan(at));
        if (!t) break;
        policy.requests.push_back(rule_of(*t));
        template_beyond(*t, policy.requests.size(), out.beyond);
    }
    policy.type = info.action == XFRM_POLICY_BLOCK ? kPolicyDiscard
                  : policy.requests.empty()        ? kPolicyNone
                                                   : kPolicyIpsec;
    out.policies.push_back(std::move(policy));
    take_label(m, skip, out);
    policy_beyond(info, m, skip, out.beyond);
    return out;
}

std::optional<Told> new_policy_told(const xfrm::Message& m, std::uint8_t type) {
    const auto info = copy_from<xfrm_userpolicy_info>(m.body);
    if (!info) return {};
    return policy_told(*info, m, sizeof(*info), type);
}

std::optional<Told> deleted_policy_told(const xfrm::Message& m) {
    const auto info = copy_from<xfrm_userpolicy_info>(
        find_attribute(m, sizeof(xfrm_userpolicy_id), XFRMA_POLICY));
    if (!info) return {};
    return policy_told(*info, m, sizeof(xfrm_userpolicy_id), kSpdDelete);
}

std::optional<Told> expired_policy_told(const xfrm::Message& m) {
    const auto expire = copy_from<xfrm_user_polexpire>(m.body);
    if (!expire) return {};
    auto out = policy_told(expire->pol, m, sizeof(*expire), kSpdExpire);
    if (out) (expire->hard != 0 ? out->soft : out->hard).reset();
    return out;
}

std::optional<Told> body_told(const xfrm::Message& m, std::int64_t now) {
    Told out;
    switch (m.type) {
        case XFRM_MSG_NEWSA:
            return new_sa_told(m, kAdd, now);
        case XFRM_MSG_UPDSA:
            return new_sa_told(m, kUpdate, now);
        case XFRM_MSG_DELSA:
            return deleted_sa_told(m, now);
        case XFRM_MSG_EXPIRE:
            return expire_told(m, now);
        case XFRM_MSG_ACQUIRE:
            return acquire_told(m);
        case XFRM_MSG_MAPPING:
            return mapping_told(m);
        case XFRM_MSG_FLUSHSA: {
            const auto flush = copy_from<xfrm_usersa_flush>(m.body);
            if (!flush) return {};
            out.type = kFlush;
            out.satype = satype_of(flush->proto);
            return out;
        }
        case XFRM_MSG_NEWPOLICY:
            return new_policy_told(m, kSpdAdd);
        case XFRM_MSG_UPDPOLICY:
            return new_policy_told(m, kSpdUpdate);
        case XFRM_MSG_DELPOLICY:
            return deleted_policy_told(m);
        case XFRM_MSG_POLEXPIRE:
            return expired_policy_told(m);
        case XFRM_MSG_FLUSHPOLICY:
            out.type = kSpdFlush;
            return out;
        default:
            return {};
    }
}

}  // namespace

std::optional<Told> xfrm_told(const xfrm::Message& m, std::int64_t now) {
    auto out = body_told(m, now);
    if (!out) return {};
    if (out->type != kAcquire) out->seq = m.sequence;
    out->pid = m.port;
    return out;
}

bool xfrm_is_told(std::uint16_t type) {
    switch (type) {
        case XFRM_MSG_NEWSA:
        case XFRM_MSG_UPDSA:
        case XFRM_MSG_DELSA:
        case XFRM_MSG_EXPIRE:
        case XFRM_MSG_ACQUIRE:
        case XFRM_MSG_MAPPING:
        case XFRM_MSG_FLUSHSA:
        case XFRM_MSG_NEWPOLICY:
        case XFRM_MSG_UPDPOLICY:
        case XFRM_MSG_DELPOLICY:
        case XFRM_MSG_POLEXPIRE:
        case XFRM_MSG_FLUSHPOLICY:
            return true;
        default:
            return false;
    }
}

bool xfrm_is_dumped(const xfrm::Message& m) {
    if (m.type == XFRM_MSG_NEWSA) {
        const auto info = copy_from<xfrm_usersa_info>(m.body);
        return info && satype_of(info->id.proto) != kSaUnspec;
    }
    const auto kind = copy_from<xfrm_userpolicy_type>(
        find_attribute(m, sizeof(xfrm_userpolicy_info), XFRMA_POLICY_TYPE));
    return m.type == XFRM_MSG_NEWPOLICY && (!kind || kind->type == XFRM_POLICY_TYPE_MAIN);
}

}  // namespace racoon::setkey
