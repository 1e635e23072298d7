// fuzz: credential_files_code
// Plain RSA key files: whatever they hold, the parser stays within it, its keys obey the rules, and
// errors have a place.
#include "rsa_key_file.hpp"

#include <cstdint>
#include <cstdlib>
#include <vector>

namespace {

using namespace credential_files;

void check(bool good) {
    if (!good) std::abort();
}

void drive(const std::uint8_t* data, std::size_t size, RsaUse use) {
    std::vector<std::uint8_t> text(data, data + size);  // numbers are decoded in place
    const RsaKeyFile file = RsaKeyFile::parse(text, use);
    check(file.remarks().size() <= kMaxRsaRemarks);
    if (!file.good()) {
        check(file.keys().empty() && file.error().line >= 1 && file.error().column >= 1 &&
              !file.error().text.empty());
        return;
    }
    check(!file.keys().empty() && file.keys().size() <= kMaxRsaKeys);
    racoon_addr ours{}, peer{};
    ours.family = 4;
    peer.family = 6;
    for (const RsaKey& key : file.keys()) {
        for (const Number n : {key.n, key.e, key.d, key.p, key.q, key.dp, key.dq, key.qinv})
            check(n.empty() || (n[0] != 0 && n.data() >= text.data() &&
                                n.data() + n.size() <= text.data() + text.size()));
        check(bit_length(key.n) >= kMinModulusBits && bit_length(key.n) <= kMaxModulusBits);
        check((key.n.back() & 1) != 0 && (key.e.back() & 1) != 0);
        check(bit_length(key.e) >= 2 && bit_length(key.e) <= kMaxExponentBits);
        check(key.is_private == (use == RsaUse::Private) && key.is_private == !key.d.empty());
        check(key.p.empty() == key.qinv.empty() && key.p.empty() == key.q.empty());
        check(key.source.length <= (key.source.family == 4 ? 32 : 128));
        check(key.line >= 1 && key.column >= 1);
        check(score(key, ours, peer) <= 160);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    drive(data, size, RsaUse::Public);
    drive(data, size, RsaUse::Private);
    return 0;
}
