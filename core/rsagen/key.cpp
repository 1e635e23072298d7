#include "rsagen/key.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <vector>

#include "rsagen/arguments.hpp"

namespace racoon::rsagen {

namespace {

template <auto Function>
struct Call {
    template <typename T>
    void operator()(T* object) const {
        Function(object);
    }
};
using Bn = std::unique_ptr<BIGNUM, Call<BN_clear_free>>;
using PkeyCtx = std::unique_ptr<EVP_PKEY_CTX, Call<EVP_PKEY_CTX_free>>;
using File = std::unique_ptr<std::FILE, Call<std::fclose>>;

Failure openssl_failed(const std::string& doing) {
    char text[200] = "no reason given";
    if (const unsigned long code = ERR_peek_last_error(); code != 0)
        ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return fail(Errc::Crypto, doing + ": " + text);
}

/// Null: the key has no such number.
Bn number(const EVP_PKEY* key, const char* name) {
    BIGNUM* out = nullptr;
    if (EVP_PKEY_get_bn_param(key, name, &out) != 1) return nullptr;
    return Bn(out);
}

/// The text of a key; wiped when it goes, and when it grows.
class Text {
  public:
    Text() : bytes_(kCapacity) {}
    void add(std::string_view text) {
        for (const char c : text) {
            if (size_ == bytes_.size()) {
                full_ = true;
                return;
            }
            bytes_.span()[size_++] = static_cast<std::uint8_t>(c);
        }
    }
    void add_hex(const Bn& value) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        Secret bytes(static_cast<std::size_t>(BN_num_bytes(value.get())));
        BN_bn2bin(value.get(), bytes.span().data());
        for (const std::uint8_t byte : bytes.view()) {
            add(kDigits.substr(byte >> 4, 1));
            add(kDigits.substr(byte & 15, 1));
        }
    }
    Result<Secret> take() && {
        if (full_) return fail(Errc::Internal, "the key is too long to write");
        bytes_.truncate(size_);
        return std::move(bytes_);
    }

  private:
    // A key of 16384 bits: eight numbers and twice the public key.
    static constexpr std::size_t kCapacity = 64 * 1024;
    Secret bytes_;
    std::size_t size_ = 0;
    bool full_ = false;
};

/// 0s and base64 of RFC 3110 section 2: the exponent's length, the exponent, the modulus.
std::string public_text(const Bn& n, const Bn& e) {
    const auto n_size = static_cast<std::size_t>(BN_num_bytes(n.get()));
    const auto e_size = static_cast<std::size_t>(BN_num_bytes(e.get()));
    std::vector<unsigned char> raw(1 + e_size + n_size);
    raw[0] = static_cast<unsigned char>(e_size);  // at most 8, as checked()
    BN_bn2bin(e.get(), raw.data() + 1);
    BN_bn2bin(n.get(), raw.data() + 1 + e_size);
    std::vector<unsigned char> base64((raw.size() + 2) / 3 * 4 + 1);
    const int size = EVP_EncodeBlock(base64.data(), raw.data(), static_cast<int>(raw.size()));
    return "0s" + std::string(base64.begin(), base64.begin() + size);
}

/// No prompt: a program in a script must not wait for somebody.
int no_password(char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

}  // namespace

void Key::Free::operator()(evp_pkey_st* key) const {
    EVP_PKEY_free(key);
}

Result<Key> Key::generate(unsigned bits, std::uint64_t exponent) {
    const PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    const Bn e(BN_new());
    EVP_PKEY* made = nullptr;
    // From bytes: BN_ULONG need not hold 64 bits.
    std::array<unsigned char, 8> big_endian{};
    for (std::size_t i = 0; i < big_endian.size(); ++i)
        big_endian[i] = static_cast<unsigned char>(exponent >> (56 - 8 * i));
    if (!ctx || !e || !BN_bin2bn(big_endian.data(), static_cast<int>(big_endian.size()), e.get()) ||
        EVP_PKEY_keygen_init(ctx.get()) != 1 ||
        EVP_PKEY_CTX_set_rsa_keygen_bits(ctx.get(), static_cast<int>(bits)) != 1 ||
        EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx.get(), e.get()) != 1 ||
        EVP_PKEY_generate(ctx.get(), &made) != 1)
        return openssl_failed("making a key of " + std::to_string(bits) + " bits");
    return Key(Handle(made), true);
}

