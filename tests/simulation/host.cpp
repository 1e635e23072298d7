// How the model works: what becomes of an operation, and what outlives an engine.
#include "simulation/host.hpp"

#include <algorithm>
#include <utility>

namespace racoon::sim {
namespace {

template <typename Record>
Result<Bytes> reply(const Record& r) {
    return exchange::encode(r);
}

}  // namespace

SimHost::SimHost(std::string name, conf::ConfigPtr config, std::uint64_t seed, Schedule schedule,
                 Send send)
    : name_(std::move(name)), rng_(seed), schedule_(std::move(schedule)), send_(std::move(send)) {
    engine = std::make_unique<exchange::Engine>(std::move(config), 1, *this);
}

SimHost::~SimHost() {
    engine.reset();
}

void SimHost::restart_engine(conf::ConfigPtr config, const IpAddr& local, bool renew) {
    engine.reset();
    ++generation_;
    open_ops = 0;
    cancelled_.clear();
    uses.clear();
    larval.clear();
    std::vector<exchange::KeptPair> pairs;
    std::set<std::tuple<IpAddr, std::uint32_t>> known;
    for (const auto& [spi, entry] : kept) {
        const exchange::PairKeep& record = entry.first;
        std::vector<std::tuple<IpAddr, std::uint32_t>> all;
        for (const auto& sa : record.sas) {
            all.emplace_back(record.local.addr, sa.spi_in.value);
            all.emplace_back(record.remote.addr, sa.spi_out.value);
        }
        const auto there = std::count_if(all.begin(), all.end(),
                                         [&](const auto& key) { return sas.contains(key); });
        if (there == 0) continue;
        exchange::KeptPair pair;
        pair.record = record;
        pair.whole = static_cast<std::size_t>(there) == all.size();
        pair.renew = renew;
        pair.age = clock() - entry.second;
        if (pair.whole) known.insert(all.begin(), all.end());
        pairs.push_back(std::move(pair));
    }
    std::erase_if(sas, [&](const auto& entry) { return !known.contains(entry.first); });
    engine = std::make_unique<exchange::Engine>(std::move(config), 1, *this);
    engine->local_endpoints({Endpoint{local, 500}});
    engine->adopt(pairs, clock());
}

void SimHost::send(const exchange::Datagram& d) {
    bytes_out += d.bytes.size();
    ++packets_out;
    send_(d);
}

void SimHost::random(std::span<std::uint8_t> out) {
    for (auto& b : out) b = static_cast<std::uint8_t>(rng_());
}

void SimHost::start(exchange::Operation op) {
    ++op_count[op.kind];
    if (!exchange::has_answer(op.kind)) {
        (void)answer(op);
        return;
    }
    if (!answer_ops) return;
    ++open_ops;
    auto shared = std::make_shared<exchange::Operation>(std::move(op));
    schedule_(op_delay, [this, shared, asked_by = generation_] {
        if (asked_by != generation_) return;
        --open_ops;
        if (!engine || cancelled_.erase(shared->token.value) != 0) return;
        engine->complete(shared->token, answer(*shared), clock());
    });
}

std::size_t SimHost::events_of(std::uint32_t code) const {
    std::size_t n = 0;
    for (const auto& e : events) n += e.code == code;
    return n;
}

const SimSa* SimHost::outbound(PolicyId policy, std::uint32_t* spi) const {
    const SimSa* best = nullptr;
    for (const auto& [key, sa] : sas)
        if (!sa.inbound && sa.policy == policy && (best == nullptr || sa.order > best->order)) {
            best = &sa;
            if (spi != nullptr) *spi = std::get<1>(key);
        }
    return best;
}

Result<Bytes> SimHost::answer(const exchange::Operation& op) {
    using namespace exchange;
    if (auto it = fail_next.find(op.kind); it != fail_next.end() && it->second > 0) {
        --it->second;
        return fail(Errc::Denied, "told to fail");
    }
    if (answer_instead)
        if (auto done = answer_instead(op)) return std::move(*done);
    switch (op.kind) {
        case OpKind::DhGenerate: {
            RACOON_TRY(auto r, decode<DhGenerate>(op.request));
            DhGenerate::Reply out;
            out.handle = ++last_;
            dh_keys.insert(out.handle);
            std::uint64_t y = 0;
            do {
                secrets_[out.handle] = rng_() % (kPrime - 2) + 1;
                y = pow_mod(3, secrets_[out.handle]);
            } while (y < 2 || y >= kPrime - 1);
            out.public_value = number_bytes(y);
            if (r.group == catalog().large_group.number)
                out.public_value.insert(out.public_value.begin(), kLargeSize - 8, 0);
            return reply(out);
        }
        case OpKind::DhCompute: {
            RACOON_TRY(auto r, decode<DhCompute>(op.request));
            if (!dh_keys.contains(r.handle)) return fail(Errc::NotFound, "no such key");
            DhCompute::Reply out;
            out.shared =
                Secret(number_bytes(pow_mod(bytes_number(r.peer_public), secrets_[r.handle])));
            return reply(out);
        }
        case OpKind::DhFree: {
            RACOON_TRY(auto r, decode<DhFree>(op.request));
            if (dh_keys.erase(r.handle) != 1) problem("a DH key freed twice");
            secrets_.erase(r.handle);
            return Bytes{};
        }
        case OpKind::Phase1Open: {
            RACOON_TRY(auto r, decode<Phase1Open>(op.request));
            Phase1Open::Reply out;
            out.use = ++last_;
            uses.insert(out.use);
            out.nonce.resize(r.nonce_size);
            random(out.nonce);
            opened_[out.use] = {r.initiator, r.exchange_type, 0, out.nonce};
            return reply(out);
        }
        case OpKind::Phase1Skeyid: {
            RACOON_TRY(auto r, decode<Phase1Skeyid>(op.request));
            if (!uses.contains(r.use)) return fail(Errc::Denied, "unknown use");
            auto& [initiator, exchange, asked, nonce] = opened_[r.use];
            // What the keeper asks of an engine.
            if ((exchange == 2) != (r.peer_id.type == 0))
                problem("a SKEYID with the identity of another mode");
            if (++asked > (initiator && exchange == 4 ? 4 : 1))
                problem("too many SKEYIDs of one phase 1");
            if (exchange != 2 && has_key && !has_key(r.peer_id.data))
                return fail(Errc::NotFound, "couldn't find the proper pskey");
            const racoon_span own{nonce.data(), nonce.size()};
            const racoon_span theirs{r.peer_nonce.data(), r.peer_nonce.size()};
            const racoon_span parts[2] = {initiator ? own : theirs, initiator ? theirs : own};
            Phase1Skeyid::Reply out;
            out.skeyid = Secret(32);
            mix_hmac(nullptr, {psk.data(), psk.size()}, parts, 2, out.skeyid.span().data());
            return reply(out);
        }
        case OpKind::Resolve: {
            RACOON_TRY(auto r, decode<Resolve>(op.request));
            if (resolve) RACOON_TRY_STATUS(resolve(r));
            return Bytes{};
        }
        case OpKind::Phase1Rebind: {
            RACOON_TRY(auto r, decode<Phase1Rebind>(op.request));
            if (uses.contains(r.use)) sections[r.use] = r.section;
            return Bytes{};
        }
        case OpKind::Phase1Close: {
            RACOON_TRY(auto r, decode<Phase1Close>(op.request));
            if (uses.erase(r.use) != 1) problem("a phase 1 closed twice");
            opened_.erase(r.use);
            return Bytes{};
        }
        case OpKind::SpiGet: {
            RACOON_TRY(auto r, decode<SpiGet>(op.request));
            if (!uses.contains(r.use)) return fail(Errc::Denied, "unknown use");
            SpiGet::Reply out;
            do {
                out.spi.value = static_cast<std::uint32_t>(rng_());
                if (r.protocol == 108) out.spi.value %= 61440;  // a CPI
            } while (out.spi.value < 256 || larval.contains(out.spi.value) ||
                     sas.contains({r.local, out.spi.value}));
            larval.insert(out.spi.value);
            return reply(out);
        }
        case OpKind::SaInstall: {
            RACOON_TRY(auto r, decode<SaInstall>(op.request));
            if (!uses.contains(r.use)) return fail(Errc::Denied, "unknown use");
            SimSa sa;
            sa.inbound = r.inbound;
            sa.protocol = r.protocol;
            sa.tunnel = r.tunnel;
            sa.esn = r.esn;
            sa.compression = r.compression;
            sa.soft_seconds = r.soft_seconds;
            sa.hard_seconds = r.hard_seconds;
            sa.soft_bytes = r.soft_bytes;
            sa.hard_bytes = r.hard_bytes;
            sa.src = r.inbound ? r.peer : r.local;
            sa.dst = r.inbound ? r.local : r.peer;
            sa.selector = r.selector;
            sa.encryption = r.encryption;
            sa.integrity = r.integrity;
            sa.key = to_bytes(r.encryption_key.view());
            append(sa.key, r.integrity_key.view());
            sa.policy = r.policy;
            sa.reqid = r.reqid;
            sa.replay_window = r.replay_window;
            sa.installed = clock();
            sa.order = ++last_;
            sa.marks = r.marks;
            if (r.inbound && larval.erase(r.spi.value) != 1)
                return fail(Errc::NotFound, "inbound SA without its SPI");
            sas[{sa.dst, r.spi.value}] = sa;
            return reply(SaInstall::Reply{});
        }
        case OpKind::SaDelete: {
            RACOON_TRY(auto r, decode<SaDelete>(op.request));
            const bool was = sas.erase({r.dst, r.spi.value}) + larval.erase(r.spi.value) != 0;
            if (!was) return fail(Errc::NotFound, "no such SA");
            return reply(SaInstall::Reply{});
        }
        case OpKind::PolicyMake: {
            RACOON_TRY(auto r, decode<PolicyMake>(op.request));
            if (!uses.contains(r.use)) return fail(Errc::Denied, "unknown use");
            if (!may_make) return fail(Errc::Denied, "no policies are made here");
            PolicyMake::Reply out;
            for (const auto& [id, p] : made)
                if (p.selector == r.selector && p.rules == r.rules && p.marks == r.marks)
                    out.policy = PolicyId{id};
            if (out.policy.value == 0) {
                out.policy = PolicyId{0x40000000 + static_cast<std::uint32_t>(++last_)};
                made[out.policy.value] = {r.selector, r.rules, 0, false, r.marks};
            }
            out.reqid = ReqId{out.policy.value};
            return reply(out);
        }
        case OpKind::PolicyUse: {
            RACOON_TRY(auto r, decode<PolicyUse>(op.request));
            const auto found = made.find(r.policy.value);
            if (found == made.end()) return fail(Errc::NotFound, "no such policy");
            found->second.seconds = r.seconds;
            found->second.installed = true;
            return Bytes{};
        }
        case OpKind::PolicyDrop: {
            RACOON_TRY(auto r, decode<PolicyDrop>(op.request));
            made.erase(r.policy.value);
            return Bytes{};
        }
        case OpKind::PairKeep: {
            RACOON_TRY(auto r, decode<PairKeep>(op.request));
            const auto old = kept.find(r.sas[0].spi_in.value);
            const TimePoint since = old != kept.end() ? old->second.second : clock();
            kept.insert_or_assign(r.sas[0].spi_in.value, std::pair(r, since));
            return Bytes{};
        }
        case OpKind::AcquireDone: {
            RACOON_TRY(auto r, decode<AcquireDone>(op.request));
            acquires[r.acquire_token] = r.success;
            return Bytes{};
        }
        default:
            return fail(Errc::Unsupported, "operation");
    }
}

}  // namespace racoon::sim
