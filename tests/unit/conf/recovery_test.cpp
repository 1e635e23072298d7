// One mistake gives one message, wherever it is made, and the next mistake is still found.
#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

const std::vector<std::string>& good_lines() {
    static const std::vector<std::string> kLines = {
        "path pre_shared_key \"/etc/racoon/psk.txt\";",
        "log info;",
        "timer {",
        "    counter 5;",
        "    interval 10 sec;",
        "}",
        "listen {",
        "    isakmp 192.0.2.9 [500];",
        "    strict_address;",
        "}",
        "padding {",
        "    strict_check on;",
        "    maximum_length 20;",
        "}",
        "remote \"office\" {",
        "    remote_address 192.0.2.1;",
        "    exchange_mode main;",
        "    my_identifier fqdn \"gw.example.com\";",
        "    dpd_delay 20;",
        "    lifetime time 8 hours;",
        "    proposal {",
        "        encryption_algorithm aes 256;",
        "        hash_algorithm sha256;",
        "        authentication_method pre_shared_key;",
        "        dh_group modp2048;",
        "    }",
        "    proposal {",
        "        encryption_algorithm aes 128;",
        "        hash_algorithm sha256;",
        "        authentication_method pre_shared_key;",
        "        dh_group 14;",
        "    }",
        "}",
        "remote \"branch\" inherit \"office\" {",
        "    remote_address 192.0.2.2;",
        "}",
        "sainfo address 10.1.0.0/16 any address 10.2.0.0/16 any {",
        "    pfs_group modp2048;",
        "    encryption_algorithm aes 256, aes 128;",
        "    authentication_algorithm hmac_sha256;",
        "    compression_algorithm deflate;",
        "}",
        "mode_cfg {",
        "    network4 10.99.0.1;",
        "    dns4 10.0.0.1, 10.0.0.2;",
        "}",
    };
    return kLines;
}

/// The lines with line `at` replaced, and a second mistake that has nothing to do with the first.
std::string with(std::size_t at, const std::string& line) {
    std::string out;
    for (std::size_t i = 0; i < good_lines().size(); ++i)
        out += (i == at ? line : good_lines()[i]) + "\n";
    return out + "log verbos;\n";
}

std::size_t errors_of(const Loaded& l) {
    std::size_t errors = 0;
    for (const Diagnostic& d : l.result.diagnostics)
        errors += d.severity == Severity::Error ? 1u : 0u;
    return errors;
}

/// Exactly two errors: the one that was made, at or behind its line, and the one in the last line.
void expect_two(std::size_t at, const std::string& line) {
    const Loaded l = load_text(with(at, line));
    std::size_t errors = 0;
    for (const Diagnostic& d : l.result.diagnostics)
        errors += d.severity == Severity::Error ? 1 : 0;
    EXPECT_EQ(errors, 2u) << "line " << at + 1 << ": " << line << "\n" << l.text();
    EXPECT_NE(l.lines().find("verbos"), std::string::npos) << line << "\n" << l.text();
}

std::string trimmed(const std::string& line) {
    return line.substr(line.find_first_not_of(' '));
}

TEST(Recovery, TheLinesAreRight) {
    const Loaded l = load_text(with(good_lines().size(), ""));
    ASSERT_EQ(errors_of(l), 1u) << l.text();
}

TEST(Recovery, AForgottenSemicolonIsOneError) {
    for (std::size_t i = 0; i < good_lines().size(); ++i)
        if (good_lines()[i].ends_with(';'))
            expect_two(i, good_lines()[i].substr(0, good_lines()[i].size() - 1));
}

TEST(Recovery, AForgottenOpeningBraceIsOneError) {
    for (std::size_t i = 0; i < good_lines().size(); ++i)
        if (good_lines()[i].ends_with(" {"))
            expect_two(i, good_lines()[i].substr(0, good_lines()[i].size() - 2));
}

TEST(Recovery, AForgottenClosingBraceIsOneError) {
    for (std::size_t i = 0; i < good_lines().size(); ++i)
        // Behind the last block nothing tells where it should have ended.
        if (trimmed(good_lines()[i]) == "}" && i + 1 < good_lines().size()) expect_two(i, "");
}

TEST(Recovery, AClosingBraceTooManyIsOneError) {
    for (std::size_t i = 0; i < good_lines().size(); ++i)
        expect_two(
            i, good_lines()[i].ends_with('{') ? "}\n" + good_lines()[i] : good_lines()[i] + "\n}");
}

TEST(Recovery, AMisspeltWordIsOneError) {
    for (std::size_t i = 0; i < good_lines().size(); ++i) {
        std::string line = good_lines()[i];
        const auto at = line.find_first_not_of(' ');
        if (line[at] == '}') continue;
        expect_two(i,
                   line.substr(0, at + 1) + line.substr(at + 2));  // the second letter is missing
    }
}

TEST(Recovery, AForeignWordIsOneError) {
    for (std::size_t i = 0; i < good_lines().size(); ++i) {
        std::string line = good_lines()[i];
        const auto at = line.find_first_not_of(' ');
        if (line[at] == '}') continue;
        expect_two(i, line.substr(0, at) + "zygote" +
                          line.substr(line.find(' ', at) == line.npos ? line.size() - 1
                                                                      : line.find(' ', at)));
    }
}

TEST(Recovery, AForeignBlockIsOneError) {
    for (std::size_t i = 0; i < good_lines().size(); ++i)
        expect_two(i, good_lines()[i].ends_with('{')
                          ? "zygote \"x\" {\n a 1;\n b { c; }\n}\n" + good_lines()[i]
                          : good_lines()[i] + "\nzygote \"x\" {\n a 1;\n b { c; }\n}");
}

TEST(Recovery, AForgottenQuoteIsOneError) {
    for (std::size_t i = 0; i < good_lines().size(); ++i) {
        const std::string& line = good_lines()[i];
        const auto last = line.rfind('"');
        if (last != line.npos) expect_two(i, line.substr(0, last) + line.substr(last + 1));
    }
}

TEST(Recovery, AStrayCharacterIsOneError) {
    for (std::size_t i = 0; i < good_lines().size(); ++i) expect_two(i, good_lines()[i] + " @");
}

}  // namespace
}  // namespace racoon::conf
