// Two hosts in network namespaces of this process's own, joined by a cable: 10.9.0.1 – 10.9.0.2 and
// fd09::1 – fd09::2 outside; 192.168.1.1 and fd01::1, 192.168.2.1 and fd02::1 inside. Works as root,
// and as an ordinary user where user namespaces are allowed. All is gone with the object.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace racoon::test {

/// Runs a shell command; its exit status, and its output in `output` if asked for.
int run(const std::string& command, std::string* output = nullptr);

class TwoHosts {
  public:
    TwoHosts();
    ~TwoHosts();
    TwoHosts(const TwoHosts&) = delete;
    TwoHosts& operator=(const TwoHosts&) = delete;

    /// Empty: all is set up; else what is missing.
    const std::string& problem() const { return problem_; }

    /// What is opened after this belongs to host 0 or 1.
    void enter(int host);
    int run_in(int host, const std::string& command, std::string* output = nullptr);
    /// Starts a command on that host; -1: it could not be started.
    int start_in(int host, const std::string& command);
    /// Reaps it if it has ended; its exit status then.
    static bool ended(int pid, int* status);

    /// Frames that either host has put on the cable since the last call, host 0's first. (What a
    /// kernel takes out of a tunnel shows up at the receiver's tap, too, but was not on the cable.)
    std::vector<std::vector<std::uint8_t>> captured();
    /// Sends a frame from host 0 to host 1.
    void inject(const std::vector<std::uint8_t>& frame);

  private:
    std::string problem_;
    int home_ = -1;
    int spaces_[2] = {-1, -1};
    int captures_[2] = {-1, -1};
};

/// IP packets among the frames, without Ethernet header, that are not neighbour discovery or ARP.
std::vector<std::vector<std::uint8_t>> ip_packets(
    const std::vector<std::vector<std::uint8_t>>& frames);
bool is_esp(const std::vector<std::uint8_t>& packet);
bool contains(const std::vector<std::uint8_t>& packet, const std::string& text);

}  // namespace racoon::test
