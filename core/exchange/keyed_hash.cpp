#include "exchange/keyed_hash.hpp"

#include <bit>

namespace racoon::exchange {

namespace {

std::uint64_t read_le(ByteView in) {
    std::uint64_t v = 0;
    for (std::size_t i = in.size(); i-- > 0;) v = (v << 8) | in[i];
    return v;
}

struct State {
    std::uint64_t v0, v1, v2, v3;
    void round() {
        v0 += v1;
        v1 = std::rotl(v1, 13);
        v1 ^= v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16);
        v3 ^= v2;
        v0 += v3;
        v3 = std::rotl(v3, 21);
        v3 ^= v0;
        v2 += v1;
        v1 = std::rotl(v1, 17);
        v1 ^= v2;
        v2 = std::rotl(v2, 32);
    }
    void word(std::uint64_t m) {
        v3 ^= m;
        round();
        round();
        v0 ^= m;
    }
};

}  // namespace

KeyedHash::KeyedHash(const Key& key)
    : k0_(read_le(ByteView(key).first(8))), k1_(read_le(ByteView(key).last(8))) {}

std::uint64_t KeyedHash::operator()(ByteView data) const {
    State s{k0_ ^ 0x736f6d6570736575, k1_ ^ 0x646f72616e646f6d, k0_ ^ 0x6c7967656e657261,
            k1_ ^ 0x7465646279746573};
    const std::uint64_t length = static_cast<std::uint64_t>(data.size()) << 56;
    while (data.size() >= 8) {
        s.word(read_le(data.first(8)));
        data = data.subspan(8);
    }
    s.word(length | read_le(data));
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; ++i) s.round();
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

std::uint64_t KeyedHash::operator()(const Endpoint& peer, ByteView data) const {
    Writer w(32 + data.size());
    put(w, peer);
    w.bytes(data);
    return (*this)(w.view());
}

}  // namespace racoon::exchange
