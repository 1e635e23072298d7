// A plugin made of the SDK's C++ classes: what it throws, forgets or answers late must deny, not crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "contract/module_dir.hpp"
#include "plugin/lifecycle.hpp"
#include "support/fake_runtime.hpp"
#include "support/log_capture.hpp"

namespace racoon::plugin {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

struct Wrapper : testing::Test {
    test::LogCapture log;
    test::ModuleDir dir;
    test::FakeRuntime runtime;
    PluginHost host{runtime, Zone::Both, dir.path()};
    const conf::AuthMethodInfo* method = nullptr;
    void* session = nullptr;
    std::vector<std::pair<racoon_status, Bytes>> answers;

    void SetUp() override {
        dir.add("wrapper");
        conf::ModuleBlock block;
        block.name = "wrapper";
        const Status loaded = host.load({block});
        ASSERT_TRUE(loaded) << loaded.error().text();
        method = host.registry().auth_method("wrapped");
        ASSERT_NE(method, nullptr);
        racoon_auth_params params{};
        params.struct_size = sizeof params;
        ASSERT_EQ(method->table->begin(method->impl, &params, &session), RACOON_OK);
    }
    void TearDown() override {
        if (session) method->table->end(method->impl, session);
    }
    OpToken op() {
        return *host.ops().create("wrapper", "auth_out", 10, 30s, [this](racoon_status s, Bytes r) {
            answers.emplace_back(s, std::move(r));
        });
    }
    racoon_status auth_out(const char* what, OpToken token, racoon_auth_out& out) {
        const ByteView bytes = as_bytes(what);
        return method->table->auth_out(method->impl, session, {bytes.data(), bytes.size()},
                                       token.value, &out);
    }
};

TEST_F(Wrapper, AnswersAtOnce) {
    racoon_auth_out out{};
    const OpToken token = op();
    EXPECT_EQ(auth_out("n", token, out), RACOON_OK);
    EXPECT_EQ(out.payload_type, 8u);
    runtime.run_posted();
    EXPECT_TRUE(answers.empty()) << "what is answered at once is not completed as well";
    EXPECT_EQ(auth_out("x", token, out), RACOON_DENIED);
}

TEST_F(Wrapper, TurnsAnExceptionIntoInternalAndLogsItsText) {
    racoon_auth_out out{};
    EXPECT_EQ(auth_out("t", op(), out), RACOON_INTERNAL);
    EXPECT_EQ(log.count("thrown in auth_out"), 1u);
}

TEST_F(Wrapper, LetsNoVerdictThroughWithAnException) {
    racoon_auth_verdict verdict{};
    const racoon_identity id{};
    EXPECT_EQ(
        method->table->auth_in(method->impl, session, {}, nullptr, 0, &id, op().value, &verdict),
        RACOON_INTERNAL);
    EXPECT_EQ(verdict.verdict, RACOON_AUTH_NONE);
}

TEST_F(Wrapper, CompletesLater) {
    racoon_auth_out out{};
    const OpToken token = op();
    EXPECT_EQ(auth_out("l", token, out), RACOON_PENDING);
    EXPECT_TRUE(host.ops().alive(token));
    method->table->cancel(method->impl, session, token.value);
    runtime.run_posted();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].first, RACOON_OK);
    EXPECT_EQ(answers[0].second.size(), sizeof(racoon_auth_out));
}

TEST_F(Wrapper, AForgottenOperationFailsInsteadOfHanging) {
    racoon_auth_out out{};
    EXPECT_EQ(auth_out("p", op(), out), RACOON_INTERNAL)
        << "pending, but the operation was not taken";
    EXPECT_EQ(auth_out("d", op(), out), RACOON_PENDING);
    runtime.run_posted();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].first, RACOON_INTERNAL) << "it was taken and dropped";
}

TEST_F(Wrapper, AnExceptionInConfigureIsARefusal) {
    auto config = std::make_shared<conf::Config>();
    conf::ModuleBlock block;
    block.name = "wrapper";
    block.values["limit"] = {"13", {"racoon.conf", 7, 3}};
    config->modules.push_back(block);
    const Status refused = host.configure(config);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().text(), HasSubstr("thrown in configure"));
    config = std::make_shared<conf::Config>();
    EXPECT_TRUE(host.configure(config)) << "the default must do";
    host.commit();
}

TEST_F(Wrapper, HandlesAreMadeAndFreedByThePlugin) {
    const conf::CipherInfo* cipher = host.registry().cipher("wrapped");
    ASSERT_NE(cipher, nullptr);
    void* key = nullptr;
    const std::uint8_t bytes[8] = {};
    EXPECT_EQ(cipher->table->key_new(cipher->impl, bytes, 7, &key), RACOON_INVALID_ARGUMENT);
    EXPECT_EQ(key, nullptr);
    ASSERT_EQ(cipher->table->key_new(cipher->impl, bytes, 8, &key), RACOON_OK);
    std::uint8_t iv[8] = {}, data[8] = {};
    EXPECT_EQ(cipher->table->crypt(cipher->impl, key, 1, iv, data, 8), RACOON_OK);
    EXPECT_EQ(data[7], 0xff);
    cipher->table->key_free(cipher->impl, key);
}

}  // namespace
}  // namespace racoon::plugin
