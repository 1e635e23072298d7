#include "privsep/keeper.hpp"

#include <deque>
#include <fmt/format.h>
#include <optional>

#include "conf/policies.hpp"
#include "log/log.hpp"
#include "privsep/desk.hpp"
#include "privsep/foreign_policies.hpp"
#include "privsep/kernel.hpp"
#include "privsep/lost_policies.hpp"
#include "privsep/policies.hpp"
#include "privsep/resolver.hpp"
#include "privsep/restore.hpp"
#include "privsep/rules.hpp"

namespace racoon::privsep {

namespace {

using namespace exchange;
using std::chrono::seconds;

/// More than the control socket has clients.
constexpr std::size_t kMaxReloadsAsked = 64;
constexpr std::size_t kMaxLeftAlone = 16'384;

}  // namespace

struct Keeper::Impl {
    Impl(loop::EventLoop& l, plugin::PluginHost& h, KeeperOptions o, KeeperHooks k)
        : loop(l),
          host(h),
          options(std::move(o)),
          hooks(std::move(k)),
          desk(loop, host,
               [this](const OpResult& result) {
                   if (channel) send(*channel, Kind::Result, result);
               }),
          resolver(loop, options.family, [this] { hosts_changed(); }) {
        desk.set_foreign(&foreign);
        desk.set_resolve([this](const std::string& name, bool again, Resolver::Done done) {
            resolve(name, again, std::move(done));
        });
    }

    loop::EventLoop& loop;
    plugin::PluginHost& host;
    KeeperOptions options;
    KeeperHooks hooks;

    ParsedConfig parsed;
    std::shared_ptr<const Book> book, previous_book;
    std::unique_ptr<Kernel> kernel;
    std::unique_ptr<SavedSas> saved;  // null: the configuration names no file for it
    Desk desk;
    ForeignPolicies foreign{loop, [this](const ForeignList& list) {
                                if (channel) send(*channel, Kind::Foreign, list);
                            }};
    LostPolicies lost_policies{loop, [this](PolicyId id) { return installed(id); }};
    Resolver resolver;
    bool hosts_pending = false;  // addresses that are not in force yet
    loop::TimerToken hosts_timer;
    std::vector<std::function<void()>> after_hosts;

    std::unique_ptr<Channel> channel;
    bool ready = false;  // this engine has said so
    bool serving = false;
    std::size_t reloads_asked = 0;  // by this engine, and not answered yet

    struct Change {
        ParsedConfig parsed;
        SocketChange sockets;
        std::shared_ptr<const Book> book;
        std::shared_ptr<PolicyChange> policies;  // once the engine is prepared
        std::optional<Error> lost;               // the engine has gone meanwhile
        std::function<void(Status)> done;
    };
    std::optional<Change> change;
    loop::TimerToken change_timer;
    std::uint32_t last_generation = 1;  // a refused one is not used again

    struct Ending {
        std::function<void()> done;
        loop::TimerToken timer;
    };
    std::optional<Ending> ending;

    std::uint64_t acquires_lost = 0;
    std::deque<std::uint64_t> left_alone;  // acquires for policies of others, with no section
    bool reconciling = false;              // is about to

    // --- the kernel
    // -------------------------------------------------------------------------------

    void open_kernel(std::function<void(Status)> done) {
        auto restore = open_saved();
        if (!restore) return done(fail(restore.error()));
        auto opened = Kernel::open(
            host, parsed.config->kernel, [this](const KernelEvent& e) { kernel_event(e); },
            *restore ? (*restore)->keep() : std::vector<const SaInstall*>(),
            parsed.config->pfkey_buffer * 1024);
        if (!opened) return done(fail(opened.error()));
        kernel = std::move(*opened);
        desk.set_kernel(kernel.get());
        lost_policies.set_kernel(kernel.get());
        if (const Status served = kernel->can_serve(*parsed.config); !served)
            return done(fail(served.error()));
        kernel->learn(*parsed.config);
        foreign.use(parsed.config);
        // Before our own ones come: so nothing of theirs is taken by us.
        if (const Status watched = kernel->watch_policies(foreign); !watched)
            LOGW("", "policies of others are not served: " + watched.error().text());
        const conf::Config none;
        const auto policies = PolicyChange::make(*kernel, none, *parsed.config);
        policies->prepare(
            [this, done = std::move(done), restore = std::move(*restore)](Status status) {
                if (!status || !restore) return done(std::move(status));
                foreign.flush();
                restore->run(*kernel, desk, *book, foreign, [done] { done(ok()); });
            });
    }

