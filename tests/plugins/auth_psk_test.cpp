#include <cstring>
#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "support/plugin_fixture.hpp"

namespace racoon::test {
namespace {

class AuthPsk : public testing::Test {
  protected:
    void SetUp() override {
        module_ = LoadedPlugin::load("auth-psk", host_);
        ASSERT_TRUE(module_);
        method_ = module_->find<racoon_auth_method>(RACOON_POINT_AUTH_METHOD, "pre_shared_key");
        ASSERT_TRUE(method_);
        racoon_auth_params params{};
        params.struct_size = sizeof params;
        params.role = RACOON_ROLE_RESPONDER;
        ASSERT_EQ(method_.table->begin(method_.impl, &params, &session_), RACOON_OK);
    }
    void TearDown() override {
        if (method_) method_.table->end(method_.impl, session_);
    }

    struct Judgement {
        racoon_status status;
        std::uint32_t verdict;
    };
    Judgement judge(const Bytes& expected,
                    const std::vector<std::pair<std::uint32_t, Bytes>>& payloads) {
        std::vector<racoon_payload> views;
        for (const auto& [type, body] : payloads) views.push_back({type, span_of(body)});
        racoon_auth_verdict verdict{sizeof(racoon_auth_verdict), RACOON_AUTH_FULL};
        const racoon_identity id{};
        const racoon_status status =
            method_.table->auth_in(method_.impl, session_, span_of(expected), views.data(),
                                   views.size(), &id, 0, &verdict);
        return {status, verdict.verdict};
    }

    FakeHost host_;
    std::unique_ptr<LoadedPlugin> module_;
    Point<racoon_auth_method> method_;
    void* session_ = nullptr;
    const Bytes hash_ = Bytes(20, 0x5a);
};

TEST_F(AuthPsk, SkeyidComesFromTheKey) {
    EXPECT_EQ(method_.table->skeyid_recipe(method_.impl, session_), RACOON_SKEYID_PSK);
}

TEST_F(AuthPsk, OurProofIsTheHashItself) {
    racoon_auth_out out{};
    out.struct_size = sizeof out;
    ASSERT_EQ(method_.table->auth_out(method_.impl, session_, span_of(hash_), 0, &out), RACOON_OK);
    EXPECT_EQ(out.payload_type, 8u);
    EXPECT_EQ(Bytes(out.body, out.body + out.size), hash_);
}

TEST_F(AuthPsk, TheRightHashAuthenticatesFully) {
    const Judgement j = judge(hash_, {{5, Bytes(8, 1)}, {8, hash_}, {11, Bytes(12, 2)}});
    EXPECT_EQ(j.status, RACOON_OK);
    EXPECT_EQ(j.verdict, RACOON_AUTH_FULL);
}

TEST_F(AuthPsk, EveryFlippedBitIsRefused) {
    for (std::size_t bit = 0; bit < hash_.size() * 8; ++bit) {
        Bytes bent = hash_;
        bent[bit / 8] = static_cast<std::uint8_t>(bent[bit / 8] ^ (1u << bit % 8));
        const Judgement j = judge(hash_, {{8, bent}});
        EXPECT_EQ(j.status, RACOON_DENIED) << "bit " << bit;
        EXPECT_EQ(j.verdict, RACOON_AUTH_NONE) << "bit " << bit;
    }
}

TEST_F(AuthPsk, ProofsOfAnotherLengthOrNumberAreRefused) {
    Bytes longer = hash_;
    longer.push_back(0);
    const std::vector<std::vector<std::pair<std::uint32_t, Bytes>>> wrong = {
        {},
        {{8, {}}},
        {{8, Bytes(hash_.begin(), hash_.end() - 1)}},
        {{8, longer}},
        {{9, hash_}},
        {{8, hash_}, {8, hash_}},
        {{8, hash_}, {8, Bytes(20)}},
    };
    for (std::size_t i = 0; i < wrong.size(); ++i) {
        const Judgement j = judge(hash_, wrong[i]);
        EXPECT_EQ(j.status, RACOON_DENIED) << "case " << i;
        EXPECT_EQ(j.verdict, RACOON_AUTH_NONE) << "case " << i;
    }
}

TEST_F(AuthPsk, AnEmptyExpectationMatchesNothing) {
    EXPECT_EQ(judge({}, {{8, {}}}).status, RACOON_DENIED);
}

TEST(AuthPskModule, DoesNotLoadWithoutItsServices) {
    FakeHost host;
    const auto loaded = LoadedPlugin::load("auth-psk", host);
    ASSERT_TRUE(loaded);
    host.missing_services = {RACOON_SERVICE_SECRET};
    racoon_error err{};
    err.struct_size = sizeof err;
    void* ctx = nullptr;
    EXPECT_EQ(loaded->entry().init(host.abi(), &ctx, &err), RACOON_NOT_SUPPORTED);
    EXPECT_NE(std::strstr(err.text, RACOON_SERVICE_SECRET), nullptr) << err.text;
}

}  // namespace
}  // namespace racoon::test
