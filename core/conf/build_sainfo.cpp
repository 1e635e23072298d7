// `sainfo` sections.
#include <fmt/format.h>

#include <array>

#include "conf/builder.hpp"
#include "conf/check.hpp"
#include "conf/marks.hpp"
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

void keep(std::vector<UnavailableAlgorithm>& list, std::size_t at, const Value& v) {
    if (list.size() >= kMaxAlgorithms) return;
    list.push_back(
        {at, v.has_number ? fmt::format("{} {}", v.text, v.number) : std::string(v.text)});
}

}  // namespace

bool Builder::protocol(const Value& v, std::uint8_t& out) {
    const auto parsed = parse_number(v.text);
    if (parsed.fault == NumberFault::None && parsed.value <= 255) {
        out = static_cast<std::uint8_t>(parsed.value);
        return true;
    }
    if (parsed.fault != NumberFault::NotANumber) {
        diagnostics_.error(v.where,
                           fmt::format("the number of a protocol is from 0 to 255, found {}",
                                       v.text.substr(0, 20)));
        return false;
    }
    std::vector<std::string> words;
    for (const Protocol& p : kProtocols) {
        words.emplace_back(p.word);
        if (p.word != v.text) continue;
        out = p.number;
        return true;
    }
    diagnostics_.error(
        v.where, fmt::format("unknown protocol {}; a number or any, tcp, udp, icmp, icmp6, gre, "
                             "esp, ah or ipcomp{}",
                             quoted(v.text), did_you_mean(v.text, words)));
    return false;
}

/// 10.0.0.1-10.0.0.9. What is exactly a net is that net; anything else is compared as it stands.
bool Builder::range(const Value& where, const Value& length, SaInfoSide& out) {
    const auto dash = where.text.find('-');
    const auto part = [&](std::size_t from, std::size_t n) {
        Value v = where;
        v.text = where.text.substr(from, n);
        v.where.offset += static_cast<std::uint32_t>(from);
        v.where.column += static_cast<std::uint32_t>(from);
        v.where.length = static_cast<std::uint32_t>(v.text.size());
        return address(v);
    };
    const auto first = part(0, dash);
    const auto last = part(dash + 1, where.text.npos);
    if (!first || !last) return false;
    if (length.present()) {
        diagnostics_.error(length.where, "a range of addresses has no prefix length");
        return false;
    }
    if (first->family != last->family || *first > *last) {
        diagnostics_.error(where.where,
                           fmt::format("a range goes from a lower to a higher address of the same "
                                       "family, found {}",
                                       quoted(where.text)));
        return false;
    }
    for (unsigned bits = 0; bits <= first->bits(); ++bits) {
        const Prefix net = *Prefix::make(*first, bits);
        if (net.addr != *first || !net.contains(*last)) continue;
        IpAddr end = *first;  // the net's last address
        for (unsigned b = bits; b < first->bits(); ++b)
            end.bytes[b / 8] |= static_cast<std::uint8_t>(0x80u >> (b % 8));
        if (end != *last) continue;
        out.selector = Selector{net, 0};
        return true;
    }
    LiteralId id;
    id.type = first->family == Family::V4 ? 7 : 8;
    id.data = std::string(as_text(first->view())) + std::string(as_text(last->view()));
    out.literal = std::move(id);
    return true;
}

