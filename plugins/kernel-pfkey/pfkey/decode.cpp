#include <cstring>

#include "pfkey/message.hpp"

namespace racoon::pfkey {
namespace {

constexpr std::size_t kMaxPolicies = 2;
constexpr std::size_t kMaxRequests = 16;
constexpr std::size_t kMaxAlgorithms = 256;

/// Bytes of one extension. After a read beyond them everything is zero and `good` is false.
class In {
  public:
    explicit In(ByteView bytes) : bytes_(bytes) {}
    template <typename T>
    T get() {
        T value{};
        if (const std::uint8_t* p = take(sizeof(T))) std::memcpy(&value, p, sizeof(T));
        return value;
    }
    std::uint8_t u8() { return get<std::uint8_t>(); }
    std::uint16_t u16() { return get<std::uint16_t>(); }
    std::uint32_t u32() { return get<std::uint32_t>(); }
    std::uint64_t u64() { return get<std::uint64_t>(); }
    std::uint16_t be16() {
        const std::uint16_t high = u8();
        return static_cast<std::uint16_t>(high << 8 | u8());
    }
    std::uint32_t be32() {
        const std::uint32_t high = be16();
        return high << 16 | be16();
    }
    const std::uint8_t* take(std::size_t n) {
        if (bytes_.size() - at_ < n) {
            good = false;
            at_ = bytes_.size();
            return nullptr;
        }
        at_ += n;
        return bytes_.data() + at_ - n;
    }
    void skip(std::size_t n) { take(n); }
    std::size_t left() const { return bytes_.size() - at_; }

    bool good = true;

