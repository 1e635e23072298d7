#include "conformance.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "model.hpp"

namespace racoon::test {
namespace {

using kernel_sim::Model;

using SaFacts = std::tuple<std::string, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t,
                           std::uint32_t, std::uint32_t>;
SaFacts facts(const racoon_kernel_sa_info& i) {
    const std::size_t size = i.dst.family == 4 ? 4 : 16;
    const std::string ends = std::string(reinterpret_cast<const char*>(i.src.bytes), size) +
                             std::string(reinterpret_cast<const char*>(i.dst.bytes), size);
    return {ends, i.protocol, i.spi, i.state, i.direction, i.reqid, i.mode};
}

using PolicyFacts = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::int32_t,
                               std::uint32_t, std::string>;
PolicyFacts facts(const racoon_kernel_policy& p) {
    std::string selector(reinterpret_cast<const char*>(p.selector.local.bytes), 16);
    selector += std::string(reinterpret_cast<const char*>(p.selector.remote.bytes), 16);
    selector += std::to_string(p.selector.local_prefix) + "/" +
                std::to_string(p.selector.remote_prefix) + "/" +
                std::to_string(p.selector.protocol) + " " + std::to_string(p.mark.value) + "/" +
                std::to_string(p.mark.mask) + " " + std::to_string(p.if_id);
    return {p.id, p.direction, p.action, p.priority, p.template_count, selector};
}

template <typename T>
auto set_of(const std::vector<T>& all) {
    std::multiset<decltype(facts(all[0]))> out;
    for (const T& one : all) out.insert(facts(one));
    return out;
}

struct Run {
    FakeHost& host;
    bool virtual_clock;
    Model model;
    std::mt19937 random;
    std::vector<racoon_kernel_sa_id> known{};
    std::uint32_t next_policy = 1;
    std::string difference{};
    bool ah = false;  // the backend can do it
    bool comp = false;
    bool esn = false;
    bool udp = false;     // and gives an SA in UDP another port
    bool marker = false;  // in UDP on the IKE port, too
    bool marks = false;   // and if_id
    bool mixed = false;   // IPv4 in a tunnel of IPv6 with AH around it, and the contrary

    std::uint32_t draw_protocol() {
        if (comp && draw(6) == 0) return RACOON_IPPROTO_COMP;
        return ah && draw(3) == 0 ? RACOON_IPPROTO_AH : RACOON_IPPROTO_ESP;
    }

    std::uint32_t draw(std::uint32_t below) { return static_cast<std::uint32_t>(random()) % below; }
    std::int64_t now() { return host.now(); }

    void same(const char* what, racoon_status backend, racoon_status expected) {
        if (backend == expected || !difference.empty()) return;
        difference = std::string(what) + ": backend " + std::to_string(backend) + " (" +
                     host.error() + "), model " + std::to_string(expected);
    }

    std::pair<std::string, std::string> ends() {
        static const char* const pairs[][2] = {
            {"10.9.0.1", "10.9.0.2"}, {"10.9.0.1", "10.9.0.3"}, {"fd09::1", "fd09::2"}};
        const auto& p = pairs[draw(3)];
        return {p[0], p[1]};
    }

    void spi_get() {
        const auto [own, peer] = ends();
        racoon_kernel_spi_request request = spi_request(peer, own, draw(4) + 1);
        request.protocol = draw_protocol();
        std::uint32_t spi = 0;
        const racoon_status got = host.spi_get(request, &spi);
        racoon_kernel_spi_request exact = request;
        exact.min_spi = exact.max_spi = spi;  // the model follows the backend's choice
        std::uint32_t model_spi = 0;
        same("spi_get", got, model.spi_get(now(), exact, &model_spi));
        if (difference.empty() && spi < 0x100) difference = "spi_get gave " + std::to_string(spi);
        racoon_kernel_sa_id id{};
        id.struct_size = sizeof(id);
        id.protocol = request.protocol;
        id.spi = spi;
        id.src = request.src;
        id.dst = request.dst;
        known.push_back(id);
    }

