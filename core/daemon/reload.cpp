#include "daemon/reload.hpp"

#include <algorithm>

#include "base/build_config.hpp"
#include "daemon/key_files.hpp"
#include "log/log.hpp"

namespace racoon::daemon {

namespace {

std::optional<Error> log_all(const std::vector<conf::Diagnostic>& diagnostics) {
    std::optional<Error> first;
    for (const auto& d : diagnostics) {
        if (d.severity == conf::Severity::Error) {
            LOGE("", d.text());
            if (!first) first.emplace(Errc::Config, d.line());
        } else {
            LOGW("", d.text());
        }
    }
    return first;
}

bool same_endpoints(const std::vector<Endpoint>& a, const std::vector<Endpoint>& b) {
    return a == b;
}

/// Settings that are in use only at the start.
void warn_of_later_settings(const conf::Config& before, const conf::Config& after) {
    const auto later = [](const char* what) {
        LOGW("", std::string(what) +
                     " has changed: this takes effect when the daemon is started again");
    };
    if (!same_endpoints(before.listen.isakmp, after.listen.isakmp) ||
        !same_endpoints(before.listen.isakmp_natt, after.listen.isakmp_natt) ||
        before.listen.adminsock.path != after.listen.adminsock.path ||
        before.listen.adminsock.disabled != after.listen.adminsock.disabled)
        later("listen");
    const auto user = [](const conf::Config& c) {
        return c.privsep ? c.privsep->user.value_or("") + ":" + c.privsep->group.value_or("") +
                               ":" + c.privsep->chroot.value_or("")
                         : std::string();
    };
    if (user(before) != user(after)) later("privsep");
    const auto pid = [](const conf::Config& c) {
        const auto found = c.paths.find("pidfile");
        return found == c.paths.end() ? std::string() : found->second;
    };
    if (pid(before) != pid(after)) later("path pidfile");
}

/// What a running daemon cannot follow yet.
Status check_same_modules(const WantedModules& wanted, const plugin::PluginHost& host,
                          const conf::Config& running) {
    if (wanted.dir != host.dir())
        return fail(Errc::Config,
                    "restart needed: the module folder is " + host.dir() + ", not " + wanted.dir);
    const auto loaded = host.modules();
    for (const auto& block : wanted.blocks) {
        const bool known =
            std::any_of(loaded.begin(), loaded.end(),
                        [&](const plugin::ModuleState& m) { return m.name == block.name; });
        if (!known && !block.optional)
            return fail(Errc::Config, "restart needed: " + block.where.text() + ": module \"" +
                                          block.name + "\" is not loaded");
    }
    if (wanted.scan.kernel != running.kernel)
        return fail(Errc::Config, "restart needed: kernel " + wanted.scan.kernel + " instead of " +
                                      running.kernel);
    return ok();
}

/// Logs what is wrong with the files of keys; the first error.
std::optional<Error> log_key_files(const conf::Config& config, const plugin::Registry& registry) {
    const KeyFileFindings found = check_key_files(config, registry);
    for (const auto& w : found.warnings) LOGW("", w.line());
    return log_all(found.errors);
}

Status try_reload(const Options& options, plugin::PluginHost& host, privsep::Keeper& keeper,
                  const std::function<void(Status)>& done) {
    const conf::ConfigPtr before = keeper.parsed().config;
    RACOON_TRY(const WantedModules wanted, wanted_modules(options));
    RACOON_TRY_STATUS(check_same_modules(wanted, host, *before));
    RACOON_TRY(auto parsed, read_config(options, host, before.get()));
    RACOON_TRY_STATUS(host.configure(parsed.config));
    const auto after = parsed.config;
    keeper.reconfigure(std::move(parsed), [done, options, before, after](const Status& status) {
        if (status) {
            log::set_level(effective_level(*after, options));
            warn_of_later_settings(*before, *after);
        }
        done(status);
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

void reload(const Options& options, plugin::PluginHost& host, privsep::Keeper& keeper,
            std::function<void(Status)> done) {
    const Status begun = try_reload(options, host, keeper, done);
    if (!begun) done(begun);
}

}  // namespace racoon::daemon
