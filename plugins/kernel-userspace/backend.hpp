// The keeper's side: it owns the device, the routes and the tables of what is installed, and tells the
// data process. Keys pass through it to that process and are not kept. Beside the daemon, setkey acts on it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <racoon/kernel_backend.hpp>
#include <racoon/kernel_foreign.hpp>

#include "bytes.hpp"
#include "devices.hpp"
#include "guard_kernel.hpp"
#include "handover.hpp"
#include "message_socket.hpp"
#include "protocol.hpp"
#include "route_watch.hpp"
#include "routes.hpp"
#include "setkey_messages.hpp"

namespace racoon::kernel_userspace {

struct Settings {
    std::string device = "racoon0";
    int mtu = 1380;
    std::uint32_t table = 7261;
    std::uint32_t mark = 29281;
    bool copy_df = true;
    std::string socket;  // for setkey; "": none
    bool guard = true;   // against what arrives in the clear
};

class Backend final : public sdk::KernelBackend {
  public:
    explicit Backend(const racoon_host* host) : host_(host) {}
    ~Backend() override { close(); }
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;

    const sdk::HostServices& host() const { return host_; }
    void set(const Settings& settings) { settings_ = settings; }

    racoon_status probe(racoon_error* err) override;
    void capabilities(racoon_kernel_caps* out) override;
    racoon_status open(const racoon_kernel_events& events, racoon_error* err) override;
    void close() override;
    racoon_status bind_socket(std::int32_t fd, std::uint32_t family, racoon_error* err) override;
    racoon_status spi_get(const racoon_kernel_spi_request& request, racoon_op op,
                          racoon_kernel_spi_result* out, racoon_error* err) override;
    racoon_status sa_update(const racoon_kernel_sa& sa, racoon_op op, racoon_error* err) override;
    racoon_status sa_add(const racoon_kernel_sa& sa, racoon_op op, racoon_error* err) override;
    racoon_status sa_delete(const racoon_kernel_sa_id& id, racoon_op op,
                            racoon_error* err) override;
    racoon_status sa_query(const racoon_kernel_sa_id& id, racoon_op op, racoon_kernel_sa_info* out,
                           racoon_error* err) override;
    racoon_status sa_dump(EachSa each, void* arg, racoon_error* err) override;
    racoon_status policy_add(const racoon_kernel_policy& policy, racoon_op op,
                             racoon_error* err) override;
    racoon_status policy_delete(std::uint32_t policy_id, racoon_op op, racoon_error* err) override;
    racoon_status policy_update(std::uint32_t old_id, const racoon_kernel_policy& policy,
                                racoon_op op, racoon_error* err) override;
    racoon_status policy_dump(EachPolicy each, void* arg, racoon_error* err) override;
    racoon_status acquire_done(std::uint64_t token, racoon_status status) override;
    racoon_status supports(const racoon_kernel_sa& sa, racoon_error* err) override;
    racoon_status bind_natt_socket(std::int32_t fd, std::uint32_t family,
                                   racoon_error* err) override;
    racoon_status release_natt_socket(const racoon_addr& local, racoon_error* err) override;
    racoon_status bind_ike_socket(std::int32_t fd, std::uint32_t family,
                                  racoon_error* err) override;
    racoon_status sa_move(const racoon_kernel_sa_id& id, const racoon_addr& peer, racoon_op op,
                          racoon_error* err) override;
    racoon_status watch_policies(const racoon_kernel_foreign& listener, racoon_error* err) override;

