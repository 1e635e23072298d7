// The local socket through which setkey reaches this stack: one message of PF_KEY is one packet, as it is on a socket
// of PF_KEY itself. Only root, and whoever the daemon runs as, may speak; nobody is waited for.
//
//     MessageSocket socket(host);
//     socket.on_request([&](ClientId from, ByteView bytes) { … socket.send(from, answer); });
//     if (!socket.open("/run/racoon/stack.sock", &failure)) …
//
// A client is not read from while an answer is under way to it (`hold`) or waits in its queue; one that does not take
// what it is told is sent away. Main thread only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>

#include <racoon/kernel_backend.hpp>

#include "bytes.hpp"
#include "devices.hpp"

namespace racoon::kernel_userspace {

/// Of a connection; never used again.
using ClientId = std::uint64_t;

class MessageSocket {
  public:
    static constexpr std::size_t kMostClients = 32;
    static constexpr std::size_t kMostQueued = 1u << 20;  // bytes per client
    static constexpr std::size_t kLongestRequest = 1u << 15;

    explicit MessageSocket(const sdk::HostServices& host) : host_(host) {}
    ~MessageSocket() { close(); }
    MessageSocket(const MessageSocket&) = delete;
    MessageSocket& operator=(const MessageSocket&) = delete;

    /// A longer one than kLongestRequest comes cut off. The socket may be closed from within.
    void on_request(std::function<void(ClientId, ByteView)> told) { request_ = std::move(told); }
    /// Its queue is empty again.
    void on_drained(std::function<void(ClientId)> told) { drained_ = std::move(told); }
    void on_gone(std::function<void(ClientId)> told) { gone_ = std::move(told); }

    /// A socket that a daemon left which is no more is replaced; one that somebody listens at is not.
    bool open(const std::string& path, Failure* failure);
    /// Removes the path, if it is still ours.
    void close();
    bool is_open() const { return static_cast<bool>(listener_); }

    /// Queued when it cannot go at once. A client that is not there any more is no error.
    void send(ClientId to, ByteView message);
    std::size_t queued(ClientId client) const;
    /// Whether its next request waits.
    void hold(ClientId client, bool held);

    /// What a client asked to be told of unasked.
    struct Interest {
        bool registered = false;   // acquires, expiries, and what others do
        bool promiscuous = false;  // requests as well
    };
    Interest* interest(ClientId client);
    bool anybody_listens() const;
    /// To all that asked for it but one.
    void tell(ByteView message, ClientId but, bool only_promiscuous = false);

  private:
    struct Client {
        MessageSocket* owner = nullptr;
        ClientId id = 0;
        Fd fd;
        Interest interest;
        bool held = false;
        std::uint64_t token = 0;    // of the watch
        std::uint32_t watched = 0;  // RACOON_FD_…
        std::deque<Bytes> out;
        std::size_t queued = 0;
    };
    void on_connection();
    void on_ready(Client& client, std::uint32_t events);
    void read(Client& client);
    bool flush(Client& client);
    void queue(Client& client, ByteView message);
    void watch(Client& client);
    void drop(ClientId client);

    const sdk::HostServices& host_;
    std::function<void(ClientId, ByteView)> request_;
    std::function<void(ClientId)> drained_, gone_;
    Fd listener_;
    std::uint64_t token_ = 0;
    std::string path_;
    dev_t device_ = 0;  // of the path, which somebody else may have taken since
    ino_t inode_ = 0;
    std::map<ClientId, Client> clients_;
    ClientId last_ = 0;
};

}  // namespace racoon::kernel_userspace
