#include "message_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace racoon::kernel_userspace {
namespace {

constexpr int kBacklog = 8;

Fd local_socket() {
    return Fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

bool address_of(const std::string& path, sockaddr_un* out, Failure* failure) {
    *out = {};
    out->sun_family = AF_UNIX;
    if (path.empty() || path[0] != '/' || path.size() >= sizeof(out->sun_path)) {
        *failure = {path + ": found a path of " + std::to_string(path.size()) +
                        " bytes, expected an absolute one of at most " +
                        std::to_string(sizeof(out->sun_path) - 1),
                    ENAMETOOLONG};
        return false;
    }
    std::memcpy(out->sun_path, path.data(), path.size());
    return true;
}

// A socket refuses at once when nobody listens; anything else that comes back is somebody's.
bool somebody_listens(const sockaddr_un& address) {
    const Fd probe = local_socket();
    if (!probe) return true;
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0)
        return true;
    return errno != ECONNREFUSED && errno != ENOENT;
}

bool may_speak(int fd) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    return peer.uid == 0 || peer.uid == ::geteuid();
}

// A volatile write is not optimised away.
void wipe(Bytes& bytes) {
    volatile std::uint8_t* p = bytes.data();
    for (std::size_t i = 0; i < bytes.size(); ++i) p[i] = 0;
}

}  // namespace

bool MessageSocket::open(const std::string& path, Failure* failure) {
    close();
    sockaddr_un address{};
    if (!address_of(path, &address, failure)) return false;
    const std::string folder = path.substr(0, path.rfind('/'));
    if (!folder.empty() && ::mkdir(folder.c_str(), 0755) == 0) ::chmod(folder.c_str(), 0755);
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0) {
        if (!S_ISSOCK(info.st_mode) || somebody_listens(address)) {
            *failure = {path + (S_ISSOCK(info.st_mode) ? " belongs to another running daemon"
                                                       : " is a file that is not a socket"),
                        EADDRINUSE};
            return false;
        }
        ::unlink(path.c_str());
    }
    Fd fd = local_socket();
    // The mode of the socket becomes that of the path, so that it is never another one.
    const bool bound =
        fd && ::fchmod(fd.get(), 0600) == 0 &&
        ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    if (!bound) {
        *failure = failure_of(path, errno);
        return false;
    }
    const bool listens = ::listen(fd.get(), kBacklog) == 0 && ::lstat(path.c_str(), &info) == 0;
    if (!listens) {
        *failure = failure_of(path, errno);
        ::unlink(path.c_str());
        return false;
    }
    listener_ = std::move(fd);
    path_ = path;
    device_ = info.st_dev;
    inode_ = info.st_ino;
    const auto callback = [](void* arg, std::uint32_t) noexcept {
        static_cast<MessageSocket*>(arg)->on_connection();
    };
    if (host_.fd->watch(host_.host->ctx, listener_.get(), RACOON_FD_READ, callback, this,
                        &token_) == RACOON_OK)
        return true;
    token_ = 0;
    *failure = {path + ": the socket cannot be watched", 0};
    close();
    return false;
}

void MessageSocket::close() {
    while (!clients_.empty()) drop(clients_.begin()->first);
    if (token_ != 0) host_.fd->unwatch(host_.host->ctx, token_);
    token_ = 0;
    if (!listener_) return;
    listener_ = Fd();
    struct stat info {};
    if (::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_)
        ::unlink(path_.c_str());
}

void MessageSocket::on_connection() {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd || clients_.size() >= kMostClients || !may_speak(fd.get())) return;
    Client& client = clients_[++last_];
    client.owner = this;
    client.id = last_;
    client.fd = std::move(fd);
    watch(client);
}

// What it is watched for follows from how it stands.
void MessageSocket::watch(Client& client) {
    std::uint32_t wanted = 0;
    if (!client.out.empty()) {
        wanted = RACOON_FD_WRITE;
    } else if (!client.held) {
        wanted = RACOON_FD_READ;
    }
    if (wanted == client.watched) return;
    if (client.watched != 0) host_.fd->unwatch(host_.host->ctx, client.token);
    client.watched = 0;
    if (wanted == 0) return;
    const auto callback = [](void* arg, std::uint32_t events) noexcept {
        auto* ready = static_cast<Client*>(arg);
        ready->owner->on_ready(*ready, events);
    };
    if (host_.fd->watch(host_.host->ctx, client.fd.get(), wanted, callback, &client,
                        &client.token) == RACOON_OK) {
        client.watched = wanted;
        return;
    }
    drop(client.id);
}

void MessageSocket::drop(ClientId id) {
    const auto at = clients_.find(id);
    if (at == clients_.end()) return;
    if (at->second.watched != 0) host_.fd->unwatch(host_.host->ctx, at->second.token);
    clients_.erase(at);
    if (gone_) gone_(id);
}

void MessageSocket::on_ready(Client& client, std::uint32_t) {
    if (client.out.empty()) return read(client);
    const ClientId id = client.id;
    if (!flush(client)) return drop(id);
    const bool empty = client.out.empty();
    watch(client);
    if (empty && drained_) drained_(id);
}

// One at a time: others have their turn, and the data process its time.
void MessageSocket::read(Client& client) {
    Bytes buffer(kLongestRequest);
    const ssize_t n = ::recv(client.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return drop(client.id);
    if (request_) request_(client.id, ByteView(buffer).first(static_cast<std::size_t>(n)));
    wipe(buffer);  // there may have been keys in it
}

bool MessageSocket::flush(Client& client) {
    while (!client.out.empty()) {
        const Bytes& next = client.out.front();
        const ssize_t n =
            ::send(client.fd.get(), next.data(), next.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN;
        client.queued -= next.size();
        client.out.pop_front();
    }
    return true;
}

void MessageSocket::queue(Client& client, ByteView message) {
    const ClientId id = client.id;
    if (client.queued + message.size() > kMostQueued) return drop(id);
    client.out.emplace_back(message.begin(), message.end());
    client.queued += message.size();
    if (!flush(client)) return drop(id);
    watch(client);
}

void MessageSocket::send(ClientId to, ByteView message) {
    const auto at = clients_.find(to);
    if (at != clients_.end()) queue(at->second, message);
}

std::size_t MessageSocket::queued(ClientId client) const {
    const auto at = clients_.find(client);
    return at == clients_.end() ? 0 : at->second.queued;
}

void MessageSocket::hold(ClientId id, bool held) {
    const auto at = clients_.find(id);
    if (at == clients_.end()) return;
    at->second.held = held;
    watch(at->second);
}

MessageSocket::Interest* MessageSocket::interest(ClientId client) {
    const auto at = clients_.find(client);
    return at == clients_.end() ? nullptr : &at->second.interest;
}

bool MessageSocket::anybody_listens() const {
    for (const auto& [id, client] : clients_)
        if (client.interest.registered || client.interest.promiscuous) return true;
    return false;
}

void MessageSocket::tell(ByteView message, ClientId but, bool only_promiscuous) {
    std::vector<ClientId> to;
    for (const auto& [id, client] : clients_) {
        const Interest& i = client.interest;
        if (id != but && (i.promiscuous || (i.registered && !only_promiscuous))) to.push_back(id);
    }
    for (const ClientId id : to) send(id, message);
}

}  // namespace racoon::kernel_userspace
