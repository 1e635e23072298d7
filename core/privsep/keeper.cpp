#include "privsep/keeper.hpp"

#include <sys/random.h>

#include <cerrno>
#include <deque>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "base/check.hpp"
#include "log/log.hpp"
#include "log/rate_limit.hpp"
#include "privsep/credentials.hpp"
#include "privsep/kernel.hpp"
#include "privsep/policies.hpp"
#include "privsep/rules.hpp"

namespace racoon::privsep {

namespace {

using namespace exchange;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A captured engine must not fill the keeper's memory; honest ones stay far below.
constexpr std::size_t kMaxPhase1 = 400'000;
constexpr std::size_t kMaxSas = 1'000'000;
constexpr std::size_t kMaxPending = 8192;
constexpr std::size_t kMaxAcquires = 16'384;
// An exchange needs one SKEYID; a second try with another nonce can only be a mistake or an attack.
constexpr unsigned kSkeyidsPerUse = 1;

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

struct Use {
    std::shared_ptr<const Book> book;
    Phase1Facts facts;
    Bytes nonce;
    unsigned skeyids = 0;
    std::vector<std::pair<std::uint8_t, Spi>> larval;  // SPIs got and not yet installed
};

struct SaKey {
    std::uint8_t protocol;
    std::uint32_t spi;
    IpAddr dst;
    friend auto operator<=>(const SaKey&, const SaKey&) = default;
};
struct SaKeyHash {
    std::size_t operator()(const SaKey& k) const noexcept {
        return IpAddrHash{}(k.dst) * 31 + k.spi * 7 + k.protocol;
    }
};
struct SaFacts {
    IpAddr src;
    PolicyId policy;
    bool installed = false;  // else a larval one of spi_get
};

}  // namespace

struct Keeper::Impl {
    Impl(loop::EventLoop& l, plugin::PluginHost& h, KeeperOptions o, KeeperHooks k)
        : loop(l), host(h), options(std::move(o)), hooks(std::move(k)) {}

    loop::EventLoop& loop;
    plugin::PluginHost& host;
    KeeperOptions options;
    KeeperHooks hooks;

    ParsedConfig parsed;
    std::shared_ptr<const Book> book, previous_book;
    std::unique_ptr<Kernel> kernel;

    std::unique_ptr<Channel> channel;
    bool serving = false;
    std::unordered_map<std::uint64_t, Use> uses;
    std::uint64_t next_use = 1;
    std::unordered_map<SaKey, SaFacts, SaKeyHash> sas;
    std::unordered_set<std::uint64_t> acquires;  // handed to the engine and not yet given back
    std::unordered_set<std::uint64_t> pending;   // tokens of operations under way
    std::uint64_t engine_number = 0;             // answers to an earlier engine are dropped

    struct Change {
        ParsedConfig parsed;
        std::shared_ptr<const Book> book;
        std::function<void(Status)> done;
    };
    std::optional<Change> change;
    loop::TimerToken change_timer;

    struct Ending {
        std::function<void()> done;
        loop::TimerToken timer;
    };
    std::optional<Ending> ending;

    KeeperCounters count;
    log::RateLimit noise{8, seconds(10), draw_key()};
    log::RateLimit skeyid_peer{2000, milliseconds(1), draw_key()};
    log::RateLimit skeyid_all{20'000, std::chrono::microseconds(100), draw_key()};

    // --- refusals ---------------------------------------------------------------------------------

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
        if (found == uses.end()) return fail(Errc::Denied, fmt::format("no phase 1 {} is known", id));
        return &found->second;
    }

    std::shared_ptr<const Book> book_of(std::uint32_t generation) const {
        if (book && book->generation() == generation) return book;
        if (previous_book && previous_book->generation() == generation) return previous_book;
        return nullptr;
    }

    // --- answers ----------------------------------------------------------------------------------

