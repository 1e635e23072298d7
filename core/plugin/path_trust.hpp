// Path trust: who could have changed a module's file, or any folder on the way to it?
//
//     const TrustReport walk = walk_trusted("/usr/lib/racoon/modules/auth-psk.so", default_trust());
//     if (!walk.trusted) … walk.steps.back().text …       // `racoon --explain-trust NAME` prints all
//
// The walk starts at / and goes by directory descriptors, so that each component that was judged is
// the one that the next is looked up in. Every component must be owned by root and be writable by
// nobody else; a sticky folder (/tmp) passes, since in it only owners replace their entries and the
// next component is judged too. If only root can change any part of the chain, then checking the file
// and opening it later come to the same.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace racoon::plugin {

/// Who counts as root.
struct TrustPolicy {
    /// Owner trusted below `build_tree` besides root: the developer who builds there.
    uid_t builder = 0;
    /// Absolute, without a slash at its end; "" outside a build tree.
    std::string build_tree;
    /// In a user namespace that maps uid 0 alone, root's files appear to belong to the overflow uid.
    bool overflow_is_root = false;
    uid_t overflow_uid = 65534;
};

/// What holds for this process. A build tree is recognised by the CMakeCache.txt above the running
/// program.
TrustPolicy default_trust();

struct TrustStep {
    std::string path;
    bool trusted = false;
    std::string text;  // "owned by uid 0, mode 0755: trusted", or what is wrong and the remedy
};

struct TrustReport {
    bool trusted = false;
    bool used_overflow_uid = false;  // somebody should hear of it
    bool used_builder = false;
    std::vector<TrustStep> steps;
    UniqueFd file;  // of the last component, when trusted

    /// One line per step.
    std::string text() const;
};

/// `path` must be absolute. Symbolic links on the way are judged by their owner and followed; the
/// last component must be a regular file, or a link to one in the same folder.
TrustReport walk_trusted(std::string_view path, const TrustPolicy& policy);

}  // namespace racoon::plugin
