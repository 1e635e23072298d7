#include "exchange/auth_session.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace racoon::exchange {

namespace {

racoon_addr to_c(const Endpoint& e) {
    racoon_addr a{};
    a.family = static_cast<std::uint8_t>(e.addr.family);
    a.port = e.port;
    a.scope = e.addr.scope;
    std::copy_n(e.addr.bytes.begin(), sizeof(a.bytes), a.bytes);
    return a;
}

racoon_span to_c(ByteView v) {
    return {v.data(), v.size()};
}

/// The record that a plugin completed its operation with.
template <typename Record>
Result<Record> record_of(const Result<Bytes>& bytes) {
    if (!bytes) return tl::unexpected<Error>(bytes.error());
    Record r{};
    std::memcpy(&r, bytes->data(), std::min(sizeof(r), bytes->size()));
    return r;
}

/// An auth method's operation under way: cancelled with the coroutine that waits for it.
class PendingAuth {
  public:
    PendingAuth(Exchange& x, const AuthSession& s)
        : x_(x), session_(s), token_(x.ctx().ops.reserve(&x)) {}
    PendingAuth(const PendingAuth&) = delete;
    PendingAuth& operator=(const PendingAuth&) = delete;
    ~PendingAuth() {
        if (!waiting_) {
            x_.ctx().ops.release(token_);
            return;
        }
        const auto& m = session_.method();
        if (m.table->cancel != nullptr) m.table->cancel(m.impl, session_.handle(), token_.value);
    }
    OpToken token() const { return token_; }
    void pending() { waiting_ = true; }
    void done() { waiting_ = false; }

  private:
    Exchange& x_;
    const AuthSession& session_;
    OpToken token_;
    bool waiting_ = false;
};

Failure refused(const conf::AuthMethodInfo& m, racoon_status st, std::string_view what) {
    if (st == RACOON_DENIED) return fail(Errc::AuthFailed, m.name + ": the proof is wrong");
    return fail(Errc::Plugin,
                m.name + ": " + std::string(what) + " failed with " + std::to_string(st));
}

}  // namespace

Result<AuthSession> AuthSession::begin(const conf::AuthMethodInfo& method, bool initiator,
                                       std::uint32_t exchange_type, const Endpoint& local,
                                       const Endpoint& peer) {
    if (method.table == nullptr)
        return fail(Errc::Plugin, "authentication method " + method.name + " is not loaded");
    racoon_auth_params params{};
    params.struct_size = sizeof(params);
    params.role = initiator ? RACOON_ROLE_INITIATOR : RACOON_ROLE_RESPONDER;
    params.exchange_type = exchange_type;
    params.local = to_c(local);
    params.peer = to_c(peer);
    AuthSession out;
    out.method_ = &method;
    const racoon_status st = method.table->begin(method.impl, &params, &out.session_);
    if (st != RACOON_OK) return refused(method, st, "begin");
    out.active_ = true;
    return out;
}

AuthSession& AuthSession::operator=(AuthSession&& other) noexcept {
    if (this != &other) {
        reset();
        method_ = other.method_;
        session_ = std::exchange(other.session_, nullptr);
        active_ = std::exchange(other.active_, false);
    }
    return *this;
}

void AuthSession::reset() {
    if (active_) method_->table->end(method_->impl, session_);
    active_ = false;
}

std::uint32_t AuthSession::skeyid_recipe() const {
    return method_->table->skeyid_recipe(method_->impl, session_);
}

Task<Result<AuthProof>> make_proof(Exchange& x, const AuthSession& session, const Secret& hash) {
    const conf::AuthMethodInfo& m = session.method();
    racoon_auth_out out{};
    out.struct_size = sizeof(out);
    PendingAuth op(x, session);
    const racoon_status st =
        m.table->auth_out(m.impl, session.handle(), to_c(hash.view()), op.token().value, &out);
    if (st == RACOON_PENDING) {
        op.pending();
        Result<Bytes> answer = co_await x.completion(op.token());
        op.done();
        Result<racoon_auth_out> record = record_of<racoon_auth_out>(answer);
        if (!record) co_return tl::unexpected<Error>(std::move(record).error());
        out = *record;
    } else if (st != RACOON_OK) {
        co_return Result<AuthProof>(refused(m, st, "auth_out"));
    }
    if (out.size == 0 || out.size > sizeof(out.body) ||
        (out.payload_type != isakmp::number(isakmp::PayloadType::Hash) &&
         out.payload_type != isakmp::number(isakmp::PayloadType::Signature)))
        co_return Result<AuthProof>(fail(Errc::Plugin, m.name + ": made no usable proof"));
    AuthProof proof;
    proof.type = static_cast<isakmp::PayloadType>(out.payload_type);
    proof.body.assign(out.body, out.body + out.size);
    co_return Result<AuthProof>(std::move(proof));
}

Task<Result<std::uint32_t>> judge_proof(Exchange& x, const AuthSession& session,
                                        const Secret& expected, const isakmp::Message& message,
                                        const isakmp::IdView& id) {
    const conf::AuthMethodInfo& m = session.method();
    std::vector<racoon_payload> payloads;
    for (const isakmp::Payload& p : message.payloads()) {
        racoon_payload c{};
        c.type = isakmp::number(p.type);
        c.body = to_c(p.body);
        payloads.push_back(c);
    }
    const Bytes id_data = id.identity.data();
    racoon_identity peer_id{};
    peer_id.type = static_cast<std::uint32_t>(id.identity.type());
    peer_id.port = id.identity.port;
    peer_id.protocol = id.identity.protocol;
    peer_id.data = to_c(id_data);

    racoon_auth_verdict verdict{};
    verdict.struct_size = sizeof(verdict);
    PendingAuth op(x, session);
    const racoon_status st =
        m.table->auth_in(m.impl, session.handle(), to_c(expected.view()), payloads.data(),
                         payloads.size(), &peer_id, op.token().value, &verdict);
    if (st == RACOON_PENDING) {
        op.pending();
        Result<Bytes> answer = co_await x.completion(op.token());
        op.done();
        Result<racoon_auth_verdict> record = record_of<racoon_auth_verdict>(answer);
        if (!record) co_return tl::unexpected<Error>(std::move(record).error());
        verdict = *record;
    } else if (st != RACOON_OK) {
        co_return Result<std::uint32_t>(refused(m, st, "auth_in"));
    }
    co_return Result<std::uint32_t>(verdict.verdict);
}

}  // namespace racoon::exchange
