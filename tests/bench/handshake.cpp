// CPU time that a racoon daemon spends per handshake as responder, all its processes summed, beside the
// bare OpenSSL operations that a handshake needs, in the same run. Pre-shared key, main and quick mode.
//
//     bench_handshake [handshakes 600] [in flight 64] [group modp2048] [pfs group, - for none] [rounds 3]
//
// The daemon runs with kernel-sim, so no kernel time is in the figure. It must be a release build.
#include <openssl/evp.h>
#include <poll.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <sstream>
#include <vector>

#include "bench/daemon.hpp"
#include "conf/load.hpp"
#include "log/log.hpp"
#include "loop/event_loop.hpp"
#include "loop/work_pool.hpp"
#include "plugin/lifecycle.hpp"
#include "plugin/runtime.hpp"

namespace racoon::bench {
namespace {

constexpr std::uint16_t kPort = 15500;
constexpr const char* kPsk = "a key of thirty-two characters..";

struct Options {
    std::size_t handshakes = 600;
    std::size_t in_flight = 64;
    std::string group = "modp2048";
    std::string pfs = "-";
    std::size_t rounds = 3;
};

std::string peer_address(std::size_t i) {
    return "127.1." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1);
}
std::string peer_net(std::size_t i) {
    return "10." + std::to_string(i / 65536) + "." + std::to_string(i / 256 % 256) + "." +
           std::to_string(i % 256) + "/32";
}

std::string sections(const Options& o, const std::string& remote) {
    const std::string pfs = o.pfs == "-" ? "" : "pfs_group " + o.pfs + ";";
    return "timer { counter 5; interval 10 sec; }\n"
           "remote " +
           remote +
           " { exchange_mode main; proposal { encryption_algorithm aes 128;"
           " hash_algorithm sha256; authentication_method pre_shared_key; dh_group " +
           o.group +
           "; } }\n"
           "sainfo anonymous { " +
           pfs +
           " encryption_algorithm aes 128;"
           " authentication_algorithm hmac_sha256; compression_algorithm deflate; }\n";
}

std::string policy(const std::string& from, const std::string& to, const char* dir,
                   const std::string& a, const std::string& b) {
    return "spdadd " + from + " " + to + " any -P " + dir + " ipsec esp/tunnel/" + a + "-" + b +
           "/require;\n";
}

/// The responder's files; the text of its racoon.conf.
std::string responder(const fs::path& dir, const Options& o) {
    write_file(dir / "psk.txt", std::string("* ") + kPsk + "\n");
    std::string policies;
    for (std::size_t i = 0; i < o.handshakes; ++i) {
        policies += policy("192.168.0.0/16", peer_net(i), "out", "127.0.0.1", peer_address(i));
        policies += policy(peer_net(i), "192.168.0.0/16", "in", peer_address(i), "127.0.0.1");
    }
    write_file(dir / "policies.conf", policies);
    return daemon_preamble(dir, kPort) + sections(o, "anonymous");
}

std::uint64_t thread_cpu_ns() {
    timespec ts{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return static_cast<std::uint64_t>(ts.tv_sec) * 1'000'000'000u +
           static_cast<std::uint64_t>(ts.tv_nsec);
}

/// What a handshake cannot do without, per handshake in microseconds: a key pair and a shared secret
/// per group, and the hashes and blocks of its six plus three messages.
double floor_us(const conf::Catalog& catalog, const Options& o) {
    const auto dh_us = [&](const std::string& name) {
        const conf::GroupInfo* g = catalog.group(name);
        Bytes a(g->public_size), b(g->public_size), secret(g->secret_size);
        void* peer = nullptr;
        g->table->generate(g->impl, a.data(), &peer);
        const std::uint64_t start = thread_cpu_ns();
        constexpr int kRuns = 200;
        for (int i = 0; i < kRuns; ++i) {
            void* key = nullptr;
            g->table->generate(g->impl, b.data(), &key);
            g->table->compute(g->impl, key, {a.data(), a.size()}, secret.data());
            g->table->free(g->impl, key);
        }
        const double us = static_cast<double>(thread_cpu_ns() - start) / 1e3 / kRuns;
        g->table->free(g->impl, peer);
        return us;
    };
    double us = dh_us(o.group) + (o.pfs == "-" ? 0 : dh_us(o.pfs));
    const conf::HashInfo* hash = catalog.hash("sha256");
    const Bytes key(32, 1), text(200, 2);
    const racoon_span part{text.data(), text.size()};
    std::uint8_t out[RACOON_MAX_DIGEST];
    const std::uint64_t start = thread_cpu_ns();
    constexpr int kRuns = 2000;
    for (int i = 0; i < kRuns; ++i)
        hash->table->hmac(hash->impl, {key.data(), key.size()}, &part, 1, out);
    const double hmac_us = static_cast<double>(thread_cpu_ns() - start) / 1e3 / kRuns;
    // SKEYID, _d, _a, _e, HASH_I, HASH_R, HASH(1..3), IVs (3), KEYMAT (2 x 2): 16 in all.
    us += 16 * hmac_us;
    return us;
}

struct Round {
    double cpu_us = 0;  // per handshake
    double wall_s = 0;
    std::size_t failed = 0;
};

Round run(const Options& o, const conf::Catalog& catalog, const fs::path& dir) {
    fs::create_directories(dir);
    fs::permissions(dir, fs::perms::all);
    std::vector<std::unique_ptr<Initiator>> peers;
    for (std::size_t i = 0; i < o.handshakes; ++i) {
        const std::string text = sections(o, "127.0.0.1 [" + std::to_string(kPort) + "]");
        const std::string policies =
            policy(peer_net(i), "192.168.0.0/16", "out", peer_address(i), "127.0.0.1") +
            policy("192.168.0.0/16", peer_net(i), "in", "127.0.0.1", peer_address(i));
        conf::FileBundle bundle;
        bundle.files["/racoon.conf"] = "policy file \"/policies.conf\";\n" + text;
        bundle.files["/policies.conf"] = policies;
        bundle.globs["/racoon.conf"] = {"/racoon.conf"};
        bundle.globs["/policies.conf"] = {"/policies.conf"};
        conf::BundleFiles files(bundle);
        auto loaded = conf::load("/racoon.conf", files, catalog);
        if (!loaded.config) {
            for (const auto& d : loaded.diagnostics) std::fprintf(stderr, "%s\n", d.line().c_str());
            std::exit(1);
        }
        const Endpoint local{IpAddr::parse(peer_address(i)).value(), kPort};
        peers.push_back(std::make_unique<Initiator>(loaded.config, catalog, local, kPsk));
        peers.back()->engine().local_endpoints({local});
    }
    Daemon daemon(dir, responder(dir, o));
    const std::uint64_t cpu = daemon.cpu_ns();
    const TimePoint start = monotonic_now();
    std::size_t next = 0, done = 0, failed = 0;
    std::vector<std::size_t> active;
    while (done < o.handshakes) {
        while (next < o.handshakes && active.size() < o.in_flight) {
            Initiator& p = *peers[next];
            p.engine().establish_policy(
                p.config().policies.front().id, monotonic_now(), [&done, &failed](Status s) {
                    ++done;
                    if (!s) {
                        if (failed++ == 0) std::fprintf(stderr, "%s\n", s.error().text().c_str());
                    }
                });
            active.push_back(next++);
        }
        std::vector<pollfd> fds;
        for (const std::size_t i : active) fds.push_back({peers[i]->fd(), POLLIN, 0});
        std::size_t finished_before = done;
        for (const std::size_t i : active) peers[i]->pump();
        if (done == finished_before) ::poll(fds.data(), fds.size(), 5);
        std::erase_if(active, [&](std::size_t i) {
            for (const auto& s : peers[i]->engine().phase2_status(monotonic_now()))
                if (s.established) return true;
            return false;
        });
        if (monotonic_now() - start > std::chrono::seconds(120)) break;
    }
    // The last quick mode messages are still on their way to the daemon.
    ::usleep(300'000);
    Round r;
    r.cpu_us = static_cast<double>(daemon.cpu_ns() - cpu) / 1e3 / static_cast<double>(o.handshakes);
    r.wall_s = std::chrono::duration<double>(monotonic_now() - start).count();
    r.failed = failed + (o.handshakes - done);
    return r;
}

int main_(int argc, char** argv) {
    Options o;
    if (argc > 1) o.handshakes = std::stoul(argv[1]);
    if (argc > 2) o.in_flight = std::stoul(argv[2]);
    if (argc > 3) o.group = argv[3];
    if (argc > 4) o.pfs = argv[4];
    if (argc > 5) o.rounds = std::stoul(argv[5]);
    log::set_level(log::Level::Error);

    auto loop = loop::EventLoop::make();
    must(loop.has_value(), "event loop");
    loop::WorkPool workers(**loop, 1, 16);
    auto runtime = plugin::make_loop_runtime(**loop, workers);
    plugin::PluginHost host(*runtime, plugin::Zone::Engine, RACOON_BUILD_DIR "/lib/racoon/modules");
    std::vector<conf::ModuleBlock> blocks(2);
    blocks[0].name = "crypto-openssl";
    blocks[1].name = "auth-psk";
    if (const auto loaded = host.load(blocks); !loaded) {
        std::fprintf(stderr, "%s\n", loaded.error().text().c_str());
        return 1;
    }
    const fs::path dir = fs::temp_directory_path() / ("racoon-bench-" + std::to_string(::getpid()));
    std::printf("%zu handshakes, %zu in flight, %s, PFS %s\n", o.handshakes, o.in_flight,
                o.group.c_str(), o.pfs.c_str());
    std::vector<double> ratios;
    bool all = true;
    for (std::size_t i = 0; i < o.rounds; ++i) {
        const double floor = floor_us(host.registry(), o);
        const Round r = run(o, host.registry(), dir / std::to_string(i));
        ratios.push_back(r.cpu_us / floor);
        all = all && r.failed == 0;
        std::printf(
            "  responder CPU %7.1f us each   bare operations %7.1f us   ratio %.3f   wall %.2f s   failed %zu\n",
            r.cpu_us, floor, ratios.back(), r.wall_s, r.failed);
    }
    std::sort(ratios.begin(), ratios.end());
    std::printf("ratio, median of %zu: %.3f\n", ratios.size(), ratios[ratios.size() / 2]);
    fs::remove_all(dir);
    return all ? 0 : 1;
}

}  // namespace
}  // namespace racoon::bench

int main(int argc, char** argv) {
    return racoon::bench::main_(argc, argv);
}
