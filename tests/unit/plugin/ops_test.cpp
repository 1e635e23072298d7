#include "plugin/ops.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "support/fake_runtime.hpp"
#include "support/log_capture.hpp"

namespace racoon::plugin {
namespace {

using namespace std::chrono_literals;

struct Ops : testing::Test {
    test::LogCapture log;
    test::FakeRuntime runtime;
    OpTable ops{runtime};
    std::vector<std::pair<racoon_status, Bytes>> answers;

    OpToken begin(Duration timeout = 30s, std::uint32_t max = 256) {
        auto op = ops.create("m", "auth_in", max, timeout, [this](racoon_status s, Bytes r) {
            answers.emplace_back(s, std::move(r));
        });
        EXPECT_TRUE(op);
        return op ? *op : OpToken{};
    }
};

TEST_F(Ops, DeliversTheAnswerOnTheMainLoopAndNeverInsideComplete) {
    const OpToken op = begin();
    EXPECT_NE(op.value, 0u);
    ops.complete("m", op, RACOON_OK, as_bytes("result"));
    EXPECT_TRUE(answers.empty());
    EXPECT_TRUE(ops.alive(op));
    runtime.run_posted();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].first, RACOON_OK);
    EXPECT_EQ(as_text(answers[0].second), "result");
    EXPECT_FALSE(ops.alive(op));
    EXPECT_EQ(runtime.timers(), 0u) << "its deadline must go with it";
}

TEST_F(Ops, IgnoresASecondCompletionAndReportsThePluginOnce) {
    const OpToken op = begin();
    ops.complete("m", op, RACOON_DENIED, {});
    ops.complete("m", op, RACOON_OK, as_bytes("forged"));
    runtime.run_posted();
    ops.complete("m", op, RACOON_OK, {});
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].first, RACOON_DENIED);
    EXPECT_EQ(ops.counters().misbehaved, 2u);
    EXPECT_EQ(log.count("misbehaving"), 1u) << log.all();
}

TEST_F(Ops, ATokenThatIsOverNeverMeansTheNextOperation) {
    const OpToken first = begin();
    ops.complete("m", first, RACOON_OK, {});
    runtime.run_posted();
    const OpToken second = begin();
    EXPECT_NE(first, second);
    ops.complete("m", first, RACOON_OK, {});
    runtime.run_posted();
    EXPECT_EQ(answers.size(), 1u);
    EXPECT_TRUE(ops.alive(second));
}

TEST_F(Ops, AnotherModuleCannotComplete) {
    const OpToken op = begin();
    ops.complete("other", op, RACOON_OK, {});
    runtime.run_posted();
    EXPECT_TRUE(answers.empty());
    EXPECT_TRUE(ops.alive(op));
}

TEST_F(Ops, TimesOutAtTheDeadlineAndBearsALateAnswer) {
    const OpToken op = begin(5s);
    runtime.advance(4s);
    EXPECT_TRUE(answers.empty());
    runtime.advance(2s);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].first, RACOON_TIMEOUT);
    ops.complete("m", op, RACOON_CANCELLED, {});  // what a good plugin does when it is told
    runtime.run_posted();
    EXPECT_EQ(answers.size(), 1u);
    EXPECT_EQ(ops.counters().misbehaved, 0u);
    EXPECT_EQ(ops.counters().pending, 0u);
}

TEST_F(Ops, ExtendGivesMoreTime) {
    const OpToken op = begin(5s);
    runtime.advance(4s);
    ops.extend(op, 10s);
    runtime.advance(8s);
    EXPECT_TRUE(answers.empty());
    runtime.advance(3s);
    EXPECT_EQ(answers.size(), 1u);
}

TEST_F(Ops, AfterCancelNobodyIsCalledAndTheSlotComesBack) {
    const OpToken op = begin();
    ops.cancel(op);
    EXPECT_FALSE(ops.alive(op));
    ops.complete("m", op, RACOON_OK, {});
    runtime.run_posted();
    EXPECT_TRUE(answers.empty());
    EXPECT_EQ(ops.counters().pending, 0u);
    const OpToken forgotten = begin();
    ops.cancel(forgotten);
    runtime.advance(120s);
    EXPECT_EQ(ops.counters().pending, 0u) << "a plugin that never answers must not keep the slot";
    EXPECT_EQ(ops.counters().abandoned, 1u);
}

TEST_F(Ops, AnAnswerThatIsQueuedCanStillBeCancelled) {
    const OpToken op = begin();
    ops.complete("m", op, RACOON_OK, {});
    ops.cancel(op);
    runtime.run_posted();
    EXPECT_TRUE(answers.empty());
    EXPECT_EQ(ops.counters().pending, 0u);
}

