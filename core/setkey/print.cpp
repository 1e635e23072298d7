#include "setkey/print.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netdb.h>
#include <net/if.h>

#include <ctime>

#include "setkey/algorithms.hpp"

namespace racoon::setkey {

using namespace pfkey;

namespace {

std::string address(const racoon_addr& a) {
    char text[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(a.family == 6 ? AF_INET6 : AF_INET, a.bytes, text, sizeof(text));
    char link[IF_NAMESIZE] = "";
    if (a.scope == 0) return text;
    if (::if_indextoname(a.scope, link) == nullptr) return fmt::format("{}%{}", text, a.scope);
    return fmt::format("{}%{}", text, link);
}

/// "Nov 29 06:12:11 2026", or as many blanks.
std::string time_text(std::uint64_t seconds) {
    const auto when = static_cast<std::time_t>(seconds);
    std::tm parts{};
    char text[32] = "";
    if (seconds == 0 || ::localtime_r(&when, &parts) == nullptr ||
        std::strftime(text, sizeof(text), "%b %e %H:%M:%S %Y", &parts) == 0)
        return std::string(20, ' ');
    return text;
}

std::string satype_text(const Message& m) {
    switch (m.satype) {
        case kSaAh:
            return "ah";
        case kSaEsp:
            return m.natt_type.value_or(0) != 0 ? "esp-udp" : "esp";
        case kSaIpComp:
            return "ipcomp";
        case kSaTcp:
            return "tcp";
        default:
            return fmt::format("{}", m.satype);
    }
}

std::string mode_text(std::uint8_t mode) {
    constexpr const char* kNames[] = {"any", "transport", "tunnel", "beet"};
    return mode < 4 ? kNames[mode] : fmt::format("{}", mode);
}

std::string algorithm(AlgorithmKind kind, std::uint8_t number, std::uint32_t flags,
                      const std::string& name = {}) {
    if (!name.empty()) return name;
    const Algorithm* found = find_algorithm(kind, number, flags);
    return found ? std::string(found->shown) : fmt::format("{}", number);
}

/// In groups of four bytes, a blank before each.
std::string key_text(const Key& key) {
    std::string out;
    for (std::size_t i = 0; i < key.bytes.size(); ++i)
        out += fmt::format("{}{:02x}", i % 4 == 0 ? " " : "", key.bytes[i]);
    return out;
}

std::string port_text(std::uint16_t port) {
    return port == 0 ? "[any]" : fmt::format("[{}]", port);
}

/// What the file of protocols calls it; names that the commands read again are the same everywhere.
std::string protocol_text(std::uint8_t protocol) {
    switch (protocol) {
        case 0:
        case kProtoAny:
            return "any";
        case 1:
            return "icmp";
        case 4:
            return "ip4";
        case 6:
            return "tcp";
        case 17:
            return "udp";
        case 47:
            return "gre";
        case 50:
            return "esp";
        case 51:
            return "ah";
        case 58:
            return "icmp6";
        case 108:
            return "ipcomp";
        case 132:
            return "sctp";
        default:
            if (const protoent* known = ::getprotobynumber(protocol)) return known->p_name;
            return fmt::format("{}", protocol);
    }
}

/// "prio def", "prio high - 5": the kernel's number seen from the nearest of three.
std::string priority_text(std::uint32_t priority) {
    if (priority == 0) return "";
    constexpr std::uint32_t kHigh = 0x40000000, kDef = 0x80000000, kLow = 0xc0000000;
    const bool high = priority < 0x60000000, low = priority >= 0xa0000000;
    const std::uint32_t base = high ? kHigh : low ? kLow : kDef;
    const std::int64_t above = std::int64_t{base} - priority;
    std::string out = high ? "prio high " : low ? "prio low " : "prio def ";
    if (above != 0) out += fmt::format("{} {} ", above > 0 ? '+' : '-', above > 0 ? above : -above);
    return out;
}

std::string request_text(const Request& r) {
    constexpr const char* kLevels[] = {"default", "use", "require", "unique"};
    std::string out = fmt::format("{}/{}/",
                                  r.proto == 51    ? "ah"
                                  : r.proto == 108 ? "ipcomp"
                                                   : "esp",
                                  mode_text(r.mode));
    if (r.src.family != 0) {
        out += address(r.src) + (r.src.port != 0 ? port_text(r.src.port) : "") + "-" +
               address(r.dst) + (r.dst.port != 0 ? port_text(r.dst.port) : "");
    }
    out += "/";
    out += r.level < 4 ? kLevels[r.level] : fmt::format("{}", r.level);
    if (r.level == kLevelUnique && r.reqid != 0)
        out += fmt::format("{}{}", r.reqid > kManualReqIdMax ? '#' : ':', r.reqid);
    return out;
}

std::string selector_text(const Message& m) {
    if (!m.src || !m.dst) return "(no selectors) ";
    const auto side = [](const Address& a, bool ports) {
        const unsigned bits = a.addr.family == 6 ? 128 : 32;
        std::string out = address(a.addr);
        if (a.prefix != bits) out += fmt::format("/{}", a.prefix);
        return out + (ports ? port_text(a.addr.port) : "[any]") + " ";
    };
    const std::uint8_t protocol = m.src->proto;
    const bool icmp = protocol == 1 || protocol == 58 || protocol == 135, gre = protocol == 47;
    const std::uint16_t s = m.src->addr.port, d = m.dst->addr.port;
    std::string out =
        side(*m.src, !icmp && !gre) + side(*m.dst, !icmp && !gre) + protocol_text(protocol);
    if (icmp && (s != 0 || d != 0)) out += fmt::format(" {},{}", s, d);
    if (gre && (s != 0 || d != 0))
        out += fmt::format(" {}.{}.{}.{}", s >> 8, s & 255, d >> 8, d & 255);
    return out;
}

std::string label_text(const Message& m) {
    if (!m.label) return "";
    std::string text = m.label->text;
    while (!text.empty() && text.back() == '\0') text.pop_back();
    return fmt::format(
        "\tsecurity context doi: {}\n\tsecurity context algorithm: {}\n"
        "\tsecurity context length: {}\n\tsecurity context: {}\n",
        m.label->doi, m.label->algorithm, m.label->text.size(), text);
}

/// In a line of its own, which is there only where PF_KEY could not have said it.
std::string beyond_text(const Told& m) {
    if (m.beyond.empty()) return "";
    return fmt::format("\tbeyond PF_KEY: {}\n", fmt::join(m.beyond, " "));
}

}  // namespace

bool is_socket_policy(const Message& m) {
    return m.policy() != nullptr && m.policy()->id % 8 >= 3;
}

std::string print_sa(const Told& m, const PrintSetting& setting) {
    if (!m.sa || !m.src || !m.dst) return "";
    const auto port = [&](const Address& a, const std::optional<std::uint16_t>& natt) {
        return setting.ports || natt ? fmt::format("[{}]", natt.value_or(a.addr.port)) : "";
    };
    const Sa& sa = *m.sa;
    const Sa2 sa2 = m.sa2.value_or(Sa2{});
    std::string out = fmt::format("{}{} {}{} \n", address(m.src->addr), port(*m.src, m.natt_sport),
                                  address(m.dst->addr), port(*m.dst, m.natt_dport));
    out += fmt::format("\t{} mode={} spi={}(0x{:08x}) reqid={}(0x{:08x})\n", satype_text(m),
                       mode_text(sa2.mode), sa.spi, sa.spi, sa2.reqid, sa2.reqid);
    if (m.oai) out += fmt::format("\tNAT OA={}\n", address(m.oai->addr));
    if (m.satype == kSaIpComp) {
        out += fmt::format("\tC: {}\n",
                           algorithm(AlgorithmKind::Compression, sa.encrypt, 0, m.encryption));
    } else if (m.encrypt_key) {
        out += fmt::format("\tE: {} {}\n",
                           algorithm(AlgorithmKind::Encryption, sa.encrypt, sa.flags, m.encryption),
                           key_text(*m.encrypt_key));
    }
    if (m.auth_key)
        out += fmt::format("\tA: {} {}\n",
                           algorithm(AlgorithmKind::Authentication, sa.auth, 0, m.authentication),
                           key_text(*m.auth_key));
    constexpr const char* kStates[] = {"larval", "mature", "dying", "dead"};
    out += fmt::format("\tseq=0x{:08x} replay={} flags=0x{:08x} state={}\n", sa2.sequence,
                       m.window.value_or(sa.replay), sa.flags,
                       sa.state < 4 ? kStates[sa.state] : fmt::format("{}", sa.state).c_str());
    if (m.current) {
        const Lifetime none;
        const Lifetime &c = *m.current, &h = m.hard ? *m.hard : none, &s = m.soft ? *m.soft : none;
        const auto now = static_cast<std::uint64_t>(setting.now);
        const std::uint64_t age = c.addtime != 0 && now > c.addtime ? now - c.addtime : 0;
        out += fmt::format("\tcreated: {}\tcurrent: {}\n", time_text(c.addtime), time_text(now));
        out += fmt::format("\tdiff: {}(s)\thard: {}(s)\tsoft: {}(s)\n", age, h.addtime, s.addtime);
        out += fmt::format("\tlast: {}\thard: {}(s)\tsoft: {}(s)\n", time_text(c.usetime),
                           h.usetime, s.usetime);
        out += fmt::format("\tcurrent: {}(bytes)\thard: {}(bytes)\tsoft: {}(bytes)\n", c.bytes,
                           h.bytes, s.bytes);
        out += fmt::format("\tallocated: {}\thard: {}\tsoft: {}\n", c.allocations, h.allocations,
                           s.allocations);
    }
    out += label_text(m) + beyond_text(m);
    return out + fmt::format("\tsadb_seq={} pid={} refcnt={}\n", m.seq, m.pid, m.reserved);
}

std::string print_policy(const Told& m, const PrintSetting&) {
    const pfkey::Policy* p = m.policy();
    if (p == nullptr) return "";
    constexpr const char* kTypes[] = {"discard", "none", "ipsec", "entrust", "bypass"};
    constexpr const char* kDirections[] = {"any", "in", "out", "fwd"};
    std::string direction = p->dir < 4 ? kDirections[p->dir] : fmt::format("{}", p->dir);
    std::string out = is_socket_policy(m) ? "(per-socket policy) " : selector_text(m);
    if (is_socket_policy(m)) direction = p->id % 8 == 3 ? "in(socket)" : "out(socket)";
    out += fmt::format("\n\t{} {}{}\n", direction, priority_text(p->priority),
                       p->type < 5 ? kTypes[p->type] : "?");
    for (const Request& r : p->requests) out += "\t" + request_text(r) + "\n";
    if (m.current)
        out += fmt::format("\tcreated: {}  lastused: {}\n", time_text(m.current->addtime),
                           time_text(m.current->usetime));
    if (m.hard)
        out +=
            fmt::format("\tlifetime: {}(s) validtime: {}(s)\n", m.hard->addtime, m.hard->usetime);
    out += label_text(m) + beyond_text(m);
    return out +
           fmt::format("\tspid={} seq={} pid={}\n\trefcnt={}\n", p->id, m.seq, m.pid, m.reserved);
}

std::string short_head() {
    return fmt::format("{:<4} {:<6} {} {:<8} {:<7} {} -> {}\n", "time", "p", "s", "spi", "ltime",
                       "src", "dst");
}

std::string print_short(const Told& m, const PrintSetting& setting) {
    if (!m.sa || !m.src || !m.dst) return "";
    std::string left = "-";
    if (m.hard && m.current && m.hard->addtime != 0) {
        const std::int64_t end = static_cast<std::int64_t>(m.current->addtime + m.hard->addtime);
        left = fmt::format("{}", end > setting.now ? end - setting.now : 0);
    }
    const std::int64_t second = setting.now % 3600;
    return fmt::format("{:02}{:02} {:<6} {} {:08x} {:<7} {} -> {}\n", second / 60, second % 60,
                       satype_text(m), m.sa->state < 4 ? "LMDd"[m.sa->state] : '?', m.sa->spi, left,
                       address(m.src->addr), address(m.dst->addr));
}

std::string print_hex(ByteView bytes) {
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i % 16 == 0) out += fmt::format("{}{:04x}:", i == 0 ? "" : "\n", i);
        out += fmt::format("{}{:02x}", i % 4 == 0 ? " " : "", bytes[i]);
    }
    return out + "\n";
}

