#include "control/server.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "log/log.hpp"

namespace racoon::control {

namespace {
constexpr std::size_t kMaxClients = 16;
constexpr auto kIdle = std::chrono::seconds(30);
constexpr auto kPause = std::chrono::seconds(1);

/// Root's end of the connection, as it was when it connected.
Caller caller_of(int fd) {
    Caller out;
#ifdef SO_PEERCRED
    ucred peer{};
    socklen_t size = sizeof peer;
    out.sees_secrets =
        ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
#else
    uid_t uid = 0;
    gid_t gid = 0;
    out.sees_secrets = ::getpeereid(fd, &uid, &gid) == 0 && uid == 0;
#endif
    return out;
}
}  // namespace

struct Server::Impl : std::enable_shared_from_this<Impl> {
    struct Client {
        explicit Client(UniqueFd descriptor)
            : fd(std::move(descriptor)), caller(caller_of(fd.get())), frames(kMaxRequest) {}
        UniqueFd fd;
        Caller caller;
        FrameReader frames;
        Bytes out;
        bool busy = false;     // a request is being served
        bool closing = false;  // after what is in `out`
        loop::WatchToken watch{};
        loop::TimerToken idle{};
    };

    Impl(loop::EventLoop& l, exchange::Engine& engine, Hooks hooks)
        : loop(l), commands(engine, std::move(hooks)) {}

    Status listen_on(UniqueFd fd) {
        stop_accepting();
        listening = std::move(fd);
        if (!listening.valid()) return ok();
        const int flags = ::fcntl(listening.get(), F_GETFL);
        if (flags < 0 || ::fcntl(listening.get(), F_SETFL, flags | O_NONBLOCK) < 0)
            return fail_os("control socket", errno);
        return accept_more();
    }

    Status accept_more() {
        RACOON_TRY(accept_watch, loop.watch(listening.get(), loop::kReadable,
                                            [this](unsigned) { accept_all(); }));
        accepting = true;
        return ok();
    }
    void stop_accepting() {
        if (std::exchange(accepting, false)) loop.unwatch(accept_watch);
        loop.cancel(accept_pause);
    }

    /// Out of descriptors, most likely: the connection stays where it is and keeps the socket readable, so
    /// looking again at once would go on for ever.
    void pause(int why) {
        if (!std::exchange(told_pause, true))
            LOGW("", std::string("control socket: no connection can be accepted: ") +
                         std::strerror(why));
        stop_accepting();
        accept_pause = loop.arm(kPause, [this] {
            if (const Status more = accept_more(); !more)
                LOGE("", "control socket: " + more.error().text());
        });
    }

    ~Impl() {
        stop_accepting();
        for (auto& [id, c] : clients) {
            loop.unwatch(c.watch);
            loop.cancel(c.idle);
        }
    }

    void accept_all() {
        for (;;) {
            UniqueFd fd(::accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (!fd.valid()) {
                if (errno == EINTR || errno == ECONNABORTED) continue;
                if (errno != EAGAIN && errno != EWOULDBLOCK) pause(errno);
                return;
            }
            told_pause = false;
            if (clients.size() >= kMaxClients) continue;  // closes it: the client sees an early end
            const int raw = fd.get();
            const auto id = ++last_id;
            auto [it, inserted] = clients.emplace(id, Client(std::move(fd)));
            auto watch = loop.watch(raw, loop::kReadable,
                                    [this, id](unsigned ready) { on_ready(id, ready); });
            if (!watch) {
                clients.erase(it);
                continue;
            }
            it->second.watch = *watch;
            rest(it->second, id);
        }
    }

    /// (Re)starts the idle timer.
    void rest(Client& c, std::uint64_t id) {
        loop.cancel(c.idle);
        c.idle = loop.arm(kIdle, [this, id] { drop(id); });
    }

    void drop(std::uint64_t id) {
        const auto it = clients.find(id);
        if (it == clients.end()) return;
        loop.unwatch(it->second.watch);
        loop.cancel(it->second.idle);
        clients.erase(it);
    }

    void on_ready(std::uint64_t id, unsigned ready) {
        if (ready & loop::kReadable) read_some(id);
        if (ready & loop::kWritable) flush(id);
    }

    void read_some(std::uint64_t id) {
        const auto it = clients.find(id);
        if (it == clients.end()) return;
        std::uint8_t buffer[4096];
        const ssize_t n = ::recv(it->second.fd.get(), buffer, sizeof buffer, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0) return drop(id);
        // One request at a time, and its reply is read before the next: else replies would pile up here.
        if (it->second.busy || !it->second.out.empty()) return drop(id);
        it->second.frames.feed(ByteView(buffer, static_cast<std::size_t>(n)));
        serve(id);
    }

    void serve(std::uint64_t id) {
        auto it = clients.find(id);
        if (it == clients.end() || it->second.closing) return;
        auto next = it->second.frames.take();
        if (!next) {
            it->second.closing = true;
            return queue(id, failure(next.error().text()));
        }
        if (!*next) return;
        const auto request = parse_request(**next);
        if (!request) return queue(id, failure(request.error().text()));
        it->second.busy = true;
        loop.cancel(it->second.idle);
        // The reply may come long after the client, or this server, has gone.
        commands.run(*request, it->second.caller, loop.now(),
                     [self = weak_from_this(), id](Json reply) {
                         if (auto s = self.lock()) s->queue(id, reply);
                     });
    }

    void queue(std::uint64_t id, const Json& reply) {
        const auto it = clients.find(id);
        if (it == clients.end()) return;
        it->second.busy = false;
        append(it->second.out, frame(reply));
        rest(it->second, id);
        flush(id);
    }

    void flush(std::uint64_t id) {
        const auto it = clients.find(id);
        if (it == clients.end()) return;
        Client& c = it->second;
        while (!c.out.empty()) {
            const ssize_t n = ::send(c.fd.get(), c.out.data(), c.out.size(), MSG_NOSIGNAL);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && errno == EAGAIN)
                return loop.change(c.watch, loop::kReadable | loop::kWritable);
            if (n <= 0) return drop(id);
            c.out.erase(c.out.begin(), c.out.begin() + n);
        }
        if (c.closing) return drop(id);
        loop.change(c.watch, loop::kReadable);
    }

    loop::EventLoop& loop;
    UniqueFd listening;
    Commands commands;
    loop::WatchToken accept_watch{};
    loop::TimerToken accept_pause{};
    bool accepting = false, told_pause = false;
    std::map<std::uint64_t, Client> clients;
    std::uint64_t last_id = 0;
};

Server::Server(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Status Server::listen_on(UniqueFd listening) {
    return impl_->listen_on(std::move(listening));
}

Result<std::unique_ptr<Server>> Server::make(loop::EventLoop& loop, UniqueFd listening,
                                             exchange::Engine& engine, Hooks hooks) {
    auto impl = std::make_shared<Impl>(loop, engine, std::move(hooks));
    RACOON_TRY_STATUS(impl->listen_on(std::move(listening)));
    return std::unique_ptr<Server>(new Server(std::move(impl)));
}

}  // namespace racoon::control