    // Few values, so that policies that differ in nothing else meet.
    template <typename T>
    void draw_marks(T* to) {
        if (draw(2) == 0) to->mark = {draw(2) + 1, 3};
        to->if_id = draw(3);
    }

    racoon_kernel_sa random_sa(std::uint32_t direction) {
        const auto [own, peer] = ends();
        const bool out = direction == RACOON_DIR_OUT;
        racoon_kernel_sa sa =
            esp_sa(direction, out ? own : peer, out ? peer : own, 0x1000 + draw(6), draw(4) + 1,
                   static_cast<std::uint8_t>(draw(250) + 1));
        sa.soft_ns = virtual_clock && draw(2) == 0 ? 80'000'000'000 : 0;
        sa.hard_ns = virtual_clock && draw(2) == 0 ? 100'000'000'000 : 0;
        if (!out) sa.replay_window = 64;
        if (marks && draw(2) == 0) draw_marks(&sa);
        if (draw(3) == 0) sa.mode = RACOON_MODE_TRANSPORT;
        if (esn && draw(3) == 0) sa.flags |= RACOON_SA_ESN;
        if (udp && draw(3) == 0) {
            sa.flags |= RACOON_SA_UDP_ENCAP;
            sa.src.port = sa.dst.port = 4500;
            if (marker && draw(2) == 0) {
                sa.flags |= RACOON_SA_NON_IKE_MARKER;
                sa.src.port = sa.dst.port = 500;
            }
        }
        set_protocol(sa, draw_protocol());
        return sa;
    }

    static void set_protocol(racoon_kernel_sa& sa, std::uint32_t protocol) {
        sa.protocol = protocol;
        if (protocol != RACOON_IPPROTO_ESP) {
            sa.flags &= ~(RACOON_SA_UDP_ENCAP | RACOON_SA_NON_IKE_MARKER);
            sa.src.port = sa.dst.port = 0;
        }
        const racoon_kernel_sa whole = esp_sa(sa.direction, "10.9.0.1", "10.9.0.2", 1, 1, 7);
        sa.enc = protocol == RACOON_IPPROTO_AH ? racoon_kernel_alg{} : whole.enc;
        sa.auth = whole.auth;
        if (protocol != RACOON_IPPROTO_COMP) return;
        sa.enc = algorithm("deflate", "deflate", 0, 0, 0);
        sa.auth = {};
        sa.replay_window = 0;
        sa.flags = 0;
    }

    void sa_move() {
        const racoon_kernel_sa_id id = some_id();
        racoon_addr to = draw(2) == 0 ? id.src : id.dst;
        if (draw(4) == 0) to = address(ends().second);
        to.port = static_cast<std::uint16_t>(4500 + draw(3));
        racoon_kernel_sa_info info{};
        info.struct_size = sizeof(info);
        // One that is still to come has no ports, and no backend is asked for it.
        if (model.sa_query(now(), id, &info) == RACOON_OK && info.state == 0) return;
        same("sa_move", host.sa_move(id, to), model.sa_move(id, to));
    }

    // Of an acquire that never was: it does no harm. A backend whose packets are another process's does not know.
    void acquire_done() {
        const std::uint64_t token = 0x70000000 + draw(3);
        const racoon_status status = host.table().acquire_done(host.impl(), token, RACOON_TIMEOUT);
        if (status != RACOON_OK) same("acquire_done", status, model.acquire_done(token));
    }

    void sa_update() {
        racoon_kernel_sa sa = random_sa(RACOON_DIR_IN);
        if (!known.empty() && draw(4) != 0) {
            const racoon_kernel_sa_id& id = known[draw(static_cast<std::uint32_t>(known.size()))];
            sa.spi = id.spi;
            const std::uint16_t port = sa.src.port;
            sa.src = id.src;
            sa.dst = id.dst;
            sa.src.port = sa.dst.port = port;
            set_protocol(sa, id.protocol);
        }
        same("sa_update", host.sa_update(sa), model.sa_update(now(), sa));
        known.push_back(id_of(sa));
    }

