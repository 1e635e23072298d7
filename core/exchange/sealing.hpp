// Encrypted messages: opening those that came and sealing those that go. Opening proves nothing; only
// the hashes of verified.hpp and of phase 1 do.
//
//     RACOON_TRY(Message clear, open_message(in, key, chain.next(), padding));
//     …verify…  chain.advance(in.body());
//     RACOON_TRY(Bytes datagram, seal_message(builder, key, chain, ctx, padding));
#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "conf/config.hpp"
#include "exchange/context.hpp"
#include "exchange/crypto.hpp"
#include "exchange/iv_chain.hpp"
#include "isakmp/message.hpp"
#include "isakmp/message_builder.hpp"

namespace racoon::exchange {

/// Decrypts a copy. Malformed when the body is not whole blocks, or what comes out is not a payload
/// chain: garbage, as after a wrong key.
Result<isakmp::Message> open_message(const isakmp::Message& in, const CipherKey& key, Iv iv,
                                     const conf::Padding& padding);

/// Pads, encrypts with the chain's next IV and advances the chain.
Result<Bytes> seal_message(const isakmp::MessageBuilder& builder, const CipherKey& key,
                           IvChain& chain, Context& ctx, const conf::Padding& padding);

}  // namespace racoon::exchange
