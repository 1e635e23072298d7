#include "privsep/credentials.hpp"

#include "log/log.hpp"
#include "plugin/callout.hpp"
#include "privsep/kernel.hpp"

namespace racoon::privsep {

namespace {

using plugin::Callout;

racoon_span span_of(ByteView bytes) {
    return {bytes.data(), bytes.size()};
}

/// Releases a key handle on every way out.
class Handle {
  public:
    Handle(const plugin::Provider& provider, const racoon_credential& table)
        : provider_(provider), table_(table) {}
    ~Handle() {
        if (raw == nullptr) return;
        const Callout callout(provider_.module, "release");
        table_.release(provider_.impl, raw);
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    void* raw = nullptr;

  private:
    const plugin::Provider& provider_;
    const racoon_credential& table_;
};

Result<Secret> prf_of(const plugin::Provider& provider, const racoon_credential& table,
                      void* handle, const std::string& hash, ByteView ni, ByteView nr) {
    Secret out(RACOON_MAX_DIGEST);
    racoon_buffer buffer{out.span().data(), out.size(), 0};
    const racoon_span parts[] = {span_of(ni), span_of(nr)};
    racoon_status status = RACOON_INTERNAL;
    {
        const Callout callout(provider.module, "psk_prf");
        status = plugin::known_status(
            table.psk_prf(provider.impl, handle, hash.c_str(), parts, std::size(parts), &buffer));
    }
    if (status != RACOON_OK)
        return fail(plugin::status_errc(status),
                    "module " + provider.module + " cannot compute SKEYID with " + hash);
    if (buffer.size == 0 || buffer.size > out.size())
        return fail(Errc::Plugin, "module " + provider.module + " returned a SKEYID of " +
                                      std::to_string(buffer.size) + " bytes");
    out.truncate(buffer.size);
    return out;
}

}  // namespace

Status psk_of_address(const plugin::Registry& registry, const Endpoint& peer) {
    racoon_psk_query query{};
    query.struct_size = sizeof query;
    query.role = RACOON_ROLE_INITIATOR;
    query.exchange_type = 2;  // main mode, which knows nothing but the address
    query.peer = to_abi(peer);
    Error none(Errc::NotFound, "no loaded module has pre-shared keys");
    for (const plugin::Provider* provider : registry.ranked(RACOON_POINT_CREDENTIAL)) {
        const auto* table = provider->as<racoon_credential>();
        if (table == nullptr) continue;
        Handle handle(*provider, *table);
        racoon_error error = plugin::empty_error();
        const Callout callout(provider->module, "psk_find");
        const racoon_status status =
            plugin::known_status(table->psk_find(provider->impl, &query, &handle.raw, &error));
        if (status == RACOON_OK) return ok();
        const Status failed = plugin::plugin_failure(error, status);
        if (status != RACOON_NOT_FOUND) return failed;
        none = Error(Errc::NotFound, failed.error().text());
    }
    return fail(std::move(none));
}

Result<Secret> psk_skeyid(const plugin::Registry& registry, const Phase1Facts& phase1,
                          ByteView our_nonce, const exchange::Phase1Skeyid& request) {
    racoon_psk_query query{};
    query.struct_size = sizeof query;
    query.role = phase1.initiator ? RACOON_ROLE_INITIATOR : RACOON_ROLE_RESPONDER;
    query.exchange_type = phase1.exchange_type;
    query.has_peer_id = request.peer_id.type != 0 ? 1 : 0;
    query.local = to_abi(phase1.local);
    query.peer = to_abi(phase1.peer);
    query.peer_id.type = request.peer_id.type;
    query.peer_id.port = request.peer_id.port;
    query.peer_id.protocol = request.peer_id.protocol;
    query.peer_id.data = span_of(request.peer_id.data);
    query.section = span_of(as_bytes(phase1.section->name));
    query.address_fallback = phase1.section->verify_identifier ? 0 : 1;

    const ByteView ni = phase1.initiator ? our_nonce : ByteView(request.peer_nonce);
    const ByteView nr = phase1.initiator ? ByteView(request.peer_nonce) : our_nonce;

    const auto providers = registry.ranked(RACOON_POINT_CREDENTIAL);
    for (const plugin::Provider* provider : providers) {
        const auto* table = provider->as<racoon_credential>();
        if (table == nullptr) continue;
        Handle handle(*provider, *table);
        racoon_error error = plugin::empty_error();
        racoon_status status = RACOON_INTERNAL;
        {
            const Callout callout(provider->module, "psk_find");
            status =
                plugin::known_status(table->psk_find(provider->impl, &query, &handle.raw, &error));
        }
        if (status == RACOON_NOT_FOUND) continue;
        if (status != RACOON_OK) return plugin::plugin_failure(error, status);
        return prf_of(*provider, *table, handle.raw, request.hash, ni, nr);
    }
    if (providers.empty())
        return fail(Errc::Config,
                    "no credential module is loaded; add: module \"credential-files\";");
    return fail(Errc::NotFound, "couldn't find the proper pskey for " + phase1.peer.addr.text());
}

namespace {

constexpr std::size_t kMaxRemarks = 100;  // of one file

struct Collector {
    const std::string& path;
    std::vector<KeyRemark>& remarks;
    std::size_t count = 0;
};

std::string text_of(racoon_span bytes) {
    return log::escaped({reinterpret_cast<const char*>(bytes.data), bytes.size}, 300);
}

void collect(void* arg, const racoon_key_remark* remark) noexcept {
    auto& to = *static_cast<Collector*>(arg);
    if (remark == nullptr || !RACOON_HAS(remark, text) || to.count++ >= kMaxRemarks) return;
    KeyRemark out;
    out.name = text_of(remark->name);
    out.where.file = to.path;
    out.where.line = static_cast<int>(remark->line);
    out.where.column = static_cast<int>(remark->column);
    out.text = text_of(remark->text);
    to.remarks.push_back(std::move(out));
}

}  // namespace

std::string KeyRemark::line() const {
    std::string out = where.file;
    if (where.line != 0) out += ":" + std::to_string(where.line);
    if (where.column != 0) out += ":" + std::to_string(where.column);
    return out + ": warning: " + text + " [" + name + "]";
}

Status check_key_file(const plugin::Registry& registry, const KeyFile& file,
                      std::vector<KeyRemark>& remarks) {
    racoon_key_file query{};
    query.struct_size = sizeof query;
    query.use = file.use;
    query.format = span_of(as_bytes(file.format));
    query.path = span_of(as_bytes(file.path));
    Collector collector{file.path, remarks};
    for (const plugin::Provider* provider : registry.ranked(RACOON_POINT_CREDENTIAL)) {
        const auto* table = provider->as<racoon_credential>();
        if (table == nullptr || table->check_file == nullptr) continue;
        racoon_error error = plugin::empty_error();
        racoon_status status = RACOON_INTERNAL;
        {
            // Before the loop serves anybody, or on a reload: a large file may take its time.
            const Callout callout(provider->module, "check_file", Callout::Budget::None);
            status = plugin::known_status(
                table->check_file(provider->impl, &query, collect, &collector, &error));
        }
        if (status == RACOON_NOT_FOUND) continue;
        if (status != RACOON_OK) return plugin::plugin_failure(error, status);
        return ok();
    }
    return ok();
}

}  // namespace racoon::privsep
