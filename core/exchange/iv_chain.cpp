#include "exchange/iv_chain.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "exchange/crypto.hpp"

namespace racoon::exchange {

namespace {

/// "The initialization vector … is derived from a hash … the first blocksize bits" (appendix B).
Result<Iv> cut(const Bytes& hash, std::size_t block) {
    if (block == 0 || block > Iv::kMaxBlock || hash.size() < block)
        return fail(Errc::Unsupported, "a hash of " + std::to_string(hash.size()) +
                                           " bytes cannot fill a block of " +
                                           std::to_string(block));
    return Iv(hash, block);
}

}  // namespace

Iv::Iv(ByteView from, std::size_t block) : size_(static_cast<std::uint8_t>(block)) {
    RACOON_CHECK(block <= kMaxBlock && from.size() >= block);
    std::copy_n(from.begin(), block, bytes_.begin());
}

Result<IvChain> IvChain::phase1(const conf::HashInfo& hash, std::size_t block, ByteView gxi,
                                ByteView gxr) {
    RACOON_TRY(Bytes h, digest(hash, {gxi, gxr}));
    RACOON_TRY(Iv iv, cut(h, block));
    return IvChain(iv);
}

Result<IvChain> IvChain::phase2(const conf::HashInfo& hash, MessageId message_id) const {
    Writer m_id;
    m_id.u32(message_id.value);
    RACOON_TRY(Bytes h, digest(hash, {next_.view(), m_id.view()}));
    RACOON_TRY(Iv iv, cut(h, next_.view().size()));
    return IvChain(iv);
}

void IvChain::advance(ByteView ciphertext) {
    const std::size_t block = next_.view().size();
    if (ciphertext.size() < block) return;  // an empty message moves nothing
    next_ = Iv(ciphertext.last(block), block);
}

}  // namespace racoon::exchange
