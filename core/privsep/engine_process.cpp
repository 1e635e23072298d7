#include "privsep/engine_process.hpp"

#include <cerrno>
#include <deque>
#include <fmt/format.h>
#include <map>
#include <sys/random.h>

#include "base/check.hpp"
#include "base/secret.hpp"
#include "conf/differences.hpp"
#include "conf/load.hpp"
#include "log/log.hpp"
#include "net/address_watch.hpp"
#include "net/listener.hpp"
#include "privsep/local_operations.hpp"
#include "privsep/protocol.hpp"

namespace racoon::privsep {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kWorkQueue = 4096;
// What the log may have waiting in the channel before lines are dropped: it must not crowd out
// operations.
constexpr std::size_t kLogBacklog = 512u * 1024;
// The keeper waits 3 s for us; the last deletes have to be on the wire before.
constexpr Duration kDrainLimit = milliseconds(2500);

/// Hands log lines to the keeper, which knows where they go. Called under the log's lock, on any
/// thread; the channel belongs to the loop's.
class KeeperSink final : public log::Sink {
  public:
    KeeperSink(loop::EventLoop& loop, std::weak_ptr<Channel*> channel)
        : loop_(loop), channel_(std::move(channel)) {}

    void write(const log::Line& line) override {
        LogLine out;
        out.level = line.level;
        out.peer = line.peer;
        out.text = line.text;
        out.file = std::string(line.file);
        out.line = static_cast<std::uint32_t>(line.line);
        loop_.post([this, channel = channel_, out = std::move(out)] {
            const auto to = channel.lock();
            if (!to) return;
            if ((*to)->queued() > kLogBacklog) {
                ++dropped_;
                return;
            }
            if (dropped_ != 0) {
                LogLine note;
                note.level = log::Level::Warning;
                note.text = fmt::format("{} log lines of the engine were dropped", dropped_);
                dropped_ = 0;
                send(**to, Kind::Log, note);
            }
            send(**to, Kind::Log, out);
        });
    }

  private:
    loop::EventLoop& loop_;
    std::weak_ptr<Channel*> channel_;
    std::uint64_t dropped_ = 0;
};

/// The text of what is wrong, one line each, and whether anything is.
std::string errors_of(const conf::LoadResult& result) {
    std::string out;
    for (const auto& d : result.diagnostics) {
        if (d.severity != conf::Severity::Error) continue;
        if (!out.empty()) out += "\n";
        out += d.line();
    }
    return out.empty() ? "the configuration cannot be used" : out;
}

}  // namespace

struct EngineProcess::Impl final : exchange::Output {
    Impl(loop::EventLoop& l, std::unique_ptr<Channel> k, EngineOptions o)
        : loop(l),
          keeper(std::move(k)),
          options(std::move(o)),
          workers(loop, options.worker_threads, kWorkQueue) {
        if (options.forward_log) log::add_sink(std::make_unique<KeeperSink>(loop, keeper_alive));
        keeper->on_message([this](Message&& m) { message(std::move(m)); });
        keeper->on_closed([this](const std::string& why) {
            if (!ended) end(why == "" ? 0 : 1);
        });
    }
    ~Impl() override {
        if (timer_armed) loop.cancel(timer);
        if (ending) loop.cancel(end_timer);
        keeper_alive.reset();
        if (options.forward_log) log::clear_sinks();
    }

    loop::EventLoop& loop;
    std::unique_ptr<Channel> keeper;
    EngineOptions options;
    std::shared_ptr<Channel*> keeper_alive = std::make_shared<Channel*>(keeper.get());
    loop::WorkPool workers;
    std::unique_ptr<plugin::Runtime> runtime;
    std::unique_ptr<plugin::PluginHost> own_host;
    plugin::PluginHost* host = nullptr;

    conf::ConfigPtr config;
    std::uint32_t generation = 0;
    std::optional<exchange::KernelCapabilities> capabilities;
    BackendList backends;
    struct Prepared {
        conf::ConfigPtr config;
        std::uint32_t generation;
        log::Level level;
    };
    std::optional<Prepared> prepared;

