// psk.txt: looked at with each use, reread only when it changed.
#pragma once

#include <memory>
#include <string>

#include "key_file.hpp"
#include "psk_file.hpp"
#include "services.hpp"

namespace credential_files {

/// One state of the file: its bytes, in memory for secrets, and the index over them.
class LoadedFile {
  public:
    LoadedFile(const Services& services, std::size_t capacity) : memory_(services, capacity) {}

    SecretMemory& memory() { return memory_; }
    void parse(std::size_t size) { index_ = PskIndex::parse({memory_.data(), size}); }
    const PskIndex& index() const { return index_; }

  private:
    SecretMemory memory_;
    PskIndex index_;
};

class PskStore {
  public:
    explicit PskStore(const Services& services) : services_(services) {}

    /// The file as it is now. Keys found in it stay valid as long as the pointer is held. Null with
    /// `err` filled as KeyFile does it. What is odd in lines goes to the log when the file was read.
    std::shared_ptr<const LoadedFile> current(const std::string& path, racoon_error* err);
    /// The same, but nothing goes to the log: who asks tells what it finds.
    std::shared_ptr<const LoadedFile> current_quietly(const std::string& path, racoon_error* err);

  private:
    std::shared_ptr<const LoadedFile> read(const std::string& path, racoon_error* err);
    bool still_valid(const std::string& path) const;

    const Services& services_;
    std::shared_ptr<const LoadedFile> loaded_;
    std::string path_;
    FileState state_;
};

}  // namespace credential_files
