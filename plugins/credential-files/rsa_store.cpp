#include "rsa_store.hpp"

#include <algorithm>

namespace credential_files {

bool LoadedRsaFile::parse(const std::string& path, std::size_t size, RsaUse use,
                          racoon_error* err) {
    text_ = RsaKeyFile::parse({memory_.data(), size}, use);
    if (!text_.good()) {
        const RsaRemark& e = text_.error();
        report_at(err, RACOON_CONFIG, path, e.line, e.column, e.text);
        return false;
    }
    if (use == RsaUse::Public) return true;
    for (const RsaKey& key : text_.keys()) {
        std::string why;
        private_.push_back(RsaPrivateKey::make(key, why));
        if (private_.back()) continue;
        report_at(err, RACOON_CONFIG, path, key.line, key.column,
                  "the numbers of this key do not fit: " + why);
        return false;
    }
    return true;
}

std::shared_ptr<const LoadedRsaFile> RsaStore::current(const std::string& path, RsaUse use,
                                                       racoon_error* err) {
    const std::pair key(path, use);
    const auto known = known_.find(key);
    struct stat now {};
    if (known != known_.end() && ::stat(path.c_str(), &now) == 0 &&
        known->second.state.unchanged(now)) {
        known->second.used = ++uses_;
        return known->second.file;
    }
    if (known != known_.end()) known_.erase(known);
    Known fresh;
    fresh.file = read(path, use, fresh.state, err);
    if (!fresh.file) return nullptr;
    fresh.used = ++uses_;
    make_room();
    return known_.emplace(key, std::move(fresh)).first->second.file;
}

void RsaStore::make_room() {
    if (known_.size() < kMaxFiles) return;
    known_.erase(std::min_element(known_.begin(), known_.end(), [](const auto& a, const auto& b) {
        return a.second.used < b.second.used;
    }));
}

std::shared_ptr<const LoadedRsaFile> RsaStore::read(const std::string& path, RsaUse use,
                                                    FileState& state, racoon_error* err) const {
    const auto open =
        KeyFile::open(path, use == RsaUse::Private ? Access::Private : Access::Public, err);
    if (!open) return nullptr;
    auto file = std::make_shared<LoadedRsaFile>(services_, open->capacity());
    const auto size = open->read(file->memory(), err);
    if (!size || !file->parse(path, *size, use, err)) return nullptr;
    state = open->state();
    file->writable_by_others = (state.mode() & 022) != 0;
    return file;
}

void take_best(const std::shared_ptr<const LoadedRsaFile>& file, const racoon_addr& local,
               const racoon_addr& peer, int& best, std::vector<RsaFound>& found) {
    const auto& keys = file->text().keys();
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const int fits = score(keys[i], local, peer);
        if (fits < 0 || fits < best) continue;
        if (fits > best) found.clear();
        best = fits;
        RsaFound one{file, &keys[i], nullptr};
        if (!file->private_keys().empty()) one.private_key = file->private_keys()[i];
        found.push_back(std::move(one));
    }
}

}  // namespace credential_files
