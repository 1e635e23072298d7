#include "conf/warnings.hpp"

#include "conf/diagnostic.hpp"

namespace racoon::conf {

namespace {

using W = Warning;

constexpr WarningInfo kTable[] = {
    // --- weak choices ---
    {W::WeakCipher, "weak_cipher",
     "A cipher with a short key or with blocks of 64 bits: DES, 3DES, Blowfish, CAST-128, IDEA, RC5, "
     "RC4. Write aes.",
     "RFC 8247 2.1, RFC 8221 5"},
    {W::WeakHash, "weak_hash", "MD5 or SHA-1 in a proposal. Write sha256.",
     "RFC 8247 2.2, BSI TR-02102-3"},
    {W::WeakIntegrity, "weak_integrity",
     "hmac_md5, hmac_sha1, des_mac or kpdk in a sainfo. Write hmac_sha256.",
     "RFC 8221 6, BSI TR-02102-3"},
    {W::WeakGroup, "weak_group",
     "A Diffie-Hellman group below 14, or one of 22 to 24. Write modp2048 or more, or ecp256.",
     "RFC 8247 2.4, BSI TR-02102-3"},
    {W::WeakKey, "weak_key", "A cipher key of fewer than 128 bits.", "BSI TR-02102-3"},
    {W::WeakMode, "weak_mode",
     "Aggressive or base mode with a pre-shared key: who asks, or listens, gets a hash with which to "
     "guess the key offline. Use main mode or certificates.",
     "RFC 2409 5.4, CVE-2002-1623"},
    {W::WeakPsk, "weak_psk",
     "A pre-shared key that is short: an active attacker can guess it offline.",
     "NIST SP 800-77r1, BSI TR-02102-3"},
    {W::WeakRsaKey, "weak_rsa_key", "An RSA key that is short or has an unusual exponent.",
     "RFC 8247 4.1, BSI TR-02102-3"},
    {W::NoEncryption, "no_encryption", "A sainfo that accepts ESP without encryption.", "RFC 2410"},
    {W::NoIntegrity, "no_integrity",
     "A sainfo that accepts encryption without integrity: packets can be altered unnoticed.",
     "RFC 8221 4"},
    {W::UncheckedPeer, "unchecked_peer",
     "verify_cert off with certificates, or peers_identifier without verify_identifier on: others than "
     "the one who is meant are let in, too.",
     ""},
    {W::LongLifetime, "long_lifetime",
     "Phase 1 lives for more than 24 hours, or phase 2 for more than 8.", "BSI TR-02102-3"},

    // --- sections ---
    {W::Tied, "tied",
     "Two remote sections match the same peers equally well. racoon does not choose between them.",
     ""},
    {W::Shadowed, "shadowed",
     "A section or an entry that is never found, because of an earlier one.", ""},
    {W::Unused, "unused",
     "A section that can never be used: for example a sainfo with a remoteid that is no remote's "
     "ph1id.",
     ""},
    {W::UnservedPolicy, "unserved_policy",
     "A policy whose peer no remote section is for: it can start no negotiation.", ""},
    {W::OneWay, "one_way",
     "An out policy without an in policy for the same traffic: what comes back may be unprotected. Or an in "
     "policy with the gateways of its out policy in the same order.",
     ""},
    {W::NoSaInfo, "no_sainfo",
     "A policy, a remote section or a whole file for which there is no sainfo: phase 2 fails.", ""},
    {W::Repeated, "repeated", "The same proposal, algorithm or address twice.", ""},
    {W::NoEffect, "no_effect",
     "A setting that another one makes void, such as dpd_delay with dpd off.", ""},
    {W::ShortLifetime, "short_lifetime",
     "A lifetime of less than 2 minutes: the ends would do little but negotiate.", ""},
    {W::LifetimeOrder, "lifetime_order",
     "Phase 2 lives longer than phase 1: for a time there are SAs, but nothing that could renew, "
     "delete or watch them.",
     ""},
    {W::TimerOrder, "timer_order",
     "phase1 or phase2 of timer ends before the first message is sent a second time.", ""},
    {W::NattPort, "natt_port",
     "isakmp_natt without a port, which means 500 and hardly ever is meant; or nat_traversal with a listen "
     "block that has no isakmp_natt.",
     "RFC 3947 4"},
    {W::HostBits, "host_bits", "A net with bits beyond its prefix, such as 10.1.2.3/8.", ""},
    {W::OddValue, "odd_value",
     "A value that racoon took and that makes no sense, such as counter 0; what is used instead is said.",
     ""},
    {W::NoCompression, "no_compression",
     "A sainfo without compression_algorithm, which older racoons refuse; or a policy that asks for "
     "ipcomp when there is no algorithm for it.",
     ""},

    // --- files, modules, spellings ---
    {W::MissingFile, "missing_file", "A file that is named but not there.", ""},
    {W::UnsafeFile, "unsafe_file",
     "A file with secrets that others can read, or with hooks that they "
     "can change.",
     ""},
    {W::UncheckedFile, "unchecked_file",
     "A file of keys that the user who runs racoon -t may not read, so that nothing can be said of it.",
     ""},
    {W::KeyFileMode, "key_file_mode", "A file of keys with more permissions than it needs.", ""},
    {W::PskLine, "psk_line",
     "A line of psk.txt that is skipped, or that does not do what it seems to.", ""},
    {W::MissingModule, "missing_module",
     "A known word that no loaded module provides; the section works with what is left.", ""},
    {W::NotSupported, "not_supported",
     "A directive of which this release does not do what it asks for.", ""},
    {W::Deprecated, "deprecated", "An old spelling, or a word that has no effect any more.", ""},
    {W::StrayCharacter, "stray_character", "A character that is skipped: \"=\" or a parenthesis.",
     ""},
};
static_assert(std::size(kTable) == kWarnings);

}  // namespace

std::span<const WarningInfo> warning_table() {
    return kTable;
}

const WarningInfo& about(Warning warning) {
    return kTable[static_cast<std::size_t>(warning)];
}

void Silence::set(Warning warning, bool told, const Span& begin, const Span& end) {
    Section& section = sections_[{begin.file, begin.offset}];
    section.end = end.offset;
    set(section.settings, warning, told);
}

bool Silence::covers(Warning warning, const Span& where) const {
    const std::size_t i = index(warning);
    auto after = sections_.upper_bound({where.file, where.offset});
    if (where.line > 0 && after != sections_.begin()) {
        const auto& [begin, section] = *--after;
        if (begin.first == where.file && where.offset <= section.end) {
            if (section.settings.off[i]) return true;
            if (section.settings.on[i]) return false;
        }
    }
    return everywhere_.off[i];
}

}  // namespace racoon::conf
