// A stack of IPsec that setkey works on. Whatever it speaks itself, it is asked in messages of PF_KEY and
// answers in them, so that requests and dumps are the same everywhere.
//
//     RACOON_TRY(const std::unique_ptr<Stack> stack, stack_select("auto"));
//     const int error = stack->transact(message, [](const Told& answer) { … });
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "pfkey/message.hpp"

namespace racoon::setkey {

/// What a stack tells: a message of PF_KEY, and what PF_KEY has no field for.
struct Told : pfkey::Message {
    Told() = default;
    Told(pfkey::Message m) : pfkey::Message(std::move(m)) {}  // NOLINT(google-explicit-constructor)

    std::string encryption,
        authentication;                   // names of algorithms that no number says; "": by number
    std::optional<std::uint32_t> window;  // packets, where `sa` has no room for them
    std::vector<std::string> beyond;      // "if_id=0x7", each without a blank
};

class Stack {
  public:
    virtual ~Stack() = default;

    /// Errors: Unsupported, with what this kernel lacks, where another stack may be tried; Denied; Io.
    virtual Status open() = 0;
    virtual const pfkey::Dialect& dialect() const { return pfkey::native_dialect(); }
    virtual bool is_kernels() const { return true; }

    using Each = std::function<void(const Told&)>;
    /// Numbers the message, sends it and waits for its answer; of a dump, for all. 0, or errno as PF_KEY
    /// has it; ETIMEDOUT where no answer came.
    virtual int transact(pfkey::Message& message, const Each& answer) = 0;

    /// From now on receive() has what the kernel and other programs say. Errors: Io.
    virtual Status watch() = 0;
    /// Readable when there is something to receive.
    virtual int fd() const = 0;
    enum class Got : std::uint8_t { Nothing, Message, Malformed, Overrun, Broken };
    /// The next message, without waiting.
    virtual Got receive(Told* out) = 0;
    /// Bytes of the last message received, as PF_KEY carries it. Until the next receive().
    virtual pfkey::ByteView last() const = 0;
};

/// Words of --kernel: "auto" is the first of the others that this kernel has.
std::vector<std::string_view> stack_words();
/// An open stack. Errors: Unsupported, with what the kernel lacks of all that were tried; Denied; Io.
/// `socket`: the path at which a daemon with a stack of its own listens, which is then the one; "": wherever it does.
Result<std::unique_ptr<Stack>> stack_select(std::string_view word, const std::string& socket = {});

}  // namespace racoon::setkey