  private:
    ByteView bytes_;
    std::size_t at_ = 0;
};

racoon_addr sockaddr(In& in, const Dialect& d) {
    racoon_addr a{};
    unsigned family = 0;
    if (d.sockaddr_len) {
        in.u8();
        family = in.u8();
    } else {
        family = in.u16();
    }
    const bool six = family == d.inet6;
    if (!six && family != 2) {
        in.good = false;
        return a;
    }
    a.family = six ? 6 : 4;
    a.port = in.be16();
    if (six) in.skip(4);
    if (const std::uint8_t* p = in.take(six ? 16 : 4)) std::memcpy(a.bytes, p, six ? 16 : 4);
    if (six)
        a.scope = in.u32();
    else
        in.skip(8);
    return a;
}

Lifetime lifetime(In& in) {
    Lifetime l;
    l.allocations = in.u32();
    l.bytes = in.u64();
    l.addtime = in.u64();
    l.usetime = in.u64();
    return l;
}

Address address(In& in, const Dialect& d) {
    Address a;
    a.proto = in.u8();
    a.prefix = in.u8();
    in.skip(2);
    a.addr = sockaddr(in, d);
    if (a.prefix > (a.addr.family == 6 ? 128 : 32)) in.good = false;
    return a;
}

Key key(In& in) {
    Key k;
    k.bits = in.u16();
    in.skip(2);
    const std::size_t size = (std::size_t{k.bits} + 7) / 8;
    if (const std::uint8_t* p = in.take(size)) k.bytes.assign(p, p + size);
    return k;
}

Policy policy(In& in, const Dialect& d) {
    Policy p;
    p.type = in.u16();
    p.dir = in.u8();
    in.skip(1);
    p.id = in.u32();
    p.priority = in.u32();
    if (!d.priority) p.priority = 0;
    const std::size_t head = d.wide_reqid ? 16 : 8;
    while (in.good && in.left() >= head) {
        Request r;
        const std::size_t length = in.u16();
        r.proto = in.u16();
        r.mode = in.u8();
        r.level = in.u8();
        if (d.wide_reqid) {
            in.skip(2);
            r.reqid = in.u32();
            in.skip(4);
        } else {
            r.reqid = in.u16();
        }
        if (length < head || p.requests.size() >= kMaxRequests) {
            in.good = false;
            break;
        }
        const std::uint8_t* rest = in.take(length - head);
        if (rest != nullptr && length - head >= 32) {
            In ends(ByteView(rest, length - head));
            r.src = sockaddr(ends, d);
            r.dst = sockaddr(ends, d);
            in.good = ends.good && r.src.family == r.dst.family;
        }
        p.requests.push_back(r);
    }
    return p;
}

std::vector<Algorithm> algorithms(In& in) {
    std::vector<Algorithm> out;
    in.skip(4);
    while (in.good && in.left() >= 8 && out.size() < kMaxAlgorithms) {
        Algorithm a;
        a.id = in.u8();
        a.iv = in.u8();
        a.min_bits = in.u16();
        a.max_bits = in.u16();
        in.skip(2);
        out.push_back(a);
    }
    return out;
}

Proposal proposal(In& in) {
    Proposal p;
    p.replay = in.u8();
    in.skip(3);
    while (in.good && in.left() >= 72 && p.combinations.size() < kMaxAlgorithms) {
        Combination c;
        c.auth = in.u8();
        c.encrypt = in.u8();
        in.skip(2);
        c.auth_min = in.u16();
        c.auth_max = in.u16();
        c.encrypt_min = in.u16();
        c.encrypt_max = in.u16();
        in.skip(60);
        p.combinations.push_back(c);
    }
    return p;
}

Label label(In& in) {
    Label l;
    l.algorithm = in.u8();
    l.doi = in.u8();
    const std::size_t size = in.u16();
    if (const std::uint8_t* p = in.take(size)) l.text.assign(p, p + size);
    return l;
}

/// False: this system has no such extension.
bool extension(Message& m, std::uint16_t type, In& in, const Dialect& d) {
    const auto is = [&](std::uint16_t number) { return number != 0 && type == number; };
    if (is(d.natt_type))
        m.natt_type = in.u8();
    else if (is(d.natt_sport))
        m.natt_sport = in.be16();
    else if (is(d.natt_dport))
        m.natt_dport = in.be16();
    else if (is(d.natt_oai))
        m.oai = address(in, d);
    else if (is(d.natt_oar))
        m.oar = address(in, d);
    else if (is(d.natt_frag))
        m.natt_frag = in.u16();
    else if (is(d.replay))
        m.replay = in.u32();
    else if (is(d.new_src))
        m.new_src = address(in, d);
    else if (is(d.new_dst))
        m.new_dst = address(in, d);
    else if (is(d.security_context))
        m.label = label(in);
    else if (is(d.km_address)) {
        in.skip(4);
        m.km.emplace();
        m.km->local = sockaddr(in, d);
        m.km->remote = sockaddr(in, d);
    } else {
        return false;
    }
    return true;
}

bool common_extension(Message& m, std::uint16_t type, In& in, const Dialect& d) {
    switch (type) {
        case kExtSa: {
            Sa sa;
            sa.spi = in.be32();
            sa.replay = in.u8();
            sa.state = in.u8();
            sa.auth = in.u8();
            sa.encrypt = in.u8();
            sa.flags = in.u32();
            if (d.natt_port_in_sa && in.left() >= 8) sa.natt_port = in.u16();
            m.sa = sa;
            return true;
        }
        case kExtSa2: {
            Sa2 sa2;
            sa2.mode = in.u8();
            in.skip(3);
            sa2.sequence = in.u32();
            sa2.reqid = in.u32();
            m.sa2 = sa2;
            return true;
        }
        case kExtLifetimeCurrent:
            m.current = lifetime(in);
            return true;
        case kExtLifetimeHard:
            m.hard = lifetime(in);
            return true;
        case kExtLifetimeSoft:
            m.soft = lifetime(in);
            return true;
        case kExtAddressSrc:
            m.src = address(in, d);
            return true;
        case kExtAddressDst:
            m.dst = address(in, d);
            return true;
        case kExtAddressProxy:
            m.proxy = address(in, d);
            return true;
        case kExtKeyAuth:
            m.auth_key = key(in);
            return true;
        case kExtKeyEncrypt:
            m.encrypt_key = key(in);
            return true;
        case kExtSpiRange: {
            SpiRange r;
            r.min = in.u32();
            r.max = in.u32();
            m.range = r;
            return true;
        }
        case kExtPolicy:
            if (m.policies.size() >= kMaxPolicies) in.good = false;
            if (in.good) m.policies.push_back(policy(in, d));
            return true;
        case kExtSupportedAuth:
            m.supported_auth = algorithms(in);
            return true;
        case kExtSupportedEncrypt:
            m.supported_encrypt = algorithms(in);
            return true;
        case kExtProposal:
            m.proposal = proposal(in);
            return true;
        default:
            return false;
    }
}

}  // namespace

std::size_t message_length(ByteView bytes) {
    if (bytes.size() < kHeaderSize || bytes[0] != kVersion) return 0;
    std::uint16_t units = 0;
    std::memcpy(&units, bytes.data() + 4, sizeof(units));
    const std::size_t length = std::size_t{units} * 8;
    return length < kHeaderSize || length > bytes.size() ? 0 : length;
}

std::optional<Message> decode(ByteView bytes, const Dialect& d, std::string* why) {
    const auto refuse = [&](std::string text) {
        if (why != nullptr) *why = std::move(text);
        return std::nullopt;
    };
    const std::size_t length = message_length(bytes);
    if (length == 0 || length != bytes.size())
        return refuse("a message of " + std::to_string(bytes.size()) +
                      " bytes with another version or length in its header");
    In head(bytes.first(kHeaderSize));
    Message m;
    head.u8();
    m.type = head.u8();
    m.error = head.u8();
    m.satype = head.u8();
    head.skip(2);
    m.reserved = head.u16();
    m.seq = head.u32();
    m.pid = head.u32();
    for (std::size_t at = kHeaderSize; at < bytes.size();) {
        std::uint16_t units = 0, type = 0;
        std::memcpy(&units, bytes.data() + at, 2);  // lengths are multiples of 8, so 8 are there
        std::memcpy(&type, bytes.data() + at + 2, 2);
        const std::size_t size = std::size_t{units} * 8;
        if (size == 0 || size > bytes.size() - at)
            return refuse("extension " + std::to_string(type) + " with a length of " +
                          std::to_string(size));
        In in(bytes.subspan(at + 4, size - 4));
        if (!common_extension(m, type, in, d) && !extension(m, type, in, d))
            m.skipped.push_back(type);
        if (!in.good) return refuse("extension " + std::to_string(type) + " is malformed");
        at += size;
    }
    return m;
}

}  // namespace racoon::pfkey
