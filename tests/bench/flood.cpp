// What a flood of first messages does to a responder, and to the peers that are honest.
//
//     bench_flood engine [main|aggressive|base] [messages 1200000]
//         An engine alone, in virtual time, 20,000 messages a second from 65,536 sources: what its tables
//         hold, what a message costs, bytes out over bytes in, memory.
//     bench_flood daemon [main|aggressive|one] [seconds 20] [a second 20000] [honest 50]
//         The daemon in a network namespace of its own, on its loopback alone: one sender with forged
//         sources (20.0.0.0/16; `one`: a single one, 5,000 messages in all), peers that are configured by
//         their address and negotiate both phases anew every 10 s with R-U-THERE every 2 s, and newcomers
//         for whom there is only `remote anonymous`. Needs root. A release build.
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>

#include "bench/daemon.hpp"
#include "conf/load.hpp"
#include "isakmp/identity.hpp"
#include "isakmp/message_builder.hpp"
#include "isakmp/proposal.hpp"
#include "log/log.hpp"
#include "loop/event_loop.hpp"
#include "loop/work_pool.hpp"
#include "plugin/lifecycle.hpp"
#include "plugin/runtime.hpp"

namespace racoon::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kPort = 15500;
constexpr const char* kPsk = "a key of thirty-two characters..";

std::string remote(const std::string& whom, const std::string& more) {
    return "remote " + whom + " { " + more +
           " proposal { encryption_algorithm aes 128; hash_algorithm sha256;"
           " authentication_method pre_shared_key; dh_group modp2048; } }\n";
}
constexpr const char* kSainfo =
    "sainfo anonymous { encryption_algorithm aes 128; authentication_algorithm hmac_sha256;"
    " compression_algorithm deflate; }\n";

std::string honest_address(std::size_t i) {
    return "127.1.0." + std::to_string(i + 1);
}
std::string honest_net(std::size_t i) {
    return "10.0." + std::to_string(i) + ".0/24";
}
std::string policy(const std::string& from, const std::string& to, const char* dir,
                   const std::string& a, const std::string& b) {
    return "spdadd " + from + " " + to + " any -P " + dir + " ipsec esp/tunnel/" + a + "-" + b +
           "/require;\n";
}

/// A sound first message; the initiator's cookie is its first eight bytes.
Bytes first_message(isakmp::ExchangeType exchange, std::mt19937_64& rng) {
    isakmp::Phase1Transform t;
    t.encryption = isakmp::Encryption::AesCbc;
    t.key_length = 128;
    t.hash = isakmp::HashAlgorithm::Sha2_256;
    t.auth_method = isakmp::AuthMethod::PreSharedKey;
    t.group = isakmp::DhGroup::Modp2048;
    t.life.seconds = 28800;
    isakmp::Header h;
    h.cookies.initiator.bytes[0] = 1;
    h.exchange = isakmp::number(exchange);
    isakmp::MessageBuilder b(h);
    b.add(isakmp::PayloadType::SecurityAssociation, isakmp::build_phase1_sa({&t, 1}));
    Bytes random(256 + 16);
    for (auto& x : random) x = static_cast<std::uint8_t>(rng());
    random[0] &= 0x7f;  // below the prime
    if (exchange == isakmp::ExchangeType::Aggressive)
        b.add(isakmp::PayloadType::KeyExchange, ByteView(random).first(256));
    if (exchange != isakmp::ExchangeType::IdentityProtection) {
        b.add(isakmp::PayloadType::Nonce, ByteView(random).last(16));
        b.add(isakmp::PayloadType::Identification,
              isakmp::Identity::address(*IpAddr::parse("20.0.0.1"), 17, 500).body());
    }
    return *b.finish();
}
void set_cookie(Bytes& message, std::uint64_t n) {
    for (std::size_t i = 0; i < 8; ++i) message[i] = static_cast<std::uint8_t>(n >> (8 * i));
}
isakmp::ExchangeType exchange_of(const std::string& kind) {
    return kind == "aggressive" ? isakmp::ExchangeType::Aggressive
           : kind == "base"     ? isakmp::ExchangeType::Base
                                : isakmp::ExchangeType::IdentityProtection;
}

conf::ConfigPtr load(const std::string& text, const std::string& policies,
                     const conf::Catalog& catalog) {
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
    return loaded.config;
}

