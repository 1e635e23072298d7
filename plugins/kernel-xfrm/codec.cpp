#include "codec.hpp"

#include <linux/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace racoon::kernel_xfrm {

using namespace xfrm;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

void put_selector_end(const racoon_addr& net, std::uint8_t prefix, xfrm_address_t* to,
                      std::uint8_t* prefix_to, __be16* port, __be16* mask) {
    put_address(to, net);
    *prefix_to = prefix;
    *port = htons(net.port);
    *mask = net.port != 0 ? 0xffff : 0;
}

// Selectors are kept as (local, remote); the kernel's go with the packet's direction.
xfrm_selector selector_of(const racoon_selector& s, bool outbound) {
    xfrm_selector out{};
    out.family = family_of(s.local);
    out.proto = s.protocol;
    if (outbound) {
        put_selector_end(s.local, s.local_prefix, &out.saddr, &out.prefixlen_s, &out.sport,
                         &out.sport_mask);
        put_selector_end(s.remote, s.remote_prefix, &out.daddr, &out.prefixlen_d, &out.dport,
                         &out.dport_mask);
    } else {
        put_selector_end(s.remote, s.remote_prefix, &out.saddr, &out.prefixlen_s, &out.sport,
                         &out.sport_mask);
        put_selector_end(s.local, s.local_prefix, &out.daddr, &out.prefixlen_d, &out.dport,
                         &out.dport_mask);
    }
    return out;
}

std::uint64_t seconds(std::int64_t ns) {
    return ns <= 0 ? 0 : static_cast<std::uint64_t>((ns + kSecond - 1) / kSecond);
}

void put_algorithms(Request& request, const racoon_kernel_sa& sa) {
    const auto put = [&](std::uint16_t type, const racoon_kernel_alg& a,
                         std::string_view fallback) {
        const std::string_view name(a.xfrm_name, ::strnlen(a.xfrm_name, sizeof(a.xfrm_name)));
        put_algorithm(request, type, name.empty() ? fallback : name, {a.key, a.key_size},
                      a.icv_bits);
    };
    if (sa.protocol == RACOON_IPPROTO_COMP) {
        racoon_kernel_alg keyless = sa.enc;
        keyless.key_size = 0;
        return put(XFRMA_ALG_COMP, keyless, "deflate");
    }
    if (sa.is_aead != 0) return put(XFRMA_ALG_AEAD, sa.enc, "");
    if (sa.protocol == RACOON_IPPROTO_ESP) put(XFRMA_ALG_CRYPT, sa.enc, "ecb(cipher_null)");
    put(XFRMA_ALG_AUTH_TRUNC, sa.auth, "digest_null");
}

// Newer than the headers of Linux 6.1.
constexpr std::uint16_t kSaDirection = 33;  // XFRMA_SA_DIR
constexpr std::uint8_t kOffloadPacket = 4;  // XFRM_OFFLOAD_PACKET

void put_direction(Request& request, bool outbound) {
    const std::uint8_t direction = outbound ? 2 : 1;  // XFRM_SA_DIR_OUT, _IN
    request.attribute(kSaDirection, &direction, sizeof(direction));
}

// Windows beyond 32 packets and extended sequence numbers share an attribute; the flag alone turns
// the latter on. An outbound ESN SA must have some window where its direction is not said, and none where it is.
void put_replay(Request& request, const racoon_kernel_sa& sa, bool esn, bool direction) {
    std::uint32_t window = std::min<std::uint32_t>(sa.replay_window, XFRMA_REPLAY_ESN_MAX);
    const bool outbound = sa.direction == RACOON_DIR_OUT;
    if (direction && outbound)
        window = 0;
    else if (esn)
        window = std::max(window, kSmallWindow);
    // It is what was sent, which an inbound SA with a direction may not have.
    const std::uint64_t sequence = direction && !outbound ? 0 : sa.sequence;
    if (esn || window > kSmallWindow) return put_window(request, window, sequence);
    if (sequence == 0) return;
    xfrm_replay_state state{};
    state.oseq = static_cast<std::uint32_t>(sequence);
    request.attribute(XFRMA_REPLAY_VAL, &state, sizeof(state));
}

