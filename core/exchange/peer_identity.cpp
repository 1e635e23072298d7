#include "exchange/peer_identity.hpp"

#include <algorithm>

namespace racoon::exchange {

Bytes peer_key(const PeerIdentity& id) {
    if (!id) return {};
    Bytes out{static_cast<std::uint8_t>(id->type())};
    append(out, id->data());
    return out;
}

Bytes owner_key(const PeerIdentity& id, const IpAddr& addr) {
    const std::size_t kept = addr.family == Family::V6 ? 8 : 4;
    const ByteView bytes = addr.view();
    Bytes out{static_cast<std::uint8_t>(addr.family)};
    append(out, bytes.first(std::min(kept, bytes.size())));
    append(out, peer_key(id));
    return out;
}

}  // namespace racoon::exchange
