#include "protocol.hpp"

#include <algorithm>
#include <cstring>

namespace racoon::kernel_userspace {
namespace {

void write_addr(Writer& out, const racoon_addr& a) {
    out.u8(a.family);
    out.u16(a.port);
    out.u32(a.scope);
    out.bytes(a.bytes);
}

racoon_addr read_addr(Reader& in) {
    racoon_addr a{};
    a.family = in.u8();
    a.port = in.u16();
    a.scope = in.u32();
    const ByteView bytes = in.bytes(sizeof(a.bytes));
    std::copy(bytes.begin(), bytes.end(), a.bytes);
    return a;
}

void write_selector(Writer& out, const racoon_selector& s) {
    write_addr(out, s.local);
    write_addr(out, s.remote);
    out.u8(s.local_prefix);
    out.u8(s.remote_prefix);
    out.u8(s.protocol);
}

racoon_selector read_selector(Reader& in) {
    racoon_selector s{};
    s.local = read_addr(in);
    s.remote = read_addr(in);
    s.local_prefix = in.u8();
    s.remote_prefix = in.u8();
    s.protocol = in.u8();
    return s;
}

void write_alg(Writer& out, const racoon_kernel_alg& a) {
    const std::size_t name = ::strnlen(a.xfrm_name, sizeof(a.xfrm_name) - 1);
    out.u8(static_cast<std::uint8_t>(name));
    out.bytes({reinterpret_cast<const std::uint8_t*>(a.xfrm_name), name});
    out.u32(a.icv_bits);
    const std::size_t key = std::min<std::size_t>(a.key_size, sizeof(a.key));
    out.u8(static_cast<std::uint8_t>(key));
    out.bytes({a.key, key});
}

bool read_alg(Reader& in, racoon_kernel_alg* a) {
    const std::size_t name = in.u8();
    if (name >= sizeof(a->xfrm_name)) return false;
    const ByteView text = in.bytes(name);
    if (std::find(text.begin(), text.end(), 0) != text.end()) return false;
    std::copy(text.begin(), text.end(), reinterpret_cast<std::uint8_t*>(a->xfrm_name));
    a->icv_bits = in.u32();
    a->key_size = in.u8();
    if (a->key_size > sizeof(a->key)) return false;
    const ByteView key = in.bytes(a->key_size);
    std::copy(key.begin(), key.end(), a->key);
    return in.ok();
}

bool whole(const Reader& in) {
    return in.ok() && in.left() == 0;
}

}  // namespace

std::optional<Frame> parse_frame(ByteView bytes) {
    Reader in(bytes);
    Frame frame;
    frame.type = static_cast<Message>(in.u8());
    frame.number = in.u32();
    if (!in.ok()) return {};
    frame.body = in.rest();
    return frame;
}

Writer begin_frame(Message type, std::uint32_t number) {
    Writer out;
    out.u8(static_cast<std::uint8_t>(type));
    out.u32(number);
    return out;
}

void write_sa(Writer& out, const racoon_kernel_sa& sa) {
    for (const std::uint32_t v : {sa.direction, sa.protocol, sa.mode, sa.spi, sa.reqid, sa.is_aead,
                                  sa.replay_window, sa.flags, sa.policy_id, sa.esp_frag}) {
        out.u32(v);
    }
    for (const std::int64_t v : {sa.soft_ns, sa.hard_ns}) out.u64(static_cast<std::uint64_t>(v));
    for (const std::uint64_t v : {sa.soft_bytes, sa.hard_bytes, sa.sequence}) out.u64(v);
    write_addr(out, sa.src);
    write_addr(out, sa.dst);
    write_selector(out, sa.selector);
    write_alg(out, sa.enc);
    write_alg(out, sa.auth);
}

std::optional<racoon_kernel_sa> read_sa(ByteView body) {
    Reader in(body);
    racoon_kernel_sa sa{};
    sa.struct_size = sizeof(sa);
    for (std::uint32_t* v : {&sa.direction, &sa.protocol, &sa.mode, &sa.spi, &sa.reqid, &sa.is_aead,
                             &sa.replay_window, &sa.flags, &sa.policy_id, &sa.esp_frag}) {
        *v = in.u32();
    }
    for (std::int64_t* v : {&sa.soft_ns, &sa.hard_ns}) *v = static_cast<std::int64_t>(in.u64());
    for (std::uint64_t* v : {&sa.soft_bytes, &sa.hard_bytes, &sa.sequence}) *v = in.u64();
    sa.src = read_addr(in);
    sa.dst = read_addr(in);
    sa.selector = read_selector(in);
    if (!read_alg(in, &sa.enc) || !read_alg(in, &sa.auth) || !whole(in)) return {};
    return sa;
}

void write_policy(Writer& out, const racoon_kernel_policy& p) {
    for (const std::uint32_t v :
         {p.id, p.direction, p.action, static_cast<std::uint32_t>(p.priority),
          std::min<std::uint32_t>(p.template_count, 4)}) {
        out.u32(v);
    }
    write_selector(out, p.selector);
    for (std::uint32_t i = 0; i < p.template_count && i < 4; ++i) {
        const racoon_kernel_template& t = p.templates[i];
        for (const std::uint32_t v : {t.protocol, t.mode, t.level, t.reqid}) out.u32(v);
        write_addr(out, t.local);
        write_addr(out, t.remote);
    }
}

std::optional<racoon_kernel_policy> read_policy(ByteView body) {
    Reader in(body);
    racoon_kernel_policy p{};
    p.struct_size = sizeof(p);
    p.id = in.u32();
    p.direction = in.u32();
    p.action = in.u32();
    p.priority = static_cast<std::int32_t>(in.u32());
    p.template_count = in.u32();
    p.selector = read_selector(in);
    if (p.template_count > 4) return {};
    for (std::uint32_t i = 0; i < p.template_count; ++i) {
        racoon_kernel_template& t = p.templates[i];
        for (std::uint32_t* v : {&t.protocol, &t.mode, &t.level, &t.reqid}) *v = in.u32();
        t.local = read_addr(in);
        t.remote = read_addr(in);
    }
    if (!whole(in)) return {};
    return p;
}

void write_name(Writer& out, const SaName& name) {
    write_addr(out, name.dst);
    out.u32(name.protocol);
    out.u32(name.spi);
}

std::optional<SaName> read_name(ByteView body) {
    Reader in(body);
    SaName name;
    name.dst = read_addr(in);
    name.protocol = in.u32();
    name.spi = in.u32();
    if (!whole(in)) return {};
    return name;
}

void write_move(Writer& out, const SaName& name, const racoon_addr& peer) {
    write_name(out, name);
    write_addr(out, peer);
}

std::optional<SaNewPeer> read_move(ByteView body) {
    Reader in(body);
    SaNewPeer move;
    move.name.dst = read_addr(in);
    move.name.protocol = in.u32();
    move.name.spi = in.u32();
    move.peer = read_addr(in);
    if (!whole(in)) return {};
    return move;
}

void write_settings(Writer& out, const PathSettings& s) {
    out.u32(s.device_mtu);
    out.u8(s.copy_df ? 1 : 0);
}

std::optional<PathSettings> read_settings(ByteView body) {
    Reader in(body);
    PathSettings s;
    s.device_mtu = in.u32();
    const std::uint8_t copy_df = in.u8();
    s.copy_df = copy_df == 1;
    if (!whole(in) || copy_df > 1 || s.device_mtu < 576 || s.device_mtu > 0xffff) return {};
    return s;
}

void write_facts(Writer& out, const SaFacts& f) {
    out.u32(f.state);
    out.u64(f.bytes);
    out.u64(f.packets);
    out.u64(static_cast<std::uint64_t>(f.idle_ns));
    out.u32(f.replay_window);
}

std::optional<SaFacts> read_facts(ByteView body) {
    Reader in(body);
    SaFacts f;
    f.state = in.u32();
    f.bytes = in.u64();
    f.packets = in.u64();
    f.idle_ns = static_cast<std::int64_t>(in.u64());
    f.replay_window = in.u32();
    if (!whole(in)) return {};
    return f;
}

void write_idle(Writer& out, std::int64_t idle_ns) {
    out.u64(static_cast<std::uint64_t>(idle_ns));
}

std::optional<std::int64_t> read_idle(ByteView body) {
    Reader in(body);
    const auto idle = static_cast<std::int64_t>(in.u64());
    if (!whole(in)) return {};
    return idle;
}

void write_event(Writer& out, const racoon_kernel_event& e) {
    for (const std::uint32_t v : {e.type, e.policy_id, e.protocol, e.spi}) out.u32(v);
    out.u64(e.acquire_token);
    write_addr(out, e.src);
    write_addr(out, e.dst);
}

std::optional<racoon_kernel_event> read_event(ByteView body) {
    Reader in(body);
    racoon_kernel_event e{};
    e.struct_size = sizeof(e);
    for (std::uint32_t* v : {&e.type, &e.policy_id, &e.protocol, &e.spi}) *v = in.u32();
    e.acquire_token = in.u64();
    e.src = read_addr(in);
    e.dst = read_addr(in);
    if (!whole(in)) return {};
    return e;
}

}  // namespace racoon::kernel_userspace
