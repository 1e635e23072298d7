// A UDP payload with its two ends, as the sockets give and take it. On a NAT-T socket the non-ESP
// marker (RFC 3948 2.2) is not part of `bytes`: the listener takes it off and puts it on.
#pragma once

#include "base/bytes.hpp"
#include "base/net_addr.hpp"

namespace racoon::net {

struct Datagram {
    Endpoint local;
    Endpoint remote;
    ByteView bytes;     // borrowed: until the handler returns
    bool bare = false;  // to be sent without the marker: a keepalive (RFC 3948 2.3)
};

}  // namespace racoon::net
