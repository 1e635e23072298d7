// psk.txt on disk: looked at with each use, checked as racoon does, reread only when it changed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <vector>

#include <racoon/plugin.h>

#include "psk_file.hpp"

namespace credential_files {

/// What a module needs of its host.
struct Services {
    void* host = nullptr;
    const racoon_conf_service* conf = nullptr;
    const racoon_secret_service* secret = nullptr;
    const racoon_crypto_service* crypto = nullptr;
    const racoon_log_service* log = nullptr;  // may be null

    void write(std::uint32_t level, const std::string& text) const {
        if (log) log->write(host, level, text.data(), text.size());
    }
};

/// One state of the file: its bytes, in memory for secrets, and the index over them.
class LoadedFile {
  public:
    LoadedFile(const Services& services, std::size_t capacity);
    ~LoadedFile();
    LoadedFile(const LoadedFile&) = delete;
    LoadedFile& operator=(const LoadedFile&) = delete;

    std::uint8_t* memory() { return memory_; }  // null: no memory
    std::size_t capacity() const { return capacity_; }
    void parse(std::size_t size) { index_ = PskIndex::parse({memory_, size}); }
    const PskIndex& index() const { return index_; }

  private:
    const Services& services_;
    std::uint8_t* memory_;
    std::size_t capacity_;
    PskIndex index_;
};

class PskStore {
  public:
    explicit PskStore(const Services& services) : services_(services) {}

    /// The file as it is now. Keys found in it stay valid as long as the pointer is held. Null with
    /// `err` filled: RACOON_NOT_FOUND (no path, no file), RACOON_DENIED (not ours, or open to
    /// others; the text names owner, mode and the command that mends it), RACOON_IO, RACOON_CONFIG.
    std::shared_ptr<const LoadedFile> current(const std::string& path, racoon_error* err);

  private:
    std::shared_ptr<const LoadedFile> read(const std::string& path, racoon_error* err);
    bool unchanged(const struct stat& now) const;

    const Services& services_;
    std::shared_ptr<const LoadedFile> loaded_;
    std::string path_;
    struct stat seen_ {};
    bool seen_too_fresh_ = false;  // a later write could leave the same times
};

racoon_status report(racoon_error* err, racoon_status status, int os_errno,
                     const std::string& text);

}  // namespace credential_files
