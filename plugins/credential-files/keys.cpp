#include "keys.hpp"

#include <algorithm>
#include <string_view>

namespace credential_files {
namespace {

constexpr std::string_view kFormatPsk = "psk";
constexpr std::string_view kFormatPlainRsa = "plain_rsa";

// Names by which warnings are silenced.
constexpr std::string_view kWeakPsk = "weak_psk";
constexpr std::string_view kPskLine = "psk_line";
constexpr std::string_view kWeakRsaKey = "weak_rsa_key";
constexpr std::string_view kKeyFileMode = "key_file_mode";

struct KeysHandle final : Handle {
    std::vector<RsaFound> keys;
};

std::string_view text_of(racoon_span bytes) {
    return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}

racoon_span span_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Tells remarks to whoever asked.
class Remarks {
  public:
    using Callback = void (*)(void*, const racoon_key_remark*) RACOON_NOEXCEPT;
    Remarks(Callback callback, void* arg) : callback_(callback), arg_(arg) {}
    void tell(unsigned line, unsigned column, std::string_view name, std::string_view text) const {
        if (!callback_) return;
        racoon_key_remark remark{};
        remark.struct_size = sizeof remark;
        remark.line = line;
        remark.column = column;
        remark.name = span_of(name);
        remark.text = span_of(text);
        callback_(arg_, &remark);
    }

  private:
    Callback callback_;
    void* arg_;
};

/// A file that is named must exist: other providers do not have it either.
racoon_status refused(racoon_error* err) {
    if (err->status == RACOON_NOT_FOUND) err->status = RACOON_IO;
    return err->status;
}

racoon_status check_psk(Plugin& plugin, const std::string& path, const Remarks& remarks,
                        racoon_error* err) {
    const auto file = plugin.psk.current_quietly(path, err);
    if (!file) return refused(err);
    for (const PskRemark& r : file->index().remarks())
        remarks.tell(r.line, r.column, kPskLine, r.text);
    for (const PskRemark& r : file->index().weak_keys())
        remarks.tell(r.line, r.column, kWeakPsk, r.text);
    return RACOON_OK;
}

racoon_status check_plain_rsa(Plugin& plugin, const std::string& path, RsaUse use,
                              const Remarks& remarks, racoon_error* err) {
    const auto file = plugin.rsa.current(path, use, err);
    if (!file) return refused(err);
    if (file->writable_by_others)
        remarks.tell(0, 0, kKeyFileMode,
                     "others may write to this file, and whose key it holds is trusted; run: chmod "
                     "go-w " +
                         path);
    for (const RsaRemark& r : file->text().remarks())
        remarks.tell(r.line, r.column, kWeakRsaKey, r.text);
    return RACOON_OK;
}

}  // namespace

racoon_status check_file(void* impl, const racoon_key_file* file,
                         void (*remark)(void* arg, const racoon_key_remark* remark) RACOON_NOEXCEPT,
                         void* arg, racoon_error* err) noexcept {
    auto& plugin = *static_cast<Plugin*>(impl);
    racoon_error scratch{};
    if (!err) err = &scratch;
    const Remarks remarks(remark, arg);
    const std::string path(text_of(file->path));
    const std::string_view format = text_of(file->format);
    if (format == kFormatPsk && file->use == RACOON_KEY_PSK)
        return check_psk(plugin, path, remarks, err);
    if (format == kFormatPlainRsa && file->use == RACOON_KEY_SIGN)
        return check_plain_rsa(plugin, path, RsaUse::Private, remarks, err);
    if (format == kFormatPlainRsa && file->use == RACOON_KEY_VERIFY)
        return check_plain_rsa(plugin, path, RsaUse::Public, remarks, err);
    return report(err, RACOON_NOT_FOUND, 0, "no key file of a known format");
}

racoon_status key_find(void* impl, const racoon_key_query* query, void** handle, std::size_t* count,
                       racoon_error* err) noexcept {
    auto& plugin = *static_cast<Plugin*>(impl);
    racoon_error scratch{};
    if (!err) err = &scratch;
    *handle = nullptr;
    *count = 0;
    if (text_of(query->format) != kFormatPlainRsa ||
        (query->use != RACOON_KEY_SIGN && query->use != RACOON_KEY_VERIFY))
        return report(err, RACOON_NOT_FOUND, 0, "no keys of this format");
    const RsaUse use = query->use == RACOON_KEY_SIGN ? RsaUse::Private : RsaUse::Public;
    auto found = std::make_unique<KeysHandle>();
    int best = 0;
    std::string files;
    for (std::size_t i = 0; i < query->file_count; ++i) {
        const std::string path(text_of(query->files[i]));
        const auto file = plugin.rsa.current(path, use, err);
        if (!file) return refused(err);
        take_best(file, query->local, query->peer, best, found->keys);
        files += (files.empty() ? "" : ", ") + path;
    }
    if (found->keys.empty())
        return report(err, RACOON_NOT_FOUND, 0,
                      "no RSA key for these addresses in " + (files.empty() ? "no file" : files));
    *count = found->keys.size();
    *handle = static_cast<Handle*>(found.release());
    return RACOON_OK;
}

racoon_status sign(void*, void* handle, std::size_t index, std::uint32_t scheme, racoon_span hash,
                   racoon_buffer* out) noexcept {
    const auto* keys = dynamic_cast<const KeysHandle*>(static_cast<const Handle*>(handle));
    if (!keys || index >= keys->keys.size()) return RACOON_INVALID_ARGUMENT;
    const auto& key = keys->keys[index].private_key;
    if (!key) return RACOON_DENIED;
    if (scheme != RACOON_SIGN_RSA_BARE_HASH) return RACOON_NOT_SUPPORTED;
    return key->sign_bare_hash(hash, *out);
}

racoon_status public_key(void*, void* handle, std::size_t index, racoon_buffer* out) noexcept {
    const auto* keys = dynamic_cast<const KeysHandle*>(static_cast<const Handle*>(handle));
    if (!keys || index >= keys->keys.size()) return RACOON_INVALID_ARGUMENT;
    const RsaKey& key = *keys->keys[index].key;
    const std::vector<std::uint8_t> der = public_key_der(key.n, key.e);
    if (der.empty()) return RACOON_CRYPTO;
    out->size = der.size();
    if (out->capacity < der.size()) return RACOON_BUFFER_TOO_SMALL;
    std::copy(der.begin(), der.end(), out->data);
    return RACOON_OK;
}

}  // namespace credential_files