    std::unique_ptr<LocalOperations> local;
    std::unique_ptr<net::Listener> listener;
    std::unique_ptr<net::AddressWatch> addresses;
    std::vector<Endpoint> wildcards;
    UniqueFd control_fd;
    std::unique_ptr<exchange::Engine> engine;
    std::vector<exchange::KeptPair> kept;  // pairs of an engine before, until this one serves
    std::map<std::uint32_t, std::shared_ptr<const conf::Policy>> foreign;  // by number
    std::unique_ptr<ControlService> control;
    std::map<std::uint64_t, std::function<void(Result<std::string>)>> reloads;
    std::string last_change;  // what the newest configuration changed
    std::uint64_t next_reload = 1;

    loop::TimerToken timer, end_timer;
    bool timer_armed = false;
    std::optional<TimePoint> timer_due;
    bool ending = false, ended = false;
    int status = 0;
    std::function<void()> on_ended;

    // --- Output: what the engine asks for
    // ---------------------------------------------------------

    void send(const exchange::Datagram& d) override {
        if (!listener) return;
        if (const Status sent = listener->send({d.local, d.remote, d.bytes, d.keepalive}); !sent)
            LOGW(d.remote.addr.text(), sent.error().text());
    }

    void start(exchange::Operation operation) override {
        if (!exchange::served_by_keeper(operation.kind)) {
            local->start(std::move(operation));
            return;
        }
        OpRequest request;
        request.token = operation.token;
        request.kind = operation.kind;
        request.request = std::move(operation.request);
        privsep::send(*keeper, Kind::Operation, request);
        wipe(request.request);
    }

    void cancel(OpToken token) override {
        local->cancel(token);
        Token out;
        out.token = token.value;
        privsep::send(*keeper, Kind::Cancel, out);
    }

    void event(const exchange::Event& event) override {
        LOGD(event.remote.addr.text(), fmt::format("event 0x{:04x} {}", event.code, event.text));
    }

    void random(std::span<std::uint8_t> out) override {
        while (!out.empty()) {
            const ssize_t n = ::getrandom(out.data(), out.size(), 0);
            if (n < 0 && errno == EINTR) continue;
            RACOON_CHECK(n > 0);
            out = out.subspan(static_cast<std::size_t>(n));
        }
    }

    // --- driving the engine
    // -----------------------------------------------------------------------

    /// After every call into the engine: its next deadline, and the end of a shutdown.
    void settle() {
        if (!engine) return;
        if (ending && engine->pending_operations() == 0) {
            finish_shutdown();
            return;
        }
        const auto due = engine->next_deadline();
        if (due == timer_due && timer_armed == due.has_value()) return;
        if (timer_armed) loop.cancel(timer);
        timer_armed = due.has_value();
        timer_due = due;
        if (due)
            timer = loop.arm(*due - loop.now(), [this] {
                timer_armed = false;
                timer_due.reset();
                engine->tick(loop.now());
                settle();
            });
    }

    void datagram(const net::Datagram& d) {
        if (!engine) return;
        engine->datagram({d.local, d.remote, d.bytes, false}, loop.now());
        settle();
    }

    void complete(OpToken token, const Result<Bytes>& result) {
        if (!engine) return;
        engine->complete(token, result, loop.now());
        settle();
    }

    // --- messages of the keeper
    // -------------------------------------------------------------------

