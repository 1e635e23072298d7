#include "daemon/daemon.hpp"

#include <cstdio>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/build_config.hpp"
#include "daemon/control_adapter.hpp"
#include "daemon/files.hpp"
#include "daemon/ike_sockets.hpp"
#include "daemon/reload.hpp"
#include "daemon/show.hpp"
#include "log/log.hpp"
#include "loop/work_pool.hpp"
#include "net/address_watch.hpp"
#include "plugin/callout.hpp"
#include "privsep/engine_process.hpp"
#include "privsep/keeper.hpp"
#include "privsep/sandbox.hpp"
#include "privsep/spawn.hpp"

namespace racoon::daemon {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kShutdownLimit = seconds(3);
constexpr Duration kFirstBackOff = seconds(1);
constexpr Duration kLongestBackOff = seconds(60);
// An engine that lived so long has earned a fresh back-off.
constexpr Duration kStable = seconds(120);

}  // namespace

struct Daemon::Impl {
    Impl(const Options& o, Readiness r) : options(o), readiness(std::move(r)) {}

    const Options& options;
    Readiness readiness;
    std::unique_ptr<loop::EventLoop> loop;
    std::unique_ptr<loop::WorkPool> workers;
    std::unique_ptr<plugin::Runtime> runtime;
    std::unique_ptr<plugin::PluginHost> host;
    std::unique_ptr<privsep::Keeper> keeper;
    std::unique_ptr<privsep::EngineProcess> inner_engine;  // --one-process
    std::unique_ptr<net::AddressWatch> addresses;
    UniqueFd program;
    pid_t engine_pid = -1;
    IkeSockets sockets;
    UniqueFd control;
    std::string pid_file, control_file;

    bool running = false;  // start-up is over
    bool stopping = false;
    bool logged = false;  // what ends the start has been logged already
    int status = 0;
    TimePoint engine_started;
    Duration back_off = kFirstBackOff;

    // --- start
    // ------------------------------------------------------------------------------------

    Status prepare() {
        RACOON_TRY(loop, loop::EventLoop::make());
        RACOON_TRY_STATUS(catch_signals());
        workers = std::make_unique<loop::WorkPool>(*loop, 1, 1024);
        runtime = plugin::make_loop_runtime(*loop, *workers);
        logged = true;  // the diagnostics say it all
        RACOON_TRY(const WantedModules wanted, wanted_modules(options));
        logged = false;
        const auto zone = options.one_process ? plugin::Zone::Both : plugin::Zone::Keeper;
        host = std::make_unique<plugin::PluginHost>(*runtime, zone, wanted.dir);
        RACOON_TRY_STATUS(host->load(wanted.blocks));
        logged = true;
        RACOON_TRY(auto parsed, read_config(options, *host, nullptr));
        logged = false;
        const conf::ConfigPtr config = parsed.config;
        log::set_level(effective_level(*config, options));
        if (options.restore && !config->paths.contains("backupsa"))
            return fail(Errc::Config, "-B: " + options.config_file +
                                          " has no `path backupsa` to restore SAs from");
        RACOON_TRY_STATUS(host->configure(config));
        host->commit();
        RACOON_TRY_STATUS(host->start());
        if (options.dump) LOGI("", conf::print(*config, print_options(*host)));
        RACOON_TRY_STATUS(make_keeper(*config));
        keeper->configure(std::move(parsed));
        RACOON_TRY_STATUS(open_sockets());
        RACOON_TRY_STATUS(follow_addresses());
        return ok();
    }

    Status make_keeper(const conf::Config& config) {
        privsep::KeeperOptions how;
        how.location = options.location;
        RACOON_TRY(const privsep::Identity identity, privsep::choose_identity(config.privsep));
        how.uid = identity.uid;
        how.gid = identity.gid;
        how.change_ids = identity.change;
        how.chroot = identity.chroot;
        how.family = static_cast<Family>(options.family);
        how.restore = options.restore;
        LOGI("", options.one_process
                     ? "keeper and engine share this process, with all its privileges"
                     : identity.note);
        privsep::KeeperHooks hooks;
        hooks.ready = [this](const Status& ready) { engine_ready(ready); };
        hooks.serving = [this] { engine_serving(); };
        hooks.lost = [this](const std::string& why) { engine_lost(why); };
        hooks.reload = [this](std::uint64_t token) {
            reload_now([this, token](const Result<std::string>& result) {
                if (result)
                    keeper->reload_done(token, ok(), *result);
                else
                    keeper->reload_done(token, fail(result.error()));
            });
        };
        hooks.shutdown = [this] { stop("the control socket asks for it"); };
        keeper = std::make_unique<privsep::Keeper>(*loop, *host, how, std::move(hooks));
        return ok();
    }

