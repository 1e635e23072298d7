#include "conf/features.hpp"

#include <array>

namespace racoon::conf {

namespace {

struct Row {
    Feature feature;
    bool there;
    std::string_view name;
};

constexpr std::array kFeatures = {
    Row{Feature::None, true, ""},
    Row{Feature::MainMode, true, "main mode"},
    Row{Feature::AggressiveMode, true, "aggressive mode"},
    Row{Feature::BaseMode, true, "base mode"},
    Row{Feature::NatTraversal, true, "NAT traversal"},
    Row{Feature::IkeFragmentation, true, "fragmentation of IKE messages"},
    Row{Feature::EspFragmentation, true, "fragmentation before encapsulation"},
    Row{Feature::DistinguishedNames, false, "distinguished names as identities"},
    Row{Feature::Certificates, false, "authentication with certificates"},
    Row{Feature::RawKeys, false, "authentication with plain RSA keys"},
    Row{Feature::DnssecKeys, false, "certificates from DNS"},
    Row{Feature::Gssapi, false, "authentication with GSS-API"},
    Row{Feature::XAuth, false, "XAuth"},
    Row{Feature::ModeConfig, false, "mode-config"},
    Row{Feature::GeneratePolicy, true, "making policies for peers"},
    Row{Feature::Scripts, false, "hook scripts"},
    Row{Feature::StringSelectors, true, "phase 2 identities other than addresses and nets"},
    Row{Feature::BundleModes, true, "one mode for all protocols of a bundle"},
    Row{Feature::PfkeyBuffer, true, "a size for the PF_KEY sockets' buffers"},
    Row{Feature::BackupSa, true, "a backup of SAs"},
};

constexpr bool in_order() {
    for (std::size_t i = 0; i < kFeatures.size(); ++i)
        if (static_cast<std::size_t>(kFeatures[i].feature) != i) return false;
    return true;
}
static_assert(in_order(), "one row per feature, in the order of the enumeration");

const Row& row(Feature feature) {
    return kFeatures[static_cast<std::size_t>(feature)];
}

std::string first_of(const std::vector<Unsupported>& list, bool initiating) {
    for (const Unsupported& u : list)
        if (initiating ? u.initiating : u.responding) return u.text();
    return {};
}

}  // namespace

bool has(Feature feature) {
    return row(feature).there;
}

std::string_view feature_name(Feature feature) {
    return row(feature).name;
}

Feature feature_of(ExchangeMode mode) {
    switch (mode) {
        case ExchangeMode::Main:
            return Feature::MainMode;
        case ExchangeMode::Aggressive:
            return Feature::AggressiveMode;
        case ExchangeMode::Base:
            return Feature::BaseMode;
    }
    return Feature::MainMode;
}

std::optional<ExchangeMode> initiating_mode(const Remote& remote) {
    for (const ExchangeMode mode : remote.modes)
        if (runs(mode)) return mode;
    return std::nullopt;
}

std::string refusal(const Remote& remote, bool initiating) {
    return first_of(remote.unsupported, initiating);
}

std::string refusal(const SaInfo& sainfo, bool initiating) {
    return first_of(sainfo.unsupported, initiating);
}

}  // namespace racoon::conf
