#include "conf/build.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "conf/address_hint.hpp"
#include "conf/builder.hpp"
#include "conf/load.hpp"
#include "conf/marks.hpp"
#include "conf/nearest.hpp"
#include "conf/policy_syntax.hpp"
#include "conf/token.hpp"

namespace racoon::conf {

namespace {

constexpr std::size_t kMaxModuleKeys = 256;  // of one module

}  // namespace

std::shared_ptr<Config> build(const BuildInput& input, std::string file, Diagnostics& diagnostics) {
    return Builder(input, diagnostics).run(std::move(file));
}

std::string resolve_path(std::string_view name, std::string_view base, std::string_view named_in) {
    if (name.starts_with('/') || name.starts_with('~')) return std::string(name);
    if (!base.empty()) return fmt::format("{}/{}", base, name);
    const auto slash = named_in.rfind('/');
    if (slash == named_in.npos) return std::string(name);
    return fmt::format("{}/{}", named_in.substr(0, slash), name);
}

std::shared_ptr<Config> Builder::run(std::string file) {
    config_->file = std::move(file);
    find_parents();
    for (const Statement& s : in_.statements) {
        if (s.broken) {
            has_broken_remote_ = has_broken_remote_ || s.directive->word == Word::Remote ||
                                 s.directive == &unknown_directive();
            continue;
        }
        switch (s.directive->word) {
            case Word::PathKind:
                path(s);
                break;
            case Word::Log: {
                const auto levels = split_words(s.directive->choices);
                for (std::size_t i = 0; i < levels.size(); ++i)
                    if (levels[i] == s.values[0].text)
                        config_->log_level = static_cast<std::uint8_t>(i + 1);
                break;
            }
            case Word::Module:
                module(s);
                break;
            case Word::Kernel:
                kernel(s);
                break;
            case Word::Policy:
                policy(s);
                break;
            case Word::Listen:
                listen(s);
                break;
            case Word::Timer:
                timer(s);
                break;
            case Word::Padding:
                padding(s);
                break;
            case Word::Privsep:
                privsep(s);
                break;
            case Word::Remote:
                remote(s);
                break;
            case Word::SaInfo:
                sainfo(s);
                break;
            case Word::ComplexBundle:
                config_->complex_bundle = on(s.values[0]);
                if (!config_->complex_bundle) offer_only(s, "each rule keeps its own mode");
                break;
            case Word::PfkeyBuffer:
                if (const auto n = number(s))
                    config_->pfkey_buffer = static_cast<std::uint32_t>(*n);
                config_->pfkey_buffer_where = location(s.where);
                break;
            case Word::GssIdEnc:
                config_->gss_id_enc =
                    s.values[0].text == "latin1" ? GssIdEncoding::Latin1 : GssIdEncoding::Utf16Le;
                break;
            case Word::ModeCfgBlock:
                mode_cfg(s);
                break;
            case Word::RadiusCfgBlock:
                radius_cfg(s);
                break;
            case Word::LdapCfgBlock:
                ldap_cfg(s);
                break;
            default:
                break;
        }
    }
    check_whole();
    return config_;
}

// --- small things ---

std::optional<std::uint64_t> Builder::number(const Statement& s) {
    const Value& v = s.values[0];
    const Directive& d = *s.directive;
    if (v.number >= d.least && v.number <= d.most) return v.number;
    if (d.lenient) return nearest_in_range(s, "");
    diagnostics_.error(v.where, fmt::format("{} takes a number from {} to {}, found {}",
                                            quoted(d.keyword), d.least, d.most, v.number));
    return std::nullopt;
}

/// What racoon took as it stood, although no such value makes sense.
std::uint64_t Builder::nearest_in_range(const Statement& s, std::string_view unit) {
    const Value& v = s.values[0];
    const Directive& d = *s.directive;
    const std::uint64_t used = v.number < d.least ? d.least : std::min(v.number, d.most);
    if (used != v.number)
        diagnostics_.warning(Warning::OddValue, v.where,
                             fmt::format("{} takes {} to {}{}, found {}; {} is used",
                                         quoted(d.keyword), d.least, d.most, unit, v.number, used));
    return used;
}

std::optional<IpAddr> Builder::address(const Value& v) {
    auto parsed = IpAddr::parse(v.text);
    if (parsed) return *parsed;
    const auto percent = v.text.find('%');
    if (percent != v.text.npos && parsed.error().code() == Errc::NotFound) {
        if (in_.offline) {  // the interface may exist elsewhere
            diagnostics_.warning(Warning::MissingFile, v.where,
                                 fmt::format("{} here", parsed.error().text()));
            if (auto bare = IpAddr::parse(v.text.substr(0, percent))) return *bare;
        }
        diagnostics_.error(v.where, fmt::format("{}: {}", quoted(v.text), parsed.error().text()));
        return std::nullopt;
    }
    std::string hint = address_hint(v.text);
    const bool name =
        v.text.find(':') == v.text.npos && std::any_of(v.text.begin(), v.text.end(), is_letter);
    if (hint.empty() && name) hint = "; names are not looked up here";
    diagnostics_.error(
        v.where, fmt::format("{} is not a numeric IPv4 or IPv6 address{}", quoted(v.text), hint));
    return std::nullopt;
}

std::optional<Prefix> Builder::net(const Value& where, const Value& length) {
    const auto addr = address(where);
    if (!addr) return std::nullopt;
    if (!length.has_number) return Prefix::host(*addr);
    if (length.number > addr->bits()) {
        diagnostics_.error(length.where, fmt::format("a prefix of {} has 0 to {} bits, found {}",
                                                     addr->family == Family::V4 ? "IPv4" : "IPv6",
                                                     addr->bits(), length.number));
        return std::nullopt;
    }
    const Prefix out = *Prefix::make(*addr, static_cast<unsigned>(length.number));
    if (out.addr != *addr)
        diagnostics_.warning(
            Warning::HostBits, where.where,
            fmt::format("{} has bits beyond its prefix; {} is meant", where.text, out.text()));
    return out;
}

/// Told once for each feature: the rest works without it.
void Builder::offer_only(const Statement& s, std::string_view instead) {
    const Feature feature = s.directive->feature;
    if (has(feature) || !told_features_.insert(feature).second) return;
    diagnostics_.warning(Warning::NotSupported, s.where,
                         fmt::format("{}: this release has no support for {}; {}",
                                     s.directive->keyword, feature_name(feature), instead));
}

std::optional<Endpoint> Builder::endpoint(const Value& v) {
    const auto addr = address(v);
    if (!addr) return std::nullopt;
    return Endpoint{*addr,
                    v.has_number ? static_cast<std::uint16_t>(v.number) : std::uint16_t{500}};
}

// --- top level ---

void Builder::path(const Statement& s) {
    const Value& v = s.values[0];
    const std::string_view kind = s.directive->keyword;
    if (v.text.empty()) {
        diagnostics_.error(v.where, fmt::format("path {} takes a name that is not empty", kind));
        return;
    }
    if (kind == "module" && !v.text.starts_with('/')) {
        diagnostics_.error(
            v.where, fmt::format("path module takes an absolute name, found {}", quoted(v.text)));
        return;
    }
    if (s.directive->feature != Feature::None) offer_only(s, "nothing is written there");
    config_->paths.insert_or_assign(std::string(kind), std::string(v.text));
    config_->path_places.insert_or_assign(std::string(kind), location(v.where));
}

std::string Builder::folder_base() const {
    const auto found = config_->paths.find("include");
    return found == config_->paths.end() ? std::string() : found->second;
}

ModuleBlock build_module(const Statement& s, const Sources& sources, Diagnostics& diagnostics) {
    ModuleBlock out;
    const Value& name = s.values[0];
    out.name = std::string(name.text);
    out.where = sources.location(s.where);
    bool good = !name.text.empty() && name.text.size() <= 32;
    for (const char c : name.text)
        good = good && ((c >= 'a' && c <= 'z') || is_digit(c) || c == '-');
    if (!good)
        diagnostics.error(name.where,
                          fmt::format("{} is not a module's name: small letters, digits and -, at "
                                      "most 32; a folder belongs into path module",
                                      quoted(name.text)));
    if (out.name == kStandardModules && !s.body.empty())
        diagnostics.error(s.body[0].where,
                          "module \"standard\" stands for several modules and takes no settings; "
                          "write the block of the module that they are for, beside it");
    for (const Statement& inner : s.body) {
        if (diagnostics.full()) break;
        if (inner.broken) continue;
        switch (inner.directive->word) {
            case Word::Isolate:
                out.isolate = inner.values[0].number == 1;
                break;
            case Word::Optional:
                out.optional = inner.values[0].number == 1;
                break;
            case Word::Sha256: {
                const Value& v = inner.values[0];
                if (v.text.size() != 64 || !from_hex(v.text))
                    diagnostics.error(v.where,
                                      fmt::format("sha256 takes 64 hexadecimal digits, found {}",
                                                  quoted(v.text)));
                out.sha256 = std::string(v.text);
                break;
            }
            default: {
                const std::string key(sources.text(inner.where));
                if (out.values.size() == kMaxModuleKeys && !out.values.contains(key)) {
                    diagnostics.error(inner.where, fmt::format("more than {} keys for one module",
                                                               kMaxModuleKeys));
                    return out;
                }
                ModuleValue value;
                value.where =
                    sources.location(inner.values.empty() ? inner.where : inner.values[0].where);
                for (const Value& part : inner.values) {
                    if (!value.text.empty()) value.text += ' ';
                    value.text += part.text;
                }
                if (!out.values.emplace(key, std::move(value)).second)
                    diagnostics.error(
                        inner.where,
                        fmt::format("{} is already set for this module in line {}", quoted(key),
                                    out.values.find(key)->second.where.line));
            }
        }
    }
    return out;
}

void Builder::module(const Statement& s) {
    ModuleBlock block = build_module(s, in_.sources, diagnostics_);
    const auto [earlier, fresh] = module_places_.emplace(block.name, s.where);
    if (!fresh) {
        diagnostics_.error(s.values[0].where,
                           fmt::format("module {} is already named at {}", quoted(block.name),
                                       location(earlier->second).text()));
        return;
    }
    std::unordered_map<std::string_view, const Statement*> settings;
    for (const Statement& inner : s.body)
        if (!inner.broken) settings.insert_or_assign(in_.sources.text(inner.where), &inner);
    for (ModuleFinding& finding : in_.catalog.check_module(block)) {
        Span where = s.values[0].where;
        if (const auto found = settings.find(finding.key); found != settings.end()) {
            const Statement& inner = *found->second;
            where = finding.in_value && !inner.values.empty() ? inner.values[0].where : inner.where;
        }
        diagnostics_.error(where, std::move(finding.text));
    }
    config_->modules.push_back(std::move(block));
}

void Builder::kernel(const Statement& s) {
    const Value& v = s.values[0];
    if (v.text == "auto") {
        config_->kernel = "auto";
        return;
    }
    if (!in_.catalog.has(Kind::Kernel, v.text)) {
        no_provider(Kind::Kernel, "kernel", v, v.text);
        if (missing_) tell_missing(missing_where_, missing_message_, false);
    }
    config_->kernel = std::string(v.text);
}

void Builder::policy(const Statement& s) {
    const Value& v = s.values[0];
    if (v.kind == Value::Kind::Word) {
        parse_policy_statement(in_.sources, v.where, diagnostics_, config_->policies);
        return;
    }
    const std::string name = resolve_path(v.text, folder_base(), in_.sources.at(v.where.file).name);
    auto bytes = in_.files.read(name);
    if (!bytes) {
        const std::string message =
            fmt::format("cannot read the policy file {}: {}", quoted(name), bytes.error().text());
        if (in_.offline)
            diagnostics_.warning(Warning::MissingFile, v.where, message);
        else
            diagnostics_.error(v.where, message);
        return;
    }
    parse_policy_file(in_.sources, in_.sources.add(name, std::move(*bytes)), diagnostics_,
                      config_->policies);
}

void Builder::check_whole() {
    config_->natt = in_.catalog.natt();
    config_->groups = in_.catalog.groups();
    for (const Remote& r : config_->remotes)
        if (r.start && !r.address && r.host.empty() && !parents_.contains(r.name))
            diagnostics_.warning(
                Warning::NoEffect, r.where,
                fmt::format("remote {}: start on needs one peer, by address or host name; "
                            "nothing is brought up for this section",
                            quoted(r.name)));
    bool compression = false;
    for (const SaInfo& info : config_->sainfos)
        compression = compression || !info.compression.empty();
    inherit_marks(*config_, diagnostics_);
    drop_duplicate_policies(config_->policies, diagnostics_);
    if (!config_->policies.empty() && !config_->sainfos.empty()) {
        for (const Policy& p : config_->policies)
            for (const PolicyTemplate& t : p.templates)
                if (t.protocol == 108 && !compression) {
                    diagnostics_.warning(Warning::NoCompression, p.where,
                                         "this policy asks for ipcomp, but no loaded module "
                                         "provides an algorithm that a sainfo names");
                    return;
                }
    }
}

}  // namespace racoon::conf
