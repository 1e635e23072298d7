#include "daemon/key_files.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include <racoon/plugin.h>

namespace racoon::daemon {
namespace {

int opened = 0;

racoon_status find(void*, const racoon_psk_query*, void**, racoon_error*) noexcept {
    return RACOON_NOT_FOUND;
}
racoon_status prf(void*, void*, const char*, const racoon_span*, std::size_t,
                  racoon_buffer*) noexcept {
    return RACOON_NOT_FOUND;
}
void release(void*, void*) noexcept {}
racoon_status refuse(void*, const racoon_key_file*,
                     void (*)(void*, const racoon_key_remark*) noexcept, void*,
                     racoon_error*) noexcept {
    ++opened;
    return RACOON_CONFIG;
}

/// A configuration of many sections, each with a plain RSA key that nothing provides, in a file with a
/// line for each.
conf::Config with_keys(int sections, const std::string& file, const std::vector<int>& lines = {}) {
    conf::Config out;
    out.file = file;
    for (int i = 0; i < sections; ++i) {
        conf::Remote r;
        r.certificate.emplace();
        r.certificate->kind = conf::CertificateKind::PlainRsa;
        r.certificate->key = "/nowhere/" + std::to_string(i);
        r.certificate->where.file = file;
        r.certificate->where.line = lines.empty() ? i + 1 : lines.at(static_cast<std::size_t>(i));
        r.certificate->where.column = 1;
        out.remotes.push_back(std::move(r));
    }
    return out;
}

class KeyFiles : public ::testing::Test {
  protected:
    void SetUp() override {
        std::ofstream out(file_);
        for (int i = 1; i <= 500; ++i) out << "line" << i << " x\n";
        auto manifest = plugin::parse_manifest(
            R"({"name": "a", "version": "1", "summary": "s", "abi": "1.0",
                "provides": [{"point": "racoon.credential/1", "key": "files"}]})");
        ASSERT_TRUE(manifest) << manifest.error().text();
        ASSERT_TRUE(registry_.add_module(*manifest));
        table_.struct_size = sizeof table_;
        table_.psk_find = find;
        table_.psk_prf = prf;
        table_.release = release;
        table_.check_file = refuse;
        ASSERT_TRUE(registry_.bind("a", "racoon.credential/1", "files", &table_, nullptr));
        registry_.finish();
        opened = 0;
    }
    void TearDown() override { ::unlink(file_.c_str()); }

    const std::string file_ = ::testing::TempDir() + "key_files." + std::to_string(::getpid());
    racoon_credential table_{};
    plugin::Registry registry_{plugin::Zone::Keeper};
};

TEST_F(KeyFiles, EachErrorShowsItsLine) {
    const auto found = check_key_files(with_keys(4, file_, {7, 9, 3, 9}), registry_);
    ASSERT_EQ(found.errors.size(), 4u);
    EXPECT_EQ(found.errors[0].source, "line7 x");
    EXPECT_EQ(found.errors[1].source, "line9 x");
    EXPECT_EQ(found.errors[2].source, "line3 x");
    EXPECT_EQ(found.errors[3].source, "line9 x");
    EXPECT_EQ(found.errors[2].where.line, 3);
}

TEST_F(KeyFiles, ErrorsEndWhereNobodyReadsOn) {
    const auto found = check_key_files(with_keys(5000, file_), registry_);
    EXPECT_EQ(found.errors.size(), conf::Diagnostics::kMaxDiagnostics);
    EXPECT_EQ(opened, 200);
}

}  // namespace
}  // namespace racoon::daemon
