// setkey at work on a kernel.
#pragma once

#include <memory>
#include <string>

#include "setkey/arguments.hpp"
#include "setkey/command.hpp"
#include "setkey/print.hpp"
#include "setkey/stack.hpp"

namespace racoon::setkey {

class Session {
  public:
    Session(const Arguments& how, std::string program) : how_(how), program_(std::move(program)) {}

    /// What --kernel names, before anything else but decode_file. Errors: those of stack_select.
    Status open();
    /// Prints what it finds, and on standard error what the kernel refuses; a refusal is not an error of
    /// setkey's, as scripts know it.
    void run(const Command& command, const conf::Location& where);
    void dump();
    void flush();
    /// Until it is interrupted, or the socket fails.
    Status watch();
    /// A file of raw messages. Errors: Io, Malformed.
    Status decode_file(const std::string& name);

  private:
    int transact(pfkey::Message message, const Stack::Each& each);
    void print_dump(bool policies, SaProtocol protocol);
    void delete_all(const Command& command, const std::string& where);
    void refused(const std::string& where, const Command& command, int error);
    void show(const Told& message) const;
    PrintSetting setting() const;

    const Arguments& how_;
    std::string program_;
    std::unique_ptr<Stack> stack_;
};

/// What a kernel's refusal most likely means, for somebody who wrote the command; "": nothing to add.
/// `kernels`: it is the kernel that refused.
std::string refusal_hint(const Command& command, int error, bool kernels);

}  // namespace racoon::setkey
