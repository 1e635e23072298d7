// Weak choices, where they are written. What counts as weak is RFC 8247 (phase 1), RFC 8221 (ESP and
// AH) and BSI TR-02102-3; a missing pfs_group is a choice, not a weakness.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "conf/check.hpp"
#include "conf/token.hpp"

namespace racoon::conf {

namespace {

constexpr seconds kLongestPhase1 = std::chrono::hours(24);
constexpr seconds kLongestPhase2 = std::chrono::hours(8);
constexpr seconds kShortest = std::chrono::minutes(2);
constexpr std::uint64_t kLeastPhase1 = 100, kLeastPhase2 = 100 * 1024;  // kilobytes
constexpr unsigned kShortestKey = 128;

struct Reason {
    std::string_view name;
    std::string_view why;
};
constexpr std::string_view kSmallBlocks = "blocks of 64 bits repeat after a few gigabytes";
constexpr std::array kCiphers = {
    Reason{"des", "a key of 56 bits is searched through in hours"},
    Reason{"des_iv32", "a key of 56 bits is searched through in hours"},
    Reason{"des_iv64", "a key of 56 bits is searched through in hours"},
    Reason{"3des", kSmallBlocks},
    Reason{"3idea", kSmallBlocks},
    Reason{"idea", kSmallBlocks},
    Reason{"blowfish", kSmallBlocks},
    Reason{"cast128", kSmallBlocks},
    Reason{"rc5", kSmallBlocks},
    Reason{"rc4", "its key stream gives away plain text"},
};
constexpr std::array kHashes = {
    Reason{"md5", "collisions take seconds"},  Reason{"sha1", "collisions have been made"},
    Reason{"hmac_md5", "RFC 8221 forbids it"}, Reason{"hmac_sha1", "SHA-1 is on its way out"},
    Reason{"des_mac", "it rests on DES"},      Reason{"kpdk", "it rests on MD5"},
};

template <std::size_t N>
const Reason* find(const std::array<Reason, N>& table, std::string_view name) {
    for (const Reason& r : table)
        if (r.name == name) return &r;
    return nullptr;
}

/// "blowfish128" is "blowfish" with 128 bits; "3des" and "cast128" are names.
struct Cipher {
    std::string_view name;
    std::uint64_t bits = 0;  // 0: not written
};
Cipher cipher_of(const Value& v) {
    Cipher out{v.text, v.has_number ? v.number : 0};
    if (v.has_number || find(kCiphers, v.text)) return out;
    std::size_t n = v.text.size();
    while (n > 0 && is_digit(v.text[n - 1])) --n;
    if (n == 0 || n == v.text.size()) return out;
    const std::string_view stem = v.text.substr(0, n);
    if (!find(kCiphers, stem)) return out;
    return {stem, parse_number(v.text.substr(n)).value};
}

class WeakChoices {
  public:
    explicit WeakChoices(const Whole& whole) : whole_(whole), told_(whole.diagnostics) {}

    void remote(const Statement& section) {
        for (const Statement& s : section.body) {
            if (s.broken) continue;
            if (s.directive->word == Word::Lifetime) lifetime(s, kLongestPhase1, "phase 1");
            if (s.directive->word == Word::LifetimeByte) volume(s, kLeastPhase1, "phase 1");
            if (s.directive->word == Word::Proposal)
                for (const Statement& inner : s.body)
                    if (!inner.broken && !inner.values.empty()) proposal(inner);
        }
    }

    void sainfo(const Statement& section) {
        const Statement* integrity = nullptr;
        bool needs_integrity = false;
        for (const Statement& s : section.body) {
            if (s.broken || s.values.empty()) continue;
            switch (s.directive->word) {
                case Word::Lifetime:
                    lifetime(s, kLongestPhase2, "phase 2");
                    break;
                case Word::LifetimeByte:
                    volume(s, kLeastPhase2, "phase 2");
                    break;
                case Word::PfsGroup:
                    group(s);
                    break;
                case Word::EncryptionAlgorithm:
                    for (const Value& v : s.values) {
                        cipher(v, "ESP");
                        const TransformInfo* info =
                            whole_.catalog.esp_encryption(cipher_of(v).name);
                        needs_integrity =
                            needs_integrity || !info || info->kind != TransformKind::Aead;
                        if (v.text == "null" || v.text == "null_enc")
                            told_.warning(
                                Warning::NoEncryption, v.where,
                                fmt::format("{} leaves the traffic readable for everybody "
                                            "on its way; write aes 256 unless that is "
                                            "what you want",
                                            v.text));
                    }
                    break;
                case Word::AuthenticationAlgorithm:
                    integrity = &s;
                    for (const Value& v : s.values)
                        hash(v, Warning::WeakIntegrity, "authentication_algorithm", "hmac_sha256");
                    break;
                default:
                    break;
            }
        }
        if (!integrity || !needs_integrity) return;
        for (const Value& v : integrity->values)
            if (v.text == "non_auth")
                told_.warning(Warning::NoIntegrity, v.where,
                              "non_auth lets packets be altered on their way unnoticed; write "
                              "hmac_sha256, or a cipher that protects both, such as aes_gcm_16");
    }

