// The daemon that a benchmark measures: racoon in the foreground, its files in a folder of its own.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "bench/initiator.hpp"

namespace racoon::bench {

namespace fs = std::filesystem;

inline void write_file(const fs::path& path, const std::string& text) {
    std::ofstream(path) << text;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
}

/// The lines that every such racoon.conf begins with: modules, files in `dir`, one socket.
inline std::string daemon_preamble(const fs::path& dir, std::uint16_t port) {
    return "path module \"" RACOON_BUILD_DIR
           "/lib/racoon/modules\";\n"
           "path pre_shared_key \"" +
           (dir / "psk.txt").string() + "\";\npath pidfile \"" + (dir / "racoon.pid").string() +
           "\";\nmodule \"crypto-openssl\"; module \"auth-psk\"; module \"credential-files\";"
           " module \"kernel-sim\"; kernel sim;\npolicy file \"" +
           (dir / "policies.conf").string() + "\";\nlisten { isakmp 127.0.0.1 [" +
           std::to_string(port) + "]; adminsock \"" + (dir / "racoon.sock").string() + "\"; }\n";
}

class Daemon {
  public:
    /// psk.txt and policies.conf are there already.
    Daemon(const fs::path& dir, const std::string& config) {
        write_file(dir / "racoon.conf", config);
        const std::string conf = (dir / "racoon.conf").string();
        const std::string log = (dir / "racoon.log").string();
        pid_ = ::fork();
        must(pid_ >= 0, "fork");
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // a killed benchmark leaves none behind
            const int null = ::open("/dev/null", O_RDWR);
            ::dup2(null, 0);
            ::dup2(null, 1);
            ::execl(RACOON_BUILD_DIR "/sbin/racoon", "racoon", "-F", "-f", conf.c_str(), "-l",
                    log.c_str(), static_cast<char*>(nullptr));
            ::_exit(127);
        }
        for (int i = 0; i < 500 && !fs::exists(dir / "racoon.sock"); ++i) {
            int status = 0;
            if (::waitpid(pid_, &status, WNOHANG) == pid_) {
                std::fprintf(stderr, "the daemon did not start; its log:\n");
                std::system(("tail -5 " + log).c_str());
                std::exit(1);
            }
            ::usleep(20'000);
        }
    }
    ~Daemon() {
        ::kill(pid_, SIGTERM);
        int status = 0;
        ::waitpid(pid_, &status, 0);
    }

    /// Nanoseconds on a processor so far, of the daemon and its children.
    std::uint64_t cpu_ns() const {
        std::uint64_t sum = 0;
        for (const pid_t pid : tree()) {
            std::error_code ec;
            for (const auto& task :
                 fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", ec)) {
                std::uint64_t ns = 0;
                std::ifstream(task.path() / "schedstat") >> ns;
                sum += ns;
            }
        }
        return sum;
    }

    /// Resident memory in KiB, of all of them.
    std::uint64_t rss_kib() const {
        std::uint64_t sum = 0;
        for (const pid_t pid : tree()) {
            std::ifstream in("/proc/" + std::to_string(pid) + "/status");
            for (std::string word; in >> word;)
                if (word == "VmRSS:") {
                    std::uint64_t kib = 0;
                    in >> kib;
                    sum += kib;
                }
        }
        return sum;
    }

  private:
    std::vector<pid_t> tree() const {
        std::vector<pid_t> out{pid_};
        for (std::size_t i = 0; i < out.size(); ++i) {
            std::ifstream in("/proc/" + std::to_string(out[i]) + "/task/" + std::to_string(out[i]) +
                             "/children");
            for (pid_t child; in >> child;) out.push_back(child);
        }
        return out;
    }
    pid_t pid_ = -1;
};

}  // namespace racoon::bench
