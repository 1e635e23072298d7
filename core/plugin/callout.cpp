#include "plugin/callout.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>

#include <fmt/format.h>

#include "log/log.hpp"
#include "plugin/messages.hpp"

namespace racoon::plugin {

namespace {

using namespace std::chrono_literals;

thread_local Callout* t_innermost = nullptr;

std::atomic<std::int64_t> g_budget_ns{std::chrono::nanoseconds(5ms).count()};
std::atomic<TimePoint (*)()> g_clock{nullptr};
std::atomic<std::uint64_t> g_slow{0};

constexpr Duration kQuiet = 60s;  // between two warnings about the same function
struct Slow {
    TimePoint last;
    std::uint64_t unsaid = 0;
};
std::mutex g_lock;
std::map<std::string, Slow> g_warned;  // bounded: modules times functions

TimePoint clock_now() {
    auto* clock = g_clock.load();
    return clock ? clock() : monotonic_now();
}

void warn_slow(const std::string& module, const char* function, Duration took, TimePoint now) {
    ++g_slow;
    std::uint64_t unsaid = 0;
    {
        const std::lock_guard guard(g_lock);
        const auto [it, fresh] = g_warned.try_emplace(module + " " + function);
        if (!fresh && now - it->second.last < kQuiet) {
            ++it->second.unsaid;
            return;
        }
        unsaid = it->second.unsaid;
        it->second = {now, 0};
    }
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
    const auto budget =
        std::chrono::duration_cast<std::chrono::milliseconds>(Duration(g_budget_ns.load())).count();
    LOGW("",
         fmt::format("module {}: {} took {} ms, expected {} at most{} [{}]", module, function, ms,
                     budget, unsaid == 0 ? "" : fmt::format(" ({} more not reported)", unsaid),
                     kMsgSlow));
}

[[noreturn]] void report_and_abort() {
    const std::string call = current_call();
    if (!call.empty()) {
        std::fprintf(stderr,
                     "racoon: terminated in %s: an exception left the plugin, or it ended the "
                     "process\n",
                     call.c_str());
        LOGE("",
             fmt::format("terminated in {}: an exception left the plugin, or it ended the process",
                         call));
    }
    std::abort();
}

struct StatusName {
    racoon_status status;
    std::string_view name;
    Errc code;
};
constexpr StatusName kStatuses[] = {
    {RACOON_OK, "OK", Errc::Internal},
    {RACOON_PENDING, "PENDING", Errc::Internal},
    {RACOON_INVALID_ARGUMENT, "INVALID_ARGUMENT", Errc::Malformed},
    {RACOON_NOT_SUPPORTED, "NOT_SUPPORTED", Errc::Unsupported},
    {RACOON_NOT_FOUND, "NOT_FOUND", Errc::NotFound},
    {RACOON_NO_MEMORY, "NO_MEMORY", Errc::NoMemory},
    {RACOON_BUFFER_TOO_SMALL, "BUFFER_TOO_SMALL", Errc::TooLong},
    {RACOON_BUSY, "BUSY", Errc::Busy},
    {RACOON_TIMEOUT, "TIMEOUT", Errc::Timeout},
    {RACOON_CANCELLED, "CANCELLED", Errc::Cancelled},
    {RACOON_DENIED, "DENIED", Errc::Denied},
    {RACOON_CONFIG, "CONFIG", Errc::Config},
    {RACOON_IO, "IO", Errc::Io},
    {RACOON_CRYPTO, "CRYPTO", Errc::Crypto},
    {RACOON_PROTOCOL, "PROTOCOL", Errc::Malformed},
    {RACOON_STATE, "STATE", Errc::InvalidState},
    {RACOON_ABI, "ABI", Errc::Abi},
    {RACOON_INTERNAL, "INTERNAL", Errc::Internal},
};
const StatusName* find_status(racoon_status status) {
    for (const StatusName& s : kStatuses)
        if (s.status == status) return &s;
    return nullptr;
}

}  // namespace

Callout::Callout(const std::string& module, const char* function, Budget budget)
    : module_(module),
      function_(function),
      budget_(budget),
      start_(clock_now()),
      outer_(t_innermost) {
    t_innermost = this;
}

Callout::~Callout() {
    t_innermost = outer_;
    if (budget_ == Budget::None) return;
    const TimePoint now = clock_now();
    if (now - start_ > Duration(g_budget_ns.load()))
        warn_slow(module_, function_, now - start_, now);
}

std::string current_call() {
    if (!t_innermost) return {};
    return fmt::format("{} of module {}", t_innermost->function_, t_innermost->module_);
}

std::uint64_t slow_calls() {
    return g_slow.load();
}
void set_call_budget(Duration budget) {
    g_budget_ns = budget.count();
}
void set_callout_clock(TimePoint (*clock)()) {
    g_clock = clock;
}
void install_crash_reporter() {
    std::set_terminate(report_and_abort);
}

racoon_status known_status(racoon_status status, bool may_pend) {
    if (status == RACOON_PENDING) return may_pend ? status : RACOON_INTERNAL;
    return find_status(status) ? status : RACOON_INTERNAL;
}

std::string_view status_name(racoon_status status) {
    const StatusName* s = find_status(status);
    return s ? s->name : "unknown status";
}

Errc status_errc(racoon_status status) {
    const StatusName* s = find_status(status);
    return s ? s->code : Errc::Internal;
}

racoon_error empty_error() {
    racoon_error e;
    std::memset(&e, 0, sizeof e);
    e.struct_size = sizeof e;
    return e;
}

racoon_status put_error(racoon_error* out, racoon_status status, std::string_view text) {
    if (out && RACOON_HAS(out, text)) {
        out->status = status;
        const std::size_t n = std::min(text.size(), sizeof out->text - 1);
        text.copy(out->text, n);
        out->text[n] = '\0';
    }
    return status;
}

Failure plugin_failure(const racoon_error& error, racoon_status status) {
    const std::string_view text(error.text, ::strnlen(error.text, sizeof error.text));
    std::string out = text.empty() ? fmt::format("status {} ({})", status_name(status), status)
                                   : log::escaped(text, sizeof error.text);
    return fail(status_errc(known_status(status)), std::move(out))
        .notify(static_cast<std::uint16_t>(error.notify_type))
        .os(error.os_errno);
}

}  // namespace racoon::plugin