    /// Whether this section's own words bring a pre-shared key and a mode without its protection
    /// together. What is inherited as a whole was told at the parent.
    void mode(const Remote& remote, const Statement& section) {
        const Statement* own_mode = written(section, Word::ExchangeMode);
        if (!own_mode && !written(section, Word::Proposal)) return;
        const bool psk = std::any_of(remote.proposals.begin(), remote.proposals.end(),
                                     [](const Phase1Proposal& p) {
                                         return p.auth && p.auth->credential == CredentialKind::Psk;
                                     });
        if (!psk) return;
        for (const ExchangeMode mode : remote.modes) {
            if (mode == ExchangeMode::Main) continue;
            const std::string_view name = mode == ExchangeMode::Aggressive ? "aggressive" : "base";
            Span where = section.where;
            if (own_mode)
                for (const Value& v : own_mode->values)
                    if (v.text == name) where = v.where;
            told_.warning(
                Warning::WeakMode, where,
                fmt::format("{} mode with a pre-shared key: whoever asks gets a hash with which to "
                            "guess the key at leisure; write \"exchange_mode main;\", or use "
                            "certificates, or make the key long and random",
                            name));
        }
    }

    /// Certificates that are not looked at.
    void certificates(const Remote& remote, const Statement& section) {
        const Statement* s = written(section, Word::VerifyCert);
        if (!s || remote.verify_cert) return;
        const bool keys = std::any_of(
            remote.proposals.begin(), remote.proposals.end(), [](const Phase1Proposal& p) {
                return p.auth && p.auth->credential == CredentialKind::Key;
            });
        if (keys)
            told_.warning(Warning::UncheckedPeer, s->where,
                          "with verify_cert off, any certificate lets any peer in, one made by an "
                          "attacker too; write \"verify_cert on;\"");
    }

  private:
    void proposal(const Statement& s) {
        switch (s.directive->word) {
            case Word::EncryptionAlgorithm:
                cipher(s.values[0], "phase 1");
                break;
            case Word::HashAlgorithm:
                hash(s.values[0], Warning::WeakHash, "hash_algorithm", "sha256");
                break;
            case Word::DhGroup:
                group(s);
                break;
            case Word::Lifetime:
                lifetime(s, kLongestPhase1, "phase 1");
                break;
            case Word::LifetimeByte:
                volume(s, kLeastPhase1, "phase 1");
                break;
            default:
                break;
        }
    }

    void cipher(const Value& v, std::string_view what) {
        const Cipher c = cipher_of(v);
        if (const Reason* weak = find(kCiphers, c.name))
            told_.warning(Warning::WeakCipher, v.where,
                          fmt::format("{} is a weak cipher for {}: {}; write aes 256", c.name, what,
                                      weak->why));
        if (c.bits != 0 && c.bits < kShortestKey)
            told_.warning(Warning::WeakKey, v.has_number ? v.number_where : v.where,
                          fmt::format("a key of {} bits is weak; write {} {} or more", c.bits,
                                      c.name, kShortestKey));
    }

    void hash(const Value& v, Warning name, std::string_view directive, std::string_view better) {
        if (const Reason* weak = find(kHashes, v.text))
            told_.warning(
                name, v.where,
                fmt::format("{} is a weak {}: {}; write {}", v.text, directive, weak->why, better));
    }

    void group(const Statement& s) {
        const Value& v = s.values[0];
        const GroupInfo* info = whole_.catalog.group(v.text);
        const auto written_number = parse_number(v.text);
        std::uint64_t number = 0;
        if (info)
            number = info->number;
        else if (written_number.fault == NumberFault::None)
            number = written_number.value;
        const bool small = number >= 1 && number < 14;
        const bool doubtful = number >= 22 && number <= 24;
        if (!small && !doubtful) return;
        const std::string name = info && info->name != v.text
                                     ? fmt::format("group {} ({})", v.text, info->name)
                                     : fmt::format("{}{}", info ? "" : "group ", v.text);
        told_.warning(Warning::WeakGroup, v.where,
                      fmt::format("{} {}; write {} modp2048 or ecp256", name,
                                  small ? "is too small for today's attackers"
                                        : "has a structure that nobody vouches for",
                                  s.directive->keyword));
    }

    void lifetime(const Statement& s, seconds longest, std::string_view phase) {
        if (s.values.empty()) return;
        const seconds time(static_cast<std::int64_t>(s.values[0].number));
        if (time > longest)
            told_.warning(
                Warning::LongLifetime, s.values[0].where,
                fmt::format("{} lives for {}; keys should be renewed after {} at the latest", phase,
                            duration(time), duration(longest)));
        else if (time < kShortest && time.count() > 0)
            told_.warning(Warning::ShortLifetime, s.values[0].where,
                          fmt::format("{} lives for {} only, so that the ends do little but "
                                      "negotiate; usual are hours",
                                      phase, duration(time)));
    }

    void volume(const Statement& s, std::uint64_t least, std::string_view phase) {
        if (s.values.empty() || s.values[0].number >= least) return;
        told_.warning(Warning::ShortLifetime, s.values[0].where,
                      fmt::format("{} ends after {} KB, so that the ends do little but negotiate; "
                                  "write at least {} KB",
                                  phase, s.values[0].number, least));
    }

    const Whole& whole_;
    Diagnostics& told_;
};

}  // namespace

void check_weakness(const Whole& whole) {
    WeakChoices weak(whole);
    for (std::size_t i = 0; i < whole.remotes.size(); ++i) {
        weak.remote(*whole.remotes[i]);
        weak.mode(whole.config.remotes[i], *whole.remotes[i]);
        weak.certificates(whole.config.remotes[i], *whole.remotes[i]);
    }
    for (const Statement* s : whole.sainfos) weak.sainfo(*s);
}

}  // namespace racoon::conf