// The kernel finds the device by the route to the peer.
void put_offload(Request& request, const racoon_kernel_sa& sa, Offload offload) {
    if (offload == Offload::Off || sa.protocol != RACOON_IPPROTO_ESP) return;
    xfrm_user_offload device{};
    if (sa.direction == RACOON_DIR_IN) device.flags |= XFRM_OFFLOAD_INBOUND;
    if (offload == Offload::Packet) device.flags |= kOffloadPacket;
    request.attribute(XFRMA_OFFLOAD_DEV, &device, sizeof(device));
}

racoon_kernel_spi_request larval_of(const xfrm_user_acquire& a, std::uint32_t reqid,
                                    std::uint32_t mode) {
    racoon_kernel_spi_request r{};
    r.struct_size = sizeof(r);
    // A larval SA's family is its end points', which the template of a tunnel tells; the caller
    // corrects the selector's family where they differ.
    r.protocol = a.id.proto;
    r.reqid = reqid;
    r.mode = mode;
    return r;
}

std::uint32_t mode_from_kernel(std::uint8_t mode) {
    return mode == XFRM_MODE_TUNNEL ? RACOON_MODE_TUNNEL : RACOON_MODE_TRANSPORT;
}

std::uint8_t mode_to_kernel(std::uint32_t mode) {
    return mode == RACOON_MODE_TUNNEL ? XFRM_MODE_TUNNEL : XFRM_MODE_TRANSPORT;
}

}  // namespace

std::uint32_t kernel_priority(std::int32_t priority) {
    return static_cast<std::uint32_t>(
        std::min<std::int64_t>(std::int64_t{0x80000000} - priority, 0xffffffff));
}

std::int32_t priority_of_kernel(std::uint32_t priority) {
    const std::int64_t value = std::int64_t{0x80000000} - priority;
    return static_cast<std::int32_t>(std::min<std::int64_t>(value, 0x7fffffff));
}

Request new_sa(std::uint16_t type, const racoon_kernel_sa& sa, const SaForm& form) {
    const bool esn = (sa.flags & RACOON_SA_ESN) != 0;
    const bool outbound = sa.direction == RACOON_DIR_OUT;
    xfrm_usersa_info info{};
    info.family = family_of(sa.dst);
    put_address(&info.saddr, sa.src);
    put_address(&info.id.daddr, sa.dst);
    info.id.spi = htonl(sa.spi);
    info.id.proto = static_cast<std::uint8_t>(sa.protocol);
    info.mode = mode_to_kernel(sa.mode);
    info.reqid = sa.reqid;
    if (sa.selector.local.family != 0) {
        info.sel = selector_of(sa.selector, outbound);
    }
    if (!esn && sa.replay_window <= kSmallWindow && !(form.direction && outbound)) {
        info.replay_window = static_cast<std::uint8_t>(sa.replay_window);
    }
    if (esn) info.flags |= XFRM_STATE_ESN;
    // In IPv4 an AH header is a multiple of 32 bits (RFC 4302 3.3.3.2.1), which Linux makes 64 unless told.
    if (sa.protocol == RACOON_IPPROTO_AH && sa.dst.family == 4) info.flags |= XFRM_STATE_ALIGN4;
    // Inner and outer family may differ in a tunnel.
    if (sa.mode == RACOON_MODE_TUNNEL) info.flags |= XFRM_STATE_AF_UNSPEC;
    info.lft = no_limits();
    if (sa.soft_bytes != 0) info.lft.soft_byte_limit = sa.soft_bytes;
    if (sa.hard_bytes != 0) info.lft.hard_byte_limit = sa.hard_bytes;
    info.lft.soft_add_expires_seconds = seconds(sa.soft_ns);
    info.lft.hard_add_expires_seconds = seconds(sa.hard_ns);
    const std::uint16_t flags = type == XFRM_MSG_NEWSA ? NLM_F_CREATE | NLM_F_EXCL : 0;
    Request request(type, flags, &info, sizeof(info));
    put_algorithms(request, sa);
    put_replay(request, sa, esn, form.direction);
    if (form.direction) put_direction(request, outbound);
    put_offload(request, sa, form.offload);
    put_marks(request, sa.mark, sa.if_id);
    if (sa.output_mark.mask != 0) {
        request.attribute(XFRMA_SET_MARK, &sa.output_mark.value, sizeof(std::uint32_t));
        request.attribute(XFRMA_SET_MARK_MASK, &sa.output_mark.mask, sizeof(std::uint32_t));
    }
    if ((sa.flags & RACOON_SA_UDP_ENCAP) != 0) {
        xfrm_encap_tmpl encap{};
        encap.encap_type = (sa.flags & RACOON_SA_NON_IKE_MARKER) != 0 ? UDP_ENCAP_ESPINUDP_NON_IKE
                                                                      : UDP_ENCAP_ESPINUDP;
        encap.encap_sport = htons(sa.src.port);
        encap.encap_dport = htons(sa.dst.port);
        if (sa.peer_original.family != 0) put_address(&encap.encap_oa, sa.peer_original);
        request.attribute(XFRMA_ENCAP, &encap, sizeof(encap));
    }
    return request;
}

