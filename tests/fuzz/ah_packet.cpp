// fuzz: racoon_userspace_data racoon_userspace_protocol
// Packets with AH or IPComp from the wire, and packets that go through bundles of all from one data path to
// another: what is sent is what arrives. A part of the inputs is sealed first, so that what lies behind the
// ICV is reached, too.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <racoon/kernel_backend.hpp>

#include "ah_header.hpp"
#include "data_path.hpp"
#include "fragment.hpp"

namespace {

using namespace racoon::kernel_userspace;

racoon_kernel_alg algorithm(const char* name, std::uint32_t key, std::uint32_t icv) {
    racoon_kernel_alg a{};
    std::strncpy(a.xfrm_name, name, sizeof(a.xfrm_name) - 1);
    a.key_size = key;
    a.icv_bits = icv;
    return a;
}

racoon_addr address(bool v6, std::uint8_t last) {
    racoon_addr a{};
    a.family = v6 ? 6 : 4;
    a.bytes[0] = v6 ? 0xfd : 10;
    a.bytes[v6 ? 15 : 3] = last;
    return a;
}

// Rules of a policy, innermost first.
struct Form {
    std::uint32_t protocol[2];
    std::uint32_t mode[2];
    std::uint32_t rules;
};
constexpr std::uint32_t kE = RACOON_IPPROTO_ESP, kA = RACOON_IPPROTO_AH, kC = RACOON_IPPROTO_COMP;
constexpr std::uint32_t kTr = RACOON_MODE_TRANSPORT, kTu = RACOON_MODE_TUNNEL;
constexpr Form kForms[] = {
    {{kA, 0}, {kTr, 0}, 1},    {{kA, 0}, {kTu, 0}, 1},    {{kE, kA}, {kTr, kTr}, 2},
    {{kE, kA}, {kTu, kTr}, 2}, {{kA, kE}, {kTr, kTr}, 2}, {{kA, kE}, {kTr, kTu}, 2},
    {{kA, kE}, {kTu, kTr}, 2}, {{kA, kA}, {kTr, kTu}, 2}, {{kC, 0}, {kTr, 0}, 1},
    {{kC, kE}, {kTr, kTr}, 2}, {{kC, kE}, {kTu, kTr}, 2}, {{kC, kA}, {kTr, kTr}, 2},
    {{kC, kA}, {kTu, kTr}, 2}};
constexpr std::size_t kFormCount = sizeof(kForms) / sizeof(kForms[0]);

struct World {
    bool v6 = false;
    bool esn = false;
    Form form{};

