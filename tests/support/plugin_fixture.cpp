#include "support/plugin_fixture.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/random.h>

namespace racoon::test {
namespace {

FakeHost& self(void* host) {
    return *static_cast<FakeHost*>(host);
}

racoon_status provide(void* ctx, const char* point, const char* key, const void* vtable, void* impl,
                      racoon_error*) noexcept {
    self(ctx).provided.push_back({point, key, vtable, impl});
    return RACOON_OK;
}

std::int32_t log_enabled(void*, std::uint32_t) noexcept {
    return 1;
}
void log_write(void* host, std::uint32_t level, const char* text, std::size_t size) noexcept {
    static const char* const names[] = {"?",    "ERROR", "WARNING", "NOTIFY",
                                        "INFO", "DEBUG", "DEBUG2"};
    self(host).log_lines.push_back(std::string(names[level <= 6 ? level : 0]) + ": " +
                                   std::string(text, size));
}
const racoon_log_service kLog = {sizeof(kLog), log_enabled, log_write};

std::int64_t clock_now(void* host) noexcept {
    return self(host).now_ns;
}
const racoon_clock_service kClock = {sizeof(kClock), clock_now, clock_now};

const std::string* setting(void* host, const char* key) {
    const auto& all = self(host).settings;
    const auto found = all.find(key);
    return found == all.end() ? nullptr : &found->second;
}
racoon_status conf_flag(void* host, const racoon_section*, const char* key,
                        std::int32_t* out) noexcept {
    const std::string* value = setting(host, key);
    if (!value) return RACOON_NOT_FOUND;
    *out = *value == "on" ? 1 : 0;
    return RACOON_OK;
}
racoon_status conf_integer(void* host, const racoon_section*, const char* key,
                           std::int64_t* out) noexcept {
    const std::string* value = setting(host, key);
    if (!value) return RACOON_NOT_FOUND;
    *out = std::strtoll(value->c_str(), nullptr, 10);
    return RACOON_OK;
}
racoon_status conf_text(void* host, const racoon_section*, const char* key,
                        racoon_span* out) noexcept {
    const std::string* value = setting(host, key);
    if (!value) return RACOON_NOT_FOUND;
    *out = span_of(*value);
    return RACOON_OK;
}
racoon_status conf_path(void* host, const char* kind, racoon_span* out) noexcept {
    const auto found = self(host).paths.find(kind);
    if (found == self(host).paths.end()) return RACOON_NOT_FOUND;
    *out = span_of(found->second);
    return RACOON_OK;
}
const racoon_conf_service kConf = {sizeof(kConf), conf_flag, conf_integer,
                                   conf_integer,  conf_text, conf_path};

void* secret_allocate(void* host, std::size_t size) noexcept {
    self(host).secret_bytes += size;
    return std::calloc(1, size ? size : 1);
}
void secret_wipe(void*, void* memory, std::size_t size) noexcept {
    std::memset(memory, 0, size);
}
void secret_free(void* host, void* memory, std::size_t size) noexcept {
    if (!memory) return;
    secret_wipe(host, memory, size);
    self(host).secret_bytes -= size;
    std::free(memory);
}
std::int32_t secret_equal(void*, racoon_span a, racoon_span b) noexcept {
    return a.size == b.size && (a.size == 0 || std::memcmp(a.data, b.data, a.size) == 0) ? 1 : 0;
}
const racoon_secret_service kSecret = {sizeof(kSecret), secret_allocate, secret_free, secret_wipe,
                                       secret_equal};

racoon_status random_fill(void*, std::uint8_t* out, std::size_t size) noexcept {
    return getrandom(out, size, 0) == static_cast<ssize_t>(size) ? RACOON_OK : RACOON_IO;
}
const racoon_random_service kRandom = {sizeof(kRandom), random_fill};

struct NamedHash {
    const racoon_hash* table = nullptr;
    void* impl = nullptr;
    std::size_t digest = 0;
};
NamedHash named_hash(void* host, const char* name) {
    static const std::map<std::string_view, std::size_t> sizes = {
        {"md5", 16}, {"sha1", 20}, {"sha256", 32}, {"sha384", 48}, {"sha512", 64}};
    const FakeHost::Provided* p = self(host).find(RACOON_POINT_HASH, name);
    const auto size = sizes.find(name);
    if (!p || size == sizes.end()) return {};
    return {static_cast<const racoon_hash*>(p->table), p->impl, size->second};
}
racoon_status room_for(const NamedHash& hash, racoon_buffer* out) {
    if (!hash.table) return RACOON_NOT_FOUND;
    out->size = hash.digest;
    return out->capacity < hash.digest ? RACOON_BUFFER_TOO_SMALL : RACOON_OK;
}
racoon_status crypto_hash(void* host, const char* name, const racoon_span* parts, std::size_t count,
                          racoon_buffer* out) noexcept {
    const NamedHash hash = named_hash(host, name);
    const racoon_status status = room_for(hash, out);
    return status ? status : hash.table->digest(hash.impl, parts, count, out->data);
}
racoon_status crypto_hmac(void* host, const char* name, racoon_span key, const racoon_span* parts,
                          std::size_t count, racoon_buffer* out) noexcept {
    const NamedHash hash = named_hash(host, name);
    const racoon_status status = room_for(hash, out);
    return status ? status : hash.table->hmac(hash.impl, key, parts, count, out->data);
}
const racoon_crypto_service kCrypto = {sizeof(kCrypto), crypto_hash, crypto_hmac};

void op_complete(void* host, racoon_op op, racoon_status status, const void* result,
                 std::size_t size) noexcept {
    const auto* bytes = static_cast<const std::uint8_t*>(result);
    self(host).completions.push_back({op, status, {}});
    if (bytes) self(host).completions.back().result.assign(bytes, bytes + size);
}
std::int32_t op_alive(void*, racoon_op) noexcept {
    return 1;
}
const racoon_op_service kOp = {sizeof(kOp), op_complete, op_alive};

const void* get_service(void* ctx, const char* name) noexcept {
    static const std::map<std::string_view, const void*> services = {
        {RACOON_SERVICE_LOG, &kLog},       {RACOON_SERVICE_CLOCK, &kClock},
        {RACOON_SERVICE_CONF, &kConf},     {RACOON_SERVICE_SECRET, &kSecret},
        {RACOON_SERVICE_RANDOM, &kRandom}, {RACOON_SERVICE_CRYPTO, &kCrypto},
        {RACOON_SERVICE_OP, &kOp}};
    const auto& missing = self(ctx).missing_services;
    if (std::find(missing.begin(), missing.end(), name) != missing.end()) return nullptr;
    const auto found = services.find(name);
    return found == services.end() ? nullptr : found->second;
}

}  // namespace

FakeHost::FakeHost()
    : abi_{sizeof(racoon_host), RACOON_ABI_MAJOR, RACOON_ABI_MINOR, "test", this,
           get_service,         provide} {}

const FakeHost::Provided* FakeHost::find(std::string_view point, std::string_view key) const {
    for (const Provided& p : provided)
        if (p.point == point && p.key == key) return &p;
    return nullptr;
}

std::unique_ptr<LoadedPlugin> LoadedPlugin::load(const std::string& name, FakeHost& host) {
    return load_file(std::string(RACOON_BUILD_DIR) + "/lib/racoon/modules/" + name + ".so", host);
}

std::unique_ptr<LoadedPlugin> LoadedPlugin::load_file(const std::string& file, FakeHost& host) {
    // Never unmapped, as in the daemon.
    void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) {
        ADD_FAILURE() << "cannot load " << file << ": " << dlerror();
        return nullptr;
    }
    const auto* entry = static_cast<const racoon_plugin*>(dlsym(library, RACOON_PLUGIN_SYMBOL));
    if (!entry || entry->magic != RACOON_PLUGIN_MAGIC) {
        ADD_FAILURE() << file << " has no entry " << RACOON_PLUGIN_SYMBOL;
        return nullptr;
    }
    std::unique_ptr<LoadedPlugin> loaded(new LoadedPlugin(entry, host));
    loaded->first_provided_ = host.provided.size();
    racoon_error err{};
    err.struct_size = sizeof err;
    const racoon_status status = entry->init(host.abi(), &loaded->ctx_, &err);
    if (status != RACOON_OK) {
        ADD_FAILURE() << file << ": init failed with " << status << ": " << err.text;
        loaded->ctx_ = nullptr;
        return nullptr;
    }
    return loaded;
}

LoadedPlugin::~LoadedPlugin() {
    if (!ctx_) return;
    if (entry_->stop) entry_->stop(ctx_);
    if (entry_->destroy) entry_->destroy(ctx_);
    auto& all = host_.provided;
    all.resize(std::min(all.size(), first_provided_));
}

}  // namespace racoon::test
