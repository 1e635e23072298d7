#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "pfkey/message.hpp"

namespace racoon::pfkey {
namespace {

constexpr std::uint32_t kProtoIpComp = 108;  // not every system's header has a name for it

// Everything is in host order but SPIs, ports and addresses; all lengths are in units of 8 bytes.
class Out {
  public:
    explicit Out(const Dialect& dialect) : dialect_(dialect) {}

    template <typename T>
    void put(T value) {
        const auto* p = reinterpret_cast<const std::uint8_t*>(&value);
        bytes.insert(bytes.end(), p, p + sizeof(T));
    }
    void u8(std::uint8_t v) { put(v); }
    void u16(std::uint16_t v) { put(v); }
    void u32(std::uint32_t v) { put(v); }
    void u64(std::uint64_t v) { put(v); }
    void be16(std::uint16_t v) {
        u8(static_cast<std::uint8_t>(v >> 8));
        u8(static_cast<std::uint8_t>(v));
    }
    void be32(std::uint32_t v) {
        be16(static_cast<std::uint16_t>(v >> 16));
        be16(static_cast<std::uint16_t>(v));
    }
    void raw(const void* data, std::size_t size) {
        const auto* p = static_cast<const std::uint8_t*>(data);
        bytes.insert(bytes.end(), p, p + size);
    }
    void align() { bytes.resize((bytes.size() + 7) / 8 * 8); }

    void open(std::uint16_t type) {
        start_ = bytes.size();
        u16(0);
        u16(type);
    }
    void close() {
        align();
        length_at(start_, (bytes.size() - start_) / 8);
    }
    void length_at(std::size_t at, std::size_t units) {
        const auto n = static_cast<std::uint16_t>(units);
        std::memcpy(bytes.data() + at, &n, sizeof(n));
    }

    void sockaddr(const racoon_addr& a) {
        const bool six = a.family == 6;
        const std::uint8_t family = six ? dialect_.inet6 : 2;
        if (dialect_.sockaddr_len) {
            u8(six ? 28 : 16);
            u8(family);
        } else {
            u16(family);
        }
        be16(a.port);
        if (six) u32(0);
        raw(a.bytes, six ? 16 : 4);
        if (six)
            u32(a.scope);
        else
            u64(0);
    }

    std::vector<std::uint8_t> bytes;

