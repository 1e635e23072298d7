#include "daemon/show.hpp"

#include <cstdio>

#include "control/config_json.hpp"

namespace racoon::daemon {

conf::PrintOptions print_options(const plugin::PluginHost& host) {
    conf::PrintOptions out;
    out.secret_key = [&host](std::string_view module, std::string_view key) {
        return host.is_secret_key(module, key);
    };
    return out;
}

Status show_configuration(const conf::Config& config, const plugin::PluginHost& host, bool json) {
    const conf::PrintOptions how = print_options(host);
    std::string text;
    if (json) {
        RACOON_TRY(const control::Json value, control::config_json(config, how));
        text = control::pretty_json(value) + "\n";
    } else {
        text = conf::print(config, how);
    }
    std::fputs(text.c_str(), stdout);
    return ok();
}

}  // namespace racoon::daemon
