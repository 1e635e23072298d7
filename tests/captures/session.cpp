#include "captures/session.hpp"

#include <fstream>
#include <memory>
#include <openssl/evp.h>

#include "isakmp/payload.hpp"
#include "isakmp/proposal.hpp"

namespace racoon::test {

using namespace isakmp;

namespace {

const EVP_MD* digest_of(HashAlgorithm hash) {
    switch (hash) {
        case HashAlgorithm::Md5:
            return EVP_md5();
        case HashAlgorithm::Sha1:
            return EVP_sha1();
        case HashAlgorithm::Sha2_256:
            return EVP_sha256();
        case HashAlgorithm::Sha2_384:
            return EVP_sha384();
        case HashAlgorithm::Sha2_512:
            return EVP_sha512();
        default:
            return nullptr;
    }
}

const EVP_CIPHER* cipher_of(std::size_t key, Encryption encryption) {
    if (encryption == Encryption::TripleDesCbc) return EVP_des_ede3_cbc();
    return key == 16 ? EVP_aes_128_cbc() : key == 24 ? EVP_aes_192_cbc() : EVP_aes_256_cbc();
}

Bytes digest(HashAlgorithm hash, std::initializer_list<ByteView> parts) {
    Bytes input;
    for (const ByteView part : parts) append(input, part);
    Bytes out(EVP_MAX_MD_SIZE);
    unsigned size = 0;
    EVP_Digest(input.data(), input.size(), out.data(), &size, digest_of(hash), nullptr);
    out.resize(size);
    return out;
}

Bytes decrypt(const EVP_CIPHER* cipher, ByteView key, ByteView iv, ByteView in) {
    const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> ctx(EVP_CIPHER_CTX_new(),
                                                                              EVP_CIPHER_CTX_free);
    Bytes out(in.size() + 64);
    int size = 0;
    EVP_DecryptInit_ex(ctx.get(), cipher, nullptr, key.data(), iv.data());
    EVP_CIPHER_CTX_set_padding(ctx.get(), 0);
    EVP_DecryptUpdate(ctx.get(), out.data(), &size, in.data(), static_cast<int>(in.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

}  // namespace

std::map<std::string, Bytes> read_key_table(const std::filesystem::path& path) {
    std::map<std::string, Bytes> out;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        const auto comma = line.find(',');
        if (line.empty() || line[0] == '#' || comma == std::string::npos) continue;
        out[line.substr(0, comma)] = from_hex(line.substr(comma + 1)).value();
    }
    return out;
}

std::size_t Session::block() const {
    return static_cast<std::size_t>(
        EVP_CIPHER_get_block_size(cipher_of(key_.size(), chosen_->encryption)));
}

Bytes Session::first_iv() {
    // RFC 2409 appendix B: hash(g^xi | g^xr), cut to the cipher's block.
    Bytes iv = digest(chosen_->hash, {public_values_.at(0), public_values_.at(1)});
    iv.resize(block());
    return iv;
}

Bytes& Session::iv_of(const Header& header) {
    if (!phase1_iv_) phase1_iv_ = first_iv();
    const std::uint32_t id = header.message_id.value;
    if (id == 0) return *phase1_iv_;
    auto& iv = message_ivs_[id];
    if (iv.empty()) {
        // hash(last block of phase 1 | M-ID)
        Writer message_id;
        message_id.u32(id);
        iv = digest(chosen_->hash, {*phase1_iv_, message_id.view()});
        iv.resize(block());
    }
    return iv;
}

void Session::note_clear(const Message& m) {
    if (const Payload* ke = m.payloads().find(PayloadType::KeyExchange))
        public_values_.push_back(to_bytes(ke->body));
    const Payload* sa = m.payloads().find(PayloadType::SecurityAssociation);
    if (sa == nullptr || m.header().cookies.responder.is_zero()) return;
    const auto answer = SaPayload::parse(*sa);
    if (answer) chosen_ = Phase1Transform::decode(answer->proposals[0].transforms[0]).value();
}

Result<Message> Session::open(ByteView datagram) {
    RACOON_TRY(Message m, Message::parse(to_bytes(datagram)));
    if (!m.header().encrypted()) {
        note_clear(m);
        return m;
    }
    if (!chosen_ || public_values_.size() < 2)
        return fail(Errc::InvalidState, "encrypted before both public values were seen");
    if (m.body().size() % block() != 0 || m.body().empty())
        return fail(Errc::Malformed, "the body is not made of whole blocks");
    const EVP_CIPHER* cipher = cipher_of(key_.size(), chosen_->encryption);
    const auto repeated = seen_.find(to_bytes(datagram));
    if (repeated != seen_.end())
        return Message::decrypted(m.header(), decrypt(cipher, key_, repeated->second, m.body()));
    Bytes& iv = iv_of(m.header());
    const Bytes plain = decrypt(cipher, key_, iv, m.body());
    seen_[to_bytes(datagram)] = iv;
    iv = to_bytes(m.body().last(block()));
    return Message::decrypted(m.header(), plain);
}

}  // namespace racoon::test
