#include "daemon/startup.hpp"

#include <cstdio>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/build_config.hpp"
#include "daemon/control_adapter.hpp"
#include "daemon/daemon.hpp"
#include "daemon/key_files.hpp"
#include "daemon/launcher.hpp"
#include "daemon/reload.hpp"
#include "daemon/show.hpp"
#include "log/log.hpp"
#include "loop/work_pool.hpp"
#include "plugin/callout.hpp"
#include "plugin/list_modules.hpp"
#include "privsep/engine_process.hpp"
#include "privsep/sandbox.hpp"
#include "privsep/spawn.hpp"

namespace racoon::daemon {

namespace {

int complain(const Options& options, const std::string& text) {
    std::fprintf(stderr, "%s: %s\n", options.program.c_str(), text.c_str());
    return 1;
}

/// The folder of the modules for commands that work without a configuration too.
std::string module_dir(const Options& options) {
    if (!options.module_path.empty()) return options.module_path;
    conf::DiskFiles files;
    const auto scan = conf::scan_modules(options.config_file, files);
    return scan.module_path.empty() ? RACOON_MODULE_DIR : scan.module_path;
}

/// Logs what it returns: for failures that nobody has logged yet.
Status logged(const Status& status) {
    if (!status) LOGE("", status.error().text());
    return status;
}

/// Everything that a start would judge, without a socket, a kernel or a second process. What is
/// wrong has been logged.
Status try_configuration(const Options& options) {
    RACOON_TRY(const WantedModules wanted, wanted_modules(options));
    RACOON_TRY(const auto loop, loop::EventLoop::make());
    loop::WorkPool workers(*loop, 1, 16);
    const auto runtime = plugin::make_loop_runtime(*loop, workers);
    plugin::PluginHost host(*runtime, plugin::Zone::Both, wanted.dir);
    const Status loaded =
        logged(options.offline ? host.load_facts(wanted.blocks) : host.load(wanted.blocks));
    if (!loaded) {
        // What else is wrong is told as well, as far as that can be known without the module.
        plugin::PluginHost facts(*runtime, plugin::Zone::Both, wanted.dir);
        if (!options.offline && facts.load_facts(wanted.blocks))
            static_cast<void>(read_config(options, facts, nullptr));
        return loaded;
    }
    RACOON_TRY(const auto parsed, read_config(options, host, nullptr));
    if (!options.offline) {
        RACOON_TRY_STATUS(logged(host.configure(parsed.config)));
        const log::Level before = log::level();
        log::set_level(log::Level::Error);  // the modules' own lines say the same of each peer
        const auto missing = find_missing_keys(*parsed.config, host.registry());
        log::set_level(before);
        for (const auto& remark : missing) LOGW("", remark.line());
        host.rollback();
    }
    if (options.dump)
        RACOON_TRY_STATUS(logged(show_configuration(*parsed.config, host, options.json)));
    return ok();
}

/// A keeper that crashes leaves no pre-shared keys behind in a file. 1, not 0: Linux hands a core to the
/// program of core_pattern also when the limit is 0.
void no_core() {
    const rlimit limit{1, 1};
    ::setrlimit(RLIMIT_CORE, &limit);
}

void open_log(const Options& options) {
    log::set_location(options.location);
    if (options.foreground) log::add_sink(log::make_stdout_sink());
    log::add_sink(options.log_file.empty() ? log::make_syslog_sink("racoon")
                                           : log::make_file_sink(options.log_file));
    log::set_level(
        static_cast<log::Level>(std::min(static_cast<unsigned>(log::Level::Info) + options.debug,
                                         static_cast<unsigned>(log::Level::Debug2))));
}

}  // namespace

int run_test(const Options& options) {
    log::set_location(options.location);
    // With -C standard output is the configuration and nothing else.
    log::add_sink(options.dump ? log::make_stderr_sink() : log::make_stdout_sink());
    const std::string what =
        options.program + ": configuration file \"" + options.config_file + "\"";
    const Status good = try_configuration(options);
    if (!good) {
        std::fprintf(stderr, "%s test failed\n", what.c_str());
        return 1;
    }
    std::fprintf(options.dump ? stderr : stdout, "%s syntax is ok\n%s test is successful\n",
                 what.c_str(), what.c_str());
    return 0;
}

int list_modules(const Options& options) {
    const std::string dir = module_dir(options);
    const std::string text =
        options.json ? plugin::list_modules_json(dir) + "\n" : plugin::list_modules_text(dir);
    std::fputs(text.c_str(), stdout);
    return 0;
}

int explain_trust(const Options& options) {
    bool trusted = false;
    std::fputs(plugin::explain_trust(module_dir(options), options.explain, &trusted).c_str(),
               stdout);
    return trusted ? 0 : 1;
}

int run_daemon(const Options& options, char** argv) {
    if (::geteuid() != 0) return complain(options, "must be root to run this program.");
    ::umask(077);
    if (!options.one_process) no_core();  // that is for debugging
    Readiness readiness;
    if (options.foreground) {
        close_stdin();
    } else {
        auto detached = detach(options.program);
        if (!detached) return complain(options, detached.error().text());
        readiness = std::move(*detached);
    }
    open_log(options);
    plugin::install_crash_reporter();
    privsep::set_process_title(argv, options.one_process ? "racoon" : "racoon: keeper");
    Daemon daemon(options, std::move(readiness));
    return daemon.run();
}

int run_engine(char** argv) {
    ::prctl(PR_SET_NAME, "racoon", 0, 0, 0);
    privsep::set_process_title(argv, "racoon: engine");
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(privsep::kEngineChannelFd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
        std::fputs("racoon: the engine's process is started by the daemon, not by hand\n", stderr);
        return 1;
    }
    ::umask(077);
    // The keeper decides when we end: `killall racoon` must not cut off the deletes.
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2})
        ::signal(signal, SIG_IGN);
    plugin::install_crash_reporter();
    int status = 1;
    auto loop = loop::EventLoop::make();
    if (loop) {
        privsep::EngineOptions how;
        how.drop = privsep::drop_privileges;
        how.serve_control = serve_control;
        auto channel = privsep::make_socket_channel(**loop, UniqueFd(privsep::kEngineChannelFd),
                                                    privsep::kFromKeeperLimit);
        privsep::EngineProcess engine(**loop, std::move(channel), std::move(how));
        (*loop)->run();
        status = engine.exit_status();
    }
    // Not exit(): a process that may not be traced cannot be searched for leaks at its end.
    ::_exit(status);
}

}  // namespace racoon::daemon
