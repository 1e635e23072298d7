#include "exchange/sealing.hpp"

namespace racoon::exchange {

Result<isakmp::Message> open_message(const isakmp::Message& in, const CipherKey& key, Iv iv,
                                     const conf::Padding& padding) {
    if (!in.header().encrypted()) return fail(Errc::Denied, "not encrypted, but must be");
    Bytes data = to_bytes(in.body());
    if (data.empty()) return fail(Errc::Malformed, "encrypted message without a body");
    RACOON_TRY_STATUS(key.decrypt(iv.span(), data));
    RACOON_TRY(isakmp::Message clear, isakmp::Message::decrypted(in.header(), data));
    if (padding.strict_check)
        RACOON_TRY_STATUS(
            isakmp::check_padding(clear.payloads().padding(), padding.exclusive_tail));
    return clear;
}

Result<Bytes> seal_message(const isakmp::MessageBuilder& builder, const CipherKey& key,
                           IvChain& chain, Context& ctx, const conf::Padding& padding) {
    isakmp::Padding p;
    p.randomize = padding.randomize;
    p.exclusive_tail = padding.exclusive_tail;
    if (padding.randomize_length)
        p.extra_blocks = ctx.random_u32() % (std::size_t{padding.maximum_length} + 1);
    Bytes random;
    if (p.randomize)
        random = ctx.random_bytes(isakmp::padding_size(builder.payloads().size(), key.block(), p));
    RACOON_TRY(Bytes data, builder.padded(key.block(), p, random));
    Iv iv = chain.next();
    RACOON_TRY_STATUS(key.encrypt(iv.span(), data));
    chain.advance(data);
    return builder.finish_encrypted(data);
}

}  // namespace racoon::exchange
