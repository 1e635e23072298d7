// What the engine gives up before it reads its first packet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "conf/config.hpp"

namespace racoon::privsep {

/// Who the engine is to be.
struct Identity {
    std::uint32_t uid = 0, gid = 0;
    bool change = false;  // false: keep the ids, but not the capabilities
    std::string chroot;   // "" = none
    std::string note;     // for the log: who it is and why
};

/// `privsep { user … }`, else the user `racoon`, else `nobody`. Where this process is not root, or
/// the wanted ids are not mapped into its user namespace, the ids are kept and the note says so.
/// Errors: Config, a user, group or chroot that does not exist.
Result<Identity> choose_identity(const std::optional<conf::Privsep>& privsep);

/// Changes root folder and ids, gives up every capability for good (bounding set too where
/// allowed), and makes sure that nothing can be regained: no new privileges by exec, no core file,
/// no ptrace by the same user; the process dies with its parent. Errors: Io, Internal.
Status drop_privileges(const Identity& identity);

}  // namespace racoon::privsep
