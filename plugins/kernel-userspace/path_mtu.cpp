#include "path_mtu.hpp"

#include <algorithm>
#include <cstring>

namespace racoon::kernel_userspace {

PathMtus::Key PathMtus::key_of(const racoon_addr& peer) {
    Key key{};
    key[0] = peer.family;
    std::memcpy(key.data() + 1, peer.bytes, peer.family == 4 ? 4 : 16);
    return key;
}

bool PathMtus::learn(const racoon_addr& peer, std::uint32_t mtu, std::int64_t now) {
    const Key key = key_of(peer);
    if (known_.size() >= kMost && known_.count(key) == 0) {
        std::erase_if(known_, [&](const auto& e) { return e.second.ends <= now; });
        if (known_.size() >= kMost) known_.erase(known_.begin());
    }
    const auto taken = std::clamp<std::uint32_t>(mtu, least(peer.family), 0xffff);
    Entry& entry = known_[key];
    const bool news = entry.mtu != taken;
    entry = {taken, now + kLifetimeNs};
    return news;
}

std::uint32_t PathMtus::of(const racoon_addr& peer, std::int64_t now) const {
    if (known_.empty()) return 0;
    const auto at = known_.find(key_of(peer));
    return at == known_.end() || at->second.ends <= now ? 0 : at->second.mtu;
}

}  // namespace racoon::kernel_userspace