    void message(Message&& m) {
        if (ended) return;
        Status handled = ok();
        switch (m.kind) {
            case Kind::Start:
                handled = on<Start>(m, [&](Start s) { start_up(std::move(s)); });
                break;
            case Kind::Capabilities:
                handled = on<exchange::KernelCapabilities>(m, [&](exchange::KernelCapabilities c) {
                    capabilities = std::move(c);
                    if (engine) engine->kernel_capabilities(*capabilities);
                });
                break;
            case Kind::Sockets:
                handled = on<SocketList>(m, [&](SocketList list) { take_sockets(list, m.fds); });
                break;
            case Kind::Pair:
                handled = on<exchange::KeptPair>(m, [&](exchange::KeptPair pair) {
                    if (!engine) kept.push_back(std::move(pair));
                });
                break;
            case Kind::Backends:
                handled = on<BackendList>(m, [&](BackendList list) { backends = std::move(list); });
                break;
            case Kind::Foreign:
                handled = on<ForeignList>(m, [&](ForeignList list) { take(std::move(list)); });
                break;
            case Kind::Serve:
                serve();
                break;
            case Kind::Result:
                handled = on<OpResult>(m, [&](OpResult r) {
                    if (r.error)
                        complete(r.token, fail(*r.error));
                    else
                        complete(r.token, r.bytes);
                    wipe(r.bytes);
                });
                break;
            case Kind::KernelEvent:
                handled = on<exchange::KernelEvent>(m, [&](const exchange::KernelEvent& e) {
                    if (!engine) return;
                    engine->kernel_event(e, loop.now());
                    settle();
                });
                break;
            case Kind::Hosts:
                handled = on<HostList>(m, [&](HostList list) {
                    if (!engine) return;
                    engine->hosts(std::move(list.hosts), loop.now());
                    settle();
                });
                break;
            case Kind::ConfigPrepare:
                handled = on<ConfigData>(m, [&](ConfigData data) { prepare(std::move(data)); });
                break;
            case Kind::ConfigCommit:
                handled = on<ConfigCommit>(
                    m, [&](const ConfigCommit& c) { commit(c, std::move(m.fds)); });
                break;
            case Kind::ConfigAbort:
                if (prepared && own_host) own_host->rollback();
                prepared.reset();
                break;
            case Kind::ReloadDone:
                handled = on<Outcome>(m, [&](const Outcome& o) {
                    const auto found = reloads.find(o.token);
                    if (found == reloads.end()) return;
                    auto done = std::move(found->second);
                    reloads.erase(found);
                    if (!o.good) return done(fail(Errc::Config, o.text));
                    done(o.text.empty() ? last_change : last_change + "\n" + o.text);
                });
                break;
            case Kind::Shutdown:
                begin_shutdown();
                break;
            default:
                handled = fail(Errc::Malformed, "an unknown kind");
                break;
        }
        if (!handled) not_understood(m, handled);
    }

    /// The engine is told when the list is whole.
    void take(ForeignList list) {
        if (list.anew) foreign.clear();
        for (const PolicyId id : list.gone) foreign.erase(id.value);
        for (conf::Policy& policy : list.policies)
            foreign.insert_or_assign(policy.id.value,
                                     std::make_shared<const conf::Policy>(std::move(policy)));
        if (!list.more) tell_foreign();
    }

    void tell_foreign() {
        if (!engine) return;
        std::vector<std::shared_ptr<const conf::Policy>> all;
        for (const auto& [id, policy] : foreign) all.push_back(policy);
        engine->foreign_policies(
            std::make_shared<const std::vector<std::shared_ptr<const conf::Policy>>>(
                std::move(all)),
            loop.now());
        settle();
    }

    /// The keeper must not wait for ever for an answer to what cannot be read.
    void not_understood(const Message& m, const Status& why) {
        LOGE("", fmt::format("a message {} of the keeper: {}", static_cast<unsigned>(m.kind),
                             why.error().text()));
        if (m.kind != Kind::Start && m.kind != Kind::ConfigPrepare) return;
        Reader in(m.body);
        const auto number = in.u32();  // both begin with its generation
        answer(m.kind == Kind::Start ? Kind::Ready : Kind::Prepared, number ? *number : 0, why);
    }

    template <typename T, typename Use>
    Status on(const Message& m, Use use) {
        RACOON_TRY(T record, privsep::decode<T>(m.body));
        use(std::move(record));
        return ok();
    }

    void answer(Kind kind, std::uint64_t token, const Status& result) {
        Outcome out;
        out.token = token;
        out.good = result.has_value();
        if (!result) out.text = result.error().text();
        privsep::send(*keeper, kind, out);
    }

    Result<conf::ConfigPtr> parse(ConfigData data) {
        conf::BundleFiles files(std::move(data.files));
        conf::LoadOptions load_options;
        load_options.previous = config.get();
        const auto result = conf::load(data.path, files, host->registry(), load_options);
        if (!result.config) return fail(Errc::Config, errors_of(result));
        auto numbered = std::make_shared<conf::Config>(*result.config);
        RACOON_TRY_STATUS(data.numbers.apply(*numbered));
        return conf::ConfigPtr(std::move(numbered));
    }

