// The log: levels and line format of racoon (error … debug2), sinks behind one interface.
//
//     LOGI(peer, "ISAKMP-SA established " + …);
//
// Text is made by the caller (fmt in .cpp files); bytes that came from outside go through
// log::escaped(). Thread-safe: sinks are called under one lock.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/net_addr.hpp"

namespace racoon::log {

enum class Level : std::uint8_t { Error = 1, Warning, Notify, Info, Debug, Debug2 };
std::string_view level_name(Level level);  // "ERROR" … "DEBUG2"

struct Line {
    Level level;
    std::string peer;  // printed as "[192.0.2.1] "; empty when there is none
    std::string text;
    std::string_view file;
    int line;
};

class Sink {
  public:
    virtual ~Sink() = default;
    virtual void write(const Line& line) = 0;
};

/// Messages above `level` are dropped before their sinks are asked.
void set_level(Level level);
Level level();
inline bool enabled(Level l);
/// Adds a sink for the life of the process or until clear_sinks().
void add_sink(std::unique_ptr<Sink> sink);
void clear_sinks();
/// -L: sinks put "file:line: " in front of the message.
void set_location(bool on);
bool location();

void write(Level level, std::string_view peer, std::string_view text, std::string_view file,
           int line);

/// Control characters and non-ASCII bytes as \xNN; at most `max` characters, then "…".
std::string escaped(ByteView bytes, std::size_t max = 256);
std::string escaped(std::string_view text, std::size_t max = 256);

/// The text of one line as files and -F show it: "2026-01-31 12:00:00: [peer] INFO: text".
std::string format_line(const Line& line, std::int64_t wall_seconds, bool with_location);
/// The same without the time: "[peer] INFO: text".
std::string format_message(const Line& line, bool with_location);
/// One Line for each line of its text; blank ones are left out.
std::vector<Line> split_lines(const Line& line);

std::unique_ptr<Sink> make_syslog_sink(const char* ident);  // LOG_DAEMON; info and debug
/// The same on another socket than /dev/log. Never blocks: what it cannot send is counted, and the
/// count is logged when the system log reads again.
std::unique_ptr<Sink> make_syslog_sink(const char* ident, std::string socket_path);
std::unique_ptr<Sink> make_stdout_sink();  // colour only on a terminal
std::unique_ptr<Sink> make_stderr_sink();
/// Opens the file anew for each line (append, umask 077), so that rotation by rename works.
std::unique_ptr<Sink> make_file_sink(std::string path);

namespace detail {
extern Level current;
}
inline bool enabled(Level l) {
    return l <= detail::current;
}

}  // namespace racoon::log

#define RACOON_LOG(level, peer, text)                                    \
    do {                                                                 \
        if (::racoon::log::enabled(level))                               \
            ::racoon::log::write(level, peer, text, __FILE__, __LINE__); \
    } while (false)
/// A message about `peer` (text, may be empty). Macros only for the place; the text is not
/// evaluated when the level is off.
#define LOGE(peer, text) RACOON_LOG(::racoon::log::Level::Error, peer, text)
#define LOGW(peer, text) RACOON_LOG(::racoon::log::Level::Warning, peer, text)
#define LOGN(peer, text) RACOON_LOG(::racoon::log::Level::Notify, peer, text)
#define LOGI(peer, text) RACOON_LOG(::racoon::log::Level::Info, peer, text)
#define LOGD(peer, text) RACOON_LOG(::racoon::log::Level::Debug, peer, text)
#define LOGD2(peer, text) RACOON_LOG(::racoon::log::Level::Debug2, peer, text)
