// psk.txt files of real installations.
#include <gtest/gtest.h>
#include <map>
#include <string>

#include "psk_file.hpp"
#include "support/test_data.hpp"

namespace credential_files {
namespace {

std::string key_for(const PskIndex& index, std::string_view id) {
    const PskEntry* entry = index.find(id);
    return entry ? std::string(entry->key.begin(), entry->key.end()) : "<none>";
}

TEST(PskCorpus, EveryLineOfEveryFileIsReadAsItIsMeant) {
    const auto folder = racoon::test::test_data("corpus/psk");
    if (!folder) return;
    // Of each file: how many keys, how many of them weak, and one of them.
    struct Expected {
        std::size_t keys, weak;
        std::string id, key;
    };
    const std::map<std::string, Expected> files = {
        {"001.txt", {1, 0, "IPO_Outro", "0a1b2a3c4a5d6a7b8a90"}},
        {"002.txt", {1, 1, "198.51.100.1", "mimamamemima"}},
        {"003.txt",
         {1, 0, "172.16.5.4", "uThvJHRZmZ8pCplL0Bc5gL7NMmcM568rCVh+t-L0Afk6jgOduInOlDcj7ckxvYk"}},
        {"004.txt", {1, 0, "myhomelan", "d41d8cd98f00b204e980"}},
        {"005.txt", {1, 1, "10.10.0.98", "cacarulo"}},
        {"006.txt", {0, 0, "10.1.1.1", "<none>"}},
        {"007.txt", {7, 6, "172.16.1.133", "\x12\x34\x56\x78"}},
        {"008.txt", {0, 0, "gw.example.com", "<none>"}},  // comments alone
    };
    std::size_t seen = 0;
    for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
        SCOPED_TRACE(entry.path());
        const auto known = files.find(entry.path().filename());
        const std::string text = racoon::test::read_text(entry.path());
        std::vector<std::uint8_t> memory(text.begin(), text.end());
        const PskIndex index = PskIndex::parse(memory);
        EXPECT_TRUE(index.remarks().empty()) << index.remarks()[0].text;
        for (const PskEntry& e : index.entries()) EXPECT_EQ(e.problem, nullptr);
        if (known == files.end()) continue;
        ++seen;
        EXPECT_EQ(index.entries().size(), known->second.keys);
        EXPECT_EQ(index.weak_keys().size(), known->second.weak);
        EXPECT_EQ(key_for(index, known->second.id), known->second.key);
    }
    EXPECT_EQ(seen, files.size());
}

}  // namespace
}  // namespace credential_files
