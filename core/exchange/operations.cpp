#include "exchange/operations.hpp"

#include <racoon/plugin.h>

#include "exchange/record_fields.hpp"

namespace racoon::exchange {

namespace {

using namespace fields;

template <typename Record>
void put_sa_id(Writer& out, const Record& r) {
    out.u8(r.protocol);
    out.u32(r.spi.value);
    put(out, r.src);
    put(out, r.dst);
}
template <typename Record>
Result<Record> get_sa_id(Reader& in) {
    Record r;
    RACOON_TRY(r.protocol, ipsec_protocol(in));
    RACOON_TRY(r.spi.value, in.u32());
    RACOON_TRY(r.src, get_ip(in));
    RACOON_TRY(r.dst, get_ip(in));
    return r;
}

}  // namespace

void DhGenerate::put(Writer& out) const {
    out.u16(group);
}
Result<DhGenerate> DhGenerate::get(Reader& in) {
    DhGenerate r;
    RACOON_TRY(r.group, in.u16());
    return r;
}

void DhGenerate::Reply::put(Writer& out) const {
    out.u64(handle);
    out.counted16(public_value);
}
Result<DhGenerate::Reply> DhGenerate::Reply::get(Reader& in) {
    Reply r;
    RACOON_TRY(r.handle, handle_of(in));
    RACOON_TRY(ByteView v, blob(in, 1, kMaxPublic, "public value"));
    r.public_value = to_bytes(v);
    return r;
}

void DhCompute::put(Writer& out) const {
    out.u64(handle);
    out.counted16(peer_public);
}
Result<DhCompute> DhCompute::get(Reader& in) {
    DhCompute r;
    RACOON_TRY(r.handle, handle_of(in));
    RACOON_TRY(ByteView v, blob(in, 1, kMaxPublic, "public value"));
    r.peer_public = to_bytes(v);
    return r;
}

void DhCompute::Reply::put(Writer& out) const {
    out.counted16(shared.view());
}
Result<DhCompute::Reply> DhCompute::Reply::get(Reader& in) {
    Reply r;
    RACOON_TRY(ByteView v, blob(in, 1, kMaxPublic, "shared secret"));
    r.shared = Secret(v);
    return r;
}

void DhFree::put(Writer& out) const {
    out.u64(handle);
}
Result<DhFree> DhFree::get(Reader& in) {
    DhFree r;
    RACOON_TRY(r.handle, handle_of(in));
    return r;
}

void FlatIdentity::put(Writer& out) const {
    out.u8(type);
    out.u8(protocol);
    out.u16(port);
    out.counted16(data);
}
Result<FlatIdentity> FlatIdentity::get(Reader& in) {
    FlatIdentity r;
    RACOON_TRY(r.type, in.u8());
    RACOON_TRY(r.protocol, in.u8());
    RACOON_TRY(r.port, in.u16());
    RACOON_TRY(ByteView v, blob(in, 0, kMaxIdentity, "identity"));
    if (r.type == 0 && !v.empty()) return fail(Errc::Malformed, "data of an absent identity");
    r.data = to_bytes(v);
    return r;
}

void Phase1Open::put(Writer& out) const {
    out.u32(generation);
    put_text(out, section);
    out.u8(initiator);
    out.u8(exchange_type);
    racoon::put(out, local);
    racoon::put(out, peer);
    out.u16(nonce_size);
}
Result<Phase1Open> Phase1Open::get(Reader& in) {
    Phase1Open r;
    RACOON_TRY(r.generation, in.u32());
    RACOON_TRY(r.section, text(in, kMaxName, "section name"));
    RACOON_TRY(r.initiator, flag(in));
    RACOON_TRY(r.exchange_type, in.u8());
    if (r.exchange_type != 1 && r.exchange_type != 2 && r.exchange_type != 4)
        return fail(Errc::Malformed, "exchange type " + std::to_string(r.exchange_type));
    RACOON_TRY(r.local, get_endpoint(in));
    RACOON_TRY(r.peer, get_endpoint(in));
    RACOON_TRY(r.nonce_size, in.u16());
    if (r.nonce_size < kMinNonce || r.nonce_size > kMaxNonce)
        return fail(Errc::Malformed, "nonce of " + std::to_string(r.nonce_size) + " bytes");
    return r;
}

void Phase1Open::Reply::put(Writer& out) const {
    out.u64(use);
    out.counted16(nonce);
}
Result<Phase1Open::Reply> Phase1Open::Reply::get(Reader& in) {
    Reply r;
    RACOON_TRY(r.use, handle_of(in));
    RACOON_TRY(ByteView v, blob(in, kMinNonce, kMaxNonce, "nonce"));
    r.nonce = to_bytes(v);
    return r;
}

void Phase1Skeyid::put(Writer& out) const {
    out.u64(use);
    put_text(out, hash);
    out.counted16(peer_nonce);
    peer_id.put(out);
}
Result<Phase1Skeyid> Phase1Skeyid::get(Reader& in) {
    Phase1Skeyid r;
    RACOON_TRY(r.use, handle_of(in));
    RACOON_TRY(r.hash, text(in, kMaxWord, "hash name"));
    RACOON_TRY(ByteView v, blob(in, kMinNonce, kMaxNonce, "nonce"));
    r.peer_nonce = to_bytes(v);
    RACOON_TRY(r.peer_id, FlatIdentity::get(in));
    return r;
}

void Phase1Skeyid::Reply::put(Writer& out) const {
    out.counted16(skeyid.view());
}
Result<Phase1Skeyid::Reply> Phase1Skeyid::Reply::get(Reader& in) {
    Reply r;
    RACOON_TRY(ByteView v, blob(in, 1, kMaxKey, "SKEYID"));
    r.skeyid = Secret(v);
    return r;
}

void Phase1Close::put(Writer& out) const {
    out.u64(use);
}
Result<Phase1Close> Phase1Close::get(Reader& in) {
    Phase1Close r;
    RACOON_TRY(r.use, handle_of(in));
    return r;
}

void Phase1Move::put(Writer& out) const {
    out.u64(use);
    racoon::put(out, peer);
}
Result<Phase1Move> Phase1Move::get(Reader& in) {
    Phase1Move r;
    RACOON_TRY(r.use, handle_of(in));
    RACOON_TRY(r.peer, get_endpoint(in));
    return r;
}

void SaMove::put(Writer& out) const {
    out.u8(protocol);
    out.u8(inbound);
    out.u32(spi.value);
    racoon::put(out, local);
    racoon::put(out, peer);
    out.u16(peer_port);
}
Result<SaMove> SaMove::get(Reader& in) {
    SaMove r;
    RACOON_TRY(r.protocol, ipsec_protocol(in));
    RACOON_TRY(r.inbound, flag(in));
    RACOON_TRY(r.spi.value, in.u32());
    RACOON_TRY(r.local, get_ip(in));
    RACOON_TRY(r.peer, get_ip(in));
    RACOON_TRY(r.peer_port, in.u16());
    if (r.spi.value == 0 || r.peer_port == 0) return fail(Errc::Malformed, "SPI or port 0");
    return r;
}

void Phase1Rebind::put(Writer& out) const {
    out.u64(use);
    out.u32(generation);
    put_text(out, section);
}
Result<Phase1Rebind> Phase1Rebind::get(Reader& in) {
    Phase1Rebind r;
    RACOON_TRY(r.use, handle_of(in));
    RACOON_TRY(r.generation, in.u32());
    RACOON_TRY(r.section, text(in, kMaxName, "section name"));
    return r;
}

void Resolve::put(Writer& out) const {
    out.u32(generation);
    put_text(out, section);
    out.u8(again);
}
Result<Resolve> Resolve::get(Reader& in) {
    Resolve r;
    RACOON_TRY(r.generation, in.u32());
    RACOON_TRY(r.section, text(in, kMaxName, "section name"));
    RACOON_TRY(r.again, flag(in));
    return r;
}

void SpiGet::put(Writer& out) const {
    out.u64(use);
    out.u32(policy.value);
    out.u8(protocol);
    out.u8(tunnel);
    out.u32(reqid.value);
    racoon::put(out, local);
    racoon::put(out, peer);
    out.u64(acquire_token);
}
Result<SpiGet> SpiGet::get(Reader& in) {
    SpiGet r;
    RACOON_TRY(r.use, handle_of(in));
    RACOON_TRY(r.policy.value, in.u32());
    RACOON_TRY(r.protocol, ipsec_protocol(in));
    RACOON_TRY(r.tunnel, flag(in));
    RACOON_TRY(r.reqid.value, in.u32());
    RACOON_TRY(r.local, get_ip(in));
    RACOON_TRY(r.peer, get_ip(in));
    RACOON_TRY(r.acquire_token, in.u64());
    return r;
}

void SpiGet::Reply::put(Writer& out) const {
    out.u32(spi.value);
}
Result<SpiGet::Reply> SpiGet::Reply::get(Reader& in) {
    Reply r;
    RACOON_TRY(r.spi.value, in.u32());
    if (r.spi.value == 0) return fail(Errc::Malformed, "SPI 0");
    return r;
}

void SaInstall::put(Writer& out) const {
    out.u64(use);
    out.u32(policy.value);
    out.u8(inbound);
    out.u8(protocol);
    out.u8(tunnel);
    out.u8(esn);
    out.u32(spi.value);
    out.u32(reqid.value);
    racoon::put(out, local);
    racoon::put(out, peer);
    racoon::put(out, selector);
    put_text(out, encryption);
    out.u16(key_bits);
    out.counted16(encryption_key.view());
    put_text(out, integrity);
    out.counted16(integrity_key.view());
    put_text(out, compression);
    out.u32(replay_window);
    out.u64(soft_seconds);
    out.u64(hard_seconds);
    out.u64(soft_bytes);
    out.u64(hard_bytes);
    out.u16(local_port);
    out.u16(peer_port);
    out.u8(non_ike_marker);
    out.u16(esp_frag);
    racoon::put(out, peer_original);
    racoon::put(out, marks);
}
Result<SaInstall> SaInstall::get(Reader& in) {
    SaInstall r;
    RACOON_TRY(r.use, handle_of(in));
    RACOON_TRY(r.policy.value, in.u32());
    RACOON_TRY(r.inbound, flag(in));
    RACOON_TRY(r.protocol, ipsec_protocol(in));
    RACOON_TRY(r.tunnel, flag(in));
    RACOON_TRY(r.esn, flag(in));
    RACOON_TRY(r.spi.value, in.u32());
    if (r.spi.value == 0) return fail(Errc::Malformed, "SPI 0");
    RACOON_TRY(r.reqid.value, in.u32());
    RACOON_TRY(r.local, get_ip(in));
    RACOON_TRY(r.peer, get_ip(in));
    RACOON_TRY(r.selector, get_traffic_selector(in));
    RACOON_TRY(r.encryption, text(in, kMaxWord, "encryption algorithm"));
    RACOON_TRY(r.key_bits, in.u16());
    RACOON_TRY(ByteView key, blob(in, 0, kMaxKey, "encryption key"));
    r.encryption_key = Secret(key);
    RACOON_TRY(r.integrity, text(in, kMaxWord, "integrity algorithm"));
    RACOON_TRY(ByteView mac_key, blob(in, 0, kMaxKey, "integrity key"));
    r.integrity_key = Secret(mac_key);
    RACOON_TRY(r.compression, text(in, kMaxWord, "compression algorithm"));
    RACOON_TRY(r.replay_window, in.u32());
    RACOON_TRY(r.soft_seconds, in.u64());
    RACOON_TRY(r.hard_seconds, in.u64());
    RACOON_TRY(r.soft_bytes, in.u64());
    RACOON_TRY(r.hard_bytes, in.u64());
    RACOON_TRY(r.local_port, in.u16());
    RACOON_TRY(r.peer_port, in.u16());
    RACOON_TRY(r.non_ike_marker, flag(in));
    RACOON_TRY(r.esp_frag, in.u16());
    if ((r.local_port == 0) != (r.peer_port == 0))
        return fail(Errc::Malformed, "one port of an encapsulation in UDP");
    if (r.non_ike_marker && r.peer_port == 0)
        return fail(Errc::Malformed, "a non-IKE marker without UDP");
    RACOON_TRY(r.peer_original, get_ip(in));
    RACOON_TRY(r.marks, get_marks(in));
    return r;
}

void SaDelete::put(Writer& out) const {
    put_sa_id(out, *this);
}
Result<SaDelete> SaDelete::get(Reader& in) {
    return get_sa_id<SaDelete>(in);
}

void SaQuery::put(Writer& out) const {
    put_sa_id(out, *this);
}
Result<SaQuery> SaQuery::get(Reader& in) {
    return get_sa_id<SaQuery>(in);
}

void SaQuery::Reply::put(Writer& out) const {
    out.u8(state);
    out.u64(bytes);
    out.u64(packets);
    out.u64(static_cast<std::uint64_t>(idle_ns));
}
Result<SaQuery::Reply> SaQuery::Reply::get(Reader& in) {
    Reply r;
    RACOON_TRY(r.state, in.u8());
    if (r.state > 3) return fail(Errc::Malformed, "SA state " + std::to_string(r.state));
    RACOON_TRY(r.bytes, in.u64());
    RACOON_TRY(r.packets, in.u64());
    RACOON_TRY(auto idle, in.u64());
    r.idle_ns = static_cast<std::int64_t>(idle);
    return r;
}

void PolicyMake::put(Writer& out) const {
    out.u64(use);
    racoon::put(out, selector);
    out.u8(static_cast<std::uint8_t>(rules.size()));
    for (const Rule& r : rules) {
        out.u8(r.protocol);
        out.u8(r.tunnel);
    }
    racoon::put(out, marks);
}
Result<PolicyMake> PolicyMake::get(Reader& in) {
    PolicyMake r;
    RACOON_TRY(r.use, handle_of(in));
    RACOON_TRY(r.selector, get_traffic_selector(in));
    RACOON_TRY(const std::uint8_t count, in.u8());
    if (count < 1 || count > 3)
        return fail(Errc::Malformed, std::to_string(count) + " rules of a policy, not 1 to 3");
    for (unsigned i = 0; i < count; ++i) {
        Rule rule;
        RACOON_TRY(rule.protocol, ipsec_protocol(in));
        RACOON_TRY(rule.tunnel, flag(in));
        r.rules.push_back(rule);
    }
    RACOON_TRY(r.marks, get_marks(in));
    return r;
}
void PolicyMake::Reply::put(Writer& out) const {
    out.u32(policy.value);
    out.u32(reqid.value);
}
Result<PolicyMake::Reply> PolicyMake::Reply::get(Reader& in) {
    Reply r;
    RACOON_TRY(r.policy.value, in.u32());
    RACOON_TRY(r.reqid.value, in.u32());
    if (r.policy.value == 0) return fail(Errc::Malformed, "policy 0");
    return r;
}

void PolicyUse::put(Writer& out) const {
    out.u32(policy.value);
    out.u64(seconds);
}
Result<PolicyUse> PolicyUse::get(Reader& in) {
    PolicyUse r;
    RACOON_TRY(r.policy.value, in.u32());
    RACOON_TRY(r.seconds, in.u64());
    return r;
}

void PolicyDrop::put(Writer& out) const {
    out.u32(policy.value);
}
Result<PolicyDrop> PolicyDrop::get(Reader& in) {
    PolicyDrop r;
    RACOON_TRY(r.policy.value, in.u32());
    return r;
}

void AcquireDone::put(Writer& out) const {
    out.u64(acquire_token);
    out.u8(success);
}
Result<AcquireDone> AcquireDone::get(Reader& in) {
    AcquireDone r;
    RACOON_TRY(r.acquire_token, in.u64());
    RACOON_TRY(r.success, flag(in));
    return r;
}

void KernelEvent::put(Writer& out) const {
    out.u32(type);
    out.u64(acquire_token);
    out.u32(policy.value);
    out.u8(protocol);
    out.u32(spi.value);
    racoon::put(out, src);
    racoon::put(out, dst);
}
Result<KernelEvent> KernelEvent::get(Reader& in) {
    KernelEvent r;
    RACOON_TRY(r.type, in.u32());
    RACOON_TRY(r.acquire_token, in.u64());
    RACOON_TRY(r.policy.value, in.u32());
    RACOON_TRY(r.protocol, in.u8());
    RACOON_TRY(r.spi.value, in.u32());
    RACOON_TRY(r.src, get_endpoint(in));
    RACOON_TRY(r.dst, get_endpoint(in));
    return r;
}

void KernelCapabilities::put(Writer& out) const {
    put_text(out, backend);
    out.u64(flags);
    out.u32(max_replay_window);
    out.u16(static_cast<std::uint16_t>(lacks.size()));
    for (const KernelLack& lack : lacks) {
        out.u8(lack.protocol);
        out.u8(lack.integrity ? 1 : 0);
        put_text(out, lack.name);
    }
}
Result<KernelCapabilities> KernelCapabilities::get(Reader& in) {
    KernelCapabilities r;
    RACOON_TRY(r.backend, text(in, kMaxWord, "backend name"));
    RACOON_TRY(r.flags, in.u64());
    RACOON_TRY(r.max_replay_window, in.u32());
    RACOON_TRY(const std::uint16_t count, in.u16());
    if (count > kMaxLacks)
        return fail(Errc::TooLong, std::to_string(count) + " algorithms").at(in.offset());
    for (std::uint16_t i = 0; i < count; ++i) {
        KernelLack lack;
        RACOON_TRY(lack.protocol, in.u8());
        RACOON_TRY(lack.integrity, flag(in));
        RACOON_TRY(lack.name, text(in, kMaxWord, "algorithm"));
        r.lacks.push_back(std::move(lack));
    }
    return r;
}

}  // namespace racoon::exchange
