// Callout: stands on the stack while a plugin's function runs. It leaves a breadcrumb for the crash
// report and measures the call: one on the main thread may take 5 ms, else everybody waits.
//
//     { const Callout call(module, "auth_in"); status = table->auth_in(…); }
#pragma once

#include <racoon/plugin/base.h>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace racoon::plugin {

class Callout {
  public:
    enum class Budget : std::uint8_t { Main, None };  // None: on a worker, may take its time
    /// `module` and `function` must outlive the object.
    Callout(const std::string& module, const char* function, Budget budget = Budget::Main);
    ~Callout();
    Callout(const Callout&) = delete;
    Callout& operator=(const Callout&) = delete;

  private:
    friend std::string current_call();
    const std::string& module_;
    const char* function_;
    Budget budget_;
    TimePoint start_;
    Callout* outer_;
};

/// What this thread is calling: "auth_in of module auth-psk"; "" outside of plugins.
std::string current_call();

/// Calls over the budget so far, in all modules.
std::uint64_t slow_calls();
/// For tests and slow boards. A null clock is the system's.
void set_call_budget(Duration budget);
void set_callout_clock(TimePoint (*clock)());

/// Makes std::terminate say which plugin was being called (an exception that escapes one ends there).
void install_crash_reporter();

/// A status as the core takes it: an unknown one from a newer plugin is RACOON_INTERNAL, and so is
/// PENDING where it is not allowed. Never turns a failure into success.
racoon_status known_status(racoon_status status, bool may_pend = false);
/// "DENIED"
std::string_view status_name(racoon_status status);
Errc status_errc(racoon_status status);

/// A zeroed and stamped error for a plugin to fill.
racoon_error empty_error();
/// Fills an error that a plugin gave us, which may be null or shorter than ours; returns the status.
racoon_status put_error(racoon_error* out, racoon_status status, std::string_view text);
/// The failure of a plugin's control call: its own text (escaped) or the status's name.
Failure plugin_failure(const racoon_error& error, racoon_status status);

}  // namespace racoon::plugin