// The kernel wants a whole SA in an update, and takes of it the encapsulation, selector and lifetimes.
std::optional<Request> moved_sa(const Message& sa, bool inbound, std::uint16_t peer_port) {
    const auto info = copy_from<xfrm_usersa_info>(sa.body);
    auto encap =
        copy_from<xfrm_encap_tmpl>(find_attribute(sa, sizeof(xfrm_usersa_info), XFRMA_ENCAP));
    if (sa.type != XFRM_MSG_NEWSA || !info || !encap) return {};
    (inbound ? encap->encap_sport : encap->encap_dport) = htons(peer_port);
    Request request(XFRM_MSG_UPDSA, 0, &*info, sizeof(*info));
    constexpr std::uint16_t kCopied[] = {XFRMA_ALG_AEAD, XFRMA_ALG_CRYPT,      XFRMA_ALG_AUTH_TRUNC,
                                         XFRMA_ALG_COMP, XFRMA_REPLAY_ESN_VAL, XFRMA_MARK,
                                         XFRMA_IF_ID,    XFRMA_SET_MARK,       XFRMA_SET_MARK_MASK,
                                         kSaDirection};
    for (const std::uint16_t type : kCopied) {
        const ByteView value = find_attribute(sa, sizeof(xfrm_usersa_info), type);
        if (!value.empty()) request.attribute(type, value.data(), value.size());
    }
    request.attribute(XFRMA_ENCAP, &*encap, sizeof(*encap));
    return request;
}

namespace {
Request name_sa(std::uint16_t type, const racoon_kernel_sa_id& id, const racoon_kernel_mark& mark) {
    xfrm_usersa_id name{};
    put_address(&name.daddr, id.dst);
    name.spi = htonl(id.spi);
    name.family = family_of(id.dst);
    name.proto = static_cast<std::uint8_t>(id.protocol);
    Request request(type, 0, &name, sizeof(name));
    put_marks(request, mark, 0);
    return request;
}
}  // namespace

Request delete_sa(const racoon_kernel_sa_id& id, const racoon_kernel_mark& mark) {
    return name_sa(XFRM_MSG_DELSA, id, mark);
}
Request get_sa(const racoon_kernel_sa_id& id, const racoon_kernel_mark& mark) {
    return name_sa(XFRM_MSG_GETSA, id, mark);
}

Request dump_sas() {
    const xfrm_usersa_id none{};
    return Request(XFRM_MSG_GETSA, NLM_F_DUMP, &none, sizeof(none));
}

