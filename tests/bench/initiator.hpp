// Initiators for benchmarks: many engines in one process, each a peer with its own address and UDP
// socket, and a keeper of a few lines that always says yes. Their cost does not count; the daemon at
// the other end is what is measured.
#pragma once

#include <openssl/rand.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <string>

#include "base/unique_fd.hpp"
#include "exchange/engine.hpp"

namespace racoon::bench {

using exchange::OpKind;

inline void must(bool good, const char* what) {
    if (good) return;
    std::perror(what);
    std::exit(1);
}

class Initiator final : public exchange::Output {
  public:
    Initiator(conf::ConfigPtr config, const conf::Catalog& catalog, Endpoint local, std::string psk)
        : config_(std::move(config)),
          catalog_(catalog),
          local_(local),
          psk_(std::move(psk)),
          socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
          engine_(std::make_unique<exchange::Engine>(config_, 1, *this)) {
        sockaddr_storage sa{};
        const unsigned size = local.to_sockaddr(sa);
        must(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&sa), size) == 0, "bind");
        exchange::KernelCapabilities caps;
        caps.backend = "none";
        caps.flags = ~std::uint64_t{0};
        caps.max_replay_window = 4096;
        engine_->kernel_capabilities(caps);
    }

    exchange::Engine& engine() { return *engine_; }
    const conf::Config& config() const { return *config_; }
    int fd() const { return socket_.get(); }

    /// Sees every datagram; true: one of ours.
    std::function<void(bool out, ByteView bytes)> watch;

    void send(const exchange::Datagram& d) override {
        if (watch) watch(true, d.bytes);
        sockaddr_storage sa{};
        const unsigned size = d.remote.to_sockaddr(sa);
        ::sendto(socket_.get(), d.bytes.data(), d.bytes.size(), 0, reinterpret_cast<sockaddr*>(&sa),
                 size);
    }
    void start(exchange::Operation op) override { queue_.push_back(std::move(op)); }
    void cancel(OpToken) override {}
    void event(const exchange::Event&) override {}
    void random(std::span<std::uint8_t> out) override {
        must(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1, "random");
    }

    /// Reads what has arrived and serves operations until nothing is left to do.
    void pump() {
        std::uint8_t buffer[65536];
        for (;;) {
            while (!queue_.empty()) {
                exchange::Operation op = std::move(queue_.front());
                queue_.pop_front();
                Result<Bytes> result = serve(op);
                if (exchange::has_answer(op.kind))
                    engine_->complete(op.token, result, monotonic_now());
            }
            sockaddr_storage from{};
            socklen_t size = sizeof from;
            const ssize_t n = ::recvfrom(socket_.get(), buffer, sizeof buffer, 0,
                                         reinterpret_cast<sockaddr*>(&from), &size);
            if (n < 0) break;
            exchange::Datagram in;
            in.local = local_;
            in.remote = Endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&from));
            in.bytes = ByteView(buffer, static_cast<std::size_t>(n));
            if (watch) watch(false, in.bytes);
            engine_->datagram(in, monotonic_now());
        }
        if (const auto due = engine_->next_deadline(); due && *due <= monotonic_now()) {
            engine_->tick(monotonic_now());
            if (!queue_.empty()) pump();
        }
    }

  private:
    template <typename Reply>
    static Result<Bytes> reply(const Reply& r) {
        return exchange::encode(r);
    }

    Result<Bytes> serve(const exchange::Operation& op) {
        switch (op.kind) {
            case OpKind::DhGenerate:
                return generate(op.request);
            case OpKind::DhCompute:
                return compute(op.request);
            case OpKind::DhFree:
                return release(op.request);
            case OpKind::Phase1Open: {
                RACOON_TRY(auto request, exchange::decode<exchange::Phase1Open>(op.request));
                exchange::Phase1Open::Reply r;
                r.use = ++last_use_;
                r.nonce.resize(request.nonce_size);
                random(r.nonce);
                nonces_[r.use] = r.nonce;
                return reply(r);
            }
            case OpKind::Phase1Skeyid:
                return skeyid(op.request);
            case OpKind::SpiGet: {
                exchange::SpiGet::Reply r;
                r.spi.value = 0x1000 + ++last_spi_;
                return reply(r);
            }
            default:
                return Bytes();
        }
    }

    Result<Bytes> generate(const Bytes& request) {
        RACOON_TRY(auto r, exchange::decode<exchange::DhGenerate>(request));
        const conf::GroupInfo* group = catalog_.group(std::to_string(r.group));
        exchange::DhGenerate::Reply out;
        out.public_value.resize(group->public_size);
        void* key = nullptr;
        must(group->table->generate(group->impl, out.public_value.data(), &key) == RACOON_OK,
             "generate");
        out.handle = ++last_handle_;
        keys_[out.handle] = {group, key};
        return reply(out);
    }
    Result<Bytes> compute(const Bytes& request) {
        RACOON_TRY(auto r, exchange::decode<exchange::DhCompute>(request));
        const auto& [group, key] = keys_[r.handle];
        exchange::DhCompute::Reply out;
        out.shared = Secret(group->secret_size);
        must(group->table->compute(group->impl, key, {r.peer_public.data(), r.peer_public.size()},
                                   out.shared.span().data()) == RACOON_OK,
             "compute");
        return reply(out);
    }
    Result<Bytes> release(const Bytes& request) {
        RACOON_TRY(auto r, exchange::decode<exchange::DhFree>(request));
        if (const auto it = keys_.find(r.handle); it != keys_.end()) {
            it->second.first->table->free(it->second.first->impl, it->second.second);
            keys_.erase(it);
        }
        return Bytes();
    }
    /// SKEYID = prf(psk, Ni | Nr), we being the initiator.
    Result<Bytes> skeyid(const Bytes& request) {
        RACOON_TRY(auto r, exchange::decode<exchange::Phase1Skeyid>(request));
        const conf::HashInfo* hash = catalog_.hash(r.hash);
        const Bytes& ni = nonces_[r.use];
        const racoon_span parts[2] = {{ni.data(), ni.size()},
                                      {r.peer_nonce.data(), r.peer_nonce.size()}};
        exchange::Phase1Skeyid::Reply out;
        out.skeyid = Secret(hash->digest_size);
        hash->table->hmac(hash->impl,
                          {reinterpret_cast<const std::uint8_t*>(psk_.data()), psk_.size()}, parts,
                          2, out.skeyid.span().data());
        return reply(out);
    }

    conf::ConfigPtr config_;
    const conf::Catalog& catalog_;
    Endpoint local_;
    std::string psk_;
    UniqueFd socket_;
    std::deque<exchange::Operation> queue_;
    std::map<std::uint64_t, Bytes> nonces_;
    std::map<std::uint64_t, std::pair<const conf::GroupInfo*, void*>> keys_;
    std::uint64_t last_use_ = 0, last_handle_ = 0;
    std::uint32_t last_spi_ = 0;
    std::unique_ptr<exchange::Engine> engine_;
};

}  // namespace racoon::bench
