// Error: what a failed step tells its caller, and the closed list of codes.
//
//     return fail(Errc::Truncated, "payload length 9 exceeds the 4 bytes left").at(offset);
//
// Text is lower case, says what was found and what was expected, and never holds a secret.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace racoon {

enum class Errc : std::uint8_t {
    Truncated,    // input ended early
    Malformed,    // input breaks the format
    TooLong,      // a bound of ours was passed
    Unsupported,  // well formed, but not something we do
    NotFound,
    Exists,
    Denied,  // refused by policy, permissions or the keeper
    Conflict,
    NoProposalChosen,  // nothing in the offer is acceptable
    AuthFailed,        // a proof did not verify
    InvalidId,
    InvalidState,
    Timeout,
    Cancelled,
    Busy,
    NoMemory,
    Io,  // a system call failed; os_errno() says how
    Crypto,
    Config,  // racoon.conf or a file it names
    Plugin,  // a module misbehaved or could not be loaded
    Abi,     // a module of another ABI
    Internal,
};

/// Short lower-case name of a code, for logs and JSON.
std::string_view errc_name(Errc code);

class Error {
  public:
    Error(Errc code, std::string text) : code_(code), text_(std::move(text)) {}

    /// Byte offset in the input at which the error was seen.
    Error&& at(std::size_t offset) && {
        offset_ = offset;
        return std::move(*this);
    }
    /// Notify message type (RFC 2408 3.14.1) that the peer should be told.
    Error&& notify(std::uint16_t type) && {
        notify_ = type;
        return std::move(*this);
    }
    /// errno of the failed system call.
    Error&& os(int err) && {
        os_errno_ = err;
        return std::move(*this);
    }
    /// Puts what was being done in front of the text: "parsing SA payload: …".
    Error&& with(std::string_view doing) && {
        text_.insert(0, ": ").insert(0, doing);
        return std::move(*this);
    }

    Errc code() const { return code_; }
    const std::string& text() const { return text_; }
    std::optional<std::size_t> offset() const { return offset_; }
    std::uint16_t notify_type() const { return notify_; }  // 0: tell the peer nothing
    int os_errno() const { return os_errno_; }             // 0: not a system call

  private:
    Errc code_;
    int os_errno_ = 0;
    std::uint16_t notify_ = 0;
    std::optional<std::size_t> offset_;
    std::string text_;
};

/// What a failing function returns: convertible to any Result<T>.
class Failure {
  public:
    explicit Failure(Error e) : error_(std::move(e)) {}
    Failure&& at(std::size_t offset) && {
        static_cast<void>(std::move(error_).at(offset));
        return std::move(*this);
    }
    Failure&& notify(std::uint16_t type) && {
        static_cast<void>(std::move(error_).notify(type));
        return std::move(*this);
    }
    Failure&& os(int err) && {
        static_cast<void>(std::move(error_).os(err));
        return std::move(*this);
    }
    Failure&& with(std::string_view doing) && {
        static_cast<void>(std::move(error_).with(doing));
        return std::move(*this);
    }

    template <typename T>
    operator tl::expected<T, Error>() && {
        return tl::unexpected<Error>(std::move(error_));
    }

  private:
    Error error_;
};

inline Failure fail(Errc code, std::string text) {
    return Failure(Error(code, std::move(text)));
}
inline Failure fail(Error e) {
    return Failure(std::move(e));
}
/// A failed system call: "bind 0.0.0.0[500]: Address already in use".
Failure fail_os(std::string_view doing, int err);

}  // namespace racoon
