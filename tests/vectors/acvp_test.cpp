// NIST's ACVP sets, Monte Carlo tests included.
#include <tuple>

#include "vectors/data.hpp"

namespace racoon::test {
namespace {

/// tcId → expected result, over all groups.
std::map<int, Json> results_of(const std::filesystem::path& folder) {
    std::map<int, Json> all;
    const Json file = load_json(folder / "expectedResults.json.gz");
    for (const Json& group : file["testGroups"])
        for (const Json& test : group["tests"]) all.emplace(test["tcId"].get<int>(), test);
    return all;
}

void add_to(Bytes& key, ByteView change) {
    for (std::size_t i = 0; i < key.size(); ++i) key[i] ^= change[i];
}

class Acvp : public Vectors {
  protected:
    /// 1000 chained blocks per result (ACVP-AES, section 6.2.1.2: CBC).
    void aes_monte_carlo(const Json& expected, bool encrypt, Bytes key, Bytes iv, Bytes text) {
        const auto aes = cipher("aes");
        for (const Json& step : expected) {
            ASSERT_EQ(key, unhex(step["key"]));
            ASSERT_EQ(text, unhex(step[encrypt ? "pt" : "ct"]));
            void* handle = nullptr;
            ASSERT_EQ(aes.table->key_new(aes.impl, key.data(), key.size(), &handle), RACOON_OK);
            Bytes chain = iv;
            Bytes before;  // output of the block before
            Bytes input = text;
            Bytes output;
            for (int j = 0; j < 1000; ++j) {
                Bytes block = input;
                ASSERT_EQ(aes.table->crypt(aes.impl, handle, encrypt ? 1 : 0, chain.data(),
                                           block.data(), 16),
                          0);
                input = j == 0 ? iv : output;
                before = output;
                output = block;
            }
            aes.table->key_free(aes.impl, handle);
            ASSERT_EQ(output, unhex(step[encrypt ? "ct" : "pt"]));
            Bytes change = before;
            append(change, output);
            add_to(key, ByteView(change).last(key.size()));
            iv = output;
            text = before;
        }
    }

    /// 10,000 chained blocks per result (ACVP-TDES: CBC).
    void tdes_monte_carlo(const Json& expected, bool encrypt, Bytes key, Bytes iv, Bytes text) {
        const auto tdes = cipher("3des");
        for (const Json& step : expected) {
            ASSERT_EQ(text, unhex(step[encrypt ? "pt" : "ct"]));
            void* handle = nullptr;
            ASSERT_EQ(tdes.table->key_new(tdes.impl, key.data(), key.size(), &handle), RACOON_OK);
            using Block = std::array<std::uint8_t, 8>;
            auto block_of = [](const Bytes& bytes) {
                Block b{};
                std::copy(bytes.begin(), bytes.end(), b.begin());
                return b;
            };
            Block chain = block_of(iv);
            Block input = block_of(text);
            std::array<Block, 3> last{};  // output j, j - 1, j - 2
            racoon_status status = RACOON_OK;
            for (int j = 0; j < 10'000; ++j) {
                Block block = input;
                // Encrypting, the next input is the output before; decrypting, the output itself.
                status |= tdes.table->crypt(tdes.impl, handle, encrypt ? 1 : 0, chain.data(),
                                            block.data(), 8);
                last = {block, last[0], last[1]};
                if (!encrypt)
                    input = block;
                else
                    input = j == 0 ? block_of(iv) : last[1];
            }
            tdes.table->key_free(tdes.impl, handle);
            ASSERT_EQ(status, RACOON_OK);
            const Bytes output(last[0].begin(), last[0].end());
            const Bytes before(last[1].begin(), last[1].end());
            ASSERT_EQ(output, unhex(step[encrypt ? "ct" : "pt"]));
            Bytes change = output;
            append(change, before);
            append(change, last[2]);
            add_to(key, change);  // parity bits differ from NIST's, which no cipher sees
            iv = encrypt ? output : Bytes(chain.begin(), chain.end());
            text = encrypt ? before : output;
        }
    }
};

TEST_F(Acvp, AesCbcHolds) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    const auto folder = *root / "acvp" / "other" / "ACVP-AES-CBC-1.0";
    const auto results = results_of(folder);
    Tally tally("ACVP AES-CBC");
    const Json file = load_json(folder / "prompt.json.gz");
    for (const Json& group : file["testGroups"]) {
        const bool encrypt = group["direction"] == "encrypt";
        for (const Json& test : group["tests"]) {
            const Json& expected = results.at(test["tcId"]);
            SCOPED_TRACE("tcId " + test["tcId"].dump());
            Bytes iv = unhex(test["iv"]);
            const Bytes key = unhex(test["key"]);
            const Bytes text = unhex(test[encrypt ? "pt" : "ct"]);
            if (group["testType"] == "MCT")
                aes_monte_carlo(expected["resultsArray"], encrypt, key, iv, text);
            else
                EXPECT_EQ(crypt("aes", key, encrypt, iv, text),
                          unhex(expected[encrypt ? "ct" : "pt"]));
            tally.checked();
        }
    }
    EXPECT_GE(tally.checked_count(), 2156u);
}

TEST_F(Acvp, TdesCbcHolds) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    const auto folder = *root / "acvp" / "other" / "ACVP-TDES-CBC-1.0";
    const auto results = results_of(folder);
    Tally tally("ACVP TDES-CBC");
    const Json file = load_json(folder / "prompt.json.gz");
    for (const Json& group : file["testGroups"]) {
        const bool encrypt = group["direction"] == "encrypt";
        for (const Json& test : group["tests"]) {
            const Json& expected = results.at(test["tcId"]);
            SCOPED_TRACE("tcId " + test["tcId"].dump());
            Bytes iv = unhex(test["iv"]);
            Bytes key = unhex(test["key1"]);
            append(key, unhex(test["key2"]));
            append(key, unhex(test["key3"]));
            const Bytes text = unhex(test[encrypt ? "pt" : "ct"]);
            if (group["testType"] == "MCT")
                tdes_monte_carlo(expected["resultsArray"], encrypt, key, iv, text);
            else
                EXPECT_EQ(crypt("3des", key, encrypt, iv, text),
                          unhex(expected[encrypt ? "ct" : "pt"]));
            tally.checked();
        }
    }
    EXPECT_GE(tally.checked_count(), 690u);
}

TEST_F(Acvp, HmacHolds) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    Tally tally("ACVP HMAC");
    for (const auto& [set, name] :
         std::map<std::string, std::string>{{"HMAC-SHA-1-2.0", "sha1"},
                                            {"HMAC-SHA2-256-2.0", "sha256"},
                                            {"HMAC-SHA2-384-2.0", "sha384"},
                                            {"HMAC-SHA2-512-2.0", "sha512"}}) {
        const auto folder = *root / "acvp" / "other" / set;
        const auto results = results_of(folder);
        const Json file = load_json(folder / "prompt.json.gz");
        for (const Json& group : file["testGroups"]) {
            for (const Json& test : group["tests"]) {
                SCOPED_TRACE(set + " tcId " + test["tcId"].dump());
                Bytes mac = hmac_of(name, unhex(test["key"]), unhex(test["msg"]));
                mac.resize(test["macLen"].get<std::size_t>() / 8);
                EXPECT_EQ(mac, unhex(results.at(test["tcId"])["mac"]));
                tally.checked();
            }
        }
    }
    EXPECT_GE(tally.checked_count(), 600u);
}

}  // namespace
}  // namespace racoon::test
