// bench_configuration: a racoon.conf of 10,000 remote and 10,000 sainfo sections, and how the time to
// find the section of a first packet depends on the number of sections. CPU time of this process.
//
//     bench_configuration [SECTIONS]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "conf/load.hpp"
#include "conf/select.hpp"
#include "support/fake_catalog.hpp"

namespace {

using namespace racoon;

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

std::string address(const char* net, std::size_t i) {
    return net + std::to_string(i / 256) + "." + std::to_string(i % 256);
}

/// The first packet's look-up: which sections may serve this peer, and the transform agreed on.
constexpr conf::Phase1Transform kTransform{
    .cipher = 7, .key_bits = 256, .hash = 4, .auth = 1, .group = 14};

std::string text_of(std::size_t sections) {
    std::string out;
    for (std::size_t i = 0; i < sections; ++i)
        out +=
            "remote \"site" + std::to_string(i) + "\" {\n\tremote_address " +
            address("198.18.", i) +
            ";\n\texchange_mode main;\n\tmy_identifier address;\n\tpeers_identifier fqdn \"site" +
            std::to_string(i) +
            ".example.org\";\n\tproposal_check obey;\n\tdpd_delay 20;\n\tproposal {\n"
            "\t\tencryption_algorithm aes 256;\n\t\thash_algorithm sha256;\n"
            "\t\tauthentication_method pre_shared_key;\n\t\tdh_group modp2048;\n\t}\n}\n";
    for (std::size_t i = 0; i < sections; ++i)
        out += "sainfo address 10.1.0.0/16 any address " + address("172.16.", i) +
               "/32 any {\n\tpfs_group modp2048;\n\tlifetime time 1 hour;\n"
               "\tencryption_algorithm aes 256;\n\tauthentication_algorithm hmac_sha256;\n"
               "\tcompression_algorithm deflate;\n}\n";
    return out;
}

struct Figures {
    double parse = 0, index = 0;    // seconds
    double remote = 0, sainfo = 0;  // nanoseconds for one look-up
    std::size_t bytes = 0, remotes = 0, sainfos = 0;
};

/// `different`: how many different ones are looked for, so that few and many sections can be compared with
/// as much of them in the caches.
Figures measure(std::size_t sections, std::size_t different) {
    static const racoon::testing::FakeCatalog catalog;
    Figures out;
    conf::FileBundle bundle;
    bundle.files["racoon.conf"] = text_of(sections);
    out.bytes = bundle.files["racoon.conf"].size();
    conf::BundleFiles files(std::move(bundle));
    double start = cpu_seconds();
    const conf::LoadResult loaded = conf::load("racoon.conf", files, catalog);
    out.parse = cpu_seconds() - start;
    if (!loaded.config) {
        std::fprintf(stderr, "%s", loaded.diagnostics.front().text().c_str());
        std::exit(1);
    }
    out.remotes = loaded.config->remotes.size();
    out.sainfos = loaded.config->sainfos.size();
    start = cpu_seconds();
    const conf::SectionIndex index(*loaded.config);
    out.index = cpu_seconds() - start;

    std::vector<IpAddr> peers, nets;
    for (std::size_t i = 0; i < 1000; ++i) {
        const std::size_t which = (i % different * 7919) % sections;
        peers.push_back(*IpAddr::parse(address("198.18.", which)));
        nets.push_back(*IpAddr::parse(address("172.16.", which)));
    }
    constexpr int kRounds = 100;
    std::size_t found = 0;
    start = cpu_seconds();
    for (int round = 0; round < kRounds; ++round)
        for (const IpAddr& peer : peers) {
            conf::RemoteQuery query{.peer = peer, .mode = conf::ExchangeMode::Main};
            query.agreed = kTransform;
            found += index.choose(query).remote != nullptr ? 1 : 0;
        }
    out.remote = (cpu_seconds() - start) * 1e9 / (kRounds * 1000.0);
    start = cpu_seconds();
    conf::SaInfoQuery query;
    query.selector.local.net = *Prefix::make(*IpAddr::parse("10.1.0.0"), 16);
    for (int round = 0; round < kRounds; ++round)
        for (const IpAddr& net : nets) {
            query.selector.remote.net = Prefix::host(net);
            found += index.sainfo(query) != nullptr ? 1 : 0;
        }
    out.sainfo = (cpu_seconds() - start) * 1e9 / (kRounds * 1000.0);
    if (found != 2u * kRounds * 1000u) {
        std::fprintf(stderr, "found only %zu sections\n", found);
        std::exit(1);
    }
    return out;
}

void print(const Figures& f, std::size_t different) {
    std::printf(
        "%6zu remote + %6zu sainfo (%7.1f KiB): parse and build %.3f s, index %.3f s; one "
        "look-up among %zu peers: remote %.0f ns, sainfo %.0f ns\n",
        f.remotes, f.sainfos, static_cast<double>(f.bytes) / 1024, f.parse, f.index, different,
        f.remote, f.sainfo);
}

}  // namespace

int main(int argc, char** argv) {
    const auto wanted = argc > 1 ? static_cast<std::size_t>(std::atol(argv[1])) : 10'000u;
    const std::size_t sections = std::clamp<std::size_t>(wanted, 10, 30'000);
    measure(10, 10);  // the first run pays for what is built once
    const Figures few = measure(10, 10);
    const Figures many = measure(sections, 10);
    const Figures cold = measure(sections, 1000);
    print(few, 10);
    print(many, 10);
    print(cold, 1000);
    std::printf("with %zu sections a look-up costs %.2f times as much as with 10\n", sections,
                (many.remote + many.sainfo) / (few.remote + few.sainfo));
    return 0;
}
