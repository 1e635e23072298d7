// kernel-sim: the model behind the ABI. Nothing leaves the process; one timer of the host drives all
// lifetimes. `traffic_every` imagines packets, so that whole daemons can be tried without traffic.
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include <racoon/kernel_backend.hpp>
#include <racoon/plugin.h>

#include "model.hpp"
#include "racoon_manifest.h"

namespace racoon::kernel_sim {
namespace {

constexpr std::uint32_t kImaginedPacketBytes = 100;

struct Settings {
    std::int64_t traffic_every_ns = 0;
    std::string fail;
};

class Sim final : public sdk::KernelBackend {
  public:
    explicit Sim(const racoon_host* host) : host_(host) {}
    ~Sim() override { close(); }
    Sim(const Sim&) = delete;
    Sim& operator=(const Sim&) = delete;

    void set(const Settings& settings) { settings_ = settings; }
    const sdk::HostServices& host() const { return host_; }

    racoon_status probe(racoon_error*) override { return RACOON_OK; }
    void capabilities(racoon_kernel_caps* out) override {
        out->max_replay_window = 4096;
        out->flags = RACOON_CAP_AEAD | RACOON_CAP_IPV6 | RACOON_CAP_TRANSPORT_MODE | RACOON_CAP_AH |
                     RACOON_CAP_IPCOMP | RACOON_CAP_UDP_ENCAP | RACOON_CAP_NON_IKE_MARKER |
                     RACOON_CAP_ESN | RACOON_CAP_TRUNC_128 | RACOON_CAP_FWD_POLICY |
                     RACOON_CAP_BYTE_LIFETIME | RACOON_CAP_MARK | RACOON_CAP_IF_ID |
                     RACOON_CAP_ESP_FRAG;
    }
    racoon_status open(const racoon_kernel_events& events, racoon_error* err) override {
        if (opened_) return sdk::fail(err, RACOON_STATE, "the model is open already");
        std::uint64_t seed = 0;
        std::uint8_t bytes[sizeof(seed)] = {};
        if (host_.random->fill(host_.host->ctx, bytes, sizeof(bytes)) != RACOON_OK) {
            return sdk::fail(err, RACOON_IO, "no random numbers for SPIs");
        }
        std::memcpy(&seed, bytes, sizeof(seed));
        model_ = std::make_unique<Model>(seed);
        events_ = events;
        model_->listen([this](const racoon_kernel_event& e) { events_.event(events_.arg, &e); });
        opened_ = true;
        if (settings_.traffic_every_ns > 0) imagine_later();
        return RACOON_OK;
    }
    void close() override {
        if (!opened_) return;
        opened_ = false;
        disarm();
        if (traffic_armed_) host_.timer->cancel(host_.host->ctx, traffic_timer_);
        traffic_armed_ = false;
        model_->clear();
    }

