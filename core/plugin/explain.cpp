#include "plugin/explain.hpp"

#include <racoon/plugin.h>

#include <array>
#include <set>

#include <fmt/format.h>

#include "conf/classic_words.hpp"
#include "conf/signposts.hpp"
#include "log/log.hpp"
#include "plugin/loader.hpp"

namespace racoon::plugin {

namespace {

using conf::Kind;
using conf::Topic;

struct Use {
    Kind kind;
    std::string_view point;
    std::string_view of_kind;  // of an esp-transform
    std::string_view group;    // first part of the topic's name
    std::string_view what;
    std::string_view written;  // where in racoon.conf; a topic's name
};
constexpr std::array kUses = {
    Use{Kind::Cipher, RACOON_POINT_CIPHER, "", "cipher", "Cipher of phase 1",
        "proposal.encryption_algorithm"},
    Use{Kind::Hash, RACOON_POINT_HASH, "", "hash", "Hash of phase 1", "proposal.hash_algorithm"},
    Use{Kind::Group, RACOON_POINT_DH_GROUP, "", "group", "Diffie-Hellman group",
        "proposal.dh_group and sainfo.pfs_group"},
    Use{Kind::AuthMethod, RACOON_POINT_AUTH_METHOD, "", "method", "Authentication method",
        "proposal.authentication_method"},
    Use{Kind::EspEncryption, RACOON_POINT_ESP_TRANSFORM, "encryption", "esp", "Cipher of ESP",
        "sainfo.encryption_algorithm"},
    Use{Kind::EspEncryption, RACOON_POINT_ESP_TRANSFORM, "aead", "esp",
        "Cipher of ESP that protects integrity too", "sainfo.encryption_algorithm"},
    Use{Kind::EspIntegrity, RACOON_POINT_ESP_TRANSFORM, "integrity", "integrity",
        "Integrity of ESP and AH", "sainfo.authentication_algorithm"},
    Use{Kind::Compression, RACOON_POINT_ESP_TRANSFORM, "compression", "compression",
        "Compression of IPComp", "sainfo.compression_algorithm"},
    Use{Kind::Kernel, RACOON_POINT_KERNEL, "", "kernel", "Kernel backend", "kernel"},
    Use{Kind::Credential, RACOON_POINT_CREDENTIAL, "", "credential", "Source of credentials", ""},
    Use{Kind::Natt, RACOON_POINT_NATT, "", "dialect", "Dialect of NAT traversal",
        "remote.nat_traversal"},
};

const Use* use_of(const Offer& offer) {
    for (const Use& u : kUses)
        if (offer.point == u.point && offer.kind == u.of_kind) return &u;
    return nullptr;
}

std::string key_text(const conf::KeyBits& key) {
    if (key.fixed()) return key.min == 0 ? "none" : fmt::format("{} bits, not written", key.min);
    std::string out;
    if (key.step > 0 && (key.max - key.min) / key.step <= 4) {
        for (unsigned bits = key.min; bits <= key.max; bits += key.step)
            out += fmt::format("{}{}",
                               bits == key.min             ? ""
                               : bits + key.step > key.max ? " or "
                                                           : ", ",
                               bits);
        out += " bits";
    } else {
        out = fmt::format("{} to {} bits in steps of {}", key.min, key.max, key.step);
    }
    return out + fmt::format("; {} when none is written", key.standard);
}

std::string list_of(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& w : words) out += (out.empty() ? "" : ", ") + log::escaped(w, 40);
    return out;
}

std::string numbers(const Offer& o) {
    std::string out;
    const auto add = [&](std::string_view what, unsigned n) {
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ", what, n);
    };
    if (o.ike) add("IKE", *o.ike);
    if (o.esp) add(o.kind == "compression" ? "IPComp" : "ESP", *o.esp);
    if (o.ah) add("AH", *o.ah);
    if (o.attribute && *o.attribute != 0) add("authentication attribute", *o.attribute);
    return out;
}

/// Manifests have phrases.
std::string sentence(const std::string& text) {
    std::string out = log::escaped(text, 400);
    if (!out.empty() && out.front() >= 'a' && out.front() <= 'z')
        out.front() = static_cast<char>(out.front() - 'a' + 'A');
    return out.empty() || out.ends_with('.') ? out : out + '.';
}

Topic offer_topic(const Manifest& m, const Offer& o, const Use& u) {
    Topic t;
    t.name = fmt::format("{}.{}", u.group, log::escaped(o.key, 40));
    t.kind = "algorithm";
    if (u.kind == Kind::Kernel || u.kind == Kind::Credential || u.kind == Kind::Natt)
        t.kind = "provided";
    t.place = u.written.empty() ? "by a module" : fmt::format("for {}", u.written);
    t.words = o.aliases;
    t.words.push_back(o.key);
    t.help = fmt::format("{}.", u.what);
    if (o.weak) t.help += " It is weak; use it only where a peer knows nothing better.";
    t.facts.push_back(
        {"module", fmt::format("{}{}", m.name, m.standard ? "" : ", only when named")});
    if (!o.aliases.empty()) t.facts.push_back({"also", list_of(o.aliases)});
    if (const std::string n = numbers(o); !n.empty()) t.facts.push_back({"number", n});
    if (o.key_bits) t.facts.push_back({"key", key_text(*o.key_bits)});
    if (o.key_bytes != 0) t.facts.push_back({"key", fmt::format("{} bits", 8 * o.key_bytes)});
    if (o.digest != 0) t.facts.push_back({"digest", fmt::format("{} bits", 8 * o.digest)});
    if (o.icv != 0) t.facts.push_back({"check value", fmt::format("{} bits", 8 * o.icv)});
    if (o.strength != 0) t.facts.push_back({"strength", fmt::format("about {} bits", o.strength)});
    if (u.kind == Kind::AuthMethod && !o.credential.empty())
        t.facts.push_back({"needs", o.credential == "psk"   ? "a pre-shared key"
                                    : o.credential == "key" ? "a private key"
                                                            : "nothing"});
    if (u.kind == Kind::Kernel)
        t.facts.push_back({"priority", fmt::format("{} with kernel auto", o.priority)});
    if (u.kind != Kind::Kernel && u.kind != Kind::Credential && u.kind != Kind::Natt)
        t.facts.push_back({"weak", o.weak ? "yes" : "no"});
    return t;
}

Topic key_topic(const Manifest& m, const std::string& name, const ConfigKey& key) {
    Topic t;
    t.name = fmt::format("{}.{}", m.name, name);
    t.kind = "module key";
    t.place = fmt::format("in module \"{}\"", m.name);
    t.words = {name, fmt::format("module.{}.{}", m.name, name)};
    const char* argument = "";
    switch (key.type) {
        case ConfigType::Flag:
            argument = "on | off";
            break;
        case ConfigType::Integer:
            argument = "NUMBER";
            break;
        case ConfigType::Duration:
            argument = "TIME";
            break;
        case ConfigType::Text:
            argument = "\"TEXT\"";
            break;
        case ConfigType::Secret:
            argument = "\"SECRET\"";
            break;
        case ConfigType::Path:
            argument = "\"FILE\"";
            break;
        case ConfigType::Address:
            argument = "ADDRESS";
            break;
    }
    t.syntax = {fmt::format("{} {};", name, argument)};
    t.help = sentence(key.help);
    if (key.preset) t.facts.push_back({"default", log::escaped(*key.preset, 80)});
    if (key.required) t.facts.push_back({"required", "yes"});
    if (key.min || key.max)
        t.facts.push_back(
            {"range", fmt::format("{} to {}{}", key.min ? std::to_string(*key.min) : "any",
                                  key.max ? std::to_string(*key.max) : "any",
                                  key.type == ConfigType::Duration ? " seconds" : "")});
    return t;
}

Topic module_topic(const std::string& name, const Result<ModuleFile>& file) {
    Topic t;
    t.name = "module." + name;
    t.kind = "module";
    t.place = "installed";
    t.words = {name};
    t.syntax = {fmt::format("module \"{}\";", name)};
    if (!file) {
        t.help = "Cannot be loaded: " + file.error().text();
        return t;
    }
    const Manifest& m = file->manifest;
    t.help = sentence(m.summary);
    t.facts.push_back({"version", log::escaped(m.version, 40)});
    if (!m.vendor.empty()) t.facts.push_back({"vendor", log::escaped(m.vendor, 80)});
    t.facts.push_back({"file", file->path});
    t.facts.push_back(
        {"loaded", m.standard ? "when named, and when no module is named" : "when named"});
    if (!m.privileges.empty()) t.facts.push_back({"privileges", list_of(m.privileges)});
    for (const Offer& o : m.provides)
        if (const Use* u = use_of(o))
            t.inside.push_back(fmt::format("{}.{}", u->group, log::escaped(o.key, 40)));
    for (const auto& [key, value] : m.config) t.inside.push_back(fmt::format("{}.{}", name, key));
    return t;
}

/// A word that every racoon.conf may hold, and that no installed module knows.
Topic missing_topic(const Use& u, const std::string& word) {
    Topic t;
    t.name = fmt::format("{}.{}", u.group, word);
    t.kind = "algorithm";
    t.place = fmt::format("for {}", u.written);
    t.words = {word};
    const conf::Unserved* gone = conf::unserved(u.kind, word);
    t.help = gone ? fmt::format("{}. This release has no support for {}; write {}.", u.what,
                                gone->what, gone->instead)
                  : fmt::format("{}, which no installed module provides.", u.what);
    return t;
}

}  // namespace

