// kernel-pfkey: requests are answered at once by the kernel; events come through a socket of their own.
// Only what is in its tables is ever changed or deleted.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <racoon/kernel_acquires.hpp>
#include <racoon/kernel_backend.hpp>
#include <racoon/kernel_foreign.hpp>
#include <racoon/kernel_journal.hpp>
#include <racoon/kernel_linux.hpp>

#include "pfkey/socket.hpp"
#include "requests.hpp"

namespace racoon::kernel_pfkey {

struct Settings {
    std::string journal = "/run/racoon";
    std::int64_t larval_lifetime_s = 165;
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
    racoon_status bind_natt_socket(std::int32_t fd, std::uint32_t family,
                                   racoon_error* err) override;
    racoon_status bind_ike_socket(std::int32_t fd, std::uint32_t family,
                                  racoon_error* err) override;
    racoon_status sa_move(const racoon_kernel_sa_id& id, const racoon_addr& peer, racoon_op op,
                          racoon_error* err) override;
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
    racoon_status keep(const racoon_kernel_sa& sa, racoon_error* err) override;
    racoon_status watch_policies(const racoon_kernel_foreign& listener, racoon_error* err) override;

  private:
    using SaKey = std::array<std::uint8_t, 22>;
    struct Sa {
        racoon_kernel_sa_id id{};
        std::uint32_t state = 0;
        std::uint32_t direction = 0;
        std::uint32_t mode = 0;
        std::uint32_t reqid = 0;  // the daemon's; 0: the kernel's is used as it is
        std::uint32_t kernel_reqid = 0;
        std::uint32_t policy_id = 0;
        // PF_KEY tells no time of last use: it is when a query first saw more packets.
        std::uint64_t seen_packets = 0;
        std::int64_t seen_ns = 0;
    };
    struct Policy {
        racoon_kernel_policy policy{};
        std::array<std::uint32_t, 4> reqids{};  // the kernel's, of each template
        std::uint32_t index = 0;                // the kernel's, which acquires carry
        std::uint32_t fwd_index = 0;            // of the companion of an inbound tunnel policy
    };
    struct Acquire {
        pfkey::Message larval;  // a GETSPI that finds it
    };

    static SaKey key_of(const racoon_addr& dst, std::uint32_t protocol, std::uint32_t spi);
    /// Installs and deletes an SA that nothing uses. 0, or errno.
    int try_sa(std::uint8_t family, std::uint32_t protocol, std::uint32_t flags = 0);
    int try_sa(std::uint8_t family, racoon_kernel_sa sa);
    bool try_combined();
    racoon_status install(std::uint8_t type, const racoon_kernel_sa& sa, racoon_error* err);
    int add_policy(const Policy& policy, std::uint32_t direction, std::uint32_t* index);
    /// 0, also when it was gone already, or errno: then it stays in the journal.
    int remove_policy(const Policy& policy, std::uint32_t direction);
    int replace_policy(const Policy& old, const Policy& policy, std::uint32_t direction,
                       std::uint32_t* index);
    void add_companion(Policy* in);
    racoon_status hold(const Policy& entry);
    bool take_reqids(Policy& policy);
    void give_back_reqids(const Policy& policy);
    std::string entry_of(const Policy& policy, std::uint32_t direction) const;
    Policy* same_fwd(const racoon_kernel_policy& policy, std::uint32_t direction);
    void remove_leftovers(const std::vector<std::string>& entries);
    static Sa entry_of(const racoon_kernel_sa& sa);
    void forget(std::map<SaKey, Sa>::iterator at);

    void on_readable();
    void on_event(const pfkey::Message& m);
    void on_acquire(const pfkey::Message& m);
    void on_policy_changed(const pfkey::Message& m);
    void on_mapping(const pfkey::Message& m);
    racoon_status give_esp(int fd, int type, std::uint32_t family, racoon_error* err);
    bool takes_non_ike() const;
    void on_expire(const pfkey::Message& m, std::map<SaKey, Sa>::iterator at);
    void on_sas_flushed(std::uint8_t satype);
    void find_lost();
    void find_migrated();
    void find_migrated_sas();
    int read_foreign();
    void tell_left_out();
    std::vector<racoon_kernel_spi_request> read_larvals();
    void end_stale_larvals(const racoon_kernel_policy& policy, const std::uint32_t* reqids);
    void tell_stale_larvals();
    int end_larval(pfkey::Message request);
    void tell_acquire(std::uint64_t token, std::uint32_t policy_id,
                      const racoon_kernel_spi_request& larval);
    void on_policy_lost(std::uint32_t index);
    /// One of ours that somebody else has set anew as it was.
    bool is_unchanged(std::uint32_t index, const std::optional<racoon_kernel_policy>& now) const;
    void emit(std::uint32_t type, const Sa* sa, std::uint32_t policy_id = 0);
    std::int64_t now_ns() const { return host_.clock != nullptr ? host_.now_ns() : 0; }
    void log(std::uint32_t level, const std::string& text) const { host_.write(level, text); }

    sdk::HostServices host_;
    Settings settings_;
    racoon_kernel_events events_{};
    bool opened_ = false;
    pfkey::Socket requests_;
    pfkey::Socket event_socket_;
    std::uint64_t watch_ = 0;
    sdk::Journal journal_;
    RequestIds reqids_{[this](std::uint32_t reqid) { return foreign_.uses_reqid(reqid); }};
    std::map<SaKey, Sa> sas_;
    std::map<SaKey, Sa> keep_;  // what open() takes over of an earlier run
    bool overrun_ = false;      // events were lost, and the tables have not been looked at since
    std::map<std::uint32_t, Policy> policies_;
    std::map<std::uint32_t, std::uint32_t> by_index_;  // kernel's index → policy
    sdk::ForeignPolicies foreign_;
    sdk::Acquires<Acquire> acquires_;
    sdk::LarvalLifetime larval_lifetime_;
    std::vector<racoon_kernel_spi_request>
        stale_larvals_;  // whose policy is still to come, or nobody's
    std::optional<std::uint64_t> capabilities_;
};

}  // namespace racoon::kernel_pfkey
