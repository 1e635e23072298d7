// Microseconds per operation of crypto-openssl, through its tables, on one core. Run by hand:
//     bench_crypto
#include <chrono>
#include <cstdio>
#include <functional>

#include "support/plugin_fixture.hpp"

namespace {

using namespace racoon::test;

/// Runs `work` for about 300 ms after a warm-up; microseconds per call.
double measure(const std::function<void()>& work) {
    using Clock = std::chrono::steady_clock;
    work();
    const auto start = Clock::now();
    std::chrono::duration<double, std::micro> passed{};
    std::size_t runs = 0;
    do {
        for (int i = 0; i < 8; ++i) work();
        runs += 8;
        passed = Clock::now() - start;
    } while (passed.count() < 300'000);
    return passed.count() / static_cast<double>(runs);
}

}  // namespace

int main() {
    FakeHost host;
    const auto plugin = LoadedPlugin::load("crypto-openssl", host);
    if (!plugin) return 1;

    for (const char* name : {"sha1", "sha256", "sha512"}) {
        const auto hash = plugin->find<racoon_hash>(RACOON_POINT_HASH, name);
        const std::vector<std::uint8_t> key(32, 0xaa);
        const std::vector<std::uint8_t> text(16, 0x55);
        const racoon_span part = span_of(text);
        std::uint8_t out[RACOON_MAX_DIGEST];
        std::printf("%-10s digest of 16 bytes %8.2f   hmac of 16 bytes %8.2f\n", name,
                    measure([&] { hash.table->digest(hash.impl, &part, 1, out); }),
                    measure([&] { hash.table->hmac(hash.impl, span_of(key), &part, 1, out); }));
    }
    const auto aes = plugin->find<racoon_cipher>(RACOON_POINT_CIPHER, "aes");
    std::uint8_t key[2][16] = {{1}, {2}};
    std::uint8_t iv[16] = {};
    std::vector<std::uint8_t> packet(128);
    void* handle[2] = {};
    for (int i = 0; i < 2; ++i) aes.table->key_new(aes.impl, key[i], 16, &handle[i]);
    std::printf("%-10s 128 bytes, same key  %8.2f   alternating keys %8.2f\n", "aes-128",
                measure([&] {
                    aes.table->crypt(aes.impl, handle[0], 1, iv, packet.data(), packet.size());
                }),
                measure([&] {
                    std::swap(handle[0], handle[1]);
                    aes.table->crypt(aes.impl, handle[0], 1, iv, packet.data(), packet.size());
                }));
    for (void* h : handle) aes.table->key_free(aes.impl, h);

    for (const auto& p : host.provided) {
        if (p.point != RACOON_POINT_DH_GROUP) continue;
        const auto* table = static_cast<const racoon_dh_group*>(p.table);
        std::uint8_t public_value[1024];
        std::uint8_t secret[1024];
        void* pair = nullptr;
        if (table->generate(p.impl, public_value, &pair)) return 1;
        std::size_t size = 0;
        while (size <= sizeof public_value && table->check_public(p.impl, {public_value, size}))
            ++size;
        const double generate = measure([&] {
            void* other = nullptr;
            std::uint8_t scratch[1024];
            table->generate(p.impl, scratch, &other);
            table->free(p.impl, other);
        });
        const double compute = measure([&] {
            table->compute(p.impl, pair, {public_value, size}, secret);
        });
        const double check = measure([&] { table->check_public(p.impl, {public_value, size}); });
        std::printf("%-10s generate %8.1f   compute %8.1f   check %8.2f\n", p.key.c_str(), generate,
                    compute, check);
        table->free(p.impl, pair);
    }
    return 0;
}
