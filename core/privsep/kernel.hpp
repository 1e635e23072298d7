// Kernel: the active kernel backend as the keeper uses it: our records in, plugin calls out,
// answers through callbacks whether the plugin answers at once or later.
//
//     RACOON_TRY(auto kernel, Kernel::open(host, "auto", [&](const exchange::KernelEvent& e) { …
//     })); kernel->sa_install(request, replay_window, [](Status s) { … });
//
// Nothing is judged here: the caller has checked the request against the configuration.
// Main thread only. After close() callbacks of pending calls do not come any more.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "conf/config.hpp"
#include "exchange/operations.hpp"
#include "plugin/lifecycle.hpp"
#include "privsep/protocol.hpp"

namespace racoon::privsep {

class ForeignPolicies;

class Kernel {
  public:
    using Events = std::function<void(const exchange::KernelEvent&)>;
    using Done = std::function<void(Status)>;

    /// `wanted`: a backend's name, or "auto": the first by manifest priority whose probe says that
    /// it can work here; the log says which were rejected and why. Errors: Config, Plugin; the text
    /// has the remedy.
    /// `keep`: SAs of an earlier run that are not cleared away where the kernel still has them.
    /// `event_buffer`: bytes to ask for where the system tells of events; 0: the backend knows.
    static Result<std::unique_ptr<Kernel>> open(
        plugin::PluginHost& host, const std::string& wanted, Events events,
        const std::vector<const exchange::SaInstall*>& keep = {}, std::uint32_t event_buffer = 0);
    ~Kernel();
    Kernel(const Kernel&) = delete;
    Kernel& operator=(const Kernel&) = delete;

    const exchange::KernelCapabilities& capabilities() const { return caps_; }
    /// All that are loaded, the one in use among them, and why the others are not.
    const BackendList& backends() const { return backends_; }
    /// Asks the backend for the algorithms of every sainfo that it has not been asked for yet. True:
    /// the capabilities have changed.
    bool learn(const conf::Config& config);
    /// Errors: Config, the configuration asks for marks or an if_id that this backend has not, with place and
    /// remedy: without them the wrong traffic would be protected. What packets can do without is logged.
    Status can_serve(const conf::Config& config) const;
    /// IKE sockets bypass IPsec.
    /// `natt`: it takes ESP in UDP, too (RFC 3948); one without does where a dialect of NAT traversal wants that.
    Status bind_socket(int fd, Family family, bool natt);
    /// One that is about to be closed takes no ESP any more.
    Status release_socket(const Endpoint& local);
    void sa_move(const exchange::SaMove& request, Done done);

    void spi_get(const exchange::SpiGet& request, std::function<void(Result<Spi>)> done);
    /// `sequence`: the number after which an outbound SA begins that is made once more.
    void sa_install(const exchange::SaInstall& request, Done done, std::uint64_t sequence = 0);
    void sa_delete(const exchange::SaDelete& request, Done done);
    void sa_query(const exchange::SaQuery& request,
                  std::function<void(Result<exchange::SaQuery::Reply>)> done);
    /// The SAs that are really there, of those that this backend installed.
    struct DumpedSa {
        std::uint8_t protocol = 50;
        Spi spi;
        IpAddr dst;
    };
    Result<std::vector<DumpedSa>> sa_dump();
    void acquire_done(std::uint64_t token, bool success);
    void policy_add(const conf::Policy& policy, Done done);
    void policy_delete(PolicyId id, Done done);
    /// `after` takes the place of `before`, which is for the same traffic in the same direction, without
    /// an instant in between where the backend can.
    void policy_update(const conf::Policy& before, const conf::Policy& after, Done done);
    /// From now on, and until close(), `foreign` hears of the policies that others have in the kernel. A
    /// backend that does not know of any is no failure.
    Status watch_policies(ForeignPolicies& foreign);
    /// Removes what it installed.
    void close();

  private:
    Kernel(plugin::PluginHost& host, const plugin::Provider& provider, Events events);
    Status start(const std::vector<const exchange::SaInstall*>& keep, std::uint32_t event_buffer);
    void try_algorithm(std::uint8_t protocol, const conf::TransformInfo& info,
                       const racoon_kernel_alg& alg, const std::string& where);
    /// `about`: the SA or policy, for what is told of a failure.
    template <typename Call>
    void call(const char* what, std::string about, std::size_t result_size, Call plugin_call,
              std::function<void(Result<Bytes>)> done);
    static void on_event(void* self, const racoon_kernel_event* event) noexcept;
    static void on_foreign(void* self, const racoon_kernel_policy* policy) noexcept;
    static void on_foreign_gone(void* self, std::uint32_t id) noexcept;

    plugin::PluginHost& host_;
    const plugin::Provider& provider_;
    const racoon_kernel& table_;
    Events events_;
    ForeignPolicies* foreign_ = nullptr;
    exchange::KernelCapabilities caps_;
    BackendList backends_;
    std::set<std::tuple<std::uint8_t, bool, std::string>> tried_;
    bool open_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// The C form of an address.
racoon_addr to_abi(const IpAddr& addr, std::uint16_t port = 0);
inline racoon_addr to_abi(const Endpoint& e) {
    return to_abi(e.addr, e.port);
}
/// Errors: Malformed, an unknown family.
Result<Endpoint> from_abi(const racoon_addr& addr);

}  // namespace racoon::privsep
