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

#include "conf/features.hpp"

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
    Module,
    ModeCfg,
    RadiusCfg,
    LdapCfg,
    Warnings
};
inline constexpr std::size_t kContexts = 14;
std::string_view context_name(Context context);  // "remote"; "the top level"

/// What follows the word.
enum class Form : std::uint8_t {
    Block,     // { … }
    Path,      // KIND "…"
    Text,      // "…"
    Name,      // "…" or a number
    Number,    // 5
    Mark,      // 0x10/0xff
    Time,      // 5 sec
    Lifetime,  // time 5 sec
    Volume,    // 50 MB, behind "lifetime byte"
    Switch,    // on, off
    Choice,    // one word of `choices`
    Choices,   // several
    Nothing,
    Address,  // 192.0.2.1 [500]
    Peer,     // the same, or 192.0.2.0/24, or a host's name
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
    OwnCertificate,    // x509 "…" "…", plain_rsa "…"
    PeersCertificate,  // x509 "…", plain_rsa "…", dnssec, or "…"
    CaFile,            // x509 "…"
    Script,            // "…" phase1_up
    IpAddress,         // 10.0.0.1
    Addresses,         // 10.0.0.1, 10.0.0.2
    Networks,          // include 10.0.0.0/8, 172.16.0.0/12
    Texts,             // "…", "…"
    RadiusServer,      // "…" [1812] "…"
    Skipped,           // not looked at
};

enum class Standing : std::uint8_t {
    Works,    // parsed into the model; whether this release does it, `feature` says
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
    ComplexBundle,
    PfkeyBuffer,
    GssIdEnc,
    ModeCfgBlock,
    RadiusCfgBlock,
    LdapCfgBlock,
    Warnings,  // also in remote and sainfo
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
    Start,
    DpdAction,
    CloseAction,
    NatTraversal,
    IkeFrag,
    EspFrag,
    CertificateType,
    PeersCertfile,
    CaType,
    VerifyCert,
    SendCert,
    SendCr,
    MatchEmptyCr,
    XauthLogin,
    ModeCfg,
    GeneratePolicy,
    Script,
    WeakPhase1Check,
    Lifetime,
    LifetimeByte,
    Proposal,
    // proposal, sainfo
    EncryptionAlgorithm,
    HashAlgorithm,
    AuthenticationMethod,
    DhGroup,
    GssId,
    PfsGroup,
    RemoteId,
    Esn,
    IfId,
    Mark,
    OutputMark,
    AuthenticationAlgorithm,
    CompressionAlgorithm,
    // mode_cfg; also its pfs_group
    Network4,
    Netmask4,
    PoolSize,
    Dns4,
    Nbns4,
    SplitNetwork,
    SplitDns,
    DefaultDomain,
    Banner,
    AuthSource,
    AuthGroups,
    GroupSource,
    ConfSource,
    Accounting,
    SavePasswd,
    AuthThrottle,
    // radiuscfg
    AuthServer,
    AcctServer,
    Timeout,  // and ldapcfg
    Retries,
    // ldapcfg
    LdapVersion,
    LdapUri,
    LdapHost,
    LdapPort,
    LdapBase,
    LdapSubtree,
    LdapBindDn,
    LdapBindPw,
    LdapAttrUser,
    LdapAttrAddr,
    LdapAttrMask,
    LdapAttrGroup,
    LdapAttrMember,
    LdapDebug,
    // module
    Isolate,
    Optional,
    Sha256,
    ModuleKey,
    // warnings
    WarningName,
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
    Context body = Context::Top;        // of Block, Remote, SaInfo, Module: what is inside
    std::uint64_t least = 0, most = 0;  // range of a number or, in seconds, of a time
    Feature feature = Feature::None;    // what it needs of this release to have an effect
    std::string_view argument = {};     // what a text, name or number is called; empty: the usual
    std::string_view example = {};      // a whole statement
    bool many = false;                  // each occurrence counts, not only the last
    bool lenient =
        false;  // old racoons took any number: the nearest of the range is used, and told
};

/// All rows, block by block, in the order in which they are explained.
std::span<const Directive> directives();
const Directive* find_directive(Context context, std::string_view keyword);
/// The directive of any other block with this keyword; null: none.
const Directive* find_elsewhere(Context context, std::string_view keyword);
/// The words of a context that may be suggested: not the old ones.
std::vector<std::string> keywords(Context context);
/// "a b c" as a list.
std::vector<std::string> split_words(std::string_view words);
/// For a module's own keys, which no table knows.
const Directive& module_key();
/// For a word that was told to be unknown.
const Directive& unknown_directive();

}  // namespace racoon::conf
