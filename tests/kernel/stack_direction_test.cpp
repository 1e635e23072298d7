// kernel-xfrm on a kernel that knows the direction of SAs (Linux 6.10), which the guest's does not: what that kernel adds to
// its answers and refuses in requests is done here, between the module and the guest's.
#include <linux/netlink.h>
#include <linux/xfrm.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include "codec.hpp"
#include "stack_fixture.hpp"

extern "C" {
ssize_t __real_mnl_socket_recvfrom(const void* socket, void* bytes, std::size_t size);
ssize_t __wrap_mnl_socket_recvfrom(const void* socket, void* bytes, std::size_t size);
}

namespace racoon::test {
namespace {

using namespace kernel_xfrm;

constexpr std::uint16_t kSaDirection = 33;  // XFRMA_SA_DIR
constexpr std::uint8_t kIn = 1, kOut = 2;

struct YoungKernel {
    bool on = false;
    std::map<std::uint32_t, std::uint8_t>
        directions;          // by SPI, as SAs of this test have different ones
    std::uint8_t asked = 0;  // in the last ALLOCSPI
    unsigned larvals = 0, completed = 0, added = 0;  // with a direction

    static std::uint8_t said(const Message& m, std::size_t skip) {
        const ByteView value = find_attribute(m, skip, kSaDirection);
        return value.size() == 1 ? value[0] : 0;
    }
    // As verify_newsa_info, verify_replay and xfrm_state_update do.
    int refuses(const Message& m) {
        if (m.type == XFRM_MSG_ALLOCSPI) {
            asked = said(m, sizeof(xfrm_userspi_info));
            return 0;
        }
        if (m.type != XFRM_MSG_NEWSA && m.type != XFRM_MSG_UPDSA) return 0;
        const auto info = xfrm::copy_from<xfrm_usersa_info>(m.body);
        if (!info) return EINVAL;
        const std::uint8_t direction = said(m, sizeof(xfrm_usersa_info));
        xfrm_replay_state_esn esn{};
        const ByteView value = find_attribute(m, sizeof(xfrm_usersa_info), XFRMA_REPLAY_ESN_VAL);
        if (value.size() >= sizeof esn) std::memcpy(&esn, value.data(), sizeof esn);
        if (direction == kOut && (info->replay_window != 0 || esn.replay_window != 0))
            return EINVAL;
        if (direction == kIn && (esn.oseq != 0 || esn.oseq_hi != 0)) return EINVAL;
        const std::uint32_t spi = ntohl(info->id.spi);
        if (m.type == XFRM_MSG_UPDSA) {
            const auto before = directions.find(spi);
            if (before != directions.end() && before->second != direction) return EINVAL;
            completed += direction != 0 ? 1 : 0;
        } else {
            added += direction != 0 ? 1 : 0;
        }
        directions[spi] = direction;
        return 0;
    }
    // The answer to ALLOCSPI or GETSA, one SA for itself, gets its direction.
    std::size_t completes(std::uint8_t* bytes, std::size_t size, std::size_t room) {
        nlmsghdr head;
        xfrm_usersa_info info;
        struct {
            nlattr head;
            std::uint8_t value[4];
        } more{{sizeof(nlattr) + 1, kSaDirection}, {}};
        if (size < sizeof head + sizeof info || size + sizeof more > room) return size;
        std::memcpy(&head, bytes, sizeof head);
        std::memcpy(&info, bytes + NLMSG_HDRLEN, sizeof info);
        if (head.nlmsg_type != XFRM_MSG_NEWSA || head.nlmsg_len != size ||
            (head.nlmsg_flags & NLM_F_MULTI) != 0)
            return size;
        const std::uint32_t spi = ntohl(info.id.spi);
        if (directions.count(spi) == 0) {
            directions[spi] = asked;
            larvals += asked == kIn ? 1 : 0;
        }
        more.value[0] = directions[spi];
        if (more.value[0] == 0) return size;
        head.nlmsg_len += sizeof more;
        std::memcpy(bytes, &head, sizeof head);
        std::memcpy(bytes + size, &more, sizeof more);
        return size + sizeof more;
    }
};
YoungKernel young;

struct DirectedStack : Stack {
    void SetUp() override {
        young = {};
        young.on = true;
        judge = [](const void* bytes, std::size_t size) {
            int error = 0;
            split_datagram({static_cast<const std::uint8_t*>(bytes), size}, [&](const Message& m) {
                error = young.refuses(m);
                return error == 0;
            });
            return error;
        };
        Stack::SetUp();
        for (int i = 0; i < 2; ++i) {
            racoon_kernel_caps caps{};
            caps.struct_size = sizeof caps;
            net.enter(i);
            host(i).table().capabilities(host(i).impl(), &caps);
            EXPECT_NE(host(i).log.find("SA direction: yes"), std::string::npos) << host(i).log;
        }
        young.larvals = young.completed = young.added = 0;
    }
    void TearDown() override {
        Stack::TearDown();
        judge = nullptr;
        young = {};
    }
};

TEST_F(DirectedStack, SasAreCompletedWithTheDirectionOfTheirSpi) {
    policies(kV4);
    std::uint32_t spis[2] = {};
    for (int i = 0; i < 2; ++i) {
        ASSERT_EQ(host(i).spi_get(spi_request(kV4.outer[1 - i], kV4.outer[i], 10), &spis[i]),
                  RACOON_OK);
    }
    for (int i = 0; i < 2; ++i) {
        racoon_kernel_sa in = sa(kV4, 1 - i, RACOON_DIR_IN);
        in.spi = spis[i];
        EXPECT_EQ(host(i).sa_update(in), RACOON_OK) << host(i).error();
        racoon_kernel_sa out = sa(kV4, i, RACOON_DIR_OUT);
        out.spi = spis[1 - i];
        out.sequence = 1000;              // as of one that has been restored
        young.directions.erase(out.spi);  // the other host's is another SA
        EXPECT_EQ(host(i).sa_add(out), RACOON_OK) << host(i).error();
        young.directions[spis[1 - i]] = kIn;
    }
    EXPECT_EQ(young.larvals, 2u);
    EXPECT_EQ(young.completed, 2u);
    EXPECT_EQ(young.added, 2u);
    net.captured();
    EXPECT_EQ(ping("192.168.2.1", "-c 3 -i 0.2 -W 5"), 0) << in_kernel(0);
    expect_only_esp();
}

struct Undirected : Stack {};
TEST_F(Undirected, AnOlderKernelIsToldNoDirection) {
    racoon_kernel_caps caps{};
    caps.struct_size = sizeof caps;
    a.table().capabilities(a.impl(), &caps);
    unsigned told = 0;
    judge = [&](const void* bytes, std::size_t size) {
        split_datagram({static_cast<const std::uint8_t*>(bytes), size}, [&](const Message& m) {
            if (m.type == XFRM_MSG_NEWSA) told += YoungKernel::said(m, sizeof(xfrm_usersa_info));
            if (m.type == XFRM_MSG_ALLOCSPI)
                told += YoungKernel::said(m, sizeof(xfrm_userspi_info));
            return true;
        });
        return 0;
    };
    std::uint32_t spi = 0;
    EXPECT_EQ(a.spi_get(spi_request("10.9.0.2", "10.9.0.1", 10), &spi), RACOON_OK);
    EXPECT_EQ(a.sa_add(sa(kV4, 0, RACOON_DIR_OUT)), RACOON_OK) << a.error();
    judge = nullptr;
    if (a.log.find("SA direction: no") != std::string::npos) {
        EXPECT_EQ(told, 0u);
    } else {
        EXPECT_EQ(told, unsigned{kIn + kOut}) << a.log;
    }
}

}  // namespace

}  // namespace racoon::test

ssize_t __wrap_mnl_socket_recvfrom(const void* socket, void* bytes, std::size_t size) {
    const ssize_t got = __real_mnl_socket_recvfrom(socket, bytes, size);
    auto& young = racoon::test::young;
    if (!young.on || got < 0) return got;
    return static_cast<ssize_t>(
        young.completes(static_cast<std::uint8_t*>(bytes), static_cast<std::size_t>(got), size));
}
