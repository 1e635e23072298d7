#include "conf/build.hpp"

#include <fmt/format.h>

#include "conf/builder.hpp"
#include "conf/nearest.hpp"
#include "conf/policy_syntax.hpp"
#include "conf/token.hpp"
#include "log/log.hpp"

namespace racoon::conf {

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
    for (const Statement& s : in_.statements) {
        if (s.broken) continue;
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
            default:
                break;
        }
    }
    check_whole();
    return config_;
}

// --- small things ---

std::optional<std::uint64_t> Builder::number(const Value& v, std::string_view directive,
                                             std::uint64_t least, std::uint64_t most) {
    if (v.number >= least && v.number <= most) return v.number;
    diagnostics_.error(v.where, fmt::format("{} takes a number from {} to {}, found {}",
                                            quoted(directive), least, most, v.number));
    return std::nullopt;
}

std::optional<IpAddr> Builder::address(const Value& v) {
    auto parsed = IpAddr::parse(v.text);
    if (parsed) return *parsed;
    const auto percent = v.text.find('%');
    if (percent != v.text.npos && parsed.error().code() == Errc::NotFound) {
        if (in_.offline) {  // the interface may exist elsewhere
            diagnostics_.warning(v.where, fmt::format("{} here", parsed.error().text()));
            if (auto bare = IpAddr::parse(v.text.substr(0, percent))) return *bare;
        }
        diagnostics_.error(v.where, fmt::format("{}: {}", quoted(v.text), parsed.error().text()));
        return std::nullopt;
    }
    bool name = false;
    for (const char c : v.text) name = name || (is_letter(c) && v.text.find(':') == v.text.npos);
    diagnostics_.error(v.where,
                       fmt::format("{} is not a numeric IPv4 or IPv6 address{}", quoted(v.text),
                                   name ? "; host names are not supported yet" : ""));
    return std::nullopt;
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
    config_->paths.insert_or_assign(std::string(kind), std::string(v.text));
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
    for (const Statement& inner : s.body) {
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
        if (missing_ && !in_.offline)
            diagnostics_.error(missing_where_, missing_message_);
        else if (missing_)
            diagnostics_.warning(missing_where_, missing_message_);
    }
    config_->kernel = std::string(v.text);
}

void Builder::listen(const Statement& block) {
    for (const Statement& s : block.body) {
        if (s.broken) continue;
        switch (s.directive->word) {
            case Word::Isakmp:
                if (const auto e = endpoint(s.values[0])) config_->listen.isakmp.push_back(*e);
                break;
            case Word::IsakmpNatt:
                if (const auto e = endpoint(s.values[0])) config_->listen.isakmp_natt.push_back(*e);
                if (!s.values[0].has_number)
                    diagnostics_.warning(
                        s.values[0].where,
                        fmt::format("isakmp_natt without a port means port 500; write \"{} "
                                    "[4500]\"",
                                    log::escaped(s.values[0].text, 80)));
                break;
            case Word::StrictAddress:
                config_->listen.strict_address = true;
                break;
            case Word::AdminSock:
                admin_socket(s);
                break;
            default:
                break;
        }
    }
}

void Builder::admin_socket(const Statement& s) {
    AdminSocket socket;
    const Value& first = s.values[0];
    if (first.kind == Value::Kind::Word) {
        socket.disabled = true;
        config_->listen.adminsock = socket;
        return;
    }
    const std::string_view path = first.text;
    const std::string_view last =
        path.substr(path.rfind('/') == path.npos ? 0 : path.rfind('/') + 1);
    const bool suffix =
        (last.ends_with(".sock") || last.ends_with(".socket")) && !last.starts_with('.');
    bool dots = false;
    for (std::size_t at = 0; at <= path.size();) {
        auto end = path.find('/', at);
        if (end == path.npos) end = path.size();
        dots = dots || path.substr(at, end - at) == "..";
        at = end + 1;
    }
    if (!path.starts_with('/'))
        diagnostics_.error(first.where,
                           fmt::format("adminsock takes an absolute path, found {}", quoted(path)));
    else if (dots)
        diagnostics_.error(first.where, "the path of adminsock may not hold \"..\"");
    else if (!suffix)
        diagnostics_.error(
            first.where,
            fmt::format("the path of adminsock ends in .sock or .socket, found {}", quoted(last)));
    else if (path.size() > 107)
        diagnostics_.error(first.where,
                           "the path of adminsock is too long for a socket; the most is 107 bytes");
    socket.path = std::string(path);
    if (s.values.size() == 4) {
        socket.owner = std::string(s.values[1].text);
        socket.group = std::string(s.values[2].text);
        socket.mode = static_cast<unsigned>(s.values[3].number);
        if (socket.mode > 0777)
            diagnostics_.error(s.values[3].where,
                               fmt::format("the mode of adminsock is at most 0777, found {}",
                                           quoted(s.values[3].text)));
    }
    config_->listen.adminsock = std::move(socket);
}

