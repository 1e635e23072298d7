// What every kernel backend written in C++ needs around the C table: the host's services in one
// place, an abstract class for the point "racoon.kernel/1", and its trampolines.
//
//     class MyBackend final : public racoon::sdk::KernelBackend { … };
//     const racoon_kernel& table = racoon::sdk::kernel_table();
//     host->provide(host->ctx, RACOON_POINT_KERNEL, "mine", &table,
//                   static_cast<racoon::sdk::KernelBackend*>(backend), err);
//
// All calls come on the main loop's thread. A function that is not overridden answers NOT_SUPPORTED.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <racoon/plugin/base.h>
#include <racoon/plugin/host.h>
#include <racoon/plugin/kernel.h>

namespace racoon::sdk {

/// Fills `err` (null is allowed) and returns `status`; text that does not fit is cut.
inline racoon_status fail(racoon_error* err, racoon_status status, std::string_view text,
                          int os_errno = 0) noexcept {
    if (err != nullptr && err->struct_size >= sizeof(racoon_error)) {
        err->status = status;
        err->os_errno = os_errno;
        const std::size_t size =
            text.size() < sizeof(err->text) ? text.size() : sizeof(err->text) - 1;
        std::memcpy(err->text, text.data(), size);
        err->text[size] = '\0';
    }
    return status;
}

/// The services of the host as the plugin found them in init; null: this host has none of that name.
struct HostServices {
    const racoon_host* host = nullptr;
    const racoon_log_service* log = nullptr;
    const racoon_clock_service* clock = nullptr;
    const racoon_timer_service* timer = nullptr;
    const racoon_fd_service* fd = nullptr;
    const racoon_proc_service* proc = nullptr;
    const racoon_conf_service* conf = nullptr;
    const racoon_random_service* random = nullptr;
    const racoon_op_service* op = nullptr;

    explicit HostServices(const racoon_host* h) : host(h) {
        find(log, RACOON_SERVICE_LOG);
        find(clock, RACOON_SERVICE_CLOCK);
        find(timer, RACOON_SERVICE_TIMER);
        find(fd, RACOON_SERVICE_FD);
        find(proc, RACOON_SERVICE_PROC);
        find(conf, RACOON_SERVICE_CONF);
        find(random, RACOON_SERVICE_RANDOM);
        find(op, RACOON_SERVICE_OP);
    }

    void write(std::uint32_t level, std::string_view text) const noexcept {
        if (log != nullptr) log->write(host->ctx, level, text.data(), text.size());
    }
    std::int64_t now_ns() const noexcept { return clock->monotonic_ns(host->ctx); }

