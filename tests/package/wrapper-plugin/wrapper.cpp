// Uses the C++ classes in the ways that can go wrong: it throws, forgets operations, answers later.
#include <stdexcept>

#include <racoon/plugin.hpp>

#include "racoon_manifest.h"

namespace {

namespace rp = racoon::sdk;

class Session final : public rp::auth_method::session {
  public:
    std::uint32_t skeyid_recipe() override { return RACOON_SKEYID_PSK; }

    // The first byte of the hash says what to do.
    rp::reply auth_out(rp::span hash, racoon_auth_out& out,
                       rp::op<racoon_auth_out>& later) override {
        switch (hash.empty() ? '?' : *hash.data()) {
            case 'n':
                out.payload_type = 8;
                return rp::done;
            case 't':
                throw std::runtime_error("thrown in auth_out");
            case 'p':
                return rp::pending;  // without taking the operation
            case 'l':
                held_ = std::move(later);
                return rp::pending;
            case 'd': {
                const auto dropped = std::move(later);
                return rp::pending;
            }
            default:
                return rp::failure(RACOON_DENIED, "no");
        }
    }
    rp::reply auth_in(rp::span, const racoon_payload*, std::size_t, const racoon_identity&,
                      racoon_auth_verdict& out, rp::op<racoon_auth_verdict>&) override {
        out.verdict = RACOON_AUTH_FULL;
        throw 42;  // after the verdict: it must not count
    }
    void cancel(racoon_op) override {
        racoon_auth_out out{};
        out.struct_size = sizeof out;
        out.payload_type = 9;
        held_.complete(out);
    }

  private:
    rp::op<racoon_auth_out> held_;
};

class Method final : public rp::auth_method {
    rp::result<std::unique_ptr<session>> begin(const racoon_auth_params&) override {
        return std::unique_ptr<session>(new Session);
    }
};

class Cipher final : public rp::cipher {
    class Key final : public key {
        rp::result<void> crypt(bool, std::uint8_t*, std::uint8_t* data, std::size_t size) override {
            for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<std::uint8_t>(~data[i]);
            return {};
        }
    };
    rp::result<std::unique_ptr<key>> key_new(rp::span bytes) override {
        if (bytes.size() != 8) return rp::failure(RACOON_INVALID_ARGUMENT, "expected 8 bytes");
        return std::unique_ptr<key>(new Key);
    }
};

class Wrapper final : public rp::plugin {
    rp::result<void> init() override {
        if (auto r = provide("wrapped", method_); !r) return r;
        return provide("wrapped", cipher_);
    }
    rp::result<void> configure(const rp::section& conf) override {
        auto limit = conf.integer("limit");
        if (!limit) return limit.why();
        if (*limit == 13) throw std::runtime_error("thrown in configure");
        return {};
    }
    Method method_;
    Cipher cipher_;
};

}  // namespace

RACOON_PLUGIN(Wrapper, "wrapper 1.0.0")
