// A file with keys on disk: opened, checked as racoon does, and read into memory for secrets, all on
// the same descriptor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <sys/stat.h>

#include "services.hpp"

namespace credential_files {

inline constexpr std::size_t kMaxKeyFile = 16u << 20;  // bytes

/// Memory for secrets; wiped by the host when it goes.
class SecretMemory {
  public:
    SecretMemory(const Services& services, std::size_t capacity);
    ~SecretMemory();
    SecretMemory(const SecretMemory&) = delete;
    SecretMemory& operator=(const SecretMemory&) = delete;

    std::uint8_t* data() { return memory_; }  // null: no memory
    std::size_t capacity() const { return capacity_; }

  private:
    const Services& services_;
    std::uint8_t* memory_;
    std::size_t capacity_;
};

/// Who may use a file. Private: a file of the daemon's own, closed to everybody else, as racoon has
/// always wanted it for psk.txt. Public: any regular file.
enum class Access : std::uint8_t { Private, Public };

/// Which state of a file was read.
class FileState {
  public:
    /// False as well when a later write could have left the same times.
    bool unchanged(const struct stat& now) const;
    mode_t mode() const { return seen_.st_mode; }

  private:
    friend class KeyFile;
    struct stat seen_ {};
    bool known_ = false;
    bool too_fresh_ = false;
};

/// Opened and checked, not yet read.
class KeyFile {
  public:
    /// Nothing with `err` filled: RACOON_NOT_FOUND (no file), RACOON_DENIED (not ours, open to
    /// others, no regular file; the text names owner, mode and the command that mends it), RACOON_IO,
    /// RACOON_CONFIG (too large).
    static std::optional<KeyFile> open(const std::string& path, Access access, racoon_error* err);
    ~KeyFile();
    KeyFile(KeyFile&& other) noexcept;
    KeyFile(const KeyFile&) = delete;
    KeyFile& operator=(const KeyFile&) = delete;

    const FileState& state() const { return state_; }
    /// Room for the file, and a byte more that shows whether it has grown.
    std::size_t capacity() const { return static_cast<std::size_t>(state_.seen_.st_size) + 1; }
    /// The size that was read into `memory`, of capacity() bytes. Errors: RACOON_NO_MEMORY,
    /// RACOON_IO, RACOON_BUSY (it grew meanwhile).
    std::optional<std::size_t> read(SecretMemory& memory, racoon_error* err) const;

  private:
    KeyFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
    std::string path_;
    int fd_;
    FileState state_;
};

}  // namespace credential_files
