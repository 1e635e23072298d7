#include "isakmp/message_builder.hpp"

#include <algorithm>
#include <string>

#include "base/check.hpp"

namespace racoon::isakmp {

std::size_t padding_size(std::size_t plaintext, std::size_t block, const Padding& padding) {
    RACOON_CHECK(block >= 1 && block <= 64);
    const std::size_t least = block - plaintext % block;
    const std::size_t room = (kMaxPadding - least) / block;
    return least + std::min(padding.extra_blocks, room) * block;
}

void pad(Bytes& plaintext, std::size_t block, const Padding& padding, ByteView random) {
    const std::size_t size = padding_size(plaintext.size(), block, padding);
    RACOON_CHECK(!padding.randomize || random.size() >= size);
    if (padding.randomize)
        append(plaintext, random.first(size));
    else
        plaintext.resize(plaintext.size() + size, 0);
    plaintext.back() = static_cast<std::uint8_t>(padding.exclusive_tail ? size - 1 : size);
}

Status check_padding(ByteView trailing, bool exclusive_tail) {
    if (trailing.empty()) return ok();
    const std::size_t claimed = std::size_t{trailing.back()} + (exclusive_tail ? 1 : 0);
    if (claimed >= 1 && claimed <= trailing.size()) return ok();
    return fail(Errc::Malformed, "the padding claims " + std::to_string(claimed) + " bytes, " +
                                     std::to_string(trailing.size()) +
                                     " follow the last payload (padding strict_check)");
}

void MessageBuilder::add(PayloadType type, ByteView body) {
    if (body.size() > kMaxPayloadBody) {
        too_long_ = true;
        return;
    }
    const auto value = static_cast<std::uint8_t>(type);
    if (previous_)
        body_.patch_u8(*previous_, value);
    else
        header_.next_payload = value;
    previous_ = body_.u8_later();
    body_.u8(0);  // reserved
    body_.u16(static_cast<std::uint16_t>(kGenericHeaderSize + body.size()));
    body_.bytes(body);
}

void MessageBuilder::reserve_hash(std::size_t size) {
    RACOON_CHECK(!hash_at_ && size > 0);
    add(PayloadType::Hash, Bytes(size, 0));
    hash_size_ = size;
    hash_at_ = body_.size() - size;
}

ByteView MessageBuilder::after_hash() const {
    RACOON_CHECK(hash_at_.has_value());
    return body_.view().subspan(*hash_at_ + hash_size_);
}

void MessageBuilder::set_hash(ByteView hash) {
    RACOON_CHECK(hash_at_ && hash.size() == hash_size_);
    for (std::size_t i = 0; i < hash.size(); ++i)
        body_.patch_u8(Writer::Mark{*hash_at_ + i}, hash[i]);
}

Status MessageBuilder::check() const {
    if (!too_long_ && body_.size() <= kMaxMessage - kHeaderSize) return ok();
    return fail(Errc::TooLong, "the message does not fit into 65535 bytes");
}

Result<Bytes> MessageBuilder::padded(std::size_t block, const Padding& padding,
                                     ByteView random) const {
    RACOON_TRY_STATUS(check());
    if (body_.size() + kMaxPadding > kMaxMessage - kHeaderSize)
        return fail(Errc::TooLong, "the message does not fit into 65535 bytes");
    Bytes out = to_bytes(body_.view());
    pad(out, block, padding, random);
    return out;
}

Bytes MessageBuilder::with_body(Header header, ByteView body) const {
    header.length = static_cast<std::uint32_t>(kHeaderSize + body.size());
    Writer out(header.length);
    write_header(out, header);
    out.bytes(body);
    return std::move(out).take();
}

Result<Bytes> MessageBuilder::finish() const {
    RACOON_TRY_STATUS(check());
    return with_body(header_, body_.view());
}

Bytes MessageBuilder::finish_encrypted(ByteView ciphertext) const {
    Header header = header_;
    header.flags |= kFlagEncryption;
    return with_body(header, ciphertext);
}

}  // namespace racoon::isakmp