void Builder::timer(const Statement& block) {
    Timer& t = config_->timer;
    t.given = true;
    for (const Statement& s : block.body) {
        if (s.broken) continue;
        const Value& v = s.values[0];
        const std::string_view word = s.directive->keyword;
        const auto period = [&](seconds& out) {
            if (v.number >= 1 && v.number <= 86400)
                out = time(v);
            else
                diagnostics_.error(v.where,
                                   fmt::format("{} takes 1 second to 24 hours, found {} seconds",
                                               quoted(word), v.number));
        };
        switch (s.directive->word) {
            case Word::Counter:
                if (const auto n = number(v, word, 1, 1000)) t.counter = static_cast<unsigned>(*n);
                break;
            case Word::Persend:
                if (const auto n = number(v, word, 1, 10)) t.persend = static_cast<unsigned>(*n);
                break;
            case Word::Interval:
                period(t.interval);
                break;
            case Word::Phase1:
                period(t.phase1);
                break;
            case Word::Phase2:
                period(t.phase2);
                break;
            case Word::NattKeepalive:
                if (v.number == 0)
                    t.natt_keepalive = seconds(0);
                else
                    period(t.natt_keepalive);
                break;
            default:
                break;
        }
    }
}

void Builder::padding(const Statement& block) {
    Padding& p = config_->padding;
    for (const Statement& s : block.body) {
        if (s.broken) continue;
        const Value& v = s.values[0];
        switch (s.directive->word) {
            case Word::Randomize:
                p.randomize = on(v);
                break;
            case Word::RandomizeLength:
                p.randomize_length = on(v);
                break;
            case Word::ExclusiveTail:
                p.exclusive_tail = on(v);
                break;
            case Word::StrictCheck:
                p.strict_check = on(v);
                break;
            case Word::MaximumLength:
                if (const auto n = number(v, s.directive->keyword, 0, 255))
                    p.maximum_length = static_cast<std::uint8_t>(*n);
                break;
            default:
                break;
        }
    }
}

void Builder::privsep(const Statement& block) {
    if (!config_->privsep) config_->privsep.emplace();
    for (const Statement& s : block.body) {
        if (s.broken) continue;
        const std::string text(s.values[0].text);
        if (text.empty()) {
            diagnostics_.error(s.values[0].where, fmt::format("{} takes a name that is not empty",
                                                              quoted(s.directive->keyword)));
            continue;
        }
        switch (s.directive->word) {
            case Word::User:
                config_->privsep->user = text;
                break;
            case Word::Group:
                config_->privsep->group = text;
                break;
            case Word::Chroot:
                if (!text.starts_with('/'))
                    diagnostics_.error(
                        s.values[0].where,
                        fmt::format("chroot takes an absolute folder, found {}", quoted(text)));
                config_->privsep->chroot = text;
                break;
            default:
                break;
        }
    }
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
            diagnostics_.warning(v.where, message);
        else
            diagnostics_.error(v.where, message);
        return;
    }
    parse_policy_file(in_.sources, in_.sources.add(name, std::move(*bytes)), diagnostics_,
                      config_->policies);
}

void Builder::check_whole() {
    bool compression = false;
    for (const SaInfo& info : config_->sainfos)
        compression = compression || !info.compression.empty();
    drop_duplicate_policies(config_->policies, diagnostics_);
    if (!config_->policies.empty() && !config_->sainfos.empty()) {
        for (const Policy& p : config_->policies)
            for (const PolicyTemplate& t : p.templates)
                if (t.protocol == 108 && !compression) {
                    diagnostics_.warning(p.where,
                                         "this policy asks for ipcomp, but no loaded module "
                                         "provides an algorithm that a sainfo names");
                    return;
                }
    }
}

}  // namespace racoon::conf
