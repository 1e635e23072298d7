// The format of psk.txt, as racoon has always read it:
//
//     # comment, in the first column
//     192.0.2.1           the key, with blanks, up to the end of the line
//     vpn.example.org     0x6b6579        # (hex: this comment would be an error)
//     ~300d310b3009...    a distinguished name, as the hex digits of its DER in lower case
//     *                   for everybody else
//
// The first line whose identifier matches decides, be it literal or "*". Lines without a key are
// skipped. What racoon would have read wrongly or cut short is an error as soon as the line
// matches, so that no later line, for example "*", takes its place unnoticed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace credential_files {

inline constexpr std::size_t kMaxLine = 1023;  // bytes, without the newline
inline constexpr std::size_t kMaxEntries = 200'000;
inline constexpr std::size_t kMaxRemarks = 20;  // more are counted, not kept

struct PskEntry {
    unsigned line = 0;    // from 1
    unsigned column = 0;  // of the key, from 1; with a problem: of what is wrong
    std::string_view id;
    std::span<const std::uint8_t> key;
    const char* problem = nullptr;  // not null: the line cannot be used
    bool hex = false;               // the key was written as 0x...
};

/// Something the administrator should know; never holds key material.
struct PskRemark {
    unsigned line = 0;
    unsigned column = 0;
    const char* text = nullptr;
};

class PskIndex {
  public:
    /// Reads `text` and keeps views into it; keys written in hex are decoded in place. The memory
    /// is the caller's (it holds secrets) and must outlive the index.
    static PskIndex parse(std::span<std::uint8_t> text);

    /// The first entry whose identifier is `id` or "*"; null: none. Constant time in their number.
    const PskEntry* find(std::string_view id) const;

    const std::vector<PskEntry>& entries() const { return entries_; }
    const std::vector<PskRemark>& remarks() const { return remarks_; }

    /// Keys that are short or that everybody tries first (RFC 2409's pre-shared keys can be guessed
    /// by whoever saw or took part in one negotiation). At most kMaxRemarks.
    std::vector<PskRemark> weak_keys() const;

  private:
    void add_line(std::span<std::uint8_t> line, unsigned number);
    void odd_key(unsigned number, unsigned column, std::span<const std::uint8_t> key);
    void remark(unsigned line, unsigned column, const char* text);

    static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
    std::vector<PskEntry> entries_;
    std::vector<PskRemark> remarks_;
    std::unordered_map<std::string_view, std::size_t> first_;  // of each literal identifier
    std::size_t wildcard_ = kNone;                             // the first "*"
};

}  // namespace credential_files
