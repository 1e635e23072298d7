// The rows of the directive table, one file per group of blocks. Only schema.cpp needs them.
#pragma once

#include <span>

#include "conf/schema.hpp"

namespace racoon::conf {

std::span<const Directive> top_directives();       // schema_top.cpp: the top level, path
std::span<const Directive> general_directives();   // schema_general.cpp: privsep … timer, module
std::span<const Directive> remote_directives();    // schema_remote.cpp
std::span<const Directive> proposal_directives();  // schema_proposal.cpp: proposal, sainfo
std::span<const Directive> remote_access_directives();  // schema_access.cpp: mode_cfg, radius, ldap
std::span<const Directive> warning_directives();        // schema_warnings.cpp

}  // namespace racoon::conf
