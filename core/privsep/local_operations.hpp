// LocalOperations: what the engine's own process answers: Diffie-Hellman, on worker threads.
//
//     LocalOperations local(workers, catalog, [&](OpToken t, Result<Bytes> r) { engine.complete(…);
//     }); local.start(operation);                 // the answer comes later, from the loop
//
// Private keys are named by handles, live here until DhFree, and are freed by the module that made
// them, after a computation that still uses them. Main thread only.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "conf/catalog.hpp"
#include "exchange/operations.hpp"
#include "loop/event_loop.hpp"
#include "loop/work_pool.hpp"

namespace racoon::privsep {

class LocalOperations {
  public:
    using Answer = std::function<void(OpToken, Result<Bytes>)>;

    LocalOperations(loop::EventLoop& loop, loop::WorkPool& workers, const conf::Catalog& catalog,
                    Answer answer);
    ~LocalOperations();
    LocalOperations(const LocalOperations&) = delete;
    LocalOperations& operator=(const LocalOperations&) = delete;

    void start(exchange::Operation operation);
    /// The answer is not wanted any more; a key that the operation makes is freed.
    void cancel(OpToken token);
    std::size_t keys() const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace racoon::privsep
