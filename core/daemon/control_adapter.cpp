#include "daemon/control_adapter.hpp"

#include "control/server.hpp"

namespace racoon::daemon {

namespace {

/// "cipher aes": the point without its prefix and version.
std::string offer_text(const plugin::Provider& provider) {
    std::string point(provider.point->id);
    if (point.rfind("racoon.", 0) == 0) point.erase(0, 7);
    return point.substr(0, point.find('/')) + " " + provider.offer.key;
}

/// A kernel backend is one of several, of which one is in use: whether it is this, and why not.
void tell_of_backend(control::ModuleRow& row, const std::string& key,
                     const privsep::BackendList& backends) {
    for (const auto& backend : backends.backends) {
        if (backend.key != key) continue;
        if (backend.fate == privsep::BackendList::Fate::InUse) {
            row.state = "in use";
            return;
        }
        row.state = "not used";
        row.note = (backend.fate == privsep::BackendList::Fate::Unable ? "cannot work here: "
                                                                       : "not asked: ") +
                   backend.why;
    }
}

std::vector<control::ModuleRow> rows_of(const plugin::PluginHost& host,
                                        const privsep::BackendList& backends) {
    std::vector<control::ModuleRow> rows;
    for (const auto& module : host.modules()) {
        control::ModuleRow row;
        row.name = module.name;
        row.version = module.version;
        // Code of the other zone is mapped in the keeper, not here.
        const bool elsewhere = module.state == "facts only";
        row.state = elsewhere ? "running" : module.state;
        row.mode = elsewhere ? "keeper" : "engine";
        row.abi = std::to_string(RACOON_ABI_MAJOR) + "." + std::to_string(RACOON_ABI_MINOR);
        row.note = module.error;
        for (const auto& point : plugin::points())
            for (const plugin::Provider* provider : host.registry().ranked(point.id))
                if (provider->module == module.name) {
                    row.provides.push_back(offer_text(*provider));
                    if (point.id == RACOON_POINT_KERNEL)
                        tell_of_backend(row, provider->offer.key, backends);
                }
        rows.push_back(std::move(row));
    }
    return rows;
}

class Service final : public privsep::ControlService {
  public:
    explicit Service(std::unique_ptr<control::Server> server) : server_(std::move(server)) {}
    Status listen_on(UniqueFd listening) override {
        return server_->listen_on(std::move(listening));
    }

  private:
    std::unique_ptr<control::Server> server_;
};

}  // namespace

Result<std::unique_ptr<privsep::ControlService>> serve_control(loop::EventLoop& loop,
                                                               UniqueFd listening,
                                                               exchange::Engine& engine,
                                                               privsep::ControlCalls calls) {
    control::Hooks hooks;
    hooks.reload = std::move(calls.reload);
    hooks.shutdown = std::move(calls.shutdown);
    hooks.modules = [host = calls.host, backends = calls.backends] {
        return host != nullptr && backends != nullptr ? rows_of(*host, *backends)
                                                      : std::vector<control::ModuleRow>();
    };
    RACOON_TRY(auto server,
               control::Server::make(loop, std::move(listening), engine, std::move(hooks)));
    return std::unique_ptr<privsep::ControlService>(new Service(std::move(server)));
}

}  // namespace racoon::daemon