    /// Null: nothing comes back.
    Result<std::shared_ptr<Restore>> open_saved() {
        RACOON_TRY(saved, SavedSas::open(host, *parsed.config));
        desk.set_saved(saved.get());
        if (saved && options.restore) return Restore::make(*saved, *book);
        // What an earlier run had is not taken up, and the backend clears it away.
        if (saved) saved->clear();
        return std::shared_ptr<Restore>();
    }

    void kernel_event(KernelEvent event) {
        switch (event.type) {
            case RACOON_KERNEL_ACQUIRE:
                event.policy = without_forward(event.policy);
                if (ForeignPolicies::is_foreign(event.policy)) {
                    foreign.flush();  // the engine knows it before its packet
                    // What is not for us stays with the kernel, which then need not ask again soon.
                    if (!follows(event)) {
                        // The older ones die of age.
                        if (left_alone.size() >= kMaxLeftAlone) left_alone.pop_front();
                        left_alone.push_back(event.acquire_token);
                        return;
                    }
                }
                if (const conf::Policy* policy = negotiated(event.policy);
                    policy == nullptr ||
                    !desk.hand_out_acquire(event.acquire_token, *policy, event.dst.addr)) {
                    ++acquires_lost;
                    LOGD("", fmt::format("an acquire for policy {} is not followed ({} so far)",
                                         event.policy.value, acquires_lost));
                    if (kernel) kernel->acquire_done(event.acquire_token, false);
                    return;
                }
                break;
            case RACOON_KERNEL_EXPIRE_HARD:
            case RACOON_KERNEL_SA_DELETED:
                desk.sa_gone(event.protocol, event.spi, event.dst.addr);
                break;
            case RACOON_KERNEL_OVERRUN:
                // Not now: the backend is in the middle of its events.
                if (std::exchange(reconciling, true)) return;
                loop.post([this] { reconcile(); });
                return;
            case RACOON_KERNEL_POLICY_CHANGED:
                return lost_policies.lost(event.policy);
            case RACOON_KERNEL_FAILED:
                LOGE("", "the kernel backend " +
                             (kernel ? kernel->capabilities().backend : std::string()) +
                             " has failed: no packets are protected until it is restarted");
                break;
            default:
                break;
        }
        if (serving && channel) send(*channel, Kind::KernelEvent, event);
    }

    /// Another section may be for the peers of those: the next packet asks again.
    void end_left_alone() {
        for (const std::uint64_t token : std::exchange(left_alone, {}))
            if (kernel) kernel->acquire_done(token, false);
    }

    /// A policy of ours as it is to be in the kernel.
    std::optional<conf::Policy> installed(PolicyId id) const {
        if (auto policy = installed_policy(*parsed.config, id)) return policy;
        return desk.made_policy(id);
    }

    /// Null: there is none whose acquires the engine can be told of.
    const conf::Policy* negotiated(PolicyId id) const {
        if (!serving || !book) return nullptr;
        const conf::Policy* own = book->policy(id);
        return own != nullptr ? own : foreign.find(id);
    }

    bool follows(const KernelEvent& event) {
        const conf::Policy* policy = foreign.find(event.policy);
        if (policy == nullptr || !book) return false;
        const IpAddr of_policy = conf::peer_of(*policy);
        const IpAddr& peer = of_policy.is_any() ? event.dst.addr : of_policy;
        return foreign.follows(event.policy, peer, !book->may_initiate_to(peer));
    }

    /// Events were lost. What the kernel has is compared with what is known here, and the engine is told
    /// what it was not.
    void reconcile() {
        reconciling = false;
        if (!kernel) return;
        const auto there = kernel->sa_dump();
        if (!there) {
            LOGE("", "events of the kernel were lost, and its SAs cannot be read: " +
                         there.error().text());
            return;
        }
        const std::vector<KernelEvent> gone = desk.reconcile(*there);
        LOGI("", fmt::format("events of the kernel were lost: {} SAs are there, {} had gone "
                             "unnoticed",
                             there->size(), gone.size()));
        if (!serving || !channel) return;
        for (const KernelEvent& event : gone) send(*channel, Kind::KernelEvent, event);
    }