Result<Key> Key::checked(Handle key, bool is_private, const std::string& path) {
    if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA)
        return fail(Errc::Unsupported, path + ": found a key of another kind, expected RSA");
    const int bits = EVP_PKEY_get_bits(key.get());
    if (bits < static_cast<int>(kMinBits) || bits > static_cast<int>(kMaxBits))
        return fail(Errc::Unsupported, path + ": found a key of " + std::to_string(bits) +
                                           " bits, expected " + std::to_string(kMinBits) + " to " +
                                           std::to_string(kMaxBits));
    const Bn e = number(key.get(), OSSL_PKEY_PARAM_RSA_E);
    if (!e || !BN_is_odd(e.get()) || BN_is_one(e.get()) || BN_num_bytes(e.get()) > 8)
        return fail(Errc::Unsupported,
                    path + ": expected an odd public exponent of at most 64 bits, as 65537");
    return Key(std::move(key), is_private);
}

Result<Key> Key::read_pem(const std::string& path) {
    const File file(std::fopen(path.c_str(), "re"));
    if (!file) return fail_os(path, errno);
    bool asked = false;
    Handle key(PEM_read_PrivateKey(file.get(), nullptr, no_password, &asked));
    if (key) return checked(std::move(key), true, path);
    if (asked)
        return fail(Errc::Unsupported, path +
                                           ": the key is encrypted; decrypt it first, as with: "
                                           "openssl pkey -in " +
                                           path + " -out FILE");
    std::rewind(file.get());
    key.reset(PEM_read_PUBKEY(file.get(), nullptr, no_password, &asked));
    ERR_clear_error();
    if (key) return checked(std::move(key), false, path);
    return fail(Errc::Malformed, path + ": found no key in PEM, private or public");
}

Result<Secret> Key::text() const {
    const Bn n = number(key_.get(), OSSL_PKEY_PARAM_RSA_N);
    const Bn e = number(key_.get(), OSSL_PKEY_PARAM_RSA_E);
    if (!n || !e) return openssl_failed("reading the key's numbers");
    const std::string pub = public_text(n, e);
    Text out;
    if (!is_private_) {
        out.add(": PUB " + pub + "\n");
        return std::move(out).take();
    }
    out.add("# : PUB " + pub + "\n: RSA\t{\n\t# RSA " + std::to_string(BN_num_bits(n.get())) +
            " bits\n\t# pubkey=" + pub + "\n");
    constexpr std::array<std::array<const char*, 2>, 8> kFields = {{
        {"Modulus", OSSL_PKEY_PARAM_RSA_N},
        {"PublicExponent", OSSL_PKEY_PARAM_RSA_E},
        {"PrivateExponent", OSSL_PKEY_PARAM_RSA_D},
        {"Prime1", OSSL_PKEY_PARAM_RSA_FACTOR1},
        {"Prime2", OSSL_PKEY_PARAM_RSA_FACTOR2},
        {"Exponent1", OSSL_PKEY_PARAM_RSA_EXPONENT1},
        {"Exponent2", OSSL_PKEY_PARAM_RSA_EXPONENT2},
        {"Coefficient", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
    }};
    for (const auto& [name, parameter] : kFields) {
        const Bn value = number(key_.get(), parameter);
        if (!value) return openssl_failed(std::string("reading the key's ") + name);
        out.add(std::string("\t") + name + ": 0x");
        out.add_hex(value);
        out.add("\n");
    }
    out.add("  }\n");
    return std::move(out).take();
}

}  // namespace racoon::rsagen
