// The services as a plugin calls them: through their C tables.
#include "plugin/services/services.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include <sys/stat.h>
#include <sys/wait.h>
#include <poll.h>
#include <pwd.h>
#include <unistd.h>

#include "plugin/callout.hpp"
#include "plugin/module_context.hpp"
#include "support/fake_runtime.hpp"
#include "support/log_capture.hpp"

namespace racoon::plugin {
namespace {

using namespace std::chrono_literals;

struct Services : testing::Test {
    explicit Services(const std::string& more = {}) {
        manifest = *parse_manifest(
            R"({"name": "m", "version": "1", "summary": "s", "abi": "1.0",
                "provides": [{"point": "racoon.kernel/1", "key": "k"}])" +
            more + "}");
        module = std::make_unique<ModuleContext>(shared, manifest);
    }
    template <typename T>
    const T* get(const char* name) {
        return static_cast<const T*>(module->host.get_service(module->host.ctx, name));
    }
    void* ctx() { return module->host.ctx; }

    test::LogCapture log;
    test::FakeRuntime runtime;
    Registry registry{Zone::Keeper};
    OpTable ops{runtime};
    HostShared shared{runtime, registry, ops};
    Manifest manifest;
    std::unique_ptr<ModuleContext> module;
};

void count(void* arg) noexcept {
    ++*static_cast<int*>(arg);
}

TEST_F(Services, UnknownOnesAreNullAndTheProcServiceIsTheKeepersAlone) {
    EXPECT_EQ(get<void>("racoon.teleport/1"), nullptr);
    EXPECT_EQ(get<void>("racoon.log/2"), nullptr);
    EXPECT_NE(find_service(RACOON_SERVICE_PROC, Zone::Keeper), nullptr);
    EXPECT_EQ(find_service(RACOON_SERVICE_PROC, Zone::Engine), nullptr);
}

TEST_F(Services, LogLinesCarryTheModuleAndCannotForgeOthers) {
    const auto* s = get<racoon_log_service>(RACOON_SERVICE_LOG);
    const std::string text = "hello\n2026-01-01 ERROR: forged";
    s->write(ctx(), RACOON_LOG_WARNING, text.data(), text.size());
    EXPECT_EQ(log.count("m: hello"), 1u);
    EXPECT_EQ(log.all().find("\n2026"), std::string::npos) << log.all();
}

TEST_F(Services, TimersFireOnceAndStopWithTheModule) {
    const auto* s = get<racoon_timer_service>(RACOON_SERVICE_TIMER);
    int fired = 0;
    std::uint64_t a = 0, b = 0;
    ASSERT_EQ(s->arm(ctx(), 1'000'000'000, count, &fired, &a), RACOON_OK);
    runtime.advance(2s);
    EXPECT_EQ(fired, 1);
    s->cancel(ctx(), a);  // harmless
    ASSERT_EQ(s->arm(ctx(), 1, count, &fired, &b), RACOON_OK);
    module->shut();
    runtime.advance(2s);
    EXPECT_EQ(fired, 1);
    EXPECT_EQ(s->arm(ctx(), 1, count, &fired, &b), RACOON_STATE);
}

TEST_F(Services, AModuleCannotCancelAnothersTimer) {
    ModuleContext other(shared, manifest);
    const auto* s = get<racoon_timer_service>(RACOON_SERVICE_TIMER);
    int fired = 0;
    std::uint64_t token = 0;
    ASSERT_EQ(s->arm(ctx(), 1, count, &fired, &token), RACOON_OK);
    s->cancel(&other, token);
    runtime.advance(1s);
    EXPECT_EQ(fired, 1);
}

TEST_F(Services, PostedCallsRunLaterAndNotAfterTheEnd) {
    const auto* s = get<racoon_post_service>(RACOON_SERVICE_POST);
    int ran = 0;
    ASSERT_EQ(s->post(ctx(), count, &ran), RACOON_OK);
    EXPECT_EQ(ran, 0);
    runtime.run_posted();
    EXPECT_EQ(ran, 1);
    ASSERT_EQ(s->post(ctx(), count, &ran), RACOON_OK);
    module->shut();
    runtime.run_posted();
    EXPECT_EQ(ran, 1);
}

TEST_F(Services, WorkTellsRunAndCancelledApartAndAnswersBusy) {
    const auto* s = get<racoon_work_service>(RACOON_SERVICE_WORK);
    static std::vector<racoon_status> ends;
    ends.clear();
    const auto done = [](void*, racoon_status status) noexcept { ends.push_back(status); };
    int ran = 0;
    std::uint64_t a = 0, b = 0;
    runtime.job_limit = 2;
    ASSERT_EQ(s->submit(ctx(), count, done, &ran, &a), RACOON_OK);
    ASSERT_EQ(s->submit(ctx(), count, done, &ran, &b), RACOON_OK);
    EXPECT_EQ(s->submit(ctx(), count, done, &ran, &b), RACOON_BUSY);
    s->cancel(ctx(), b);
    runtime.run_posted();
    runtime.run_jobs();
    EXPECT_EQ(ran, 1);
    EXPECT_EQ(ends, (std::vector<racoon_status>{RACOON_CANCELLED, RACOON_OK}));
}

TEST_F(Services, SecretsAreZeroedAndComparedWhole) {
    const auto* s = get<racoon_secret_service>(RACOON_SERVICE_SECRET);
    auto* p = static_cast<std::uint8_t*>(s->allocate(ctx(), 40));
    ASSERT_NE(p, nullptr);
    for (int i = 0; i < 40; ++i) EXPECT_EQ(p[i], 0);
    p[3] = 9;
    s->wipe(ctx(), p, 40);
    EXPECT_EQ(p[3], 0);
    s->free(ctx(), p, 40);
    EXPECT_EQ(s->allocate(ctx(), std::size_t{1} << 40), nullptr);
    constexpr std::size_t kLargestKeyFile = (std::size_t{16} << 20) + 1;
    void* whole_file = s->allocate(ctx(), kLargestKeyFile);
    ASSERT_NE(whole_file, nullptr) << "a psk.txt of the size that its reader takes";
    s->free(ctx(), whole_file, kLargestKeyFile);
    const ByteView a = as_bytes("abc");
    EXPECT_EQ(s->equal(ctx(), {a.data(), 3}, {a.data(), 3}), 1);
    EXPECT_EQ(s->equal(ctx(), {a.data(), 3}, {a.data(), 2}), 0);
}

TEST_F(Services, RandomFills) {
    const auto* s = get<racoon_random_service>(RACOON_SERVICE_RANDOM);
    std::array<std::uint8_t, 32> a{}, b{};
    ASSERT_EQ(s->fill(ctx(), a.data(), a.size()), RACOON_OK);
    ASSERT_EQ(s->fill(ctx(), b.data(), b.size()), RACOON_OK);
    EXPECT_NE(a, b);
}

// Helpers are real programs: shell scripts in a folder of the build tree.
struct Helpers : Services {
    static std::string write_script(const std::string& body) {
        const std::string path =
            std::string(RACOON_BUILD_DIR) + "/helper-" + std::to_string(::getpid()) + ".sh";
        std::ofstream(path) << "#!/bin/sh\n" << body;
        ::chmod(path.c_str(), 0755);
        return path;
    }
    static std::string manifest_for(const std::string& path) {
        return R"(, "helpers": [{"program": ")" + path + R"(", "user": ")" +
               ::getpwuid(::geteuid())->pw_name + "\"}]";
    }
    Helpers() : Services(manifest_for(write_script("head -c 9 <&3 >&3; exit 5"))) {}
    ~Helpers() override { ::unlink(manifest.helpers[0].program.c_str()); }

    static void on_message(void* arg, racoon_span bytes) noexcept {
        static_cast<Helpers*>(arg)->messages.emplace_back(reinterpret_cast<const char*>(bytes.data),
                                                          bytes.size);
    }
    static void on_ended(void* arg, std::int32_t status) noexcept {
        static_cast<Helpers*>(arg)->status = status;
    }
    /// Waits for the helper's descriptor and its end; a minute at most.
    void run_until_ended() {
        for (int i = 0; i < 3000 && !status; ++i) {
            for (const int fd : runtime.watched()) {
                pollfd p{fd, POLLIN, 0};
                if (::poll(&p, 1, 20) == 1) runtime.ready(fd, RACOON_FD_READ);
            }
            runtime.advance(20ms);
        }
    }
    racoon_proc_events events{sizeof(racoon_proc_events), on_message, on_ended};
    std::vector<std::string> messages;
    std::optional<int> status;
};

TEST_F(Helpers, ExchangeFramedMessagesAndReportTheirEnd) {
    const auto* s = get<racoon_proc_service>(RACOON_SERVICE_PROC);
    std::uint64_t token = 0;
    racoon_error err = empty_error();
    ASSERT_EQ(s->start(ctx(), 0, nullptr, 0, &events, this, &token, &err), RACOON_OK) << err.text;
    ASSERT_EQ(s->send(ctx(), token, {reinterpret_cast<const std::uint8_t*>("hello"), 5}),
              RACOON_OK);
    run_until_ended();
    EXPECT_EQ(messages, std::vector<std::string>{"hello"});
    ASSERT_TRUE(status);
    EXPECT_EQ(WEXITSTATUS(*status), 5);
    EXPECT_EQ(s->send(ctx(), token, {}), RACOON_NOT_FOUND);
}

TEST_F(Helpers, AreStartedOnlyByTheIndexOfTheManifest) {
    const auto* s = get<racoon_proc_service>(RACOON_SERVICE_PROC);
    std::uint64_t token = 0;
    racoon_error err = empty_error();
    EXPECT_EQ(s->start(ctx(), 1, nullptr, 0, &events, this, &token, &err), RACOON_INVALID_ARGUMENT);
    EXPECT_THAT(err.text, testing::HasSubstr("less than 1"));
}

TEST_F(Helpers, AreNotStartedIfOthersCouldChangeThem) {
    ::chmod(manifest.helpers[0].program.c_str(), 0777);
    const auto* s = get<racoon_proc_service>(RACOON_SERVICE_PROC);
    std::uint64_t token = 0;
    racoon_error err = empty_error();
    EXPECT_EQ(s->start(ctx(), 0, nullptr, 0, &events, this, &token, &err), RACOON_DENIED);
    EXPECT_THAT(err.text, testing::HasSubstr("chmod go-w"));
}

TEST_F(Helpers, EndWithTheirModule) {
    const auto* s = get<racoon_proc_service>(RACOON_SERVICE_PROC);
    std::uint64_t token = 0;
    ASSERT_EQ(s->start(ctx(), 0, nullptr, 0, &events, this, &token, nullptr), RACOON_OK);
    module->shut();
    EXPECT_TRUE(runtime.watched().empty());
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "no child is left";
}

// --- callout -----------------------------------------------------------------------------------------

TimePoint g_now{};

TEST(Callout, NamesTheInnermostCallAndWarnsOncePerMinute) {
    test::LogCapture log;
    g_now = TimePoint(std::chrono::hours(1));
    set_callout_clock([] { return g_now; });
    const std::string module = "slowpoke";
    for (int i = 0; i < 3; ++i) {
        const Callout outer(module, "outer", Callout::Budget::None);
        {
            const Callout inner(module, "inner");
            EXPECT_EQ(current_call(), "inner of module slowpoke");
            g_now += 9ms;
        }
        EXPECT_EQ(current_call(), "outer of module slowpoke");
    }
    EXPECT_EQ(current_call(), "");
    EXPECT_EQ(log.count("inner took 9 ms, expected 5"), 1u) << log.all();
    g_now += 61s;
    {
        const Callout inner(module, "inner");
        g_now += 6ms;
    }
    EXPECT_EQ(log.count("2 more not reported"), 1u) << log.all();
    {
        const Callout fast(module, "fast");
        g_now += 5ms;
    }
    EXPECT_EQ(log.count("fast"), 0u);
    set_callout_clock(nullptr);
}

TEST(Statuses, UnknownOnesAreNeverSuccess) {
    EXPECT_EQ(known_status(RACOON_OK), RACOON_OK);
    EXPECT_EQ(known_status(2), RACOON_INTERNAL);
    EXPECT_EQ(known_status(-17), RACOON_INTERNAL);
    EXPECT_EQ(known_status(RACOON_PENDING), RACOON_INTERNAL);
    EXPECT_EQ(known_status(RACOON_PENDING, true), RACOON_PENDING);
}

}  // namespace
}  // namespace racoon::plugin