    Status open_sockets() {
        const conf::Config& config = *keeper->parsed().config;
        control.reset();
        // A new engine gets the sockets of the one before.
        if (sockets.empty()) {
            RACOON_TRY(auto planned, sockets.plan(config, options));
            sockets.commit(std::move(planned));
        }
        if (!config.listen.adminsock.disabled) {
            // Our own earlier one has no listener any more and is replaced.
            RACOON_TRY(control, open_control_socket(config));
            control_file = control_socket_path(config);
        }
        return ok();
    }

    Status tell_kernel_of_sockets() {
        RACOON_TRY(const auto copies, sockets.copies());
        return tell_kernel_of(copies);
    }

    Status tell_kernel_of(const std::vector<net::BoundSocket>& list) {
        for (const auto& socket : list) {
            const Status told =
                keeper->bind_socket(socket.fd.get(), socket.local.addr.family, socket.natt);
            if (!told)
                return fail(Errc::Io, "socket " + socket.local.text() + ": " + told.error().text());
        }
        return ok();
    }

    /// Addresses of the `listen` block may come after us: that of a link that is slow, or of another node.
    Status follow_addresses() {
        RACOON_TRY(addresses, net::AddressWatch::make(*loop, [this] { addresses_changed(); }));
        return ok();
    }

    void addresses_changed() {
        // A reload looks for itself, and so does an engine that begins to serve: before, there may be no
        // backend yet that has to hear of a socket, and no engine that takes it.
        if (!keeper->serving() || stopping || reloading) return;
        if (keeper->parsed().config->listen.strict_address) return;
        auto fresh = sockets.bind_missing();
        Status done = fresh ? tell_kernel_of(*fresh) : Status(fail(fresh.error()));
        if (!done) LOGE("", "an address that has come: " + done.error().text());
        if (done) keeper->add_sockets(std::move(*fresh));
    }

    void open_kernel() {
        keeper->open_kernel([this](const Status& opened) {
            Status result = opened;
            if (result) result = tell_kernel_of_sockets();
            if (result) result = start_engine();
            if (!result) die(result.error());
        });
    }

    Status start_engine() {
        engine_started = loop->now();
        if (options.one_process) {
            auto [mine, other] = privsep::make_memory_channels(*loop, privsep::kFromEngineLimit,
                                                               privsep::kFromKeeperLimit);
            privsep::EngineOptions how;
            how.shared_host = host.get();
            how.forward_log = false;
            how.serve_control = serve_control;
            inner_engine =
                std::make_unique<privsep::EngineProcess>(*loop, std::move(other), std::move(how));
            inner_engine->on_end([] {});
            keeper->attach(std::move(mine));
            return ok();
        }
        if (!program.valid()) {
            RACOON_TRY(program, privsep::open_self());
        }
        RACOON_TRY(auto pair, privsep::socket_pair());
        RACOON_TRY(engine_pid, privsep::spawn_engine(program, std::move(pair.other)));
        keeper->attach(
            privsep::make_socket_channel(*loop, std::move(pair.mine), privsep::kFromEngineLimit));
        return ok();
    }

    void engine_ready(const Status& ready) {
        if (!ready) {
            die(ready.error());
            return;
        }
        auto copies = sockets.copies();
        if (!copies) {
            die(copies.error());
            return;
        }
        keeper->hand_over(std::move(*copies), std::move(control));
    }

    void engine_serving() {
        if (running) {
            LOGI("", "the engine runs again");
            addresses_changed();
            return;
        }
        running = true;
        pid_file = pid_file_path(*keeper->parsed().config);
        if (const Status written = write_pid_file(pid_file); !written) {
            pid_file.clear();
            die(written.error());
            return;
        }
        LOGI("", "racoon " RACOON_VERSION " is ready");
        readiness.ready();
        addresses_changed();
    }

    // --- a lost engine
    // ----------------------------------------------------------------------------

    void engine_lost(const std::string& why) {
        reap(true);
        if (stopping) return;
        if (!running) {
            die(Error(Errc::Internal, "the engine ended while it started: " + why));
            return;
        }
        if (loop->now() - engine_started > kStable) back_off = kFirstBackOff;
        LOGE("", fmt::format(
                     "the engine has ended ({}); it is started again in {} s; SAs in the kernel "
                     "stay",
                     why, back_off / seconds(1)));
        loop->arm(back_off, [this] { restart_engine(); });
        back_off = std::min(back_off * 2, kLongestBackOff);
    }

    void restart_engine() {
        if (stopping) return;
        Status result = open_sockets();
        if (result) result = tell_kernel_of_sockets();
        if (result) result = start_engine();
        if (result) return;
        LOGE("", "starting the engine again: " + result.error().text());
        loop->arm(back_off, [this] { restart_engine(); });
        back_off = std::min(back_off * 2, kLongestBackOff);
    }

