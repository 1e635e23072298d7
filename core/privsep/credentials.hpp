// Asking the credential modules. Several may be loaded; the first that answers other than "not
// found" decides. Keys never leave the module: what comes out is SKEYID.
#pragma once

#include <string>
#include <vector>

#include "base/secret.hpp"
#include "conf/config.hpp"
#include "exchange/operations.hpp"
#include "plugin/registry.hpp"
#include "privsep/rules.hpp"

namespace racoon::privsep {

/// prf(pre-shared key, Ni_b | Nr_b) (RFC 2409 section 5). `our_nonce` is the one that the keeper
/// drew. Errors: NotFound, with the peer and where a key belongs; Denied, Io, Config from the
/// module.
Result<Secret> psk_skeyid(const plugin::Registry& registry, const Phase1Facts& phase1,
                          ByteView our_nonce, const exchange::Phase1Skeyid& request);

/// A file with keys that racoon.conf names.
struct KeyFile {
    std::uint32_t use = 0;  // RACOON_KEY_…
    std::string format;     // "psk", "plain_rsa"
    std::string path;
};

/// What a module says about a file that can be used.
struct KeyRemark {
    std::string name;      // of the warning, as "weak_psk"
    conf::Location where;  // line 0: the file as a whole; column 0: the line as a whole
    std::string text;
    /// "psk.txt:3: warning: … [weak_psk]"
    std::string line() const;
};

/// Is there a pre-shared key for a peer of whom only the address is known, as in main mode? Errors:
/// NotFound; what a module says of its file.
Status psk_of_address(const plugin::Registry& registry, const Endpoint& peer);

/// Lets the credential modules judge a file, whose content only they know. Ok as well when none of
/// them has this format. Errors: Denied, Io (with errno), Config; the text begins with the place in
/// the file, or names the file.
Status check_key_file(const plugin::Registry& registry, const KeyFile& file,
                      std::vector<KeyRemark>& remarks);

}  // namespace racoon::privsep
