#include "privsep/local_operations.hpp"

#include "base/secret.hpp"

namespace racoon::privsep {

namespace {

using namespace exchange;

// One key for each negotiation under way; more cannot be honest.
constexpr std::size_t kMaxKeys = 65'536;

/// A private key of a module. Freed when the last user lets go, on whatever thread that is: free()
/// is safe on any.
struct PrivateKey {
    explicit PrivateKey(const conf::GroupInfo& g) : group(g) {}
    ~PrivateKey() {
        if (raw != nullptr) group.table->free(group.impl, raw);
    }
    PrivateKey(const PrivateKey&) = delete;
    PrivateKey& operator=(const PrivateKey&) = delete;
    const conf::GroupInfo& group;
    void* raw = nullptr;
};

/// What a job leaves for the loop.
template <typename Reply>
struct Outcome {
    racoon_status status = RACOON_INTERNAL;
    Reply reply;
};

Failure crypto_failure(const conf::GroupInfo& group, const char* what, racoon_status status) {
    const Errc code = status == RACOON_INVALID_ARGUMENT || status == RACOON_PROTOCOL
                          ? Errc::Malformed
                          : Errc::Crypto;
    return fail(code, std::string(what) + " in " + group.name + " failed (module " + group.module +
                          ", status " + std::to_string(status) + ")");
}

}  // namespace

struct LocalOperations::State : std::enable_shared_from_this<State> {
    State(loop::EventLoop& l, loop::WorkPool& w, const conf::Catalog& c, Answer a)
        : loop(l), workers(w), catalog(c), answer(std::move(a)) {}

    loop::EventLoop& loop;
    loop::WorkPool& workers;
    const conf::Catalog& catalog;
    Answer answer;
    bool open = true;
    std::unordered_map<std::uint64_t, std::shared_ptr<PrivateKey>> keys;
    std::uint64_t next_handle = 1;
    std::unordered_map<OpToken, loop::WorkToken> running;

    /// Never from inside start(): the engine is not ready for it there.
    void answer_later(OpToken token, Result<Bytes> result) {
        running.emplace(token, loop::WorkToken{});
        loop.post([self = shared_from_this(), token, result = std::move(result)]() mutable {
            self->finish(token, std::move(result));
        });
    }

    void finish(OpToken token, Result<Bytes> result) {
        if (running.erase(token) != 0 && open) answer(token, std::move(result));
    }

    void submit(OpToken token, UniqueFunction<void()> job, UniqueFunction<Result<Bytes>()> result) {
        auto work = workers.submit(std::move(job), [self = shared_from_this(), token,
                                                    result = std::move(result)](bool ran) mutable {
            if (!self->running.contains(token)) return;
            self->finish(token, ran ? result() : Result<Bytes>(fail(Errc::Cancelled, "not begun")));
        });
        if (work)
            running.emplace(token, *work);
        else
            answer_later(token, fail(work.error()));
    }

    void generate(OpToken token, const DhGenerate& request) {
        const conf::GroupInfo* group = catalog.group(std::to_string(request.group));
        if (group == nullptr || group->table == nullptr) {
            answer_later(token,
                         fail(Errc::Unsupported, "no loaded module has Diffie-Hellman group " +
                                                     std::to_string(request.group)));
            return;
        }
        if (keys.size() >= kMaxKeys) {
            answer_later(token, fail(Errc::Busy, "too many Diffie-Hellman keys"));
            return;
        }
        auto key = std::make_shared<PrivateKey>(*group);
        auto out = std::make_shared<Outcome<DhGenerate::Reply>>();
        out->reply.public_value.resize(group->public_size);
        submit(
            token,
            [key, out] {
                out->status = key->group.table->generate(key->group.impl,
                                                         out->reply.public_value.data(), &key->raw);
            },
            [self = shared_from_this(), key, out]() -> Result<Bytes> {
                if (out->status != RACOON_OK || key->raw == nullptr)
                    return crypto_failure(key->group, "making a Diffie-Hellman key", out->status);
                out->reply.handle = self->next_handle++;
                self->keys.emplace(out->reply.handle, key);
                return encode(out->reply);
            });
    }

    void compute(OpToken token, DhCompute request) {
        const auto found = keys.find(request.handle);
        if (found == keys.end()) {
            answer_later(token, fail(Errc::NotFound, "no such Diffie-Hellman key"));
            return;
        }
        auto key = found->second;
        auto out = std::make_shared<Outcome<DhCompute::Reply>>();
        out->reply.shared = Secret(key->group.secret_size);
        auto peer = std::make_shared<Bytes>(std::move(request.peer_public));
        submit(
            token,
            [key, out, peer] {
                out->status = key->group.table->compute(key->group.impl, key->raw,
                                                        racoon_span{peer->data(), peer->size()},
                                                        out->reply.shared.span().data());
            },
            [key, out]() -> Result<Bytes> {
                if (out->status != RACOON_OK)
                    return crypto_failure(key->group, "the Diffie-Hellman computation",
                                          out->status);
                return encode(out->reply);
            });
    }

    void start(const Operation& operation) {
        switch (operation.kind) {
            case OpKind::DhGenerate:
                if (auto r = decode<DhGenerate>(operation.request))
                    return generate(operation.token, *r);
                break;
            case OpKind::DhCompute:
                if (auto r = decode<DhCompute>(operation.request))
                    return compute(operation.token, std::move(*r));
                break;
            case OpKind::DhFree:
                if (auto r = decode<DhFree>(operation.request)) keys.erase(r->handle);
                return;
            default:
                break;
        }
        answer_later(operation.token,
                     fail(Errc::Internal, "an operation that this process does not serve"));
    }
};

LocalOperations::LocalOperations(loop::EventLoop& loop, loop::WorkPool& workers,
                                 const conf::Catalog& catalog, Answer answer)
    : state_(std::make_shared<State>(loop, workers, catalog, std::move(answer))) {}

LocalOperations::~LocalOperations() {
    state_->open = false;
    for (const auto& [token, work] : state_->running) state_->workers.cancel(work);
    state_->running.clear();
    state_->keys.clear();
}

void LocalOperations::start(Operation operation) {
    state_->start(operation);
    wipe(operation.request);
}

void LocalOperations::cancel(OpToken token) {
    const auto found = state_->running.find(token);
    if (found == state_->running.end()) return;
    const loop::WorkToken work = found->second;
    state_->running.erase(found);
    state_->workers.cancel(work);
}

std::size_t LocalOperations::keys() const {
    return state_->keys.size();
}

}  // namespace racoon::privsep
