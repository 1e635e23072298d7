#include "privsep/channel.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <poll.h>
#include <sys/socket.h>

#include "base/secret.hpp"

namespace racoon::privsep {

namespace {

constexpr std::size_t kHeader = 6;
constexpr std::size_t kReadSize = 64u * 1024;

}  // namespace

Message::~Message() {
    wipe(body);
}

FrameParser::~FrameParser() {
    wipe(buffer_);
}

Status FrameParser::feed(ByteView bytes, std::vector<Frame>& out) {
    if (buffer_.capacity() < buffer_.size() + bytes.size()) {
        // Growing by hand: the old memory is wiped before it is given back.
        Bytes larger;
        larger.reserve(std::max(buffer_.capacity() * 2, buffer_.size() + bytes.size()));
        append(larger, buffer_);
        wipe(buffer_);
        buffer_ = std::move(larger);
    }
    append(buffer_, bytes);
    std::size_t used = 0;
    while (buffer_.size() - used >= kHeader) {
        Reader in(ByteView(buffer_).subspan(used));
        const auto size = in.u32();
        const auto kind = in.u8();
        const auto fds = in.u8();
        if (*size > limit_)
            return fail(Errc::TooLong, "a message of " + std::to_string(*size) +
                                           " bytes, at most " + std::to_string(limit_) +
                                           " are allowed");
        if (*fds > kMaxFds)
            return fail(Errc::Malformed, "a message with " + std::to_string(*fds) + " descriptors");
        const auto body = in.bytes(*size);
        if (!body) break;
        out.push_back(Frame{static_cast<Kind>(*kind), *fds, to_bytes(*body)});
        used += kHeader + *size;
    }
    if (used != 0) {
        wipe(std::span(buffer_).first(used));
        Bytes rest(buffer_.begin() + static_cast<std::ptrdiff_t>(used), buffer_.end());
        wipe(buffer_);
        buffer_ = std::move(rest);
    }
    return ok();
}

Bytes encode_frame(const Message& message) {
    Writer out(kHeader + message.body.size());
    out.u32(static_cast<std::uint32_t>(message.body.size()));
    out.u8(static_cast<std::uint8_t>(message.kind));
    out.u8(static_cast<std::uint8_t>(message.fds.size()));
    out.bytes(message.body);
    return std::move(out).take();
}

Result<SocketPair> socket_pair() {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()) != 0)
        return fail_os("socketpair", errno);
    return SocketPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

namespace {

struct Outgoing {
    Bytes bytes;
    std::size_t sent = 0;
    std::vector<UniqueFd> fds;
};

class SocketChannel final : public Channel {
  public:
    SocketChannel(loop::EventLoop& loop, UniqueFd socket, std::size_t accept_limit,
                  std::size_t queue_limit)
        : loop_(loop),
          socket_(std::move(socket)),
          parser_(accept_limit),
          queue_limit_(queue_limit) {
        auto token = loop_.watch(socket_.get(), loop::kReadable, [this](unsigned ready) {
            const auto alive = alive_;
            if ((ready & loop::kWritable) != 0) flush();
            if (*alive && (ready & loop::kReadable) != 0) readable();
        });
        if (token)
            watch_ = *token;
        else
            close(token.error().text());
    }
    ~SocketChannel() override {
        *alive_ = false;
        if (socket_.valid()) loop_.unwatch(watch_);
        for (auto& one : queue_) wipe(one.bytes);
    }

    void on_message(UniqueFunction<void(Message&&)> handler) override {
        handler_ = std::make_shared<UniqueFunction<void(Message &&)>>(std::move(handler));
    }
    void on_closed(UniqueFunction<void(const std::string&)> handler) override {
        closed_ = std::move(handler);
    }

    void send(Message message) override {
        if (!socket_.valid()) return;
        Outgoing out{encode_frame(message), 0, std::move(message.fds)};
        queued_ += out.bytes.size();
        queue_.push_back(std::move(out));
        if (queued_ > queue_limit_) {
            close("it does not read: " + std::to_string(queued_) + " bytes wait");
            return;
        }
        if (queue_.size() == 1) flush();
    }