    racoon_status spi_get(const racoon_kernel_spi_request& request, racoon_op,
                          racoon_kernel_spi_result* out, racoon_error* err) override {
        if (!opened_) return closed(err);
        if (fails("spi_get")) return failed(err);
        return settle(model_->spi_get(now(), request, &out->spi), err);
    }
    racoon_status sa_update(const racoon_kernel_sa& sa, racoon_op, racoon_error* err) override {
        if (!opened_) return closed(err);
        if (fails("sa_update")) return failed(err);
        return settle(model_->sa_update(now(), sa), err);
    }
    racoon_status sa_add(const racoon_kernel_sa& sa, racoon_op, racoon_error* err) override {
        if (!opened_) return closed(err);
        if (fails("sa_add")) return failed(err);
        return settle(model_->sa_add(now(), sa), err);
    }
    racoon_status sa_delete(const racoon_kernel_sa_id& id, racoon_op, racoon_error* err) override {
        if (!opened_) return closed(err);
        if (fails("sa_delete")) return failed(err);
        return settle(model_->sa_delete(id), err);
    }
    racoon_status bind_natt_socket(std::int32_t, std::uint32_t, racoon_error*) override {
        return RACOON_OK;
    }
    racoon_status sa_move(const racoon_kernel_sa_id& id, const racoon_addr& peer, racoon_op,
                          racoon_error* err) override {
        if (!opened_) return closed(err);
        if (fails("sa_move")) return failed(err);
        return settle(model_->sa_move(id, peer), err);
    }
    racoon_status sa_query(const racoon_kernel_sa_id& id, racoon_op, racoon_kernel_sa_info* out,
                           racoon_error* err) override {
        if (!opened_) return closed(err);
        if (fails("sa_query")) return failed(err);
        return settle(model_->sa_query(now(), id, out), err);
    }
    racoon_status sa_dump(EachSa each, void* arg, racoon_error* err) override {
        if (!opened_) return closed(err);
        for (const auto& sa : model_->sa_dump(now())) each(arg, &sa);
        return RACOON_OK;
    }
    racoon_status policy_add(const racoon_kernel_policy& policy, racoon_op,
                             racoon_error* err) override {
        if (!opened_) return closed(err);
        if (fails("policy_add")) return failed(err);
        return settle(model_->policy_add(policy), err);
    }
    racoon_status policy_delete(std::uint32_t id, racoon_op, racoon_error* err) override {
        if (!opened_) return closed(err);
        if (fails("policy_delete")) return failed(err);
        return settle(model_->policy_delete(id), err);
    }
    racoon_status policy_update(std::uint32_t old_id, const racoon_kernel_policy& policy, racoon_op,
                                racoon_error* err) override {
        if (!opened_) return closed(err);
        return settle(model_->policy_update(old_id, policy), err);
    }
    racoon_status policy_dump(EachPolicy each, void* arg, racoon_error* err) override {
        if (!opened_) return closed(err);
        for (const auto& policy : model_->policy_dump()) each(arg, &policy);
        return RACOON_OK;
    }
    racoon_status acquire_done(std::uint64_t token, racoon_status) override {
        return opened_ ? model_->acquire_done(token) : RACOON_STATE;
    }

  private:
    std::int64_t now() const { return host_.now_ns(); }
    static racoon_status closed(racoon_error* err) {
        return sdk::fail(err, RACOON_STATE, "the model is not open");
    }
    bool fails(const char* request) const { return settings_.fail == request; }
    static racoon_status failed(racoon_error* err) {
        return sdk::fail(err, RACOON_NO_MEMORY, "told to fail", ENOBUFS);
    }
    racoon_status settle(racoon_status status, racoon_error* err) {
        rearm();
        if (status == RACOON_OK) return status;
        const char* text = "refused by the model";
        if (status == RACOON_NOT_FOUND) text = "no such SA or policy, or no free SPI";
        if (status == RACOON_STATE) text = "exists already";
        if (status == RACOON_INVALID_ARGUMENT) text = "malformed request";
        if (status == RACOON_NO_MEMORY) text = "the model is full";
        return sdk::fail(err, status, text);
    }

    // The timer follows the earliest deadline only when that has come nearer or is past.
    void rearm() {
        const std::int64_t deadline = model_->next_deadline();
        if (armed_ && armed_for_ <= deadline) return;
        disarm();
        if (deadline == kNever) return;
        const std::int64_t t = now();
        const std::int64_t delay = deadline > t ? deadline - t : 0;
        const auto callback = [](void* arg) noexcept { static_cast<Sim*>(arg)->on_timer(); };
        armed_ = host_.timer->arm(host_.host->ctx, delay, callback, this, &timer_) == RACOON_OK;
        armed_for_ = deadline;
    }
    void disarm() {
        if (armed_) host_.timer->cancel(host_.host->ctx, timer_);
        armed_ = false;
    }
    void on_timer() {
        armed_ = false;
        model_->advance(now());
        if (opened_) rearm();
    }

