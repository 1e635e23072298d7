// kernel-xfrm: requests are answered at once by the kernel; events come through a socket of their own.
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

#include "codec.hpp"
#include "xfrm/socket.hpp"

namespace racoon::kernel_xfrm {

using xfrm::EventSocket;
using xfrm::RequestSocket;

struct Settings {
    std::string journal = "/run/racoon";
    std::int64_t larval_lifetime_s = 165;
    Offload offload = Offload::Off;
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
        std::uint32_t reqid = 0;
        std::uint32_t policy_id = 0;
        racoon_kernel_mark mark{};
        std::uint32_t if_id = 0;
        // Older kernels tell no time of last use: then it is when a query first saw more packets.
        std::uint64_t seen_packets = 0;
        std::int64_t seen_ns = 0;
    };
    struct Policy {
        racoon_kernel_policy policy{};
        std::uint32_t index = 0;      // the kernel's, which acquires carry
        std::uint32_t fwd_index = 0;  // of the companion of an inbound tunnel policy; 0: none
    };
    struct Acquire {
        std::uint32_t sequence = 0;
        racoon_kernel_spi_request larval{};
        Marks marks;
    };

    static SaKey key_of(const racoon_addr& dst, std::uint32_t protocol, std::uint32_t spi);
    /// Installs and deletes an SA that nothing uses. 0, or errno.
    int try_sa(std::uint8_t family, std::uint32_t protocol, bool aead, std::uint32_t flags = 0);
    /// `facts`: what the kernel says of it.
    int try_sa(std::uint8_t family, racoon_kernel_sa sa, std::optional<SaFacts>* facts = nullptr,
               const SaForm& form = {});
    int try_compression();
    std::uint64_t try_marks();
    static bool takes_non_ike();
    racoon_status give_esp(int fd, int type, std::uint32_t family, racoon_error* err);
    bool knows_direction();
    int put_sa(std::uint16_t type, const racoon_kernel_sa& sa);
    racoon_status install(std::uint16_t type, const racoon_kernel_sa& sa, racoon_error* err);
    std::optional<PolicyFacts> look_up_policy(const racoon_kernel_policy& policy,
                                              std::uint32_t direction, int* error = nullptr);
    int add_policy(const racoon_kernel_policy& policy, std::uint32_t direction,
                   std::uint32_t* index);
    /// 0, also when it was gone already, or errno: then it stays in the journal.
    int remove_policy(const racoon_kernel_policy& policy, std::uint32_t direction);
    int replace_policy(const racoon_kernel_policy& old, const racoon_kernel_policy& policy,
                       std::uint32_t direction, std::uint32_t* index);
    void add_companion(Policy* in);
    racoon_status hold(const Policy& entry);
    Policy* same_fwd(const racoon_kernel_policy& policy, std::uint32_t direction);
    void remove_leftovers(const std::vector<std::string>& entries);
    static Sa entry_of(const racoon_kernel_sa& sa);
    void forget(std::map<SaKey, Sa>::iterator at);
    void delete_in_kernel(const Sa& sa);

    void on_readable();
    void on_event(const KernelEvent& event);
    void on_acquire(const KernelEvent& event);
    void on_sas_flushed(std::uint32_t protocol);
    void on_policy_lost(std::uint32_t index);
    /// One of ours that somebody else has set anew as it was.
    bool is_unchanged(std::uint32_t index, const std::optional<racoon_kernel_policy>& now) const;
    void find_lost_policies();
    void find_migrated();
    void find_migrated_sas();
    int read_foreign();
    void tell_left_out();
    void find_lost_acquires();
    std::vector<Acquire> read_larvals();
    void end_stale_larvals(const racoon_kernel_policy& policy);
    void tell_stale_larvals();
    int end_larval(const Acquire& of);
    void tell_acquire(std::uint64_t token, std::uint32_t policy_id, std::uint32_t protocol,
                      const racoon_addr& src, const racoon_addr& dst);
    void emit(std::uint32_t type, const Sa* sa, std::uint32_t policy_id = 0);
    std::int64_t now_ns() const { return host_.clock != nullptr ? host_.now_ns() : 0; }
    void log(std::uint32_t level, const std::string& text) const { host_.write(level, text); }

    sdk::HostServices host_;
    Settings settings_;
    racoon_kernel_events events_{};
    bool opened_ = false;
    RequestSocket requests_;
    EventSocket event_socket_;
    std::uint64_t watch_ = 0;
    sdk::Journal journal_;
    std::map<SaKey, Sa> sas_;
    std::map<SaKey, Sa> keep_;  // what open() takes over of an earlier run
    bool overrun_ = false;      // events were lost, and the tables have not been looked at since
    std::map<std::uint32_t, Policy> policies_;
    std::map<std::uint32_t, std::uint32_t> by_index_;  // kernel's index → policy
    sdk::ForeignPolicies foreign_;
    sdk::Acquires<Acquire> acquires_;
    sdk::LarvalLifetime larval_lifetime_;
    std::vector<Acquire> stale_larvals_;  // whose policy is still to come, or nobody's
    std::optional<std::uint64_t> capabilities_;
    bool directions_ = false;       // this kernel knows those of SAs
    bool offload_refused_ = false;  // said once
};

}  // namespace racoon::kernel_xfrm
