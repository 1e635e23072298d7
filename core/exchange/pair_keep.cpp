#include "exchange/pair_keep.hpp"

#include <algorithm>

#include "exchange/record_fields.hpp"

namespace racoon::exchange {

namespace {

using namespace fields;

constexpr std::size_t kMaxPeerId = kMaxIdentity + 4;

void put_cookie(Writer& out, const Cookie& c) {
    out.bytes(c.view());
}
Result<Cookie> get_cookie(Reader& in) {
    Cookie c;
    RACOON_TRY(ByteView v, in.bytes(c.bytes.size()));
    std::copy(v.begin(), v.end(), c.bytes.begin());
    return c;
}

void put_sa(Writer& out, const PairKeep::Sa& sa) {
    out.u8(sa.protocol);
    out.u8(sa.tunnel);
    out.u8(sa.esn);
    out.u32(sa.reqid.value);
    out.u32(sa.spi_in.value);
    out.u32(sa.spi_out.value);
    put_text(out, sa.encryption);
    put_text(out, sa.integrity);
    put_text(out, sa.compression);
    out.u16(sa.key_bits);
}
Result<PairKeep::Sa> get_sa(Reader& in) {
    PairKeep::Sa sa;
    RACOON_TRY(sa.protocol, ipsec_protocol(in));
    RACOON_TRY(sa.tunnel, flag(in));
    RACOON_TRY(sa.esn, flag(in));
    RACOON_TRY(sa.reqid.value, in.u32());
    RACOON_TRY(sa.spi_in.value, in.u32());
    RACOON_TRY(sa.spi_out.value, in.u32());
    if (sa.spi_in.value == 0 || sa.spi_out.value == 0) return fail(Errc::Malformed, "SPI 0");
    RACOON_TRY(sa.encryption, text(in, kMaxWord, "encryption algorithm"));
    RACOON_TRY(sa.integrity, text(in, kMaxWord, "integrity algorithm"));
    RACOON_TRY(sa.compression, text(in, kMaxWord, "compression algorithm"));
    RACOON_TRY(sa.key_bits, in.u16());
    return sa;
}

}  // namespace

void PairKeep::put(Writer& out) const {
    out.u32(policy.value);
    out.u8(made);
    out.u8(static_cast<std::uint8_t>(level));
    out.u8(complex_bundle ? *complex_bundle : 2);
    racoon::put(out, marks);
    put_text(out, section);
    racoon::put(out, local);
    racoon::put(out, remote);
    racoon::put(out, selector);
    local_id.put(out);
    remote_id.put(out);
    out.counted16(peer_id);
    out.u8(static_cast<std::uint8_t>(sas.size()));
    for (const Sa& sa : sas) put_sa(out, sa);
    out.u16(pfs);
    out.u64(seconds);
    out.u64(kilobytes);
    put_cookie(out, phase1.initiator);
    put_cookie(out, phase1.responder);
    out.u32(message_id.value);
    for (const bool b : {we_behind, peer_behind, initiator, phase1_initiator, replaced}) out.u8(b);
}

Result<PairKeep> PairKeep::get(Reader& in) {
    PairKeep r;
    RACOON_TRY(r.policy.value, in.u32());
    if (r.policy.value == 0) return fail(Errc::Malformed, "policy 0");
    RACOON_TRY(r.made, flag(in));
    RACOON_TRY(const std::uint8_t level, in.u8());
    if (level > static_cast<std::uint8_t>(conf::Level::Unique))
        return fail(Errc::Malformed, "level " + std::to_string(level));
    r.level = static_cast<conf::Level>(level);
    RACOON_TRY(const std::uint8_t bundle, in.u8());
    if (bundle > 2) return fail(Errc::Malformed, "complex_bundle " + std::to_string(bundle));
    if (bundle != 2) r.complex_bundle = bundle == 1;
    RACOON_TRY(r.marks, get_marks(in));
    RACOON_TRY(r.section, text(in, kMaxName, "section name"));
    RACOON_TRY(r.local, get_endpoint(in));
    RACOON_TRY(r.remote, get_endpoint(in));
    RACOON_TRY(r.selector, get_traffic_selector(in));
    RACOON_TRY(r.local_id, FlatIdentity::get(in));
    RACOON_TRY(r.remote_id, FlatIdentity::get(in));
    RACOON_TRY(ByteView id, blob(in, 0, kMaxPeerId, "identity"));
    r.peer_id = to_bytes(id);
    RACOON_TRY(const std::uint8_t count, in.u8());
    if (count < 1 || count > kMaxSas)
        return fail(Errc::Malformed, std::to_string(count) + " SAs of a pair in each direction");
    for (unsigned i = 0; i < count; ++i) {
        RACOON_TRY(Sa sa, get_sa(in));
        r.sas.push_back(std::move(sa));
    }
    RACOON_TRY(r.pfs, in.u16());
    RACOON_TRY(r.seconds, in.u64());
    RACOON_TRY(r.kilobytes, in.u64());
    RACOON_TRY(r.phase1.initiator, get_cookie(in));
    RACOON_TRY(r.phase1.responder, get_cookie(in));
    RACOON_TRY(r.message_id.value, in.u32());
    for (bool* b : {&r.we_behind, &r.peer_behind, &r.initiator, &r.phase1_initiator, &r.replaced}) {
        RACOON_TRY(*b, flag(in));
    }
    return r;
}

void KeptPair::put(Writer& out) const {
    record.put(out);
    out.u8(whole);
    out.u8(renew);
    out.u64(static_cast<std::uint64_t>(age.count()));
}
Result<KeptPair> KeptPair::get(Reader& in) {
    KeptPair r;
    RACOON_TRY(r.record, PairKeep::get(in));
    RACOON_TRY(r.whole, flag(in));
    RACOON_TRY(r.renew, flag(in));
    RACOON_TRY(const std::uint64_t age, in.u64());
    if (age > static_cast<std::uint64_t>(Duration::max().count()) / 4)
        return fail(Errc::Malformed, "an age of centuries");
    r.age = Duration(age);
    return r;
}

}  // namespace racoon::exchange