  private:
    using SaKey = std::array<std::uint8_t, 22>;
    struct Sa {
        racoon_kernel_sa_info info{};
        std::uint32_t policy_id = 0;
        std::uint64_t serial = 0;
        SaNote note;
    };
    struct Installed {
        racoon_kernel_policy policy{};
        std::uint32_t index = 0;   // setkey's number for it
        std::int64_t created = 0;  // seconds since the epoch
        std::int64_t used = 0;     // the same, as last asked for; 0: never
        bool manual = false;       // setkey's
        std::uint64_t age = 0;     // as the data process has got them
    };
    struct Pending {
        racoon_op op = 0;
        bool installs = false;  // else a query
        SaKey key{};
        std::string what;  // the request and its object, for what is told of a failure
        std::function<void(racoon_status)> then;  // instead of the core
        std::uint32_t policy_id = 0;              // a query of a policy, not of an SA
    };
    // What is still to be shown to a client that asked for all. One is kept back, since the last has number 0.
    struct Dump {
        pfkey::Message request;
        std::deque<SaKey> sas;
        std::deque<std::uint32_t> policies;
        std::size_t asked = 0;  // of the data process, and not answered
        std::uint32_t count = 0;
        std::optional<pfkey::Message> last;
    };
    // What the host calls back with: a killed process may report its end after the next one began.
    struct Link {
        Backend* owner;
        std::uint64_t generation;
    };
    struct Larval {
        std::int64_t ends;
        std::uint64_t serial;
        SaKey key;
    };

    bool open_sockets(racoon_error* err);
    std::uint32_t next_number() { return ++numbers_ == 0 ? ++numbers_ : numbers_; }
    racoon_status can_do(const racoon_kernel_sa& sa, racoon_error* err) const;
    static SaKey key_of(const racoon_addr& dst, std::uint32_t protocol, std::uint32_t spi);
    racoon_status install(const racoon_kernel_sa& sa, racoon_op op, racoon_error* err,
                          std::function<void(racoon_status)> then = {});
    void drop_sa(const SaKey& key);
    bool ask_facts(const SaKey& key, const racoon_kernel_sa_info& sa, racoon_op op,
                   std::function<void(racoon_status)> then, racoon_error* err);
    bool start_data(racoon_error* err);
    racoon_status send(const std::string& what, ByteView frame, racoon_error* err);
    racoon_status check(const racoon_kernel_policy& policy, racoon_error* err);
    racoon_status put_policy(const Installed& policy, racoon_error* err);
    racoon_status replace_policy(std::uint32_t old_id, const Installed& policy, racoon_error* err);
    racoon_status remove_policy(std::uint32_t id, racoon_error* err);
    bool ask_used(std::uint32_t policy_id, std::function<void(racoon_status)> then);
    std::uint32_t next_index(std::uint32_t direction) { return index_for(++indexes_, direction); }
    std::vector<const racoon_kernel_policy*> policies_by_age() const;
    void send_policy(const racoon_kernel_policy& policy);
    racoon_status share_socket(std::int32_t fd, std::uint32_t family, Port port, racoon_error* err);
    void on_message(ByteView bytes);
    void on_reply(const Frame& frame);
    void on_event(racoon_kernel_event event);
    void on_ended(std::int32_t wait_status);
    void on_larval_timer();
    void arm_larval_timer();
    void restart();
    void arm_restart();
    bool renew_device(Failure* failure);
    void watch_routes();
    void on_routes();
    void repair_routes();
    void arm_repair(std::int64_t delay);
    void emit(std::uint32_t type, const Sa& sa);
    void complete(const Pending& pending, racoon_status status, const void* result,
                  std::size_t size);
    std::int64_t wall_seconds() const {
        return host_.clock->wall_ns(host_.host->ctx) / 1'000'000'000;
    }

    // backend_guard.cpp: what arrives in the clear
    void open_guard();
    void close_guard();
    void guard_changed();
    void arm_guard(std::int64_t delay);
    void renew_guard();
    void watch_guard();
    void unwatch_guard();
    void on_guard();
    GuardTable guard_table() const;

