#include "log/log.hpp"

#include <mutex>
#include <vector>

namespace racoon::log {

namespace {
std::mutex g_lock;
std::vector<std::unique_ptr<Sink>> g_sinks;
}  // namespace

namespace detail {
Level current = Level::Info;
}

void set_level(Level level) { detail::current = level; }
Level level() { return detail::current; }

void add_sink(std::unique_ptr<Sink> sink) {
    const std::lock_guard guard(g_lock);
    g_sinks.push_back(std::move(sink));
}

void clear_sinks() {
    const std::lock_guard guard(g_lock);
    g_sinks.clear();
}

void write(Level level, std::string_view peer, std::string_view text, std::string_view file, int line) {
    const Line entry{level, std::string(peer), std::string(text), file, line};
    const std::lock_guard guard(g_lock);
    for (auto& sink : g_sinks) sink->write(entry);
}

}  // namespace racoon::log
