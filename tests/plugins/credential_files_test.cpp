// credential-files with a real file under the daemon's rules.
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.hpp"
#include "support/plugin_fixture.hpp"

namespace racoon::test {
namespace {

class CredentialFiles : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "racoon-psk-XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
        file_ = folder_ / "psk.txt";
        host_.paths["pre_shared_key"] = file_.string();
        crypto_ = LoadedPlugin::load("crypto-openssl", host_);
        module_ = LoadedPlugin::load("credential-files", host_);
        ASSERT_TRUE(crypto_ && module_);
        files_ = module_->find<racoon_credential>(RACOON_POINT_CREDENTIAL, "files");
        ASSERT_TRUE(files_);
        peer_.family = 4;
        const std::uint8_t address[] = {192, 0, 2, 1};
        std::copy(std::begin(address), std::end(address), peer_.bytes);
    }
    void TearDown() override {
        module_.reset();
        EXPECT_EQ(host_.secret_bytes, 0u) << "memory with secrets in it was not given back";
        crypto_.reset();
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    void write(const std::string& text, mode_t mode = 0600) {
        std::ofstream(file_, std::ios::trunc) << text;
        ASSERT_EQ(::chmod(file_.c_str(), mode), 0);
    }

    struct Answer {
        racoon_status status;
        std::string error;
        Bytes prf;  // HMAC-SHA-256 of "message" under the key that was found
    };
    Answer ask(const racoon_psk_query& query) {
        racoon_error err{};
        err.struct_size = sizeof err;
        void* handle = nullptr;
        Answer answer{files_.table->psk_find(files_.impl, &query, &handle, &err), err.text, {}};
        EXPECT_EQ(handle != nullptr, answer.status == RACOON_OK);
        if (handle) {
            answer.prf = prf(handle);
            files_.table->release(files_.impl, handle);
        }
        return answer;
    }
    Bytes prf(void* handle) {
        Bytes out(RACOON_MAX_DIGEST);
        racoon_buffer buffer{out.data(), out.size(), 0};
        const racoon_span parts[] = {span_of("mess"), span_of("age")};
        EXPECT_EQ(files_.table->psk_prf(files_.impl, handle, "sha256", parts, 2, &buffer),
                  RACOON_OK);
        out.resize(buffer.size);
        return out;
    }
    Bytes under(const std::string& key) {
        const auto sha256 = crypto_->find<racoon_hash>(RACOON_POINT_HASH, "sha256");
        Bytes out(32);
        const racoon_span part = span_of("message");
        EXPECT_EQ(sha256.table->hmac(sha256.impl, span_of(key), &part, 1, out.data()), RACOON_OK);
        return out;
    }
    racoon_psk_query main_mode() const {
        racoon_psk_query query{};
        query.struct_size = sizeof query;
        query.exchange_type = 2;
        query.peer = peer_;
        return query;
    }
    racoon_psk_query aggressive(std::uint32_t type, std::string_view id, bool fallback) const {
        racoon_psk_query query = main_mode();
        query.exchange_type = 4;
        query.has_peer_id = 1;
        query.peer_id.type = type;
        query.peer_id.data = span_of(id);
        query.address_fallback = fallback ? 1 : 0;
        return query;
    }

    std::filesystem::path folder_, file_;
    FakeHost host_;
    std::unique_ptr<LoadedPlugin> crypto_, module_;
    Point<racoon_credential> files_;
    racoon_addr peer_{};
};

TEST_F(CredentialFiles, MainModeLooksUpTheAddress) {
    write("198.51.100.7 other\n192.0.2.1 the key\n");
    const Answer answer = ask(main_mode());
    ASSERT_EQ(answer.status, RACOON_OK) << answer.error;
    EXPECT_EQ(answer.prf, under("the key"));
}

TEST_F(CredentialFiles, AnIpv6AddressIsFoundInItsShortForm) {
    write("2001:db8::1 six\n");
    peer_ = {};
    peer_.family = 6;
    peer_.bytes[0] = 0x20;
    peer_.bytes[1] = 0x01;
    peer_.bytes[2] = 0x0d;
    peer_.bytes[3] = 0xb8;
    peer_.bytes[15] = 1;
    const Answer answer = ask(main_mode());
    ASSERT_EQ(answer.status, RACOON_OK) << answer.error;
    EXPECT_EQ(answer.prf, under("six"));
}

TEST_F(CredentialFiles, AggressiveModeLooksUpTheIdentityFirst) {
    write("192.0.2.1 by address\npeer.example.org by name\nuser@example.org by user\n");
    EXPECT_EQ(ask(aggressive(2, "peer.example.org", true)).prf, under("by name"));
    EXPECT_EQ(ask(aggressive(3, "user@example.org", true)).prf, under("by user"));
    EXPECT_EQ(ask(aggressive(11, "peer.example.org", true)).prf, under("by name"));
    EXPECT_EQ(ask(aggressive(1, std::string_view("\xc0\x00\x02\x01", 4), false)).prf,
              under("by address"));
}

TEST_F(CredentialFiles, TheAddressIsTriedAfterTheIdentityOnlyWhereAllowed) {
    write("192.0.2.1 by address\n");
    const Answer refused = ask(aggressive(2, "unknown.example.org", false));
    EXPECT_EQ(refused.status, RACOON_NOT_FOUND);
    EXPECT_NE(refused.error.find("unknown.example.org"), std::string::npos) << refused.error;
    ASSERT_EQ(host_.log_lines.size(), 1u);
    EXPECT_NE(host_.log_lines[0].find("has no line for \"unknown.example.org\""), std::string::npos)
        << host_.log_lines[0];

    host_.log_lines.clear();
    EXPECT_EQ(ask(aggressive(2, "unknown.example.org", true)).prf, under("by address"));
    ASSERT_EQ(host_.log_lines.size(), 1u);
    EXPECT_EQ(host_.log_lines[0].rfind("NOTIFY: couldn't find the proper pskey", 0), 0u)
        << host_.log_lines[0];
}

TEST_F(CredentialFiles, AMissingLineNamesFileAndAddress) {
    write("198.51.100.7 other\n");
    const Answer answer = ask(main_mode());
    EXPECT_EQ(answer.status, RACOON_NOT_FOUND);
    EXPECT_NE(answer.error.find(file_.string()), std::string::npos) << answer.error;
    EXPECT_NE(answer.error.find("192.0.2.1"), std::string::npos) << answer.error;
}

TEST_F(CredentialFiles, AnIdentityOfThePeerCannotForgeTheLog) {
    write("192.0.2.1 key\n");
    ask(aggressive(2, "evil\n2026-01-01 INFO: forged \x1b[31m", true));
    ASSERT_EQ(host_.log_lines.size(), 1u);
    EXPECT_EQ(host_.log_lines[0].find_first_of("\n\x1b"), std::string::npos);
}

TEST_F(CredentialFiles, AWeakFileIsDeniedWithOwnerModeAndTheFix) {
    for (const mode_t mode : {mode_t{0644}, mode_t{0640}, mode_t{0604}, mode_t{0610}}) {
        write("192.0.2.1 key\n", mode);
        const Answer answer = ask(main_mode());
        EXPECT_EQ(answer.status, RACOON_DENIED);
        char text[8];
        std::snprintf(text, sizeof text, "%04o", mode);
        EXPECT_NE(answer.error.find(text), std::string::npos) << answer.error;
        EXPECT_NE(answer.error.find("has weak file permission"), std::string::npos) << answer.error;
        EXPECT_NE(answer.error.find("chmod 600 " + file_.string()), std::string::npos)
            << answer.error;
    }
    // Mended without a restart.
    ASSERT_EQ(::chmod(file_.c_str(), 0400), 0);
    EXPECT_EQ(ask(main_mode()).status, RACOON_OK);
}

TEST_F(CredentialFiles, AFileOfSomebodyElseIsDenied) {
    write("192.0.2.1 key\n");
    if (::chown(file_.c_str(), 12345, static_cast<gid_t>(-1)) != 0) {
        std::printf("not checked: only root can give a file away\n");
        return;
    }
    const Answer answer = ask(main_mode());
    EXPECT_EQ(answer.status, RACOON_DENIED);
    EXPECT_NE(answer.error.find("owner uid 12345"), std::string::npos) << answer.error;
    EXPECT_NE(answer.error.find("chown 0"), std::string::npos) << answer.error;
}

TEST_F(CredentialFiles, WhatIsNoRegularFileIsDeniedWithoutBlocking) {
    ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
    EXPECT_EQ(ask(main_mode()).status, RACOON_DENIED);
    std::filesystem::remove(file_);
    std::filesystem::create_directory(file_);
    EXPECT_NE(ask(main_mode()).status, RACOON_OK);
}

TEST_F(CredentialFiles, ALinkIsFollowedAndTheFileBehindItCounts) {
    const auto real = folder_ / "real";
    std::ofstream(real) << "192.0.2.1 key\n";
    ASSERT_EQ(::chmod(real.c_str(), 0600), 0);
    std::filesystem::create_symlink(real, file_);
    EXPECT_EQ(ask(main_mode()).prf, under("key"));
    ASSERT_EQ(::chmod(real.c_str(), 0640), 0);
    EXPECT_EQ(ask(main_mode()).status, RACOON_DENIED);
}

TEST_F(CredentialFiles, AKeyIdIsComparedAsAllItsBytes) {
    write("branch by key id\n* for the rest\n");
    EXPECT_EQ(ask(aggressive(11, "branch", false)).prf, under("by key id"));
    for (const std::string_view other :
         {std::string_view("branch\0x", 8), std::string_view("branch\n"), std::string_view("bran"),
          std::string_view("branch.evil.example"), std::string_view("")})
        EXPECT_EQ(ask(aggressive(11, other, false)).prf, under("for the rest")) << other;
}

TEST_F(CredentialFiles, ADistinguishedNameIsLookedUpAsTheHexOfItsDer) {
    write("~300d310b3009060355040613024445 by name\n");
    const std::string_view der("\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02\x44\x45", 15);
    EXPECT_EQ(ask(aggressive(9, der, false)).prf, under("by name"));
    const Answer other = ask(aggressive(9, der.substr(1), false));
    EXPECT_EQ(other.status, RACOON_NOT_FOUND);
    EXPECT_NE(other.error.find("\"~0d310b30"), std::string::npos) << other.error;
}

TEST_F(CredentialFiles, AMissingFileOrPathIsNotFound) {
    Answer answer = ask(main_mode());
    EXPECT_EQ(answer.status, RACOON_NOT_FOUND);
    EXPECT_NE(answer.error.find(file_.string()), std::string::npos) << answer.error;
    ASSERT_EQ(host_.log_lines.size(), 1u) << "a missing file must be told";
    host_.paths.clear();
    answer = ask(main_mode());
    EXPECT_EQ(answer.status, RACOON_NOT_FOUND);
    EXPECT_NE(answer.error.find("path pre_shared_key"), std::string::npos) << answer.error;
}

TEST_F(CredentialFiles, AChangedFileIsReadAtTheNextUse) {
    write("192.0.2.1 old\n");
    EXPECT_EQ(ask(main_mode()).prf, under("old"));
    write("192.0.2.1 new\n");  // the same size, within the same tick of the clock
    EXPECT_EQ(ask(main_mode()).prf, under("new"));
    std::filesystem::remove(file_);
    EXPECT_EQ(ask(main_mode()).status, RACOON_NOT_FOUND);
    write("192.0.2.1 back\n");
    EXPECT_EQ(ask(main_mode()).prf, under("back"));
}

TEST_F(CredentialFiles, AKeyInUseOutlivesTheFileItIsFrom) {
    write("192.0.2.1 old\n");
    const racoon_psk_query query = main_mode();
    void* handle = nullptr;
    racoon_error err{};
    err.struct_size = sizeof err;
    ASSERT_EQ(files_.table->psk_find(files_.impl, &query, &handle, &err), RACOON_OK);
    write("192.0.2.1 new, and longer than the old one\n");
    EXPECT_EQ(ask(query).status, RACOON_OK);
    EXPECT_EQ(prf(handle), under("old"));
    files_.table->release(files_.impl, handle);
}

TEST_F(CredentialFiles, ABrokenLineIsNamedWhenItIsReadAndWhenItMatches) {
    write("# ours\n192.0.2.1 0x123\n* key\n");
    const Answer answer = ask(main_mode());
    EXPECT_EQ(answer.status, RACOON_CONFIG);
    EXPECT_NE(answer.error.find("psk.txt:2:11: found an odd number of hex digits"),
              std::string::npos)
        << answer.error;
    ASSERT_EQ(host_.log_lines.size(), 1u);
    EXPECT_NE(host_.log_lines[0].find("psk.txt:2:"), std::string::npos);
    EXPECT_EQ(host_.log_lines[0].find("123"), std::string::npos) << "a key in the log";
}

}  // namespace
}  // namespace racoon::test
