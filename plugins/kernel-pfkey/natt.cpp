// ESP in UDP: whose sockets it goes through, and peers whose NAT gives them another port.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "backend.hpp"

namespace racoon::kernel_pfkey {

using namespace pfkey;

// The kernel takes ESP off this socket by itself, and leaves what else comes.
racoon_status Backend::give_esp(int fd, int type, std::uint32_t family, racoon_error* err) {
    if (::setsockopt(fd, IPPROTO_UDP, requests_.dialect().udp_encap, &type, sizeof(type)) == 0)
        return RACOON_OK;
    const int error = errno;
    if (family == 6) {  // Linux before 5.8
        log(RACOON_LOG_NOTIFY, "no ESP in UDP over IPv6: this kernel is too old for it");
        return RACOON_OK;
    }
    return sdk::refuse_errno(err, "ESP in UDP on a socket of IKE", error);
}

bool Backend::takes_non_ike() const {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int type = kUdpEncapsulationNonIke;
    const bool taken = fd >= 0 && ::setsockopt(fd, IPPROTO_UDP, requests_.dialect().udp_encap,
                                               &type, sizeof(type)) == 0;
    if (fd >= 0) ::close(fd);
    return taken;
}

racoon_status Backend::bind_natt_socket(std::int32_t fd, std::uint32_t family, racoon_error* err) {
    return give_esp(fd, kUdpEncapsulation, family, err);
}

racoon_status Backend::bind_ike_socket(std::int32_t fd, std::uint32_t family, racoon_error* err) {
    return give_esp(fd, kUdpEncapsulationNonIke, family, err);
}

racoon_status Backend::sa_move(const racoon_kernel_sa_id& id, const racoon_addr& peer, racoon_op,
                               racoon_error* err) {
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    if (at == sas_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such SA of ours");
    const bool inbound = at->second.direction == RACOON_DIR_IN;
    if (peer.port == 0 || !sdk::same_address(inbound ? at->second.id.src : at->second.id.dst, peer))
        return sdk::fail(err, RACOON_INVALID_ARGUMENT, "an SA moves to another address");
    const Dialect& d = requests_.dialect();
    if (d.natt_move == Move::None)
        return sdk::fail(err, RACOON_NOT_SUPPORTED,
                         std::string(d.name) + " changes no port of an SA in use");
    std::optional<Message> update;
    Message question = name_sa(kGet, at->second.id);
    int error = requests_.transact(question, [&](const Message& answer) {
        update = move_message(answer, inbound, peer.port, d);
    });
    if (error == 0 && !update)
        return sdk::fail(err, RACOON_INVALID_ARGUMENT, "the SA is not in UDP");
    if (error == 0) {
        error = requests_.transact(*update);
        wipe(*update);
    }
    if (error != 0) return sdk::refuse_errno(err, "another port of an SA in UDP", error);
    return RACOON_OK;
}

// Such a message has the peer's new address where else the destination is, and so does not say which of our own
// addresses the SA is for: its SPI and the peer's old address do.
void Backend::on_mapping(const Message& m) {
    if (!m.sa || !m.src) return;
    for (const auto& [key, sa] : sas_) {
        if (sa.direction != RACOON_DIR_IN || sa.id.spi != m.sa->spi ||
            sa.id.protocol != protocol_of(m.satype) || !sdk::same_address(sa.id.src, m.src->addr))
            continue;
        Sa moved = sa;
        moved.id.src = end_of(m.dst, m.natt_dport);
        return emit(RACOON_KERNEL_MAPPING, &moved);
    }
}

}  // namespace racoon::kernel_pfkey
