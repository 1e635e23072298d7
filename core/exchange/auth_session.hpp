// AuthSession: one negotiation's session with its auth method, called straight through the table.
//
//     RACOON_TRY(auto session, AuthSession::begin(*params.auth, info));
//     auto proof = co_await make_proof(x, session, hash_i);
//     auto verdict = co_await judge_proof(x, session, expected, message, id);
//
// The method sees the hash to prove or the hash to expect, never SKEYID or g^xy.
#pragma once

#include <racoon/plugin.h>

#include "base/net_addr.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "conf/catalog.hpp"
#include "exchange/exchange.hpp"
#include "isakmp/message_views.hpp"

namespace racoon::exchange {

class AuthSession {
  public:
    AuthSession() = default;
    static Result<AuthSession> begin(const conf::AuthMethodInfo& method, bool initiator,
                                     std::uint32_t exchange_type, const Endpoint& local,
                                     const Endpoint& peer);
    AuthSession(AuthSession&& other) noexcept { *this = std::move(other); }
    AuthSession& operator=(AuthSession&& other) noexcept;
    AuthSession(const AuthSession&) = delete;
    AuthSession& operator=(const AuthSession&) = delete;
    ~AuthSession() { reset(); }

    const conf::AuthMethodInfo& method() const { return *method_; }
    void* handle() const { return session_; }
    bool active() const { return active_; }
    /// RACOON_SKEYID_…
    std::uint32_t skeyid_recipe() const;

  private:
    void reset();
    const conf::AuthMethodInfo* method_ = nullptr;
    void* session_ = nullptr;
    bool active_ = false;
};

struct AuthProof {
    isakmp::PayloadType type = isakmp::PayloadType::Hash;
    Bytes body;
};

/// All references outlive the task.
Task<Result<AuthProof>> make_proof(Exchange& x, const AuthSession& session, const Secret& hash);
/// RACOON_AUTH_…; AuthFailed when the proof is wrong.
Task<Result<std::uint32_t>> judge_proof(Exchange& x, const AuthSession& session,
                                        const Secret& expected, const isakmp::Message& message,
                                        const isakmp::IdView& id);

}  // namespace racoon::exchange