double own_rss_mib() {
    std::ifstream in("/proc/self/statm");
    double all = 0, resident = 0;
    in >> all >> resident;
    return resident * 4096 / (1 << 20);
}

// --- the engine alone ---

/// Workers and keeper that answer at once.
class Sink final : public exchange::Output {
  public:
    std::uint64_t bytes = 0, packets = 0, started = 0;
    std::deque<exchange::Operation> queue;
    void send(const exchange::Datagram& d) override {
        bytes += d.bytes.size();
        ++packets;
    }
    void start(exchange::Operation op) override {
        ++started;
        queue.push_back(std::move(op));
    }
    void cancel(OpToken) override {}
    void event(const exchange::Event&) override {}
    void random(std::span<std::uint8_t> out) override {
        for (auto& b : out) b = static_cast<std::uint8_t>(rng_());
    }
    Result<Bytes> answer(const exchange::Operation& op) {
        switch (op.kind) {
            case OpKind::DhGenerate: {
                exchange::DhGenerate::Reply r;
                r.handle = ++last_;
                r.public_value = Bytes(256, 5);
                return exchange::encode(r);
            }
            case OpKind::Phase1Open: {
                exchange::Phase1Open::Reply r;
                r.use = ++last_;
                r.nonce = Bytes(16, 7);
                return exchange::encode(r);
            }
            case OpKind::Phase1Skeyid: {
                exchange::Phase1Skeyid::Reply r;
                r.skeyid = Secret(32);
                return exchange::encode(r);
            }
            default:
                return Bytes();
        }
    }

  private:
    std::mt19937_64 rng_{1};
    std::uint64_t last_ = 0;
};

int engine_alone(const std::string& kind, std::uint64_t messages, const conf::Catalog& catalog) {
    const conf::ConfigPtr config =
        load(remote("anonymous", "exchange_mode main, aggressive, base;") + kSainfo, "", catalog);
    Sink sink;
    exchange::Engine engine(config, 1, sink);
    std::mt19937_64 rng(2);
    Bytes message = first_message(exchange_of(kind), rng);
    TimePoint now{std::chrono::hours(1)};
    exchange::Load most;
    double rss_before = 0, rss_half = 0;
    std::uint64_t bytes_in = 0;
    const TimePoint start = monotonic_now();
    for (std::uint64_t i = 0; i < messages; ++i) {
        if (i == messages / 4) rss_before = own_rss_mib();
        if (i == messages / 2) rss_half = own_rss_mib();
        now += std::chrono::microseconds(50);
        set_cookie(message, rng() | 1);
        exchange::Datagram d;
        d.local = {*IpAddr::parse("127.0.0.1"), 500};
        d.remote.addr.family = Family::V4;
        d.remote.addr.bytes[0] = 20;
        d.remote.addr.bytes[2] = static_cast<std::uint8_t>(i >> 8);
        d.remote.addr.bytes[3] = static_cast<std::uint8_t>(i);
        d.remote.port = static_cast<std::uint16_t>(1024 + (i >> 16));
        d.bytes = message;
        bytes_in += message.size();
        engine.datagram(d, now);
        while (!sink.queue.empty()) {
            const exchange::Operation op = std::move(sink.queue.front());
            sink.queue.pop_front();
            if (exchange::has_answer(op.kind)) engine.complete(op.token, sink.answer(op), now);
        }
        if (const auto due = engine.next_deadline(); due && *due <= now) engine.tick(now);
        if (i % 64 == 0) {
            const exchange::Load l = engine.load();
            most.half_open = std::max(most.half_open, l.half_open);
            most.early = std::max(most.early, l.early);
            most.phase1 = std::max(most.phase1, l.phase1);
            most.offer_bytes = std::max(most.offer_bytes, l.offer_bytes);
        }
    }
    const double us = std::chrono::duration<double, std::micro>(monotonic_now() - start).count();
    const double rss_end = own_rss_mib();
    const std::uint64_t packets = sink.packets;
    for (int i = 0; i < 200; ++i) engine.tick(now += 1s);
    const exchange::Load left = engine.load();
    std::printf("%s, %llu first messages in %.0f s of virtual time\n", kind.c_str(),
                static_cast<unsigned long long>(messages), static_cast<double>(messages) / 20000.0);
    std::printf(
        "  most held: %zu half-open records, %zu bytes of offers, %zu early starts, %zu ISAKMP SAs\n",
        most.half_open, most.offer_bytes, most.early, most.phase1);
    std::printf("  a message costs %.2f us; operations started %llu\n",
                us / static_cast<double>(messages), static_cast<unsigned long long>(sink.started));
    std::printf("  answers %llu, bytes out / bytes in %.3f, sent by the clock afterwards %llu\n",
                static_cast<unsigned long long>(packets),
                static_cast<double>(sink.bytes) / static_cast<double>(bytes_in),
                static_cast<unsigned long long>(sink.packets - packets));
    std::printf("  resident MiB: %.1f after a quarter, %.1f after half, %.1f at the end\n",
                rss_before, rss_half, rss_end);
    std::printf("  left 200 s later: %zu half-open, %zu early, %zu ISAKMP SAs\n", left.half_open,
                left.early, left.phase1);
    return 0;
}

