// Thousands of tunnels between two engines over a wire that loses, repeats, reorders and damages, with
// peers that vanish, lifetimes that end and administrators who flush. Each seed is one story.
//
//     racoon_simulate [--seeds N] [--from SEED] [--loss 0.2] [--mode main|aggressive|base]
//                     [--ike-frag on|off] [--verbose]
//
// Without --mode the stories take turns: half of them are of main mode. Without --ike-frag a quarter has large
// messages, most of those in pieces; with it all have. Checked in each: the engines settle to equal SAs at both
// ends, or to none at either, once dead peer detection or expiry has had its time; nothing spins or hangs;
// nothing is left behind at the end.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "log/log.hpp"
#include "simulation/world.hpp"

namespace racoon::sim {
namespace {

struct Story {
    ConfigOptions options;
    bool a_starts = true, b_starts = false;
    bool b_vanishes = false, flush = false, traffic = false, a_restarts = false;
    double loss = 0;
};

double unit(Rng& rng) {
    return static_cast<double>(rng() >> 11) * 0x1p-53;
}

Story story_of(Rng& rng, WireModel& wire, double max_loss) {
    Story s;
    wire.loss = unit(rng) * max_loss;
    wire.duplicate = unit(rng) * 0.2;
    wire.reorder = unit(rng) * 0.2;
    wire.corrupt = rng() % 2 ? 0.01 : 0;
    wire.jitter = std::chrono::milliseconds(rng() % 50);
    s.loss = wire.loss;
    s.options.pfs = rng() % 2;
    s.options.gcm = rng() % 2;
    s.options.tunnel = rng() % 4 != 0;
    s.options.policies = 1 + static_cast<unsigned>(rng() % 3);
    s.options.dpd.delay = conf::seconds(10 + rng() % 20);
    s.options.dpd.retry = conf::seconds(3);
    s.options.phase2_lifetime = conf::seconds(rng() % 2 ? 600 : 120 + rng() % 300);
    s.options.phase1_lifetime = conf::seconds(rng() % 2 ? 3600 : 300 + rng() % 600);
    if (rng() % 3 == 0) {
        s.options.timer.given = true;
        s.options.timer.counter = 8;
        s.options.timer.interval = conf::seconds(2);
        s.options.timer.phase1 = conf::seconds(60);
        s.options.timer.phase2 = conf::seconds(60);
    }
    switch (rng() % 4) {
        case 0:
            s.b_starts = true;
            break;  // both at once
        case 1:
            s.a_starts = false;
            s.b_starts = true;
            break;
        default:
            break;
    }
    s.b_vanishes = rng() % 8 == 0;
    s.a_restarts = rng() % 8 == 1;
    s.flush = rng() % 8 == 2;
    s.traffic = rng() % 2;
    s.options.named = rng() % 2;
    s.options.signature = rng() % 4 == 0;
    s.options.initial_contact = rng() % 4 != 0;
    switch (rng() % 8) {
        case 0:
            s.options.rules = {{50, s.options.tunnel}, {51, false}};
            break;
        case 1:
            s.options.rules = {{108, s.options.tunnel}, {50, false}};
            break;
        case 2:
            s.options.rules = {{108, s.options.tunnel}, {50, false}, {51, false}};
            break;
        default:
            break;
    }
    s.options.complex_bundle = rng() % 2;
    s.options.esn = rng() % 2;
    s.options.large = rng() % 4 == 0;
    if (s.options.large) s.options.ike_frag = rng() % 4 ? conf::Offer::On : conf::Offer::Off;
    return s;
}

/// Of several modes the first is the one to begin with; the others are accepted.
std::vector<conf::ExchangeMode> modes_of(std::uint64_t seed, std::string_view wanted) {
    using conf::ExchangeMode;
    if (wanted == "main") return {ExchangeMode::Main};
    if (wanted == "aggressive") return {ExchangeMode::Aggressive};
    if (wanted == "base") return {ExchangeMode::Base};
    switch (seed % 4) {
        case 0:
            return {ExchangeMode::Aggressive, ExchangeMode::Main};
        case 1:
            return {ExchangeMode::Base, ExchangeMode::Main};
        case 2:
            return {ExchangeMode::Main, ExchangeMode::Aggressive, ExchangeMode::Base};
        default:
            return {ExchangeMode::Main};
    }
}

struct Tally {
    std::uint64_t up = 0, none = 0, one_sided = 0, failed = 0;
};

/// Packets that want an SA and find none make the kernel ask.
void drive_traffic(World& w, SimHost& h, unsigned policies, TimePoint until) {
    if (w.now >= until || !h.engine) return;
    for (unsigned i = 1; i <= policies; ++i)
        if (h.outbound(PolicyId{i}) == nullptr) w.acquire(h, PolicyId{i}, 1000 + i);
    w.after(5s, [&w, &h, policies, until] { drive_traffic(w, h, policies, until); });
}

struct Wanted {
    double max_loss = 0.2;
    std::string mode, ike_frag;  // empty: each story has its own
    bool verbose = false;
};

std::string run(std::uint64_t seed, const Wanted& wanted, Tally& tally) {
    Rng rng(seed);
    WireModel wire;
    Story s = story_of(rng, wire, wanted.max_loss);
    s.options.modes = modes_of(seed, wanted.mode);
    if (!wanted.ike_frag.empty()) {
        s.options.large = true;
        s.options.ike_frag = wanted.ike_frag == "on" ? conf::Offer::On : conf::Offer::Off;
    }
    World w(seed, s.options);
    w.wire = wire;
    if (wanted.verbose)
        std::printf(
            "seed %llu: loss %.2f dup %.2f reorder %.2f policies %u tunnel %d pfs %d gcm %d "
            "life %lld/%lld dpd %lld a %d b %d vanish %d restart %d flush %d traffic %d "
            "mode %d named %d sig %d ic %d large %d frag %d\n",
            static_cast<unsigned long long>(seed), wire.loss, wire.duplicate, wire.reorder,
            s.options.policies, s.options.tunnel, s.options.pfs, s.options.gcm,
            static_cast<long long>(s.options.phase1_lifetime.count()),
            static_cast<long long>(s.options.phase2_lifetime.count()),
            static_cast<long long>(s.options.dpd.delay.count()), s.a_starts, s.b_starts,
            s.b_vanishes, s.a_restarts, s.flush, s.traffic,
            static_cast<int>(s.options.modes.front()), s.options.named, s.options.signature,
            s.options.initial_contact, s.options.large, static_cast<int>(s.options.ike_frag));
    const TimePoint begin = w.now;
    for (unsigned i = 1; i <= s.options.policies; ++i) {
        if (s.a_starts) w.acquire(*w.a, PolicyId{i}, i);
        if (s.b_starts) w.acquire(*w.b, PolicyId{i}, i);
    }
    if (s.traffic) drive_traffic(w, s.a_starts ? *w.a : *w.b, s.options.policies, begin + 400s);
    w.run_until(begin + 120s);
    const std::string early = w.compare();
    if (!early.empty())
        ++tally.one_sided;
    else if (w.a->sas.empty())
        ++tally.none;
    else
        ++tally.up;

    bool vanished = false;
    if (s.flush) (rng() % 2 ? *w.a : *w.b).engine->flush_phase2(0, w.now);
    if (s.a_restarts) {
        // As after a crash: the SAs are cleared, and the peer hears nothing of it.
        const Endpoint local{w.addr_a, 500};
        w.a->engine =
            std::make_unique<exchange::Engine>(make_config(w.addr_a, w.addr_b, s.options), 1, *w.a);
        w.a->engine->local_endpoints({local});
        w.a->sas.clear();
        w.a->larval.clear();
        w.acquire(*w.a, PolicyId{1}, 99);
    }
    if (s.b_vanishes) vanished = true;
    if (vanished) {
        w.tap = [](const exchange::Datagram&) { return false; };
        w.run_for(Duration(s.options.phase1_lifetime) + 700s);
        if (!w.a->sas.empty() || !w.b->sas.empty())
            return "a vanished peer's SAs outlived DPD and expiry";
    } else {
        // A while longer over the bad wire, with renewals; then a good one until all is settled.
        w.run_until(begin + 500s);
        w.wire = WireModel{};
        w.run_for(Duration(s.options.phase2_lifetime) + 120s);
        std::string different = w.compare();
        for (int i = 0; i < 90 && !different.empty(); ++i) {
            w.run_for(1s);  // a renewal may be under way
            different = w.compare();
        }
        if (!different.empty()) return different;
    }
    if (w.stuck) return "too many steps";
    return w.end_and_find_leaks();
}

}  // namespace
}  // namespace racoon::sim

