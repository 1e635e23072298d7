// fuzz: racoon_userspace_data racoon_userspace_protocol
// Packets from the wire and from the TUN device against a data path with SAs and policies in it. A part
// of the inputs is sealed first, so that what lies behind the ICV is reached, too.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "data_path.hpp"
#include "tun.hpp"

namespace {

using namespace racoon::kernel_userspace;

racoon_kernel_alg algorithm(const char* name, std::uint32_t key, std::uint32_t icv) {
    racoon_kernel_alg a{};
    std::strncpy(a.xfrm_name, name, sizeof(a.xfrm_name) - 1);
    a.key_size = key;
    a.icv_bits = icv;
    return a;
}

racoon_addr address(std::uint8_t last) {
    racoon_addr a{};
    a.family = 4;
    a.bytes[0] = 10;
    a.bytes[3] = last;
    return a;
}

// Each as a tunnel with plain numbers, one with ESN, and in transport mode with ESN.
constexpr std::uint32_t kSuites = 6;
constexpr std::uint32_t kSas = 3 * kSuites;

racoon_kernel_sa sa(std::uint32_t direction, std::uint32_t spi) {
    racoon_kernel_sa s{};
    s.struct_size = sizeof(s);
    s.direction = direction;
    s.protocol = RACOON_IPPROTO_ESP;
    s.mode = RACOON_MODE_TUNNEL;
    s.spi = spi;
    s.reqid = 1;
    s.src = address(direction == RACOON_DIR_OUT ? 1 : 2);
    s.dst = address(direction == RACOON_DIR_OUT ? 2 : 1);
    s.replay_window = 64;
    switch (spi % kSuites) {
        case 0:
            s.enc = algorithm("ecb(cipher_null)", 0, 0);
            s.auth = algorithm("hmac(sha256)", 32, 128);
            break;
        case 1:
            s.is_aead = 1;
            s.enc = algorithm("rfc4106(gcm(aes))", 20, 128);
            break;
        case 2:
            s.is_aead = 1;
            s.enc = algorithm("rfc4106(gcm(aes))", 36, 64);
            break;
        case 3:
            s.is_aead = 1;
            s.enc = algorithm("rfc4543(gcm(aes))", 28, 128);
            break;
        case 4:
            s.enc = algorithm("rfc3686(ctr(aes))", 20, 0);
            s.auth = algorithm("xcbc(aes)", 16, 96);
            break;
        default:
            s.enc = algorithm("cbc(camellia)", 24, 0);
            s.auth = algorithm("hmac(sha1)", 20, 96);
            break;
    }
    if (spi > kSuites) s.flags = RACOON_SA_ESN;
    if (spi > 2 * kSuites) s.mode = RACOON_MODE_TRANSPORT;
    return s;
}

struct Sink final : Output {
    std::size_t delivered = 0;
    void to_tun(ByteView packet, const Flow&) override {
        // What is delivered must be a whole packet from and to the nets of the policy.
        const auto flow = parse_packet(packet);
        if (!flow || flow->size != packet.size()) std::abort();
        const bool nets = flow->source.bytes[0] == 192 && flow->destination.bytes[0] == 192;
        const bool hosts = flow->source.bytes[3] == 2 && flow->destination.bytes[3] == 1 &&
                           flow->source.bytes[0] == 10 && flow->destination.bytes[0] == 10;
        if (!nets && !hosts) std::abort();
        ++delivered;
    }
    Bytes room;
    std::span<std::uint8_t> wire_room(std::size_t size) override {
        room.resize(size);
        return room;
    }
    void to_wire(const Outer&, ByteView esp) override {
        if (esp.size() < 10 || esp.size() % 4 != 0) std::abort();
    }
    void to_keeper(ByteView frame) override {
        if (!parse_frame(frame)) std::abort();
    }
};

// One packet twice is never one packet.
struct Whole final : Coalescer::Sink {
    std::size_t seen = 0;
    std::size_t expected = 0;
    void write(const VnetHeader&, ByteView packet) override { seen += packet.size(); }
};

void install(DataPath& path, std::uint32_t outbound) {
    for (std::uint32_t spi = 1; spi <= kSas; ++spi) {
        Writer out = begin_frame(Message::SaSet, spi);
        write_sa(out, sa(RACOON_DIR_IN, spi));
        path.command(out.view(), 0);
    }
    Writer sending = begin_frame(Message::SaSet, 100);
    write_sa(sending, sa(RACOON_DIR_OUT, outbound));
    path.command(sending.view(), 0);
    for (std::uint32_t id = 0; id < 4; ++id) {
        const std::uint32_t direction = id % 2 == 0 ? RACOON_DIR_IN : RACOON_DIR_OUT;
        const bool transport = id >= 2;
        racoon_kernel_policy p{};
        p.struct_size = sizeof(p);
        p.id = id + 1;
        p.direction = direction;
        p.action = RACOON_POLICY_IPSEC;
        p.selector.local = p.selector.remote = address(0);
        if (!transport) p.selector.local.bytes[0] = p.selector.remote.bytes[0] = 192;
        p.selector.local_prefix = p.selector.remote_prefix = 8;
        p.template_count = 1;
        p.templates[0] = {RACOON_IPPROTO_ESP, RACOON_MODE_TUNNEL, RACOON_LEVEL_REQUIRE, 1,
                          address(1),         address(2)};
        if (transport) {
            p.templates[0].mode = RACOON_MODE_TRANSPORT;
            p.templates[0].local = p.templates[0].remote = {};
        }
        Writer out = begin_frame(Message::PolicySet, 10 + id);
        write_policy(out, p);
        path.command(out.view(), 0);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    Sink sink;
    DataPath path(sink);
    const std::uint8_t how = data[0];
    install(path, 1 + how / 3 % kSas);
    const ByteView input(data + 1, size - 1);
    Outer outer;
    outer.src = address(2);
    outer.dst = address(1);
    outer.traffic_class = data[1];
    if (how % 3 == 0) {
        path.from_tun(input, 1);
        // The same as a read of the device gives it, and as what came out of a tunnel.
        VnetHeader header;
        Bytes copy(input.begin(), input.end());
        std::memcpy(&header, copy.data(), std::min(copy.size(), sizeof(header)));
        Tun::take(header, copy, path, 1);
        Whole whole;
        Coalescer coalescer(whole);
        for (int i = 0; i < 2; ++i) {
            if (const auto flow = parse_packet(input)) {
                coalescer.add(input.first(flow->size), *flow);
                whole.expected += flow->size;
            }
        }
        coalescer.flush();
        if (whole.seen != whole.expected) std::abort();
    } else if (how % 3 == 1) {
        Bytes copy(input.begin(), input.end());
        path.from_wire(outer, copy, 1);
    } else {
        std::string error;
        const std::uint32_t spi = 1 + how / 3 % kSas;
        const auto peer = EspSa::make(sa(RACOON_DIR_OUT, spi), &error);
        Bytes sealed;
        const std::uint8_t next = spi > 2 * kSuites ? data[1] : how % 2 == 0 ? 4 : 41;
        if (!peer || !peer->seal(input, next, &sealed)) std::abort();
        Bytes again = sealed;
        path.from_wire(outer, sealed, 1);
        const std::size_t before = sink.delivered;
        path.from_wire(outer, again, 1);
        if (sink.delivered != before) std::abort();  // replayed
        if (path.drops().replayed == 0) std::abort();
    }
    return 0;
}
