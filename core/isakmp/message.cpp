#include "isakmp/message.hpp"

namespace racoon::isakmp {

Result<Message> Message::parse(Bytes datagram) {
    RACOON_TRY(const Header header, parse_header(datagram));
    RACOON_TRY_STATUS(check_ikev1(header));
    PayloadChain chain;
    if (!header.encrypted()) {
        const Reader in(ByteView(datagram).subspan(kHeaderSize), kHeaderSize);
        RACOON_TRY(chain, PayloadChain::parse(in, header.first_payload(), Trailing::Alignment));
    }
    return Message(std::move(datagram), header, std::move(chain));
}

Result<Message> Message::decrypted(const Header& header, ByteView plaintext) {
    if (plaintext.size() > kMaxMessage - kHeaderSize)
        return fail(Errc::TooLong, "a decrypted message beyond 65535 bytes");
    Writer out(kHeaderSize + plaintext.size());
    write_header(out, header);
    out.bytes(plaintext);
    Bytes bytes = std::move(out).take();
    const Reader in(ByteView(bytes).subspan(kHeaderSize), kHeaderSize);
    RACOON_TRY(PayloadChain chain,
               PayloadChain::parse(in, header.first_payload(), Trailing::Padding));
    return Message(std::move(bytes), header, std::move(chain));
}

}  // namespace racoon::isakmp
