#include "netns.hpp"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace racoon::test {
namespace {

bool write_file(const char* path, const std::string& text) {
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool done = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::close(fd);
    return done;
}

// As `unshare -r`: only uid 0 is mapped, onto the user's own.
bool become_root_of_own_namespace() {
    static bool done = ::geteuid() == 0;
    if (done) return true;
    const std::string uid = std::to_string(::geteuid());
    const std::string gid = std::to_string(::getegid());
    if (::unshare(CLONE_NEWUSER) != 0) return false;
    write_file("/proc/self/setgroups", "deny");
    done = write_file("/proc/self/uid_map", "0 " + uid + " 1") &&
           write_file("/proc/self/gid_map", "0 " + gid + " 1");
    return done;
}

int new_namespace() {
    if (::unshare(CLONE_NEWNET) != 0) return -1;
    return ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

}  // namespace

int run(const std::string& command, std::string* output) {
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    if (pipe == nullptr) return -1;
    char buffer[4096];
    std::string text;
    while (std::size_t n = std::fread(buffer, 1, sizeof(buffer), pipe)) text.append(buffer, n);
    const int status = ::pclose(pipe);
    if (output != nullptr) *output = text;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TwoHosts::TwoHosts() {
    if (!become_root_of_own_namespace()) {
        problem_ = "neither root nor allowed to make a user namespace";
        return;
    }
    home_ = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    for (int& space : spaces_) space = new_namespace();
    if (home_ < 0 || spaces_[0] < 0 || spaces_[1] < 0) {
        problem_ = std::string("network namespaces: ") + std::strerror(errno);
        return;
    }
    const std::string other =
        "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(spaces_[1]);
    std::string output;
    const std::string link =
        "ip link set lo up && ip link add eth0 type veth peer name eth1 && "
        "ip link set eth1 netns " +
        other;
    if (run_in(0, link, &output) != 0) problem_ = "ip link: " + output;
    for (int host = 0; host < 2 && problem_.empty(); ++host) {
        const std::string n = std::to_string(host + 1);
        const std::string m = std::to_string(2 - host);
        const std::string device = "eth" + std::to_string(host);
        const std::string setup = "ip link set lo up && ip link set " + device +
                                  " up && "
                                  "ip addr add 10.9.0." +
                                  n + "/24 dev " + device +
                                  " && "
                                  "ip addr add fd09::" +
                                  n + "/64 dev " + device +
                                  " nodad && "
                                  "ip addr add 192.168." +
                                  n +
                                  ".1/24 dev lo && "
                                  "ip addr add fd0" +
                                  n +
                                  "::1/64 dev lo nodad && "
                                  "ip route add 192.168." +
                                  m + ".0/24 via 10.9.0." + m + " src 192.168." + n +
                                  ".1 && "
                                  "ip -6 route add fd0" +
                                  m + "::/64 via fd09::" + m + " src fd0" + n + "::1";
        if (run_in(host, setup, &output) != 0) problem_ = "host " + n + ": " + output;
    }
    if (!problem_.empty()) return;
    for (int host = 0; host < 2; ++host) {
        enter(host);
        captures_[host] =
            ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
        sockaddr_ll at{};
        at.sll_family = AF_PACKET;
        at.sll_protocol = htons(ETH_P_ALL);
        at.sll_ifindex = static_cast<int>(::if_nametoindex(host == 0 ? "eth0" : "eth1"));
        if (captures_[host] < 0 ||
            ::bind(captures_[host], reinterpret_cast<sockaddr*>(&at), sizeof(at)) != 0) {
            problem_ = std::string("capture: ") + std::strerror(errno);
        }
    }
}

TwoHosts::~TwoHosts() {
    if (home_ >= 0) ::setns(home_, CLONE_NEWNET);
    for (const int fd : {home_, spaces_[0], spaces_[1], captures_[0], captures_[1]}) {
        if (fd >= 0) ::close(fd);
    }
}

void TwoHosts::enter(int host) {
    if (::setns(spaces_[host], CLONE_NEWNET) != 0) std::abort();
}

int TwoHosts::run_in(int host, const std::string& command, std::string* output) {
    enter(host);
    return run(command, output);
}

int TwoHosts::start_in(int host, const std::string& command) {
    enter(host);
    const pid_t pid = ::fork();
    if (pid == 0) {
        const int null = ::open("/dev/null", O_RDWR);
        ::dup2(null, 0);
        ::dup2(null, 1);
        ::execl("/bin/sh", "sh", "-c", ("exec " + command).c_str(), static_cast<char*>(nullptr));
        ::_exit(127);
    }
    return pid;
}

bool TwoHosts::ended(int pid, int* status) {
    int raw = 0;
    if (::waitpid(pid, &raw, WNOHANG) != pid) return false;
    *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : -1;
    return true;
}

std::vector<std::vector<std::uint8_t>> TwoHosts::captured() {
    std::vector<std::vector<std::uint8_t>> frames;
    std::uint8_t buffer[65536];
    for (const int fd : captures_) {
        sockaddr_ll from{};
        socklen_t size = sizeof(from);
        ssize_t n = 0;
        while ((n = ::recvfrom(fd, buffer, sizeof(buffer), 0, reinterpret_cast<sockaddr*>(&from),
                               &size)) >= 0) {
            if (from.sll_pkttype == PACKET_OUTGOING) frames.emplace_back(buffer, buffer + n);
            size = sizeof(from);
        }
    }
    return frames;
}

void TwoHosts::inject(const std::vector<std::uint8_t>& frame) {
    if (::send(captures_[0], frame.data(), frame.size(), 0) < 0) std::abort();
}

std::vector<std::vector<std::uint8_t>> ip_packets(
    const std::vector<std::vector<std::uint8_t>>& frames) {
    std::vector<std::vector<std::uint8_t>> out;
    for (const auto& f : frames) {
        if (f.size() < 14 + 20) continue;
        const unsigned type = static_cast<unsigned>(f[12] << 8 | f[13]);
        if (type != ETH_P_IP && type != ETH_P_IPV6) continue;
        std::vector<std::uint8_t> packet(f.begin() + 14, f.end());
        const bool six = packet[0] >> 4 == 6 && packet.size() > 40;
        // Neighbour discovery and multicast listener reports belong to the cable, not to the tunnel.
        const bool control = six && ((packet[6] == 58 && packet[40] >= 130) || packet[6] == 0);
        if (!control) out.push_back(std::move(packet));
    }
    return out;
}

bool is_esp(const std::vector<std::uint8_t>& packet) {
    return packet[packet[0] >> 4 == 4 ? 9 : 6] == 50;
}

bool contains(const std::vector<std::uint8_t>& packet, const std::string& text) {
    return std::search(packet.begin(), packet.end(), text.begin(), text.end()) != packet.end();
}

}  // namespace racoon::test
