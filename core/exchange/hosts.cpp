// Peers that the configuration knows by a host's name. The keeper resolves; here negotiations wait for it:
// each new one asks first, so that it goes to where the name points now. SAs that are up stay where they are.
#include <algorithm>

#include "exchange/core.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {
using std::chrono::seconds;
/// Packets of unknown addresses may be those of a peer that has moved; but nobody makes us ask more often.
constexpr auto kStrangersPause = seconds(30);
}  // namespace

Core::HostLookup::~HostLookup() {
    if (token.value != 0) core.ctx_.ops.abandon(token);
}

void Core::HostLookup::completed(OpToken, const Result<Bytes>& result) {
    token = {};
    core.host_found(section, result ? ok() : Status(fail(result.error())));
}

void Core::set_hosts(conf::HostAddresses hosts) {
    hosts_ = std::move(hosts);
    const SettingsPtr before = ctx_.settings;
    ctx_.settings =
        std::make_shared<const Settings>(before->config, before->generation, hosts_, foreign_);
    // It is the same configuration: what pointed into it still does.
    for (Phase1* sa : sas_.all()) {
        if (sa->settings_ptr() == before) sa->adopt_settings(ctx_.settings, &sa->section());
        for (const auto& x : sa->children)
            if (x->settings_ptr() == before)
                x->adopt_settings(ctx_.settings, [](const conf::Policy& p) { return &p; });
    }
    for (SaPair* pair : pairs_.all())
        if (pair->settings == before) pair->settings = ctx_.settings;
    for (const auto& [key, r] : requests_)
        if (r->settings == before) r->settings = ctx_.settings;
    update_starters(false);
}

/// Where a negotiation with a section's host goes: the first of its addresses that we have a socket for.
std::optional<Endpoint> Core::host_endpoint(const conf::Remote& section) const {
    const auto found = hosts_.find(section.host);
    if (section.host.empty() || found == hosts_.end() || found->second.empty()) return {};
    for (const IpAddr& addr : found->second)
        for (const Endpoint& e : local_endpoints_)
            if (e.addr.family == addr.family) return Endpoint{addr, section.port};
    return Endpoint{found->second.front(), section.port};
}

void Core::doubt_host(const conf::Remote& section) {
    if (!section.host.empty()) doubted_.insert(section.name);
}

/// Calls back when the name of the section's host was asked for; not from within this call.
void Core::find_host(const conf::Remote& section, Done done) {
    auto& slot = lookups_[section.name];
    if (slot == nullptr) {
        slot = std::make_unique<HostLookup>(*this, section.name);
        Resolve request;
        request.generation = ctx_.settings->generation;
        request.section = section.name;
        request.again = doubted_.erase(section.name) != 0;
        slot->token = ctx_.ops.start(Resolve::kKind, encode(request), slot.get());
    }
    slot->done.push_back(std::move(done));
}

void Core::host_found(const std::string& section, const Status& status) {
    const auto it = lookups_.find(section);
    if (it == lookups_.end()) return;
    const std::vector<Done> list = std::move(it->second->done);
    dead_lookups_.push_back(std::move(it->second));
    lookups_.erase(it);
    for (const Done& d : list) d(status);
}

/// True: the request waits for its peer's name.
bool Core::resolve_for(Request& r) {
    if (r.resolved) return false;
    conf::RemoteQuery query;
    query.peer = r.peer;
    query.initiating = true;
    const conf::Remote* section = ctx_.settings->index.choose(query).remote;
    if (section == nullptr || section->host.empty()) return false;
    r.resolved = true;
    find_host(*section, [this, key = r.key](const Status& status) {
        const auto it = requests_.find(key);
        if (it == requests_.end() || it->second->running != nullptr) return;
        Request& waiting = *it->second;
        if (const auto w = waiting_.find(waiting.peer); w != waiting_.end()) {
            std::erase(w->second, &waiting);
            if (w->second.empty()) waiting_.erase(w);
        }
        if (status) return advance(waiting);
        LOGE(waiting.peer.text(), status.error().text());
        finish_request(waiting, status);
    });
    return true;
}

/// An address without a section began a negotiation: it may be that of a host whose name points elsewhere
/// by now. It will try again, and the answer is there by then.
void Core::stranger_seen() {
    if (ctx_.now < strangers_until_) return;
    const auto& remotes = ctx_.settings->config->remotes;
    if (std::none_of(remotes.begin(), remotes.end(),
                     [](const conf::Remote& r) { return !r.host.empty(); }))
        return;
    strangers_until_ = ctx_.now + Duration(kStrangersPause);
    Resolve all;
    all.generation = ctx_.settings->generation;
    ctx_.ops.post(all);
}

}  // namespace racoon::exchange