Request allocate_spi(const racoon_kernel_spi_request& r, std::uint32_t sequence, const Marks& marks,
                     bool inbound) {
    const bool any = r.min_spi == 0 && r.max_spi == 0;
    xfrm_userspi_info info{};
    info.info.family = family_of(r.dst);
    put_address(&info.info.saddr, r.src);
    put_address(&info.info.id.daddr, r.dst);
    info.info.id.proto = static_cast<std::uint8_t>(r.protocol);
    info.info.mode = mode_to_kernel(r.mode);
    info.info.reqid = r.reqid;
    info.info.seq = sequence;
    info.min = any ? 0x100 : r.min_spi;
    info.max = any ? (r.protocol == RACOON_IPPROTO_COMP ? 0xffffu : 0xffffffffu) : r.max_spi;
    Request request(XFRM_MSG_ALLOCSPI, 0, &info, sizeof(info));
    if (inbound) put_direction(request, false);
    put_marks(request, marks.mark, marks.if_id);
    return request;
}

namespace {
std::uint8_t direction_to_kernel(std::uint32_t direction) {
    return direction == RACOON_DIR_OUT   ? XFRM_POLICY_OUT
           : direction == RACOON_DIR_FWD ? XFRM_POLICY_FWD
                                         : XFRM_POLICY_IN;
}
}  // namespace

Request new_policy(std::uint16_t type, const racoon_kernel_policy& p, std::uint32_t direction) {
    const bool outbound = direction == RACOON_DIR_OUT;
    xfrm_userpolicy_info info{};
    info.sel = selector_of(p.selector, outbound);
    info.lft = no_limits();
    info.priority = kernel_priority(p.priority);
    info.dir = direction_to_kernel(direction);
    info.action = p.action == RACOON_POLICY_DISCARD ? XFRM_POLICY_BLOCK : XFRM_POLICY_ALLOW;
    const std::uint16_t flags = type == XFRM_MSG_NEWPOLICY ? NLM_F_CREATE | NLM_F_EXCL : 0;
    Request request(type, flags, &info, sizeof(info));
    std::vector<xfrm_user_tmpl> templates;
    std::uint16_t family = family_of(p.selector.local);  // of the packet, rule by rule
    for (std::uint32_t i = 0; p.action == RACOON_POLICY_IPSEC && i < p.template_count && i < 4;
         ++i) {
        const racoon_kernel_template& t = p.templates[i];
        xfrm_user_tmpl out{};
        const bool tunnel = t.mode == RACOON_MODE_TUNNEL && t.local.family != 0;
        if (tunnel) family = family_of(t.local);
        out.family = family;
        if (tunnel) {
            put_address(&out.saddr, outbound ? t.local : t.remote);
            put_address(&out.id.daddr, outbound ? t.remote : t.local);
        }
        out.id.proto = static_cast<std::uint8_t>(t.protocol);
        out.reqid = t.reqid;
        out.mode = mode_to_kernel(t.mode);
        out.optional = t.level == RACOON_LEVEL_USE ? 1 : 0;
        out.aalgos = out.ealgos = out.calgos = ~0u;
        templates.push_back(out);
    }
    if (!templates.empty()) {
        request.attribute(XFRMA_TMPL, templates.data(), templates.size() * sizeof(xfrm_user_tmpl));
    }
    put_marks(request, p.mark, p.if_id);
    return request;
}

Request name_policy(std::uint16_t type, const racoon_kernel_policy& p, std::uint32_t direction) {
    xfrm_userpolicy_id id{};
    id.sel = selector_of(p.selector, direction == RACOON_DIR_OUT);
    id.dir = direction_to_kernel(direction);
    Request request(type, 0, &id, sizeof(id));
    put_marks(request, p.mark, p.if_id);
    return request;
}

