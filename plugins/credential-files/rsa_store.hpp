// Plain RSA key files: looked at with each use, reread only when they changed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "key_file.hpp"
#include "rsa_key.hpp"
#include "rsa_key_file.hpp"
#include "services.hpp"

namespace credential_files {

/// One state of a file, with the private keys ready for use.
class LoadedRsaFile {
  public:
    LoadedRsaFile(const Services& services, std::size_t capacity) : memory_(services, capacity) {}

    SecretMemory& memory() { return memory_; }
    /// False with `err` filled: "file:line:column: what was found".
    bool parse(const std::string& path, std::size_t size, RsaUse use, racoon_error* err);
    const RsaKeyFile& text() const { return text_; }
    /// Of the keys in their order; empty in a file of public keys.
    const std::vector<std::shared_ptr<const RsaPrivateKey>>& private_keys() const {
        return private_;
    }
    bool writable_by_others = false;

  private:
    SecretMemory memory_;
    RsaKeyFile text_;
    std::vector<std::shared_ptr<const RsaPrivateKey>> private_;
};

class RsaStore {
  public:
    explicit RsaStore(const Services& services) : services_(services) {}

    /// The file as it is now. Null with `err` filled as KeyFile and LoadedRsaFile do it.
    std::shared_ptr<const LoadedRsaFile> current(const std::string& path, RsaUse use,
                                                 racoon_error* err);

  private:
    static constexpr std::size_t kMaxFiles = 1024;
    struct Known {
        FileState state;
        std::shared_ptr<const LoadedRsaFile> file;
        std::uint64_t used = 0;
    };
    std::shared_ptr<const LoadedRsaFile> read(const std::string& path, RsaUse use, FileState& state,
                                              racoon_error* err) const;
    void make_room();

    const Services& services_;
    std::map<std::pair<std::string, RsaUse>, Known> known_;
    std::uint64_t uses_ = 0;
};

/// What key_find has found: keys to be tried in their order.
struct RsaFound {
    std::shared_ptr<const LoadedRsaFile> file;
    const RsaKey* key = nullptr;
    std::shared_ptr<const RsaPrivateKey> private_key;  // null: public
};

/// Takes the keys of `file` that fit as well as the best so far, or better ones instead.
void take_best(const std::shared_ptr<const LoadedRsaFile>& file, const racoon_addr& local,
               const racoon_addr& peer, int& best, std::vector<RsaFound>& found);

}  // namespace credential_files
