// OpTable: the asynchronous operations that plugins have been asked for.
//
//     RACOON_TRY(OpToken op, ops.create(module, "auth_in", 256, 30s, [=](racoon_status s, Bytes r) {…}));
//     racoon_status s = table->auth_in(…, op.value, &out);
//     if (s != RACOON_PENDING) ops.retire(op);           // answered at once
//
// A token is slot and generation, so one that is over never means another. `done` is called exactly
// once, on the main loop and never from inside a call of the plugin: with the plugin's answer, or with
// RACOON_TIMEOUT at the deadline. After cancel() or retire() it is not called at all. What a plugin
// completes twice or too late is ignored, counted and reported once.
#pragma once

#include <racoon/plugin/base.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/unique_function.hpp"
#include "plugin/runtime.hpp"

namespace racoon::plugin {

class OpTable {
  public:
    using Done = UniqueFunction<void(racoon_status status, Bytes result)>;

    struct Counters {
        std::uint64_t created = 0;
        std::uint64_t completed = 0;  // delivered to done
        std::uint64_t timed_out = 0;
        std::uint64_t cancelled = 0;
        std::uint64_t misbehaved = 0;  // second, late, foreign or oversized completions
        std::uint64_t abandoned = 0;   // cancelled or timed out, and never completed
        std::size_t pending = 0;       // now, abandoned ones included
    };

    /// `runtime` must outlive the table.
    explicit OpTable(Runtime& runtime);
    ~OpTable();
    OpTable(const OpTable&) = delete;
    OpTable& operator=(const OpTable&) = delete;

    // Main thread.
    /// Busy: the module has `max_inflight` operations pending, or the table is full.
    Result<OpToken> create(const std::string& module, std::string_view what,
                           std::uint32_t max_inflight, Duration timeout, Done done);
    /// The plugin answered at once: nothing will follow.
    void retire(OpToken op);
    /// Nobody waits any more. The plugin may still complete it (it should, with CANCELLED).
    void cancel(OpToken op);
    /// More time, from now.
    void extend(OpToken op, Duration timeout);
    /// True until done was called, or cancel, or retire.
    bool alive(OpToken op) const;

    // Any thread.
    /// `module` says who completes; the result is copied.
    void complete(std::string_view module, OpToken op, racoon_status status, ByteView result);

    Counters counters() const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace racoon::plugin