    void start_up(Start start) {
        if (host != nullptr) return;
        if (options.forward_log) {
            log::set_level(start.config.level);
            log::set_location(start.location);
        }
        answer(Kind::Ready, start.config.generation, try_start(start));
    }

    Status try_start(Start& start) {
        const std::uint32_t number = start.config.generation;
        if (options.shared_host != nullptr) {
            host = options.shared_host;
        } else {
            runtime = plugin::make_loop_runtime(loop, workers);
            own_host = std::make_unique<plugin::PluginHost>(*runtime, plugin::Zone::Engine,
                                                            start.module_path);
            host = own_host.get();
            conf::BundleFiles files(start.config.files);
            const auto scan = conf::scan_modules(start.config.path, files);
            RACOON_TRY_STATUS(own_host->load(scan.modules));
        }
        RACOON_TRY(config, parse(std::move(start.config)));
        generation = number;
        if (own_host) {
            RACOON_TRY_STATUS(own_host->configure(config));
            own_host->commit();
        }
        if (options.drop) {
            Identity identity;
            identity.uid = start.uid;
            identity.gid = start.gid;
            identity.change = start.change_ids;
            identity.chroot = start.chroot;
            RACOON_TRY_STATUS(options.drop(identity));
        }
        if (own_host) RACOON_TRY_STATUS(own_host->start());
        local = std::make_unique<LocalOperations>(
            loop, workers, host->registry(),
            [this](OpToken token, const Result<Bytes>& result) { complete(token, result); });
        listener = net::Listener::make(loop, [this](const net::Datagram& d) { datagram(d); });
        follow_addresses();
        return ok();
    }

    void take_sockets(const SocketList& list, std::vector<UniqueFd>& fds) {
        if (!listener || fds.size() != list.sockets.size() + (list.has_control ? 1u : 0u)) {
            LOGE("", "sockets of the keeper came at the wrong time or not at all");
            return;
        }
        for (std::size_t i = 0; i < list.sockets.size(); ++i) {
            const auto& one = list.sockets[i];
            net::BoundSocket socket{std::move(fds[i]), one.local, one.natt};
            if (const Status added = listener->add(std::move(socket)); !added)
                LOGE("", "socket " + one.local.text() + ": " + added.error().text());
        }
        if (list.has_control) control_fd = std::move(fds.back());
        if (engine) tell_endpoints();
    }

    void serve_control() {
        if (!control_fd.valid() || !options.serve_control) return;
        auto server = options.serve_control(loop, std::move(control_fd), *engine, control_calls());
        if (server)
            control = std::move(*server);
        else
            LOGE("", "control socket: " + server.error().text());
    }

    void change_sockets(const ConfigCommit& change, std::vector<UniqueFd> fds) {
        for (const Endpoint& gone : change.closed)
            if (listener && listener->remove(gone))
                LOGI("", gone.text() + " is no longer listened on");
        if (change.control == ConfigCommit::Control::Keep) return;
        UniqueFd fresh;
        if (change.control == ConfigCommit::Control::Replace && !fds.empty())
            fresh = std::move(fds.front());
        if (!control) {
            control_fd = std::move(fresh);
            if (engine) serve_control();
            return;
        }
        if (const Status moved = control->listen_on(std::move(fresh)); !moved)
            LOGE("", "control socket: " + moved.error().text());
    }

    /// Wildcards first: they serve when no address is asked for.
    static std::vector<Endpoint> with_addresses(std::vector<Endpoint> sockets) {
        std::vector<Endpoint> out = sockets;
        const auto addresses = net::local_addresses();
        if (!addresses) return out;
        for (const Endpoint& socket : sockets) {
            if (!socket.addr.is_any()) continue;
            for (const IpAddr& addr : *addresses)
                if (addr.family == socket.addr.family) out.push_back({addr, socket.port});
        }
        return out;
    }

