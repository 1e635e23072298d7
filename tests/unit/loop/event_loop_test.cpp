#include "loop/event_loop.hpp"

#include <atomic>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "base/unique_fd.hpp"
#include "loop/work_pool.hpp"

namespace racoon::loop {
namespace {

using ::testing::ElementsAre;
using namespace std::chrono_literals;

std::unique_ptr<EventLoop> make_loop() {
    auto loop = EventLoop::make();
    EXPECT_TRUE(loop.has_value());
    return std::move(*loop);
}

struct Pair {
    UniqueFd a, b;
    Pair() {
        int fds[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        a.reset(fds[0]);
        b.reset(fds[1]);
    }
};

TEST(EventLoop, TimersFireInTheOrderOfTheirTime) {
    auto loop = make_loop();
    std::vector<int> seen;
    loop->arm(3ms, [&] {
        seen.push_back(3);
        loop->stop();
    });
    loop->arm(1ms, [&] { seen.push_back(1); });
    loop->arm(1ms + 10us, [&] { seen.push_back(2); });
    loop->arm(-5s, [&] { seen.push_back(0); });
    loop->run();
    EXPECT_THAT(seen, ElementsAre(0, 1, 2, 3));
}

TEST(EventLoop, ACancelledTimerDoesNotFireAndCancellingTwiceIsHarmless) {
    auto loop = make_loop();
    bool fired = false;
    const auto token = loop->arm(0ms, [&] { fired = true; });
    loop->cancel(token);
    loop->cancel(token);
    loop->arm(1ms, [&] { loop->stop(); });
    loop->run();
    EXPECT_FALSE(fired);
}

TEST(EventLoop, ATimerMayArmAndCancelOthers) {
    auto loop = make_loop();
    std::vector<int> seen;
    TimerToken victim = loop->arm(2ms, [&] { seen.push_back(99); });
    loop->arm(0ms, [&] {
        seen.push_back(1);
        loop->cancel(victim);
        loop->arm(0ms, [&] {
            seen.push_back(2);
            loop->arm(4ms, [&] { loop->stop(); });
        });
    });
    loop->run();
    EXPECT_THAT(seen, ElementsAre(1, 2));
}

TEST(EventLoop, AWatchMayRemoveItselfAndBeRenewedOnTheSameDescriptor) {
    auto loop = make_loop();
    Pair pair;
    int calls = 0;
    WatchToken token;
    auto first = loop->watch(pair.a.get(), kReadable, [&](unsigned) {
        ++calls;
        loop->unwatch(token);
        auto second = loop->watch(pair.a.get(), kReadable | kWritable, [&](unsigned ready) {
            EXPECT_EQ(ready, kReadable | kWritable);
            ++calls;
            loop->stop();
        });
        ASSERT_TRUE(second.has_value());
    });
    ASSERT_TRUE(first.has_value());
    token = *first;
    ASSERT_EQ(::write(pair.b.get(), "x", 1), 1);
    loop->run();
    EXPECT_EQ(calls, 2);
}

TEST(EventLoop, AWatchCanBePausedAndTakenUpAgain) {
    auto loop = make_loop();
    Pair pair;
    int calls = 0;
    auto token = loop->watch(pair.a.get(), kReadable, [&](unsigned) {
        ++calls;
        loop->stop();
    });
    ASSERT_TRUE(token.has_value());
    loop->change(*token, 0);
    ASSERT_EQ(::write(pair.b.get(), "x", 1), 1);
    loop->arm(1ms, [&] {
        EXPECT_EQ(calls, 0);
        loop->change(*token, kReadable);
    });
    loop->run();
    EXPECT_EQ(calls, 1);
}

TEST(EventLoop, TheEndOfTheOtherSideIsReadiness) {
    auto loop = make_loop();
    Pair pair;
    auto token = loop->watch(pair.a.get(), kReadable, [&](unsigned) { loop->stop(); });
    ASSERT_TRUE(token.has_value());
    pair.b.reset();
    loop->run();
}

TEST(EventLoop, AnErrorOfADescriptorIsToldAndDoesNotEndTheWatch) {
    // What a netlink socket does when its buffer overran, and a datagram socket when nobody listens.
    auto loop = make_loop();
    const auto local_socket = [](sockaddr_in& name) {
        UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
        name = {};
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof name;
        EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
        EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);
        return fd;
    };
    sockaddr_in ours{}, theirs{};
    const UniqueFd fd = local_socket(ours);
    UniqueFd peer = local_socket(theirs);
    ASSERT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&theirs), sizeof theirs), 0);
    peer.reset();

    int errors = 0, datagrams = 0;
    auto watch = loop->watch(fd.get(), kReadable, [&](unsigned) {
        char byte = 0;
        if (::recv(fd.get(), &byte, 1, 0) == 1) {
            ++datagrams;
            return loop->stop();
        }
        ++errors;
        const UniqueFd again(::socket(AF_INET, SOCK_DGRAM, 0));
        const int reuse = 1;
        ::setsockopt(again.get(), SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
        EXPECT_EQ(::bind(again.get(), reinterpret_cast<sockaddr*>(&theirs), sizeof theirs), 0);
        EXPECT_EQ(::sendto(again.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&ours), sizeof ours),
                  1);
    });
    ASSERT_TRUE(watch.has_value());
    ASSERT_EQ(::send(fd.get(), "x", 1, 0), 1);  // nobody is there: the system says so
    loop->arm(5s, [&] { loop->stop(); });
    loop->run();
    EXPECT_EQ(errors, 1);
    EXPECT_EQ(datagrams, 1);
}