// --- the daemon ---

struct Shared {
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> sent{0}, bytes_out{0}, answers{0}, bytes_in{0};
};

/// In a process of its own: first messages from forged sources, from one socket.
void flood(Shared& shared, const std::string& kind, unsigned per_second) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    must(fd >= 0, "socket");
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(15600);
    must(::bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0, "bind");
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(kPort);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::mt19937_64 rng(3);
    Bytes message = first_message(exchange_of(kind), rng);
    const std::uint64_t limit = kind == "one" ? 5000 : ~std::uint64_t{0};
    const TimePoint start = monotonic_now();
    std::uint8_t buffer[4096];
    for (std::uint64_t n = 0; !shared.stop;) {
        const auto due = static_cast<std::uint64_t>(
            std::chrono::duration<double>(monotonic_now() - start).count() * per_second);
        for (; n < std::min(due, limit); ++n) {
            set_cookie(message, rng() | 1);
            alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))]{};
            iovec part{message.data(), message.size()};
            msghdr m{};
            m.msg_name = &to;
            m.msg_namelen = sizeof to;
            m.msg_iov = &part;
            m.msg_iovlen = 1;
            m.msg_control = control;
            m.msg_controllen = sizeof control;
            cmsghdr* c = CMSG_FIRSTHDR(&m);
            c->cmsg_level = IPPROTO_IP;
            c->cmsg_type = IP_PKTINFO;
            c->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
            in_pktinfo info{};
            const std::uint32_t host =
                kind == "one" ? 7 : static_cast<std::uint32_t>(rng() & 0xffff);
            info.ipi_spec_dst.s_addr = htonl(20u << 24 | host);
            std::memcpy(CMSG_DATA(c), &info, sizeof info);
            if (::sendmsg(fd, &m, 0) > 0) {
                ++shared.sent;
                shared.bytes_out += message.size();
            }
        }
        for (ssize_t got; (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
            ++shared.answers;
            shared.bytes_in += static_cast<std::uint64_t>(got);
        }
        ::usleep(500);
    }
}

struct Figures {
    std::vector<double> seconds;
    std::size_t failed = 0;
    void add(double s, bool good) {
        if (good)
            seconds.push_back(s);
        else
            ++failed;
    }
    double at(double part) {
        if (seconds.empty()) return 0;
        std::sort(seconds.begin(), seconds.end());
        return seconds[std::min(
            seconds.size() - 1,
            static_cast<std::size_t>(part * static_cast<double>(seconds.size())))];
    }
    void print(const char* what) {
        const std::size_t all = seconds.size() + failed;
        std::printf(
            "    %-34s %6zu tried, %6.2f %% good, median %7.1f ms, p99 %8.1f ms\n", what, all,
            all == 0 ? 0.0 : 100.0 * static_cast<double>(seconds.size()) / static_cast<double>(all),
            at(0.5) * 1e3, at(0.99) * 1e3);
    }
};

struct Peer {
    std::unique_ptr<Initiator> initiator;
    TimePoint begun{}, next{};
    bool busy = false;
    TimePoint probe{};
};

double seconds_since(TimePoint t) {
    return std::chrono::duration<double>(monotonic_now() - t).count();
}

class Run {
  public:
    Run(const conf::Catalog& catalog, std::size_t honest) : catalog_(catalog) {
        for (std::size_t i = 0; i < honest; ++i) {
            const std::string a = honest_address(i), net = honest_net(i);
            add(a, policy(net, "192.168.0.0/16", "out", a, "127.0.0.1") +
                       policy("192.168.0.0/16", net, "in", "127.0.0.1", a));
            peers_.back()->next = monotonic_now() + 10s * i / honest;
        }
    }

