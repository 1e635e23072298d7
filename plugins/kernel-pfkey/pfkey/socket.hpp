// A socket of PF_KEY. The kernel answers a request while it is being sent, tells every socket of most
// changes, and says nothing of what it had no room for but ENOBUFS.
//
//     Socket socket;
//     if (const int error = socket.open()) …
//     const int error = socket.transact(message, [](const Message& answer) { … });
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pfkey/message.hpp"

namespace racoon::pfkey {

class Socket {
  public:
    explicit Socket(const Dialect& dialect = native_dialect()) : dialect_(dialect) {}
    ~Socket() { close(); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    /// 0, or errno. `receive_buffer`: bytes to ask for, if they are more than it asks for by itself.
    int open(std::uint32_t receive_buffer = 0);
    /// Instead of the kernel's: a socket of this machine at which somebody speaks the same. `listener`: the process
    /// that does; 0: not known. 0, or errno.
    int open_local(const std::string& path, std::uint32_t* listener);
    void close();
    int fd() const { return fd_; }
    std::uint32_t pid() const { return pid_; }
    const Dialect& dialect() const { return dialect_; }

    using Each = std::function<void(const Message&)>;
    /// Numbers the message (unless it has a number), sends it and waits for its answer; of a dump, for
    /// all. 0, or the kernel's errno; ETIMEDOUT where no answer came.
    int transact(Message& message, const Each& answer = {});
    /// Sends what is never answered. 0, or errno.
    int send(const Message& message);

    enum class Got : std::uint8_t { Nothing, Message, Malformed, Overrun, Broken };
    /// The next message, without waiting.
    Got receive(Message* out);
    /// Bytes of the last message received.
    ByteView last() const { return ByteView(buffer_).first(size_); }

  private:
    bool wait();

    const Dialect& dialect_;
    int fd_ = -1;
    bool local_ = false;  // not the kernel's
    std::uint32_t pid_ = 0;
    // The kernel numbers its acquires from 1 on: a request must not look like an answer to one.
    std::uint32_t sequence_ = 0x40000000;
    std::vector<std::uint8_t> buffer_;
    std::size_t size_ = 0;
};

}  // namespace racoon::pfkey
