// SavedSas: the SAs that a start with -B finds again, in the state store that `path backupsa` is for. Each SA is
// written before the kernel is asked for it, each pair when the engine tells of it, and both are taken
// out when they end.
//
//     RACOON_TRY(auto saved, SavedSas::open(host, config));    // null: the configuration names no file
//     saved->sa(request);                                      // about to be installed
//     saved->pair(record);
//     RACOON_TRY(auto pairs, saved->load());
//
// A store that fails costs what would have come back, not the tunnel: that is logged, once until it
// works again. Main thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "conf/config.hpp"
#include "exchange/pair_keep.hpp"
#include "plugin/lifecycle.hpp"

namespace racoon::privsep {

class SavedSas {
  public:
    struct Sa {
        exchange::SaInstall request;  // as it was asked for
        std::int64_t installed = 0;   // seconds since the epoch
        std::uint64_t sequence = 0;   // that it began behind
    };
    struct Pair {
        exchange::PairKeep record;
        std::vector<Sa> sas;  // all of both directions
    };

    /// Errors: Config, there is no module for it; Plugin, the file cannot be used.
    static Result<std::unique_ptr<SavedSas>> open(plugin::PluginHost& host,
                                                  const conf::Config& config);
    ~SavedSas();
    SavedSas(const SavedSas&) = delete;
    SavedSas& operator=(const SavedSas&) = delete;

    /// `installed`: seconds since the epoch; 0: now.
    void sa(const exchange::SaInstall& request, std::int64_t installed = 0,
            std::uint64_t sequence = 0);
    void sa_gone(std::uint8_t protocol, Spi spi, const IpAddr& dst);
    /// Another port of its peer.
    void sa_moved(const exchange::SaMove& move);
    void pair(const exchange::PairKeep& record);
    void pair_gone(std::uint8_t protocol, Spi spi_in, const IpAddr& local);
    void clear();

    /// The pairs whose SAs are all there. What cannot be read, or has no pair, is left out.
    Result<std::vector<Pair>> load();

  private:
    explicit SavedSas(const plugin::Provider& provider);
    void save(const std::string& key, ByteView value);
    void remove(const std::string& key);
    void settled(const Status& status);

    const plugin::Provider& provider_;
    bool failing_ = false;
};

}  // namespace racoon::privsep
