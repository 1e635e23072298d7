#include "plugin/manifest.hpp"

#include <algorithm>
#include <array>
#include <set>

#include <nlohmann/json.hpp>

#include <racoon/plugin.h>

#include "log/log.hpp"
#include "plugin/elf_note.hpp"
#include "plugin/messages.hpp"

namespace racoon::plugin {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxDepth = 16;
constexpr std::size_t kMaxOffers = 512;
constexpr std::size_t kMaxList = 64;
constexpr std::size_t kMaxText = 1024;

std::string type_text(const Json& j) {
    if (j.is_string()) return "\"" + log::escaped(*j.get_ptr<const Json::string_t*>(), 60) + "\"";
    if (j.is_number_integer() || j.is_boolean()) return j.dump();
    return j.is_null()     ? "null"
           : j.is_array()  ? "a list"
           : j.is_object() ? "an object"
                           : "a number";
}

Failure wrong(const std::string& where, const std::string& found, const std::string& expected) {
    return fail(Errc::Malformed, where + ": found " + found + ", expected " + expected);
}

// Finds syntax errors with their position, repeated keys and excessive depth, before a tree is built.
class Shape : public nlohmann::json_sax<Json> {
  public:
    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t&) override { return true; }
    bool string(string_t&) override { return true; }
    bool binary(binary_t&) override { return true; }
    bool start_object(std::size_t) override { return open(); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override { return open(); }
    bool end_array() override { return close(); }
    bool key(string_t& k) override {
        if (keys_.back().insert(k).second) return true;
        error = "found key \"" + log::escaped(k, 60) + "\" twice";
        return false;
    }
    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::detail::exception&) override {
        error = "not valid JSON";
        at = position;
        return false;
    }
    std::string error;
    std::optional<std::size_t> at;

  private:
    bool open() {
        keys_.emplace_back();
        if (keys_.size() <= kMaxDepth) return true;
        error = "nested more than " + std::to_string(kMaxDepth) + " deep";
        return false;
    }
    bool close() {
        keys_.pop_back();
        return true;
    }
    std::vector<std::set<std::string>> keys_;
};