    void sa_add() {
        racoon_kernel_sa sa = random_sa(RACOON_DIR_OUT);
        if (draw(10) == 0) sa.spi = 0;
        same("sa_add", host.sa_add(sa), model.sa_add(now(), sa));
        if (sa.spi != 0) known.push_back(id_of(sa));
    }

    racoon_kernel_sa_id some_id() {
        if (known.empty() || draw(8) == 0) return id_of(random_sa(RACOON_DIR_OUT));
        return known[draw(static_cast<std::uint32_t>(known.size()))];
    }

    void sa_delete() {
        const racoon_kernel_sa_id id = some_id();
        same("sa_delete", host.sa_delete(id), model.sa_delete(id));
    }

    void sa_query() {
        const racoon_kernel_sa_id id = some_id();
        racoon_kernel_sa_info a{};
        racoon_kernel_sa_info b{};
        b.struct_size = sizeof(b);
        const racoon_status expected = model.sa_query(now(), id, &b);
        same("sa_query", host.sa_query(id, &a), expected);
        if (expected == RACOON_OK && difference.empty() && facts(a) != facts(b)) {
            difference = "sa_query of SPI " + std::to_string(id.spi) + ": state " +
                         std::to_string(a.state) + ", model " + std::to_string(b.state);
        }
    }

    racoon_kernel_policy some_policy(std::uint32_t id) {
        static const char* const nets[] = {"192.168.1.0/24", "192.168.2.0/24", "192.168.0.0/16"};
        static const char* const nets6[] = {"fd01::/64", "fd02::/64"};
        const bool six = draw(4) == 0;
        const std::string local = six ? nets6[draw(2)] : nets[draw(3)];
        const std::string remote = six ? nets6[draw(2)] : nets[draw(3)];
        racoon_kernel_policy p =
            esp_policy(id, draw(3) + 1, selector(local, remote), six ? "fd09::1" : "10.9.0.1",
                       six ? "fd09::2" : "10.9.0.2", draw(4) + 1);
        p.priority = static_cast<std::int32_t>(draw(5)) - 2;
        p.action = draw(6) == 0 ? RACOON_POLICY_DISCARD : RACOON_POLICY_IPSEC;
        if (p.action != RACOON_POLICY_IPSEC) p.template_count = 0;
        if (draw(20) == 0) p.selector.local_prefix = 200;
        if (marks && draw(2) == 0) draw_marks(&p);
        if (p.template_count == 1 && ah) make_bundle(p);
        return p;
    }
    // ESP alone, AH alone, or the one in the other.
    void make_bundle(racoon_kernel_policy& p) {
        p.templates[0].protocol = draw_protocol();
        // A tunnel of IPComp with nothing around it is not for every backend.
        const bool bare = p.templates[0].protocol != RACOON_IPPROTO_COMP;
        if (bare && draw(3) != 0) return;
        p.templates[1] = p.templates[0];
        p.templates[1].protocol =
            p.templates[0].protocol == RACOON_IPPROTO_AH ? RACOON_IPPROTO_ESP : RACOON_IPPROTO_AH;
        p.templates[1].mode = RACOON_MODE_TRANSPORT;
        p.templates[1].local = p.templates[1].remote = {};
        p.template_count = 2;
    }
    std::uint32_t policy_id() {
        return draw(8) == 0 && next_policy > 1 ? next_policy - 1 : next_policy++;
    }

    void policy_add() {
        const racoon_kernel_policy p = some_policy(policy_id());
        same("policy_add", host.policy_add(p), model.policy_add(p));
    }

    void policy_update() {
        const std::vector<racoon_kernel_policy> all = model.policy_dump();
        racoon_kernel_policy p = some_policy(policy_id());
        std::uint32_t old_id = draw(next_policy + 1);
        if (!all.empty() && draw(4) != 0) {  // mostly one that is there, for the same traffic
            const racoon_kernel_policy& old = all[draw(static_cast<std::uint32_t>(all.size()))];
            old_id = old.id;
            p.direction = old.direction;
            p.selector = old.selector;
            p.mark = old.mark;
            p.if_id = old.if_id;
            const std::uint8_t family = p.templates[0].local.family;
            if (p.template_count == 2 && !mixed && family != p.selector.local.family) {
                p.template_count = 1;
            }
            if (draw(4) == 0) p.id = old_id;
        }
        same("policy_update", host.policy_update(old_id, p), model.policy_update(old_id, p));
    }