/// Values first..first+3: type, anonymous or clientaddr; address, range or text; prefix; protocol.
std::optional<SaInfoSide> Builder::side(const Statement& s, std::size_t first) {
    SaInfoSide out;
    const Value& type = s.values[first];
    const Value& where = s.values[first + 1];
    const Value& length = s.values[first + 2];
    if (type.is_word("anonymous")) return out;
    if (type.is_word("clientaddr")) {
        out.clientaddr = true;
        return out;
    }
    if (where.kind == Value::Kind::String) {
        if (type.text != "fqdn" && type.text != "user_fqdn" && type.text != "keyid") {
            diagnostics_.error(
                type.where, fmt::format("a sainfo's text is of type fqdn, user_fqdn or keyid, not "
                                        "{}",
                                        type.text));
            return std::nullopt;
        }
        if (where.text.empty()) {
            diagnostics_.error(where.where, "an identity cannot be empty");
            return std::nullopt;
        }
        if (!identity_fits(where, where.text.size())) return std::nullopt;
        const std::uint8_t number = type.text == "fqdn" ? 2 : type.text == "user_fqdn" ? 3 : 11;
        out.literal = LiteralId{number, std::string(where.text)};
        return out;
    }
    if (!protocol(s.values[first + 3], out.protocol)) return std::nullopt;
    const bool is_range =
        where.text.find('-') != where.text.npos && where.text.find('%') == where.text.npos;
    if (is_range) {
        if (!range(where, length, out)) return std::nullopt;
    } else {
        const auto n = net(where, length);
        if (!n) return std::nullopt;
        out.selector = Selector{*n, 0};
    }
    std::uint16_t port = 0;
    if (where.has_number) port = static_cast<std::uint16_t>(where.number);
    if (out.selector) out.selector->port = port;
    if (out.protocol != 1 && out.protocol != 58) return out;
    const std::string_view name = s.values[first + 3].text;
    if (port != 0) {
        diagnostics_.error(where.number_where, fmt::format("{} has no ports; write [any]", name));
        return std::nullopt;
    }
    const bool v4 =
        out.selector ? out.selector->net.addr.family == Family::V4 : out.literal->type == 7;
    if ((out.protocol == 1) != v4) {
        diagnostics_.error(
            s.values[first + 3].where,
            fmt::format("{} goes with {} addresses", name, out.protocol == 1 ? "IPv4" : "IPv6"));
        return std::nullopt;
    }
    return out;
}

/// The sides, and `from` or `group`.
void Builder::sainfo_for(const Statement& s, SaInfo& info) {
    const auto local = side(s, 0);
    const auto remote = side(s, 4);
    if (local) info.local = *local;
    if (remote) info.remote = *remote;
    if (info.local.selector && info.remote.selector &&
        info.local.selector->net.addr.family != info.remote.selector->net.addr.family)
        diagnostics_.error(s.values[5].where,
                           "the two sides of a sainfo are of one address family");
    for (const auto* side : {&info.local, &info.remote})
        if (side->literal)
            unsupported(info.unsupported, s.values[side == &info.local ? 1 : 5].where,
                        side->literal->type >= 7 && side->literal->type <= 8
                            ? "a range that is no net"
                            : "a text as identity",
                        Feature::StringSelectors, "this sainfo");
    if (s.values.size() <= 9) return;
    if (s.values[8].is_word("group")) {
        const Value& name = s.values[9];
        if (name.text.empty()) diagnostics_.error(name.where, "a group has a name");
        info.group = std::string(name.text);
        unsupported(info.unsupported, s.values[8].where, "group", Feature::XAuth, "this sainfo");
        return;
    }
    const std::vector<Value> from(s.values.begin() + 9, s.values.end());
    Statement named = s;
    static const Directive kFrom = {.context = Context::SaInfo,
                                    .keyword = "from",
                                    .word = Word::None,
                                    .form = Form::Identifier};
    named.directive = &kFrom;
    named.where = s.values[8].where;
    info.from = identity(from, named);
    if (info.from && info.from->type == 9 && info.from->value)
        unsupported(info.unsupported, s.values[9].where, "from asn1dn", Feature::DistinguishedNames,
                    "this sainfo");
}