TEST_F(Ops, UnknownStatusesAndHugeResultsAreFailures) {
    for (const racoon_status s : {77, 1, -999}) {
        ops.complete("m", begin(), s, {});
        runtime.run_posted();
        EXPECT_EQ(answers.back().first, RACOON_INTERNAL) << s;
    }
    ops.complete("m", begin(), RACOON_OK, Bytes(100000));
    runtime.run_posted();
    EXPECT_EQ(answers.back().first, RACOON_INTERNAL);
    ops.complete("m", begin(), RACOON_DENIED, as_bytes("leftover"));
    runtime.run_posted();
    EXPECT_TRUE(answers.back().second.empty()) << "a failure carries no result";
}

TEST_F(Ops, BoundsWhatAModuleHasInFlight) {
    for (int i = 0; i < 3; ++i) begin(30s, 3);
    const auto refused = ops.create("m", "x", 3, 1s, nullptr);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::Busy);
    EXPECT_TRUE(ops.create("other", "x", 3, 1s, nullptr)) << "another module has its own share";
}

TEST_F(Ops, TheCallbackMayBeginAndCancelOperations) {
    OpToken other = begin();
    OpToken next;
    const auto op = ops.create("m", "x", 256, 30s, [&](racoon_status, Bytes) {
        ops.cancel(other);
        next = begin();
    });
    ops.complete("m", *op, RACOON_OK, {});
    runtime.run_posted();
    EXPECT_TRUE(ops.alive(next));
    EXPECT_FALSE(ops.alive(other));
}

// Random operations against a plain model, while another thread completes whatever it is handed.
// Whatever the order: each operation is answered at most once, exactly once unless it was cancelled or
// retired, and nothing is left behind.
TEST(OpsModel, AnyOrderOfEventsAnswersEachOperationOnce) {
    for (const unsigned seed : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u}) {
        test::LogCapture log;
        test::FakeRuntime runtime;
        OpTable ops(runtime);
        std::mt19937 random(seed);

        std::mutex lock;
        std::deque<OpToken> to_complete;
        std::atomic<bool> over{false};
        std::thread plugin([&] {
            std::mt19937 own(seed + 1000);
            while (true) {
                OpToken op;
                {
                    const std::lock_guard guard(lock);
                    if (to_complete.empty()) {
                        if (over) return;
                        continue;
                    }
                    op = to_complete.front();
                    to_complete.pop_front();
                }
                ops.complete("m", op, own() % 4 == 0 ? RACOON_DENIED : RACOON_OK, as_bytes("r"));
                if (own() % 16 == 0) ops.complete("m", op, RACOON_OK, {});  // twice
            }
        });

        enum class End { None, Dropped };
        struct Known {
            OpToken op;
            int answers = 0;
            End end = End::None;
        };
        std::deque<Known> all;
        std::vector<std::size_t> open;
        for (int step = 0; step < 4000; ++step) {
            switch (random() % 6) {
                case 0:
                case 1: {
                    const std::size_t index = all.size();
                    all.emplace_back();
                    auto op =
                        ops.create("m", "x", 100000, Duration(1s) * (1 + random() % 50),
                                   [&all, index](racoon_status, Bytes) { ++all[index].answers; });
                    ASSERT_TRUE(op);
                    all[index].op = *op;
                    open.push_back(index);
                    break;
                }
                case 2:
                    if (!open.empty()) {
                        const std::lock_guard guard(lock);
                        to_complete.push_back(all[open[random() % open.size()]].op);
                    }
                    break;
                case 3:
                    if (!open.empty()) {
                        Known& k = all[open[random() % open.size()]];
                        if (k.answers == 0) k.end = End::Dropped;
                        if (random() % 2 == 0)
                            ops.cancel(k.op);
                        else
                            ops.retire(k.op);
                        EXPECT_FALSE(ops.alive(k.op));
                    }
                    break;
                case 4:
                    runtime.run_posted();
                    break;
                case 5:
                    runtime.advance(Duration(1s) * (random() % 3));
                    break;
            }
        }
        over = true;
        plugin.join();
        runtime.run_posted();
        runtime.advance(300s);
        for (const Known& k : all) {
            if (k.end == End::Dropped)
                EXPECT_EQ(k.answers, 0) << "seed " << seed;
            else
                EXPECT_EQ(k.answers, 1) << "seed " << seed;
        }
        EXPECT_EQ(ops.counters().pending, 0u) << "seed " << seed;
        EXPECT_EQ(runtime.timers(), 0u) << "seed " << seed;
    }
}

}  // namespace
}  // namespace racoon::plugin
