#include "setkey/xfrm_beyond.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <net/if.h>

#include <linux/udp.h>

#include <utility>

#include "xfrm/attributes.hpp"

namespace racoon::setkey {

using xfrm::ByteView;
using xfrm::copy_from;
using xfrm::find_attribute;

namespace {

// Younger than the oldest header that this is built with.
constexpr std::uint16_t kMappingAge = 32, kDirection = 33, kCpu = 34;
constexpr std::uint8_t kIptfsMode = 5;

std::string device(int index) {
    char name[IF_NAMESIZE] = "";
    if (index > 0 && ::if_indextoname(static_cast<unsigned>(index), name) != nullptr) return name;
    return fmt::format("{}", index);
}

std::string mark_text(const racoon_kernel_mark& m) {
    return fmt::format("0x{:x}/0x{:x}", m.value, m.mask);
}

std::string net(const xfrm_address_t& a, unsigned family, unsigned prefix) {
    char text[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(family == AF_INET6 ? AF_INET6 : AF_INET, &a, text, sizeof(text));
    const unsigned bits = family == AF_INET6 ? 128 : 32;
    return prefix == bits ? text : fmt::format("{}/{}", text, prefix);
}

/// Host order; a mask of all ones goes without saying.
std::string port(std::uint16_t number, std::uint16_t mask) {
    if (mask == 0) return "";
    return mask == 0xffff ? fmt::format("[{}]", number)
                          : fmt::format("[0x{:x}/0x{:x}]", number, mask);
}

/// What of it PF_KEY's selectors of policies have no room for.
void narrow_selector(const xfrm_selector& s, std::vector<std::string>& out) {
    if (s.ifindex != 0) out.push_back("dev=" + device(s.ifindex));
    if (s.user != 0) out.push_back(fmt::format("uid={}", s.user));
    const auto masked = [&](const char* name, std::uint16_t number, std::uint16_t mask) {
        if (mask != 0xffff && (mask != 0 || number != 0))
            out.push_back(fmt::format("{}=0x{:x}/0x{:x}", name, number, mask));
        // Port 0 itself, which PF_KEY takes for any.
        if (mask == 0xffff && number == 0) out.push_back(fmt::format("{}=0", name));
    };
    masked("sport", ntohs(s.sport), ntohs(s.sport_mask));
    masked("dport", ntohs(s.dport), ntohs(s.dport_mask));
}

void number_of(const xfrm::Message& m, std::size_t skip, std::uint16_t type, const char* name,
               std::vector<std::string>& out) {
    const auto value = copy_from<std::uint32_t>(find_attribute(m, skip, type));
    if (value && *value != 0) out.push_back(fmt::format("{}={}", name, *value));
}

void marks(const xfrm::Message& m, std::size_t skip, std::vector<std::string>& out) {
    const xfrm::Marks taken = xfrm::take_marks(m, skip);
    if (taken.mark.mask != 0) out.push_back("mark=" + mark_text(taken.mark));
    if (taken.if_id != 0) out.push_back(fmt::format("if_id=0x{:x}", taken.if_id));
    if (taken.output_mark.value != 0) out.push_back("output_mark=" + mark_text(taken.output_mark));
}

void offload(const xfrm::Message& m, std::size_t skip, std::vector<std::string>& out) {
    const auto to = copy_from<xfrm_user_offload>(find_attribute(m, skip, XFRMA_OFFLOAD_DEV));
    if (!to) return;
    constexpr std::uint8_t kInbound = 2, kPackets = 4;
    out.push_back(fmt::format("offload={}/{}/{}", device(to->ifindex),
                              (to->flags & kPackets) != 0 ? "packets" : "crypto",
                              (to->flags & kInbound) != 0 ? "in" : "out"));
}

bool is_own_pair(const xfrm_usersa_info& info) {
    const xfrm_selector& s = info.sel;
    const unsigned bits = info.family == AF_INET6 ? 128 : 32;
    return s.prefixlen_s == bits && s.prefixlen_d == bits && s.proto == 0 && s.sport_mask == 0 &&
           s.dport_mask == 0 && std::memcmp(&s.saddr, &info.saddr, sizeof(s.saddr)) == 0 &&
           std::memcmp(&s.daddr, &info.id.daddr, sizeof(s.daddr)) == 0;
}

bool selects(const xfrm_selector& s) {
    return s.prefixlen_s != 0 || s.prefixlen_d != 0 || s.proto != 0 || s.sport_mask != 0 ||
           s.dport_mask != 0 || s.ifindex != 0;
}

}  // namespace

void selector_beyond(const xfrm_selector& s, std::vector<std::string>& out) {
    out.push_back(fmt::format("selector={}{}-{}{}/{}", net(s.saddr, s.family, s.prefixlen_s),
                              port(ntohs(s.sport), ntohs(s.sport_mask)),
                              net(s.daddr, s.family, s.prefixlen_d),
                              port(ntohs(s.dport), ntohs(s.dport_mask)),
                              s.proto == 0 ? std::string("any") : fmt::format("{}", s.proto)));
    if (s.ifindex != 0) out.push_back("dev=" + device(s.ifindex));
}

void sa_beyond(const xfrm_usersa_info& info, const xfrm::Message& m, std::size_t skip, bool larval,
               std::vector<std::string>& out) {
    if (info.mode == XFRM_MODE_ROUTEOPTIMIZATION) out.emplace_back("mode=route-optimization");
    if (info.mode == XFRM_MODE_IN_TRIGGER) out.emplace_back("mode=in-trigger");
    if (info.mode == kIptfsMode) out.emplace_back("mode=iptfs");
    // AF_UNSPEC says nothing: the selector is told.
    for (const auto& [flag, name] :
         {std::pair(XFRM_STATE_ESN, "esn"), std::pair(XFRM_STATE_WILDRECV, "wildrecv"),
          std::pair(XFRM_STATE_ICMP, "icmp"), std::pair(XFRM_STATE_ALIGN4, "align4")})
        if ((info.flags & flag) != 0) out.emplace_back(name);
    const auto more =
        copy_from<std::uint32_t>(find_attribute(m, skip, XFRMA_SA_EXTRA_FLAGS)).value_or(0);
    if ((more & 1) != 0) out.emplace_back("dont-encap-dscp");
    if ((more & 2) != 0) out.emplace_back("oseq-may-wrap");
    if (!larval && selects(info.sel) && !is_own_pair(info)) selector_beyond(info.sel, out);
    marks(m, skip, out);
    number_of(m, skip, XFRMA_TFCPAD, "tfcpad", out);
    number_of(m, skip, kMappingAge, "mapping-age", out);
    const ByteView direction = find_attribute(m, skip, kDirection);
    if (!direction.empty()) out.emplace_back(direction[0] == 1 ? "dir=in" : "dir=out");
    const auto cpu = copy_from<std::uint32_t>(find_attribute(m, skip, kCpu));
    if (cpu && *cpu != ~0u) out.push_back(fmt::format("cpu={}", *cpu));
    offload(m, skip, out);
    const auto encap = copy_from<xfrm_encap_tmpl>(find_attribute(m, skip, XFRMA_ENCAP));
    if (encap && encap->encap_type == TCP_ENCAP_ESPINTCP) out.emplace_back("encap=tcp");
    if (encap && encap->encap_type == UDP_ENCAP_ESPINUDP_NON_IKE) out.emplace_back("encap=non-ike");
    xfrm::each_attribute(m, skip, [&](std::uint16_t type, ByteView) {
        if (type > kCpu) out.push_back(fmt::format("attribute={}", type));
        return true;
    });
}

void policy_beyond(const xfrm_userpolicy_info& info, const xfrm::Message& m, std::size_t skip,
                   std::vector<std::string>& out) {
    narrow_selector(info.sel, out);
    if ((info.flags & XFRM_POLICY_LOCALOK) != 0) out.emplace_back("localok");
    if ((info.flags & XFRM_POLICY_ICMP) != 0) out.emplace_back("icmp");
    marks(m, skip, out);
    offload(m, skip, out);
    xfrm::each_attribute(m, skip, [&](std::uint16_t type, ByteView) {
        if (type > kCpu) out.push_back(fmt::format("attribute={}", type));
        return true;
    });
}

void template_beyond(const xfrm_user_tmpl& t, std::size_t number, std::vector<std::string>& out) {
    if (t.id.spi != 0) out.push_back(fmt::format("rule{}:spi=0x{:08x}", number, ntohl(t.id.spi)));
    if (t.mode == XFRM_MODE_ROUTEOPTIMIZATION || t.mode == XFRM_MODE_IN_TRIGGER ||
        t.mode == kIptfsMode)
        out.push_back(fmt::format("rule{}:mode={}", number,
                                  t.mode == kIptfsMode             ? "iptfs"
                                  : t.mode == XFRM_MODE_IN_TRIGGER ? "in-trigger"
                                                                   : "route-optimization"));
    // An optional rule with a request id is "use" to PF_KEY.
    if (t.optional != 0 && t.reqid != 0)
        out.push_back(fmt::format("rule{}:reqid={}", number, t.reqid));
}

}  // namespace racoon::setkey
