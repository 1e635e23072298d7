// fuzz: racoon_userspace_setkey
// What setkey, or whoever else has opened the local socket, says to the stack in user space: it is taken apart into
// SAs and policies, which pass the checks that backends make, and what they are shown as is read again the same.
#include <cstdint>
#include <cstdlib>

#include <racoon/kernel_backend.hpp>

#include "setkey_messages.hpp"

namespace {

using namespace racoon;
using namespace racoon::kernel_userspace;

void expect_readable(const pfkey::Message& m) {
    const auto bytes = encode(m, pfkey::linux_dialect());
    const auto again = decode(bytes, pfkey::linux_dialect());
    if (!again || encode(*again, pfkey::linux_dialect()) != bytes) std::abort();
}

void take(const pfkey::Message& m) {
    racoon_kernel_sa sa{};
    if (read_sa(m, &sa) == 0) {
        sa.direction = RACOON_DIR_IN;
        if (sdk::check_sa(sa, nullptr) != RACOON_OK) std::abort();
        racoon_kernel_sa_info info{};
        info.protocol = sa.protocol;
        info.mode = sa.mode;
        info.spi = sa.spi;
        info.src = sa.src;
        info.dst = sa.dst;
        info.state = 1;
        expect_readable(describe(pfkey::kDump, info, note_of(sa, 1), 2));
    }
    racoon_kernel_sa_id name{};
    read_name(m, &name);
    racoon_kernel_spi_request spi{};
    if (read_spi_request(m, &spi) == 0 && (spi.min_spi == 0 || spi.min_spi > spi.max_spi))
        std::abort();
    racoon_kernel_policy policy{};
    const auto fresh = [] { return 16384u; };
    if (read_policy(m, fresh, &policy) == 0) {
        if (sdk::check_policy(policy, nullptr) != RACOON_OK) std::abort();
        const pfkey::Message shown = describe(pfkey::kSpdDump, policy, 9, 1, 2);
        expect_readable(shown);
        racoon_kernel_policy again{};
        if (read_policy(shown, fresh, &again) != 0 || !sdk::same_place(policy, again)) std::abort();
    }
    expect_readable(refusal(m, 22));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (const auto m = pfkey::decode(pfkey::ByteView(data, size), pfkey::linux_dialect())) take(*m);
    return 0;
}
