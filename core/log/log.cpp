#include "log/log.hpp"

#include <atomic>
#include <mutex>
#include <vector>

namespace racoon::log {

namespace {
std::mutex g_lock;
std::vector<std::unique_ptr<Sink>> g_sinks;
std::atomic<bool> g_location{false};
}  // namespace

namespace detail {
Level current = Level::Info;
}

std::string_view level_name(Level level) {
    switch (level) {
        case Level::Error:
            return "ERROR";
        case Level::Warning:
            return "WARNING";
        case Level::Notify:
            return "NOTIFY";
        case Level::Info:
            return "INFO";
        case Level::Debug:
            return "DEBUG";
        case Level::Debug2:
            return "DEBUG2";
    }
    return "INFO";
}

void set_level(Level level) {
    detail::current = level;
}
Level level() {
    return detail::current;
}

void set_location(bool on) {
    g_location = on;
}
bool location() {
    return g_location;
}

void add_sink(std::unique_ptr<Sink> sink) {
    const std::lock_guard guard(g_lock);
    g_sinks.push_back(std::move(sink));
}

void clear_sinks() {
    const std::lock_guard guard(g_lock);
    g_sinks.clear();
}

void write(Level level, std::string_view peer, std::string_view text, std::string_view file,
           int line) {
    const Line entry{level, std::string(peer), std::string(text), file, line};
    const std::lock_guard guard(g_lock);
    for (auto& sink : g_sinks) sink->write(entry);
}

}  // namespace racoon::log