int main(int argc, char** argv) {
    std::uint64_t seeds = 1000, from = 1;
    racoon::sim::Wanted wanted;
    for (int i = 1; i < argc; ++i) {
        const std::string arg = argv[i];
        const char* value = i + 1 < argc ? argv[i + 1] : "";
        if (arg == "--seeds")
            seeds = std::strtoull(value, nullptr, 0), ++i;
        else if (arg == "--from")
            from = std::strtoull(value, nullptr, 0), ++i;
        else if (arg == "--loss")
            wanted.max_loss = std::strtod(value, nullptr), ++i;
        else if (arg == "--mode")
            wanted.mode = value, ++i;
        else if (arg == "--ike-frag")
            wanted.ike_frag = value, ++i;
        else if (arg == "--verbose")
            wanted.verbose = true;
        else {
            std::printf(
                "usage: %s [--seeds N] [--from SEED] [--loss 0.2] [--mode main|aggressive|base] "
                "[--ike-frag on|off] [--verbose]\n",
                argv[0]);
            return 2;
        }
    }
    if (wanted.verbose) {
        racoon::log::set_level(racoon::log::Level::Debug);
        racoon::log::add_sink(racoon::log::make_stdout_sink());
    }
    racoon::sim::Tally tally;
    for (std::uint64_t seed = from; seed < from + seeds; ++seed) {
        const std::string problem = racoon::sim::run(seed, wanted, tally);
        if (problem.empty()) continue;
        ++tally.failed;
        std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), problem.c_str());
        if (tally.failed >= 20) break;
    }
    const double n = static_cast<double>(tally.up + tally.none + tally.one_sided);
    std::printf(
        "%.0f runs: %.2f %% up after 120 s, %.2f %% with none, %.2f %% one-sided before DPD or "
        "expiry; %llu failed\n",
        n, 100.0 * static_cast<double>(tally.up) / n, 100.0 * static_cast<double>(tally.none) / n,
        100.0 * static_cast<double>(tally.one_sided) / n,
        static_cast<unsigned long long>(tally.failed));
    return tally.failed == 0 ? 0 : 1;
}
