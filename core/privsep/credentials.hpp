// Asking the credential modules. Several may be loaded; the first that answers other than "not
// found" decides. Keys never leave the module: what comes out is SKEYID.
#pragma once

#include "base/secret.hpp"
#include "exchange/operations.hpp"
#include "plugin/registry.hpp"
#include "privsep/rules.hpp"

namespace racoon::privsep {

/// prf(pre-shared key, Ni_b | Nr_b) (RFC 2409 section 5). `our_nonce` is the one that the keeper
/// drew. Errors: NotFound, with the peer and where a key belongs; Denied, Io, Config from the
/// module.
Result<Secret> psk_skeyid(const plugin::Registry& registry, const Phase1Facts& phase1,
                          ByteView our_nonce, const exchange::Phase1Skeyid& request);

}  // namespace racoon::privsep
