// The control protocol: frames of a 32-bit big-endian length and one JSON value, over a Unix stream
// socket. A client sends one request and gets one reply, as often as it likes.
//
//     → {"command": "show-sa", "args": {"proto": "isakmp"}}
//     ← {"ok": true, "result": {…}}
//     ← {"ok": false, "error": "no remote section for 192.0.2.9"}
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "control/json.hpp"

namespace racoon::control {

constexpr std::size_t kMaxRequest = 64 * 1024;  // bytes of JSON
constexpr std::size_t kMaxReply = 64 * 1024 * 1024;
/// Where racoonctl looks unless -s says otherwise, and where the daemon listens unless adminsock does.
std::string default_socket_path();

struct Request {
    std::string command;
    Json args = Json::object();
};

Bytes frame(const Json& value);
Result<Request> parse_request(ByteView json);
Json success(Json result);
Json failure(std::string_view text);

/// Cuts a byte stream into frames. Feed what arrives; take() until it is empty.
class FrameReader {
  public:
    explicit FrameReader(std::size_t limit) : limit_(limit) {}
    void feed(ByteView more) { append(buffer_, more); }
    /// The next whole frame's JSON bytes; nothing if more is needed; TooLong beyond the limit.
    Result<std::optional<Bytes>> take();

  private:
    std::size_t limit_;
    Bytes buffer_;
};

}  // namespace racoon::control