    // --- the engine's life
    // ------------------------------------------------------------------------

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
        ready = serving = false;
        reloads_asked = 0;
        foreign.tell_nobody();
        desk.forget_engine();
        channel.reset();
    }

    void closed(const std::string& why) {
        forget_engine();
        if (change) {
            Error lost(Errc::Internal, "the engine has ended: " + why);
            // The kernel's answer is still to come; then everything is undone.
            if (change->policies)
                change->lost = std::move(lost);
            else
                abandon_change(fail(std::move(lost)));
        }
        if (ending)
            finish_ending();
        else if (hooks.lost)
            hooks.lost(why);
    }

    void message(Message&& m) {
        switch (m.kind) {
            case Kind::Operation:
                return desk.operation(m.body);
            case Kind::Cancel:
                if (auto token = privsep::decode<Token>(m.body)) desk.cancel(OpToken{token->token});
                return;
            case Kind::Log:
                return log_line(m.body);
            case Kind::Ready:
                // Each step once, and in order: what a second one would begin is under way already.
                if (ready || serving) break;
                ready = true;
                return outcome(m.body, [this](const Outcome& o) {
                    if (hooks.ready)
                        hooks.ready(o.good ? ok() : Status(fail(Errc::Config, o.text)));
                });
            case Kind::Serving:
                if (serving) break;
                serving = true;
                send_hosts();
                if (hooks.serving) hooks.serving();
                return;
            case Kind::Prepared:
                return outcome(m.body, [this](const Outcome& o) { prepared(o); });
            case Kind::ReloadRequest:
                if (auto token = privsep::decode<Token>(m.body); token && hooks.reload)
                    ask_reload(token->token);
                return;
            case Kind::ShutdownRequest:
                if (hooks.shutdown) hooks.shutdown();
                return;
            case Kind::Drained:
                if (ending) finish_ending();
                return;
            default:
                break;
        }
        desk.malformed("a message", Error(Errc::Malformed,
                                          fmt::format("kind {}", static_cast<unsigned>(m.kind))));
    }

    void ask_reload(std::uint64_t token) {
        if (reloads_asked < kMaxReloadsAsked) {
            ++reloads_asked;
            hooks.reload(token);
            return;
        }
        Outcome busy;
        busy.token = token;
        busy.text = "too many reloads are asked for at one time";
        send(*channel, Kind::ReloadDone, busy);
    }

    template <typename Use_it>
    void outcome(ByteView body, Use_it use_it) {
        if (auto o = privsep::decode<Outcome>(body))
            use_it(*o);
        else
            desk.malformed("a message", o.error());
    }

    void log_line(ByteView body) {
        auto line = privsep::decode<LogLine>(body);
        if (!line) return desk.malformed("a log line", line.error());
        if (log::enabled(line->level))
            log::write(line->level, line->peer, line->text, line->file,
                       static_cast<int>(line->line));
    }

    // --- a new configuration
    // ----------------------------------------------------------------------

    void reconfigure(ParsedConfig fresh, SocketChange sockets, std::function<void(Status)> done) {
        if (change || !channel || !serving) {
            host.rollback();
            done(fail(Errc::Busy,
                      change ? "another reload is under way" : "the engine is not running"));
            return;
        }
        auto next =
            std::make_shared<const Book>(fresh.config, ++last_generation, resolver.addresses());
        send(*channel, Kind::ConfigPrepare, config_data(fresh, next->generation()));
        change = Change{std::move(fresh), std::move(sockets), std::move(next), nullptr, {},
                        std::move(done)};
        change_timer = loop.arm(seconds(10), [this] {
            if (change)
                abandon_change(fail(Errc::Timeout, "the engine did not answer within 10 s"));
        });
    }

