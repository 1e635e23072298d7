#include "plugin/ops.hpp"

#include <map>
#include <mutex>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "log/log.hpp"
#include "plugin/callout.hpp"
#include "plugin/messages.hpp"

namespace racoon::plugin {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxSlots = 65536;
constexpr std::size_t kMaxResult = 64 << 10;
constexpr Duration kDrain = 60s;  // how long a cancelled operation may still be completed

enum class Phase : std::uint8_t {
    Free,
    Pending,    // the plugin owes an answer, somebody waits for it
    Queued,     // answered; done is to be called by the main loop
    Abandoned,  // nobody waits; the plugin may still answer
};

struct Slot {
    Phase phase = Phase::Free;
    std::uint32_t generation = 0;
    std::string module;
    std::string what;
    OpTable::Done done;
    std::uint64_t timer = 0;
    racoon_status status = RACOON_INTERNAL;
    Bytes result;
};

std::uint32_t slot_of(OpToken op) {
    return static_cast<std::uint32_t>(op.value);
}
std::uint32_t generation_of(OpToken op) {
    return static_cast<std::uint32_t>(op.value >> 32);
}

}  // namespace

// Shared with the calls that are posted to the main loop and the timers, which may outlive the table.
struct OpTable::State : std::enable_shared_from_this<OpTable::State> {
    explicit State(Runtime& r) : runtime(r) {}

    Runtime& runtime;
    mutable std::mutex lock;
    std::vector<Slot> slots;
    std::vector<std::uint32_t> free;
    std::vector<OpToken> queue;
    std::map<std::string, std::uint32_t, std::less<>> inflight;
    std::set<std::string, std::less<>> reported;
    Counters counters;

    /// Null unless the token's operation still has its slot. Under the lock.
    Slot* find(OpToken op) {
        const std::uint32_t index = slot_of(op);
        if (index >= slots.size()) return nullptr;
        Slot& s = slots[index];
        return s.phase != Phase::Free && s.generation == generation_of(op) ? &s : nullptr;
    }
    /// Under the lock. The callback is handed out: it must be destroyed without the lock.
    Done release(OpToken op, Slot& s) {
        if (const auto it = inflight.find(s.module); it != inflight.end() && --it->second == 0)
            inflight.erase(it);
        Done done = std::move(s.done);
        s.done = Done();
        s.phase = Phase::Free;
        s.module.clear();
        s.what.clear();
        s.result.clear();
        s.timer = 0;
        // A slot whose generations are used up is never used again.
        if (s.generation != 0xffffffff) free.push_back(slot_of(op));
        --counters.pending;
        return done;
    }
    void arm(OpToken op, Slot& s, Duration delay) {
        s.timer = runtime.arm(delay, [weak = weak_from_this(), op] {
            if (auto self = weak.lock()) self->on_timer(op);
        });
    }
    void on_timer(OpToken op);
    void drain();
};

void OpTable::State::on_timer(OpToken op) {
    Done done;
    {
        const std::lock_guard guard(lock);
        Slot* s = find(op);
        if (!s) return;
        s->timer = 0;
        if (s->phase == Phase::Queued) return;  // the answer came first
        if (s->phase == Phase::Abandoned) {
            ++counters.abandoned;
            done = release(op, *s);
            return;
        }
        ++counters.timed_out;
        s->phase = Phase::Abandoned;
        done = std::move(s->done);
        s->done = Done();
        arm(op, *s, kDrain);
    }
    if (done) done(RACOON_TIMEOUT, Bytes());
}

void OpTable::State::drain() {
    std::vector<OpToken> ready;
    {
        const std::lock_guard guard(lock);
        ready.swap(queue);
    }
    for (const OpToken op : ready) {
        Done done;
        racoon_status status = RACOON_INTERNAL;
        Bytes result;
        {
            const std::lock_guard guard(lock);
            Slot* s = find(op);
            if (!s || s->phase != Phase::Queued) continue;  // cancelled meanwhile
            if (s->timer != 0) runtime.cancel(s->timer);
            status = s->status;
            result = std::move(s->result);
            ++counters.completed;
            done = release(op, *s);
        }
        if (done) done(status, std::move(result));
    }
}

OpTable::OpTable(Runtime& runtime) : state_(std::make_shared<State>(runtime)) {}

OpTable::~OpTable() {
    std::vector<Done> dropped;
    const std::lock_guard guard(state_->lock);
    for (Slot& s : state_->slots) {
        if (s.timer != 0) state_->runtime.cancel(s.timer);
        s.timer = 0;
        dropped.push_back(std::move(s.done));
        s.phase = Phase::Free;
    }
}

