// credential-files: pre-shared keys from `path pre_shared_key` (psk.txt) and plain RSA keys from the
// files that a `remote` names. Served by the keeper; a key never leaves this module, only
// prf(key, ...) and signatures do.
#include <arpa/inet.h>
#include <cstdint>
#include <memory>
#include <net/if.h>
#include <string>
#include <utility>

#include "keys.hpp"
#include "racoon_manifest.h"

namespace {

using credential_files::Handle;
using credential_files::LoadedFile;
using credential_files::Plugin;
using credential_files::PskEntry;
using credential_files::report;
using credential_files::Services;

// ID types of RFC 2407 section 4.6.2.1.
constexpr std::uint32_t kIdIpv4Addr = 1;
constexpr std::uint32_t kIdFqdn = 2;
constexpr std::uint32_t kIdUserFqdn = 3;
constexpr std::uint32_t kIdIpv6Addr = 5;
constexpr std::uint32_t kIdDerAsn1Dn = 9;
constexpr std::uint32_t kIdKeyId = 11;

/// A key in use. Holds the state of the file that it is from, which may since have been replaced.
struct PskHandle final : Handle {
    PskHandle(std::shared_ptr<const LoadedFile> f, const PskEntry* e)
        : file(std::move(f)), entry(e) {}
    std::shared_ptr<const LoadedFile> file;
    const PskEntry* entry;
};

std::string address_text(unsigned family, const std::uint8_t* bytes, std::uint32_t scope) {
    char text[INET6_ADDRSTRLEN] = {};
    if (family != 4 && family != 6) return {};
    if (!::inet_ntop(family == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text)) return {};
    char name[IF_NAMESIZE] = {};
    if (family == 6 && scope != 0 && ::if_indextoname(scope, name))
        return std::string(text) + "%" + name;
    return text;
}

/// A distinguished name is not parsed here, where private keys are: it came from the peer.
std::string name_text(racoon_span der) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string out = "~";
    for (std::size_t i = 0; i < der.size; ++i) {
        out += kDigits[der.data[i] >> 4];
        out += kDigits[der.data[i] & 15];
    }
    return out;
}

/// The identity as psk.txt writes it; empty: of a kind that psk.txt has no text for.
std::string identity_text(const racoon_identity& id) {
    switch (id.type) {
        case kIdFqdn:
        case kIdUserFqdn:
        case kIdKeyId:
            return {reinterpret_cast<const char*>(id.data.data), id.data.size};
        case kIdIpv4Addr:
            return id.data.size == 4 ? address_text(4, id.data.data, 0) : std::string();
        case kIdIpv6Addr:
            return id.data.size == 16 ? address_text(6, id.data.data, 0) : std::string();
        case kIdDerAsn1Dn:
            return name_text(id.data);
        default:
            return {};
    }
}

constexpr std::size_t kMaxShown = 128;  // characters

/// For the log: an identity comes from the peer.
std::string printable(const std::string& text) {
    std::string out;
    for (const char c : text.substr(0, kMaxShown)) out += c >= 0x20 && c < 0x7f ? c : '?';
    return out;
}

/// Another provider may still have a key, so the caller does not report this: the log must.
racoon_status not_found(const Services& services, racoon_error* err, const std::string& text) {
    services.write(RACOON_LOG_NOTIFY, text);
    return report(err, RACOON_NOT_FOUND, 0, text);
}

racoon_status psk_find(void* impl, const racoon_psk_query* query, void** handle,
                       racoon_error* err) noexcept {
    auto& plugin = *static_cast<Plugin*>(impl);
    *handle = nullptr;
    racoon_span path{};
    if (plugin.services.conf->get_path(plugin.services.host, "pre_shared_key", &path) != RACOON_OK)
        return not_found(plugin.services, err,
                         "racoon.conf has no `path pre_shared_key \"/etc/racoon/psk.txt\";`");
    const std::string file_name(reinterpret_cast<const char*>(path.data), path.size);
    auto file = plugin.psk.current(file_name, err);
    if (!file) {
        if (err->status == RACOON_NOT_FOUND)
            return not_found(plugin.services, err, std::string(err->text));
        return err->status;
    }

    // Main mode knows only the address (RFC 2409 section 5.4); the other modes the identity first.
    const std::string address =
        address_text(query->peer.family, query->peer.bytes, query->peer.scope);
    std::string tried = address;
    const PskEntry* entry = nullptr;
    if (query->has_peer_id) {
        tried = identity_text(query->peer_id);
        entry = file->index().find(tried);
        if (!entry && query->address_fallback) {
            plugin.services.write(RACOON_LOG_NOTIFY, "couldn't find the proper pskey for \"" +
                                                         printable(tried) + "\" in " + file_name +
                                                         ", trying the address " + address);
            tried += "\" nor for \"" + address;
            entry = file->index().find(address);
        }
    } else {
        entry = file->index().find(address);
    }
    if (!entry)
        return not_found(
            plugin.services, err,
            file_name + " has no line for \"" + printable(tried) + "\": couldn't find the pskey");
    if (entry->problem)
        return credential_files::report_at(err, RACOON_CONFIG, file_name, entry->line,
                                           entry->column, entry->problem);
    *handle = static_cast<Handle*>(new PskHandle(std::move(file), entry));
    return RACOON_OK;
}

// The PRF of a hash is its HMAC (RFC 2409 section 4).
racoon_status psk_prf(void* impl, void* handle, const char* hash, const racoon_span* parts,
                      std::size_t count, racoon_buffer* out) noexcept {
    const Services& services = static_cast<Plugin*>(impl)->services;
    const auto* found = dynamic_cast<const PskHandle*>(static_cast<const Handle*>(handle));
    if (!found) return RACOON_INVALID_ARGUMENT;
    const auto key = found->entry->key;
    return services.crypto->hmac(services.host, hash, {key.data(), key.size()}, parts, count, out);
}

void release(void*, void* handle) noexcept {
    delete static_cast<Handle*>(handle);
}

const racoon_credential kCredential = {sizeof(racoon_credential),
                                       psk_find,
                                       psk_prf,
                                       release,
                                       credential_files::check_file,
                                       credential_files::key_find,
                                       credential_files::sign,
                                       credential_files::public_key};

template <typename Service>
bool get(const racoon_host* host, const char* name, const Service*& out) {
    out = static_cast<const Service*>(host->get_service(host->ctx, name));
    return out != nullptr;
}

racoon_status init(const racoon_host* host, void** ctx, racoon_error* err) noexcept {
    auto plugin = std::make_unique<Plugin>();
    Services& services = plugin->services;
    services.host = host->ctx;
    get(host, RACOON_SERVICE_LOG, services.log);
    if (!get(host, RACOON_SERVICE_CONF, services.conf) ||
        !get(host, RACOON_SERVICE_SECRET, services.secret) ||
        !get(host, RACOON_SERVICE_CRYPTO, services.crypto))
        return report(err, RACOON_NOT_SUPPORTED, 0,
                      "this racoon lacks one of the services conf, secret and crypto, version 1");
    const racoon_status status =
        host->provide(host->ctx, RACOON_POINT_CREDENTIAL, "files", &kCredential, plugin.get(), err);
    if (status != RACOON_OK) return status;
    *ctx = plugin.release();
    return RACOON_OK;
}

void destroy(void* ctx) noexcept {
    delete static_cast<Plugin*>(ctx);
}

}  // namespace

RACOON_PLUGIN_ENTRY = {
    RACOON_PLUGIN_HEADER,
    "credential-files 1.0.0",
    init,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    destroy,
    nullptr,
};
