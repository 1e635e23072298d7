// Commands: what racoonctl can ask, each turned into calls of the engine and a JSON reply.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "control/protocol.hpp"
#include "exchange/engine.hpp"

namespace racoon::control {

struct ModuleRow {
    std::string name, version, state, abi, mode;
    std::vector<std::string> provides;  // "cipher aes"
    std::string note;                   // why it failed, or empty
};

/// What lies outside the engine. `done` of reload is called once: with what changed, or with the
/// diagnostics.
struct Hooks {
    std::function<void(std::function<void(Result<std::string>)> done)> reload;
    std::function<void()> shutdown;
    std::function<std::vector<ModuleRow>()> modules;
};

/// Who asks.
struct Caller {
    bool sees_secrets = false;
};

/// Called exactly once, now or later.
using Replier = std::function<void(Json)>;

class Commands {
  public:
    Commands(exchange::Engine& engine, Hooks hooks) : engine_(engine), hooks_(std::move(hooks)) {}
    void run(const Request& request, const Caller& caller, TimePoint now, Replier reply);

  private:
    void show_sa(const Json& args, TimePoint now, Replier reply);
    void establish(const Json& args, TimePoint now, Replier reply);
    void remove(const Json& args, TimePoint now, Replier reply);
    void flush(const Json& args, TimePoint now, Replier reply);
    void show_modules(Replier reply);
    void show_keys(const Caller& caller, Replier reply);

    exchange::Engine& engine_;
    Hooks hooks_;
};

}  // namespace racoon::control