std::vector<Topic> module_topics(const std::string& dir) {
    std::vector<Topic> out, keys, offers;
    std::set<std::pair<Kind, std::string>> provided;
    for (const std::string& name : installed_modules(dir)) {
        const auto file = read_module(dir, name);
        out.push_back(module_topic(name, file));
        if (!file) continue;
        for (const Offer& o : file->manifest.provides) {
            const Use* u = use_of(o);
            if (!u) continue;
            offers.push_back(offer_topic(file->manifest, o, *u));
            provided.emplace(u->kind, o.key);
            for (const std::string& alias : o.aliases) provided.emplace(u->kind, alias);
        }
        for (const auto& [key, value] : file->manifest.config)
            keys.push_back(key_topic(file->manifest, key, value));
    }
    for (const Use& u : kUses) {
        if (u.of_kind == "aead" || u.written.empty()) continue;
        for (const std::string& word : conf::split_words(conf::classic_words(u.kind))) {
            const bool number = word.find_first_not_of("0123456789") == word.npos;
            if (!number && provided.emplace(u.kind, word).second)
                offers.push_back(missing_topic(u, word));
        }
    }
    for (std::vector<Topic>* more : {&keys, &offers})
        for (Topic& t : *more) out.push_back(std::move(t));
    return out;
}

}  // namespace racoon::plugin