    void imagine_later() {
        const auto callback = [](void* arg) noexcept { static_cast<Sim*>(arg)->on_traffic(); };
        traffic_armed_ = host_.timer->arm(host_.host->ctx, settings_.traffic_every_ns, callback,
                                          this, &traffic_timer_) == RACOON_OK;
    }
    void on_traffic() {
        traffic_armed_ = false;
        for (const auto& policy : model_->policy_dump()) {
            if (!opened_) return;
            if (policy.direction != RACOON_DIR_OUT) continue;
            Packet packet;
            packet.local = policy.selector.local;
            packet.remote = policy.selector.remote;
            packet.protocol = policy.selector.protocol;
            packet.bytes = kImaginedPacketBytes;
            model_->send(now(), packet);
        }
        if (!opened_) return;
        rearm();
        imagine_later();
    }

    sdk::HostServices host_;
    Settings settings_;
    std::unique_ptr<Model> model_;
    racoon_kernel_events events_{};
    bool opened_ = false;
    std::uint64_t timer_ = 0;
    std::int64_t armed_for_ = 0;
    bool armed_ = false;
    std::uint64_t traffic_timer_ = 0;
    bool traffic_armed_ = false;
};

Sim& sim(void* ctx) {
    return *static_cast<Sim*>(ctx);
}

racoon_status init(const racoon_host* host, void** ctx, racoon_error* err) noexcept {
    auto made = std::make_unique<Sim>(host);
    if (made->host().clock == nullptr || made->host().timer == nullptr ||
        made->host().random == nullptr) {
        return sdk::fail(err, RACOON_NOT_SUPPORTED,
                         "this host lacks racoon.clock, .timer or .random");
    }
    const racoon_status status =
        host->provide(host->ctx, RACOON_POINT_KERNEL, "sim", &sdk::kernel_table(),
                      static_cast<sdk::KernelBackend*>(made.get()), err);
    if (status != RACOON_OK) return status;
    *ctx = made.release();
    return RACOON_OK;
}

racoon_status configure(void* ctx, const racoon_section* conf, void** pending,
                        racoon_error*) noexcept {
    auto settings = std::make_unique<Settings>();
    const sdk::HostServices& host = sim(ctx).host();
    if (conf != nullptr && host.conf != nullptr) {
        host.conf->get_duration_ns(host.host->ctx, conf, "traffic_every",
                                   &settings->traffic_every_ns);
        racoon_span name{};
        if (host.conf->get_text(host.host->ctx, conf, "fail", &name) == RACOON_OK)
            settings->fail.assign(name.data, name.data + name.size);
    }
    *pending = settings.release();
    return RACOON_OK;
}

void commit(void* ctx, void* pending) noexcept {
    const std::unique_ptr<Settings> settings(static_cast<Settings*>(pending));
    if (settings) sim(ctx).set(*settings);
}
void rollback(void*, void* pending) noexcept {
    delete static_cast<Settings*>(pending);
}
void stop(void* ctx) noexcept {
    sim(ctx).close();
}
void destroy(void* ctx) noexcept {
    delete &sim(ctx);
}

}  // namespace
}  // namespace racoon::kernel_sim

namespace sim = racoon::kernel_sim;
extern "C" __attribute__((visibility("default"))) const racoon_plugin racoon_plugin_v1;
extern "C" const racoon_plugin racoon_plugin_v1 = {RACOON_PLUGIN_MAGIC,
                                                   sizeof(racoon_plugin),
                                                   RACOON_ABI_MAJOR,
                                                   RACOON_ABI_MINOR,
                                                   0,
                                                   0,
                                                   racoon_manifest,
                                                   sizeof(racoon_manifest),
                                                   "kernel-sim",
                                                   sim::init,
                                                   sim::configure,
                                                   sim::commit,
                                                   sim::rollback,
                                                   nullptr,
                                                   sim::stop,
                                                   sim::destroy,
                                                   nullptr};