    /// Peers act for so long; what they saw is printed.
    void go(const char* what, Duration length, const Daemon& daemon, const Shared& shared) {
        honest_ = newcomers_ = probes_ = {};
        const TimePoint start = monotonic_now();
        const std::uint64_t cpu = daemon.cpu_ns(), sent = shared.sent, out = shared.bytes_out,
                            answers = shared.answers, in = shared.bytes_in;
        std::uint64_t rss = 0;
        TimePoint next_newcomer = start, next_look = start;
        while (monotonic_now() - start < length) {
            const TimePoint now = monotonic_now();
            for (std::size_t i = 0; i < peers_.size(); ++i)
                if (!peers_[i]->busy && peers_[i]->next <= now) negotiate(*peers_[i]);
            if (now >= next_newcomer) {
                newcomer();
                next_newcomer += 200ms;
            }
            if (now >= next_look) {
                rss = std::max(rss, daemon.rss_kib());
                next_look += 250ms;
            }
            serve();
        }
        // What is under way may still end; what is not answered by then has failed.
        for (const TimePoint end = monotonic_now() + 10s;
             monotonic_now() < end &&
             std::any_of(peers_.begin(), peers_.end(), [](const auto& p) { return p->busy; });)
            serve();
        for (const auto& p : peers_)
            if (p->busy) honest_.add(0, false);
        for (const auto& p : newcomer_peers_)
            if (p->busy) newcomers_.add(0, false);
        newcomer_peers_.clear();
        const double s = std::chrono::duration<double>(length).count();
        std::printf("  %s, %.0f s\n", what, s);
        honest_.print("configured peers, both phases");
        probes_.print("their R-U-THERE");
        newcomers_.print("newcomers, phase 1");
        std::printf(
            "    daemon: %.0f %% of a processor, resident %.1f MiB at most; flood: %.0f/s sent, %.0f/s answered, bytes answered / sent %.3f\n",
            static_cast<double>(daemon.cpu_ns() - cpu) / 1e7 / seconds_since(start),
            static_cast<double>(rss) / 1024, static_cast<double>(shared.sent - sent) / s,
            static_cast<double>(shared.answers - answers) / s,
            shared.bytes_out == out ? 0.0
                                    : static_cast<double>(shared.bytes_in - in) /
                                          static_cast<double>(shared.bytes_out - out));
        std::fflush(stdout);
    }

  private:
    std::unique_ptr<Peer> make(const std::string& address, const std::string& policies) {
        const conf::ConfigPtr config = load("timer { counter 20; interval 1 sec; }\n" +
                                                remote("127.0.0.1 [" + std::to_string(kPort) + "]",
                                                       "exchange_mode main; dpd_delay 2;") +
                                                kSainfo,
                                            policies, catalog_);
        const Endpoint local{IpAddr::parse(address).value(), kPort};
        auto p = std::make_unique<Peer>();
        p->initiator = std::make_unique<Initiator>(config, catalog_, local, kPsk);
        p->initiator->engine().local_endpoints({local});
        return p;
    }
    void add(const std::string& address, const std::string& policies) {
        peers_.push_back(make(address, policies));
        Peer& p = *peers_.back();
        p.initiator->watch = [this, &p](bool out, ByteView bytes) {
            if (bytes.size() < 28 || bytes[18] != 5) return;
            if (out && p.probe == TimePoint{})
                p.probe = monotonic_now();
            else if (!out && p.probe != TimePoint{}) {
                probes_.add(seconds_since(p.probe), true);
                p.probe = {};
            }
        };
    }
    void negotiate(Peer& p) {
        exchange::Engine& e = p.initiator->engine();
        e.delete_phase1(IpAddr{}, IpAddr::parse("127.0.0.1").value(), monotonic_now());
        p.busy = true;
        p.begun = monotonic_now();
        p.next = p.begun + 10s;
        p.probe = {};
        e.establish_policy(p.initiator->config().policies.front().id, p.begun,
                           [this, &p](Status s) {
                               p.busy = false;
                               honest_.add(seconds_since(p.begun), s.has_value());
                           });
    }
    void newcomer() {
        const unsigned n = ++newcomer_number_;
        auto p = make("127.2." + std::to_string(n / 250) + "." + std::to_string(n % 250 + 1), "");
        Peer& ref = *p;
        newcomer_peers_.push_back(std::move(p));
        ref.busy = true;
        ref.begun = monotonic_now();
        ref.initiator->engine().establish_phase1(
            {IpAddr::parse("127.0.0.1").value(), kPort}, "", ref.begun, [this, &ref](Status s) {
                ref.busy = false;
                newcomers_.add(seconds_since(ref.begun), s.has_value());
            });
    }
    void serve() {
        std::vector<pollfd> fds;
        for (const auto* list : {&peers_, &newcomer_peers_})
            for (const auto& p : *list) {
                p->initiator->pump();
                fds.push_back({p->initiator->fd(), POLLIN, 0});
            }
        std::erase_if(newcomer_peers_, [](const auto& p) { return !p->busy; });
        ::poll(fds.data(), fds.size(), 2);
    }

