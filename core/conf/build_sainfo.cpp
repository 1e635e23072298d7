// `sainfo` sections.
#include <fmt/format.h>

#include <array>

#include "conf/builder.hpp"
#include "conf/nearest.hpp"
#include "conf/token.hpp"

namespace racoon::conf {

namespace {

struct Protocol {
    std::string_view word;
    std::uint8_t number;
};
constexpr std::array kProtocols = {
    Protocol{"any", 0},  Protocol{"tcp", 6},    Protocol{"udp", 17},
    Protocol{"icmp", 1}, Protocol{"icmp6", 58}, Protocol{"gre", 47},
    Protocol{"esp", 50}, Protocol{"ah", 51},    Protocol{"ipcomp", 108}};
constexpr std::size_t kMaxAlgorithms = 64;

}  // namespace

/// Values first..first+3: type or anonymous, address, prefix, protocol.
std::optional<SaInfoSide> Builder::side(const Statement& s, std::size_t first) {
    SaInfoSide out;
    if (s.values[first].is_word("anonymous")) return out;
    const Value& where = s.values[first + 1];
    const Value& prefix = s.values[first + 2];
    const Value& protocol = s.values[first + 3];
    if (where.text.find('-') != where.text.npos && where.text.find('%') == where.text.npos) {
        diagnostics_.error(where.where,
                           "a range of addresses is not supported yet; write a net such as "
                           "10.0.0.0/24");
        return std::nullopt;
    }
    const auto addr = address(where);
    if (!addr) return std::nullopt;
    Selector selector;
    selector.net = Prefix::host(*addr);
    if (prefix.has_number) {
        if (prefix.number > addr->bits()) {
            diagnostics_.error(prefix.where,
                               fmt::format("a prefix of {} has 0 to {} bits, found {}",
                                           addr->family == Family::V4 ? "IPv4" : "IPv6",
                                           addr->bits(), prefix.number));
            return std::nullopt;
        }
        selector.net = *Prefix::make(*addr, static_cast<unsigned>(prefix.number));
        if (selector.net.addr != *addr)
            diagnostics_.warning(
                where.where, fmt::format("{} has bits beyond its prefix; {} is meant", where.text,
                                         selector.net.text()));
    }
    if (where.has_number) selector.port = static_cast<std::uint16_t>(where.number);

    const auto parsed = parse_number(protocol.text);
    if (parsed.fault == NumberFault::None && parsed.value <= 255) {
        out.protocol = static_cast<std::uint8_t>(parsed.value);
    } else {
        std::vector<std::string> words;
        bool found = false;
        for (const Protocol& p : kProtocols) {
            words.emplace_back(p.word);
            if (p.word == protocol.text) {
                out.protocol = p.number;
                found = true;
            }
        }
        if (!found) {
            const std::string hint = did_you_mean(protocol.text, words);
            diagnostics_.error(
                protocol.where,
                fmt::format("unknown protocol {}; a number or any, tcp, udp, icmp, icmp6, gre, "
                            "esp, ah or ipcomp{}",
                            quoted(protocol.text), hint));
            return std::nullopt;
        }
    }
    if (out.protocol == 1 || out.protocol == 58) {
        if (selector.port != 0) {
            diagnostics_.error(where.number_where,
                               fmt::format("{} has no ports; write [any]", protocol.text));
            return std::nullopt;
        }
        if ((out.protocol == 1) != (addr->family == Family::V4)) {
            diagnostics_.error(protocol.where,
                               fmt::format("{} goes with {} addresses", protocol.text,
                                           out.protocol == 1 ? "IPv4" : "IPv6"));
            return std::nullopt;
        }
    }
    out.selector = selector;
    return out;
}

void Builder::sainfo(const Statement& s) {
    SaInfo info;
    info.where = location(s.where);
    const std::size_t errors = diagnostics_.errors();
    const auto local = side(s, 0);
    const auto remote = side(s, 4);
    if (local) info.local = *local;
    if (remote) info.remote = *remote;
    if (info.local.selector && info.remote.selector &&
        info.local.selector->net.addr.family != info.remote.selector->net.addr.family)
        diagnostics_.error(s.values[5].where,
                           "the two sides of a sainfo are of one address family");
    if (s.values.size() > 8) {
        const std::vector<Value> from(s.values.begin() + 8, s.values.end());
        Statement named = s;
        static const Directive kFrom = {.context = Context::SaInfo,
                                        .keyword = "from",
                                        .word = Word::None,
                                        .form = Form::Identifier};
        named.directive = &kFrom;
        info.from = identity(from, named, false);
    }

    std::vector<std::pair<Span, std::string>> missing_encryption, missing_integrity;
    bool wrote_encryption = false, wrote_integrity = false, wrote_compression = false;
    for (const Statement& inner : s.body) {
        const Value v = inner.values.empty() ? Value{} : inner.values[0];
        if (inner.broken) {
            wrote_encryption =
                wrote_encryption || inner.directive->word == Word::EncryptionAlgorithm;
            wrote_integrity =
                wrote_integrity || inner.directive->word == Word::AuthenticationAlgorithm;
            wrote_compression =
                wrote_compression || inner.directive->word == Word::CompressionAlgorithm;
            continue;
        }
        switch (inner.directive->word) {
            case Word::PfsGroup:
                missing_ = false;
                info.pfs_group = group(v, "pfs_group");
                if (missing_) {  // without it the SAs would be weaker than asked for
                    if (in_.offline)
                        diagnostics_.warning(missing_where_, missing_message_);
                    else
                        diagnostics_.error(missing_where_, missing_message_);
                }
                break;
            case Word::Lifetime:
                if (inner.values.empty()) break;
                if (v.number == 0) diagnostics_.error(v.where, "a lifetime is at least 1 second");
                info.lifetime = time(v);
                break;
            case Word::RemoteId:
                if (const auto n = number(v, "remoteid", 0, 0xffffffff))
                    info.remoteid = static_cast<std::uint32_t>(*n);
                break;
            case Word::EncryptionAlgorithm:
                wrote_encryption = true;
                for (const Value& a : inner.values) {
                    missing_ = false;
                    Phase2Encryption e;
                    e.transform = esp_encryption(a, e.key_bits);
                    if (e.transform && info.encryption.size() < kMaxAlgorithms)
                        info.encryption.push_back(e);
                    if (missing_) missing_encryption.emplace_back(missing_where_, missing_message_);
                }
                break;
            case Word::AuthenticationAlgorithm:
                wrote_integrity = true;
                for (const Value& a : inner.values) {
                    missing_ = false;
                    const TransformInfo* t = esp_integrity(a);
                    if (t && info.integrity.size() < kMaxAlgorithms) info.integrity.push_back(t);
                    if (missing_) missing_integrity.emplace_back(missing_where_, missing_message_);
                }
                break;
            case Word::CompressionAlgorithm:
                wrote_compression = true;
                for (const Value& a : inner.values) {
                    // Every sainfo names one, hardly a policy uses it: check_whole() tells when one does.
                    const TransformInfo* t = compression(a);
                    if (t && info.compression.size() < kMaxAlgorithms)
                        info.compression.push_back(t);
                }
                break;
            default:
                break;
        }
    }
    const auto tell = [&](const std::vector<std::pair<Span, std::string>>& missing,
                          bool something_left) {
        for (const auto& [where, message] : missing) {
            if (something_left || in_.offline)
                diagnostics_.warning(where, message);
            else
                diagnostics_.error(where, message);
        }
    };
    tell(missing_encryption, !info.encryption.empty());
    bool all_aead = !info.encryption.empty();
    for (const Phase2Encryption& e : info.encryption)
        all_aead = all_aead && e.transform->kind == TransformKind::Aead;
    tell(missing_integrity, !info.integrity.empty() || all_aead);
    if (!wrote_encryption)
        diagnostics_.error(s.where,
                           "this sainfo has no encryption_algorithm; write for example "
                           "\"encryption_algorithm aes 256;\"");
    if (!wrote_integrity && !all_aead)
        diagnostics_.error(s.where,
                           "this sainfo has no authentication_algorithm; write for example "
                           "\"authentication_algorithm hmac_sha256;\"");
    if (!wrote_compression)
        diagnostics_.warning(s.where,
                             "this sainfo has no compression_algorithm; \"compression_algorithm "
                             "deflate;\" is usual, and older racoons refuse the file without it");
    if (diagnostics_.errors() != errors) return;
    duplicate(info, s);
    config_->sainfos.push_back(std::move(info));
}

/// Two sainfos for the same sides, identity and remoteid: the second could never be used.
void Builder::duplicate(const SaInfo& info, const Statement& s) {
    const auto text = [](const SaInfoSide& side) {
        return side.selector ? fmt::format("{} {}", side.selector->net.text(), side.protocol)
                             : std::string("anonymous");
    };
    std::string key = fmt::format("{}|{}|{}", text(info.local), text(info.remote), info.remoteid);
    if (info.from) {
        key += fmt::format("|{}|{}", info.from->type,
                           info.from->address ? info.from->address->text() : std::string());
        if (info.from->value) key += "=" + *info.from->value;
    }
    const auto [earlier, fresh] = sainfo_keys_.emplace(key, s.where);
    if (fresh) return;
    const std::string where = location(earlier->second).text();
    if (!info.local.selector && !info.remote.selector && !info.from)
        diagnostics_.warning(
            s.where, fmt::format("this anonymous sainfo is never used: the one at {} is found "
                                 "first",
                                 where));
    else
        diagnostics_.error(s.where,
                           fmt::format("this sainfo is for the same nets as the one at {}", where));
}

}  // namespace racoon::conf
