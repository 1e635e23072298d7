#include "daemon/reload.hpp"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

#include "base/build_config.hpp"
#include "daemon/files.hpp"
#include "daemon/key_files.hpp"
#include "log/log.hpp"

namespace racoon::daemon {

namespace {

/// Every error, a line each; nothing when there is none.
std::optional<Error> log_all(const std::vector<conf::Diagnostic>& diagnostics) {
    std::string errors;
    for (const auto& d : diagnostics) {
        if (d.severity == conf::Severity::Error) {
            LOGE("", d.text());
            errors += (errors.empty() ? "" : "\n") + d.line();
        } else {
            LOGW("", d.text());
        }
    }
    if (errors.empty()) return std::nullopt;
    return Error(Errc::Config, errors);
}

/// What was found wrong with a reload, each logged once.
class Problems {
  public:
    void add_logged(const Error& error) { text_ += (text_.empty() ? "" : "\n") + error.text(); }
    void add(const Error& error) {
        LOGE("", error.text());
        add_logged(error);
    }
    bool none() const { return text_.empty(); }
    Failure failure() const { return fail(Errc::Config, text_); }

  private:
    std::string text_;
};

/// Settings that are in use only at the start.
std::string later_settings(const conf::Config& before, const conf::Config& after) {
    std::string out;
    const auto later = [&](const std::string& what) {
        const std::string line = what + ": this takes effect when the daemon is started again";
        LOGW("", line);
        out += (out.empty() ? "" : "\n") + line;
    };
    const auto user = [](const conf::Config& c) {
        return c.privsep ? c.privsep->user.value_or("") + ":" + c.privsep->group.value_or("") +
                               ":" + c.privsep->chroot.value_or("")
                         : std::string();
    };
    if (user(before) != user(after)) later("privsep has changed");
    const auto pid = [](const conf::Config& c) {
        const auto found = c.paths.find("pidfile");
        return found == c.paths.end() ? std::string() : found->second;
    };
    if (pid(before) != pid(after)) later("path pidfile has changed");
    for (const auto& module : before.modules)
        if (std::none_of(after.modules.begin(), after.modules.end(),
                         [&](const auto& other) { return other.name == module.name; }))
            later("module \"" + module.name + "\" is no longer named, and stays loaded");
    return out;
}

bool wants_standard(const std::vector<conf::ModuleBlock>& modules) {
    return modules.empty() || std::any_of(modules.begin(), modules.end(), [](const auto& m) {
               return m.name == conf::kStandardModules;
           });
}

/// What a running daemon cannot follow yet.
void check_same_modules(const WantedModules& wanted, const plugin::PluginHost& host,
                        const conf::Config& running, Problems& problems) {
    const auto restart = [&](const std::string& why) {
        problems.add(Error(Errc::Config, "restart needed: " + why));
    };
    if (wanted.dir != host.dir())
        restart("the module folder is " + host.dir() + ", not " + wanted.dir);
    const auto loaded = host.modules();
    const std::vector<std::string> installed = plugin::installed_modules(wanted.dir);
    for (const auto& block : wanted.blocks) {
        if (block.name == conf::kStandardModules) continue;
        const bool known =
            std::any_of(loaded.begin(), loaded.end(),
                        [&](const plugin::ModuleState& m) { return m.name == block.name; });
        if (known || block.optional) continue;
        const bool there =
            std::find(installed.begin(), installed.end(), block.name) != installed.end();
        restart(block.where.text() + ": module \"" + block.name + "\" is not loaded" +
                (there ? "; it is installed, and modules are loaded at the start"
                       : ", and none of that name is installed in " + wanted.dir));
    }
    if (wants_standard(wanted.blocks) && !wants_standard(running.modules))
        restart(wanted.blocks.empty()
                    ? "no module is named any more, which means the standard ones"
                    : "the standard modules are wanted, and modules are loaded at the start");
    if (wanted.scan.kernel != running.kernel)
        restart("kernel " + wanted.scan.kernel + " instead of " + running.kernel);
}

/// Logs what is wrong with the files of keys; the first error.
std::optional<Error> log_key_files(const conf::Config& config, const plugin::Registry& registry) {
    const KeyFileFindings found = check_key_files(config, registry);
    for (const auto& w : found.warnings) LOGW("", w.line());
    return log_all(found.errors);
}

/// The control socket that a configuration wants, as far as it is another one.
struct ControlChange {
    UniqueFd fd;
    std::string before, after;  // paths
    bool moved() const { return before != after; }
    ~ControlChange() {
        if (fd.valid()) ::unlink(after.c_str());
    }
};

Status plan_control(const conf::Config& config, ControlChange& change) {
    change.after = control_socket_path(config);
    if (change.after.empty()) return ok();
    if (!change.moved()) return adjust_control_socket(config, true);
    RACOON_TRY(change.fd, open_control_socket(config));
    return ok();
}

void commit_control(const conf::Config& config, ControlChange& change, std::string& path) {
    if (!change.moved()) {
        if (change.after.empty()) return;
        if (const Status adjusted = adjust_control_socket(config, false); !adjusted)
            LOGE("", adjusted.error().text());
        return;
    }
    if (!change.before.empty()) ::unlink(change.before.c_str());
    path = change.after;
    change.fd.reset();  // the engine has its own copy
}

/// What is opened for a configuration and thrown away if it does not come into force.
struct Opened {
    IkeSockets::Change sockets;
    ControlChange control;
};

/// Opens what is new, and hands the keeper copies. Problems are collected, so that all are told.
privsep::SocketChange open_new(Running& running, const conf::Config& config, Opened& opened,
                               Problems& problems) {
    privsep::SocketChange out;
    if (auto planned = running.sockets.plan(config, running.options)) {
        opened.sockets = std::move(*planned);
        out.closed = opened.sockets.closed();
        if (auto added = opened.sockets.added())
            out.added = std::move(*added);
        else
            problems.add(added.error());
        for (const auto& socket : out.added) {
            const auto bound =
                running.keeper.bind_socket(socket.fd.get(), socket.local.addr.family, socket.natt);
            if (!bound) problems.add(Error(bound.error()).with("socket " + socket.local.text()));
        }
    } else {
        problems.add(planned.error());
    }
    opened.control.before = running.control_file;
    if (const Status planned = plan_control(config, opened.control); !planned) {
        problems.add(planned.error());
    } else if (opened.control.fd.valid()) {
        out.control.reset(::fcntl(opened.control.fd.get(), F_DUPFD_CLOEXEC, 0));
    }
    out.close_control = opened.control.moved() && opened.control.after.empty();
    return out;
}

/// The kernel backend lets go of what it has beside these sockets; they are closed next.
void release(const Running& running, const std::vector<Endpoint>& sockets) {
    for (const Endpoint& local : sockets)
        if (const Status done = running.keeper.release_socket(local); !done)
            LOGW("", "socket " + local.text() + ": " + done.error().text());
}

Status try_reload(Running running, const std::function<void(Result<std::string>)>& done) {
    const conf::ConfigPtr before = running.keeper.parsed().config;
    RACOON_TRY(const WantedModules wanted, wanted_modules(running.options));
    Problems problems;
    check_same_modules(wanted, running.host, *before, problems);
    auto parsed = read_config(running.options, running.host, before.get());
    if (!parsed) problems.add_logged(parsed.error());
    if (!problems.none()) return problems.failure();

    const conf::ConfigPtr after = parsed->config;
    const Status configured = running.host.configure(after);
    if (!configured) problems.add(configured.error());
    const auto opened = std::make_shared<Opened>();
    privsep::SocketChange sockets = open_new(running, *after, *opened, problems);
    if (!problems.none()) {
        running.host.rollback();
        release(running, opened->sockets.opened());
        return problems.failure();
    }
    running.keeper.reconfigure(std::move(*parsed), std::move(sockets),
                               [done, running, before, after, opened](const Status& status) {
                                   if (!status) {
                                       LOGE("", status.error().text());
                                       release(running, opened->sockets.opened());
                                       return done(fail(status.error()));
                                   }
                                   release(running, opened->sockets.closed());
                                   running.sockets.commit(std::move(opened->sockets));
                                   commit_control(*after, opened->control, running.control_file);
                                   log::set_level(effective_level(*after, running.options));
                                   done(later_settings(*before, *after));
                               });
    return ok();
}

}  // namespace

Result<WantedModules> wanted_modules(const Options& options) {
    WantedModules out;
    conf::DiskFiles files;
    out.scan = conf::scan_modules(options.config_file, files);
    if (!out.scan.ok) {
        auto first = log_all(out.scan.diagnostics);
        return first ? fail(std::move(*first))
                     : fail(Errc::Config, "cannot read the configuration " + options.config_file);
    }
    out.blocks = out.scan.modules;
    out.dir = !options.module_path.empty()    ? options.module_path
              : !out.scan.module_path.empty() ? out.scan.module_path
                                              : RACOON_MODULE_DIR;
    return out;
}

Result<privsep::ParsedConfig> read_config(const Options& options, const plugin::PluginHost& host,
                                          const conf::Config* previous) {
    conf::DiskFiles files;
    conf::LoadOptions how;
    how.offline = options.offline;
    how.previous = previous;
    const auto modules = host.modules();
    how.modules_missing =
        std::any_of(modules.begin(), modules.end(), [](const auto& m) { return !m.error.empty(); });
    auto result = conf::load(options.config_file, files, host.registry(), how);
    const auto first = log_all(result.diagnostics);
    if (!result.config)
        return first ? fail(*first) : fail(Errc::Config, "the configuration cannot be used");
    if (!options.offline)
        if (auto wrong = log_key_files(*result.config, host.registry())) return fail(*wrong);
    return privsep::ParsedConfig{result.config, files.bundle(), options.config_file,
                                 effective_level(*result.config, options)};
}

log::Level effective_level(const conf::Config& config, const Options& options) {
    const unsigned base = config.log_level.value_or(static_cast<std::uint8_t>(log::Level::Info));
    return static_cast<log::Level>(
        std::clamp(base + options.debug, 1u, static_cast<unsigned>(log::Level::Debug2)));
}

void reload(Running running, std::function<void(Result<std::string>)> done) {
    const Status begun = try_reload(running, done);
    if (!begun) done(fail(begun.error()));
}

}  // namespace racoon::daemon
