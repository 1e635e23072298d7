#include "vectors/data.hpp"

#include <cstdio>
#include <cstdlib>
#include <zlib.h>

namespace racoon::test {

std::optional<std::filesystem::path> vectors_root() {
    const char* given = std::getenv("RACOON_TEST_DATA");
    const auto root = given ? std::filesystem::path(given)
                            : std::filesystem::path(RACOON_SOURCE_DIR).parent_path() / "shared";
    std::error_code ignored;
    if (!std::filesystem::is_directory(root / "vectors", ignored)) return std::nullopt;
    return root / "vectors";
}

void report_absence() {
    const char* text =
        "known answers from outside are absent: set RACOON_TEST_DATA to the folder that holds "
        "vectors/";
    if (std::getenv("CI")) {
        FAIL() << text;
    } else {
        std::printf("not checked: %s\n", text);
    }
}

Json load_json(const std::filesystem::path& file) {
    // gzopen reads plain files as they are.
    const gzFile in = gzopen(file.c_str(), "rb");
    if (!in) {
        ADD_FAILURE() << "cannot open " << file;
        return Json::array();
    }
    std::string text;
    char chunk[1 << 16];
    int got = 0;
    while ((got = gzread(in, chunk, sizeof chunk)) > 0)
        text.append(chunk, static_cast<std::size_t>(got));
    gzclose(in);
    Json parsed = got < 0 ? Json(Json::value_t::discarded) : Json::parse(text, nullptr, false);
    if (parsed.is_discarded()) {
        ADD_FAILURE() << file << " is not JSON";
        return Json::array();
    }
    return parsed;
}

Bytes unhex(const std::string& hex) {
    auto bytes = from_hex(hex);
    EXPECT_TRUE(bytes.has_value()) << "not hex: " << hex;
    return bytes ? *bytes : Bytes();
}

std::size_t Tally::skipped_count() const {
    std::size_t sum = 0;
    for (const auto& [reason, count] : skipped_) sum += count;
    return sum;
}

Tally::~Tally() {
    std::printf("%s: %zu checked, %zu skipped\n", set_.c_str(), checked_, skipped_count());
    for (const auto& [reason, count] : skipped_)
        std::printf("    %zu skipped: %s\n", count, reason.c_str());
}

Bytes Vectors::digest_of(const std::string& name, ByteView data) {
    const auto found = hash(name);
    if (!found) {
        ADD_FAILURE() << "no hash " << name;
        return {};
    }
    static const std::map<std::string, std::size_t> sizes = {
        {"md5", 16}, {"sha1", 20}, {"sha256", 32}, {"sha384", 48}, {"sha512", 64}};
    Bytes out(sizes.at(name));
    // In two parts, so that the concatenation is checked as well.
    const std::size_t half = data.size() / 2;
    const racoon_span parts[] = {{data.data(), half}, {data.data() + half, data.size() - half}};
    EXPECT_EQ(found.table->digest(found.impl, parts, 2, out.data()), RACOON_OK);
    return out;
}

Bytes Vectors::hmac_of(const std::string& name, ByteView key, ByteView data) {
    const auto found = hash(name);
    if (!found) {
        ADD_FAILURE() << "no hash " << name;
        return {};
    }
    Bytes out(digest_of(name, {}).size());
    const std::size_t half = data.size() / 2;
    const racoon_span parts[] = {{data.data(), half}, {data.data() + half, data.size() - half}};
    EXPECT_EQ(found.table->hmac(found.impl, {key.data(), key.size()}, parts, 2, out.data()),
              RACOON_OK);
    return out;
}

Bytes Vectors::crypt(const std::string& name, ByteView key, bool encrypt, Bytes& iv,
                     ByteView data) {
    const auto found = cipher(name);
    void* handle = nullptr;
    if (!found || found.table->key_new(found.impl, key.data(), key.size(), &handle) != RACOON_OK) {
        ADD_FAILURE() << "no cipher " << name << " with a key of " << key.size() << " bytes";
        return {};
    }
    Bytes out = to_bytes(data);
    EXPECT_EQ(
        found.table->crypt(found.impl, handle, encrypt ? 1 : 0, iv.data(), out.data(), out.size()),
        RACOON_OK);
    found.table->key_free(found.impl, handle);
    return out;
}

}  // namespace racoon::test
