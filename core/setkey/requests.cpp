#include "setkey/requests.hpp"

#include <algorithm>

namespace racoon::setkey {

using namespace pfkey;

namespace {

std::uint8_t satype_of(SaProtocol p) {
    switch (p) {
        case SaProtocol::Ah:
        case SaProtocol::AhOld:
            return kSaAh;
        case SaProtocol::IpComp:
            return kSaIpComp;
        case SaProtocol::Tcp:
            return kSaTcp;
        case SaProtocol::Any:
            return kSaUnspec;
        default:
            return kSaEsp;
    }
}

Address address_of(const IpAddr& a, std::uint16_t port, unsigned prefix, std::uint8_t protocol) {
    Address out;
    out.addr.family = static_cast<std::uint8_t>(a.family);
    out.addr.port = port;
    out.addr.scope = a.scope;
    std::copy_n(a.bytes.begin(), a.size(), out.addr.bytes);
    out.prefix = static_cast<std::uint8_t>(prefix);
    out.proto = protocol;
    return out;
}
Address host(const IpAddr& a, std::uint16_t port = 0) {
    return address_of(a, port, a.bits(), kProtoAny);
}

std::optional<Label> label_of(const std::optional<SecurityLabel>& l) {
    if (!l) return std::nullopt;
    return Label{l->algorithm, l->doi, l->label};
}

Key key_of(const Bytes& bytes) {
    return Key{static_cast<std::uint16_t>(bytes.size() * 8), bytes};
}

void settings(Message& m, const Command& c, const Dialect& d) {
    const SaSettings& s = c.sa;
    const bool old = c.protocol == SaProtocol::EspOld || c.protocol == SaProtocol::AhOld;
    m.sa->replay = s.replay;
    m.sa->flags = s.flags | (old ? kFlagOld : 0);
    if (s.encryption) {
        m.sa->encrypt = d.encryption(s.encryption->number);
        m.encrypt_key = key_of(s.encryption_key);
    }
    if (s.authentication) {
        m.sa->auth = d.authentication(s.authentication->number);
        m.auth_key = key_of(s.authentication_key);
    }
    if (s.compression) m.sa->encrypt = s.compression->number;
    // Both or none (Linux refuses one alone).
    if (s.hard_seconds != 0 || s.soft_seconds != 0 || s.hard_bytes != 0 || s.soft_bytes != 0) {
        m.hard = Lifetime{0, s.hard_bytes, s.hard_seconds, 0};
        m.soft = Lifetime{0, s.soft_bytes, s.soft_seconds, 0};
    }
    m.label = label_of(s.label);
}

std::uint8_t type_of(Verb verb) {
    switch (verb) {
        case Verb::Add:
            return kAdd;
        case Verb::Update:
            return kUpdate;
        case Verb::Get:
            return kGet;
        case Verb::GetSpi:
            return kGetSpi;
        case Verb::Delete:
            return kDelete;
        case Verb::SpdAdd:
            return kSpdAdd;
        case Verb::SpdUpdate:
            return kSpdUpdate;
        default:
            return kSpdDelete;
    }
}

void sa_requests(const Command& c, const Dialect& d, std::vector<Message>& out) {
    for (const IpAddr& src : c.src.addresses)
        for (const IpAddr& dst : c.dst.addresses) {
            if (src.family != dst.family) continue;
            Message m;
            m.type = type_of(c.verb);
            m.satype = satype_of(c.protocol);
            m.src = host(src);
            m.dst = host(dst);
            if (c.verb == Verb::GetSpi) {
                const std::uint32_t most = c.protocol == SaProtocol::IpComp ? 0xffff : 0x0fffffff;
                m.range = c.spi != 0 ? SpiRange{c.spi, c.spi} : SpiRange{0x100, most};
            } else {
                m.sa = Sa{c.spi, 0, kMature, 0, 0, 0, 0};
            }
            if (c.verb == Verb::Add || c.verb == Verb::Update) settings(m, c, d);
            if (c.verb != Verb::Get && c.verb != Verb::Delete)
                m.sa2 = Sa2{static_cast<std::uint8_t>(c.sa.mode), 0, c.sa.reqid};
            if (c.protocol == SaProtocol::EspUdp &&
                (c.verb == Verb::Add || c.verb == Verb::Update)) {
                m.natt_type = kUdpEncapsulation;
                m.natt_sport = c.src.port;
                m.natt_dport = c.dst.port;
                if (c.original_address) m.oai = host(*c.original_address);
            }
            out.push_back(std::move(m));
        }
}

/// ICMP's type and code, and a GRE key, stand where the ports are.
void ports(const Command& c, std::uint16_t& src, std::uint16_t& dst) {
    src = c.src.port;
    dst = c.dst.port;
    if (c.upper.icmp) {
        src = c.upper.icmp->first;
        dst = c.upper.icmp->second;
    } else if (c.upper.gre_key) {
        src = static_cast<std::uint16_t>(*c.upper.gre_key >> 16);
        dst = static_cast<std::uint16_t>(*c.upper.gre_key);
    }
}

pfkey::Policy policy_of(const conf::WrittenPolicy& w, const Dialect& d) {
    using Action = conf::WrittenPolicy::Action;
    pfkey::Policy p;
    switch (w.action) {
        case Action::Discard:
            p.type = kPolicyDiscard;
            break;
        case Action::None:
            p.type = kPolicyNone;
            break;
        case Action::Entrust:
            p.type = kPolicyEntrust;
            break;
        case Action::Bypass:
            p.type = kPolicyBypass;
            break;
        default:
            p.type = w.action == Action::Absent ? kPolicyDiscard : kPolicyIpsec;
    }
    p.dir = w.direction == conf::Direction::Out  ? kDirOut
            : w.direction == conf::Direction::In ? kDirIn
                                                 : kDirFwd;
    if (p.dir == kDirFwd && !d.forward) p.dir = kDirIn;
    p.priority = static_cast<std::uint32_t>(std::int64_t{0x80000000} - w.priority);
    for (const conf::PolicyRule& rule : w.rules) {
        Request r;
        r.proto = rule.protocol;
        r.mode = rule.tunnel ? kModeTunnel : kModeTransport;
        switch (rule.level) {
            case conf::Level::Use:
                r.level = kLevelUse;
                break;
            case conf::Level::Require:
                r.level = kLevelRequire;
                break;
            case conf::Level::Unique:
                r.level = kLevelUnique;
                r.reqid = rule.unique.value_or(0);
                break;
            default:
                r.level = kLevelDefault;
        }
        if (rule.from.addr.family != Family::None) {
            r.src = host(rule.from.addr, rule.from.port).addr;
            r.dst = host(rule.to.addr, rule.to.port).addr;
        }
        p.requests.push_back(r);
    }
    return p;
}

void policy_requests(const Command& c, const Dialect& d, bool forward, std::vector<Message>& out) {
    Message m;
    m.type = type_of(c.verb);
    if (!c.tag) {
        std::uint16_t src = 0, dst = 0;
        ports(c, src, dst);
        const std::uint8_t protocol = c.upper.protocol == 0 ? kProtoAny : c.upper.protocol;
        const IpAddr &s = c.src.addr(), &t = c.dst.addr();
        m.src = address_of(s, src, c.src.prefix.value_or(s.bits()), protocol);
        m.dst = address_of(t, dst, c.dst.prefix.value_or(t.bits()), protocol);
    }
    m.label = label_of(c.label);
    m.policies.push_back(policy_of(c.policy, d));
    out.push_back(m);
    if (!forward || !d.forward || c.policy.direction != conf::Direction::In) return;
    pfkey::Policy& copy = m.policies.front();
    copy.dir = kDirFwd;
    // The kernel would choose another id for it than for the first.
    if (!copy.requests.empty() && copy.requests.front().level == kLevelUnique) {
        copy.requests.front().level = kLevelRequire;
        copy.requests.front().reqid = 0;
    }
    out.push_back(std::move(m));
}

}  // namespace

Message dump_request(bool policies, SaProtocol protocol) {
    Message m;
    m.type = policies ? kSpdDump : kDump;
    m.satype = satype_of(protocol);
    return m;
}

Message flush_request(bool policies, SaProtocol protocol) {
    Message m;
    m.type = policies ? kSpdFlush : kFlush;
    m.satype = satype_of(protocol);
    return m;
}

std::vector<Message> requests_of(const Command& c, const Dialect& d, bool forward) {
    std::vector<Message> out;
    switch (c.verb) {
        case Verb::Exit:
            break;
        case Verb::Flush:
        case Verb::SpdFlush:
            out.push_back(flush_request(c.verb == Verb::SpdFlush, c.protocol));
            break;
        case Verb::Dump:
        case Verb::SpdDump:
        case Verb::DeleteAll:
            out.push_back(dump_request(c.verb == Verb::SpdDump, c.protocol));
            break;
        case Verb::SpdAdd:
        case Verb::SpdUpdate:
        case Verb::SpdDelete:
            policy_requests(c, d, forward, out);
            break;
        default:
            sa_requests(c, d, out);
    }
    return out;
}

bool matches(const Command& c, const Message& m) {
    if (!m.src || !m.dst || !m.sa || m.satype != satype_of(c.protocol)) return false;
    const auto among = [](const std::vector<IpAddr>& list, const racoon_addr& a) {
        return std::any_of(list.begin(), list.end(), [&](const IpAddr& one) {
            return static_cast<std::uint8_t>(one.family) == a.family &&
                   std::equal(one.bytes.begin(),
                              one.bytes.begin() + static_cast<std::ptrdiff_t>(one.size()), a.bytes);
        });
    };
    return among(c.src.addresses, m.src->addr) && among(c.dst.addresses, m.dst->addr);
}

Message delete_of(const Message& sa) {
    Message m;
    m.type = kDelete;
    m.satype = sa.satype;
    m.sa = Sa{sa.sa->spi, 0, kMature, 0, 0, 0, 0};
    m.src = sa.src;
    m.dst = sa.dst;
    return m;
}

}  // namespace racoon::setkey
