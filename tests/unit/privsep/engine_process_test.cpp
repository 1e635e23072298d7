// The engine's side of the channel, fed with what a keeper would not send.
#include "privsep/engine_process.hpp"

#include <gtest/gtest.h>

#include "privsep/protocol.hpp"

namespace racoon::privsep {
namespace {

/// What the engine answers to a message that cannot be read.
std::optional<Message> answer_to(Kind kind, Bytes body) {
    auto loop = std::move(*loop::EventLoop::make());
    auto pair = socket_pair();
    if (!pair) return std::nullopt;
    auto keeper = make_socket_channel(*loop, std::move(pair->mine), 1u << 20);
    EngineOptions options;
    options.forward_log = false;
    EngineProcess engine(*loop, make_socket_channel(*loop, std::move(pair->other), 1u << 20),
                         options);
    std::optional<Message> got;
    keeper->on_message([&](Message&& m) {
        got = std::move(m);
        loop->stop();
    });
    keeper->on_closed([&](const std::string&) { loop->stop(); });
    loop->arm(std::chrono::seconds(20), [&] { loop->stop(); });
    keeper->send(Message(kind, std::move(body)));
    loop->run();
    return got;
}

TEST(EngineProcess, RefusesAStartThatItCannotRead) {
    const auto got = answer_to(Kind::Start, {0, 0, 0, 7, 0xff});
    ASSERT_TRUE(got) << "else the keeper waits for ever";
    EXPECT_EQ(got->kind, Kind::Ready);
    const auto outcome = decode<Outcome>(got->body);
    ASSERT_TRUE(outcome);
    EXPECT_FALSE(outcome->good);
    EXPECT_EQ(outcome->token, 7u);
    EXPECT_NE(outcome->text, "");
}

TEST(EngineProcess, RefusesAConfigurationThatItCannotRead) {
    const auto got = answer_to(Kind::ConfigPrepare, {0, 0, 0, 9, 0xff});
    ASSERT_TRUE(got);
    EXPECT_EQ(got->kind, Kind::Prepared);
    const auto outcome = decode<Outcome>(got->body);
    ASSERT_TRUE(outcome);
    EXPECT_FALSE(outcome->good);
    EXPECT_EQ(outcome->token, 9u);
}

}  // namespace
}  // namespace racoon::privsep