std::string print_message(const Told& m, std::size_t size) {
    constexpr const char* kTypes[] = {
        "reserved",  "getspi",     "update",      "add",        "delete",  "get",      "acquire",
        "register",  "expire",     "flush",       "dump",       "promisc", "pchange",  "spdupdate",
        "spdadd",    "spddelete",  "spdget",      "spdacquire", "spddump", "spdflush", "spdsetidx",
        "spdexpire", "spddelete2", "new mapping", "migrate"};
    std::string out = fmt::format(
        "sadb_msg{{ version=2 type={}({}) errno={} satype={}\n  len={} reserved={} seq=0x{:08x} "
        "pid={} }}\n",
        m.type, m.type < 25 ? kTypes[m.type] : "?", m.error, m.satype, size / 8, m.reserved, m.seq,
        m.pid);
    if (m.sa)
        out += fmt::format(
            "sadb_sa{{ spi=0x{:08x} replay={} state={} auth={} encrypt={} flags=0x{:08x} }}\n",
            m.sa->spi, m.sa->replay, m.sa->state, m.sa->auth, m.sa->encrypt, m.sa->flags);
    if (m.sa2)
        out += fmt::format("sadb_x_sa2{{ mode={} sequence={} reqid={} }}\n", mode_text(m.sa2->mode),
                           m.sa2->sequence, m.sa2->reqid);
    const auto lifetime = [&](const char* name, const std::optional<Lifetime>& l) {
        if (l)
            out += fmt::format("sadb_lifetime({}){{ alloc={} bytes={} addtime={} usetime={} }}\n",
                               name, l->allocations, l->bytes, l->addtime, l->usetime);
    };
    lifetime("current", m.current);
    lifetime("hard", m.hard);
    lifetime("soft", m.soft);
    const auto end = [&](const char* name, const std::optional<Address>& a) {
        if (a)
            out += fmt::format("sadb_address({}){{ proto={} prefixlen={} {}{} }}\n", name, a->proto,
                               a->prefix, address(a->addr), port_text(a->addr.port));
    };
    end("src", m.src);
    end("dst", m.dst);
    end("proxy", m.proxy);
    end("oai", m.oai);
    end("oar", m.oar);
    end("new src", m.new_src);
    end("new dst", m.new_dst);
    if (m.auth_key)
        out += fmt::format("sadb_key(auth){{ bits={} key={} }}\n", m.auth_key->bits,
                           key_text(*m.auth_key));
    if (m.encrypt_key)
        out += fmt::format("sadb_key(encrypt){{ bits={} key={} }}\n", m.encrypt_key->bits,
                           key_text(*m.encrypt_key));
    if (m.range)
        out += fmt::format("sadb_spirange{{ min=0x{:08x} max=0x{:08x} }}\n", m.range->min,
                           m.range->max);
    for (const pfkey::Policy& p : m.policies) {
        out += fmt::format("sadb_x_policy{{ type={} dir={} id={} priority={} }}\n", p.type, p.dir,
                           p.id, p.priority);
        for (const Request& r : p.requests) out += " { " + request_text(r) + " }\n";
    }
    if (m.natt_type) out += fmt::format("sadb_x_nat_t_type{{ type={} }}\n", *m.natt_type);
    if (m.natt_sport) out += fmt::format("sadb_x_nat_t_port(src){{ {} }}\n", *m.natt_sport);
    if (m.natt_dport) out += fmt::format("sadb_x_nat_t_port(dst){{ {} }}\n", *m.natt_dport);
    if (m.natt_frag) out += fmt::format("sadb_x_nat_t_frag{{ {} }}\n", *m.natt_frag);
    if (m.replay) out += fmt::format("sadb_x_sa_replay{{ {} }}\n", *m.replay);
    if (m.km)
        out += fmt::format("sadb_x_kmaddress{{ {} {} }}\n", address(m.km->local),
                           address(m.km->remote));
    out += label_text(m) + beyond_text(m);
    const auto algorithms = [&](const char* name,
                                const std::optional<std::vector<pfkey::Algorithm>>& list) {
        if (!list) return;
        out += fmt::format("sadb_supported({}){{\n", name);
        for (const pfkey::Algorithm& a : *list)
            out += fmt::format("  {{ id={} ivlen={} min={} max={} }}\n", a.id, a.iv, a.min_bits,
                               a.max_bits);
        out += "}\n";
    };
    algorithms("auth", m.supported_auth);
    algorithms("encrypt", m.supported_encrypt);
    if (m.proposal) {
        out += fmt::format("sadb_prop{{ replay={}\n", m.proposal->replay);
        for (const Combination& c : m.proposal->combinations)
            out += fmt::format("  {{ auth={} {}-{} encrypt={} {}-{} }}\n", c.auth, c.auth_min,
                               c.auth_max, c.encrypt, c.encrypt_min, c.encrypt_max);
        out += "}\n";
    }
    for (const std::uint16_t type : m.skipped)
        out += fmt::format("sadb_ext{{ type={} }} (not known)\n", type);
    return out;
}

}  // namespace racoon::setkey