std::optional<SaFacts> read_sa(const Message& message) {
    const auto info = copy_from<xfrm_usersa_info>(message.body);
    if (message.type != XFRM_MSG_NEWSA || !info) return {};
    SaFacts facts;
    racoon_kernel_sa_info& out = facts.info;
    out.struct_size = sizeof(out);
    out.bytes = info->curlft.bytes;
    out.packets = info->curlft.packets;
    out.idle_ns = -1;
    out.replay_window = info->replay_window;
    out.protocol = info->id.proto;
    out.mode = mode_from_kernel(info->mode);
    out.spi = ntohl(info->id.spi);
    out.reqid = info->reqid;
    out.src = take_address(info->saddr, info->family);
    out.dst = take_address(info->id.daddr, info->family);
    if (const auto window = take_window(message, sizeof(xfrm_usersa_info)))
        out.replay_window = *window;
    const auto used =
        copy_from<std::uint64_t>(find_attribute(message, sizeof(xfrm_usersa_info), XFRMA_LASTUSED));
    if (used) facts.last_used = *used;
    facts.directed = !find_attribute(message, sizeof(xfrm_usersa_info), kSaDirection).empty();
    facts.marks = take_marks(message, sizeof(xfrm_usersa_info));
    return facts;
}

std::optional<PolicyFacts> read_policy(const Message& message) {
    const auto info = copy_from<xfrm_userpolicy_info>(message.body);
    if (message.type != XFRM_MSG_NEWPOLICY || !info) return {};
    PolicyFacts facts{info->index, info->priority, 0, {}};
    const auto first = copy_from<xfrm_user_tmpl>(
        find_attribute(message, sizeof(xfrm_userpolicy_info), XFRMA_TMPL));
    if (first) facts.reqid = first->reqid;
    facts.marks = take_marks(message, sizeof(xfrm_userpolicy_info));
    return facts;
}

Request dump_policies() {
    const xfrm_userpolicy_id none{};
    return Request(XFRM_MSG_GETPOLICY, NLM_F_DUMP, &none, sizeof(none));
}

namespace {

/// False: it has what a racoon_selector cannot say.
bool take_selector(const xfrm_selector& from, bool outbound, racoon_selector* to) {
    const unsigned bits = from.family == AF_INET6 ? 128 : 32;
    if ((from.family != AF_INET && from.family != AF_INET6) || from.ifindex != 0 ||
        from.prefixlen_s > bits || from.prefixlen_d > bits)
        return false;
    for (const auto& [port, mask] :
         {std::pair(from.sport, from.sport_mask), std::pair(from.dport, from.dport_mask)}) {
        if (mask != 0 && (mask != 0xffff || port == 0)) return false;
        // What stands there for ICMP is no port.
        if (mask != 0 && (from.proto == IPPROTO_ICMP || from.proto == IPPROTO_ICMPV6)) return false;
    }
    racoon_addr src = take_address(from.saddr, from.family);
    racoon_addr dst = take_address(from.daddr, from.family);
    src.port = ntohs(from.sport);
    dst.port = ntohs(from.dport);
    to->local = outbound ? src : dst;
    to->remote = outbound ? dst : src;
    to->local_prefix = outbound ? from.prefixlen_s : from.prefixlen_d;
    to->remote_prefix = outbound ? from.prefixlen_d : from.prefixlen_s;
    to->protocol = from.proto;
    return true;
}

bool take_template(const xfrm_user_tmpl& from, bool outbound, racoon_kernel_template* to) {
    if ((from.mode != XFRM_MODE_TUNNEL && from.mode != XFRM_MODE_TRANSPORT) || from.id.spi != 0)
        return false;
    to->protocol = from.id.proto;
    to->mode = mode_from_kernel(from.mode);
    to->reqid = from.reqid;
    to->level = from.optional != 0 ? RACOON_LEVEL_USE
                : from.reqid != 0  ? RACOON_LEVEL_UNIQUE
                                   : RACOON_LEVEL_REQUIRE;
    const xfrm_address_t& local = outbound ? from.saddr : from.id.daddr;
    const xfrm_address_t& remote = outbound ? from.id.daddr : from.saddr;
    if (!is_zero(local)) to->local = take_address(local, from.family);
    if (!is_zero(remote)) to->remote = take_address(remote, from.family);
    return true;
}

}  // namespace