    void policy_delete() {
        const std::uint32_t id = draw(next_policy + 1);
        same("policy_delete", host.policy_delete(id), model.policy_delete(id));
    }

    void compare() {
        model.advance(now());
        if (set_of(host.sa_dump()) != set_of(model.sa_dump(now()))) {
            difference = "sa_dump: backend " + std::to_string(host.sa_dump().size()) +
                         " SAs, model " + std::to_string(model.sa_count()) +
                         ", or their facts differ";
        }
        if (set_of(host.policy_dump()) != set_of(model.policy_dump())) {
            difference = "policy_dump: backend " + std::to_string(host.policy_dump().size()) +
                         " policies, model " + std::to_string(model.policy_count());
        }
    }

    void step() {
        switch (draw(virtual_clock ? 14 : 13)) {
            case 0:
            case 1:
                return spi_get();
            case 2:
            case 3:
                return sa_update();
            case 4:
                return sa_add();
            case 5:
                return sa_delete();
            case 6:
                return sa_query();
            case 7:
                return policy_add();
            case 8:
                return policy_delete();
            case 9:
                return compare();
            case 10:
                return policy_update();
            case 11:
                return udp ? sa_move() : sa_query();
            case 12:
                return acquire_done();
            default:
                host.advance(std::chrono::seconds(draw(40)));
                model.advance(now());
        }
    }
};

}  // namespace

static Suite suite_in_use = Suite::Sha256;
void use_suite(Suite suite) {
    suite_in_use = suite;
}

racoon_addr address(const std::string& text, std::uint16_t port) {
    racoon_addr a{};
    a.port = port;
    if (::inet_pton(AF_INET, text.c_str(), a.bytes) == 1) a.family = 4;
    if (a.family == 0 && ::inet_pton(AF_INET6, text.c_str(), a.bytes) == 1) a.family = 6;
    return a;
}

racoon_selector selector(const std::string& local, const std::string& remote,
                         std::uint8_t protocol) {
    racoon_selector s{};
    const auto split = [](const std::string& text, racoon_addr* net) {
        const std::size_t slash = text.find('/');
        *net = address(text.substr(0, slash));
        if (slash == std::string::npos)
            return static_cast<std::uint8_t>(net->family == 4 ? 32 : 128);
        return static_cast<std::uint8_t>(std::atoi(text.c_str() + slash + 1));
    };
    s.local_prefix = split(local, &s.local);
    s.remote_prefix = split(remote, &s.remote);
    s.protocol = protocol;
    return s;
}

racoon_kernel_alg algorithm(const char* name, const char* xfrm_name, std::uint32_t key_bytes,
                            std::uint32_t icv_bits, std::uint8_t fill) {
    racoon_kernel_alg a{};
    std::strncpy(a.name, name, sizeof(a.name) - 1);
    std::strncpy(a.xfrm_name, xfrm_name, sizeof(a.xfrm_name) - 1);
    a.key_size = key_bytes;
    a.icv_bits = icv_bits;
    static const std::map<std::string, std::uint32_t> pfkey = {
        {"cbc(aes)", 12},         {"cbc(des3_ede)", 3},
        {"ecb(cipher_null)", 11}, {"rfc4106(gcm(aes))", 20},
        {"hmac(md5)", 2},         {"hmac(sha1)", 3},
        {"hmac(sha256)", 5},      {"hmac(sha384)", 6},
        {"hmac(sha512)", 7},      {"deflate", 2}};
    const auto number = pfkey.find(xfrm_name);
    if (number != pfkey.end()) a.pfkey_id = number->second;
    if (a.name[0] == '\0') std::strncpy(a.name, xfrm_name, sizeof(a.name) - 1);
    for (std::uint32_t i = 0; i < key_bytes; ++i) a.key[i] = static_cast<std::uint8_t>(fill + i);
    return a;
}

racoon_kernel_sa esp_sa(std::uint32_t direction, const std::string& src, const std::string& dst,
                        std::uint32_t spi, std::uint32_t reqid, std::uint8_t key) {
    racoon_kernel_sa sa{};
    sa.struct_size = sizeof(sa);
    sa.direction = direction;
    sa.protocol = RACOON_IPPROTO_ESP;
    sa.mode = RACOON_MODE_TUNNEL;
    sa.spi = spi;
    sa.reqid = reqid;
    sa.src = address(src);
    sa.dst = address(dst);
    sa.enc = algorithm("aes", "cbc(aes)", 16, 0, key);
    const auto fill = static_cast<std::uint8_t>(key + 1);
    sa.auth = suite_in_use == Suite::Sha256
                  ? algorithm("hmac_sha256", "hmac(sha256)", 32, 128, fill)
                  : algorithm("hmac_sha1", "hmac(sha1)", 20, 96, fill);
    return sa;
}

racoon_kernel_policy esp_policy(std::uint32_t id, std::uint32_t direction,
                                const racoon_selector& selector, const std::string& local_end,
                                const std::string& remote_end, std::uint32_t reqid) {
    racoon_kernel_policy p{};
    p.struct_size = sizeof(p);
    p.id = id;
    p.direction = direction;
    p.action = RACOON_POLICY_IPSEC;
    p.selector = selector;
    p.template_count = 1;
    p.templates[0].protocol = RACOON_IPPROTO_ESP;
    p.templates[0].mode = RACOON_MODE_TUNNEL;
    p.templates[0].level = RACOON_LEVEL_REQUIRE;
    p.templates[0].reqid = reqid;
    p.templates[0].local = address(local_end);
    p.templates[0].remote = address(remote_end);
    return p;
}

racoon_kernel_sa_id id_of(const racoon_kernel_sa& sa) {
    racoon_kernel_sa_id id{};
    id.struct_size = sizeof(id);
    id.protocol = sa.protocol;
    id.spi = sa.spi;
    id.src = sa.src;
    id.dst = sa.dst;
    return id;
}

racoon_kernel_spi_request spi_request(const std::string& peer, const std::string& own,
                                      std::uint32_t reqid) {
    racoon_kernel_spi_request r{};
    r.struct_size = sizeof(r);
    r.protocol = RACOON_IPPROTO_ESP;
    r.mode = RACOON_MODE_TUNNEL;
    r.reqid = reqid;
    r.src = address(peer);
    r.dst = address(own);
    return r;
}

std::string conformance(FakeHost& host, bool virtual_clock, std::uint32_t seed, int steps) {
    Run run{host, virtual_clock, Model(seed), std::mt19937(seed)};
    racoon_kernel_caps caps{};
    caps.struct_size = sizeof(caps);
    host.table().capabilities(host.impl(), &caps);
    run.ah = (caps.flags & RACOON_CAP_AH) != 0;
    run.comp = (caps.flags & RACOON_CAP_IPCOMP) != 0;
    run.esn = (caps.flags & RACOON_CAP_ESN) != 0;
    run.udp = (caps.flags & RACOON_CAP_UDP_ENCAP) != 0;
    run.marker = (caps.flags & RACOON_CAP_NON_IKE_MARKER) != 0;
    run.marks = (caps.flags & RACOON_CAP_MARK) != 0 && (caps.flags & RACOON_CAP_IF_ID) != 0;
    // Linux takes a rule in transport mode to be of the selector's family in PF_KEY, which has no AEAD.
    run.mixed = (caps.flags & RACOON_CAP_AEAD) != 0;
    for (int i = 0; i < steps && run.difference.empty(); ++i) {
        run.step();
        if (!run.difference.empty()) {
            return "seed " + std::to_string(seed) + ", step " + std::to_string(i) + ": " +
                   run.difference;
        }
    }
    run.compare();
    return run.difference.empty() ? ""
                                  : "seed " + std::to_string(seed) + ", end: " + run.difference;
}

}  // namespace racoon::test
