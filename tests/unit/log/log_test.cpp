#include "log/log.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <sstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unique_fd.hpp"
#include "log/rate_limit.hpp"

namespace racoon::log {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using namespace std::chrono_literals;

std::filesystem::path fresh_dir(const char* name) {
    auto dir = std::filesystem::temp_directory_path() /
               (std::string("racoon-log-") + name + std::to_string(::getpid()));
    std::filesystem::remove_all(dir);
    std::filesystem::create_directories(dir);
    return dir;
}

std::string content(const std::filesystem::path& path) {
    std::ifstream in(path);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

TEST(Log, LineHasTimePeerLevelAndText) {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
    const Line line{Level::Info, "192.0.2.1", "ISAKMP-SA established", "core/x/y.cpp", 7};
    EXPECT_EQ(format_line(line, 1769860800, false),
              "2026-01-31 12:00:00: [192.0.2.1] INFO: ISAKMP-SA established");
    EXPECT_EQ(format_line(line, 1769860800, true),
              "2026-01-31 12:00:00: [192.0.2.1] INFO: x/y.cpp:7: ISAKMP-SA established");
    const Line bare{Level::Debug2, "", "t", "", 0};
    EXPECT_EQ(format_message(bare, true), "DEBUG2: t");
}

TEST(Log, BytesFromOutsideCannotForgeALine) {
    EXPECT_EQ(escaped(std::string_view("a\nb\x1b[31m\\x0a\xff")), "a\\x0ab\\x1b[31m\\x5cx0a\\xff");
    EXPECT_EQ(escaped(std::string_view("abcdef"), 4), "abcd…");
    EXPECT_EQ(escaped(std::string_view("ab\n"), 4), "ab…") << "an escape is not cut in two";
}

TEST(Log, WhateverArrivesUnescapedIsStillOneLineWithoutControlCharacters) {
    const Line line{Level::Info, "a]\n2026-01-31 12:00:00: ERROR: forged", "b\r\x1b[2J\x7f\tc",
                    "d/e\nf.cpp", 7};
    EXPECT_EQ(format_message(line, true),
              "[a]\\x0a2026-01-31 12:00:00: ERROR: forged] INFO: d/e\\x0af.cpp:7: "
              "b\\x0d\\x1b[2J\\x7f\tc");
    EXPECT_EQ(format_message({Level::Info, "", "größer …", "", 0}, false), "INFO: größer …");
}

TEST(StreamSink, ALongTextForAPipeThatNobodyReadsDoesNotWait) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const int before = ::dup(STDERR_FILENO);
    ASSERT_GE(::dup2(pipe[1], STDERR_FILENO), 0);
    ::alarm(20);  // waiting would be for ever
    auto sink = make_stderr_sink();
    for (int i = 0; i < 8; ++i) sink->write({Level::Info, "", std::string(30'000, 'x'), "", 0});
    ::alarm(0);
    ::dup2(before, STDERR_FILENO);
    for (const int fd : {pipe[0], pipe[1], before}) ::close(fd);
}

TEST(Log, TextOfSeveralLinesBecomesSeveralLines) {
    const Line line{Level::Info, "", "one\ntwo\n\n", "", 0};
    const auto lines = split_lines(line);
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[1].text, "two");
}

TEST(Log, FileIsOpenedForEachLineSoThatRotationByRenameWorks) {
    const auto dir = fresh_dir("rotate");
    const auto path = dir / "racoon.log";
    auto sink = make_file_sink(path.string());
    sink->write({Level::Info, "", "before", "", 0});
    std::filesystem::rename(path, dir / "racoon.log.1");
    sink->write({Level::Info, "", "after", "", 0});
    EXPECT_THAT(content(dir / "racoon.log.1"), HasSubstr("INFO: before\n"));
    EXPECT_THAT(content(path), HasSubstr("INFO: after\n"));
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << "others may not read the log";
    std::filesystem::remove_all(dir);
}

class SystemLog {  // the datagram socket of a system log that the test reads
  public:
    explicit SystemLog(const std::filesystem::path& dir) : path_((dir / "log").string()) {
        fd_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
        EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    const std::string& path() const { return path_; }
    std::string read() {
        char buffer[4096];
        const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
        return n < 0 ? "" : std::string(buffer, static_cast<std::size_t>(n));
    }

  private:
    std::string path_;
    UniqueFd fd_;
};

TEST(Log, SyslogGetsErrorAsInfoAndDebugAsDebugOfFacilityDaemon) {
    const auto dir = fresh_dir("syslog");
    SystemLog system(dir);
    auto sink = make_syslog_sink("racoon", system.path());
    sink->write({Level::Error, "192.0.2.1", "broken", "", 0});
    // facility 3 (daemon), severity 6 (info): 3 * 8 + 6
    EXPECT_THAT(system.read(),
                MatchesRegex("<30>[A-Z][a-z][a-z] [ 0-9][0-9] [0-9:]+ racoon\\[[0-9]+\\]: "
                             "\\[192\\.0\\.2\\.1\\] ERROR: broken"));
    sink->write({Level::Debug, "", "detail", "", 0});
    EXPECT_THAT(system.read(), MatchesRegex("<31>.*: DEBUG: detail"));
    std::filesystem::remove_all(dir);
}

TEST(Log, ASystemLogThatDoesNotReadCostsLinesNotTime) {
    const auto dir = fresh_dir("stuck");
    SystemLog system(dir);
    auto sink = make_syslog_sink("racoon", system.path());
    for (int i = 0; i < 2000; ++i)
        sink->write({Level::Info, "", "line " + std::to_string(i), "", 0});
    std::size_t read = 0;
    while (!system.read().empty()) ++read;
    EXPECT_GT(read, 0u);
    EXPECT_LT(read, 2000u) << "the socket took all: this test no longer shows what it should";
    sink->write({Level::Info, "", "again", "", 0});
    EXPECT_THAT(system.read(), HasSubstr(std::to_string(2000 - read) + " log lines lost"));
    EXPECT_THAT(system.read(), HasSubstr("again"));
    std::filesystem::remove_all(dir);
}

/// What an error looks like on a terminal, or on what is none.
std::string shown(bool terminal) {
    int fds[2] = {-1, -1};
    if (terminal) {
        fds[0] = ::posix_openpt(O_RDWR | O_NOCTTY);
        if (fds[0] < 0 || ::grantpt(fds[0]) != 0 || ::unlockpt(fds[0]) != 0) return "no terminal";
        fds[1] = ::open(::ptsname(fds[0]), O_RDWR | O_NOCTTY);
    } else if (::pipe(fds) != 0) {
        return "no pipe";
    }
    std::fflush(stdout);
    const UniqueFd kept(::dup(STDOUT_FILENO));
    ::dup2(fds[1], STDOUT_FILENO);
    make_stdout_sink()->write({Level::Error, "", "wrong", "", 0});
    ::dup2(kept.get(), STDOUT_FILENO);
    char text[256];
    const ssize_t n = ::read(fds[0], text, sizeof text);
    ::close(fds[0]);
    ::close(fds[1]);
    return n < 0 ? "nothing" : std::string(text, static_cast<std::size_t>(n));
}

TEST(StreamSink, ColoursOnATerminalUnlessToldNotTo) {
    ::unsetenv("NO_COLOR");
    EXPECT_THAT(shown(true), ::testing::StartsWith("\033[31m"));
    EXPECT_THAT(shown(false), ::testing::Not(HasSubstr("\033")));
    ::setenv("NO_COLOR", "1", 1);
    EXPECT_THAT(shown(true), ::testing::Not(HasSubstr("\033")));
    EXPECT_THAT(shown(true), HasSubstr("wrong"));
    ::unsetenv("NO_COLOR");
}

TEST(RateLimit, PassesABurstThenOneEachIntervalAndTellsWhatItHeldBack) {
    RateLimit limit(3, 10s);
    const TimePoint start{1000s};
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.allow("cause", "192.0.2.1", start));
    EXPECT_FALSE(limit.allow("cause", "192.0.2.1", start));
    EXPECT_FALSE(limit.allow("cause", "192.0.2.1", start + 9s));
    const auto pass = limit.allow("cause", "192.0.2.1", start + 10s);
    EXPECT_TRUE(pass);
    EXPECT_EQ(pass.suppressed, 2u);
    EXPECT_EQ(pass.note(), " (2 more like this were not logged)");
    EXPECT_FALSE(limit.allow("cause", "192.0.2.1", start + 11s));
}

TEST(RateLimit, OnePeerOrCauseDoesNotSilenceAnother) {
    RateLimit limit(1, 10s, 42);
    const TimePoint start{1000s};
    EXPECT_TRUE(limit.allow("cause", "192.0.2.1", start));
    EXPECT_FALSE(limit.allow("cause", "192.0.2.1", start));
    EXPECT_TRUE(limit.allow("cause", "192.0.2.2", start));
    EXPECT_TRUE(limit.allow("other", "192.0.2.1", start));
}

TEST(RateLimit, AFloodOfForgedPeersIsBoundedByTheTable) {
    RateLimit limit(1, 10s, 42);
    const TimePoint start{1000s};
    int passed = 0;
    for (int i = 0; i < 100000; ++i)
        if (limit.allow("cause", std::to_string(i), start)) ++passed;
    EXPECT_LE(passed, 512);
}

}  // namespace
}  // namespace racoon::log
