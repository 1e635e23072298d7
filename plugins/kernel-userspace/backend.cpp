#include "backend.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "algorithms.hpp"
#include "socket_address.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::uint32_t kMostWindow = 4096;

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
    out->flags = RACOON_CAP_AEAD | RACOON_CAP_UDP_ENCAP | RACOON_CAP_NON_IKE_MARKER |
                 RACOON_CAP_IPV6 | RACOON_CAP_ESN | RACOON_CAP_TRUNC_128 |
                 RACOON_CAP_BYTE_LIFETIME | RACOON_CAP_TRANSPORT_MODE | RACOON_CAP_AH |
                 RACOON_CAP_IPCOMP | RACOON_CAP_ESP_FRAG;
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
    if (integrity && text.empty()) {
        const Algorithm* mac = find_integrity(sa.auth, &text);
        if (mac != nullptr && mac->iv != 0) {
            text = std::string(mac->xfrm_name) + " in ESP beside a cipher";
        }
    }
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
    routes_.on_trouble([this](const Failure& trouble) { log(RACOON_LOG_WARNING, trouble.text); });
    events_ = events;
    opened_ = true;
    if (open_sockets(err) && start_data(err)) {
        watch_routes();
        open_guard();
        return RACOON_OK;
    }
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
    return true;
}

void Backend::close() {
    if (!opened_) return;
    opened_ = false;
    close_guard();
    setkey_.close();
    dumps_.clear();
    foreign_.forget();
    if (restart_armed_) host_.timer->cancel(host_.host->ctx, restart_timer_);
    if (larval_armed_) host_.timer->cancel(host_.host->ctx, larval_timer_);
    if (repair_armed_) host_.timer->cancel(host_.host->ctx, repair_timer_);
    restart_armed_ = larval_armed_ = repair_armed_ = false;
    if (route_token_ != 0) host_.fd->unwatch(host_.host->ctx, route_token_);
    route_token_ = 0;
    route_watch_.close();
    if (data_runs_) host_.proc->kill(host_.host->ctx, data_);
    data_runs_ = false;
    ++generation_;
    routes_.close();
    tun_ = Fd();
    for (Fd* fd : {&esp4_, &esp6_, &ah4_, &ah6_, &comp4_, &comp6_}) *fd = Fd();
    for (UdpSocket& udp : udp_) udp = {};
    handover_ = Fd();
    sas_.clear();
    larvals_.clear();
    policies_.clear();
    std::map<std::uint32_t, Pending> left;
    left.swap(pending_);
    for (const auto& [number, pending] : left) complete(pending, RACOON_CANCELLED, nullptr, 0);
}

racoon_status Backend::bind_socket(std::int32_t fd, std::uint32_t, racoon_error* err) {
    const std::uint32_t mark = settings_.mark;
    if (::setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) != 0) {
        return sdk::fail(err, RACOON_IO, "firewall mark of an IKE socket (needs CAP_NET_ADMIN)",
                         errno);
    }
    AnyAddress address{};
    socklen_t size = sizeof(address);
    if (::getsockname(fd, &address.base, &size) != 0)
        return sdk::fail(err, RACOON_IO, "the port of an IKE socket", errno);
    const std::uint16_t port = address_of(address).port;
    if (port != 0 && ike_ports_.insert(port).second) guard_changed();
    return RACOON_OK;
}

racoon_status Backend::bind_natt_socket(std::int32_t fd, std::uint32_t family, racoon_error* err) {
    return share_socket(fd, family, Port::Natt, err);
}

racoon_status Backend::bind_ike_socket(std::int32_t fd, std::uint32_t family, racoon_error* err) {
    return share_socket(fd, family, Port::Ike, err);
}

racoon_status Backend::share_socket(std::int32_t fd, std::uint32_t family, Port port,
                                    racoon_error* err) {
    const auto first = udp_.begin() + (port == Port::Natt ? 0 : kMostNatt);
    const auto last = first + (port == Port::Natt ? kMostNatt : kMostIke);
    const auto free = std::find_if(first, last, [](const UdpSocket& s) { return !s.fd; });
    if (free == last) {
        return sdk::fail(err, RACOON_NOT_SUPPORTED,
                         "kernel-userspace listens on at most " + std::to_string(last - first) +
                             " addresses for ESP in UDP; use the wildcard address");
    }
    Failure failure;
    UdpSocket udp;
    udp.fd = open_udp(static_cast<std::uint8_t>(family), settings_.mark, &failure);
    const auto place = static_cast<std::uint8_t>(free - udp_.begin());
    const bool ready = udp.fd && share_port(fd, udp.fd.get(), port, &udp.local, &failure) &&
                       (!data_runs_ || hand_over(handover_, place, udp.fd.get(), &failure));
    if (!ready) return sdk::fail(err, RACOON_IO, failure.text, failure.os_errno);
    *free = std::move(udp);
    return RACOON_OK;
}

racoon_status Backend::release_natt_socket(const racoon_addr& local, racoon_error* err) {
    for (UdpSocket& udp : udp_) {
        if (!udp.fd || udp.local.port != local.port || !sdk::same_address(udp.local, local))
            continue;
        const auto place = static_cast<std::uint8_t>(&udp - udp_.data());
        Failure failure;
        if (data_runs_ && !hand_over(handover_, place, -1, &failure)) {
            return sdk::fail(err, RACOON_IO, failure.text, failure.os_errno);
        }
        udp = {};
        return RACOON_OK;
    }
    return sdk::fail(err, RACOON_NOT_FOUND, "no ESP is taken from that socket");
}

}  // namespace racoon::kernel_userspace