    void abandon_change(const Status& why) {
        loop.cancel(change_timer);
        Change gone = std::move(*change);
        change.reset();
        lost_policies.hold(false);
        host.rollback();
        Generation generation;
        generation.generation = gone.book->generation();
        if (channel) send(*channel, Kind::ConfigAbort, generation);
        gone.done(why);
    }

    /// The kernel's part comes before anything is in force: it may still say no.
    void prepared(const Outcome& outcome) {
        if (!change || change->policies || outcome.token != change->book->generation()) return;
        if (!outcome.good) return abandon_change(fail(Errc::Config, "the engine: " + outcome.text));
        loop.cancel(change_timer);
        if (!kernel) return commit_change();
        if (const Status served = kernel->can_serve(*change->parsed.config); !served)
            return abandon_change(served);
        change->policies = PolicyChange::make(*kernel, *parsed.config, *change->parsed.config);
        lost_policies.hold(true);
        change->policies->prepare([this](const Status& status) {
            if (!change) return;
            if (!status) return abandon_change(status);
            if (!change->lost) return commit_change();
            change->policies->rollback([this] {
                if (change) abandon_change(fail(*change->lost));
            });
        });
    }

    void commit_change() {
        Change taken = std::move(*change);
        change.reset();
        lost_policies.hold(false);
        host.commit();
        previous_book = book;
        book = taken.book;
        desk.use(book, previous_book);
        end_left_alone();
        parsed = std::move(taken.parsed);
        foreign.use(parsed.config);
        follow_saved();
        // The engine must not offer by the new configuration what the backend cannot do.
        if (kernel && kernel->learn(*parsed.config))
            send(*channel, Kind::Capabilities, kernel->capabilities());
        ConfigCommit commit;
        commit.generation = book->generation();
        commit.closed = std::move(taken.sockets.closed);
        std::vector<UniqueFd> fds;
        if (taken.sockets.control.valid()) {
            commit.control = ConfigCommit::Control::Replace;
            fds.push_back(std::move(taken.sockets.control));
        } else if (taken.sockets.close_control) {
            commit.control = ConfigCommit::Control::Close;
        }
        send_sockets(std::move(taken.sockets.added), {});
        send(*channel, Kind::ConfigCommit, commit, std::move(fds));
        resolver.use(*parsed.config);
        resolver.refresh();
        if (!resolver.addresses().empty()) use_hosts();
        if (!taken.policies) return taken.done(ok());
        taken.policies->commit([done = std::move(taken.done)] { done(ok()); });
    }

    /// In as many messages as their descriptors need.
    void send_sockets(std::vector<net::BoundSocket> sockets, UniqueFd control) {
        SocketList list;
        std::vector<UniqueFd> fds;
        const auto flush = [&] {
            if (!fds.empty()) send(*channel, Kind::Sockets, list, std::move(fds));
            list = {};
            fds.clear();
        };
        for (auto& socket : sockets) {
            list.sockets.push_back({socket.local, socket.natt});
            fds.push_back(std::move(socket.fd));
            if (fds.size() == kMaxFds) flush();
        }
        list.has_control = control.valid();
        if (control.valid()) fds.push_back(std::move(control));
        flush();
    }

    /// Another file is the module's affair; one at all, or none, is ours.
    void follow_saved() {
        if (!parsed.config->paths.contains("backupsa")) {
            desk.set_saved(nullptr);
            saved.reset();
            return;
        }
        if (saved) return;
        auto opened = SavedSas::open(host, *parsed.config);
        if (!opened) {
            LOGE("", opened.error().text());
            return;
        }
        saved = std::move(*opened);
        saved->clear();
        desk.set_saved(saved.get());
        LOGI("", "path backupsa: SAs are saved from now on; those that are up are not");
    }

    // --- names of hosts ---

    void resolve(const std::string& name, bool again, Resolver::Done done) {
        if (name.empty()) {
            resolver.refresh();
            return done(ok());
        }
        resolver.lookup(name, again, [this, done = std::move(done)](const Status& status) {
            if (!hosts_pending) return done(status);
            after_hosts.push_back([done, status] { done(status); });
        });
    }

    /// Several answers that come together make one change.
    void hosts_changed() {
        if (hosts_pending) return;
        hosts_pending = true;
        hosts_timer = loop.arm(std::chrono::milliseconds(20), [this] { use_hosts(); });
    }

