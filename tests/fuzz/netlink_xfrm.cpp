// fuzz: racoon_xfrm_codec
// Datagrams of the kernel, and lines of a journal that somebody has been at.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "codec.hpp"
#include <racoon/kernel_journal.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace racoon::kernel_xfrm;
    using namespace racoon::sdk;
    split_datagram({data, size}, [](const Message& m) {
        read_error(m);
        if (const auto event = read_event(m)) {
            if (event->kind == KernelEvent::Kind::Acquire)
                allocate_spi(event->larval, event->sequence, event->larval_marks);
        }
        read_sa(m);
        read_policy(m);
        return true;
    });
    const std::string line(reinterpret_cast<const char*>(data), size);
    racoon_kernel_sa_id id{};
    racoon_kernel_policy policy{};
    std::uint32_t reqid = 0;
    if (parse_sa_entry(line, &id, &reqid)) {
        racoon_kernel_sa_id again{};
        if (!parse_sa_entry(sa_entry(id, reqid), &again, &reqid) || again.spi != id.spi)
            std::abort();
    }
    if (parse_policy_entry(line, &policy)) {
        racoon_kernel_policy again{};
        if (!parse_policy_entry(policy_entry(policy, policy.direction), &again)) std::abort();
        if (again.selector.remote_prefix != policy.selector.remote_prefix) std::abort();
    }
    return 0;
}