    const conf::Catalog& catalog_;
    std::vector<std::unique_ptr<Peer>> peers_, newcomer_peers_;
    Figures honest_, newcomers_, probes_;
    unsigned newcomer_number_ = 0;
};

int with_daemon(const std::string& kind, unsigned seconds, unsigned per_second, std::size_t honest,
                const conf::Catalog& catalog) {
    must(::unshare(CLONE_NEWNET) == 0, "a network namespace");
    must(std::system("ip link set lo up && ip route add local 20.0.0.0/16 dev lo") == 0, "ip");
    const fs::path dir = fs::temp_directory_path() / ("racoon-flood-" + std::to_string(::getpid()));
    fs::create_directories(dir);
    fs::permissions(dir, fs::perms::all);
    write_file(dir / "psk.txt", std::string("* ") + kPsk + "\n");
    std::string policies, sections;
    for (std::size_t i = 0; i < honest; ++i) {
        const std::string a = honest_address(i), net = honest_net(i);
        policies += policy("192.168.0.0/16", net, "out", "127.0.0.1", a) +
                    policy(net, "192.168.0.0/16", "in", a, "127.0.0.1");
        sections +=
            remote(a + " [" + std::to_string(kPort) + "]", "exchange_mode main, aggressive;");
    }
    write_file(dir / "policies.conf", policies);
    sections += remote("anonymous", "exchange_mode main, aggressive;") + kSainfo;
    auto* shared = static_cast<Shared*>(
        ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    must(shared != MAP_FAILED, "memory");
    new (shared) Shared;
    {
        Daemon daemon(dir, daemon_preamble(dir, kPort) + sections);
        Run run(catalog, honest);
        std::printf("flood of %s, %u/s for %u s, %zu honest peers\n", kind.c_str(), per_second,
                    seconds, honest);
        run.go("before", 12s, daemon, *shared);
        const pid_t sender = ::fork();
        must(sender >= 0, "fork");
        if (sender == 0) {
            flood(*shared, kind, per_second);
            ::_exit(0);
        }
        run.go("during", std::chrono::seconds(seconds), daemon, *shared);
        shared->stop = true;
        int status = 0;
        ::waitpid(sender, &status, 0);
        run.go("after", 12s, daemon, *shared);
        ::sleep(60);  // half-open records end
        std::printf("    resident %.1f MiB a minute later\n",
                    static_cast<double>(daemon.rss_kib()) / 1024);
    }
    const std::string lines = "wc -l <" + (dir / "racoon.log").string();
    std::printf("    lines in the daemon's log: ");
    std::fflush(stdout);
    std::system(lines.c_str());
    fs::remove_all(dir);
    return 0;
}

int main_(int argc, char** argv) {
    const auto arg = [&](int i, const char* otherwise) {
        return std::string(argc > i ? argv[i] : otherwise);
    };
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
    if (arg(1, "engine") == "daemon")
        return with_daemon(arg(2, "main"), static_cast<unsigned>(std::stoul(arg(3, "20"))),
                           static_cast<unsigned>(std::stoul(arg(4, "20000"))),
                           std::stoul(arg(5, "50")), host.registry());
    return engine_alone(arg(2, "main"), std::stoull(arg(3, "1200000")), host.registry());
}

}  // namespace
}  // namespace racoon::bench

int main(int argc, char** argv) {
    return racoon::bench::main_(argc, argv);
}
