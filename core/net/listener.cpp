#include "net/listener.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <netinet/in.h>
#include <sys/socket.h>

namespace racoon::net {

namespace {

constexpr std::size_t kBatch = 16;
constexpr std::size_t kMaxDatagram = 65536;
// Batches that one socket may take before the others and the timers get their turn.
constexpr int kBatchesPerRound = 4;
constexpr std::size_t kMaxQueued = 1024;
constexpr std::size_t kControlSize = 128;
constexpr std::array<std::uint8_t, 4> kMarker{0, 0, 0, 0};  // non-ESP, RFC 3948 2.2
constexpr std::array<std::uint8_t, 8> kNonIkeMarker{};      // draft-ietf-ipsec-udp-encaps-00 2.1

struct Outgoing {
    IpAddr local;
    Endpoint remote;
    Bytes bytes;  // with the marker
};

struct Socket {
    BoundSocket bound;
    loop::WatchToken watch;
    std::deque<Outgoing> queue;
    bool wants_write = false;
    SocketCounters counters;
};

bool begins_with(ByteView bytes, ByteView start) {
    return bytes.size() >= start.size() && std::equal(start.begin(), start.end(), bytes.begin());
}

/// The local address out of the packet information; `fallback` if there is none.
Endpoint local_of(msghdr& header, const Endpoint& fallback) {
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            in_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(c), sizeof info);
            Endpoint local = fallback;
            std::memcpy(local.addr.bytes.data(), &info.ipi_addr, 4);
            return local;
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(c), sizeof info);
            Endpoint local = fallback;
            std::memcpy(local.addr.bytes.data(), &info.ipi6_addr, 16);
            local.addr.scope = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) ? info.ipi6_ifindex : 0;
            return local;
        }
    }
    return fallback;
}

/// Writes the packet information that makes `local` the source.
std::size_t put_local(const IpAddr& local, std::uint8_t* control) {
    msghdr header{};
    header.msg_control = control;
    header.msg_controllen = kControlSize;
    std::memset(control, 0, kControlSize);
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    if (local.family == Family::V4) {
        in_pktinfo info{};
        std::memcpy(&info.ipi_spec_dst, local.bytes.data(), 4);
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof info);
        std::memcpy(CMSG_DATA(c), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    }
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, local.bytes.data(), 16);
    info.ipi6_ifindex = local.scope;
    c->cmsg_level = IPPROTO_IPV6;
    c->cmsg_type = IPV6_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(c), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
}

}  // namespace

struct Listener::Impl {
    Impl(loop::EventLoop& l, Handler h) : loop(l), handler(std::move(h)) {}

    loop::EventLoop& loop;
    Handler handler;
    std::vector<std::unique_ptr<Socket>> sockets;
    bool receiving = false;
    loop::TimerToken flush_timer;
    bool flush_armed = false;

    // One set of buffers for all sockets; pages that no datagram reached stay untouched.
    std::unique_ptr<std::uint8_t[]> memory{new std::uint8_t[kBatch * kMaxDatagram]};
    std::array<mmsghdr, kBatch> headers{};
    std::array<iovec, kBatch> vectors{};
    std::array<sockaddr_storage, kBatch> names{};
    alignas(cmsghdr) std::array<std::array<std::uint8_t, kControlSize>, kBatch> controls{};

    void readable(Socket& socket) {
        receiving = true;
        for (int round = 0; round < kBatchesPerRound; ++round)
            if (receive_batch(socket) < kBatch) break;
        receiving = false;
        for (auto& other : sockets) flush(*other);
    }

