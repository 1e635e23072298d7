#include "backend.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "algorithms.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::uint32_t kMostWindow = 4096;
// Addresses of a family that the NAT-T port may be listened on: normally the wildcard alone.
constexpr std::size_t kUdpPerFamily = 4;

racoon_status refuse(racoon_error* err, const Failure& failure) {
    return sdk::fail(err, RACOON_NOT_SUPPORTED, failure.text, failure.os_errno);
}

}  // namespace

racoon_status Backend::probe(racoon_error* err) {
    Failure failure;
    const Fd tun = open_tun("", &failure);
    if (!tun) return refuse(err, failure);
    const Fd raw = open_raw(4, settings_.mark, &failure);
    if (!raw) return refuse(err, failure);
    return RACOON_OK;
}

void Backend::capabilities(racoon_kernel_caps* out) {
    out->max_replay_window = kMostWindow;
    out->flags = RACOON_CAP_AEAD | RACOON_CAP_UDP_ENCAP | RACOON_CAP_IPV6 | RACOON_CAP_ESN |
                 RACOON_CAP_TRUNC_128 | RACOON_CAP_BYTE_LIFETIME | RACOON_CAP_TRANSPORT_MODE |
                 RACOON_CAP_AH | RACOON_CAP_IPCOMP;
}

racoon_status Backend::supports(const racoon_kernel_sa& sa, racoon_error* err) {
    std::string text;
    if (sa.protocol == RACOON_IPPROTO_AH) {
        if (sa.is_aead != 0 || sa.enc.xfrm_name[0] != '\0') text = "AH encrypts nothing";
        if (text.empty()) find_integrity(sa.auth, &text);
        if (text.empty()) return RACOON_OK;
        return sdk::fail(err, RACOON_NOT_SUPPORTED, text);
    }
    if (sa.protocol == RACOON_IPPROTO_COMP) {
        if (std::string_view(sa.enc.xfrm_name) == "deflate") return RACOON_OK;
        return sdk::fail(err, RACOON_NOT_SUPPORTED, "kernel-userspace compresses with deflate");
    }
    if (sa.protocol != RACOON_IPPROTO_ESP) {
        return sdk::fail(err, RACOON_NOT_SUPPORTED, "kernel-userspace does ESP, AH and IPComp");
    }
    const bool encryption = sa.enc.xfrm_name[0] != '\0';
    const bool integrity = sa.auth.xfrm_name[0] != '\0';
    if (encryption || !integrity) find_encryption(sa.enc, sa.is_aead != 0, &text);
    if (integrity && text.empty()) find_integrity(sa.auth, &text);
    if (text.empty()) return RACOON_OK;
    return sdk::fail(err, RACOON_NOT_SUPPORTED, text);
}

racoon_status Backend::open(const racoon_kernel_events& events, racoon_error* err) {
    if (opened_) return sdk::fail(err, RACOON_STATE, "the backend is open already");
    Failure failure;
    tun_ = open_tun(settings_.device, &failure);
    const bool ready = tun_ && start_tun(settings_.device, settings_.mtu, &failure) &&
                       routes_.open(settings_.device, settings_.table, settings_.mark, &failure);
    if (!ready) {
        tun_ = Fd();
        routes_.close();
        return sdk::fail(err, RACOON_IO, failure.text, failure.os_errno);
    }
    events_ = events;
    opened_ = true;
    if (open_sockets(err) && start_data(err)) return RACOON_OK;
    close();
    return RACOON_IO;
}

bool Backend::open_sockets(racoon_error* err) {
    Failure failure;
    const std::uint32_t mark = settings_.mark;
    const auto failed = [&] {
        sdk::fail(err, RACOON_IO, failure.text, failure.os_errno);
        return false;
    };
    esp4_ = open_raw(4, mark, &failure);
    if (esp4_) ah4_ = open_raw_whole(4, IPPROTO_AH, mark, &failure);
    if (ah4_) comp4_ = open_raw_whole(4, IPPROTO_COMP, mark, &failure);
    if (!comp4_) return failed();
    esp6_ = open_raw(6, mark, &failure);
    if (!esp6_) log(RACOON_LOG_NOTIFY, "no ESP over IPv6: " + failure.text);
    if (esp6_) ah6_ = open_raw_whole(6, IPPROTO_AH, mark, &failure);
    if (ah6_) comp6_ = open_raw_whole(6, IPPROTO_COMP, mark, &failure);
    if (esp6_ && !comp6_) log(RACOON_LOG_NOTIFY, "no AH or IPComp over IPv6: " + failure.text);
    for (const std::uint8_t family : {std::uint8_t{4}, std::uint8_t{6}}) {
        for (std::size_t i = 0; i < kUdpPerFamily; ++i) {
            Fd fd = open_udp(family, mark, &failure);
            if (!fd && family == 6) break;  // this host has none
            if (!fd) return failed();
            udp_.push_back({std::move(fd), family, false});
        }
    }
    return true;
}

void Backend::close() {
    if (!opened_) return;
    opened_ = false;
    if (restart_armed_) host_.timer->cancel(host_.host->ctx, restart_timer_);
    if (larval_armed_) host_.timer->cancel(host_.host->ctx, larval_timer_);
    restart_armed_ = larval_armed_ = false;
    if (data_runs_) host_.proc->kill(host_.host->ctx, data_);
    data_runs_ = false;
    ++generation_;
    routes_.close();
    tun_ = Fd();
    for (Fd* fd : {&esp4_, &esp6_, &ah4_, &ah6_, &comp4_, &comp6_}) *fd = Fd();
    udp_.clear();
    sas_.clear();
    larvals_.clear();
    policies_.clear();
    std::map<std::uint32_t, Pending> left;
    left.swap(pending_);
    for (const auto& [number, pending] : left) complete(pending, RACOON_CANCELLED, nullptr, 0);
}

racoon_status Backend::bind_socket(std::int32_t fd, std::uint32_t, racoon_error* err) {
    const std::uint32_t mark = settings_.mark;
    if (::setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0) return RACOON_OK;
    return sdk::fail(err, RACOON_IO, "firewall mark of an IKE socket (needs CAP_NET_ADMIN)", errno);
}

// A socket that has gone leaves its place: the data process cannot be handed another one.
racoon_status Backend::bind_natt_socket(std::int32_t fd, std::uint32_t family, racoon_error* err) {
    for (UdpSocket& udp : udp_) {
        if (udp.used || udp.family != family) continue;
        Failure failure;
        if (!share_port(fd, udp.fd.get(), &failure)) {
            return sdk::fail(err, RACOON_IO, failure.text, failure.os_errno);
        }
        udp.used = true;
        return RACOON_OK;
    }
    return sdk::fail(
        err, RACOON_NOT_SUPPORTED,
        "kernel-userspace listens on at most 4 addresses of a family for NAT-T; use the "
        "wildcard address, or restart");
}

}  // namespace racoon::kernel_userspace