Result<OpToken> OpTable::create(const std::string& module, std::string_view what,
                                std::uint32_t max_inflight, Duration timeout, Done done) {
    const std::lock_guard guard(state_->lock);
    std::uint32_t& inflight = state_->inflight[module];
    if (inflight >= max_inflight)
        return fail(Errc::Busy,
                    fmt::format("module {}: found {} operations in flight, expected {} at "
                                "most",
                                module, inflight, max_inflight));
    std::uint32_t index = 0;
    if (!state_->free.empty()) {
        index = state_->free.back();
        state_->free.pop_back();
    } else {
        if (state_->slots.size() >= kMaxSlots)
            return fail(Errc::Busy, "too many operations in flight");
        index = static_cast<std::uint32_t>(state_->slots.size());
        state_->slots.emplace_back();
    }
    Slot& s = state_->slots[index];
    ++s.generation;  // from 1, so a token is never 0
    s.phase = Phase::Pending;
    s.module = module;
    s.what = what;
    s.done = std::move(done);
    ++inflight;
    ++state_->counters.created;
    ++state_->counters.pending;
    const OpToken op{std::uint64_t{s.generation} << 32 | index};
    state_->arm(op, s, timeout);
    return op;
}

void OpTable::retire(OpToken op) {
    Done dropped;
    const std::lock_guard guard(state_->lock);
    Slot* s = state_->find(op);
    if (!s || s->phase == Phase::Abandoned) return;
    // Completed and answered at once: two answers.
    if (s->phase == Phase::Queued) ++state_->counters.misbehaved;
    if (s->timer != 0) state_->runtime.cancel(s->timer);
    dropped = state_->release(op, *s);
}

void OpTable::cancel(OpToken op) {
    Done dropped;
    const std::lock_guard guard(state_->lock);
    Slot* s = state_->find(op);
    if (!s || s->phase == Phase::Abandoned) return;
    ++state_->counters.cancelled;
    if (s->timer != 0) state_->runtime.cancel(s->timer);
    s->timer = 0;
    if (s->phase == Phase::Queued) {
        dropped = state_->release(op, *s);
        return;
    }
    dropped = std::move(s->done);
    s->done = Done();
    s->phase = Phase::Abandoned;
    state_->arm(op, *s, kDrain);
}

void OpTable::extend(OpToken op, Duration timeout) {
    const std::lock_guard guard(state_->lock);
    Slot* s = state_->find(op);
    if (!s || s->phase != Phase::Pending) return;
    if (s->timer != 0) state_->runtime.cancel(s->timer);
    state_->arm(op, *s, timeout);
}

bool OpTable::alive(OpToken op) const {
    const std::lock_guard guard(state_->lock);
    const Slot* s = state_->find(op);
    return s && (s->phase == Phase::Pending || s->phase == Phase::Queued);
}

void OpTable::complete(std::string_view module, OpToken op, racoon_status status, ByteView result) {
    std::string complaint;
    bool wake = false;
    Done dropped;
    {
        const std::lock_guard guard(state_->lock);
        Slot* s = state_->find(op);
        if (!s || s->phase == Phase::Queued || s->module != module) {
            ++state_->counters.misbehaved;
            const char* why = !s                          ? "that is over"
                              : s->phase == Phase::Queued ? "twice"
                                                          : "of another module";
            if (state_->reported.emplace(module).second)
                complaint = fmt::format(
                    "module {}: misbehaving: it completed an operation {}, which is "
                    "ignored (further ones are only counted) [{}]",
                    module, why, kMsgMisbehaving);
        } else if (s->phase == Phase::Abandoned) {
            // The drain timer finds a dead generation.
            dropped = state_->release(op, *s);
        } else {
            s->status = known_status(status);
            if (result.size() > kMaxResult) {
                ++state_->counters.misbehaved;
                s->status = RACOON_INTERNAL;
            } else if (s->status == RACOON_OK) {
                s->result = to_bytes(result);
            }
            s->phase = Phase::Queued;
            wake = state_->queue.empty();
            state_->queue.push_back(op);
        }
    }
    if (!complaint.empty()) LOGW("", complaint);
    if (wake)
        state_->runtime.post([weak = std::weak_ptr(state_)] {
            if (auto self = weak.lock()) self->drain();
        });
}

OpTable::Counters OpTable::counters() const {
    const std::lock_guard guard(state_->lock);
    return state_->counters;
}

}  // namespace racoon::plugin