    std::size_t receive_batch(Socket& socket) {
        for (std::size_t i = 0; i < kBatch; ++i) {
            vectors[i] = {memory.get() + i * kMaxDatagram, kMaxDatagram};
            headers[i].msg_hdr = {};
            headers[i].msg_hdr.msg_name = &names[i];
            headers[i].msg_hdr.msg_namelen = sizeof names[i];
            headers[i].msg_hdr.msg_iov = &vectors[i];
            headers[i].msg_hdr.msg_iovlen = 1;
            headers[i].msg_hdr.msg_control = controls[i].data();
            headers[i].msg_hdr.msg_controllen = kControlSize;
        }
        const int n =
            ::recvmmsg(socket.bound.fd.get(), headers.data(), kBatch, MSG_DONTWAIT, nullptr);
        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR) ++socket.counters.receive_errors;
            return 0;
        }
        for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
            deliver(socket, headers[i].msg_hdr,
                    ByteView(memory.get() + i * kMaxDatagram, headers[i].msg_len));
        return static_cast<std::size_t>(n);
    }

    void deliver(Socket& socket, msghdr& header, ByteView bytes) {
        SocketCounters& count = socket.counters;
        if ((header.msg_flags & MSG_TRUNC) != 0) {
            ++count.truncated;
            return;
        }
        const auto remote = Endpoint::from_sockaddr(static_cast<const sockaddr*>(header.msg_name));
        if (remote.port == 0 || remote.addr.is_any() || remote.addr.is_multicast()) {
            ++count.bad_source;
            return;
        }
        if (bytes.size() == 1 && bytes[0] == 0xff) {
            ++count.keepalives;
            return;
        }
        const bool is_ike =
            socket.bound.natt ? begins_with(bytes, kMarker) : !begins_with(bytes, kNonIkeMarker);
        if (!is_ike) {
            ++count.not_ike;
            return;
        }
        if (socket.bound.natt) bytes = bytes.subspan(kMarker.size());
        ++count.received;
        handler(Datagram{local_of(header, socket.bound.local), remote, bytes});
    }

    Socket* choose(const Endpoint& local) {
        Socket* wildcard = nullptr;
        Socket* family = nullptr;
        for (auto& socket : sockets) {
            const Endpoint& bound = socket->bound.local;
            if (bound.addr.family != local.addr.family) continue;
            if (bound == local) return socket.get();
            const bool any = bound.addr.is_any();
            if (any && bound.port == local.port) wildcard = socket.get();
            // A NAT-T socket would put a marker on what the peer expects without.
            if (family == nullptr && any && !socket->bound.natt) family = socket.get();
        }
        return wildcard != nullptr ? wildcard : family;
    }

    void flush_soon() {
        if (receiving || flush_armed) return;
        flush_armed = true;
        flush_timer = loop.arm(Duration::zero(), [this] {
            flush_armed = false;
            for (auto& socket : sockets) flush(*socket);
        });
    }

    void flush(Socket& socket) {
        while (!socket.queue.empty() && send_batch(socket)) {
        }
        const bool wants = !socket.queue.empty();
        if (wants != socket.wants_write) {
            socket.wants_write = wants;
            loop.change(socket.watch, loop::kReadable | (wants ? loop::kWritable : 0u));
        }
    }

    /// False: the system takes no more now.
    bool send_batch(Socket& socket) {
        std::array<mmsghdr, kBatch> out{};
        std::array<iovec, kBatch> parts{};
        std::array<sockaddr_storage, kBatch> to{};
        alignas(cmsghdr) std::array<std::array<std::uint8_t, kControlSize>, kBatch> info;
        const std::size_t count = std::min(kBatch, socket.queue.size());
        for (std::size_t i = 0; i < count; ++i) {
            Outgoing& one = socket.queue[i];
            parts[i] = {one.bytes.data(), one.bytes.size()};
            out[i].msg_hdr.msg_name = &to[i];
            out[i].msg_hdr.msg_namelen = one.remote.to_sockaddr(to[i]);
            out[i].msg_hdr.msg_iov = &parts[i];
            out[i].msg_hdr.msg_iovlen = 1;
            if (!one.local.is_any()) {
                out[i].msg_hdr.msg_control = info[i].data();
                out[i].msg_hdr.msg_controllen = put_local(one.local, info[i].data());
            }
        }
        const int n = ::sendmmsg(socket.bound.fd.get(), out.data(), static_cast<unsigned>(count),
                                 MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) return true;
            if (errno == EAGAIN || errno == ENOBUFS) return false;
            // The first one was refused (no route, an address that has gone): it alone is lost.
            socket.queue.pop_front();
            ++socket.counters.send_dropped;
            return true;
        }
        socket.counters.sent += static_cast<std::uint64_t>(n);
        socket.queue.erase(socket.queue.begin(), socket.queue.begin() + n);
        return true;
    }
};

std::unique_ptr<Listener> Listener::make(loop::EventLoop& loop, Handler handler) {
    return std::unique_ptr<Listener>(
        new Listener(std::make_unique<Impl>(loop, std::move(handler))));
}

Listener::Listener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Listener::~Listener() {
    flush();
    if (impl_->flush_armed) impl_->loop.cancel(impl_->flush_timer);
    for (auto& socket : impl_->sockets) impl_->loop.unwatch(socket->watch);
}

Status Listener::add(BoundSocket bound) {
    auto socket = std::make_unique<Socket>();
    socket->counters.local = bound.local;
    socket->counters.natt = bound.natt;
    socket->bound = std::move(bound);
    Socket* raw = socket.get();
    RACOON_TRY(socket->watch,
               impl_->loop.watch(raw->bound.fd.get(), loop::kReadable, [this, raw](unsigned ready) {
                   if ((ready & loop::kWritable) != 0) impl_->flush(*raw);
                   if ((ready & loop::kReadable) != 0) impl_->readable(*raw);
               }));
    impl_->sockets.push_back(std::move(socket));
    return ok();
}

bool Listener::remove(const Endpoint& local) {
    auto& sockets = impl_->sockets;
    const auto found = std::find_if(sockets.begin(), sockets.end(), [&](const auto& socket) {
        return socket->bound.local == local;
    });
    if (found == sockets.end()) return false;
    impl_->flush(**found);
    impl_->loop.unwatch((*found)->watch);
    sockets.erase(found);
    return true;
}

Status Listener::send(const Datagram& datagram) {
    Socket* socket = impl_->choose(datagram.local);
    if (socket == nullptr)
        return fail(Errc::NotFound, "no socket to send from " + datagram.local.text());
    if (socket->queue.size() >= kMaxQueued) {
        ++socket->counters.send_dropped;
        return ok();
    }
    Bytes bytes;
    bytes.reserve(kMarker.size() + datagram.bytes.size());
    if (socket->bound.natt && !datagram.bare) append(bytes, kMarker);
    append(bytes, datagram.bytes);
    socket->queue.push_back({datagram.local.addr, datagram.remote, std::move(bytes)});
    impl_->flush_soon();
    return ok();
}

void Listener::flush() {
    for (auto& socket : impl_->sockets) impl_->flush(*socket);
}

std::vector<SocketCounters> Listener::counters() const {
    std::vector<SocketCounters> out;
    for (const auto& socket : impl_->sockets) out.push_back(socket->counters);
    return out;
}

std::vector<Endpoint> Listener::natt_endpoints() const {
    std::vector<Endpoint> out;
    for (const auto& socket : impl_->sockets)
        if (socket->bound.natt) out.push_back(socket->bound.local);
    return out;
}

std::vector<Endpoint> Listener::endpoints() const {
    std::vector<Endpoint> out;
    for (const auto& socket : impl_->sockets) out.push_back(socket->bound.local);
    return out;
}

}  // namespace racoon::net
