#include "exchange/retransmit.hpp"

#include <algorithm>
#include <array>

namespace racoon::exchange {

namespace {
using std::chrono::milliseconds;
constexpr std::array<milliseconds, 9> kWaits{
    milliseconds(500),   milliseconds(1000),  milliseconds(2000),
    milliseconds(4000),  milliseconds(6000),  milliseconds(8000),
    milliseconds(10000), milliseconds(12000), milliseconds(6500)};
constexpr unsigned kMaxCopies = 8;
}  // namespace

std::optional<Duration> Backoff::next() {
    const unsigned limit = timer_.given ? timer_.counter : static_cast<unsigned>(kWaits.size());
    if (sent_ >= limit) return std::nullopt;
    const unsigned index = sent_++;
    if (timer_.given) return Duration(timer_.interval);
    return Duration(kWaits[index]);
}

unsigned Backoff::copies() const {
    return std::clamp(timer_.persend, 1u, kMaxCopies);
}

bool Backoff::exhausted() const {
    return sent_ >= (timer_.given ? timer_.counter : static_cast<unsigned>(kWaits.size()));
}

}  // namespace racoon::exchange
