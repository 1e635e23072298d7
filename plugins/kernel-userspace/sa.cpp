#include "sa.hpp"

#include <algorithm>

#include "packet.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::size_t kUdpHeader = 8;

}  // namespace

std::size_t Sa::most_inside(std::size_t way) const {
    const std::size_t header = plain_header(facts.dst.family);
    const std::size_t around = header + (encapsulated() ? kUdpHeader + marker() : 0);
    if (way <= around) return 0;
    const std::size_t room = way - around;
    std::size_t inside = 0;
    if (esp) inside = esp->most_inside(room);
    if (ah && room > ah->size()) inside = room - ah->size();
    if (comp) inside = room;  // at worst it goes without
    return tunnel() || inside == 0 ? inside : inside + header;
}

bool Layers::checksum_behind_nat() const {
    return outermost().encapsulated() &&
           std::none_of(sas_.begin(), sas_.begin() + static_cast<std::ptrdiff_t>(count_),
                        [](const Sa* sa) { return sa->tunnel(); });
}

std::size_t Layers::most_inside(std::size_t way) const {
    for (std::size_t i = count_; i > 0; --i) way = sas_[i - 1]->most_inside(way);
    return way;
}

}  // namespace racoon::kernel_userspace
