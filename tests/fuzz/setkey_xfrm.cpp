// fuzz: racoon_xfrm racoon_setkey
// Datagrams of the kernel's netlink as setkey shows them. What it makes of them is a message of PF_KEY, and an SA
// that can be asked for again is read as the same.
#include <cstdint>
#include <cstdlib>

#include "setkey/print.hpp"
#include "setkey/xfrm_answers.hpp"
#include "setkey/xfrm_requests.hpp"

namespace {

using namespace racoon;
using namespace racoon::setkey;

void ask_again(const Told& told) {
    XfrmRequest request = xfrm_request(told, [] { return 16384u; });
    if (!request.request) return;
    xfrm::split_datagram(request.request->bytes(), [&](const xfrm::Message& m) {
        const auto again = xfrm_told(m, 0);
        if (!again) return true;
        if (again->satype != told.satype || !again->sa != !told.sa) std::abort();
        if (!told.sa || told.type == pfkey::kDelete) return true;
        if (again->sa->spi != told.sa->spi || again->sa->encrypt != told.sa->encrypt) std::abort();
        // Bits are asked for in whole bytes.
        const auto same = [](const auto& a, const auto& b) {
            return !a ? !b : b && a->bytes == b->bytes;
        };
        if (!same(again->encrypt_key, told.encrypt_key) || !same(again->auth_key, told.auth_key))
            std::abort();
        return true;
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const PrintSetting setting{true, 1'700'000'000};
    xfrm::split_datagram({data, size}, [&](const xfrm::Message& m) {
        xfrm_is_dumped(m);
        const auto told = xfrm_told(m, setting.now);
        if (!told) return true;
        if (!xfrm_is_told(m.type)) std::abort();
        const std::vector<std::uint8_t> bytes = encode(*told, pfkey::linux_dialect());
        print_sa(*told, setting);
        print_policy(*told, setting);
        print_short(*told, setting);
        print_message(*told, bytes.size());
        ask_again(*told);
        return true;
    });
    return 0;
}