TEST(EventLoop, PostedCallsRunOnTheLoopInOrder) {
    auto loop = make_loop();
    const auto home = std::this_thread::get_id();
    std::vector<int> seen;
    std::thread other([&] {
        for (int i = 0; i < 100; ++i)
            loop->post([&, i] {
                EXPECT_EQ(std::this_thread::get_id(), home);
                seen.push_back(i);
                if (i == 99) loop->stop();
            });
    });
    loop->run();
    other.join();
    ASSERT_EQ(seen.size(), 100u);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(EventLoop, SignalsArriveOnTheLoop) {
    auto loop = make_loop();
    ASSERT_TRUE(loop->on_signal(SIGUSR1, [&] { loop->stop(); }).has_value());
    ::kill(::getpid(), SIGUSR1);
    loop->run();
}

TEST(EventLoop, StopBeforeRunReturnsAtOnce) {
    auto loop = make_loop();
    loop->stop();
    loop->run();
}

TEST(EventLoop, EndsWhileTimersWatchesAndPostsAreOpen) {
    Pair pair;
    auto owned = std::make_shared<int>(1);
    {
        auto loop = make_loop();
        loop->arm(1h, [owned] {});
        loop->post([owned] {});
        ASSERT_TRUE(loop->watch(pair.a.get(), kReadable, [owned](unsigned) {}).has_value());
    }
    EXPECT_EQ(owned.use_count(), 1) << "what callbacks own is freed with the loop";
}

TEST(WorkPool, RunsJobsOnWorkersAndAnswersOnTheLoop) {
    auto loop = make_loop();
    WorkPool pool(*loop, 2, 100);
    const auto home = std::this_thread::get_id();
    std::atomic<int> elsewhere = 0;
    int done = 0;
    for (int i = 0; i < 50; ++i) {
        auto token = pool.submit(
            [&] {
                if (std::this_thread::get_id() != home) ++elsewhere;
            },
            [&](bool ran) {
                EXPECT_TRUE(ran);
                EXPECT_EQ(std::this_thread::get_id(), home);
                if (++done == 50) loop->stop();
            });
        ASSERT_TRUE(token.has_value());
    }
    loop->run();
    EXPECT_EQ(elsewhere, 50);
}

TEST(WorkPool, AFullQueueAnswersBusyAndACancelledJobIsTold) {
    auto loop = make_loop();
    std::mutex gate;
    gate.lock();
    WorkPool pool(*loop, 1, 1);
    std::atomic<bool> running = false;
    std::vector<bool> answers;
    auto answer = [&](bool ran) {
        answers.push_back(ran);
        if (answers.size() == 2) loop->stop();
    };
    ASSERT_TRUE(pool.submit(
                        [&] {
                            running = true;
                            gate.lock();
                        },
                        answer)
                    .has_value());
    while (!running) std::this_thread::yield();
    auto waiting = pool.submit([] { ADD_FAILURE() << "a cancelled job ran"; }, answer);
    ASSERT_TRUE(waiting.has_value());
    auto refused = pool.submit([] {}, [](bool) {});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), Errc::Busy);
    pool.cancel(*waiting);
    EXPECT_EQ(pool.queued(), 0u);
    gate.unlock();
    loop->run();
    std::sort(answers.begin(), answers.end());
    EXPECT_THAT(answers, ElementsAre(false, true));
}

TEST(WorkPool, EndsWithJobsInTheQueue) {
    auto loop = make_loop();
    int answered = 0;
    {
        WorkPool pool(*loop, 1, 10);
        for (int i = 0; i < 10; ++i) {
            auto token = pool.submit([] {}, [&](bool) { ++answered; });
            ASSERT_TRUE(token.has_value());
        }
    }
    loop->post([&] { loop->stop(); });
    loop->run();
    EXPECT_EQ(answered, 10) << "each submitted job is answered once";
}

}  // namespace
}  // namespace racoon::loop