    /// The engine is told before anybody's question is answered.
    void use_hosts() {
        loop.cancel(hosts_timer);
        hosts_pending = false;
        book =
            std::make_shared<const Book>(parsed.config, book->generation(), resolver.addresses());
        desk.use(book, previous_book);
        end_left_alone();
        send_hosts();
        for (const auto& reply : std::exchange(after_hosts, {})) reply();
    }

    void send_hosts() {
        if (!channel || !serving || resolver.addresses().empty()) return;
        HostList list;
        list.hosts = resolver.addresses();
        send(*channel, Kind::Hosts, list);
    }

    // --- the end
    // ----------------------------------------------------------------------------------

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
        lost_policies.set_kernel(nullptr);
        if (kernel) kernel->close();
        // In good order nothing is left that a start could bring back.
        if (saved) saved->clear();
        done();
    }
};

Keeper::Keeper(loop::EventLoop& loop, plugin::PluginHost& host, KeeperOptions options,
               KeeperHooks hooks)
    : impl_(std::make_unique<Impl>(loop, host, std::move(options), std::move(hooks))) {}

Keeper::~Keeper() {
    if (impl_->change) impl_->loop.cancel(impl_->change_timer);
    if (impl_->ending) impl_->loop.cancel(impl_->ending->timer);
    impl_->loop.cancel(impl_->hosts_timer);
}

void Keeper::configure(ParsedConfig parsed) {
    impl_->book = std::make_shared<const Book>(parsed.config, 1);
    impl_->desk.use(impl_->book, nullptr);
    impl_->parsed = std::move(parsed);
    impl_->resolver.use(*impl_->parsed.config);
}

const ParsedConfig& Keeper::parsed() const {
    return impl_->parsed;
}

void Keeper::open_kernel(std::function<void(Status)> done) {
    impl_->open_kernel(std::move(done));
}

Status Keeper::bind_socket(int fd, Family family, bool natt) {
    if (!impl_->kernel) return fail(Errc::InvalidState, "no kernel backend");
    return impl_->kernel->bind_socket(fd, family, natt);
}

Status Keeper::release_socket(const Endpoint& local) {
    if (!impl_->kernel) return fail(Errc::InvalidState, "no kernel backend");
    return impl_->kernel->release_socket(local);
}

void Keeper::attach(std::unique_ptr<Channel> channel) {
    impl_->attach(std::move(channel));
}
bool Keeper::attached() const {
    return impl_->channel != nullptr;
}
bool Keeper::serving() const {
    return impl_->serving;
}

void Keeper::hand_over(std::vector<net::BoundSocket> sockets, UniqueFd control) {
    if (!impl_->channel) return;
    if (impl_->kernel) send(*impl_->channel, Kind::Capabilities, impl_->kernel->capabilities());
    if (impl_->kernel) send(*impl_->channel, Kind::Backends, impl_->kernel->backends());
    impl_->send_sockets(std::move(sockets), std::move(control));
    impl_->foreign.tell_all();
    for (const KeptPair& pair : impl_->desk.kept_pairs()) send(*impl_->channel, Kind::Pair, pair);
    send(*impl_->channel, Kind::Serve);
}

void Keeper::add_sockets(std::vector<net::BoundSocket> sockets) {
    if (impl_->channel) impl_->send_sockets(std::move(sockets), {});
}

void Keeper::reconfigure(ParsedConfig parsed, SocketChange sockets,
                         std::function<void(Status)> done) {
    impl_->reconfigure(std::move(parsed), std::move(sockets), std::move(done));
}

void Keeper::reload_done(std::uint64_t token, const Status& status, const std::string& notes) {
    if (!impl_->channel) return;
    if (impl_->reloads_asked != 0) --impl_->reloads_asked;
    Outcome out;
    out.token = token;
    out.good = status.has_value();
    out.text = status ? notes : status.error().text();
    send(*impl_->channel, Kind::ReloadDone, out);
}

void Keeper::shutdown(Duration limit, std::function<void()> done) {
    impl_->shutdown(limit, std::move(done));
}

DeskCounters Keeper::counters() const {
    return impl_->desk.counters();
}

}  // namespace racoon::privsep