    // backend_setkey.cpp: what setkey asks for, and what it is told
    void open_setkey();
    void on_setkey(ClientId from, ByteView bytes);
    void setkey_request(ClientId from, pfkey::Message& request);
    void reply_setkey(ClientId to, const pfkey::Message& request, pfkey::Message answer);
    void announce(ClientId from, const pfkey::Message& request, pfkey::Message answer);
    void refuse_setkey(ClientId to, const pfkey::Message& request, int error);
    void start_dump(ClientId client, const pfkey::Message& request);
    void go_on(ClientId client);
    void shown(ClientId client, std::optional<pfkey::Message> next);
    void end_dump(ClientId client);
    // backend_setkey_sas.cpp
    void setkey_add(ClientId from, const pfkey::Message& request);
    void setkey_get(ClientId from, const pfkey::Message& request);
    void setkey_get_spi(ClientId from, const pfkey::Message& request);
    void setkey_delete(ClientId from, const pfkey::Message& request);
    void setkey_flush(ClientId from, const pfkey::Message& request);
    void setkey_expire(const Sa& sa, bool hard);
    void tell_setkey(std::uint8_t type, const Sa& sa);
    // backend_setkey_policies.cpp
    void setkey_policy_add(ClientId from, const pfkey::Message& request);
    void setkey_policy_delete(ClientId from, const pfkey::Message& request);
    void setkey_policy_get(ClientId from, const pfkey::Message& request);
    void setkey_policy_flush(ClientId from, const pfkey::Message& request);
    int put_manual(racoon_kernel_policy policy, bool replace, std::uint32_t* id);
    int take_policy_away(std::uint32_t id);
    std::uint32_t fresh_reqid();
    void tell_setkey(std::uint8_t type, const Installed& policy);
    void setkey_acquire(const racoon_kernel_event& event);

    void log(std::uint32_t level, const std::string& text) const { host_.write(level, text); }

    sdk::HostServices host_;
    Settings settings_;
    racoon_kernel_events events_{};
    bool opened_ = false;
    Fd tun_;
    Fd esp4_;
    Fd esp6_;  // those of IPv6 may be missing
    Fd ah4_;
    Fd ah6_;
    Fd comp4_;
    Fd comp6_;
    // Bound beside the daemon's NAT-T and IKE sockets; the data process has copies, each in the same place.
    struct UdpSocket {
        Fd fd;
        racoon_addr local{};
    };
    std::array<UdpSocket, kMostUdp> udp_;
    Fd handover_;  // to the data process
    Routes routes_;
    RouteWatch route_watch_;
    std::uint64_t route_token_ = 0;  // of the watch; 0: none
    std::int64_t repaired_at_ = 0;
    std::string repair_trouble_;  // told already
    bool repair_armed_ = false;
    std::uint64_t repair_timer_ = 0;
    Guard guard_;
    std::set<std::uint16_t> ike_ports_;
    bool guard_stands_ = false;
    bool guard_lost_ = false;        // taken away by somebody else
    std::uint64_t guard_token_ = 0;  // of the watch; 0: none
    std::int64_t guard_repaired_at_ = 0;
    std::string guard_told_;  // of trouble
    bool guard_armed_ = false;
    bool guard_soon_ = false;  // at the end of this turn
    std::uint64_t guard_timer_ = 0;
    bool data_runs_ = false;
    std::map<std::uint64_t, Link> links_;  // by generation
    std::uint64_t generation_ = 0;
    std::uint64_t data_ = 0;
    bool restart_armed_ = false;
    std::uint64_t restart_timer_ = 0;
    bool larval_armed_ = false;
    std::uint64_t larval_timer_ = 0;
    std::map<SaKey, Sa> sas_;
    std::deque<Larval> larvals_;  // by age, which is by end
    std::map<std::uint32_t, Installed> policies_;
    std::uint32_t indexes_ = 0;
    std::uint64_t ages_ = 0;
    MessageSocket setkey_{host_};
    sdk::ForeignPolicies foreign_;  // setkey's
    std::map<ClientId, Dump> dumps_;
    std::uint32_t reqids_ = 0;
    std::uint32_t acquires_told_ = 0;
    std::map<std::uint32_t, Pending> pending_;
    std::uint32_t numbers_ = 0;
    std::uint64_t serial_ = 0;
};

}  // namespace racoon::kernel_userspace
