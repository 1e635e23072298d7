// Registry: who provides what. Filled from manifests (facts) and by loaded modules (tables); answers
// the configuration as its Catalog and the rest of the daemon by point and key.
//
//     registry.add_module(manifest);                    // facts
//     registry.bind("acme-otp", point, key, table, impl);   // from the module's init
//     registry.finish();                                // ranks; now it can be asked
//     const Provider* p = registry.find(RACOON_POINT_KERNEL, "xfrm");
//
// Of several providers of a key the preferred one is used (prefer(), then manifest priority, then load
// order); the others are listed as shadowed. Main thread; after finish() nothing moves, so pointers
// stay good and lookups may come from any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/catalog.hpp"
#include "plugin/manifest.hpp"
#include "plugin/points.hpp"

namespace racoon::plugin {

struct Provider {
    const PointInfo* point = nullptr;
    std::string module;
    Offer offer;
    bool bound = false;  // its module's init has registered it
    Table table;         // null: not loaded in this process, or not of its zone
    void* impl = nullptr;

    template <typename T>
    const T* as() const {
        return reinterpret_cast<const T*>(table.get());
    }
};

class Registry final : public conf::Catalog {
  public:
    explicit Registry(Zone zone) : zone_(zone) {}

    Zone zone() const { return zone_; }

    // --- filling -------------------------------------------------------------------------------
    /// Modules are added in load order. A point that this racoon does not serve is an error.
    Status add_module(const Manifest& manifest);
    void remove_module(std::string_view module);
    /// A module's registration. Errors: undeclared, registered twice, a broken table.
    Status bind(std::string_view module, std::string_view point, std::string_view key,
                const void* table, void* impl);
    /// What the module declares and has not registered: "racoon.cipher/1 \"aes\"".
    std::vector<std::string> unbound(std::string_view module) const;
    /// `prefer POINT KEY MODULE`
    void prefer(std::string_view point, std::string_view key, std::string_view module);
    /// Manifests of modules that are installed and not loaded, for "which module would give me this".
    void set_installed(std::vector<Manifest> manifests) { installed_ = std::move(manifests); }
    /// Ranks the providers. Nothing may be added after it.
    void finish();

    // --- asking --------------------------------------------------------------------------------
    /// The provider in use, by key or alias; `kind` tells esp-transforms apart ("" elsewhere).
    const Provider* find(std::string_view point, std::string_view key,
                         std::string_view kind = {}) const;
    /// All providers of a point whose key is not shadowed, the preferred first.
    std::vector<const Provider*> ranked(std::string_view point) const;
    std::vector<const Provider*> shadowed() const;
    /// The installed module whose manifest offers (point, key); key "" = any.
    std::optional<std::string> installed_offering(std::string_view point,
                                                  std::string_view key) const;
    /// Is there a provider of "POINT" or "POINT:KEY"?
    bool offers(std::string_view need) const;

    // --- conf::Catalog -------------------------------------------------------------------------
    const conf::CipherInfo* cipher(std::string_view name) const override;
    const conf::HashInfo* hash(std::string_view name) const override;
    const conf::GroupInfo* group(std::string_view name) const override;
    const conf::AuthMethodInfo* auth_method(std::string_view name) const override;
    const conf::TransformInfo* esp_encryption(std::string_view name) const override;
    const conf::TransformInfo* esp_integrity(std::string_view name) const override;
    const conf::TransformInfo* compression(std::string_view name) const override;
    std::vector<const conf::NattInfo*> natt() const override;
    /// A dialect of NAT traversal is offered that wants ESP at the IKE port; in every process.
    bool natt_on_ike_port() const;
    std::vector<const conf::GroupInfo*> groups() const override;
    bool has(conf::Kind kind, std::string_view name) const override;
    std::vector<conf::ModuleFinding> check_module(const conf::ModuleBlock& block) const override;
    std::vector<std::string> names(conf::Kind kind) const override;
    std::optional<std::string> module_offering(conf::Kind kind,
                                               std::string_view name) const override;

  private:
    template <typename Info>
    struct Words {
        std::deque<Info> infos;
        std::map<std::string, const Info*, std::less<>> by_word;  // names and aliases
        const Info* find(std::string_view word) const {
            const auto it = by_word.find(word);
            return it == by_word.end() ? nullptr : it->second;
        }
    };
    bool comes_first(const Provider& a, const Provider& b) const;
    void build_infos();
    template <typename Info, typename Make>
    void fill(Words<Info>& words, conf::Kind kind, Make make);
    std::vector<const Provider*> of_kind(conf::Kind kind) const;

    Zone zone_;
    std::deque<Provider> providers_;  // in load order
    std::vector<const Provider*> active_;
    std::vector<const Provider*> shadowed_;
    std::map<std::string, std::string> preferred_;  // "point key" -> module
    std::vector<Manifest> modules_;                 // added
    std::vector<Manifest> installed_;               // and not added
    Words<conf::CipherInfo> ciphers_;
    Words<conf::HashInfo> hashes_;
    Words<conf::GroupInfo> groups_;
    Words<conf::AuthMethodInfo> auth_methods_;
    Words<conf::NattInfo> natt_;  // in order of preference
    Words<conf::TransformInfo> esp_encryption_, esp_integrity_, compression_;
};

/// Order in which modules must be loaded so that each comes after those that it needs or wants.
/// Indices into `modules`, stable. Errors: Config, a cycle: "a needs b needs a".
Result<std::vector<std::size_t>> load_order(const std::vector<const Manifest*>& modules);

}  // namespace racoon::plugin
