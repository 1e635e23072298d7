#include "psk_store.hpp"

namespace credential_files {

bool PskStore::still_valid(const std::string& path) const {
    struct stat now {};
    return loaded_ && path == path_ && ::stat(path.c_str(), &now) == 0 && state_.unchanged(now);
}

std::shared_ptr<const LoadedFile> PskStore::current(const std::string& path, racoon_error* err) {
    if (still_valid(path)) return loaded_;
    if (!current_quietly(path, err)) return nullptr;
    for (const PskRemark& remark : loaded_->index().remarks())
        services_.write(RACOON_LOG_WARNING,
                        place(path, remark.line, remark.column) + ": " + remark.text);
    return loaded_;
}

std::shared_ptr<const LoadedFile> PskStore::current_quietly(const std::string& path,
                                                            racoon_error* err) {
    if (still_valid(path)) return loaded_;
    loaded_ = read(path, err);
    path_ = path;
    return loaded_;
}

std::shared_ptr<const LoadedFile> PskStore::read(const std::string& path, racoon_error* err) {
    const auto open = KeyFile::open(path, Access::Private, err);
    if (!open) return nullptr;
    auto file = std::make_shared<LoadedFile>(services_, open->capacity());
    const auto size = open->read(file->memory(), err);
    if (!size) return nullptr;
    state_ = open->state();
    file->parse(*size);
    return file;
}

}  // namespace credential_files