std::optional<racoon_kernel_policy> read_whole_policy(const Message& message) {
    const auto info = copy_from<xfrm_userpolicy_info>(message.body);
    if ((message.type != XFRM_MSG_NEWPOLICY && message.type != XFRM_MSG_UPDPOLICY) || !info ||
        (info->dir != XFRM_POLICY_IN && info->dir != XFRM_POLICY_OUT) ||
        (info->index & 7) > XFRM_POLICY_FWD)  // a socket's
        return {};
    const auto kind =
        copy_from<xfrm_userpolicy_type>(find_attribute(message, sizeof(*info), XFRMA_POLICY_TYPE));
    if (kind && kind->type != XFRM_POLICY_TYPE_MAIN) return {};
    racoon_kernel_policy out{};
    out.struct_size = sizeof(out);
    const bool outbound = info->dir == XFRM_POLICY_OUT;
    out.direction = outbound ? RACOON_DIR_OUT : RACOON_DIR_IN;
    out.priority = priority_of_kernel(info->priority);
    if (!take_selector(info->sel, outbound, &out.selector)) return {};
    const ByteView templates = find_attribute(message, sizeof(*info), XFRMA_TMPL);
    for (std::size_t at = 0; at + sizeof(xfrm_user_tmpl) <= templates.size();
         at += sizeof(xfrm_user_tmpl)) {
        const auto t = copy_from<xfrm_user_tmpl>(templates.subspan(at));
        if (!t || out.template_count == std::size(out.templates) ||
            !take_template(*t, outbound, &out.templates[out.template_count++]))
            return {};
    }
    out.action = info->action == XFRM_POLICY_BLOCK ? RACOON_POLICY_DISCARD
                 : out.template_count == 0         ? RACOON_POLICY_NONE
                                                   : RACOON_POLICY_IPSEC;
    const Marks marks = take_marks(message, sizeof(*info));
    out.mark = marks.mark;
    out.if_id = marks.if_id;
    return out;
}

