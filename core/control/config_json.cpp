#include "control/config_json.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "conf/parser.hpp"

namespace racoon::control {

namespace {

using conf::Form;
using conf::Statement;
using conf::Value;

std::string text(const Value& v) {
    return std::string(v.text);
}

/// An address or net with a port: {"address", "port"}.
Json endpoint(const Value& address, const Value* prefix, const char* key) {
    Json out = Json::object();
    std::string where = text(address);
    if (prefix && prefix->has_number) where += "/" + std::to_string(prefix->number);
    out[key] = where;
    if (address.has_number) out["port"] = address.number;
    return out;
}

Json identity(const Value& type, const Value* value) {
    Json out = Json::object();
    out["type"] = text(type);
    if (type.number == 1) out["form"] = "tag";
    if (type.number == 2) out["form"] = "file";
    if (value && value->present()) out["value"] = text(*value);
    return out;
}

const Value* at(const Statement& s, std::size_t i) {
    return i < s.values.size() && s.values[i].present() ? &s.values[i] : nullptr;
}

/// One end of a sainfo, four values from `first` on.
Json side(const Statement& s, std::size_t first) {
    const Value* type = at(s, first);
    if (!type || type->is_word("anonymous") || type->is_word("clientaddr"))
        return type && type->is_word("clientaddr") ? "clientaddr" : "anonymous";
    Json out = Json::object();
    out["type"] = text(*type);
    if (const Value* value = at(s, first + 1)) {
        std::string where = text(*value);
        if (first + 2 < s.values.size() && s.values[first + 2].has_number)
            where += "/" + std::to_string(s.values[first + 2].number);
        out["value"] = where;
        if (value->has_number) out["port"] = value->number;
    }
    if (const Value* protocol = at(s, first + 3)) out["protocol"] = text(*protocol);
    return out;
}

void sainfo_head(const Statement& s, Json& out) {
    out["local"] = side(s, 0);
    out["remote"] = side(s, 4);
    const Value* more = at(s, 8);
    const Value* what = at(s, 9);
    if (!more || !what) return;
    if (more->is_word("group"))
        out["group"] = text(*what);
    else
        out["from"] = identity(*what, at(s, 10));
}

void remote_head(const Statement& s, Json& out) {
    const Value& name = s.values.at(0);
    std::string called = text(name);
    if (s.values.size() > 1 && s.values[1].has_number)
        called += "/" + std::to_string(s.values[1].number);
    if (name.has_number) called += "[" + std::to_string(name.number) + "]";
    out["name"] = called;
    if (name.kind != Value::Kind::String && !name.is_word("anonymous"))
        out["remote_address"] = endpoint(name, at(s, 1) ? &s.values[1] : nullptr, "address");
}

Json words(const Statement& s) {
    Json out = Json::array();
    for (const Value& v : s.values) out.push_back(text(v));
    return out;
}

Json algorithm(const Value& v) {
    Json out = Json::object();
    out["name"] = text(v);
    if (v.has_number) out["bits"] = v.number;
    return out;
}

Json files(const Statement& s) {
    Json out = Json::object();
    out["type"] = text(s.values.at(0));
    static constexpr const char* kNames[] = {"file", "key"};
    for (std::size_t i = 1; i < s.values.size() && i <= 2; ++i)
        out[kNames[i - 1]] = text(s.values[i]);
    return out;
}

Json networks(const Statement& s) {
    Json nets = Json::array();
    for (std::size_t i = 1; i < s.values.size(); ++i) {
        std::string net = text(s.values[i]);
        if (s.values[i].has_number) net += "/" + std::to_string(s.values[i].number);
        nets.push_back(net);
    }
    Json out = Json::object();
    out["type"] = text(s.values.at(0));
    out["nets"] = std::move(nets);
    return out;
}

Json admin_socket(const Statement& s) {
    if (s.values.at(0).is_word("disabled")) return "disabled";
    Json out = Json::object();
    static constexpr const char* kNames[] = {"path", "owner", "group", "mode"};
    for (std::size_t i = 0; i < s.values.size() && i < 4; ++i) out[kNames[i]] = text(s.values[i]);
    return out;
}

/// As it is written: hexadecimal, which a JSON number is not.
Json mark(const Statement& s) {
    std::string out = text(s.values.at(0));
    if (s.values.size() > 1) out += "/" + text(s.values[1]);
    return out;
}

Json value(const Statement& s) {
    if (s.values.empty()) return true;
    const Value& v = s.values[0];
    switch (s.directive->form) {
        case Form::Number:
        case Form::Time:
        case Form::Lifetime:
        case Form::Volume:
            return v.number;
        case Form::Mark:
            return mark(s);
        case Form::Switch:
            return v.number == 1;
        case Form::Choices:
        case Form::Addresses:
        case Form::Texts:
            return words(s);
        case Form::Address:
        case Form::Peer:
            return endpoint(v, at(s, 1) ? &s.values[1] : nullptr, "address");
        case Form::AdminSocket:
            return admin_socket(s);
        case Form::Identifier:
            return identity(v, at(s, 1));
        case Form::Algorithm:
            return s.directive->word == conf::Word::EncryptionAlgorithm ? algorithm(v)
                                                                        : Json(text(v));
        case Form::Algorithms: {
            if (s.directive->word != conf::Word::EncryptionAlgorithm) return words(s);
            Json out = Json::array();
            for (const Value& one : s.values) out.push_back(algorithm(one));
            return out;
        }
        case Form::OwnCertificate:
        case Form::PeersCertificate:
        case Form::CaFile:
            return files(s);
        case Form::Script: {
            Json out = Json::object();
            out["file"] = text(v);
            out["hook"] = text(s.values.at(1));
            return out;
        }
        case Form::Networks:
            return networks(s);
        case Form::RadiusServer: {
            Json out = endpoint(v, nullptr, "host");
            out["secret"] = text(s.values.at(1));
            return out;
        }
        default:
            break;
    }
    if (s.values.size() > 1) return words(s);
    return text(v);
}

Json block(const std::vector<Statement>& statements, const conf::Sources& sources);

Json one(const Statement& s, const conf::Sources& sources) {
    Json out = Json::object();
    switch (s.directive->form) {
        case Form::Remote:
            remote_head(s, out);
            break;
        case Form::SaInfo:
            sainfo_head(s, out);
            break;
        case Form::Module:
            out["name"] = text(s.values.at(0));
            break;
        case Form::Block:
            break;
        default:
            return value(s);
    }
    const Json body = block(s.body, sources);  // items() borrows it
    for (const auto& [key, inner] : body.items()) out[key] = inner;
    return out;
}

Json block(const std::vector<Statement>& statements, const conf::Sources& sources) {
    Json out = Json::object();
    for (const Statement& s : statements) {
        Json* into = &out;
        // A module's own key has no row of the table; the word stands in the text.
        const bool own = s.directive == &conf::module_key();
        std::string key(own ? sources.text(s.where) : s.directive->keyword);
        std::replace(key.begin(), key.end(), ' ', '_');  // "lifetime byte"
        if (s.directive->context == conf::Context::Path) into = &out["path"];
        if (s.directive->many)
            (*into)[key].push_back(one(s, sources));
        else
            (*into)[key] = one(s, sources);
    }
    return out;
}

}  // namespace

Result<Json> config_json(const conf::Config& config, const conf::PrintOptions& options) {
    conf::Sources sources;
    const std::uint32_t file = sources.add("racoon -C", conf::print(config, options));
    conf::Diagnostics diagnostics(sources);
    conf::Room room;  // what is printed is longer than what was read, and was bounded when it was
    room.left = std::numeric_limits<std::size_t>::max();
    const std::vector<Statement> statements = conf::parse(sources, file, diagnostics, room);
    if (diagnostics.errors() != 0) return fail(Errc::Malformed, diagnostics.take().front().line());
    return block(statements, sources);
}

}  // namespace racoon::control