    racoon_kernel_sa sa(std::uint32_t rule, std::uint32_t direction) const {
        racoon_kernel_sa s{};
        s.struct_size = sizeof(s);
        s.direction = direction;
        s.protocol = form.protocol[rule];
        s.mode = form.mode[rule];
        s.spi = 0x100 + rule;
        s.reqid = 1;
        s.src = address(v6, 1);
        s.dst = address(v6, 2);
        s.replay_window = 64;
        s.flags = esn ? RACOON_SA_ESN : 0;
        s.auth = v6 ? algorithm("hmac(sha256)", 32, 128) : algorithm("xcbc(aes)", 16, 96);
        if (s.protocol == kE) s.enc = algorithm("cbc(aes)", 16, 0);
        if (s.protocol == kC) {
            s.enc = algorithm("deflate", 0, 0);
            s.auth = {};
        }
        return s;
    }
    // Everything that IPv4 or IPv6 has, from host 1 to host 2.
    void install(DataPath& path, std::uint32_t direction) const {
        racoon_kernel_policy p{};
        p.struct_size = sizeof(p);
        p.id = 1;
        p.direction = direction;
        p.action = RACOON_POLICY_IPSEC;
        p.selector.local = p.selector.remote = address(v6, 0);
        p.template_count = form.rules;
        const bool out = direction == RACOON_DIR_OUT;
        for (std::uint32_t i = 0; i < form.rules; ++i) {
            racoon_kernel_template& t = p.templates[i];
            t.protocol = form.protocol[i];
            t.mode = form.mode[i];
            t.level = RACOON_LEVEL_REQUIRE;
            t.reqid = 1;
            if (t.mode == kTu) {
                t.local = address(v6, out ? 1 : 2);
                t.remote = address(v6, out ? 2 : 1);
            }
            Writer one = begin_frame(Message::SaSet, 1);
            write_sa(one, sa(i, direction));
            path.command(one.view(), 0);
        }
        Writer policy = begin_frame(Message::PolicySet, 1);
        write_policy(policy, p);
        path.command(policy.view(), 0);
    }
};

struct Sink final : Output {
    std::vector<Bytes> tun;
    std::vector<Bytes> wire;
    Bytes room;
    void to_tun(ByteView packet, const Flow&) override {
        const auto flow = parse_packet(packet);
        if (!flow || flow->size != packet.size()) std::abort();
        tun.emplace_back(packet.begin(), packet.end());
    }
    std::span<std::uint8_t> wire_room(std::size_t size) override {
        room.resize(size);
        return room;
    }
    void to_wire(const Outer& outer, ByteView packet) override {
        const auto flow = parse_packet(packet);
        if (!outer.whole || !flow || flow->size != packet.size()) std::abort();
        wire.emplace_back(packet.begin(), packet.end());
    }
    void to_keeper(ByteView frame) override {
        if (!parse_frame(frame)) std::abort();
    }
};

// False: it is in the clear, as what does not get smaller with IPComp alone.
bool arrive(DataPath& path, Bytes packet) {
    const auto flow = parse_packet(packet);
    if (!flow) std::abort();
    if (flow->protocol == kProtoAh || flow->protocol == kProtoComp) {
        path.from_wire_packet(packet, 1);
        return true;
    }
    if (flow->protocol != kProtoEsp) return false;
    Outer outer;
    outer.src = flow->source;
    outer.dst = flow->destination;
    outer.traffic_class = flow->traffic_class;
    outer.hop_limit = flow->hop_limit;
    outer.id = static_cast<std::uint16_t>(flow->fragment_id);
    path.from_wire(outer, std::span(packet).subspan(flow->header), 1);
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 3) return 0;
    const ByteView input(data + 2, size - 2);
    World world;
    world.v6 = input[0] >> 4 == 6;
    world.esn = (data[0] & 4) != 0;
    world.form = kForms[data[1] % kFormCount];
    Sink sink;
    DataPath receiver(sink);
    world.install(receiver, RACOON_DIR_IN);
    const auto flow = parse_packet(input);
    if (data[0] % 4 == 0) {  // as it is
        Bytes copy(input.begin(), input.end());
        receiver.from_wire_packet(copy, 1);
    } else if (data[0] % 4 == 1) {  // under the first rule's AH
        std::string error;
        const auto ah = AhSa::make(world.sa(0, RACOON_DIR_OUT), &error);
        const auto at = flow ? place_for_ah(input.first(flow->size), *flow) : std::nullopt;
        if (!ah || !at || *at + ah->size() > flow->size) return 0;
        Bytes packet(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(flow->size));
        set_next(packet, *at, kProtoAh);
        if (ah->seal(packet, *at, data[1]) != Sealed::Done) return 0;
        const Bytes again = packet;
        AhSa::Header header;
        const auto reader = AhSa::make(world.sa(0, RACOON_DIR_IN), &error);
        if (reader->open(packet, *at, &header) != Opened::Packet) std::abort();
        if (reader->open(packet, *at, &header) != Opened::Replayed) std::abort();
        receiver.from_wire_packet(packet, 1);
        const std::size_t delivered = sink.tun.size();
        packet = again;
        receiver.from_wire_packet(packet, 1);
        if (sink.tun.size() != delivered) std::abort();
    } else {  // through the whole bundle
        Sink theirs;
        DataPath sender(theirs);
        world.install(sender, RACOON_DIR_OUT);
        sender.from_tun(input, 1);
        bool arrived = !theirs.wire.empty();
        for (const Bytes& packet : theirs.wire) arrived = arrive(receiver, packet) && arrived;
        // Between the two hosts, and nothing that itself is for the SAs or a dummy: it must be there again.
        const bool ends = flow && racoon::sdk::same_address(flow->source, address(world.v6, 1)) &&
                          racoon::sdk::same_address(flow->destination, address(world.v6, 2));
        const bool ours = flow && (flow->protocol == kProtoEsp || flow->protocol == kProtoAh ||
                                   flow->protocol == kProtoComp || flow->protocol == kProtoIpv4 ||
                                   flow->protocol == kProtoIpv6 || flow->protocol == kProtoNone);
        if (arrived && ends && !ours && sink.tun.size() != 1) std::abort();
        if (sink.tun.size() == 1 && !ours && sink.tun[0].size() + kIpv6Header < flow->size)
            std::abort();
        for (const Bytes& packet : theirs.wire) {
            Bytes whole;
            Reassembly parts;
            split_packet(packet, 200 + data[1], 7, [&](ByteView piece) {
                const auto part = parse_packet(piece);
                if (!part || part->size != piece.size() || piece.size() > 200u + data[1])
                    std::abort();
                whole = parts.add(piece, *part, 1);
            });
        }
    }
    return 0;
}
