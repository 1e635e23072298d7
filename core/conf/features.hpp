// What this release does, in one place. Everything in racoon.conf is parsed; where a section asks for
// a feature that is off here, its use is refused with the place and the directive. To switch a feature
// on, change its row in features.cpp; nothing else in conf/ depends on it.
//
//     if (!has(Feature::ModeConfig)) remote.unsupported.push_back(…);
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "conf/config.hpp"

namespace racoon::conf {

enum class Feature : std::uint8_t {
    None,  // always there
    MainMode,
    AggressiveMode,
    BaseMode,
    NatTraversal,
    IkeFragmentation,
    EspFragmentation,
    DistinguishedNames,
    Certificates,
    RawKeys,
    DnssecKeys,
    Gssapi,
    XAuth,
    ModeConfig,
    GeneratePolicy,
    Scripts,
    StringSelectors,  // phase 2 identities that are texts or ranges
    BundleModes,      // complex_bundle off
    PfkeyBuffer,
    BackupSa,
};

bool has(Feature feature);
/// "dead peer detection": for messages.
std::string_view feature_name(Feature feature);
Feature feature_of(ExchangeMode mode);
inline bool runs(ExchangeMode mode) {
    return has(feature_of(mode));
}
/// The mode to initiate with: the first of the section's that this release has.
std::optional<ExchangeMode> initiating_mode(const Remote& remote);

/// Why a section cannot serve in this release, as "racoon.conf:12:5: …"; empty: it can.
std::string refusal(const Remote& remote, bool initiating);
std::string refusal(const SaInfo& sainfo, bool initiating);

}  // namespace racoon::conf
