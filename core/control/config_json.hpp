// The effective configuration as JSON: `racoon -C --json`.
//
//     {"remote": [{"name": "hq", "remote_address": {"address": "192.0.2.1", "port": 500}, …}], …}
//
// It is made of the text that conf::print() writes, by the directive table: keys are the words of
// racoon.conf, times are seconds, switches true or false. A word that may be repeated is a list, even
// when it stands once; a word that is absent is not there.
#pragma once

#include "conf/print.hpp"
#include "control/json.hpp"

namespace racoon::control {

/// Errors: Malformed, what print() wrote cannot be read, which is a defect of ours.
Result<Json> config_json(const conf::Config& config, const conf::PrintOptions& options = {});

}  // namespace racoon::control
