// SimHost: one daemon without a daemon: an Engine, and in place of keeper, workers and kernel a model
// that answers operations after a delay, keeps count of everything that was created, and holds the
// SAs that the kernel would have.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "exchange/engine.hpp"
#include "simulation/test_crypto.hpp"

namespace racoon::sim {

using exchange::OpKind;
using Rng = std::mt19937_64;

/// An SA in the modelled kernel.
struct SimSa {
    bool inbound = false;
    std::uint8_t protocol = 50;
    bool tunnel = true, esn = false;
    IpAddr src, dst;
    TrafficSelector selector;
    std::string encryption, integrity, compression;
    std::uint64_t soft_seconds = 0, hard_seconds = 0, soft_bytes = 0, hard_bytes = 0;
    Bytes key;  // encryption key | integrity key
    PolicyId policy;
    ReqId reqid;
    std::uint32_t replay_window = 0;
    TimePoint installed{};
    std::uint64_t order = 0;
    Marks marks;
};

class SimHost final : public exchange::Output {
  public:
    using Schedule = std::function<void(Duration, std::function<void()>)>;
    using Send = std::function<void(const exchange::Datagram&)>;

    SimHost(std::string name, conf::ConfigPtr config, std::uint64_t seed, Schedule schedule,
            Send send);
    ~SimHost() override;

    std::unique_ptr<exchange::Engine> engine;
    Bytes psk{1, 2, 3, 4};
    Duration op_delay = std::chrono::microseconds(200);
    std::function<TimePoint()> clock;
    std::vector<exchange::Event> events;
    /// Per operation kind: fails the next n.
    std::map<OpKind, int> fail_next;
    std::map<OpKind, std::uint64_t> op_count;
    std::map<std::uint64_t, bool> acquires;  // ended: token → success
    std::uint64_t bytes_out = 0, packets_out = 0;
    bool answer_ops = true;
    /// Asked before the model answers, for operations with real algorithms behind them.
    std::function<std::optional<Result<Bytes>>(const exchange::Operation&)> answer_instead;
    /// The keeper's answer about a host's name; it may tell the engine addresses first.
    std::function<Status(const exchange::Resolve&)> resolve;
    /// Whether there is a pre-shared key for an identity; not asked in main mode.
    std::function<bool(ByteView id)> has_key;

    /// Whether the keeper makes policies (`generate_policy`).
    bool may_make = false;

    // --- what exists ---
    struct Made {
        TrafficSelector selector;
        std::vector<exchange::PolicyMake::Rule> rules;
        std::uint64_t seconds = 0;
        bool installed = false;
        Marks marks = {};
    };
    std::map<std::uint32_t, Made> made;
    std::set<std::uint64_t> dh_keys, uses;
    std::map<std::uint64_t, std::string> sections;  // of a use, as bound last by a reload
    std::set<std::uint32_t> larval;
    std::map<std::tuple<IpAddr, std::uint32_t>, SimSa> sas;  // (destination, SPI)
    std::size_t open_ops = 0;
    // What the engine told of its pairs, by the innermost inbound SPI, and since when.
    std::map<std::uint32_t, std::pair<exchange::PairKeep, TimePoint>> kept;

    /// The engine dies and another one takes its place, as the keeper does it: pairs that are whole go
    /// on, other SAs go.
    void restart_engine(conf::ConfigPtr config, const IpAddr& local, bool renew = false);

    // --- Output ---
    void send(const exchange::Datagram& d) override;
    void event(const exchange::Event& e) override { events.push_back(e); }
    void cancel(OpToken token) override { cancelled_.insert(token.value); }
    void random(std::span<std::uint8_t> out) override;
    void start(exchange::Operation op) override;

    std::size_t events_of(std::uint32_t code) const;
    /// The SA that this host's traffic of a policy would take: the newest outbound one.
    const SimSa* outbound(PolicyId policy, std::uint32_t* spi = nullptr) const;

  private:
    Result<Bytes> answer(const exchange::Operation& op);
    void problem(const std::string& text) { problems.push_back(name_ + ": " + text); }

  public:
    std::vector<std::string> problems;

  private:
    std::string name_;
    Rng rng_;
    Schedule schedule_;
    Send send_;
    std::uint64_t last_ = 0;
    std::map<std::uint64_t, std::uint64_t> secrets_;
    struct Opened {
        bool initiator;
        std::uint8_t exchange;
        int asked;
        Bytes nonce;
    };
    std::map<std::uint64_t, Opened> opened_;
    std::set<std::uint64_t> cancelled_;
    unsigned generation_ = 0;  // of engines
};

}  // namespace racoon::sim
