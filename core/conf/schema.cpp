#include "conf/schema.hpp"

#include <array>
#include <unordered_map>

namespace racoon::conf {

namespace {

using enum Context;
using F = Form;
using S = Standing;
using W = Word;

// Designated initialisers keep the table readable; what is not written keeps its default.
const Directive kDirectives[] = {
    // --- top level ---
    {.context = Top, .keyword = "path", .word = W::PathBlock, .form = F::Path, .since = "KAME",
     .help = "Where files of one kind are; the kind is the next word."},
    {.context = Top, .keyword = "include", .word = W::Include, .form = F::Text, .since = "KAME",
     .help = "Reads another file, or all that a shell pattern matches, in its place. Relative names are "
             "taken from \"path include\", without it from the folder of this file."},
    {.context = Top, .keyword = "module", .word = W::Module, .form = F::Module, .since = "1.0",
     .help = "Loads a module. Without any such line the standard ones are loaded.", .body = Module},
    {.context = Top, .keyword = "kernel", .word = W::Kernel, .form = F::Name, .preset = "auto",
     .since = "1.0",
     .help = "The backend that installs SAs and policies; auto takes the first that works here."},
    {.context = Top, .keyword = "policy", .word = W::Policy, .form = F::Policy, .since = "1.0",
     .help = "A security policy in setkey's spdadd syntax, or with \"file\" a file of them."},
    {.context = Top, .keyword = "log", .word = W::Log, .form = F::LogLevel,
     .choices = "error warning notify info debug debug2", .preset = "info", .since = "KAME",
     .help = "How much is logged; each -d on the command line adds one level."},
    {.context = Top, .keyword = "listen", .word = W::Listen, .form = F::Block, .since = "KAME",
     .help = "The addresses and the control socket to listen on. Without it: all addresses.",
     .body = Listen},
    {.context = Top, .keyword = "timer", .word = W::Timer, .form = F::Block, .since = "KAME",
     .help = "Retransmission. Without it: 9 sends within 50 seconds with back-off.", .body = Timer},
    {.context = Top, .keyword = "padding", .word = W::Padding, .form = F::Block, .since = "KAME",
     .help = "Padding of encrypted IKE messages.", .body = Padding},
    {.context = Top, .keyword = "privsep", .word = W::Privsep, .form = F::Block, .since = "0.6",
     .help = "Whom the process that reads packets runs as.", .body = Privsep},
    {.context = Top, .keyword = "remote", .word = W::Remote, .form = F::Remote, .since = "KAME",
     .help = "Phase 1 with one peer: remote \"name\" { … }, remote ADDRESS [PORT] { … } or remote "
             "anonymous { … }; with inherit, another section's settings are the start.",
     .body = Remote},
    {.context = Top, .keyword = "sainfo", .word = W::SaInfo, .form = F::SaInfo, .since = "KAME",
     .help = "Phase 2 for one pair of nets, or anonymous.", .body = SaInfo},
    {.context = Top, .keyword = "mode_cfg", .word = W::None, .form = F::Block, .standing = S::Later},
    {.context = Top, .keyword = "ldapcfg", .word = W::None, .form = F::Block, .standing = S::Later},
    {.context = Top, .keyword = "ldap_cfg", .word = W::None, .form = F::Block, .standing = S::Later},
    {.context = Top, .keyword = "radiuscfg", .word = W::None, .form = F::Block, .standing = S::Later},
    {.context = Top, .keyword = "complex_bundle", .word = W::None, .form = F::Switch,
     .standing = S::Later},
    {.context = Top, .keyword = "pfkey_buffer", .word = W::None, .form = F::Number,
     .standing = S::Later, .harmless = "0"},
    {.context = Top, .keyword = "gss_id_enc", .word = W::None, .form = F::Skipped, .standing = S::Later},
    {.context = Top, .keyword = "identifier", .word = W::None, .form = F::Skipped,
     .standing = S::Ignored, .instead = "my_identifier in a remote section"},
    {.context = Top, .keyword = "algorithm_strength", .word = W::None, .form = F::Skipped,
     .standing = S::Gone, .instead = "is gone; name the algorithms in proposal and sainfo"},
    {.context = Top, .keyword = "static_sa", .word = W::None, .form = F::Skipped, .standing = S::Gone,
     .instead = "is gone; add SAs by hand with setkey"},
    {.context = Top, .keyword = "spdadd", .word = W::None, .form = F::Skipped, .standing = S::Gone,
     .instead = "is setkey's word; write \"policy spdadd …;\" here, or \"policy file\" and a file of such lines"},

    // --- path ---
    {.context = Path, .keyword = "include", .word = W::PathKind, .form = F::Text, .since = "KAME",
     .help = "Folder of relative include files."},
    {.context = Path, .keyword = "pre_shared_key", .word = W::PathKind, .form = F::Text, .since = "KAME",
     .help = "File of pre-shared keys."},
    {.context = Path, .keyword = "certificate", .word = W::PathKind, .form = F::Text, .since = "KAME",
     .help = "Folder of certificates and keys."},
    {.context = Path, .keyword = "script", .word = W::PathKind, .form = F::Text, .since = "0.6",
     .help = "Folder of hook scripts."},
    {.context = Path, .keyword = "backupsa", .word = W::PathKind, .form = F::Text, .since = "KAME",
     .help = "File of SAs for racoon -B."},
    {.context = Path, .keyword = "pidfile", .word = W::PathKind, .form = F::Text,
     .preset = "/run/racoon.pid", .since = "0.7", .help = "Where the process id is written."},
    {.context = Path, .keyword = "module", .word = W::PathKind, .form = F::Text, .since = "1.0",
     .help = "Folder of modules; absolute."},

    // --- privsep ---
    {.context = Privsep, .keyword = "user", .word = W::User, .form = F::Name, .preset = "racoon",
     .since = "0.6", .help = "User name or number."},
    {.context = Privsep, .keyword = "group", .word = W::Group, .form = F::Name, .since = "0.6",
     .help = "Group name or number."},
    {.context = Privsep, .keyword = "chroot", .word = W::Chroot, .form = F::Text, .since = "0.6",
     .help = "Folder that becomes its root."},

    // --- padding ---
    {.context = Padding, .keyword = "randomize", .word = W::Randomize, .form = F::Switch,
     .preset = "on", .since = "KAME", .help = "Random pad bytes instead of zeros."},
    {.context = Padding, .keyword = "randomize_length", .word = W::RandomizeLength, .form = F::Switch,
     .preset = "off", .since = "KAME", .help = "A random number of pad blocks."},
    {.context = Padding, .keyword = "maximum_length", .word = W::MaximumLength, .form = F::Number,
     .preset = "20", .unit = "blocks", .since = "KAME", .help = "The most that randomize_length adds."},
    {.context = Padding, .keyword = "exclusive_tail", .word = W::ExclusiveTail, .form = F::Switch,
     .preset = "on", .since = "KAME", .help = "The last byte does not count itself."},
    {.context = Padding, .keyword = "strict_check", .word = W::StrictCheck, .form = F::Switch,
     .preset = "off", .since = "KAME", .help = "Messages with impossible padding are refused."},

    // --- listen ---
    {.context = Listen, .keyword = "isakmp", .word = W::Isakmp, .form = F::Address, .since = "KAME",
     .help = "Address, and port in brackets (500), of an IKE socket."},
    {.context = Listen, .keyword = "isakmp_natt", .word = W::IsakmpNatt, .form = F::Address,
     .since = "0.3", .help = "The same for IKE and ESP in UDP; the port is usually [4500]."},
    {.context = Listen, .keyword = "strict_address", .word = W::StrictAddress, .form = F::Nothing,
     .since = "KAME", .help = "Every listed address must be there at start."},
    {.context = Listen, .keyword = "adminsock", .word = W::AdminSock, .form = F::AdminSocket,
     .since = "0.5", .help = "The control socket: path, and owner, group and mode; or disabled."},
    {.context = Listen, .keyword = "admin", .word = W::AdminPort, .form = F::AdminPort,
     .since = "KAME", .help = "KAME's TCP port; only [0]."},

    // --- timer ---
    {.context = Timer, .keyword = "counter", .word = W::Counter, .form = F::Number, .preset = "5",
     .since = "KAME", .help = "How often a message is sent, the first time included."},
    {.context = Timer, .keyword = "interval", .word = W::Interval, .form = F::Time, .preset = "10 sec",
     .since = "KAME", .help = "Time between two sends."},
    {.context = Timer, .keyword = "persend", .word = W::Persend, .form = F::Number, .preset = "1",
     .since = "KAME", .help = "Copies of each datagram."},
    {.context = Timer, .keyword = "phase1", .word = W::Phase1, .form = F::Time, .preset = "30 sec",
     .since = "KAME", .help = "How long phase 1 may take."},
    {.context = Timer, .keyword = "phase2", .word = W::Phase2, .form = F::Time, .preset = "30 sec",
     .since = "KAME", .help = "How long phase 2 may take."},
    {.context = Timer, .keyword = "natt_keepalive", .word = W::NattKeepalive, .form = F::Time,
     .preset = "20 sec", .since = "0.3", .help = "Period of NAT keepalives; 0 sec: none."},

    // --- remote ---
    {.context = Remote, .keyword = "remote_address", .word = W::RemoteAddress, .form = F::Address,
     .since = "0.8", .help = "The peer's address, and port in brackets (500). Without it: any peer."},
    {.context = Remote, .keyword = "exchange_mode", .word = W::ExchangeMode, .form = F::Choices,
     .choices = "main aggressive base", .since = "KAME",
     .help = "Modes that are accepted; the first is used to initiate."},
    {.context = Remote, .keyword = "doi", .word = W::Doi, .form = F::Choice, .choices = "ipsec_doi",
     .preset = "ipsec_doi", .since = "KAME"},
    {.context = Remote, .keyword = "situation", .word = W::Situation, .form = F::Choice,
     .choices = "identity_only secrecy integrity", .preset = "identity_only", .since = "KAME"},
    {.context = Remote, .keyword = "my_identifier", .word = W::MyIdentifier, .form = F::Identifier,
     .preset = "address", .since = "KAME", .help = "The identity that we send."},
    {.context = Remote, .keyword = "peers_identifier", .word = W::PeersIdentifier,
     .form = F::Identifier, .since = "KAME", .help = "An identity that the peer may have; repeatable."},
    {.context = Remote, .keyword = "verify_identifier", .word = W::VerifyIdentifier, .form = F::Switch,
     .preset = "off", .since = "KAME", .help = "Refuse peers of another identity."},
    {.context = Remote, .keyword = "nonce_size", .word = W::NonceSize, .form = F::Number,
     .preset = "16", .unit = "bytes", .since = "KAME", .help = "Size of our nonces, 8 to 256."},
    {.context = Remote, .keyword = "proposal_check", .word = W::ProposalCheck, .form = F::Choice,
     .choices = "obey strict claim exact", .preset = "strict", .since = "KAME",
     .help = "How far a peer's lifetime and key length may differ from ours."},
    {.context = Remote, .keyword = "support_proxy", .word = W::SupportProxy, .form = F::Switch,
     .preset = "off", .since = "KAME", .help = "Phase 2 identities also in transport mode."},
    {.context = Remote, .keyword = "support_mip6", .word = W::SupportProxy, .form = F::Switch,
     .standing = S::Alias, .instead = "support_proxy"},
    {.context = Remote, .keyword = "initial_contact", .word = W::InitialContact, .form = F::Switch,
     .preset = "on", .since = "KAME", .help = "Tell a peer that we know no older SA with it."},
    {.context = Remote, .keyword = "passive", .word = W::Passive, .form = F::Switch, .preset = "off",
     .since = "KAME", .help = "Never initiate."},
    {.context = Remote, .keyword = "rekey", .word = W::Rekey, .form = F::Choice, .choices = "on off force",
     .preset = "on", .since = "0.8", .help = "Whether phase 1 is renewed before it ends."},
    {.context = Remote, .keyword = "dpd", .word = W::Dpd, .form = F::Switch, .preset = "on",
     .since = "0.7", .help = "Announce and answer dead peer detection."},
    {.context = Remote, .keyword = "dpd_delay", .word = W::DpdDelay, .form = F::Number, .preset = "0",
     .unit = "seconds", .since = "0.5", .help = "Period of probes; 0: none."},
    {.context = Remote, .keyword = "dpd_retry", .word = W::DpdRetry, .form = F::Number, .preset = "5",
     .unit = "seconds", .since = "0.5", .help = "Time before an unanswered probe is repeated."},
    {.context = Remote, .keyword = "dpd_maxfail", .word = W::DpdMaxfail, .form = F::Number,
     .preset = "5", .since = "0.5", .help = "Unanswered probes until the peer counts as dead."},
    {.context = Remote, .keyword = "ph1id", .word = W::Ph1id, .form = F::Number, .preset = "0",
     .since = "0.7", .help = "Only sainfos with this remoteid serve this peer."},
    {.context = Remote, .keyword = "lifetime", .word = W::Lifetime, .form = F::Lifetime,
     .preset = "time 8 hours", .since = "KAME", .help = "Of proposals that name none."},
    {.context = Remote, .keyword = "proposal", .word = W::Proposal, .form = F::Block, .since = "KAME",
     .help = "One combination that we offer and accept; repeatable, best first.", .body = Proposal},
    {.context = Remote, .keyword = "dh_group", .word = W::None, .form = F::Skipped, .standing = S::Gone,
     .instead = "belongs into proposal { }"},
    {.context = Remote, .keyword = "keepalive", .word = W::None, .form = F::Skipped,
     .standing = S::Ignored},
    {.context = Remote, .keyword = "identifier", .word = W::MyIdentifier, .form = F::Identifier,
     .standing = S::Alias, .instead = "my_identifier"},
    {.context = Remote, .keyword = "weak_phase1_check", .word = W::None, .form = F::Skipped,
     .standing = S::Ignored},
    {.context = Remote, .keyword = "certificate_type", .word = W::None, .form = F::Skipped,
     .standing = S::Later},
    {.context = Remote, .keyword = "peers_certfile", .word = W::None, .form = F::Skipped,
     .standing = S::Later},
    {.context = Remote, .keyword = "ca_type", .word = W::None, .form = F::Skipped, .standing = S::Later},
    {.context = Remote, .keyword = "verify_cert", .word = W::None, .form = F::Switch,
     .standing = S::Later},
    {.context = Remote, .keyword = "send_cert", .word = W::None, .form = F::Switch,
     .standing = S::Later, .harmless = "off"},
    {.context = Remote, .keyword = "send_cr", .word = W::None, .form = F::Switch, .standing = S::Later,
     .harmless = "off"},
    {.context = Remote, .keyword = "match_empty_cr", .word = W::None, .form = F::Switch,
     .standing = S::Later, .harmless = "off"},
    {.context = Remote, .keyword = "xauth_login", .word = W::None, .form = F::Skipped,
     .standing = S::Later},
    {.context = Remote, .keyword = "mode_cfg", .word = W::None, .form = F::Switch, .standing = S::Later,
     .harmless = "off"},
    {.context = Remote, .keyword = "generate_policy", .word = W::None, .form = F::Choice,
     .standing = S::Later, .harmless = "off"},
    {.context = Remote, .keyword = "nat_traversal", .word = W::None, .form = F::Choice,
     .standing = S::Later, .harmless = "off"},
    {.context = Remote, .keyword = "ike_frag", .word = W::None, .form = F::Choice,
     .standing = S::Later, .harmless = "off"},
    {.context = Remote, .keyword = "esp_frag", .word = W::None, .form = F::Skipped,
     .standing = S::Later},
    {.context = Remote, .keyword = "script", .word = W::None, .form = F::Skipped, .standing = S::Later},

    // --- proposal ---
    {.context = Proposal, .keyword = "encryption_algorithm", .word = W::EncryptionAlgorithm,
     .form = F::Algorithm, .since = "KAME", .help = "One cipher, with a key length in bits."},
    {.context = Proposal, .keyword = "hash_algorithm", .word = W::HashAlgorithm, .form = F::Algorithm,
     .since = "KAME", .help = "One hash."},
    {.context = Proposal, .keyword = "authentication_method", .word = W::AuthenticationMethod,
     .form = F::Algorithm, .since = "KAME", .help = "How the ends prove who they are."},
    {.context = Proposal, .keyword = "dh_group", .word = W::DhGroup, .form = F::Group, .since = "KAME",
     .help = "The Diffie-Hellman group, by name or number."},
    {.context = Proposal, .keyword = "lifetime", .word = W::Lifetime, .form = F::Lifetime,
     .since = "KAME", .help = "Lifetime of the ISAKMP SA."},
    {.context = Proposal, .keyword = "gss_id", .word = W::None, .form = F::Skipped,
     .standing = S::Later},
    {.context = Proposal, .keyword = "gssapi_id", .word = W::None, .form = F::Skipped,
     .standing = S::Later},
    {.context = Proposal, .keyword = "strength", .word = W::None, .form = F::Skipped,
     .standing = S::Ignored},

    // --- sainfo ---
    {.context = SaInfo, .keyword = "pfs_group", .word = W::PfsGroup, .form = F::Group, .since = "KAME",
     .help = "A fresh Diffie-Hellman exchange for each pair of SAs; without it: none."},
    {.context = SaInfo, .keyword = "lifetime", .word = W::Lifetime, .form = F::Lifetime,
     .preset = "time 8 hours", .since = "KAME", .help = "Lifetime of the IPsec SAs."},
    {.context = SaInfo, .keyword = "encryption_algorithm", .word = W::EncryptionAlgorithm,
     .form = F::Algorithms, .since = "KAME", .help = "Ciphers for ESP, best first; repeating appends."},
    {.context = SaInfo, .keyword = "authentication_algorithm", .word = W::AuthenticationAlgorithm,
     .form = F::Algorithms, .since = "KAME",
     .help = "Integrity for ESP and AH, best first; repeating appends."},
    {.context = SaInfo, .keyword = "compression_algorithm", .word = W::CompressionAlgorithm,
     .form = F::Algorithms, .since = "KAME", .help = "IPComp; used only by policies that ask for it."},
    {.context = SaInfo, .keyword = "remoteid", .word = W::RemoteId, .form = F::Number, .preset = "0",
     .since = "0.7", .help = "Serves only remotes with this ph1id."},
    {.context = SaInfo, .keyword = "my_identifier", .word = W::None, .form = F::Skipped,
     .standing = S::Ignored},
    {.context = SaInfo, .keyword = "identifier", .word = W::None, .form = F::Skipped,
     .standing = S::Ignored},

    // --- module: these words are racoon's; all others are the module's own ---
    {.context = Module, .keyword = "isolate", .word = W::Isolate, .form = F::Switch, .since = "1.0",
     .help = "Run it in a process of its own."},
    {.context = Module, .keyword = "optional", .word = W::Optional, .form = F::Switch, .preset = "off",
     .since = "1.0", .help = "Start without it when it cannot be loaded."},
    {.context = Module, .keyword = "sha256", .word = W::Sha256, .form = F::Text, .since = "1.0",
     .help = "The file must have this SHA-256, in hexadecimal."},
};

const Directive kModuleKey = {.context = Module, .keyword = "module key", .word = W::ModuleKey,
                              .form = F::Skipped};

using Table = std::unordered_map<std::string_view, const Directive*>;

const std::array<Table, 10>& tables() {
    static const std::array<Table, 10> all = [] {
        std::array<Table, 10> out;
        for (const Directive& d : kDirectives)
            out[static_cast<std::size_t>(d.context)].emplace(d.keyword, &d);
        return out;
    }();
    return all;
}

}  // namespace

std::string_view context_name(Context context) {
    switch (context) {
        case Top: return "the top level";
        case Path: return "path";
        case Privsep: return "privsep";
        case Padding: return "padding";
        case Listen: return "listen";
        case Timer: return "timer";
        case Remote: return "remote";
        case Proposal: return "proposal";
        case SaInfo: return "sainfo";
        case Module: return "module";
    }
    return {};
}

std::span<const Directive> directives() { return kDirectives; }

const Directive* find_directive(Context context, std::string_view keyword) {
    const Table& table = tables()[static_cast<std::size_t>(context)];
    const auto found = table.find(keyword);
    return found == table.end() ? nullptr : found->second;
}

const Directive* find_elsewhere(Context context, std::string_view keyword) {
    for (const Directive& d : kDirectives)
        if (d.keyword == keyword && d.context != context && d.context != Path && d.context != Module &&
            (d.standing == S::Works || d.standing == S::Later))
            return &d;
    return nullptr;
}

std::vector<std::string> keywords(Context context) {
    std::vector<std::string> out;
    for (const Directive& d : kDirectives)
        if (d.context == context && (d.standing == S::Works || d.standing == S::Later))
            out.emplace_back(d.keyword);
    return out;
}

std::vector<std::string> split_words(std::string_view words) {
    std::vector<std::string> out;
    while (!words.empty()) {
        const auto end = words.find(' ');
        out.emplace_back(words.substr(0, end));
        words = end == words.npos ? std::string_view{} : words.substr(end + 1);
    }
    return out;
}

const Directive& module_key() { return kModuleKey; }

}  // namespace racoon::conf
