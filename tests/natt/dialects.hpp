// Dialects of NAT traversal as the registry would have them, from the modules that provide them.
#pragma once

#include <deque>
#include <vector>

#include "plugin/natt_info.hpp"
#include "support/plugin_fixture.hpp"

namespace racoon::test {

class Dialects {
  public:
    Dialects() {
        acme_ = LoadedPlugin::load_file(std::string(RACOON_VENDOR_DIR) + "/acme-natt.so", host_);
        natt_ = LoadedPlugin::load("natt", host_);
        const std::size_t others = host_.provided.size();
        legacy_ = LoadedPlugin::load("natt-legacy", host_);
        for (const FakeHost::Provided& p : host_.provided)
            infos_.push_back(plugin::natt_info(p.key, "test", infos_.size() >= others,
                                               static_cast<const racoon_natt*>(p.table), p.impl));
    }
    const conf::NattInfo& find(std::string_view name) const {
        for (const conf::NattInfo& d : infos_)
            if (d.name == name) return d;
        return infos_.front();
    }
    /// Those named, in that order.
    std::vector<const conf::NattInfo*> list(const std::vector<std::string>& names) const {
        std::vector<const conf::NattInfo*> out;
        for (const std::string& n : names) out.push_back(&find(n));
        return out;
    }
    const std::deque<conf::NattInfo>& all() const { return infos_; }

  private:
    FakeHost host_;
    std::unique_ptr<LoadedPlugin> acme_, natt_, legacy_;
    std::deque<conf::NattInfo> infos_;
};

inline const Dialects& dialects() {
    static const Dialects d;
    return d;
}

}  // namespace racoon::test
