// The warnings about a configuration that works: one table, from which messages, the `warnings` block,
// `racoonctl explain` and the manual take their names.
//
//     warnings { weak_group off; }                      # in the file as a whole
//     remote 192.0.2.1 { warnings { weak_group off; } … }   # in one section
//
//     diagnostics.warning(Warning::WeakGroup, where, "…");  // "racoon.conf:8:18: warning: … [weak_group]"
//
// A name, once released, keeps its meaning: it stands in people's files.
#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <utility>

namespace racoon::conf {

struct Span;

enum class Warning : std::uint8_t {
    // weak choices
    WeakCipher,
    WeakHash,
    WeakIntegrity,
    WeakGroup,
    WeakKey,
    WeakMode,
    WeakPsk,
    WeakRsaKey,
    NoEncryption,
    NoIntegrity,
    UncheckedPeer,
    LongLifetime,
    // sections that do not do what they seem to
    Tied,
    Shadowed,
    Unused,
    UnservedPolicy,
    OneWay,
    NoSaInfo,
    Repeated,
    NoEffect,
    ShortLifetime,
    LifetimeOrder,
    TimerOrder,
    NattPort,
    HostBits,
    OddValue,
    NoCompression,
    // files, modules, spellings
    MissingFile,
    UnsafeFile,
    UncheckedFile,
    KeyFileMode,
    PskLine,
    MissingModule,
    NotSupported,
    Deprecated,
    StrayCharacter,
};
inline constexpr std::size_t kWarnings = static_cast<std::size_t>(Warning::StrayCharacter) + 1;

struct WarningInfo {
    Warning warning;
    std::string_view name;    // as in the messages and in `warnings { … }`
    std::string_view help;    // when it is told, and what to do
    std::string_view source;  // who says so; empty: nobody but racoon
};

/// In the order of the enumeration.
std::span<const WarningInfo> warning_table();
const WarningInfo& about(Warning warning);

/// What the `warnings` blocks of a load switch off.
class Silence {
  public:
    /// In the whole load.
    void set(Warning warning, bool told) { set(everywhere_, warning, told); }
    /// From `begin` up to `end`, which lie in one file; stronger than what holds everywhere. Sections do
    /// not overlap.
    void set(Warning warning, bool told, const Span& begin, const Span& end);
    bool covers(Warning warning) const { return everywhere_.off[index(warning)]; }
    bool covers(Warning warning, const Span& where) const;

  private:
    struct Settings {
        std::bitset<kWarnings> off, on;
    };
    struct Section {
        std::uint32_t end = 0;
        Settings settings;
    };
    static std::size_t index(Warning warning) { return static_cast<std::size_t>(warning); }
    static void set(Settings& in, Warning warning, bool told) {
        in.off.set(index(warning), !told);
        in.on.set(index(warning), told);
    }

    Settings everywhere_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, Section> sections_;  // by file and offset
};

}  // namespace racoon::conf
