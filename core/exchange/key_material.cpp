#include "exchange/key_material.hpp"

#include <algorithm>
#include <array>

#include "exchange/crypto.hpp"

namespace racoon::exchange {

namespace {

constexpr std::array<std::uint8_t, 1> kOctet0{0};
constexpr std::array<std::uint8_t, 1> kOctet1{1};
constexpr std::array<std::uint8_t, 1> kOctet2{2};
constexpr std::size_t kMaxKeymat = 1024;

Bytes number(MessageId m_id) {
    Writer out;
    out.u32(m_id.value);
    return std::move(out).take();
}

/// K1 | K2 | … cut to `bytes`, with Kn made from Kn-1 by `step` (an empty view for K1).
template <typename Step>
Result<Secret> stretch(std::size_t bytes, const Step& step) {
    if (bytes > kMaxKeymat)
        return fail(Errc::TooLong, std::to_string(bytes) + " bytes of key material");
    Secret out(bytes);
    Secret last;
    for (std::size_t filled = 0; filled < bytes;) {
        RACOON_TRY(Secret block, step(last.view()));
        if (block.empty()) return fail(Errc::Crypto, "a prf without output");
        const std::size_t n = std::min(block.size(), bytes - filled);
        std::copy_n(block.view().begin(), n,
                    out.span().begin() + static_cast<std::ptrdiff_t>(filled));
        filled += n;
        last = std::move(block);
    }
    return out;
}

}  // namespace

Result<Secret> skeyid_signature(const conf::HashInfo& hash, ByteView ni, ByteView nr,
                                ByteView gxy) {
    Bytes key = to_bytes(ni);
    append(key, nr);
    return prf(hash, key, {gxy});
}

Result<SkeyidSet> SkeyidSet::derive(const conf::HashInfo& hash, Secret skeyid, ByteView gxy,
                                    const CookiePair& cookies) {
    const ByteView ci = cookies.initiator.view();
    const ByteView cr = cookies.responder.view();
    SkeyidSet out;
    RACOON_TRY(out.d, prf(hash, skeyid.view(), {gxy, ci, cr, kOctet0}));
    RACOON_TRY(out.a, prf(hash, skeyid.view(), {out.d.view(), gxy, ci, cr, kOctet1}));
    RACOON_TRY(out.e, prf(hash, skeyid.view(), {out.a.view(), gxy, ci, cr, kOctet2}));
    out.skeyid = std::move(skeyid);
    return out;
}

Result<Secret> expand_key(const conf::HashInfo& hash, ByteView skeyid_e, std::size_t bytes) {
    if (bytes <= skeyid_e.size()) return Secret(skeyid_e.first(bytes));
    return stretch(bytes, [&](ByteView last) {
        return prf(hash, skeyid_e, {last.empty() ? ByteView(kOctet0) : last});
    });
}

Result<Secret> hash_i(const conf::HashInfo& hash, ByteView skeyid, const Phase1HashInput& in) {
    return prf(hash, skeyid,
               {in.gxi, in.gxr, in.cookies.initiator.view(), in.cookies.responder.view(), in.sai_b,
                in.id_b});
}

Result<Secret> hash_r(const conf::HashInfo& hash, ByteView skeyid, const Phase1HashInput& in) {
    return prf(hash, skeyid,
               {in.gxr, in.gxi, in.cookies.responder.view(), in.cookies.initiator.view(), in.sai_b,
                in.id_b});
}

Result<Secret> base_hash_i(const conf::HashInfo& hash, ByteView key, const Phase1HashInput& in) {
    return prf(
        hash, key,
        {in.gxi, in.cookies.initiator.view(), in.cookies.responder.view(), in.sai_b, in.id_b});
}

Result<Secret> base_hash_r_signature(const conf::HashInfo& hash, ByteView key,
                                     const Phase1HashInput& in) {
    return hash_i(hash, key, in);
}

Result<Secret> hash_1(const conf::HashInfo& hash, ByteView skeyid_a, MessageId m_id,
                      ByteView rest) {
    return prf(hash, skeyid_a, {number(m_id), rest});
}

Result<Secret> hash_2(const conf::HashInfo& hash, ByteView skeyid_a, MessageId m_id, ByteView ni,
                      ByteView rest) {
    return prf(hash, skeyid_a, {number(m_id), ni, rest});
}

Result<Secret> hash_3(const conf::HashInfo& hash, ByteView skeyid_a, MessageId m_id, ByteView ni,
                      ByteView nr) {
    return prf(hash, skeyid_a, {kOctet0, number(m_id), ni, nr});
}

Result<Secret> quick_mode_keymat(const conf::HashInfo& hash, ByteView skeyid_d,
                                 const KeymatInput& in, std::size_t bytes) {
    const std::array<std::uint8_t, 1> protocol{in.protocol};
    return stretch(bytes, [&](ByteView last) {
        return prf(hash, skeyid_d, {last, in.gxy, protocol, in.spi, in.ni, in.nr});
    });
}

}  // namespace racoon::exchange
