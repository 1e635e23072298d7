// The files with keys that a configuration names, judged when it is read and not at the first
// negotiation.
#pragma once

#include <string>
#include <vector>

#include "conf/config.hpp"
#include "conf/diagnostic.hpp"
#include "plugin/registry.hpp"
#include "privsep/credentials.hpp"

namespace racoon::daemon {

struct KeyFileFindings {
    std::vector<conf::Diagnostic> errors;  // the configuration cannot be used
    std::vector<privsep::KeyRemark> warnings;
};

/// A file as `certificate_type` and `peers_certfile` name it: a relative name is in `path
/// certificate`.
std::string key_file_path(const conf::Config& config, const std::string& name);

/// psk.txt where a proposal asks for a pre-shared key, and the plain RSA key files of each `remote`.
/// Their content is the credential modules'. Others than root, who test a configuration, are told of
/// those that they may not read.
KeyFileFindings check_key_files(const conf::Config& config, const plugin::Registry& registry);

/// Peers by address, in main mode, for which the files hold no pre-shared key. The modules must have
/// the configuration already.
std::vector<privsep::KeyRemark> find_missing_keys(const conf::Config& config,
                                                  const plugin::Registry& registry);

}  // namespace racoon::daemon
