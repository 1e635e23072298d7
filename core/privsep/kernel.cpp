#include "privsep/kernel.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include "base/secret.hpp"
#include "exchange/phase2_params.hpp"
#include "log/log.hpp"
#include "plugin/callout.hpp"

namespace racoon::privsep {

namespace {

using plugin::Callout;

constexpr std::uint32_t kMaxInFlight = 4096;
constexpr Duration kCallTimeout = std::chrono::seconds(30);

template <typename T>
T stamped() {
    T out{};
    out.struct_size = sizeof out;
    return out;
}

racoon_selector selector_of(const TrafficSelector& from) {
    racoon_selector out{};
    out.local = to_abi(from.local.net.addr, from.local.port);
    out.remote = to_abi(from.remote.net.addr, from.remote.port);
    out.local_prefix = from.local.net.length;
    out.remote_prefix = from.remote.net.length;
    out.protocol = from.protocol;
    return out;
}

template <std::size_t N>
void copy_name(char (&to)[N], const std::string& from) {
    std::memcpy(to, from.data(), std::min(from.size(), N - 1));
}

Status fill_algorithm(racoon_kernel_alg& out, const conf::TransformInfo* info,
                      const std::string& name, const Secret& key) {
    if (info == nullptr)
        return fail(Errc::NotFound, "no loaded module knows the algorithm " + name);
    if (key.size() > sizeof out.key)
        return fail(Errc::TooLong, "a key of " + std::to_string(key.size()) + " bytes for " + name);
    copy_name(out.name, info->name);
    copy_name(out.xfrm_name, info->xfrm_name);
    out.pfkey_id = info->pfkey_id;
    out.icv_bits = info->icv_bytes * 8u;
    out.key_size = static_cast<std::uint32_t>(key.size());
    std::copy(key.view().begin(), key.view().end(), out.key);
    return ok();
}

std::int64_t ns_of(std::uint64_t count) {
    constexpr std::uint64_t kMost = 100ull * 365 * 86400;
    return static_cast<std::int64_t>(std::min(count, kMost)) * 1'000'000'000;
}

racoon_kernel_sa_id sa_id(std::uint8_t protocol, Spi spi, const IpAddr& src, const IpAddr& dst) {
    auto id = stamped<racoon_kernel_sa_id>();
    id.protocol = protocol;
    id.spi = spi.value;
    id.src = to_abi(src);
    id.dst = to_abi(dst);
    return id;
}

std::uint32_t direction_of(conf::Direction direction) {
    switch (direction) {
        case conf::Direction::In:
            return RACOON_DIR_IN;
        case conf::Direction::Out:
            return RACOON_DIR_OUT;
        case conf::Direction::Forward:
            return RACOON_DIR_FWD;
    }
    return RACOON_DIR_OUT;
}

}  // namespace

racoon_addr to_abi(const IpAddr& addr, std::uint16_t port) {
    racoon_addr out{};
    out.family = static_cast<std::uint8_t>(addr.family);
    out.port = port;
    out.scope = addr.scope;
    std::copy(addr.bytes.begin(), addr.bytes.end(), out.bytes);
    return out;
}

Result<Endpoint> from_abi(const racoon_addr& addr) {
    Endpoint out;
    if (addr.family != 0 && addr.family != 4 && addr.family != 6)
        return fail(Errc::Malformed, "address family " + std::to_string(addr.family));
    out.addr.family = static_cast<Family>(addr.family);
    std::copy_n(addr.bytes, out.addr.size(), out.addr.bytes.begin());
    out.addr.scope = addr.family == 6 ? addr.scope : 0;
    out.port = addr.port;
    return out;
}

namespace {

/// What keeps a backend from working on this machine; empty: nothing.
std::string unable(const plugin::Provider& provider) {
    const auto* table = provider.as<racoon_kernel>();
    if (table == nullptr) return "its module is not loaded in this process";
    racoon_error error = plugin::empty_error();
    const Callout callout(provider.module, "probe", Callout::Budget::None);
    const racoon_status status = plugin::known_status(table->probe(provider.impl, &error));
    if (status == RACOON_OK) return {};
    const Status failed = plugin::plugin_failure(error, status);
    return failed.error().text();
}

/// For a backend that was named and cannot work: which others could.
std::string others_that_work(const std::vector<const plugin::Provider*>& backends,
                             const std::string& wanted) {
    std::string out;
    for (const plugin::Provider* provider : backends) {
        const std::string& key = provider->offer.key;
        if (key == wanted || !unable(*provider).empty()) continue;
        out += fmt::format("; {} would work here: kernel \"{}\";", key, key);
    }
    return out;
}

}  // namespace

Result<std::unique_ptr<Kernel>> Kernel::open(plugin::PluginHost& host, const std::string& wanted,
                                             Events events,
                                             const std::vector<const exchange::SaInstall*>& keep,
                                             std::uint32_t event_buffer) {
    const auto backends = host.registry().ranked(RACOON_POINT_KERNEL);
    std::string rejected;
    BackendList fates;
    std::unique_ptr<Kernel> chosen;
    for (const plugin::Provider* provider : backends) {
        const std::string& key = provider->offer.key;
        if (chosen || (wanted != "auto" && key != wanted)) {
            fates.backends.push_back(
                {key, BackendList::Fate::NotAsked,
                 wanted != "auto"
                     ? fmt::format("racoon.conf has kernel \"{}\"", wanted)
                     : fmt::format("{} comes first, and works", chosen->capabilities().backend)});
            continue;
        }
        const auto* table = provider->as<racoon_kernel>();
        if (table == nullptr) continue;
        std::string why = unable(*provider);
        if (why.empty()) {
            std::unique_ptr<Kernel> kernel(new Kernel(host, *provider, events));
            Status started = kernel->start(keep, event_buffer);
            if (started) {
                LOGI("", "kernel backend " + key + " (module " + provider->module + ")");
                chosen = std::move(kernel);
                fates.backends.push_back({key, BackendList::Fate::InUse, {}});
                continue;
            }
            why = started.error().text();
        }
        if (wanted == "auto") LOGI("", "kernel backend " + key + " is not used: " + why);
        rejected += (rejected.empty() ? "" : "; ") + key + ": " + why;
        fates.backends.push_back({key, BackendList::Fate::Unable, why});
    }
    if (chosen) {
        chosen->backends_ = std::move(fates);
        return chosen;
    }
    if (!rejected.empty())
        return fail(Errc::Plugin, wanted == "auto" ? "no kernel backend can work here: " + rejected
                                                   : "kernel backend " + rejected +
                                                         others_that_work(backends, wanted));
    if (wanted != "auto") {
        std::string text = "kernel \"" + wanted + "\": no loaded module provides it";
        if (auto module = host.registry().installed_offering(RACOON_POINT_KERNEL, wanted))
            text += "; installed: " + *module + "; add: module \"" + *module + "\";";
        return fail(Errc::Config, text);
    }
    std::string text = "no kernel backend is loaded";
    if (auto module = host.registry().installed_offering(RACOON_POINT_KERNEL, ""))
        text += "; installed: " + *module + "; add: module \"" + *module + "\";";
    else
        text += ", and none is installed in " + host.dir() +
                "; install kernel-xfrm or kernel-userspace";
    return fail(Errc::Config, text);
}

Kernel::Kernel(plugin::PluginHost& host, const plugin::Provider& provider, Events events)
    : host_(host),
      provider_(provider),
      table_(*provider.as<racoon_kernel>()),
      events_(std::move(events)) {}

Kernel::~Kernel() {
    close();
    *alive_ = false;
}

namespace {

racoon_kernel_mark mark_of(const Mark& mark) {
    return {mark.value, mark.mask};
}

/// What names an SA, without its keys.
racoon_kernel_sa outline_of(const exchange::SaInstall& request, std::uint64_t caps) {
    auto sa = stamped<racoon_kernel_sa>();
    sa.direction = request.inbound ? RACOON_DIR_IN : RACOON_DIR_OUT;
    sa.protocol = request.protocol;
    sa.mode = request.tunnel ? RACOON_MODE_TUNNEL : RACOON_MODE_TRANSPORT;
    sa.spi = request.spi.value;
    sa.reqid = request.reqid.value;
    sa.src = to_abi(request.inbound ? request.peer : request.local);
    sa.dst = to_abi(request.inbound ? request.local : request.peer);
    if (request.peer_port != 0) {
        (request.inbound ? sa.src : sa.dst).port = request.peer_port;
        (request.inbound ? sa.dst : sa.src).port = request.local_port;
        sa.peer_original = to_abi(request.peer_original);
        if ((caps & RACOON_CAP_ESP_FRAG) != 0) sa.esp_frag = request.esp_frag;
    }
    sa.policy_id = request.policy.value;
    sa.mark = mark_of(request.marks.mark);
    sa.output_mark = mark_of(request.marks.output_mark);
    sa.if_id = request.marks.if_id;
    return sa;
}

}  // namespace

Status Kernel::start(const std::vector<const exchange::SaInstall*>& keep,
                     std::uint32_t event_buffer) {
    auto caps = stamped<racoon_kernel_caps>();
    racoon_error error = plugin::empty_error();
    if (table_.keep != nullptr && !keep.empty()) {
        std::vector<racoon_kernel_sa> sas;
        for (const exchange::SaInstall* sa : keep) sas.push_back(outline_of(*sa, 0));
        const Callout callout(provider_.module, "keep");
        const racoon_status status = plugin::known_status(
            table_.keep(provider_.impl, sas.data(), sas.size(), sizeof(racoon_kernel_sa), &error));
        if (status != RACOON_OK) return plugin::plugin_failure(error, status);
    }
    {
        auto events = stamped<racoon_kernel_events>();
        events.arg = this;
        events.event = on_event;
        events.event_buffer = event_buffer;
        const Callout callout(provider_.module, "open", Callout::Budget::None);
        const racoon_status status =
            plugin::known_status(table_.open(provider_.impl, &events, &error));
        if (status != RACOON_OK) return plugin::plugin_failure(error, status);
    }
    open_ = true;
    {
        const Callout callout(provider_.module, "capabilities");
        const racoon_status status =
            plugin::known_status(table_.capabilities(provider_.impl, &caps));
        if (status != RACOON_OK) return plugin::plugin_failure(plugin::empty_error(), status);
    }
    caps_.backend = provider_.offer.key;
    caps_.flags = caps.flags;
    caps_.max_replay_window = caps.max_replay_window;
    return ok();
}

void Kernel::close() {
    if (!open_) return;
    open_ = false;
    *alive_ = false;
    const Callout callout(provider_.module, "close", Callout::Budget::None);
    table_.close(provider_.impl);
}

Status Kernel::bind_socket(int fd, Family family, bool natt) {
    racoon_error error = plugin::empty_error();
    const Callout callout(provider_.module, "bind_socket");
    const auto number = static_cast<std::uint32_t>(family);
    racoon_status status =
        plugin::known_status(table_.bind_socket(provider_.impl, fd, number, &error));
    // Without encapsulation the socket still serves IKE: the engine then offers no NAT-T.
    const auto bind = natt ? table_.bind_natt_socket : table_.bind_ike_socket;
    const bool takes_esp = natt ? (caps_.flags & RACOON_CAP_UDP_ENCAP) != 0
                                : (caps_.flags & RACOON_CAP_NON_IKE_MARKER) != 0 &&
                                      host_.registry().natt_on_ike_port();
    if (status == RACOON_OK && takes_esp && bind != nullptr)
        status = plugin::known_status(bind(provider_.impl, fd, number, &error));
    if (status != RACOON_OK) return plugin::plugin_failure(error, status);
    return ok();
}

Status Kernel::release_socket(const Endpoint& local) {
    if (table_.release_natt_socket == nullptr || (caps_.flags & RACOON_CAP_UDP_ENCAP) == 0)
        return ok();
    racoon_error error = plugin::empty_error();
    const Callout callout(provider_.module, "release_natt_socket");
    const racoon_addr addr = to_abi(local.addr, local.port);
    const racoon_status status =
        plugin::known_status(table_.release_natt_socket(provider_.impl, &addr, &error));
    // NOT_FOUND: it took none.
    if (status != RACOON_OK && status != RACOON_NOT_FOUND)
        return plugin::plugin_failure(error, status);
    return ok();
}

void Kernel::on_event(void* self, const racoon_kernel_event* event) noexcept {
    auto* kernel = static_cast<Kernel*>(self);
    racoon_kernel_event copy{};
    plugin::copy_sized(&copy, sizeof copy, event);
    const auto src = from_abi(copy.src);
    const auto dst = from_abi(copy.dst);
    if (!src || !dst) {
        LOGW("", "module " + kernel->provider_.module + ": a kernel event with " +
                     (src ? dst : src).error().text());
        return;
    }
    exchange::KernelEvent out;
    out.type = copy.type;
    out.acquire_token = copy.acquire_token;
    out.policy = PolicyId{copy.policy_id};
    out.protocol = static_cast<std::uint8_t>(copy.protocol);
    out.spi = Spi{copy.spi};
    out.src = *src;
    out.dst = *dst;
    kernel->events_(out);
}

namespace {

std::string sa_text(std::uint8_t protocol, const IpAddr& src, const IpAddr& dst, Spi spi) {
    return fmt::format("{} {}->{} spi={}(0x{:x})", exchange::protocol_text(protocol), src.text(),
                       dst.text(), spi.value, spi.value);
}

/// What a failure is about: the request, its object and the system's number, if there is one.
std::string failed_request(const char* what, const std::string& about, int os_errno) {
    return os_errno == 0 ? fmt::format("{} of {}", what, about)
                         : fmt::format("{} of {} (errno {})", what, about, os_errno);
}

}  // namespace

template <typename Call>
void Kernel::call(const char* what, std::string about, std::size_t result_size, Call plugin_call,
                  std::function<void(Result<Bytes>)> done) {
    if (!open_) {
        done(fail(Errc::InvalidState, "the kernel backend is closed"));
        return;
    }
    auto op = host_.ops().create(
        provider_.module, what, kMaxInFlight, kCallTimeout,
        [done, result_size, what, about, alive = alive_](racoon_status status, Bytes result) {
            if (!*alive) return;
            if (status != RACOON_OK)
                done(plugin::plugin_failure(plugin::empty_error(), plugin::known_status(status))
                         .with(failed_request(what, about, 0)));
            else if (result.size() < result_size)
                done(fail(Errc::Plugin, "the kernel backend completed with a short record"));
            else
                done(std::move(result));
        });
    if (!op) {
        done(fail(op.error()));
        return;
    }
    Bytes result(result_size);
    racoon_error error = plugin::empty_error();
    racoon_status status = RACOON_INTERNAL;
    {
        const Callout callout(provider_.module, what);
        status = plugin::known_status(plugin_call(op->value, result.data(), &error), true);
    }
    if (status == RACOON_PENDING) return;
    host_.ops().retire(*op);
    if (status == RACOON_OK)
        done(std::move(result));
    else
        done(plugin::plugin_failure(error, status)
                 .with(failed_request(what, about, error.os_errno)));
}

void Kernel::spi_get(const exchange::SpiGet& request, std::function<void(Result<Spi>)> done) {
    auto query = stamped<racoon_kernel_spi_request>();
    query.protocol = request.protocol;
    query.mode = request.tunnel ? RACOON_MODE_TUNNEL : RACOON_MODE_TRANSPORT;
    query.reqid = request.reqid.value;
    query.src = to_abi(request.peer);
    query.dst = to_abi(request.local);
    // 1 to 255 are reserved (RFC 4303 2.1); a CPI has 16 bits, of which 256 to 61439 are negotiated
    // (RFC 3173 3.3).
    query.min_spi = 256;
    query.max_spi = request.protocol == RACOON_IPPROTO_COMP ? 61439 : 0xffffffff;
    query.acquire_token = request.acquire_token;
    query.policy_id = request.policy.value;
    call(
        "spi_get",
        fmt::format("{} {}->{}", exchange::protocol_text(request.protocol), request.peer.text(),
                    request.local.text()),
        sizeof(racoon_kernel_spi_result),
        [&](racoon_op op, std::uint8_t* out, racoon_error* error) {
            racoon_kernel_spi_result result{};
            const racoon_status status = table_.spi_get(provider_.impl, &query, op, &result, error);
            std::memcpy(out, &result, sizeof result);
            return status;
        },
        [done = std::move(done)](Result<Bytes> bytes) {
            if (!bytes) {
                done(fail(bytes.error()));
                return;
            }
            racoon_kernel_spi_result result{};
            std::memcpy(&result, bytes->data(), sizeof result);
            if (result.spi < 256)
                done(fail(Errc::Plugin,
                          "the kernel gave the reserved SPI " + std::to_string(result.spi)));
            else
                done(Spi{result.spi});
        });
}

void Kernel::sa_install(const exchange::SaInstall& request, Done done, std::uint64_t sequence) {
    racoon_kernel_sa sa = outline_of(request, caps_.flags);
    sa.sequence = sequence;
    sa.selector = selector_of(request.selector);
    Status filled = ok();
    if (!request.encryption.empty()) {
        const auto* info = host_.registry().esp_encryption(request.encryption);
        filled = fill_algorithm(sa.enc, info, request.encryption, request.encryption_key);
        if (filled) sa.is_aead = info->kind == conf::TransformKind::Aead ? 1 : 0;
    }
    if (filled && !request.integrity.empty())
        filled = fill_algorithm(sa.auth, host_.registry().esp_integrity(request.integrity),
                                request.integrity, request.integrity_key);
    // A backend finds the compression where the encryption of ESP stands.
    if (filled && !request.compression.empty())
        filled = fill_algorithm(sa.enc, host_.registry().compression(request.compression),
                                request.compression, {});
    if (!filled) {
        done(filled);
        return;
    }
    if (request.inbound)
        sa.replay_window = std::min(request.replay_window, caps_.max_replay_window);
    sa.flags = (request.esn ? RACOON_SA_ESN : 0u) |
               (request.peer_port != 0 ? RACOON_SA_UDP_ENCAP : 0u) |
               (request.non_ike_marker ? RACOON_SA_NON_IKE_MARKER : 0u);
    sa.soft_ns = ns_of(request.soft_seconds);
    sa.hard_ns = ns_of(request.hard_seconds);
    sa.soft_bytes = request.soft_bytes;
    sa.hard_bytes = request.hard_bytes;
    call(
        request.inbound ? "sa_update" : "sa_add",
        sa_text(request.protocol, request.inbound ? request.peer : request.local,
                request.inbound ? request.local : request.peer, request.spi),
        0,
        [&](racoon_op op, std::uint8_t*, racoon_error* error) {
            return (request.inbound ? table_.sa_update : table_.sa_add)(provider_.impl, &sa, op,
                                                                        error);
        },
        [done = std::move(done)](Result<Bytes> r) { done(r ? ok() : Status(fail(r.error()))); });
    wipe(std::span(sa.enc.key));
    wipe(std::span(sa.auth.key));
}

void Kernel::sa_delete(const exchange::SaDelete& request, Done done) {
    const auto id = sa_id(request.protocol, request.spi, request.src, request.dst);
    call(
        "sa_delete", sa_text(request.protocol, request.src, request.dst, request.spi), 0,
        [&](racoon_op op, std::uint8_t*, racoon_error* error) {
            return table_.sa_delete(provider_.impl, &id, op, error);
        },
        [done = std::move(done)](Result<Bytes> r) { done(r ? ok() : Status(fail(r.error()))); });
}

void Kernel::sa_move(const exchange::SaMove& request, Done done) {
    const IpAddr& src = request.inbound ? request.peer : request.local;
    const IpAddr& dst = request.inbound ? request.local : request.peer;
    const auto id = sa_id(request.protocol, request.spi, src, dst);
    const racoon_addr peer = to_abi(request.peer, request.peer_port);
    call(
        "sa_move", sa_text(request.protocol, src, dst, request.spi), 0,
        [&](racoon_op op, std::uint8_t*, racoon_error* error) {
            if (table_.sa_move == nullptr) return racoon_status{RACOON_NOT_SUPPORTED};
            return table_.sa_move(provider_.impl, &id, &peer, op, error);
        },
        [done = std::move(done)](Result<Bytes> r) { done(r ? ok() : Status(fail(r.error()))); });
}

void Kernel::sa_query(const exchange::SaQuery& request,
                      std::function<void(Result<exchange::SaQuery::Reply>)> done) {
    const auto id = sa_id(request.protocol, request.spi, request.src, request.dst);
    call(
        "sa_query", sa_text(request.protocol, request.src, request.dst, request.spi),
        sizeof(racoon_kernel_sa_info),
        [&](racoon_op op, std::uint8_t* out, racoon_error* error) {
            auto info = stamped<racoon_kernel_sa_info>();
            const racoon_status status = table_.sa_query(provider_.impl, &id, op, &info, error);
            std::memcpy(out, &info, sizeof info);
            return status;
        },
        [done = std::move(done)](Result<Bytes> bytes) {
            if (!bytes) {
                done(fail(bytes.error()));
                return;
            }
            racoon_kernel_sa_info info{};
            std::memcpy(&info, bytes->data(), sizeof info);
            exchange::SaQuery::Reply reply;
            reply.state = static_cast<std::uint8_t>(std::min(info.state, 3u));
            reply.bytes = info.bytes;
            reply.packets = info.packets;
            reply.idle_ns = info.idle_ns;
            done(reply);
        });
}

Result<std::vector<Kernel::DumpedSa>> Kernel::sa_dump() {
    if (!open_) return fail(Errc::InvalidState, "the kernel backend is closed");
    if (table_.sa_dump == nullptr) return fail(Errc::Unsupported, "the backend has no sa_dump");
    std::vector<DumpedSa> out;
    const auto each = [](void* arg, const racoon_kernel_sa_info* info) noexcept {
        racoon_kernel_sa_info copy{};
        plugin::copy_sized(&copy, sizeof copy, info);
        const auto dst = from_abi(copy.dst);
        if (!dst) return;
        static_cast<std::vector<DumpedSa>*>(arg)->push_back(
            {static_cast<std::uint8_t>(copy.protocol), Spi{copy.spi}, dst->addr});
    };
    racoon_error error = plugin::empty_error();
    const Callout callout(provider_.module, "sa_dump", Callout::Budget::None);
    const racoon_status status =
        plugin::known_status(table_.sa_dump(provider_.impl, each, &out, &error));
    if (status != RACOON_OK) return plugin::plugin_failure(error, status);
    return out;
}

void Kernel::acquire_done(std::uint64_t token, bool success) {
    if (!open_) return;
    const Callout callout(provider_.module, "acquire_done");
    table_.acquire_done(provider_.impl, token, success ? RACOON_OK : RACOON_TIMEOUT);
}

namespace {

Result<racoon_kernel_policy> to_abi(const conf::Policy& policy) {
    auto out = stamped<racoon_kernel_policy>();
    out.id = policy.id.value;
    out.direction = direction_of(policy.direction);
    // IPsec without a rule asks for nothing. Some kernels take it as that, and all of them a bypass.
    out.action = policy.action == conf::PolicyAction::Ipsec && policy.templates.empty()
                     ? RACOON_POLICY_NONE
                     : static_cast<std::uint32_t>(policy.action);
    out.priority = policy.priority;
    out.selector = selector_of(policy.selector);
    if (policy.templates.size() > std::size(out.templates))
        return fail(Errc::TooLong,
                    "a policy with " + std::to_string(policy.templates.size()) + " templates");
    out.template_count = static_cast<std::uint32_t>(policy.templates.size());
    out.mark = mark_of(policy.marks.mark);
    out.if_id = policy.marks.if_id;
    for (std::size_t i = 0; i < policy.templates.size(); ++i) {
        const auto& from = policy.templates[i];
        auto& to = out.templates[i];
        to.protocol = from.protocol;
        to.mode = from.tunnel ? RACOON_MODE_TUNNEL : RACOON_MODE_TRANSPORT;
        to.level = static_cast<std::uint32_t>(from.level);
        to.reqid = from.reqid.value;
        to.local = privsep::to_abi(from.local);
        to.remote = privsep::to_abi(from.remote);
    }
    return out;
}

}  // namespace

void Kernel::policy_add(const conf::Policy& policy, Done done) {
    const auto out = to_abi(policy);
    if (!out) return done(fail(out.error()));
    call(
        "policy_add", fmt::format("policy {} {}", policy.id.value, policy.selector.text()), 0,
        [&](racoon_op op, std::uint8_t*, racoon_error* error) {
            return table_.policy_add(provider_.impl, &*out, op, error);
        },
        [done = std::move(done)](Result<Bytes> r) { done(r ? ok() : Status(fail(r.error()))); });
}

void Kernel::policy_delete(PolicyId id, Done done) {
    call(
        "policy_delete", fmt::format("policy {}", id.value), 0,
        [&](racoon_op op, std::uint8_t*, racoon_error* error) {
            return table_.policy_delete(provider_.impl, id.value, op, error);
        },
        [done = std::move(done)](Result<Bytes> r) { done(r ? ok() : Status(fail(r.error()))); });
}

void Kernel::policy_update(const conf::Policy& before, const conf::Policy& after, Done done) {
    if (table_.policy_update == nullptr)
        return policy_delete(before.id, [this, before, after, done](const Status&) {
            policy_add(after, [this, before, done](const Status& added) {
                if (added) return done(added);
                policy_add(before, [added, done](const Status&) { done(added); });
            });
        });
    const auto out = to_abi(after);
    if (!out) return done(fail(out.error()));
    call(
        "policy_update", fmt::format("policy {}", before.id.value), 0,
        [&](racoon_op op, std::uint8_t*, racoon_error* error) {
            return table_.policy_update(provider_.impl, before.id.value, &*out, op, error);
        },
        [done = std::move(done)](Result<Bytes> r) { done(r ? ok() : Status(fail(r.error()))); });
}

}  // namespace racoon::privsep
