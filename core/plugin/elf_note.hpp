// The manifest of a module, read from its ELF file without running any of its code.
//
//     auto facts = read_elf_facts(bytes_of("auth-psk.so"));
//     if (facts) parse_manifest(facts->manifest);
//
// The manifest is the descriptor of a note with owner "Racoon" and type 1 in a PT_NOTE segment. The
// reader understands 32- and 64-bit files of both byte orders, and believes no offset or length in
// them. It also collects what makes a library unfit to be mapped into a daemon.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace racoon::plugin {

/// Largest module file and largest manifest that are looked at.
inline constexpr std::size_t kMaxModuleFile = 64u << 20;
inline constexpr std::size_t kMaxManifest = 256u << 10;

struct ElfFacts {
    bool is_64 = false;
    bool big_endian = false;
    std::uint16_t type = 0;     // 3: shared object
    std::uint16_t machine = 0;  // EM_…
    bool has_note = false;
    std::string manifest;  // bytes of the note's descriptor
    std::string build_id;  // the linker's note ("GNU", type 3), hexadecimal; "" without one
    bool text_relocations = false;
    bool executable_stack = false;
    std::optional<std::string> relative_runpath;  // a RPATH or RUNPATH entry that is not absolute
};

/// Errors: Malformed and Truncated (not a well-formed ELF file), with the offset; TooLong. A file
/// without the note is no error: has_note tells.
Result<ElfFacts> read_elf_facts(ByteView file);

/// Why a file that is well formed must not be mapped; ok() if nothing is wrong with it.
Status check_elf_facts(const ElfFacts& facts);

}  // namespace racoon::plugin
