// When a message is sent again, and when to give up (reference behaviour of `timer`).
//
//     Backoff backoff(config.timer);
//     while (auto wait = backoff.next()) …       // after each sending: how long to wait for an answer
//
// With a `timer` block: exactly `counter` sendings `interval` apart, and one interval more before the
// end. Without: 9 sendings in 43.5 seconds, the end after 50. The first repetition comes early, since
// on a lossy line that is what decides how long a tunnel takes to come up.
#pragma once

#include <cstddef>
#include <optional>

#include "base/clock.hpp"
#include "conf/config.hpp"

namespace racoon::exchange {

class Backoff {
  public:
    Backoff() = default;
    explicit Backoff(const conf::Timer& timer) : timer_(timer) {}

    /// A message was sent, again or for the first time: the wait until it is sent again or, after
    /// the last sending, until the peer counts as silent. Empty: give up now.
    std::optional<Duration> next();
    /// Copies of each datagram.
    unsigned copies() const;
    unsigned sent() const { return sent_; }
    /// True after the last sending: the wait that runs is the last one.
    bool exhausted() const;

  private:
    conf::Timer timer_;
    unsigned sent_ = 0;
};

}  // namespace racoon::exchange
