#include "control/json.hpp"

namespace racoon::control {

Result<Json> parse_json(std::string_view text) {
    // nlohmann recurses per level: bound the depth before it sees the text.
    int depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > 64)
                return fail(Errc::Malformed, "JSON nested deeper than 64 levels").at(i);
        } else if (c == '}' || c == ']') {
            --depth;
        }
    }
    Json value = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) return fail(Errc::Malformed, "not a JSON value");
    return value;
}

std::string dump_json(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string pretty_json(const Json& value) {
    return value.dump(2, ' ', false, Json::error_handler_t::replace);
}

namespace {
const Json* find(const Json& object, const char* key) {
    if (!object.is_object()) return nullptr;
    const auto it = object.find(key);
    return it == object.end() ? nullptr : &*it;
}
}  // namespace

std::string text_of(const Json& object, const char* key, std::string_view otherwise) {
    const Json* v = find(object, key);
    return v && v->is_string() ? v->get_ref<const std::string&>() : std::string(otherwise);
}

std::int64_t number_of(const Json& object, const char* key, std::int64_t otherwise) {
    const Json* v = find(object, key);
    return v && v->is_number_integer() ? v->get<std::int64_t>() : otherwise;
}

bool flag_of(const Json& object, const char* key, bool otherwise) {
    const Json* v = find(object, key);
    return v && v->is_boolean() ? v->get<bool>() : otherwise;
}

const Json& member_of(const Json& object, const char* key) {
    static const Json kEmpty = Json::object();
    const Json* v = find(object, key);
    return v && v->is_structured() ? *v : kEmpty;
}

}  // namespace racoon::control
