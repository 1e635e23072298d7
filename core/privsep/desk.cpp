#include "privsep/desk.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <sys/random.h>
#include <unordered_map>
#include <unordered_set>

#include "base/check.hpp"
#include "base/secret.hpp"
#include "log/log.hpp"
#include "log/rate_limit.hpp"
#include "privsep/acquires.hpp"
#include "privsep/credentials.hpp"
#include "privsep/local_nets.hpp"
#include "privsep/made_policies.hpp"

namespace racoon::privsep {

namespace {

using namespace exchange;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A captured engine must not fill the keeper's memory; honest ones stay far below.
constexpr std::size_t kMaxPhase1 = 400'000;
constexpr std::size_t kMaxSas = 1'000'000;
constexpr std::size_t kMaxPending = 8192;
constexpr std::size_t kMaxPairRecord = 8192;         // bytes of what is told of one pair
constexpr std::size_t kMaxPairRecords = 256u << 20;  // and of all
// An exchange needs one SKEYID; a second try with another nonce can only be a mistake or an attack. But
// the initiator of aggressive mode has to try the proof of each answer, and some may be forged.
constexpr unsigned kSkeyidsPerUse = 1;
constexpr unsigned kSkeyidsOfAggressiveInitiator = 4;
constexpr std::uint8_t kAggressiveMode = 4;

unsigned skeyids_for(const Phase1Facts& phase1) {
    return phase1.initiator && phase1.exchange_type == kAggressiveMode
               ? kSkeyidsOfAggressiveInitiator
               : kSkeyidsPerUse;
}

void draw_random(std::span<std::uint8_t> out) {
    while (!out.empty()) {
        const ssize_t n = ::getrandom(out.data(), out.size(), 0);
        if (n < 0 && errno == EINTR) continue;
        RACOON_CHECK(n > 0);  // without randomness there is nothing that could be done safely
        out = out.subspan(static_cast<std::size_t>(n));
    }
}

std::uint64_t draw_key() {
    std::array<std::uint8_t, 8> bytes{};
    draw_random(bytes);
    Reader in(bytes);
    return *in.u64();
}

struct SaKey {
    std::uint8_t protocol;
    std::uint32_t spi;
    IpAddr dst;
    friend bool operator==(const SaKey&, const SaKey&) = default;
};
struct SaKeyHash {
    std::size_t operator()(const SaKey& k) const noexcept {
        return IpAddrHash{}(k.dst) * 31 + k.spi * 7 + k.protocol;
    }
};
/// A pair as its engine told of it. Encoded: there may be very many.
struct KeptRecord {
    Bytes bytes;
    TimePoint established;
    bool renew = false;
};
struct SaFacts {
    IpAddr src;
    PolicyId policy;
    std::uint64_t larval_of = 0;  // the use that got this SPI and has not installed it yet; else 0
    bool encapsulated = false;    // in UDP
    // Of the pair whose innermost inbound SA this is; null: the engine told of none.
    std::unique_ptr<KeptRecord> pair = nullptr;
    bool installed() const { return larval_of == 0; }
};

struct Use {
    std::shared_ptr<const Book> book;
    Phase1Facts facts;
    Bytes nonce;
    unsigned skeyids = 0;
    std::unordered_set<SaKey, SaKeyHash> larval;  // SPIs got and not yet installed
};

}  // namespace

struct Desk::Impl {
    Impl(loop::EventLoop& l, plugin::PluginHost& h, std::function<void(const OpResult&)> r)
        : loop(l), host(h), send_result(std::move(r)), made(l) {}

    loop::EventLoop& loop;
    plugin::PluginHost& host;
    std::function<void(const OpResult&)> send_result;
    std::shared_ptr<const Book> book, previous_book;
    Kernel* kernel = nullptr;
    const ForeignPolicies* foreign = nullptr;
    SavedSas* saved = nullptr;
    ResolveHost resolve_host;
    MadePolicies made;

    std::unordered_map<std::uint64_t, Use> uses;
    std::uint64_t next_use = 1;
    std::unordered_map<SaKey, SaFacts, SaKeyHash> sas;
    std::size_t pair_bytes = 0;     // of all records of pairs
    std::vector<PairKeep> cut_off;  // pairs that the end of an engine left incomplete
    Acquires acquires{loop, [this](std::uint64_t token, bool success) {
                          if (kernel) kernel->acquire_done(token, success);
                      }};
    std::unordered_set<std::uint64_t> pending;  // tokens of operations under way
    std::uint64_t engine_number = 0;            // answers to an earlier engine are dropped