    void answer(std::uint64_t engine, OpToken token, Result<Bytes> result) {
        if (engine != engine_number || pending.erase(token.value) == 0 || !channel) return;
        OpResult out;
        out.token = token;
        if (result)
            out.bytes = std::move(*result);
        else
            out.error = result.error();
        send(*channel, Kind::Result, out);
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

    // --- operations -------------------------------------------------------------------------------

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
            LOGE("", fmt::format("the engine sent {} that is not well formed: {}{}", what, error.text(),
                                 pass.note()));
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
                    answer(engine, token, encoded(judged(raw.kind, r.peer.addr.text(), open_phase1(r))));
                });
            case OpKind::Phase1Skeyid:
                return serve<Phase1Skeyid>(raw, [&](Phase1Skeyid r) {
                    answer(engine, token, encoded(judged(raw.kind, peer_of(r.use), skeyid(r))));
                });
            case OpKind::SpiGet:
                return serve<SpiGet>(raw, [&](SpiGet r) { spi_get(engine, token, std::move(r)); });
            case OpKind::SaInstall:
                return serve<SaInstall>(raw, [&](SaInstall r) { sa_install(engine, token, std::move(r)); });
            case OpKind::SaDelete:
                return serve<SaDelete>(raw, [&](SaDelete r) { sa_delete(engine, token, r); });
            case OpKind::SaQuery:
                return serve<SaQuery>(raw, [&](SaQuery r) { sa_query(engine, token, r); });
            default: break;
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
        } else if (raw.kind == OpKind::AcquireDone) {
            auto r = exchange::decode<AcquireDone>(raw.request);
            if (!r)
                malformed("a request", r.error());
            else if (acquires.erase(r->acquire_token) != 0 && kernel)
                kernel->acquire_done(r->acquire_token, r->success);
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
        RACOON_TRY(Use* use, use_of(request.use));
        RACOON_TRY_STATUS(Book::check_skeyid(request, use->facts));
        if (use->skeyids >= kSkeyidsPerUse)
            return fail(Errc::Denied, "a second SKEYID for one phase 1");
        const std::string peer = use->facts.peer.addr.text();
        if (!skeyid_peer.allow("skeyid", peer, loop.now()) || !skeyid_all.allow("skeyid", "", loop.now()))
            return fail(Errc::Denied, "too many uses of pre-shared keys in a short time");
        ++use->skeyids;
        ++count.skeyids;
        LOGD(peer, fmt::format("pre-shared key used for remote \"{}\" ({} since the start)",
                               use->facts.section->name, count.skeyids));
        RACOON_TRY(Secret key, psk_skeyid(host.registry(), use->facts, use->nonce, request));
        use->nonce = {};
        Phase1Skeyid::Reply reply;
        reply.skeyid = std::move(key);
        return reply;
    }

    void close_phase1(std::uint64_t id) {
        const auto found = uses.find(id);
        if (found == uses.end()) return;
        const Use use = std::move(found->second);
        uses.erase(found);
        // SPIs that never became SAs: nobody else will give them back.
        for (const auto& [protocol, spi] : use.larval) {
            const SaKey key{protocol, spi.value, use.facts.local.addr};
            const auto sa = sas.find(key);
            if (sa == sas.end() || sa->second.installed) continue;
            SaDelete gone;
            gone.protocol = protocol;
            gone.spi = spi;
            gone.src = sa->second.src;
            gone.dst = key.dst;
            sas.erase(sa);
            if (kernel) kernel->sa_delete(gone, [](const Status&) {});
        }
    }

    void spi_get(std::uint64_t engine, OpToken token, SpiGet request) {
        auto use = use_of(request.use);
        Status judged_status = use ? (*use)->book->check_spi_get(request, (*use)->facts)
                                   : Status(fail(use.error()));
        if (judged_status && sas.size() >= kMaxSas) judged_status = fail(Errc::Busy, "too many SAs");
        if (judged_status && request.acquire_token != 0 && !acquires.contains(request.acquire_token))
            request.acquire_token = 0;  // it has expired, or was never ours
        if (judged_status && !kernel) judged_status = fail(Errc::InvalidState, "no kernel backend");
        if (!judged_status) {
            if (judged_status.error().code() == Errc::Denied)
                static_cast<void>(refuse(OpKind::SpiGet, request.peer.text(), judged_status.error()));
            answer(engine, token, fail(judged_status.error()));
            return;
        }
        kernel->spi_get(request, [this, engine, token, request](Result<Spi> spi) {
            if (!spi) {
                answer(engine, token, fail(spi.error()));
                return;
            }
            sas.insert_or_assign(SaKey{request.protocol, spi->value, request.local},
                                 SaFacts{request.peer, request.policy, false});
            if (auto found = uses.find(request.use); found != uses.end() && engine == engine_number)
                found->second.larval.emplace_back(request.protocol, *spi);
            SpiGet::Reply reply;
            reply.spi = *spi;
            answer(engine, token, encode(reply));
        });
    }

    Status check_install(const SaInstall& request) {
        RACOON_TRY(Use* use, use_of(request.use));
        RACOON_TRY_STATUS(use->book->check_sa_install(request, use->facts));
        if (request.inbound) {
            const auto larval = sas.find(SaKey{request.protocol, request.spi.value, request.local});
            if (larval == sas.end() || larval->second.policy != request.policy)
                return fail(Errc::Denied, fmt::format("an inbound SA with SPI 0x{:08x}, which was not "
                                                      "reserved for policy {}",
                                                      request.spi.value, request.policy.value));
            if (larval->second.installed)
                return fail(Errc::Denied, fmt::format("SPI 0x{:08x} a second time", request.spi.value));
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
        const SaKey key{request.protocol, request.spi.value, request.inbound ? request.local : request.peer};
        const SaFacts facts{request.inbound ? request.peer : request.local, request.policy, true};
        kernel->sa_install(request, [this, engine, token, key, facts](const Status& status) {
            if (status) sas.insert_or_assign(key, facts);
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
        sas.erase(found);
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

    // --- the kernel -------------------------------------------------------------------------------

    void kernel_event(KernelEvent event) {
        switch (event.type) {
            case RACOON_KERNEL_ACQUIRE:
                event.policy = without_forward(event.policy);
                if (!serving || acquires.size() >= kMaxAcquires || !book || !book->policy(event.policy)) {
                    ++count.acquires_lost;
                    if (kernel) kernel->acquire_done(event.acquire_token, false);
                    return;
                }
                if (event.acquire_token != 0) acquires.insert(event.acquire_token);
                break;
            case RACOON_KERNEL_EXPIRE_HARD:
            case RACOON_KERNEL_SA_DELETED:
                sas.erase(SaKey{event.protocol, event.spi.value, event.dst.addr});
                break;
            case RACOON_KERNEL_FAILED:
                LOGE("", "the kernel backend " + (kernel ? kernel->capabilities().backend : std::string()) +
                             " has failed: no packets are protected until it is restarted");
                break;
            default: break;
        }
        if (serving && channel) send(*channel, Kind::KernelEvent, event);
    }

    // --- the engine's life ------------------------------------------------------------------------

    ConfigData config_data(const ParsedConfig& from, std::uint32_t generation) const {
        ConfigData data;
        data.generation = generation;
        data.path = from.path;
        data.files = from.files;
        data.numbers = PolicyNumbers::of(*from.config);
        data.level = from.level;
        return data;
    }

    void attach(std::unique_ptr<Channel> fresh) {
        forget_engine();
        channel = std::move(fresh);
        channel->on_message([this](Message&& m) { message(std::move(m)); });
        channel->on_closed([this](const std::string& why) { closed(why); });
        Start start;
        start.config = config_data(parsed, book->generation());
        start.location = options.location;
        start.uid = options.uid;
        start.gid = options.gid;
        start.change_ids = options.change_ids;
        start.chroot = options.chroot;
        start.module_path = host.dir();
        send(*channel, Kind::Start, start);
    }

    void forget_engine() {
        ++engine_number;
        serving = false;
        pending.clear();
        std::vector<std::uint64_t> open;
        for (const auto& [id, use] : uses) open.push_back(id);
        for (const std::uint64_t id : open) close_phase1(id);
        for (const std::uint64_t token : acquires)
            if (kernel) kernel->acquire_done(token, false);
        acquires.clear();
        channel.reset();
    }

    void closed(const std::string& why) {
        forget_engine();
        if (change) abandon_change(fail(Errc::Internal, "the engine has ended: " + why));
        if (ending)
            finish_ending();
        else if (hooks.lost)
            hooks.lost(why);
    }

    void message(Message&& m) {
        switch (m.kind) {
            case Kind::Operation: return operation(m.body);
            case Kind::Cancel:
                if (auto token = privsep::decode<Token>(m.body)) pending.erase(token->token);
                return;
            case Kind::Log: return log_line(m.body);
            case Kind::Ready: return outcome(m.body, [this](const Outcome& o) {
                if (hooks.ready) hooks.ready(o.good ? ok() : Status(fail(Errc::Config, o.text)));
            });
            case Kind::Serving:
                serving = true;
                if (hooks.serving) hooks.serving();
                return;
            case Kind::Prepared: return outcome(m.body, [this](const Outcome& o) { prepared(o); });
            case Kind::ReloadRequest:
                if (auto token = privsep::decode<Token>(m.body); token && hooks.reload)
                    hooks.reload(token->token);
                return;
            case Kind::ShutdownRequest:
                if (hooks.shutdown) hooks.shutdown();
                return;
            case Kind::Drained:
                if (ending) finish_ending();
                return;
            default: break;
        }
        malformed("a message", Error(Errc::Malformed, fmt::format("kind {}", static_cast<unsigned>(m.kind))));
    }

    template <typename Use_it>
    void outcome(ByteView body, Use_it use_it) {
        if (auto o = privsep::decode<Outcome>(body))
            use_it(*o);
        else
            malformed("a message", o.error());
    }

    void log_line(ByteView body) {
        auto line = privsep::decode<LogLine>(body);
        if (!line) return malformed("a log line", line.error());
        if (log::enabled(line->level))
            log::write(line->level, line->peer, line->text, line->file, static_cast<int>(line->line));
    }

    // --- a new configuration ----------------------------------------------------------------------

    void reconfigure(ParsedConfig fresh, std::function<void(Status)> done) {
        if (change || !channel || !serving) {
            host.rollback();
            done(fail(Errc::Busy, change ? "another reload is under way" : "the engine is not running"));
            return;
        }
        auto next = std::make_shared<const Book>(fresh.config, book->generation() + 1);
        send(*channel, Kind::ConfigPrepare, config_data(fresh, next->generation()));
        change = Change{std::move(fresh), std::move(next), std::move(done)};
        change_timer = loop.arm(seconds(10), [this] {
            if (change) abandon_change(fail(Errc::Timeout, "the engine did not answer within 10 s"));
        });
    }

    void abandon_change(const Status& why) {
        loop.cancel(change_timer);
        Change gone = std::move(*change);
        change.reset();
        host.rollback();
        Generation generation;
        generation.generation = gone.book->generation();
        if (channel) send(*channel, Kind::ConfigAbort, generation);
        gone.done(why);
    }

    void prepared(const Outcome& outcome) {
        if (!change || outcome.token != change->book->generation()) return;
        if (!outcome.good) return abandon_change(fail(Errc::Config, "the engine: " + outcome.text));
        loop.cancel(change_timer);
        Change taken = std::move(*change);
        change.reset();
        host.commit();
        const auto old = parsed.config;
        previous_book = book;
        book = taken.book;
        parsed = std::move(taken.parsed);
        Generation generation;
        generation.generation = book->generation();
        send(*channel, Kind::ConfigCommit, generation);
        if (!kernel) return taken.done(ok());
        change_policies(*kernel, *old, *parsed.config, std::move(taken.done));
    }

    // --- the end ----------------------------------------------------------------------------------

    void shutdown(Duration limit, std::function<void()> done) {
        if (ending) return;
        ending.emplace();
        ending->done = std::move(done);
        ending->timer = loop.arm(limit, [this] {
            LOGW("", "the engine did not end in time");
            finish_ending();
        });
        if (channel)
            send(*channel, Kind::Shutdown);
        else
            loop.post([this] { finish_ending(); });
    }

    void finish_ending() {
        if (!ending) return;
        loop.cancel(ending->timer);
        auto done = std::move(ending->done);
        ending.reset();
        forget_engine();
        if (kernel) kernel->close();
        done();
    }
};

Keeper::Keeper(loop::EventLoop& loop, plugin::PluginHost& host, KeeperOptions options, KeeperHooks hooks)
    : impl_(std::make_unique<Impl>(loop, host, std::move(options), std::move(hooks))) {}

Keeper::~Keeper() {
    if (impl_->change) impl_->loop.cancel(impl_->change_timer);
    if (impl_->ending) impl_->loop.cancel(impl_->ending->timer);
}

void Keeper::configure(ParsedConfig parsed) {
    impl_->book = std::make_shared<const Book>(parsed.config, 1);
    impl_->parsed = std::move(parsed);
}

const ParsedConfig& Keeper::parsed() const { return impl_->parsed; }

void Keeper::open_kernel(std::function<void(Status)> done) {
    auto kernel = Kernel::open(impl_->host, impl_->parsed.config->kernel,
                               [impl = impl_.get()](const KernelEvent& e) { impl->kernel_event(e); });
    if (!kernel) {
        done(fail(kernel.error()));
        return;
    }
    impl_->kernel = std::move(*kernel);
    const conf::Config none;
    change_policies(*impl_->kernel, none, *impl_->parsed.config, std::move(done));
}

Status Keeper::bind_socket(int fd, Family family) {
    if (!impl_->kernel) return fail(Errc::InvalidState, "no kernel backend");
    return impl_->kernel->bind_socket(fd, family);
}

void Keeper::attach(std::unique_ptr<Channel> channel) { impl_->attach(std::move(channel)); }
bool Keeper::attached() const { return impl_->channel != nullptr; }

void Keeper::hand_over(std::vector<net::BoundSocket> sockets, UniqueFd control) {
    if (!impl_->channel) return;
    if (impl_->kernel) send(*impl_->channel, Kind::Capabilities, impl_->kernel->capabilities());
    SocketList list;
    std::vector<UniqueFd> fds;
    for (auto& socket : sockets) {
        list.sockets.push_back({socket.local, socket.natt});
        fds.push_back(std::move(socket.fd));
    }
    list.has_control = control.valid();
    if (control.valid()) fds.push_back(std::move(control));
    send(*impl_->channel, Kind::Sockets, list, std::move(fds));
    send(*impl_->channel, Kind::Serve);
}

void Keeper::reconfigure(ParsedConfig parsed, std::function<void(Status)> done) {
    impl_->reconfigure(std::move(parsed), std::move(done));
}

void Keeper::reload_done(std::uint64_t token, const Status& status) {
    if (!impl_->channel) return;
    Outcome out;
    out.token = token;
    out.good = status.has_value();
    if (!status) out.text = status.error().text();
    send(*impl_->channel, Kind::ReloadDone, out);
}

void Keeper::shutdown(Duration limit, std::function<void()> done) {
    impl_->shutdown(limit, std::move(done));
}

KeeperCounters Keeper::counters() const {
    KeeperCounters out = impl_->count;
    out.phase1s = impl_->uses.size();
    out.sas = impl_->sas.size();
    out.pending = impl_->pending.size();
    return out;
}

}  // namespace racoon::privsep
