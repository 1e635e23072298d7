// What the tests of conf share: a load of a text, with files beside it, and its messages as lines.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "conf/load.hpp"
#include "support/fake_catalog.hpp"

namespace racoon::conf {

struct Loaded {
    LoadResult result;
    const Config& config() const {
        static const Config kNone;
        return result.config ? *result.config : kNone;
    }
    bool ok() const { return result.config != nullptr; }
    std::string lines() const {
        std::string out;
        for (const Diagnostic& d : result.diagnostics) out += d.line() + "\n";
        return out;
    }
    std::string text() const {
        std::string out;
        for (const Diagnostic& d : result.diagnostics) out += d.text();
        return out;
    }
};

inline const racoon::testing::FakeCatalog& fake_catalog() {
    static const racoon::testing::FakeCatalog kCatalog;
    return kCatalog;
}

/// Loads `text` as /etc/racoon/racoon.conf.
inline Loaded load_text(const std::string& text, FileBundle beside = {}, LoadOptions options = {},
                        const Catalog& catalog = fake_catalog()) {
    beside.files["/etc/racoon/racoon.conf"] = text;
    BundleFiles files(std::move(beside));
    return {load("/etc/racoon/racoon.conf", files, catalog, options)};
}

inline std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

/// A remote section with the least that it needs, and `more` inside.
inline std::string remote_text(const std::string& head, const std::string& more = {}) {
    return "remote " + head + " {\n exchange_mode main;\n" + more +
           "\n proposal { encryption_algorithm aes 256; hash_algorithm sha256; "
           "authentication_method pre_shared_key; dh_group 14; }\n}\n";
}
inline std::string sainfo_text(const std::string& head, const std::string& more = {}) {
    return "sainfo " + head + " {\n" + more +
           "\n encryption_algorithm aes 256; authentication_algorithm hmac_sha256; "
           "compression_algorithm deflate;\n}\n";
}

}  // namespace racoon::conf
