// The state file: what was saved is there after any end of the daemon, and a damaged file costs no more than
// what was damaged.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

#include "format.hpp"
#include "store.hpp"

namespace racoon::state_file {
namespace {

using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;
using Records = std::map<std::string, std::string>;

class StateFile : public testing::Test {
  protected:
    void SetUp() override {
        dir_ =
            std::filesystem::temp_directory_path() / ("racoon-state-" + std::to_string(::getpid()));
        std::filesystem::remove_all(dir_);
        std::filesystem::create_directories(dir_);
        path_ = (dir_ / "sa").string();
    }
    void TearDown() override { std::filesystem::remove_all(dir_); }

    Records read() {
        Store store;
        std::string error;
        EXPECT_TRUE(store.open(path_, &error)) << error;
        damaged_ = store.damaged();
        Records out;
        EXPECT_TRUE(
            store.each([&](std::string_view k, std::string_view v) { out.emplace(k, v); }, &error))
            << error;
        EXPECT_EQ(out.size(), store.size());
        return out;
    }
    std::string whole() const {
        std::ifstream in(path_);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void write(const std::string& text) {
        std::ofstream(path_) << text;
        ::chmod(path_.c_str(), 0600);
    }

    std::filesystem::path dir_;
    std::string path_, error_;
    std::size_t damaged_ = 0;
};

TEST_F(StateFile, TheLastRecordOfAKeyCounts) {
    Store store;
    ASSERT_TRUE(store.open(path_, &error_)) << error_;
    EXPECT_TRUE(store.save("a", "1", &error_));
    EXPECT_TRUE(store.save("b", std::string("\0\n=+ ", 5), &error_));
    EXPECT_TRUE(store.save("a", "2", &error_));
    EXPECT_TRUE(store.save("c", "3", &error_));
    EXPECT_TRUE(store.remove("c", &error_));
    EXPECT_TRUE(store.remove("never there", &error_));
    store.close();
    EXPECT_THAT(read(), UnorderedElementsAre(Pair("a", "2"), Pair("b", std::string("\0\n=+ ", 5))));
    EXPECT_EQ(damaged_, 0u);
}

TEST_F(StateFile, IsForItsOwnerAlone) {
    Store store;
    ASSERT_TRUE(store.open(path_, &error_)) << error_;
    struct stat st {};
    ASSERT_EQ(::stat(path_.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777u, 0600u);
    store.close();
    for (const mode_t mode : {0640u, 0604u, 0620u}) {
        ::chmod(path_.c_str(), mode);
        EXPECT_FALSE(store.open(path_, &error_));
        EXPECT_THAT(error_, HasSubstr("chmod 600"));
    }
    ::chmod(path_.c_str(), 0600);
    Store second;
    ASSERT_TRUE(store.open(path_, &error_)) << error_;
    EXPECT_FALSE(second.open(path_, &error_));
    EXPECT_THAT(error_, HasSubstr("another racoon uses it"));
    EXPECT_FALSE(second.open(dir_.string(), &error_)) << "a folder";
    EXPECT_FALSE(second.open((dir_ / "no" / "sa").string(), &error_));
}

TEST_F(StateFile, AHalfWrittenLineCostsItselfAlone) {
    Store store;
    ASSERT_TRUE(store.open(path_, &error_));
    store.save("a", "1", &error_);
    store.save("b", "2", &error_);
    store.close();
    const std::string text = whole();
    for (std::size_t size = 0; size <= text.size(); ++size) {
        write(text.substr(0, size));
        const auto ends = static_cast<std::size_t>(
            std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size), '\n'));
        const bool only_its_end = size < text.size() && text[size] == '\n';
        const std::size_t left = ends + (only_its_end ? 1 : 0);
        EXPECT_EQ(read().size(), left) << size;
        // And the next daemon writes on.
        ASSERT_TRUE(store.open(path_, &error_));
        EXPECT_TRUE(store.save("next", "3", &error_));
        store.close();
        const Records after = read();
        EXPECT_EQ(after.size(), left + 1) << size;
        EXPECT_EQ(after.at("next"), "3");
    }
}

TEST_F(StateFile, AChangedByteCostsItsLineAlone) {
    Store store;
    ASSERT_TRUE(store.open(path_, &error_));
    for (const char* key : {"a", "b", "c"}) store.save(key, key, &error_);
    store.close();
    const std::string text = whole();
    for (std::size_t at = 0; at < text.size(); ++at) {
        std::string changed = text;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        write(changed);
        EXPECT_GE(read().size(), text[at] == '\n' ? 1u : 2u) << at;
        EXPECT_GE(damaged_, 1u) << at;
    }
    write("not ours\n" + std::string(kMaxLine + 10, 'x') + "\n\n" + text);
    EXPECT_EQ(read().size(), 3u);
    EXPECT_EQ(damaged_, 2u);
}

TEST_F(StateFile, WhatIsDeadDoesNotFillTheFile) {
    Store store;
    ASSERT_TRUE(store.open(path_, &error_));
    const std::string value(4000, 'v');
    for (int i = 0; i < 20; ++i) store.save("live" + std::to_string(i), value, &error_);
    for (int i = 0; i < 1000; ++i) {
        ASSERT_TRUE(store.save("k" + std::to_string(i), value, &error_)) << error_;
        ASSERT_TRUE(store.remove("k" + std::to_string(i), &error_)) << error_;
        ASSERT_LE(store.file_bytes(), 2u << 20);
    }
    EXPECT_EQ(store.size(), 20u);
    Store second;
    EXPECT_FALSE(second.open(path_, &error_)) << "the new file is locked, too";
    store.close();
    EXPECT_EQ(read().size(), 20u);
    EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(StateFile, NothingIsLeftOfWhatWasCleared) {
    Store store;
    ASSERT_TRUE(store.open(path_, &error_));
    store.save("a", "secret", &error_);
    EXPECT_TRUE(store.clear(&error_));
    EXPECT_EQ(whole(), "");
    store.save("a", "secret", &error_);
    EXPECT_TRUE(store.remove("a", &error_));
    EXPECT_EQ(whole(), "") << "also when the last one went by itself";
    EXPECT_FALSE(store.save("", "x", &error_));
    EXPECT_FALSE(store.save("a", std::string(kMaxValue + 1, 'x'), &error_));
}

TEST_F(StateFile, AFullDiskIsToldAndSpoilsNothing) {
    // A limit of the process stands in for the disk's; SIGXFSZ is ignored then, as the daemon would.
    const pid_t child = ::fork();
    if (child == 0) {
        ::signal(SIGXFSZ, SIG_IGN);
        Store store;
        std::string error;
        if (!store.open(path_, &error) || !store.save("a", "1", &error)) ::_exit(1);
        const rlimit limit{store.file_bytes() + 30, store.file_bytes() + 30};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        if (store.save("b", std::string(100, 'x'), &error)) ::_exit(2);
        ::_exit(store.size() == 1 && error.find(path_) != std::string::npos ? 0 : 3);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    Store store;
    ASSERT_TRUE(store.open(path_, &error_));
    EXPECT_TRUE(store.save("c", "3", &error_));
    store.close();
    EXPECT_THAT(read(), UnorderedElementsAre(Pair("a", "1"), Pair("c", "3")));
}

TEST_F(StateFile, ADaemonThatIsKilledLosesAtMostWhatItWasWriting) {
    for (int round = 0; round < 6; ++round) {
        std::filesystem::remove(path_);
        int ready[2];
        ASSERT_EQ(::pipe(ready), 0);
        const pid_t child = ::fork();
        if (child == 0) {
            Store store;
            std::string error;
            if (!store.open(path_, &error)) ::_exit(1);
            const std::string value(500, 'v');
            for (int i = 0;; ++i) {
                store.save("k" + std::to_string(i), value, &error);
                if (i >= 10) store.remove("k" + std::to_string(i - 10), &error);
                if (::write(ready[1], &i, sizeof i) < 0) ::_exit(1);
            }
        }
        ::close(ready[1]);
        int last = 0;
        for (int i = 0; i < 40 + round * 37; ++i)
            ASSERT_EQ(::read(ready[0], &last, sizeof last), static_cast<ssize_t>(sizeof last));
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        for (int more = 0; ::read(ready[0], &more, sizeof more) == sizeof more;) last = more;
        ::close(ready[0]);
        const Records left = read();
        for (int i = last - 8; i <= last; ++i)
            EXPECT_TRUE(left.contains("k" + std::to_string(i))) << i << " of " << last;
        EXPECT_LE(left.size(), 13u);
    }
}

}  // namespace
}  // namespace racoon::state_file