    std::size_t queued() const override { return queued_; }

    void drain(Duration limit) override {
        const TimePoint end = monotonic_now() + limit;
        while (socket_.valid() && !queue_.empty()) {
            flush();
            const auto left = end - monotonic_now();
            if (queue_.empty() || left.count() <= 0) return;
            pollfd one{socket_.get(), POLLOUT, 0};
            ::poll(&one, 1, static_cast<int>(left.count() / 1'000'000) + 1);
        }
    }

  private:
    void readable() {
        const auto alive = alive_;
        // A few reads each round, so that timers and packets get their turn under load.
        for (int round = 0; round < 8; ++round) {
            std::array<std::uint8_t, kReadSize> buffer;
            iovec part{buffer.data(), buffer.size()};
            alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(int) * kMaxFds)> control{};
            msghdr header{};
            header.msg_iov = &part;
            header.msg_iovlen = 1;
            header.msg_control = control.data();
            header.msg_controllen = control.size();
            const ssize_t n = ::recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
            if (n < 0) {
                if (errno == EAGAIN || errno == EINTR) return;
                close(std::strerror(errno));
                return;
            }
            take_fds(header);
            if (n == 0) {
                close("the other process has ended");
                return;
            }
            const ByteView fresh(buffer.data(), static_cast<std::size_t>(n));
            std::vector<FrameParser::Frame> frames;
            const Status status = parser_.feed(fresh, frames);
            wipe(std::span(buffer).first(static_cast<std::size_t>(n)));
            for (auto& frame : frames) {
                if (*alive)
                    deliver(std::move(frame));
                else
                    wipe(frame.body);
            }
            if (!*alive) return;
            if (!status) {
                close(status.error().text());
                return;
            }
            if (static_cast<std::size_t>(n) < buffer.size()) return;
        }
    }

    void take_fds(msghdr& header) {
        for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
            if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
            const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (std::size_t i = 0; i < count; ++i) {
                int fd = -1;
                std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
                UniqueFd owned(fd);
                // Beyond what frames announce: closed at once, else the sender could fill our
                // table.
                if (fds_.size() < kMaxFds * 2) fds_.push_back(std::move(owned));
            }
        }
    }

    void deliver(FrameParser::Frame&& frame) {
        if (!socket_.valid()) return;
        if (fds_.size() < frame.fd_count) {
            close("a message without its descriptors");
            return;
        }
        Message message(frame.kind, std::move(frame.body));
        for (int i = 0; i < frame.fd_count; ++i) {
            message.fds.push_back(std::move(fds_.front()));
            fds_.pop_front();
        }
        // Held here: the handler may destroy this channel.
        const auto handler = handler_;
        if (*handler) (*handler)(std::move(message));
    }

    void flush() {
        while (socket_.valid() && !queue_.empty()) {
            Outgoing& one = queue_.front();
            iovec part{one.bytes.data() + one.sent, one.bytes.size() - one.sent};
            msghdr header{};
            header.msg_iov = &part;
            header.msg_iovlen = 1;
            alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(int) * kMaxFds)> control{};
            if (one.sent == 0 && !one.fds.empty()) attach(one, header, control);
            const ssize_t n = ::sendmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n < 0) {
                if (errno == EINTR) continue;
                if (errno != EAGAIN) {
                    close(std::strerror(errno));
                    return;
                }
                break;
            }
            one.fds.clear();
            one.sent += static_cast<std::size_t>(n);
            if (one.sent < one.bytes.size()) continue;
            queued_ -= one.bytes.size();
            wipe(one.bytes);
            queue_.pop_front();
        }
        const bool wants = socket_.valid() && !queue_.empty();
        if (socket_.valid() && wants != wants_write_) {
            wants_write_ = wants;
            loop_.change(watch_, loop::kReadable | (wants ? loop::kWritable : 0u));
        }
    }

    static void attach(Outgoing& one, msghdr& header, std::span<std::uint8_t> control) {
        const std::size_t size = sizeof(int) * one.fds.size();
        header.msg_control = control.data();
        header.msg_controllen = CMSG_SPACE(size);
        cmsghdr* c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(size);
        for (std::size_t i = 0; i < one.fds.size(); ++i) {
            const int fd = one.fds[i].get();
            std::memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof fd);
        }
    }

    void close(std::string why) {
        if (!socket_.valid()) return;
        loop_.unwatch(watch_);
        socket_.reset();
        // Not from here: the owner may destroy us in its handler.
        loop_.post([alive = alive_, this, why = std::move(why)] {
            if (!*alive || !closed_) return;
            auto closed = std::move(closed_);
            closed(why);
        });
    }

    loop::EventLoop& loop_;
    UniqueFd socket_;
    FrameParser parser_;
    std::size_t queue_limit_;
    loop::WatchToken watch_;
    std::shared_ptr<UniqueFunction<void(Message&&)>> handler_ =
        std::make_shared<UniqueFunction<void(Message&&)>>();
    UniqueFunction<void(const std::string&)> closed_;
    std::deque<Outgoing> queue_;
    std::size_t queued_ = 0;
    bool wants_write_ = false;
    std::deque<UniqueFd> fds_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