namespace {

std::optional<KernelEvent> read_acquire(const Message& message) {
    const auto acquire = copy_from<xfrm_user_acquire>(message.body);
    const auto first =
        copy_from<xfrm_user_tmpl>(find_attribute(message, sizeof(xfrm_user_acquire), XFRMA_TMPL));
    if (!acquire || !first) return {};
    KernelEvent event;
    event.kind = KernelEvent::Kind::Acquire;
    event.protocol = acquire->id.proto;
    event.policy_index = acquire->policy.index;
    event.sequence = acquire->seq;
    event.src = take_address(acquire->sel.saddr, acquire->sel.family);
    event.dst = take_address(acquire->sel.daddr, acquire->sel.family);
    event.src.port = ntohs(acquire->sel.sport);
    event.dst.port = ntohs(acquire->sel.dport);
    // A policy may have several templates; the larval SA is of the one with its protocol.
    const ByteView all = find_attribute(message, sizeof(xfrm_user_acquire), XFRMA_TMPL);
    xfrm_user_tmpl meant = *first;
    for (std::size_t at = 0; at + sizeof(meant) <= all.size(); at += sizeof(meant)) {
        const auto t = copy_from<xfrm_user_tmpl>(all.subspan(at));
        if (t && t->id.proto == acquire->id.proto) {
            meant = *t;
            break;
        }
    }
    event.larval = larval_of(*acquire, meant.reqid, mode_from_kernel(meant.mode));
    const unsigned family = meant.mode == XFRM_MODE_TUNNEL ? meant.family : acquire->sel.family;
    event.larval.src = take_address(acquire->saddr, family);
    event.larval.dst = take_address(acquire->id.daddr, family);
    event.larval_marks = take_marks(message, sizeof(xfrm_user_acquire));
    if (event.src.family == 0 || event.larval.src.family == 0) return {};
    return event;
}

std::optional<KernelEvent> read_expire(const Message& message) {
    const auto expire = copy_from<xfrm_user_expire>(message.body);
    if (!expire) return {};
    KernelEvent event;
    event.kind = expire->hard != 0 ? KernelEvent::Kind::ExpireHard : KernelEvent::Kind::ExpireSoft;
    event.protocol = expire->state.id.proto;
    event.spi = ntohl(expire->state.id.spi);
    event.src = take_address(expire->state.saddr, expire->state.family);
    event.dst = take_address(expire->state.id.daddr, expire->state.family);
    return event;
}

std::optional<KernelEvent> read_deleted_sa(const Message& message) {
    const auto id = copy_from<xfrm_usersa_id>(message.body);
    if (!id) return {};
    KernelEvent event;
    event.kind = KernelEvent::Kind::SaDeleted;
    event.protocol = id->proto;
    event.spi = ntohl(id->spi);
    event.dst = take_address(id->daddr, id->family);
    return event;
}

std::optional<KernelEvent> read_mapping(const Message& message) {
    const auto mapping = copy_from<xfrm_user_mapping>(message.body);
    if (!mapping) return {};
    KernelEvent event;
    event.kind = KernelEvent::Kind::Mapping;
    event.protocol = mapping->id.proto;
    event.spi = ntohl(mapping->id.spi);
    event.src = take_address(mapping->new_saddr, mapping->id.family);
    event.src.port = ntohs(mapping->new_sport);
    event.dst = take_address(mapping->id.daddr, mapping->id.family);
    return event;
}

std::optional<KernelEvent> read_deleted_policy(const Message& message) {
    // The policy comes as an attribute behind its name; an expiry has it first.
    KernelEvent event;
    event.kind = KernelEvent::Kind::PolicyDeleted;
    if (message.type == XFRM_MSG_POLEXPIRE) {
        const auto expire = copy_from<xfrm_user_polexpire>(message.body);
        if (!expire || expire->hard == 0) return {};
    }
    auto info = message.type == XFRM_MSG_POLEXPIRE
                    ? copy_from<xfrm_userpolicy_info>(message.body)
                    : copy_from<xfrm_userpolicy_info>(
                          find_attribute(message, sizeof(xfrm_userpolicy_id), XFRMA_POLICY));
    if (!info) return {};
    event.policy_index = info->index;
    return event;
}

std::optional<KernelEvent> read_body(const Message& message) {
    KernelEvent event;
    switch (message.type) {
        case XFRM_MSG_ACQUIRE:
            return read_acquire(message);
        case XFRM_MSG_EXPIRE:
            return read_expire(message);
        case XFRM_MSG_DELSA:
            return read_deleted_sa(message);
        case XFRM_MSG_MAPPING:
            return read_mapping(message);
        case XFRM_MSG_DELPOLICY:
        case XFRM_MSG_POLEXPIRE:
            return read_deleted_policy(message);
        case XFRM_MSG_FLUSHSA: {
            const auto flush = copy_from<xfrm_usersa_flush>(message.body);
            if (!flush) return {};
            event.kind = KernelEvent::Kind::SasFlushed;
            event.protocol = flush->proto;
            return event;
        }
        case XFRM_MSG_NEWPOLICY:
        case XFRM_MSG_UPDPOLICY: {
            const auto info = copy_from<xfrm_userpolicy_info>(message.body);
            if (!info) return {};
            event.kind = KernelEvent::Kind::PolicyChanged;
            event.policy_index = info->index;
            event.policy = read_whole_policy(message);
            return event;
        }
        case XFRM_MSG_FLUSHPOLICY:
            event.kind = KernelEvent::Kind::PoliciesFlushed;
            return event;
        case XFRM_MSG_MIGRATE:
            event.kind = KernelEvent::Kind::Migrated;
            return event;
        default:
            return {};
    }
}

}  // namespace

std::optional<KernelEvent> read_event(const Message& message) {
    auto event = read_body(message);
    if (event) event->port = message.port;
    return event;
}

}  // namespace racoon::kernel_xfrm
