// Channel: framed messages and file descriptors between keeper and engine.
//
//     RACOON_TRY(auto pair, socket_pair());
//     auto channel = make_socket_channel(loop, std::move(pair.mine), kFromEngineLimit);
//     channel->on_message([&](Message&& m) { … });
//     channel->on_closed([&](const std::string& why) { … });
//     channel->send({Kind::Ready, std::move(writer).take(), {}});
//
// A frame is a 32-bit length of the body, an 8-bit kind, an 8-bit count of descriptors and the
// body. Both sides bound what they accept; a frame that breaks the format closes the channel, since
// nothing after it could be trusted. Buffers are wiped when they go: keys pass through here. Main
// thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "base/unique_function.hpp"
#include "loop/event_loop.hpp"

namespace racoon::privsep {

enum class Kind : std::uint8_t;

struct Message {
    Message(Kind k, Bytes b, std::vector<UniqueFd> f = {})
        : kind(k), body(std::move(b)), fds(std::move(f)) {}
    Message(Message&&) = default;
    Message& operator=(Message&&) = default;
    ~Message();  // wipes the body

    Kind kind;
    Bytes body;
    std::vector<UniqueFd> fds;
};

/// What the keeper accepts from the engine, and the engine, which is sent whole configurations,
/// from the keeper: bytes of one body.
inline constexpr std::size_t kFromEngineLimit = 64u * 1024;
inline constexpr std::size_t kFromKeeperLimit = 80u * 1024 * 1024;
inline constexpr std::size_t kMaxFds = 32;

/// Cuts a stream into frames. Holds at most one frame and what was fed last.
class FrameParser {
  public:
    explicit FrameParser(std::size_t limit) : limit_(limit) {}
    ~FrameParser();
    FrameParser(const FrameParser&) = delete;
    FrameParser& operator=(const FrameParser&) = delete;

    struct Frame {
        Kind kind;
        std::uint8_t fd_count;
        Bytes body;
    };
    /// Appends, and moves each frame that is complete to the end of `out`. Errors: TooLong,
    /// Malformed; final.
    Status feed(ByteView bytes, std::vector<Frame>& out);
    std::size_t held() const { return buffer_.size(); }

  private:
    std::size_t limit_;
    Bytes buffer_;
};
Bytes encode_frame(const Message& message);

class Channel {
  public:
    virtual ~Channel() = default;
    /// The handler may destroy the channel.
    virtual void on_message(UniqueFunction<void(Message&&)> handler) = 0;
    /// Called once, from the loop, when the other side has gone or broke the format.
    virtual void on_closed(UniqueFunction<void(const std::string&)> handler) = 0;
    /// Queues; never waits. Messages to a closed channel vanish.
    virtual void send(Message message) = 0;
    /// Bytes that the other side has not taken yet.
    virtual std::size_t queued() const = 0;
    /// Tries to write what is queued until `limit` has passed; for the last words of a process.
    virtual void drain(Duration limit) = 0;
};

struct SocketPair {
    UniqueFd mine, other;
};
Result<SocketPair> socket_pair();

/// `accept_limit`: largest body taken. More than `queue_limit` bytes unread by the other side close
/// the channel: that process no longer works.
std::unique_ptr<Channel> make_socket_channel(loop::EventLoop& loop, UniqueFd socket,
                                             std::size_t accept_limit,
                                             std::size_t queue_limit = 128u * 1024 * 1024);

/// Two ends in one process; the messages pass through the same frames.
std::pair<std::unique_ptr<Channel>, std::unique_ptr<Channel>> make_memory_channels(
    loop::EventLoop& loop, std::size_t first_accepts, std::size_t second_accepts);

}  // namespace racoon::privsep