    DeskCounters count;
    log::RateLimit noise{8, seconds(10), draw_key()};
    log::RateLimit skeyid_peer{2000, milliseconds(1), draw_key()};
    log::RateLimit skeyid_all{20'000, std::chrono::microseconds(100), draw_key()};

    // --- refusals
    // ---------------------------------------------------------------------------------

    Status refuse(OpKind kind, const std::string& peer, const Error& error) {
        ++count.refused;
        const auto pass = noise.allow(error.text(), peer, loop.now());
        if (pass)
            LOGE(peer, fmt::format("the keeper refused operation {} of the engine: {}{}",
                                   static_cast<unsigned>(kind), error.text(), pass.note()));
        return fail(error);
    }

    template <typename T>
    Result<T> judged(OpKind kind, const std::string& peer, Result<T> result) {
        if (!result && result.error().code() == Errc::Denied)
            static_cast<void>(refuse(kind, peer, result.error()));
        return result;
    }

    Result<Use*> use_of(std::uint64_t id) {
        const auto found = uses.find(id);
        if (found == uses.end())
            return fail(Errc::Denied, fmt::format("no phase 1 {} is known", id));
        return &found->second;
    }

    std::shared_ptr<const Book> book_of(std::uint32_t generation) const {
        if (book && book->generation() == generation) return book;
        if (previous_book && previous_book->generation() == generation) return previous_book;
        return nullptr;
    }

    // --- answers
    // ----------------------------------------------------------------------------------

    void answer(std::uint64_t engine, OpToken token, Result<Bytes> result) {
        if (engine != engine_number || pending.erase(token.value) == 0) return;
        OpResult out;
        out.token = token;
        if (result)
            out.bytes = std::move(*result);
        else
            out.error = result.error();
        send_result(out);
        wipe(out.bytes);
    }

    template <typename Reply>
    static Result<Bytes> encoded(const Result<Reply>& reply) {
        if (!reply) return fail(reply.error());
        return encode(*reply);
    }
    static Result<Bytes> empty_reply(const Status& status) {
        if (!status) return fail(status.error());
        return Bytes{};
    }

    // --- operations
    // -------------------------------------------------------------------------------

    void operation(ByteView body) {
        ++count.operations;
        auto request = privsep::decode<OpRequest>(body);
        if (!request) {
            malformed("an operation", request.error());
            return;
        }
        const OpToken token = request->token;
        if (!has_answer(request->kind)) {
            unanswered(*request);
            wipe(request->request);
            return;
        }
        if (!pending.insert(token.value).second) {
            malformed("an operation", Error(Errc::Malformed, "a token that is in use"));
            return;
        }
        if (pending.size() > kMaxPending)
            answer(engine_number, token, fail(Errc::Busy, "too many operations are under way"));
        else
            dispatch(*request);
        wipe(request->request);
    }

    void malformed(const char* what, const Error& error) {
        ++count.malformed;
        if (const auto pass = noise.allow(what, "", loop.now()))
            LOGE("", fmt::format("the engine sent {} that is not well formed: {}{}", what,
                                 error.text(), pass.note()));
    }

    /// Decodes the request and hands it on; a bad one is answered, and nothing else suffers.
    template <typename Request, typename Serve>
    void serve(const OpRequest& raw, Serve serve_it) {
        auto request = exchange::decode<Request>(raw.request);
        if (!request) {
            malformed("a request", request.error());
            answer(engine_number, raw.token, fail(request.error()));
            return;
        }
        serve_it(std::move(*request));
    }

    void dispatch(const OpRequest& raw) {
        const OpToken token = raw.token;
        const std::uint64_t engine = engine_number;
        switch (raw.kind) {
            case OpKind::Phase1Open:
                return serve<Phase1Open>(raw, [&](Phase1Open r) {
                    answer(engine, token,
                           encoded(judged(raw.kind, r.peer.addr.text(), open_phase1(r))));
                });
            case OpKind::Phase1Skeyid:
                return serve<Phase1Skeyid>(raw, [&](Phase1Skeyid r) {
                    answer(engine, token, encoded(judged(raw.kind, peer_of(r.use), skeyid(r))));
                });
            case OpKind::Resolve:
                return serve<Resolve>(raw, [&](const Resolve& r) { resolve(engine, token, r); });
            case OpKind::SpiGet:
                return serve<SpiGet>(raw, [&](SpiGet r) { spi_get(engine, token, std::move(r)); });
            case OpKind::SaInstall:
                return serve<SaInstall>(
                    raw, [&](SaInstall r) { sa_install(engine, token, std::move(r)); });
            case OpKind::SaDelete:
                return serve<SaDelete>(raw, [&](SaDelete r) { sa_delete(engine, token, r); });
            case OpKind::PolicyMake:
                return serve<PolicyMake>(raw, [&](const PolicyMake& r) {
                    answer(engine, token,
                           encoded(judged(raw.kind, peer_of(r.use), make_policy(r))));
                });
            case OpKind::PolicyUse:
                return serve<PolicyUse>(raw, [&](const PolicyUse& r) {
                    made.use(r.policy, r.seconds, [this, engine, token](const Status& status) {
                        answer(engine, token, empty_reply(status));
                    });
                });
            case OpKind::SaQuery:
                return serve<SaQuery>(raw, [&](SaQuery r) { sa_query(engine, token, r); });
            default:
                break;
        }
        const Error error(Errc::Denied, "not an operation of the keeper");
        static_cast<void>(refuse(raw.kind, "", error));
        answer(engine, token, fail(error));
    }

    void unanswered(const OpRequest& raw) {
        if (raw.kind == OpKind::Phase1Close) {
            if (auto r = exchange::decode<Phase1Close>(raw.request))
                close_phase1(r->use);
            else
                malformed("a request", r.error());
        } else if (raw.kind == OpKind::Phase1Rebind) {
            if (auto r = exchange::decode<Phase1Rebind>(raw.request))
                static_cast<void>(judged(raw.kind, peer_of(r->use), rebind(*r)));
            else
                malformed("a request", r.error());
        } else if (raw.kind == OpKind::PolicyDrop) {
            if (auto r = exchange::decode<PolicyDrop>(raw.request))
                made.drop(r->policy);
            else
                malformed("a request", r.error());
        } else if (raw.kind == OpKind::Phase1Move) {
            if (auto r = exchange::decode<Phase1Move>(raw.request))
                static_cast<void>(judged(raw.kind, peer_of(r->use), move_phase1(*r)));
            else
                malformed("a request", r.error());
        } else if (raw.kind == OpKind::SaMove) {
            if (auto r = exchange::decode<SaMove>(raw.request))
                sa_move(*r);
            else
                malformed("a request", r.error());
        } else if (raw.kind == OpKind::AcquireDone) {
            auto r = exchange::decode<AcquireDone>(raw.request);
            if (!r)
                malformed("a request", r.error());
            else
                acquires.done(r->acquire_token, r->success);
        } else if (raw.kind == OpKind::PairKeep) {
            if (auto r = exchange::decode<PairKeep>(raw.request))
                static_cast<void>(judged(raw.kind, r->remote.addr.text(), keep_pair(*r)));
            else
                malformed("a request", r.error());
        } else {
            malformed("an operation", Error(Errc::Malformed, "not one of the keeper"));
        }
    }

    std::string peer_of(std::uint64_t use) const {
        const auto found = uses.find(use);
        return found == uses.end() ? "" : found->second.facts.peer.addr.text();
    }

    Result<Phase1Open::Reply> open_phase1(const Phase1Open& request) {
        const auto with = book_of(request.generation);
        if (!with)
            return fail(Errc::Conflict,
                        fmt::format("configuration {} is not in force", request.generation));
        RACOON_TRY(const conf::Remote* section, with->check_open(request));
        if (uses.size() >= kMaxPhase1) return fail(Errc::Busy, "too many phase 1 SAs");
        Use use;
        use.book = with;
        use.facts = Phase1Facts{section, request.initiator, request.exchange_type, request.local,
                                request.peer};
        use.nonce.resize(request.nonce_size);
        draw_random(use.nonce);
        Phase1Open::Reply reply;
        reply.use = next_use++;
        reply.nonce = use.nonce;
        uses.emplace(reply.use, std::move(use));
        return reply;
    }

    Result<Phase1Skeyid::Reply> skeyid(const Phase1Skeyid& request) {
        RACOON_TRY(Use * use, use_of(request.use));
        RACOON_TRY_STATUS(Book::check_skeyid(request, use->facts));
        if (use->skeyids >= skeyids_for(use->facts))
            return fail(Errc::Denied, use->skeyids == 1 ? "a second SKEYID for one phase 1"
                                                        : "too many SKEYIDs for one phase 1");
        const std::string peer = use->facts.peer.addr.text();
        if (!skeyid_peer.allow("skeyid", peer, loop.now()) ||
            !skeyid_all.allow("skeyid", "", loop.now()))
            return fail(Errc::Denied, "too many uses of pre-shared keys in a short time");
        ++use->skeyids;
        ++count.skeyids;
        LOGD(peer, fmt::format("pre-shared key used for remote \"{}\" ({} since the start)",
                               use->facts.section->name, count.skeyids));
        RACOON_TRY(Secret key, psk_skeyid(host.registry(), use->facts, use->nonce, request));
        if (use->skeyids >= skeyids_for(use->facts)) use->nonce = {};
        Phase1Skeyid::Reply reply;
        reply.skeyid = std::move(key);
        return reply;
    }

    Result<const conf::Remote*> rebind(const Phase1Rebind& request) {
        RACOON_TRY(Use * use, use_of(request.use));
        const auto with = book_of(request.generation);
        if (!with)
            return fail(Errc::Conflict,
                        fmt::format("configuration {} is not in force", request.generation));
        RACOON_TRY(const conf::Remote* section, with->check_rebind(request.section, use->facts));
        use->book = with;
        use->facts.section = section;
        return section;
    }

    /// A policy that is not the configuration's; null: there is none of that number.
    const conf::Policy* other_policy(PolicyId id) const {
        if (const conf::Policy* p = made.find(id)) return p;
        return foreign != nullptr ? foreign->find(id) : nullptr;
    }

    /// One that others have removed meanwhile is no sign of a captured engine.
    Status check_there(PolicyId id) const {
        if (!ForeignPolicies::is_foreign(id) || other_policy(id) != nullptr) return ok();
        return fail(Errc::NotFound, "its policy was removed from the kernel");
    }

    std::vector<const conf::Policy*> foreign_list() const {
        return foreign != nullptr ? foreign->served() : std::vector<const conf::Policy*>();
    }

    Result<PolicyMake::Reply> make_policy(const PolicyMake& request) {
        RACOON_TRY(Use * use, use_of(request.use));
        const std::vector<Prefix> nets = local_nets();
        RACOON_TRY_STATUS(use->book->check_policy_make(request, use->facts, nets, foreign_list()));
        if (!kernel) return fail(Errc::InvalidState, "no kernel backend");
        return made.make(request, use->facts);
    }

    Result<PolicyId> make_again(const PolicyMake& request, const Phase1Facts& phase1,
                                const Book& by, ReqId reqid) {
        const std::vector<Prefix> nets = local_nets();
        RACOON_TRY_STATUS(by.check_policy_make(request, phase1, nets, foreign_list()));
        RACOON_TRY(const PolicyMake::Reply reply, made.make(request, phase1, reqid));
        return reply.policy;
    }

    Result<const conf::Remote*> move_phase1(const Phase1Move& request) {
        RACOON_TRY(Use * use, use_of(request.use));
        RACOON_TRY(const conf::Remote* section,
                   use->book->check_move(request.peer, use->facts, foreign_list()));
        if (!use->facts.began) use->facts.began = use->facts.peer.addr;
        use->facts.peer = request.peer;
        return section;
    }

    /// Only the port changes: the peer stays the one that policy and section name.
    void sa_move(const SaMove& request) {
        const SaKey key{request.protocol, request.spi.value,
                        request.inbound ? request.local : request.peer};
        const auto found = sas.find(key);
        if (found == sas.end() || !found->second.installed() || !kernel)
            return;  // it may have ended
        if (!found->second.encapsulated ||
            found->second.src != (request.inbound ? request.peer : request.local)) {
            static_cast<void>(refuse(OpKind::SaMove, request.peer.text(),
                                     Error(Errc::Denied, "an SA that is not behind a NAT moves")));
            return;
        }
        if (saved != nullptr) saved->sa_moved(request);
        kernel->sa_move(request, [peer = request.peer.text()](const Status& status) {
            if (!status) LOGW(peer, "NAT-T: an SA stays at the old port: " + status.error().text());
        });
    }

    void close_phase1(std::uint64_t id) {
        const auto found = uses.find(id);
        if (found == uses.end()) return;
        const Use use = std::move(found->second);
        uses.erase(found);
        // SPIs that never became SAs: nobody else will give them back.
        for (const SaKey& key : use.larval) {
            const auto sa = sas.find(key);
            if (sa == sas.end()) continue;
            give_back(key, sa->second.src);
            forget_sa(sa);
        }
    }

    void give_back(const SaKey& key, const IpAddr& src) {
        if (!kernel) return;
        SaDelete gone;
        gone.protocol = key.protocol;
        gone.spi = Spi{key.spi};
        gone.src = src;
        gone.dst = key.dst;
        kernel->sa_delete(gone, [](const Status&) {});
    }

    using SaTable = std::unordered_map<SaKey, SaFacts, SaKeyHash>;

    /// Nothing is left of an SA, also not in the account of who reserved its SPI.
    void forget_sa(SaTable::iterator sa) {
        const auto& [key, facts] = *sa;
        if (auto use = uses.find(facts.larval_of); use != uses.end()) use->second.larval.erase(key);
        if (saved != nullptr) {
            saved->sa_gone(key.protocol, Spi{key.spi}, key.dst);
            if (facts.pair) saved->pair_gone(key.protocol, Spi{key.spi}, key.dst);
        }
        if (facts.pair) pair_bytes -= facts.pair->bytes.size();
        sas.erase(sa);
    }

    // --- pairs
    // ------------------------------------------------------------------------------------

    Result<PolicyId> keep_pair(const PairKeep& record) {
        const SaKey key{record.sas[0].protocol, record.sas[0].spi_in.value, record.local.addr};
        const auto found = sas.find(key);
        if (found == sas.end()) return record.policy;  // it may have ended a moment ago
        SaFacts& facts = found->second;
        if (facts.policy != record.policy || facts.src != record.remote.addr)
            return fail(Errc::Denied, fmt::format("SPI 0x{:08x} for a pair of policy {}", key.spi,
                                                  record.policy.value));
        Bytes bytes = encode(record);
        const std::size_t before = facts.pair ? facts.pair->bytes.size() : 0;
        if (bytes.size() > kMaxPairRecord || pair_bytes - before + bytes.size() > kMaxPairRecords)
            return fail(Errc::Denied, fmt::format("{} bytes about a pair", bytes.size()));
        if (saved != nullptr) saved->pair(record);
        pair_bytes += bytes.size() - before;
        if (!facts.pair) {
            facts.pair = std::make_unique<KeptRecord>();
            facts.pair->established = loop.now();
        }
        facts.pair->bytes = std::move(bytes);
        return record.policy;
    }

    void restored(const SavedSas::Pair& pair, Duration age, bool anew) {
        for (const SavedSas::Sa& sa : pair.sas) {
            const SaInstall& r = sa.request;
            SaFacts facts{r.inbound ? r.peer : r.local, r.policy, 0, r.peer_port != 0};
            sas.insert_or_assign(SaKey{r.protocol, r.spi.value, r.inbound ? r.local : r.peer},
                                 std::move(facts));
        }
        const PairKeep::Sa& first = pair.record.sas[0];
        SaFacts& facts = sas.at(SaKey{first.protocol, first.spi_in.value, pair.record.local.addr});
        facts.pair = std::make_unique<KeptRecord>();
        facts.pair->bytes = encode(pair.record);
        facts.pair->established = loop.now() - age;
        facts.pair->renew = anew;
        pair_bytes += facts.pair->bytes.size();
    }

    std::vector<KernelEvent> reconcile(const std::vector<Kernel::DumpedSa>& there) {
        std::unordered_set<SaKey, SaKeyHash> present;
        for (const Kernel::DumpedSa& sa : there)
            present.insert(SaKey{sa.protocol, sa.spi.value, sa.dst});
        std::vector<KernelEvent> out;
        for (auto sa = sas.begin(); sa != sas.end();) {
            const auto at = sa++;
            if (!at->second.installed() || present.contains(at->first)) continue;
            KernelEvent event;
            event.type = RACOON_KERNEL_SA_DELETED;
            event.policy = at->second.policy;
            event.protocol = at->first.protocol;
            event.spi = Spi{at->first.spi};
            event.src.addr = at->second.src;
            event.dst.addr = at->first.dst;
            out.push_back(event);
            give_back(at->first, at->second.src);
            forget_sa(at);
        }
        return out;
    }

    bool is_installed(const SaKey& key, PolicyId policy) const {
        const auto found = sas.find(key);
        return found != sas.end() && found->second.installed() && found->second.policy == policy;
    }

    /// Its SAs as they are named here; empty: one of them is missing.
    std::vector<SaKey> sas_of(const PairKeep& record) const {
        std::vector<SaKey> out;
        for (const PairKeep::Sa& sa : record.sas)
            for (const bool inbound : {true, false}) {
                const SaKey key{sa.protocol, (inbound ? sa.spi_in : sa.spi_out).value,
                                inbound ? record.local.addr : record.remote.addr};
                if (!is_installed(key, record.policy)) return {};
                out.push_back(key);
            }
        return out;
    }

    std::vector<KeptPair> kept_pairs() {
        std::vector<KeptPair> out;
        for (const auto& [key, facts] : sas) {
            if (!facts.pair) continue;
            auto record = exchange::decode<PairKeep>(facts.pair->bytes);
            if (!record || sas_of(*record).empty()) continue;
            KeptPair kept;
            kept.record = std::move(*record);
            kept.whole = true;
            kept.renew = facts.pair->renew;
            kept.age = loop.now() - facts.pair->established;
            out.push_back(std::move(kept));
        }
        for (PairKeep& record : std::exchange(cut_off, {})) {
            KeptPair kept;
            kept.record = std::move(record);
            out.push_back(std::move(kept));
        }
        return out;
    }

    /// The next engine goes on with pairs that are whole. Other SAs would be known to nobody.
    void drop_incomplete() {
        std::unordered_set<SaKey, SaKeyHash> whole;
        for (const auto& [key, facts] : sas) {
            if (!facts.pair) continue;
            auto record = exchange::decode<PairKeep>(facts.pair->bytes);
            if (!record) continue;
            const std::vector<SaKey> all = sas_of(*record);
            whole.insert(all.begin(), all.end());
            if (all.empty() && facts.installed()) cut_off.push_back(std::move(*record));
        }
        for (auto sa = sas.begin(); sa != sas.end();) {
            const auto at = sa++;
            if (whole.contains(at->first)) continue;
            give_back(at->first, at->second.src);
            forget_sa(at);
        }
    }

    /// Names come from the configuration only: an engine cannot ask for others.
    void resolve(std::uint64_t engine, OpToken token, const Resolve& request) {
        const auto with = book_of(request.generation);
        const conf::Remote* section = with ? with->remote(request.section) : nullptr;
        Status allowed = ok();
        if (!with)
            allowed = fail(Errc::Conflict,
                           fmt::format("configuration {} is not in force", request.generation));
        else if (!request.section.empty() && (section == nullptr || section->host.empty()))
            allowed = refuse(OpKind::Resolve, "",
                             Error(Errc::Denied, "no remote section \"" + request.section +
                                                     "\" with a host's name"));
        else if (!resolve_host)
            allowed = fail(Errc::InvalidState, "no names are resolved here");
        if (!allowed) {
            answer(engine, token, fail(allowed.error()));
            return;
        }
        resolve_host(section != nullptr ? section->host : std::string(), request.again,
                     [this, engine, token](const Status& status) {
                         answer(engine, token, empty_reply(status));
                     });
    }

    void spi_get(std::uint64_t engine, OpToken token, SpiGet request) {
        auto use = use_of(request.use);
        Status judged_status = use ? check_there(request.policy) : Status(fail(use.error()));
        if (judged_status)
            judged_status =
                (*use)->book->check_spi_get(request, (*use)->facts, other_policy(request.policy));
        if (judged_status && sas.size() >= kMaxSas)
            judged_status = fail(Errc::Busy, "too many SAs");
        if (judged_status && request.acquire_token != 0 &&
            !acquires.contains(request.acquire_token))
            request.acquire_token = 0;  // it has expired, or was never ours
        if (judged_status && !kernel) judged_status = fail(Errc::InvalidState, "no kernel backend");
        if (!judged_status) {
            if (judged_status.error().code() == Errc::Denied)
                static_cast<void>(
                    refuse(OpKind::SpiGet, request.peer.text(), judged_status.error()));
            answer(engine, token, fail(judged_status.error()));
            return;
        }
        kernel->spi_get(request, [this, engine, token, request](Result<Spi> spi) {
            if (!spi) {
                answer(engine, token, fail(spi.error()));
                return;
            }
            const SaKey key{request.protocol, spi->value, request.local};
            const auto found = uses.find(request.use);
            if (found == uses.end()) {
                // The phase 1 was closed meanwhile: nobody else would give it back.
                give_back(key, request.peer);
                answer(engine, token, fail(Errc::Cancelled, "the phase 1 was closed"));
                return;
            }
            if (const auto old = sas.find(key); old != sas.end()) forget_sa(old);
            sas.emplace(key, SaFacts{request.peer, request.policy, request.use, false});
            found->second.larval.insert(key);
            SpiGet::Reply reply;
            reply.spi = *spi;
            answer(engine, token, encode(reply));
        });
    }

    Status check_install(const SaInstall& request) {
        RACOON_TRY(Use * use, use_of(request.use));
        RACOON_TRY_STATUS(check_there(request.policy));
        RACOON_TRY_STATUS(
            use->book->check_sa_install(request, use->facts, other_policy(request.policy)));
        if (request.inbound) {
            const auto larval = sas.find(SaKey{request.protocol, request.spi.value, request.local});
            if (larval == sas.end() || larval->second.policy != request.policy)
                return fail(Errc::Denied,
                            fmt::format("an inbound SA with SPI 0x{:08x}, which was not "
                                        "reserved for policy {}",
                                        request.spi.value, request.policy.value));
            if (larval->second.installed())
                return fail(Errc::Denied,
                            fmt::format("SPI 0x{:08x} a second time", request.spi.value));
        } else if (const auto there =
                       sas.find(SaKey{request.protocol, request.spi.value, request.peer});
                   there != sas.end() && there->second.installed()) {
            // Peers behind one NAT share the address, and one of them must not take away the other's.
            return fail(Errc::Denied, fmt::format("SPI 0x{:08x} towards {} a second time",
                                                  request.spi.value, request.peer.text()));
        }
        if (sas.size() >= kMaxSas) return fail(Errc::Busy, "too many SAs");
        if (!kernel) return fail(Errc::InvalidState, "no kernel backend");
        return ok();
    }

    void sa_install(std::uint64_t engine, OpToken token, SaInstall request) {
        if (const Status status = check_install(request); !status) {
            if (status.error().code() == Errc::Denied)
                static_cast<void>(refuse(OpKind::SaInstall, request.peer.text(), status.error()));
            answer(engine, token, fail(status.error()));
            return;
        }
        const SaKey key{request.protocol, request.spi.value,
                        request.inbound ? request.local : request.peer};
        const IpAddr src = request.inbound ? request.peer : request.local;
        if (saved != nullptr) saved->sa(request);
        kernel->sa_install(request, [this, engine, token, key, src, policy = request.policy,
                                     in_udp = request.peer_port != 0](const Status& status) {
            if (status && engine != engine_number) {
                // Nobody is left who knows of it.
                give_back(key, src);
            } else if (status) {
                SaFacts& facts = sas[key];
                if (auto use = uses.find(facts.larval_of); use != uses.end())
                    use->second.larval.erase(key);
                facts.src = src;
                facts.policy = policy;
                facts.larval_of = 0;
                facts.encapsulated = in_udp;
            }
            if (saved != nullptr && (!status || engine != engine_number))
                saved->sa_gone(key.protocol, Spi{key.spi}, key.dst);
            answer(engine, token, empty_reply(status));
        });
    }

    void sa_delete(std::uint64_t engine, OpToken token, const SaDelete& request) {
        const SaKey key{request.protocol, request.spi.value, request.dst};
        const auto found = sas.find(key);
        if (found == sas.end() || !kernel) {
            // Not a refusal: the SA may have expired a moment ago.
            answer(engine, token, fail(Errc::NotFound, "no such SA of ours"));
            return;
        }
        SaDelete ours = request;
        ours.src = found->second.src;
        forget_sa(found);
        kernel->sa_delete(ours, [this, engine, token](const Status& status) {
            answer(engine, token, empty_reply(status));
        });
    }

    void sa_query(std::uint64_t engine, OpToken token, const SaQuery& request) {
        const auto found = sas.find(SaKey{request.protocol, request.spi.value, request.dst});
        if (found == sas.end() || !kernel) {
            answer(engine, token, fail(Errc::NotFound, "no such SA of ours"));
            return;
        }
        SaQuery ours = request;
        ours.src = found->second.src;
        kernel->sa_query(ours, [this, engine, token](const Result<SaQuery::Reply>& reply) {
            answer(engine, token, encoded(reply));
        });
    }

    void forget_engine() {
        ++engine_number;
        pending.clear();
        std::vector<std::uint64_t> open;
        for (const auto& [id, use] : uses) open.push_back(id);
        for (const std::uint64_t id : open) close_phase1(id);
        drop_incomplete();
        acquires.forget_all();
        made.forget_engine();
    }
};

Desk::Desk(loop::EventLoop& loop, plugin::PluginHost& host,
           std::function<void(const OpResult&)> reply)
    : impl_(std::make_unique<Impl>(loop, host, std::move(reply))) {}
Desk::~Desk() = default;

void Desk::use(std::shared_ptr<const Book> book, std::shared_ptr<const Book> previous) {
    // The same configuration with other addresses of hosts: nothing to match again.
    for (auto& [id, use] : impl_->uses)
        if (use.book->config_ptr() == book->config_ptr()) use.book = book;
    impl_->book = std::move(book);
    impl_->previous_book = std::move(previous);
    impl_->acquires.forget_failures();
}
void Desk::set_resolve(ResolveHost resolve) {
    impl_->resolve_host = std::move(resolve);
}
void Desk::set_kernel(Kernel* kernel) {
    impl_->kernel = kernel;
    impl_->made.set_kernel(kernel);
}
std::optional<conf::Policy> Desk::made_policy(PolicyId id) const {
    return impl_->made.installed(id);
}
void Desk::set_foreign(const ForeignPolicies* foreign) {
    impl_->foreign = foreign;
}
void Desk::set_saved(SavedSas* saved) {
    impl_->saved = saved;
}
Result<PolicyId> Desk::make_again(const exchange::PolicyMake& request, const Phase1Facts& phase1,
                                  const Book& book, ReqId reqid) {
    return impl_->make_again(request, phase1, book, reqid);
}
void Desk::use_again(PolicyId id, std::uint64_t seconds, std::function<void(const Status&)> done) {
    impl_->made.use(id, seconds, std::move(done));
}
void Desk::restored(const SavedSas::Pair& pair, Duration age, bool anew) {
    impl_->restored(pair, age, anew);
}
std::vector<KeptPair> Desk::kept_pairs() {
    return impl_->kept_pairs();
}
void Desk::operation(ByteView body) {
    impl_->operation(body);
}
void Desk::cancel(OpToken token) {
    impl_->pending.erase(token.value);
}
void Desk::malformed(const char* what, const Error& error) {
    impl_->malformed(what, error);
}

bool Desk::hand_out_acquire(std::uint64_t token, const conf::Policy& policy, const IpAddr& dst) {
    return impl_->acquires.add(token, {policy.id, peer_of(policy).is_any() ? dst : IpAddr{}});
}

void Desk::sa_gone(std::uint8_t protocol, Spi spi, const IpAddr& dst) {
    if (const auto sa = impl_->sas.find(SaKey{protocol, spi.value, dst}); sa != impl_->sas.end())
        impl_->forget_sa(sa);
}

std::vector<KernelEvent> Desk::reconcile(const std::vector<Kernel::DumpedSa>& there) {
    return impl_->reconcile(there);
}

void Desk::forget_engine() {
    impl_->forget_engine();
}

DeskCounters Desk::counters() const {
    DeskCounters out = impl_->count;
    out.phase1s = impl_->uses.size();
    out.sas = impl_->sas.size();
    out.pending = impl_->pending.size();
    for (const auto& [id, use] : impl_->uses) out.larval += use.larval.size();
    return out;
}

}  // namespace racoon::privsep
