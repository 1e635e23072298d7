// The directive table: every word that may begin a statement of racoon.conf, once. The parser takes
// from it what a word's arguments look like, `racoonctl explain` and the man page what it means.
//
//     const Directive* d = find_directive(Context::Remote, "nonce_size");
//     d->form … d->preset … d->help
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace racoon::conf {

/// The blocks; Path holds the kinds of `path`.
enum class Context : std::uint8_t {
    Top,
    Path,
    Privsep,
    Padding,
    Listen,
    Timer,
    Remote,
    Proposal,
    SaInfo,
    Module
};
std::string_view context_name(Context context);  // "remote"; "the top level"

/// What follows the word.
enum class Form : std::uint8_t {
    Block,     // { … }
    Path,      // KIND "…"
    Text,      // "…"
    Name,      // "…" or a number
    Number,    // 5
    Time,      // 5 sec
    Lifetime,  // time 5 sec
    Switch,    // on, off
    Choice,    // one word of `choices`
    Choices,   // several
    Nothing,
    Address,  // 192.0.2.1 [500]
    AdminSocket,
    AdminPort,  // [ [0] ]: KAME's TCP port
    Identifier,
    Algorithm,   // aes 256
    Algorithms,  // aes 256, 3des
    Group,       // modp2048 or 14
    Remote,
    SaInfo,
    Module,
    Policy,
    LogLevel,
    Skipped,  // not looked at
};

enum class Standing : std::uint8_t {
    Works,
    Later,    // known, not supported yet; `harmless` is the value that asks for nothing
    Ignored,  // accepted with a warning, has no effect
    Alias,    // an old spelling of `instead`: a warning, then as if that had been written
    Gone,     // an error that says what to write: `instead` goes on behind the word
};

/// One per meaning. Aliases share it.
enum class Word : std::uint8_t {
    None,
    // top
    PathBlock,
    Include,
    Module,
    Kernel,
    Policy,
    Log,
    Listen,
    Timer,
    Padding,
    Privsep,
    Remote,
    SaInfo,
    // path
    PathKind,
    // privsep
    User,
    Group,
    Chroot,
    // padding
    Randomize,
    RandomizeLength,
    MaximumLength,
    ExclusiveTail,
    StrictCheck,
    // listen
    Isakmp,
    IsakmpNatt,
    AdminSock,
    AdminPort,
    StrictAddress,
    // timer
    Counter,
    Interval,
    Persend,
    Phase1,
    Phase2,
    NattKeepalive,
    // remote
    RemoteAddress,
    ExchangeMode,
    Doi,
    Situation,
    MyIdentifier,
    PeersIdentifier,
    VerifyIdentifier,
    NonceSize,
    ProposalCheck,
    SupportProxy,
    InitialContact,
    Passive,
    Rekey,
    Dpd,
    DpdDelay,
    DpdRetry,
    DpdMaxfail,
    Ph1id,
    Lifetime,
    Proposal,
    // proposal, sainfo
    EncryptionAlgorithm,
    HashAlgorithm,
    AuthenticationMethod,
    DhGroup,
    PfsGroup,
    RemoteId,
    AuthenticationAlgorithm,
    CompressionAlgorithm,
    // module
    Isolate,
    Optional,
    Sha256,
    ModuleKey,
};

struct Directive {
    Context context;
    std::string_view keyword;
    Word word;
    Form form;
    Standing standing = Standing::Works;
    std::string_view choices = {};  // separated by spaces
    std::string_view preset = {};   // default, as it would be written; empty: none
    std::string_view unit = {};
    std::string_view since = {};  // release that brought it
    std::string_view help = {};
    std::string_view instead = {};
    std::string_view harmless = {};
    Context body = Context::Top;  // of Block, Remote, SaInfo, Module: what is inside
};

std::span<const Directive> directives();
const Directive* find_directive(Context context, std::string_view keyword);
/// The directive of any other block with this keyword; null: none.
const Directive* find_elsewhere(Context context, std::string_view keyword);
/// The words of a context that may be suggested: those that work or will.
std::vector<std::string> keywords(Context context);
/// "a b c" as a list.
std::vector<std::string> split_words(std::string_view words);
/// For a module's own keys, which no table knows.
const Directive& module_key();

}  // namespace racoon::conf
