// Message ids of this room. An id is never given to another message; the texts stand where the facts
// are known. Each refusal is one line: what was found, what was expected, what to do, and the id.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace racoon::plugin {

inline constexpr std::string_view kMsgName = "PLG-0001";       // not a module name
inline constexpr std::string_view kMsgFile = "PLG-0002";       // the file cannot be read
inline constexpr std::string_view kMsgNotElf = "PLG-0003";     // not a shared object
inline constexpr std::string_view kMsgNoNote = "PLG-0004";     // no manifest note
inline constexpr std::string_view kMsgHardening = "PLG-0005";  // text relocations, stack, RUNPATH
inline constexpr std::string_view kMsgManifest = "PLG-0006";   // the manifest is not valid
inline constexpr std::string_view kMsgStem = "PLG-0007";       // manifest name is not the file's
inline constexpr std::string_view kMsgAbiMajor = "PLG-0008";
inline constexpr std::string_view kMsgAbiMinor = "PLG-0009";  // exact minor wanted before 1.0
inline constexpr std::string_view kMsgMinHost = "PLG-0010";
inline constexpr std::string_view kMsgPlatform = "PLG-0011";
inline constexpr std::string_view kMsgPrivilege = "PLG-0012";
inline constexpr std::string_view kMsgTrust = "PLG-0013";  // path trust
inline constexpr std::string_view kMsgDlopen = "PLG-0014";
inline constexpr std::string_view kMsgSymbol = "PLG-0015";
inline constexpr std::string_view kMsgMagic = "PLG-0016";
inline constexpr std::string_view kMsgEntry = "PLG-0017";        // entry table too small or lacking
inline constexpr std::string_view kMsgNoteDiffers = "PLG-0018";  // note and entry table disagree
inline constexpr std::string_view kMsgInit = "PLG-0019";
inline constexpr std::string_view kMsgUndeclared = "PLG-0020";   // registered, not in the manifest
inline constexpr std::string_view kMsgNotProvided = "PLG-0021";  // in the manifest, not registered
inline constexpr std::string_view kMsgTable = "PLG-0022";        // required function missing
inline constexpr std::string_view kMsgSelfTest = "PLG-0023";
inline constexpr std::string_view kMsgNeeds = "PLG-0024";  // a need that nothing meets
inline constexpr std::string_view kMsgCycle = "PLG-0025";  // modules that need each other
inline constexpr std::string_view kMsgConfigure = "PLG-0026";
inline constexpr std::string_view kMsgStart = "PLG-0027";
inline constexpr std::string_view kMsgMisbehaving = "PLG-0028";  // late or second completion
inline constexpr std::string_view kMsgSlow = "PLG-0029";         // over the budget of a call
inline constexpr std::string_view kMsgDuplicate = "PLG-0030";    // named or registered twice
inline constexpr std::string_view kMsgConfigKey = "PLG-0031";    // a key of a module's block
inline constexpr std::string_view kMsgHelper = "PLG-0032";       // a helper program

/// The failure with its id at the end: "found …, expected … [PLG-0008]".
inline Failure refuse(std::string_view id, Errc code, std::string text) {
    text.append(" [").append(id).append("]");
    return fail(code, std::move(text));
}

}  // namespace racoon::plugin
