// `racoonctl explain` as it is called.
#include <algorithm>
#include <sstream>

#include "manual/programs.hpp"

namespace racoon::manual {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class ExplainProgram : public ManualTest {
  protected:
    Ran explain(const std::string& arguments) {
        return run("racoonctl" + std::string(kModules) + "explain " + arguments);
    }
};

TEST_F(ExplainProgram, TellsADirectiveWithoutADaemon) {
    const Ran r = explain("remote.nonce_size");
    EXPECT_EQ(r.status, 0) << r.err;
    EXPECT_THAT(r.out, HasSubstr("nonce_size NUMBER;"));
    EXPECT_THAT(r.out, HasSubstr("16 bytes"));
    EXPECT_THAT(r.err, IsEmpty());
    EXPECT_EQ(explain("remote nonce_size").out, r.out);
}

TEST_F(ExplainProgram, TellsAlgorithmsFromTheManifestsOfModules) {
    const Ran r = explain("rijndael");
    EXPECT_EQ(r.status, 0) << r.err;
    EXPECT_THAT(r.out, HasSubstr("cipher.aes"));
    EXPECT_THAT(r.out, HasSubstr("esp.aes"));
    EXPECT_THAT(r.out, HasSubstr("crypto-openssl"));
    EXPECT_THAT(r.out, HasSubstr("IKE 7"));
    EXPECT_THAT(r.out, HasSubstr("128, 192 or 256 bits; 128 when none is written"));
    EXPECT_THAT(explain("3des").out, HasSubstr("It is weak"));
    EXPECT_THAT(explain("twofish").out, HasSubstr("This release has no support for it; write"));
}

TEST_F(ExplainProgram, TellsModulesAndTheirKeys) {
    EXPECT_THAT(explain("kernel-userspace").out, HasSubstr("kernel-userspace.mtu"));
    const Ran r = explain("kernel-userspace.mtu");
    EXPECT_EQ(r.status, 0) << r.err;
    EXPECT_THAT(r.out, HasSubstr("mtu NUMBER;"));
    EXPECT_THAT(r.out, HasSubstr("1280 to 9000"));
}

TEST_F(ExplainProgram, AnUnknownWordGetsNearOnesAndStatusOne) {
    const Ran r = explain("noncesize");
    EXPECT_EQ(r.status, 1);
    EXPECT_THAT(r.out, IsEmpty());
    EXPECT_THAT(r.err, HasSubstr("nonce_size"));
    EXPECT_EQ(explain("xyzzyxyzzy").status, 1);
}

TEST_F(ExplainProgram, WithoutAWordListsAll) {
    const Ran r = explain("");
    EXPECT_EQ(r.status, 0);
    for (const char* word :
         {"remote.nonce_size", "module.crypto-openssl", "group.modp2048", "kernel-userspace.mtu"})
        EXPECT_THAT(r.out, HasSubstr(word));
    std::istringstream lines(r.out);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST_F(ExplainProgram, SpeaksJson) {
    for (const char* how : {"nonce_size --json", "--json"}) {
        const Ran r = explain(how);
        EXPECT_EQ(r.status, 0);
        EXPECT_THAT(r.out, StartsWith("{\n  \"word\":"));
    }
    const Ran r = explain("noncesize --json");
    EXPECT_EQ(r.status, 1);
    EXPECT_THAT(r.out, HasSubstr("\"nearest\": [\n"));
}

}  // namespace
}  // namespace racoon::manual