  private:
    template <typename T>
    void find(const T*& into, const char* name) noexcept {
        into = static_cast<const T*>(host->get_service(host->ctx, name));
    }
};

/// The functions of racoon_kernel (see <racoon/plugin/kernel.h> for their meaning) as virtuals.
class KernelBackend {
  public:
    virtual ~KernelBackend() = default;
    virtual racoon_status probe(racoon_error* err) = 0;
    virtual void capabilities(racoon_kernel_caps* out) = 0;
    virtual racoon_status open(const racoon_kernel_events& events, racoon_error* err) = 0;
    virtual void close() = 0;
    virtual racoon_status bind_socket(std::int32_t, std::uint32_t, racoon_error*) {
        return RACOON_OK;
    }
    virtual racoon_status spi_get(const racoon_kernel_spi_request& request, racoon_op op,
                                  racoon_kernel_spi_result* out, racoon_error* err) = 0;
    virtual racoon_status sa_update(const racoon_kernel_sa& sa, racoon_op op,
                                    racoon_error* err) = 0;
    virtual racoon_status sa_add(const racoon_kernel_sa& sa, racoon_op op, racoon_error* err) = 0;
    virtual racoon_status sa_delete(const racoon_kernel_sa_id& id, racoon_op op,
                                    racoon_error* err) = 0;
    virtual racoon_status sa_query(const racoon_kernel_sa_id& id, racoon_op op,
                                   racoon_kernel_sa_info* out, racoon_error* err) = 0;
    using EachSa = void (*)(void* arg, const racoon_kernel_sa_info* sa) RACOON_NOEXCEPT;
    virtual racoon_status sa_dump(EachSa each, void* arg, racoon_error* err) = 0;
    virtual racoon_status policy_add(const racoon_kernel_policy& policy, racoon_op op,
                                     racoon_error* err) = 0;
    virtual racoon_status policy_delete(std::uint32_t policy_id, racoon_op op,
                                        racoon_error* err) = 0;
    using EachPolicy = void (*)(void* arg, const racoon_kernel_policy* policy) RACOON_NOEXCEPT;
    virtual racoon_status policy_dump(EachPolicy each, void* arg, racoon_error* err) = 0;
    virtual racoon_status acquire_done(std::uint64_t acquire_token, racoon_status status) = 0;
    virtual racoon_status supports(const racoon_kernel_sa&, racoon_error*) { return RACOON_OK; }
    /// One of those that open() is to take over.
    virtual racoon_status keep(const racoon_kernel_sa&, racoon_error*) { return RACOON_OK; }
    virtual racoon_status bind_natt_socket(std::int32_t, std::uint32_t, racoon_error* err) {
        return fail(err, RACOON_NOT_SUPPORTED, "this backend does no ESP in UDP");
    }
    virtual racoon_status sa_move(const racoon_kernel_sa_id&, const racoon_addr&, racoon_op,
                                  racoon_error* err) {
        return fail(err, RACOON_NOT_SUPPORTED, "this backend does no ESP in UDP");
    }
    virtual racoon_status policy_update(std::uint32_t old_id, const racoon_kernel_policy& policy,
                                        racoon_op op, racoon_error* err) = 0;
    virtual racoon_status release_natt_socket(const racoon_addr&, racoon_error*) {
        return RACOON_OK;
    }
    virtual racoon_status watch_policies(const racoon_kernel_foreign&, racoon_error* err) {
        return fail(err, RACOON_NOT_SUPPORTED, "this backend knows no policies of others");
    }
    virtual racoon_status bind_ike_socket(std::int32_t, std::uint32_t, racoon_error* err) {
        return fail(err, RACOON_NOT_SUPPORTED, "this backend takes no ESP from the IKE port");
    }
};

namespace detail {
inline KernelBackend& backend(void* impl) noexcept {
    return *static_cast<KernelBackend*>(impl);
}

// A struct of a newer or older caller: only what both know is taken, the rest is zero.
template <typename T>
T taken(const T* from) noexcept {
    T out{};
    const std::size_t size = from->struct_size < sizeof(T) ? from->struct_size : sizeof(T);
    std::memcpy(&out, from, size);
    out.struct_size = sizeof(T);
    return out;
}
template <typename T>
void given(T* to, const T& from) noexcept {
    const std::uint32_t size = to->struct_size < sizeof(T) ? to->struct_size : sizeof(T);
    std::memcpy(to, &from, size);
    to->struct_size = size;
}
}  // namespace detail

/// The table to provide; its `impl` is a KernelBackend*.
inline const racoon_kernel& kernel_table() noexcept {
    using detail::backend;
    using detail::given;
    using detail::taken;
    static const racoon_kernel table = {
        sizeof(racoon_kernel),
        [](void* impl, racoon_error* err) noexcept { return backend(impl).probe(err); },
        [](void* impl, racoon_kernel_caps* out) noexcept -> racoon_status {
            racoon_kernel_caps caps{};
            caps.struct_size = sizeof(caps);
            backend(impl).capabilities(&caps);
            given(out, caps);
            return RACOON_OK;
        },
        [](void* impl, const racoon_kernel_events* events, racoon_error* err) noexcept {
            return backend(impl).open(taken(events), err);
        },
        [](void* impl) noexcept { backend(impl).close(); },
        [](void* impl, int32_t fd, uint32_t family, racoon_error* err) noexcept {
            return backend(impl).bind_socket(fd, family, err);
        },
        [](void* impl, const racoon_kernel_spi_request* request, racoon_op op,
           racoon_kernel_spi_result* out, racoon_error* err) noexcept {
            return backend(impl).spi_get(taken(request), op, out, err);
        },
        [](void* impl, const racoon_kernel_sa* sa, racoon_op op, racoon_error* err) noexcept {
            return backend(impl).sa_update(taken(sa), op, err);
        },
        [](void* impl, const racoon_kernel_sa* sa, racoon_op op, racoon_error* err) noexcept {
            return backend(impl).sa_add(taken(sa), op, err);
        },
        [](void* impl, const racoon_kernel_sa_id* id, racoon_op op, racoon_error* err) noexcept {
            return backend(impl).sa_delete(taken(id), op, err);
        },
        [](void* impl, const racoon_kernel_sa_id* id, racoon_op op, racoon_kernel_sa_info* out,
           racoon_error* err) noexcept -> racoon_status {
            racoon_kernel_sa_info info{};
            info.struct_size = sizeof(info);
            const racoon_status status = backend(impl).sa_query(taken(id), op, &info, err);
            if (status == RACOON_OK) given(out, info);
            return status;
        },
        [](void* impl, KernelBackend::EachSa each, void* arg, racoon_error* err) noexcept {
            return backend(impl).sa_dump(each, arg, err);
        },
        [](void* impl, const racoon_kernel_policy* policy, racoon_op op,
           racoon_error* err) noexcept { return backend(impl).policy_add(taken(policy), op, err); },
        [](void* impl, uint32_t id, racoon_op op, racoon_error* err) noexcept {
            return backend(impl).policy_delete(id, op, err);
        },
        [](void* impl, KernelBackend::EachPolicy each, void* arg, racoon_error* err) noexcept {
            return backend(impl).policy_dump(each, arg, err);
        },
        [](void* impl, uint64_t token, racoon_status status) noexcept {
            return backend(impl).acquire_done(token, status);
        },
        [](void* impl, const racoon_kernel_sa* sa, racoon_error* err) noexcept {
            return backend(impl).supports(taken(sa), err);
        },
        [](void* impl, std::int32_t fd, std::uint32_t family, racoon_error* err) noexcept {
            return backend(impl).bind_natt_socket(fd, family, err);
        },
        [](void* impl, const racoon_kernel_sa_id* id, const racoon_addr* peer, racoon_op op,
           racoon_error* err) noexcept { return backend(impl).sa_move(taken(id), *peer, op, err); },
        [](void* impl, const racoon_kernel_sa* sas, std::size_t count, std::size_t stride,
           racoon_error* err) noexcept -> racoon_status {
            const auto* at = reinterpret_cast<const std::uint8_t*>(sas);
            for (std::size_t i = 0; i < count; ++i, at += stride) {
                const auto* sa = reinterpret_cast<const racoon_kernel_sa*>(at);
                const racoon_status status = backend(impl).keep(taken(sa), err);
                if (status != RACOON_OK) return status;
            }
            return RACOON_OK;
        },
        [](void* impl, uint32_t old_id, const racoon_kernel_policy* policy, racoon_op op,
           racoon_error* err) noexcept {
            return backend(impl).policy_update(old_id, taken(policy), op, err);
        },
        [](void* impl, const racoon_addr* local, racoon_error* err) noexcept {
            return backend(impl).release_natt_socket(*local, err);
        },
        [](void* impl, const racoon_kernel_foreign* listener, racoon_error* err) noexcept {
            return backend(impl).watch_policies(taken(listener), err);
        },
        [](void* impl, std::int32_t fd, std::uint32_t family, racoon_error* err) noexcept {
            return backend(impl).bind_ike_socket(fd, family, err);
        },
    };
    return table;
}

/// What every backend refuses in the same way, so that an operation list has one answer everywhere.
inline racoon_status check_sa(const racoon_kernel_sa& sa, racoon_error* err) noexcept {
    const bool family_known = sa.dst.family == 4 || sa.dst.family == 6;
    if (!family_known || sa.src.family != sa.dst.family) {
        return fail(err, RACOON_INVALID_ARGUMENT, "SA without two addresses of one family");
    }
    if (sa.spi == 0) return fail(err, RACOON_INVALID_ARGUMENT, "SA with SPI 0");
    if (sa.direction != RACOON_DIR_IN && sa.direction != RACOON_DIR_OUT) {
        return fail(err, RACOON_INVALID_ARGUMENT, "SA with a direction other than in or out");
    }
    if (sa.enc.key_size > sizeof(sa.enc.key) || sa.auth.key_size > sizeof(sa.auth.key)) {
        return fail(err, RACOON_INVALID_ARGUMENT, "SA with a key longer than its field");
    }
    return RACOON_OK;
}

inline racoon_status check_policy(const racoon_kernel_policy& p, racoon_error* err) noexcept {
    const unsigned bits = p.selector.local.family == 4 ? 32 : 128;
    const bool family_known = p.selector.local.family == 4 || p.selector.local.family == 6;
    if (!family_known || p.selector.local.family != p.selector.remote.family ||
        p.selector.local_prefix > bits || p.selector.remote_prefix > bits) {
        return fail(err, RACOON_INVALID_ARGUMENT, "policy with a malformed selector");
    }
    if (p.direction < RACOON_DIR_IN || p.direction > RACOON_DIR_FWD ||
        p.action > RACOON_POLICY_DISCARD || p.template_count > 4) {
        return fail(err, RACOON_INVALID_ARGUMENT, "policy with an unknown direction or action");
    }
    if (p.action == RACOON_POLICY_IPSEC && p.template_count == 0) {
        return fail(err, RACOON_INVALID_ARGUMENT, "ipsec policy without a template");
    }
    return RACOON_OK;
}

inline bool same_address(const racoon_addr& a, const racoon_addr& b) noexcept {
    return a.family == b.family && std::memcmp(a.bytes, b.bytes, a.family == 4 ? 4 : 16) == 0;
}

inline bool same_selector(const racoon_selector& a, const racoon_selector& b) noexcept {
    return same_address(a.local, b.local) && same_address(a.remote, b.remote) &&
           a.local.port == b.local.port && a.remote.port == b.remote.port &&
           a.local_prefix == b.local_prefix && a.remote_prefix == b.remote_prefix &&
           a.protocol == b.protocol;
}

inline bool same_mark(const racoon_kernel_mark& a, const racoon_kernel_mark& b) noexcept {
    return a.value == b.value && a.mask == b.mask;
}

inline std::uint32_t output_mask(const racoon_kernel_sa& sa) noexcept {
    return sa.output_mark.mask;
}
inline std::uint32_t output_mask(const racoon_kernel_policy&) noexcept {
    return 0;
}

/// What a backend without RACOON_CAP_MARK and RACOON_CAP_IF_ID answers to an SA or policy that has one all
/// the same: without them it would be for other traffic.
template <typename Asked>
racoon_status refuse_marks(const Asked& asked, racoon_error* err) noexcept {
    if (asked.mark.mask == 0 && asked.if_id == 0 && output_mask(asked) == 0) return RACOON_OK;
    return fail(err, RACOON_NOT_SUPPORTED, "this backend has no marks and no XFRM interfaces");
}

/// Policies for the same traffic in the same direction: a kernel holds one of them.
inline bool same_place(const racoon_kernel_policy& a, const racoon_kernel_policy& b) noexcept {
    return a.direction == b.direction && same_selector(a.selector, b.selector) &&
           same_mark(a.mark, b.mark) && a.if_id == b.if_id;
}

/// Whether two policies ask for the same of their packets, as far as a kernel tells: `unique` reads as `require`.
inline bool same_rules(const racoon_kernel_policy& a, const racoon_kernel_policy& b) noexcept {
    bool same = a.action == b.action && a.template_count == b.template_count;
    for (std::uint32_t i = 0; same && i < a.template_count; ++i) {
        const racoon_kernel_template &x = a.templates[i], &y = b.templates[i];
        const bool tunnel = x.mode == RACOON_MODE_TUNNEL;
        same = x.protocol == y.protocol && x.mode == y.mode && x.reqid == y.reqid &&
               (x.level == RACOON_LEVEL_USE) == (y.level == RACOON_LEVEL_USE) &&
               (!tunnel || (same_address(x.local, y.local) && same_address(x.remote, y.remote)));
    }
    return same;
}

}  // namespace racoon::sdk
