#include "privsep/saved_sas.hpp"

#include <racoon/plugin.h>

#include <fmt/format.h>
#include <map>

#include "base/clock.hpp"
#include "log/log.hpp"
#include "plugin/callout.hpp"

namespace racoon::privsep {

namespace {

using namespace exchange;
using plugin::Callout;

/// Of the values. A record of another one is not read: its SAs are negotiated anew.
constexpr std::uint8_t kVersion = 3;

racoon_span span_of(ByteView bytes) {
    return {bytes.data(), bytes.size()};
}

std::string key_of(const char* what, std::uint8_t protocol, Spi spi, const IpAddr& dst) {
    return fmt::format("{} {} {} {}", what, protocol, dst.text(), spi.value);
}
std::string key_of(const SaInstall& sa) {
    return key_of("sa", sa.protocol, sa.spi, sa.inbound ? sa.local : sa.peer);
}
std::string key_of(const PairKeep& pair) {
    return key_of("pair", pair.sas[0].protocol, pair.sas[0].spi_in, pair.local.addr);
}

Result<SavedSas::Sa> read_sa(ByteView value) {
    Reader in(value);
    SavedSas::Sa out;
    RACOON_TRY(const std::uint8_t version, in.u8());
    if (version != kVersion) return fail(Errc::Unsupported, "a record of another version");
    RACOON_TRY(const std::uint64_t installed, in.u64());
    out.installed = static_cast<std::int64_t>(installed);
    RACOON_TRY(out.sequence, in.u64());
    RACOON_TRY(out.request, SaInstall::get(in));
    if (!in.empty()) return fail(Errc::Malformed, "bytes after the end of a record");
    return out;
}

Result<PairKeep> read_pair(ByteView value) {
    Reader in(value);
    RACOON_TRY(const std::uint8_t version, in.u8());
    if (version != kVersion) return fail(Errc::Unsupported, "a record of another version");
    RACOON_TRY(PairKeep out, PairKeep::get(in));
    if (!in.empty()) return fail(Errc::Malformed, "bytes after the end of a record");
    return out;
}

struct Loaded {
    std::map<std::string, SavedSas::Sa> sas;
    std::map<std::string, std::uint16_t> moves;
    std::vector<PairKeep> pairs;
    std::size_t unreadable = 0;
};

void take(Loaded& into, const std::string& key, ByteView value) {
    if (key.starts_with("sa ")) {
        if (auto sa = read_sa(value))
            into.sas.insert_or_assign(key, std::move(*sa));
        else
            ++into.unreadable;
    } else if (key.starts_with("move ")) {
        Reader in(value);
        if (auto port = in.u16())
            into.moves["sa " + key.substr(5)] = *port;
        else
            ++into.unreadable;
    } else if (auto pair = key.starts_with("pair ") ? read_pair(value)
                                                    : Result<PairKeep>(fail(Errc::Malformed, ""))) {
        into.pairs.push_back(std::move(*pair));
    } else {
        ++into.unreadable;
    }
}

}  // namespace

Result<std::unique_ptr<SavedSas>> SavedSas::open(plugin::PluginHost& host,
                                                 const conf::Config& config) {
    if (!config.paths.contains("backupsa")) return std::unique_ptr<SavedSas>();
    const auto stores = host.registry().ranked(RACOON_POINT_STATE_STORE);
    if (stores.empty()) {
        std::string text = "path backupsa: no loaded module keeps state";
        if (auto module = host.registry().installed_offering(RACOON_POINT_STATE_STORE, ""))
            text += "; installed: " + *module + "; add: module \"" + *module + "\";";
        return fail(Errc::Config, text);
    }
    // Exclusive: with two it would be open which one a start reads.
    if (stores.size() > 1)
        return fail(Errc::Config, "path backupsa: both " + stores[0]->module + " and " +
                                      stores[1]->module + " keep state; name one of them");
    const auto* table = stores[0]->as<racoon_state_store>();
    if (table == nullptr) return fail(Errc::Internal, "the state store has no table here");
    racoon_error error = plugin::empty_error();
    const Callout callout(stores[0]->module, "open", Callout::Budget::None);
    const racoon_status status = plugin::known_status(table->open(stores[0]->impl, &error));
    if (status != RACOON_OK) return plugin::plugin_failure(error, status);
    return std::unique_ptr<SavedSas>(new SavedSas(*stores[0]));
}

SavedSas::SavedSas(const plugin::Provider& provider) : provider_(provider) {}

SavedSas::~SavedSas() {
    const Callout callout(provider_.module, "close");
    provider_.as<racoon_state_store>()->close(provider_.impl);
}

void SavedSas::settled(const Status& status) {
    if (!status && !failing_)
        LOGE("", "path backupsa: " + status.error().text() +
                     "; what is not written does not come back after a crash");
    failing_ = !status;
}

void SavedSas::save(const std::string& key, ByteView value) {
    racoon_error error = plugin::empty_error();
    const Callout callout(provider_.module, "save");
    const racoon_status status = plugin::known_status(provider_.as<racoon_state_store>()->save(
        provider_.impl, span_of(as_bytes(key)), span_of(value), &error));
    settled(status == RACOON_OK ? ok() : Status(plugin::plugin_failure(error, status)));
}

void SavedSas::remove(const std::string& key) {
    racoon_error error = plugin::empty_error();
    const Callout callout(provider_.module, "remove");
    const racoon_status status = plugin::known_status(
        provider_.as<racoon_state_store>()->remove(provider_.impl, span_of(as_bytes(key)), &error));
    settled(status == RACOON_OK ? ok() : Status(plugin::plugin_failure(error, status)));
}

void SavedSas::clear() {
    racoon_error error = plugin::empty_error();
    const Callout callout(provider_.module, "clear");
    const racoon_status status =
        plugin::known_status(provider_.as<racoon_state_store>()->clear(provider_.impl, &error));
    settled(status == RACOON_OK ? ok() : Status(plugin::plugin_failure(error, status)));
}

void SavedSas::sa(const SaInstall& request, std::int64_t installed, std::uint64_t sequence) {
    Writer out;
    out.u8(kVersion);
    out.u64(static_cast<std::uint64_t>(installed != 0 ? installed : wall_seconds()));
    out.u64(sequence);
    request.put(out);
    Bytes value = std::move(out).take();
    save(key_of(request), value);
    wipe(value);
}

void SavedSas::sa_gone(std::uint8_t protocol, Spi spi, const IpAddr& dst) {
    remove(key_of("sa", protocol, spi, dst));
    remove(key_of("move", protocol, spi, dst));
}

void SavedSas::sa_moved(const SaMove& move) {
    Writer out;
    out.u16(move.peer_port);
    save(key_of("move", move.protocol, move.spi, move.inbound ? move.local : move.peer),
         std::move(out).take());
}

void SavedSas::pair(const PairKeep& record) {
    Writer out;
    out.u8(kVersion);
    record.put(out);
    save(key_of(record), std::move(out).take());
}

void SavedSas::pair_gone(std::uint8_t protocol, Spi spi_in, const IpAddr& local) {
    remove(key_of("pair", protocol, spi_in, local));
}

Result<std::vector<SavedSas::Pair>> SavedSas::load() {
    Loaded loaded;
    racoon_error error = plugin::empty_error();
    const auto each = [](void* arg, racoon_span key, racoon_span value) noexcept {
        take(*static_cast<Loaded*>(arg), std::string(as_text({key.data, key.size})),
             {value.data, value.size});
    };
    {
        const Callout callout(provider_.module, "load", Callout::Budget::None);
        const racoon_status status = plugin::known_status(
            provider_.as<racoon_state_store>()->load(provider_.impl, each, &loaded, &error));
        if (status != RACOON_OK) return plugin::plugin_failure(error, status);
    }
    if (loaded.unreadable != 0)
        LOGW("", fmt::format("path backupsa: {} records cannot be read and are left out",
                             loaded.unreadable));
    for (const auto& [key, port] : loaded.moves)
        if (const auto sa = loaded.sas.find(key); sa != loaded.sas.end())
            sa->second.request.peer_port = port;
    std::vector<Pair> out;
    for (PairKeep& record : loaded.pairs) {
        Pair pair;
        bool whole = true;
        for (const PairKeep::Sa& sa : record.sas)
            for (const bool inbound : {true, false}) {
                const auto found =
                    loaded.sas.find(key_of("sa", sa.protocol, inbound ? sa.spi_in : sa.spi_out,
                                           inbound ? record.local.addr : record.remote.addr));
                if (found == loaded.sas.end() || found->second.request.inbound != inbound) {
                    whole = false;
                    continue;
                }
                pair.sas.push_back(std::move(found->second));
                loaded.sas.erase(found);
            }
        pair.record = std::move(record);
        if (whole) out.push_back(std::move(pair));
    }
    return out;
}

}  // namespace racoon::privsep