    /// Takes the engine's exit status; `now`: it has closed its channel and must end.
    void reap(bool now) {
        if (engine_pid <= 0) return;
        int wait_status = 0;
        pid_t got = ::waitpid(engine_pid, &wait_status, WNOHANG);
        if (got == 0 && now) {
            ::kill(engine_pid, SIGKILL);
            got = ::waitpid(engine_pid, &wait_status, 0);
        }
        if (got != engine_pid) return;
        engine_pid = -1;
        if (WIFSIGNALED(wait_status) && !stopping)
            LOGE("", fmt::format("the engine was ended by signal {}", WTERMSIG(wait_status)));
        else if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) != 0)
            LOGE("", fmt::format("the engine ended with status {}", WEXITSTATUS(wait_status)));
    }

    // --- signals
    // ----------------------------------------------------------------------------------

    Status catch_signals() {
        ::signal(SIGPIPE, SIG_IGN);
        for (const int signal : {SIGTERM, SIGINT})
            RACOON_TRY_STATUS(loop->on_signal(
                signal, [this, signal] { stop(fmt::format("caught signal {}", signal)); }));
        RACOON_TRY_STATUS(loop->on_signal(SIGHUP, [this] {
            LOGI("", "caught signal 1: reading the configuration again");
            reload_now([](const Result<std::string>&) {});
        }));
        for (const int signal : {SIGUSR1, SIGUSR2})
            RACOON_TRY_STATUS(loop->on_signal(
                signal, [signal] { LOGI("", fmt::format("caught signal {}", signal)); }));
        // The channel tells that an engine has gone; this only collects what is left of it.
        RACOON_TRY_STATUS(loop->on_signal(SIGCHLD, [this] { reap(false); }));
        return ok();
    }

    using ReloadDone = std::function<void(Result<std::string>)>;
    std::vector<ReloadDone> asked;  // who waits for the reload that comes next
    bool reloading = false;

    /// What is asked for while a reload runs is served by one more after it: the files may have changed.
    void reload_now(ReloadDone done) {
        if (!running || stopping) {
            done(fail(Errc::Busy, "the daemon is starting or ending"));
            return;
        }
        asked.push_back(std::move(done));
        if (!reloading) run_reload();
    }

    void run_reload() {
        reloading = true;
        auto waiting = std::exchange(asked, {});
        reload({options, *host, *keeper, sockets, control_file},
               [this, waiting = std::move(waiting)](const Result<std::string>& result) {
                   if (result)
                       LOGI("", "config reload done");
                   else
                       LOGE("", "config reload failed, the old configuration stays: " +
                                    summary(result.error().text()));
                   for (const ReloadDone& done : waiting) done(result);
                   reloading = false;
                   addresses_changed();
                   if (!asked.empty()) loop->post([this] { run_reload(); });
               });
    }

    /// The first of several lines: each has been logged for itself.
    static std::string summary(const std::string& lines) {
        const auto end = lines.find('\n');
        if (end == std::string::npos) return lines;
        const auto more =
            std::count(lines.begin() + static_cast<std::ptrdiff_t>(end), lines.end(), '\n');
        return fmt::format("{} (and {} more)", lines.substr(0, end), more);
    }

    // --- the end
    // ----------------------------------------------------------------------------------

    void stop(const std::string& why) {
        if (stopping) return;
        stopping = true;
        LOGI("", why + ": shutting down");
        if (!keeper) {
            loop->stop();
            return;
        }
        keeper->shutdown(kShutdownLimit, [this] { loop->stop(); });
    }

    void die(const Error& error) {
        LOGE("", error.text());
        readiness.failed(error.text());
        status = 1;
        stopping = true;
        loop->stop();
    }

    void clean_up() {
        inner_engine.reset();
        keeper.reset();  // closes the channel, and the backend removes what is ours
        reap(true);
        if (host) host->destroy();
        if (!control_file.empty()) ::unlink(control_file.c_str());
        if (!pid_file.empty()) ::unlink(pid_file.c_str());
    }
};

Daemon::Daemon(const Options& options, Readiness readiness)
    : impl_(std::make_unique<Impl>(options, std::move(readiness))) {}

Daemon::~Daemon() = default;

int Daemon::run() {
    Impl& d = *impl_;
    LOGI("", "racoon " RACOON_VERSION);
    LOGI("", "reading configuration from \"" + d.options.config_file + "\"");
    if (const Status prepared = d.prepare(); !prepared) {
        if (!d.logged) LOGE("", prepared.error().text());
        d.readiness.failed(prepared.error().text());
        d.clean_up();
        return 1;
    }
    d.loop->post([&d] { d.open_kernel(); });
    d.loop->run();
    d.clean_up();
    if (d.status == 0) LOGI("", "racoon process " + std::to_string(::getpid()) + " shutdown");
    return d.status;
}

}  // namespace racoon::daemon