  private:
    const Dialect& dialect_;
    std::size_t start_ = 0;
};

void lifetime(Out& out, std::uint16_t type, const std::optional<Lifetime>& l) {
    if (!l) return;
    out.open(type);
    out.u32(l->allocations);
    out.u64(l->bytes);
    out.u64(l->addtime);
    out.u64(l->usetime);
    out.close();
}

void address(Out& out, std::uint16_t type, const std::optional<Address>& a) {
    if (!a || type == 0) return;
    out.open(type);
    out.u8(a->proto);
    out.u8(a->prefix);
    out.u16(0);
    out.sockaddr(a->addr);
    out.close();
}

void key(Out& out, std::uint16_t type, const std::optional<Key>& k) {
    if (!k) return;
    out.open(type);
    out.u16(k->bits);
    out.u16(0);
    out.raw(k->bytes.data(), k->bytes.size());
    out.close();
}

void policy(Out& out, const Policy& p, const Dialect& d) {
    out.open(kExtPolicy);
    out.u16(p.type);
    out.u8(p.dir);
    out.u8(0);
    out.u32(p.id);
    out.u32(d.priority ? p.priority : 0);
    for (const Request& r : p.requests) {
        const std::size_t start = out.bytes.size();
        out.u16(0);  // in bytes, unlike all others
        out.u16(r.proto);
        out.u8(r.mode);
        out.u8(r.level);
        if (d.wide_reqid) {
            out.u16(0);
            out.u32(r.reqid);
            out.u32(0);
        } else {
            out.u16(static_cast<std::uint16_t>(r.reqid));
        }
        if (r.src.family != 0) {
            out.sockaddr(r.src);
            out.sockaddr(r.dst);
        }
        out.align();
        out.length_at(start, out.bytes.size() - start);
    }
    out.close();
}

void port(Out& out, std::uint16_t type, const std::optional<std::uint16_t>& value) {
    if (!value || type == 0) return;
    out.open(type);
    out.be16(*value);
    out.u16(0);
    out.close();
}

void algorithms(Out& out, std::uint16_t type, const std::optional<std::vector<Algorithm>>& list) {
    if (!list) return;
    out.open(type);
    out.u32(0);
    for (const Algorithm& a : *list) {
        out.u8(a.id);
        out.u8(a.iv);
        out.u16(a.min_bits);
        out.u16(a.max_bits);
        out.u16(0);
    }
    out.close();
}

void proposal(Out& out, const Proposal& p) {
    out.open(kExtProposal);
    out.u32(p.replay);
    for (const Combination& c : p.combinations) {
        out.u8(c.auth);
        out.u8(c.encrypt);
        out.u16(0);
        out.u16(c.auth_min);
        out.u16(c.auth_max);
        out.u16(c.encrypt_min);
        out.u16(c.encrypt_max);
        for (int i = 0; i < 3; ++i) out.u32(0);  // reserved, allocations
        for (int i = 0; i < 6; ++i) out.u64(0);  // bytes and times
    }
    out.close();
}

}  // namespace

std::uint8_t satype_of(std::uint32_t protocol) {
    return protocol == IPPROTO_ESP    ? kSaEsp
           : protocol == IPPROTO_AH   ? kSaAh
           : protocol == kProtoIpComp ? kSaIpComp
                                      : kSaUnspec;
}

std::uint32_t protocol_of(std::uint8_t satype) {
    switch (satype) {
        case kSaAh:
            return IPPROTO_AH;
        case kSaEsp:
            return IPPROTO_ESP;
        case kSaIpComp:
            return kProtoIpComp;
        default:
            return 0;
    }
}

void wipe(Message& m) {
    for (auto* key : {&m.auth_key, &m.encrypt_key})
        if (*key) std::fill((*key)->bytes.begin(), (*key)->bytes.end(), std::uint8_t{0});
}

std::vector<std::uint8_t> encode(const Message& m, const Dialect& d) {
    Out out(d);
    out.bytes.reserve(512);  // so that keys are not left behind in a smaller block
    out.u8(kVersion);
    out.u8(m.type);
    out.u8(m.error);
    out.u8(m.satype);
    out.u16(0);
    out.u16(m.reserved);
    out.u32(m.seq);
    out.u32(m.pid);
    if (m.sa) {
        out.open(kExtSa);
        out.be32(m.sa->spi);
        out.u8(m.sa->replay);
        out.u8(m.sa->state);
        out.u8(m.sa->auth);
        out.u8(m.sa->encrypt);
        out.u32(m.sa->flags);
        if (d.natt_port_in_sa && m.sa->natt_port != 0) {
            out.u16(m.sa->natt_port);
            out.u16(0);
            out.u32(0);
        }
        out.close();
    }
    if (m.sa2) {
        out.open(kExtSa2);
        out.u8(m.sa2->mode);
        out.u8(0);
        out.u16(0);
        out.u32(m.sa2->sequence);
        out.u32(m.sa2->reqid);
        out.close();
    }
    lifetime(out, kExtLifetimeCurrent, m.current);
    lifetime(out, kExtLifetimeHard, m.hard);
    lifetime(out, kExtLifetimeSoft, m.soft);
    address(out, kExtAddressSrc, m.src);
    address(out, kExtAddressDst, m.dst);
    address(out, kExtAddressProxy, m.proxy);
    key(out, kExtKeyAuth, m.auth_key);
    key(out, kExtKeyEncrypt, m.encrypt_key);
    if (m.range) {
        out.open(kExtSpiRange);
        out.u32(m.range->min);
        out.u32(m.range->max);
        out.u32(0);
        out.close();
    }
    for (const Policy& p : m.policies) policy(out, p, d);
    if (m.natt_type && d.natt_type != 0) {
        out.open(d.natt_type);
        out.u32(0);
        out.bytes[out.bytes.size() - 4] = *m.natt_type;
        out.close();
    }
    port(out, d.natt_sport, m.natt_sport);
    port(out, d.natt_dport, m.natt_dport);
    address(out, d.natt_oai, m.oai);
    address(out, d.natt_oar, m.oar);
    if (m.natt_frag && d.natt_frag != 0) {
        out.open(d.natt_frag);
        out.u16(*m.natt_frag);
        out.u16(0);
        out.close();
    }
    if (m.replay && d.replay != 0) {
        out.open(d.replay);
        out.u32(*m.replay);
        out.close();
    }
    address(out, d.new_src, m.new_src);
    address(out, d.new_dst, m.new_dst);
    if (m.label && d.security_context != 0) {
        out.open(d.security_context);
        out.u8(m.label->algorithm);
        out.u8(m.label->doi);
        out.u16(static_cast<std::uint16_t>(m.label->text.size()));
        out.raw(m.label->text.data(), m.label->text.size());
        out.close();
    }
    if (m.km && d.km_address != 0) {
        out.open(d.km_address);
        out.u32(0);
        out.sockaddr(m.km->local);
        out.sockaddr(m.km->remote);
        out.close();
    }
    algorithms(out, kExtSupportedAuth, m.supported_auth);
    algorithms(out, kExtSupportedEncrypt, m.supported_encrypt);
    if (m.proposal) proposal(out, *m.proposal);
    out.length_at(4, out.bytes.size() / 8);
    return std::move(out.bytes);
}

}  // namespace racoon::pfkey