    /// Which addresses a wildcard socket stands for changes with the host's.
    void follow_addresses() {
        auto watch = net::AddressWatch::make(loop, [this] {
            if (engine) tell_endpoints();
        });
        if (watch)
            addresses = std::move(*watch);
        else
            LOGE("", "addresses of this host are not followed: " + watch.error().text());
    }

    void tell_endpoints() {
        engine->natt_endpoints(with_addresses(listener->natt_endpoints()));
        engine->local_endpoints(with_addresses(listener->endpoints()));
    }

    void serve() {
        if (!listener || engine) return;
        engine = std::make_unique<exchange::Engine>(config, generation, *this);
        if (capabilities) engine->kernel_capabilities(*capabilities);
        tell_endpoints();
        tell_foreign();
        engine->adopt(std::exchange(kept, {}), loop.now());
        serve_control();
        privsep::send(*keeper, Kind::Serving);
        engine->start_tunnels(loop.now());
        settle();
    }

    ControlCalls control_calls() {
        ControlCalls calls;
        calls.reload = [this](std::function<void(Result<std::string>)> done) {
            Token token;
            token.token = next_reload++;
            reloads.emplace(token.token, std::move(done));
            privsep::send(*keeper, Kind::ReloadRequest, token);
        };
        calls.shutdown = [this] { privsep::send(*keeper, Kind::ShutdownRequest); };
        calls.host = host;
        calls.backends = &backends;
        return calls;
    }

    // --- reload
    // -----------------------------------------------------------------------------------

    void prepare(ConfigData data) {
        const std::uint32_t number = data.generation;
        const log::Level level = data.level;
        auto fresh = parse(std::move(data));
        Status result = fresh ? ok() : Status(fail(fresh.error()));
        if (result && own_host) result = own_host->configure(*fresh);
        if (result) prepared = Prepared{std::move(*fresh), number, level};
        answer(Kind::Prepared, number, result);
    }

    void commit(const ConfigCommit& change, std::vector<UniqueFd> fds) {
        if (!prepared || prepared->generation != change.generation) return;
        if (own_host) own_host->commit();
        const conf::ConfigPtr before = std::exchange(config, std::move(prepared->config));
        generation = change.generation;
        if (options.forward_log) log::set_level(prepared->level);
        prepared.reset();
        last_change = conf::differences(*before, *config).text();
        change_sockets(change, std::move(fds));
        if (!engine) return;
        tell_endpoints();
        const auto counts = engine->reconfigure(config, generation, loop.now());
        last_change += fmt::format(
            "; ISAKMP-SAs: {} kept, {} deleted; IPsec-SAs: {} kept, {} deleted", counts.phase1_kept,
            counts.phase1_deleted, counts.phase2_kept * 2, counts.phase2_deleted * 2);
        LOGI("", "configuration changed: " + last_change);
        settle();
    }

    // --- the end
    // ----------------------------------------------------------------------------------

    void begin_shutdown() {
        if (ending) return;
        ending = true;
        control.reset();
        if (!engine) {
            finish_shutdown();
            return;
        }
        end_timer = loop.arm(kDrainLimit, [this] { finish_shutdown(); });
        engine->shutdown(loop.now());
        settle();
    }

    void finish_shutdown() {
        if (ended) return;
        if (listener) listener->flush();
        privsep::send(*keeper, Kind::Drained);
        keeper->drain(milliseconds(200));
        end(0);
    }

    void end(int code) {
        ended = true;
        status = code;
        if (on_ended)
            loop.post([this] { on_ended(); });
        else
            loop.stop();
    }
};

EngineProcess::EngineProcess(loop::EventLoop& loop, std::unique_ptr<Channel> keeper,
                             EngineOptions options)
    : impl_(std::make_unique<Impl>(loop, std::move(keeper), std::move(options))) {}

EngineProcess::~EngineProcess() {
    impl_->control.reset();
    impl_->engine.reset();
    impl_->local.reset();
    impl_->listener.reset();
    if (impl_->own_host) impl_->own_host->destroy();
}

void EngineProcess::on_end(std::function<void()> ended) {
    impl_->on_ended = std::move(ended);
}
int EngineProcess::exit_status() const {
    return impl_->status;
}

}  // namespace racoon::privsep