// One object of the manifest: typed getters that remember which keys were asked for, so that the
// rest can be reported as unknown.
class Object {
  public:
    Object(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

    std::string place(const std::string& key) const {
        return where_.empty() ? key : where_ + "." + key;
    }

    const Json* find(const std::string& key) {
        known_.insert(key);
        const auto it = json_.find(key);
        return it == json_.end() ? nullptr : &*it;
    }
    Status text(const std::string& key, std::string& out, bool required = false) {
        const Json* j = find(key);
        if (!j) {
            if (required) return wrong(place(key), "nothing", "text");
            return ok();
        }
        RACOON_TRY(out, as_text_value(*j, place(key)));
        return ok();
    }
    Status flag(const std::string& key, bool& out) {
        const Json* j = find(key);
        if (!j) return ok();
        if (!j->is_boolean()) return wrong(place(key), type_text(*j), "true or false");
        out = *j->get_ptr<const Json::boolean_t*>();
        return ok();
    }
    template <typename T>
    Status number(const std::string& key, std::int64_t least, std::int64_t most, T& out) {
        const Json* j = find(key);
        if (!j) return ok();
        RACOON_TRY(const std::int64_t v, as_number(*j, least, most, place(key)));
        out = static_cast<T>(v);
        return ok();
    }
    Status texts(const std::string& key, std::vector<std::string>& out) {
        const Json* j = find(key);
        if (!j) return ok();
        if (!j->is_array()) return wrong(place(key), type_text(*j), "a list of texts");
        if (j->size() > kMaxList)
            return wrong(place(key), std::to_string(j->size()) + " entries",
                         std::to_string(kMaxList) + " at most");
        for (std::size_t i = 0; i < j->size(); ++i) {
            RACOON_TRY(std::string v,
                       as_text_value((*j)[i], place(key) + "[" + std::to_string(i) + "]"));
            out.push_back(std::move(v));
        }
        return ok();
    }
    /// The first key that nobody asked for; "" if there is none.
    std::string unknown() const {
        for (const auto& [key, value] : json_.items())
            if (!known_.contains(key)) return place(log::escaped(key, 60));
        return {};
    }

    static Result<std::string> as_text_value(const Json& j, const std::string& where) {
        const auto* v = j.get_ptr<const Json::string_t*>();
        if (!v) return wrong(where, type_text(j), "text");
        if (v->empty() || v->size() > kMaxText)
            return wrong(where, "text of " + std::to_string(v->size()) + " bytes",
                         "1 to " + std::to_string(kMaxText));
        if (v->find('\0') != std::string::npos) return wrong(where, "a NUL", "text without one");
        return *v;
    }
    static Result<std::int64_t> as_number(const Json& j, std::int64_t least, std::int64_t most,
                                          const std::string& where) {
        const std::string range =
            "a number from " + std::to_string(least) + " to " + std::to_string(most);
        std::int64_t v = 0;
        if (const auto* u = j.get_ptr<const Json::number_unsigned_t*>()) {
            if (*u > static_cast<std::uint64_t>(std::max<std::int64_t>(most, 0)))
                return wrong(where, type_text(j), range);
            v = static_cast<std::int64_t>(*u);
        } else if (const auto* s = j.get_ptr<const Json::number_integer_t*>()) {
            v = *s;
        } else {
            return wrong(where, type_text(j), range);
        }
        if (v < least || v > most) return wrong(where, type_text(j), range);
        return v;
    }

  private:
    const Json& json_;
    std::string where_;
    std::set<std::string> known_;
};

Result<AbiVersion> parse_abi(const std::string& text, const std::string& where) {
    AbiVersion v;
    std::uint32_t parts[2] = {0, 0};
    std::size_t part = 0;
    std::size_t digits = 0;
    bool good = !text.empty();
    for (const char c : text) {
        if (c == '.' && part == 0 && digits != 0) {
            part = 1;
            digits = 0;
        } else if (c >= '0' && c <= '9' && digits < 5) {
            parts[part] = parts[part] * 10 + static_cast<std::uint32_t>(c - '0');
            ++digits;
        } else {
            good = false;
        }
    }
    if (!good || part != 1 || digits == 0 || parts[0] > 0xffff || parts[1] > 0xffff)
        return wrong(where, "\"" + log::escaped(text, 40) + "\"", "MAJOR.MINOR, as \"1.0\"");
    v.major = static_cast<std::uint16_t>(parts[0]);
    v.minor = static_cast<std::uint16_t>(parts[1]);
    return v;
}

// A newer SDK may write keys that we do not know; ours and older ones may not.
Status no_unknown_keys(const Object& object, bool newer) {
    const std::string key = newer ? std::string() : object.unknown();
    if (key.empty()) return ok();
    return fail(Errc::Malformed, key + ": unknown key");
}

Status optional_u16(Object& o, const std::string& key, std::optional<std::uint16_t>& out) {
    if (!o.find(key)) return ok();
    std::uint16_t v = 0;
    RACOON_TRY_STATUS(o.number(key, 0, 0xffff, v));
    out = v;
    return ok();
}

Status parse_key_bits(const Json& j, const std::string& where, bool newer, conf::KeyBits& out) {
    if (!j.is_object()) return wrong(where, type_text(j), "an object");
    Object o(j, where);
    RACOON_TRY_STATUS(o.number("min", 0, 4096, out.min));
    RACOON_TRY_STATUS(o.number("max", 0, 4096, out.max));
    RACOON_TRY_STATUS(o.number("step", 0, 4096, out.step));
    out.standard = out.min;
    RACOON_TRY_STATUS(o.number("default", 0, 4096, out.standard));
    RACOON_TRY_STATUS(o.number("absent", 0, 4096, out.absent));
    RACOON_TRY_STATUS(no_unknown_keys(o, newer));
    if (out.max < out.min)
        return wrong(where + ".max", std::to_string(out.max),
                     "min (" + std::to_string(out.min) + ") or more");
    if (!out.fixed() && out.step == 0)
        return wrong(where + ".step", "0", "a step, since min and max differ");
    if (!out.allows(out.standard))
        return wrong(where + ".default", std::to_string(out.standard),
                     "a length within min, max and step");
    if (out.absent != 0 && !out.allows(out.absent))
        return wrong(where + ".absent", std::to_string(out.absent),
                     "a length within min, max and step");
    return ok();
}

Result<Offer> parse_offer(const Json& j, const std::string& where, bool newer) {
    if (!j.is_object()) return wrong(where, type_text(j), "an object");
    Object o(j, where);
    Offer out;
    RACOON_TRY_STATUS(o.text("point", out.point, true));
    RACOON_TRY_STATUS(o.text("key", out.key, true));
    RACOON_TRY_STATUS(o.texts("aliases", out.aliases));
    RACOON_TRY_STATUS(o.number("priority", -1000, 1000, out.priority));
    RACOON_TRY_STATUS(o.flag("weak", out.weak));
    RACOON_TRY_STATUS(optional_u16(o, "ike", out.ike));
    RACOON_TRY_STATUS(optional_u16(o, "esp", out.esp));
    RACOON_TRY_STATUS(optional_u16(o, "ah", out.ah));
    RACOON_TRY_STATUS(optional_u16(o, "attribute", out.attribute));
    RACOON_TRY_STATUS(o.number("key_bytes", 0, 128, out.key_bytes));
    RACOON_TRY_STATUS(o.number("block", 0, 1024, out.block));
    RACOON_TRY_STATUS(o.number("digest", 0, RACOON_MAX_DIGEST, out.digest));
    RACOON_TRY_STATUS(o.number("iv", 0, 64, out.iv));
    RACOON_TRY_STATUS(o.number("salt", 0, 64, out.salt));
    RACOON_TRY_STATUS(o.number("icv", 0, 64, out.icv));
    RACOON_TRY_STATUS(o.number("public", 0, 4096, out.public_size));
    RACOON_TRY_STATUS(o.number("secret", 0, 4096, out.secret_size));
    RACOON_TRY_STATUS(o.number("strength", 0, 1024, out.strength));
    RACOON_TRY_STATUS(o.number("pfkey", 0, 0xffff, out.pfkey));
    RACOON_TRY_STATUS(o.text("kind", out.kind));
    RACOON_TRY_STATUS(o.text("xfrm", out.xfrm));
    RACOON_TRY_STATUS(o.text("hash", out.hash));
    RACOON_TRY_STATUS(o.text("credential", out.credential));
    RACOON_TRY_STATUS(o.flag("ike_port", out.ike_port));
    if (const Json* bits = o.find("key_bits")) {
        conf::KeyBits parsed;
        RACOON_TRY_STATUS(parse_key_bits(*bits, where + ".key_bits", newer, parsed));
        out.key_bits = parsed;
    }
    RACOON_TRY_STATUS(no_unknown_keys(o, newer));
    return out;
}

// What the core relies on for each point; the headers of the SDK have the same in words.
Status check_offer(const Offer& o, const std::string& where) {
    const auto need = [&](bool present, const char* key) -> Status {
        if (present) return ok();
        return wrong(where + "." + key, "nothing", "a value, which " + o.point + " requires");
    };
    if (o.point == RACOON_POINT_CIPHER) {
        RACOON_TRY_STATUS(need(o.ike.has_value(), "ike"));
        RACOON_TRY_STATUS(need(o.key_bits.has_value() && o.key_bits->max != 0, "key_bits"));
        return need(o.block != 0, "block");
    }
    if (o.point == RACOON_POINT_HASH) {
        RACOON_TRY_STATUS(need(o.ike.has_value(), "ike"));
        return need(o.digest != 0, "digest");
    }
    if (o.point == RACOON_POINT_PRF) return need(o.digest != 0, "digest");
    if (o.point == RACOON_POINT_DH_GROUP) {
        RACOON_TRY_STATUS(need(o.ike.has_value(), "ike"));
        RACOON_TRY_STATUS(need(o.public_size != 0, "public"));
        return need(o.secret_size != 0, "secret");
    }
    if (o.point == RACOON_POINT_AUTH_METHOD) {
        RACOON_TRY_STATUS(need(o.ike.has_value(), "ike"));
        if (o.credential == "psk" || o.credential == "key" || o.credential == "none") return ok();
        return wrong(where + ".credential", "\"" + log::escaped(o.credential, 40) + "\"",
                     "psk, key or none");
    }
    if (o.point == RACOON_POINT_ESP_TRANSFORM) {
        if (o.kind == "encryption" || o.kind == "aead") {
            RACOON_TRY_STATUS(need(o.esp.has_value() && *o.esp <= 0xff, "esp"));
            return need(o.key_bits.has_value(), "key_bits");
        }
        if (o.kind == "integrity") return need(o.attribute.has_value(), "attribute");
        if (o.kind == "compression") return need(o.esp.has_value() && *o.esp <= 0xff, "esp");
        return wrong(where + ".kind", "\"" + log::escaped(o.kind, 40) + "\"",
                     "encryption, aead, integrity or compression");
    }
    return ok();
}

Status parse_provides(Object& top, bool newer, std::vector<Offer>& out) {
    const Json* list = top.find("provides");
    if (!list || !list->is_array())
        return wrong("provides", list ? type_text(*list) : "nothing", "a list");
    if (list->empty() || list->size() > kMaxOffers)
        return wrong("provides", std::to_string(list->size()) + " entries",
                     "1 to " + std::to_string(kMaxOffers));
    std::set<std::string> seen;
    for (std::size_t i = 0; i < list->size(); ++i) {
        const std::string where = "provides[" + std::to_string(i) + "]";
        RACOON_TRY(Offer offer, parse_offer((*list)[i], where, newer));
        RACOON_TRY_STATUS(check_offer(offer, where));
        if (!seen.insert(offer.point + " " + offer.kind + " " + offer.key).second)
            return wrong(where, offer.point + " \"" + log::escaped(offer.key, 60) + "\" again",
                         "each point and key once");
        out.push_back(std::move(offer));
    }
    return ok();
}

constexpr std::array<std::string_view, 7> kConfigTypes = {"flag",   "integer", "duration", "text",
                                                          "secret", "path",    "address"};

Status parse_config(Object& top, bool newer, std::map<std::string, ConfigKey>& out) {
    const Json* map = top.find("config");
    if (!map) return ok();
    if (!map->is_object()) return wrong("config", type_text(*map), "an object");
    if (map->size() > kMaxList)
        return wrong("config", std::to_string(map->size()) + " keys",
                     std::to_string(kMaxList) + " at most");
    for (const auto& [key, value] : map->items()) {
        const std::string where = "config." + log::escaped(key, 60);
        if (!value.is_object()) return wrong(where, type_text(value), "an object");
        Object o(value, where);
        ConfigKey entry;
        std::string type;
        RACOON_TRY_STATUS(o.text("type", type, true));
        const auto known = std::find(kConfigTypes.begin(), kConfigTypes.end(), type);
        if (known == kConfigTypes.end())
            return wrong(where + ".type", "\"" + log::escaped(type, 40) + "\"",
                         "flag, integer, duration, text, secret, path or address");
        entry.type = static_cast<ConfigType>(known - kConfigTypes.begin());
        constexpr std::int64_t kBig = std::int64_t{1} << 53;
        if (o.find("min")) RACOON_TRY_STATUS(o.number("min", -kBig, kBig, entry.min.emplace()));
        if (o.find("max")) RACOON_TRY_STATUS(o.number("max", -kBig, kBig, entry.max.emplace()));
        if (o.find("default")) RACOON_TRY_STATUS(o.text("default", entry.preset.emplace()));
        RACOON_TRY_STATUS(o.flag("required", entry.required));
        RACOON_TRY_STATUS(o.text("help", entry.help));
        RACOON_TRY_STATUS(no_unknown_keys(o, newer));
        out.emplace(key, std::move(entry));
    }
    return ok();
}

Status parse_helpers(Object& top, bool newer, std::vector<Helper>& out) {
    const Json* list = top.find("helpers");
    if (!list) return ok();
    if (!list->is_array() || list->size() > kMaxList)
        return wrong("helpers", type_text(*list), "a short list");
    for (std::size_t i = 0; i < list->size(); ++i) {
        const std::string where = "helpers[" + std::to_string(i) + "]";
        if (!(*list)[i].is_object()) return wrong(where, type_text((*list)[i]), "an object");
        Object o((*list)[i], where);
        Helper h;
        RACOON_TRY_STATUS(o.text("program", h.program, true));
        RACOON_TRY_STATUS(o.text("user", h.user, true));
        RACOON_TRY_STATUS(no_unknown_keys(o, newer));
        const bool bare = h.program.find('/') == std::string::npos && h.program.front() != '.';
        if (!bare && (h.program.front() != '/' || h.program.find("/../") != std::string::npos))
            return wrong(where + ".program", "\"" + log::escaped(h.program, 80) + "\"",
                         "an absolute path, or a name in the folder helper beside the modules'");
        out.push_back(std::move(h));
    }
    return ok();
}

Result<Manifest> read_manifest(const Json& root) {
    if (!root.is_object()) return wrong("manifest", type_text(root), "an object");
    Object top(root, "");
    Manifest m;
    std::string abi;
    RACOON_TRY_STATUS(top.text("name", m.name, true));
    if (!is_module_name(m.name))
        return wrong("name", "\"" + log::escaped(m.name, 60) + "\"",
                     "[a-z0-9-], 1 to 32 characters");
    RACOON_TRY_STATUS(top.text("version", m.version, true));
    RACOON_TRY_STATUS(top.text("vendor", m.vendor));
    RACOON_TRY_STATUS(top.text("license", m.license));
    RACOON_TRY_STATUS(top.text("summary", m.summary, true));
    RACOON_TRY_STATUS(top.text("url", m.url));
    RACOON_TRY_STATUS(top.text("support", m.support));
    RACOON_TRY_STATUS(top.text("abi", abi, true));
    RACOON_TRY(m.abi, parse_abi(abi, "abi"));
    m.min_host = m.abi;
    if (top.find("min_host")) {
        std::string text;
        RACOON_TRY_STATUS(top.text("min_host", text));
        RACOON_TRY(m.min_host, parse_abi(text, "min_host"));
    }
    if (m.min_host > m.abi)
        return wrong("min_host", m.min_host.text(), "at most abi (" + m.abi.text() + ")");
    const bool newer = m.abi > AbiVersion{RACOON_ABI_MAJOR, RACOON_ABI_MINOR};
    RACOON_TRY_STATUS(top.texts("platforms", m.platforms));
    RACOON_TRY_STATUS(top.flag("standard", m.standard));
    RACOON_TRY_STATUS(top.flag("threads", m.threads));
    RACOON_TRY_STATUS(top.text("isolate", m.isolate));
    if (m.isolate != "no" && m.isolate != "yes" && m.isolate != "never")
        return wrong("isolate", "\"" + log::escaped(m.isolate, 40) + "\"", "no, yes or never");
    RACOON_TRY_STATUS(top.number("max_inflight", 1, 65536, m.max_inflight));
    RACOON_TRY_STATUS(parse_provides(top, newer, m.provides));
    RACOON_TRY_STATUS(top.texts("needs", m.needs));
    RACOON_TRY_STATUS(top.texts("wants", m.wants));
    RACOON_TRY_STATUS(top.texts("privileges", m.privileges));
    RACOON_TRY_STATUS(parse_helpers(top, newer, m.helpers));
    RACOON_TRY_STATUS(parse_config(top, newer, m.config));
    RACOON_TRY_STATUS(no_unknown_keys(top, newer));
    return m;
}

}  // namespace

std::string_view config_type_name(ConfigType type) {
    return kConfigTypes[static_cast<std::size_t>(type)];
}

bool is_module_name(std::string_view name) {
    return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
}

Result<Manifest> parse_manifest(std::string_view json) {
    if (json.size() > kMaxManifest)
        return fail(Errc::TooLong, "found " + std::to_string(json.size()) + " bytes, expected " +
                                       std::to_string(kMaxManifest) + " at most");
    Shape shape;
    if (!Json::sax_parse(json.begin(), json.end(), &shape)) {
        auto failure = fail(Errc::Malformed, shape.error);
        if (shape.at) failure = std::move(failure).at(*shape.at);
        return failure;
    }
    // Cannot fail any more, but must not throw in any case.
    const Json root = Json::parse(json.begin(), json.end(), nullptr, false);
    if (root.is_discarded()) return fail(Errc::Malformed, "not valid JSON");
    return read_manifest(root);
}

}  // namespace racoon::plugin