void Builder::sainfo(const Statement& s) {
    SaInfo info;
    info.where = location(s.where);
    const std::size_t errors = diagnostics_.errors();
    sainfo_for(s, info);

    std::vector<std::pair<Span, std::string>> missing_encryption, missing_integrity;
    bool wrote_encryption = false, wrote_integrity = false, wrote_compression = false;
    for (const Statement& inner : s.body) {
        const Value v = inner.values.empty() ? Value{} : inner.values[0];
        if (inner.directive == &unknown_directive())  // it may be what seems to be absent
            wrote_encryption = wrote_integrity = wrote_compression = true;
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
                if (missing_) info.no_pfs_group = std::string(v.text);
                // Without it the SAs would be weaker than asked for.
                if (missing_) tell_missing(missing_where_, missing_message_, false);
                break;
            case Word::Lifetime:
                if (v.number == 0) diagnostics_.error(v.where, "a lifetime is at least 1 second");
                info.lifetime = time(v);
                break;
            case Word::LifetimeByte:
                info.kilobytes = v.number;
                break;
            case Word::Esn:
                info.esn = on(v);
                break;
            case Word::IfId:
                if (const auto n = number(inner)) info.marks.if_id = static_cast<std::uint32_t>(*n);
                info.marks_where = location(inner.where);
                break;
            case Word::Mark:
                mark(inner, info.marks.mark);
                info.marks_where = location(inner.where);
                break;
            case Word::OutputMark:
                mark(inner, info.marks.output_mark);
                info.marks_where = location(inner.where);
                break;
            case Word::RemoteId:
                if (const auto n = number(inner)) info.remoteid = static_cast<std::uint32_t>(*n);
                break;
            case Word::EncryptionAlgorithm:
                wrote_encryption = true;
                for (const Value& a : inner.values) {
                    missing_ = false;
                    Phase2Encryption e;
                    e.transform = esp_encryption(a, e.key_bits);
                    if (e.transform && info.encryption.size() < kMaxAlgorithms)
                        info.encryption.push_back(e);
                    if (!missing_) continue;
                    missing_encryption.emplace_back(missing_where_, missing_message_);
                    keep(info.no_encryption, info.encryption.size(), a);
                }
                break;
            case Word::AuthenticationAlgorithm:
                wrote_integrity = true;
                for (const Value& a : inner.values) {
                    missing_ = false;
                    const TransformInfo* t = esp_integrity(a);
                    if (t && info.integrity.size() < kMaxAlgorithms) info.integrity.push_back(t);
                    if (!missing_) continue;
                    missing_integrity.emplace_back(missing_where_, missing_message_);
                    keep(info.no_integrity, info.integrity.size(), a);
                }
                break;
            case Word::CompressionAlgorithm:
                wrote_compression = true;
                for (const Value& a : inner.values) {
                    if (a.text == "none") {
                        diagnostics_.warning(
                            Warning::Deprecated, a.where,
                            "compression_algorithm none: it is used only where a "
                            "policy asks for it; write deflate, which older racoons "
                            "need to see");
                        continue;
                    }
                    // Every sainfo names one, hardly a policy uses it: check_whole() tells when one does.
                    missing_ = false;
                    const TransformInfo* t = compression(a);
                    if (missing_) keep(info.no_compression, info.compression.size(), a);
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
        for (const auto& [where, message] : missing) tell_missing(where, message, something_left);
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
        diagnostics_.warning(Warning::NoCompression, s.where,
                             "this sainfo has no compression_algorithm; \"compression_algorithm "
                             "deflate;\" is usual, and older racoons refuse the file without it");
    if (diagnostics_.errors() != errors) return;
    info.warnings = section_warnings(s);
    duplicate(info, s);
    config_->sainfos.push_back(std::move(info));
}

void Builder::mark(const Statement& s, Mark& out) {
    std::optional<std::uint64_t> mask;
    if (s.values.size() > 1) mask = s.values[1].number;
    if (const auto fault = judge_mark(s.directive->keyword, s.values[0].number, mask, out))
        diagnostics_.error(s.values[fault->in_mask ? 1 : 0].where, fault->text);
}

/// Two sainfos for the same sides, identity and remoteid: the second could never be used.
void Builder::duplicate(const SaInfo& info, const Statement& s) {
    const auto text = [](const SaInfoSide& side) {
        if (side.clientaddr) return std::string("clientaddr");
        if (side.literal)
            return fmt::format("={} {} {}:{}", side.literal->type, side.protocol,
                               side.literal->data.size(), side.literal->data);
        return side.selector ? fmt::format("{} {}", side.selector->net.text(), side.protocol)
                             : std::string("anonymous");
    };
    std::string key = fmt::format("{}|{}|{}|{}:{}", text(info.local), text(info.remote),
                                  info.remoteid, info.group.size(), info.group);
    if (info.from) {
        key += fmt::format("|{}|{}", info.from->type,
                           info.from->address ? info.from->address->text() : std::string());
        if (info.from->value) key += "=" + *info.from->value;
    }
    const auto [earlier, fresh] = sainfo_keys_.emplace(key, s.where);
    if (fresh) return;
    const std::string where = location(earlier->second).text();
    if (info.local.anonymous() && info.remote.anonymous() && !info.from && info.group.empty())
        diagnostics_.warning(
            Warning::Shadowed, s.where,
            fmt::format("this anonymous sainfo is never used: the one at {} is found "
                        "first",
                        where));
    else
        diagnostics_.error(s.where,
                           fmt::format("this sainfo is for the same nets as the one at {}", where));
}

}  // namespace racoon::conf
