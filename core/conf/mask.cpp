#include "conf/mask.hpp"

#include <algorithm>
#include <array>

namespace racoon::conf {

namespace {

constexpr std::string_view kEnds = " \t\r\n;={}()";

/// Words before a key, ours and those of other programs' files. In lower case.
constexpr std::array<std::string_view, 10> kBeforeKey = {
    "pre_shared_key", "bind_pw",        "psk",          "secret",           "password", "passwd",
    "passphrase",     "pre-shared-key", "presharedkey", "pre_shared_secret"};
/// A server in quotes comes between these and the key.
constexpr std::array<std::string_view, 2> kBeforeServer = {"auth", "acct"};
/// In a file of setkey's an algorithm comes between.
constexpr std::array<std::string_view, 2> kBeforeAlgorithm = {"-e", "-a"};

bool is_one_of(const auto& list, std::string_view word) {
    const auto same = [](char a, char b) {
        return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
    };
    return std::any_of(list.begin(), list.end(), [&](std::string_view one) {
        return std::equal(one.begin(), one.end(), word.begin(), word.end(), same);
    });
}

/// A word up to what ends it, or a string with its quotes.
std::string_view token_at(std::string_view rest) {
    if (rest.starts_with('"')) {
        const auto end = rest.find('"', 1);
        return rest.substr(0, end == rest.npos ? rest.size() : end + 1);
    }
    return rest.substr(0, std::min(rest.find_first_of(kEnds), rest.size()));
}

}  // namespace

std::string masked(std::string_view line) {
    std::string out;
    std::string_view before;
    int skip = -1;  // strings, or words as well, that are shown still, when a key may follow
    bool words = false;
    while (!line.empty()) {
        if (kEnds.find(line.front()) != kEnds.npos) {
            if (line.front() == ';' || line.front() == '{') skip = -1;
            out += line.front();
            line.remove_prefix(1);
            continue;
        }
        const std::string_view token = token_at(line);
        line.remove_prefix(token.size());
        const bool string = token.starts_with('"');
        if (skip == 0 && !token.starts_with('[')) {
            skip = -1;
            const bool closed = string && token.size() > 1 && token.ends_with('"');
            if (string) out += '"';
            out.append(token.size() - string - closed, '*');
            if (closed) out += '"';
            continue;
        }
        out += token;
        if (skip > 0 && (string || words)) --skip;
        if (string) continue;
        if (is_one_of(kBeforeKey, token) && before != "path") skip = 0;
        const bool algorithm = is_one_of(kBeforeAlgorithm, token);
        if (algorithm || is_one_of(kBeforeServer, token)) {
            skip = 1;
            words = algorithm;
        }
        before = token;
    }
    return out;
}

}  // namespace racoon::conf