class MemoryChannel final : public Channel {
  public:
    struct Shared {  // one direction's receiver
        MemoryChannel* end = nullptr;
    };
    MemoryChannel(loop::EventLoop& loop, std::size_t limit) : loop_(loop), parser_(limit) {
        self_->end = this;
    }
    ~MemoryChannel() override {
        self_->end = nullptr;
        if (peer_) {
            loop_.post([peer = peer_] {
                if (peer->end != nullptr && peer->end->closed_)
                    peer->end->closed_("the other end has gone");
            });
        }
    }
    static void join(MemoryChannel& a, MemoryChannel& b) {
        a.peer_ = b.self_;
        b.peer_ = a.self_;
    }

    void on_message(UniqueFunction<void(Message&&)> handler) override {
        handler_ = std::make_shared<UniqueFunction<void(Message &&)>>(std::move(handler));
    }
    void on_closed(UniqueFunction<void(const std::string&)> handler) override {
        closed_ = std::move(handler);
    }
    void send(Message message) override {
        loop_.post(
            [peer = peer_, bytes = encode_frame(message), fds = std::move(message.fds)]() mutable {
                if (peer->end != nullptr) peer->end->receive(bytes, fds);
                wipe(bytes);
            });
    }
    std::size_t queued() const override { return 0; }
    void drain(Duration) override {}

  private:
    void receive(ByteView bytes, std::vector<UniqueFd>& fds) {
        std::vector<FrameParser::Frame> frames;
        const Status status = parser_.feed(bytes, frames);
        const auto self = self_;
        const auto handler = handler_;
        for (auto& frame : frames)
            if (self->end != nullptr && *handler)
                (*handler)(Message(frame.kind, std::move(frame.body), std::move(fds)));
        if (self->end != nullptr && !status && closed_) closed_(status.error().text());
    }

    loop::EventLoop& loop_;
    FrameParser parser_;
    std::shared_ptr<UniqueFunction<void(Message&&)>> handler_ =
        std::make_shared<UniqueFunction<void(Message&&)>>();
    UniqueFunction<void(const std::string&)> closed_;
    std::shared_ptr<Shared> self_ = std::make_shared<Shared>();
    std::shared_ptr<Shared> peer_;
};

}  // namespace

std::unique_ptr<Channel> make_socket_channel(loop::EventLoop& loop, UniqueFd socket,
                                             std::size_t accept_limit, std::size_t queue_limit) {
    return std::make_unique<SocketChannel>(loop, std::move(socket), accept_limit, queue_limit);
}

std::pair<std::unique_ptr<Channel>, std::unique_ptr<Channel>> make_memory_channels(
    loop::EventLoop& loop, std::size_t first_accepts, std::size_t second_accepts) {
    auto first = std::make_unique<MemoryChannel>(loop, first_accepts);
    auto second = std::make_unique<MemoryChannel>(loop, second_accepts);
    MemoryChannel::join(*first, *second);
    return {std::move(first), std::move(second)};
}

}  // namespace racoon::privsep
