// The list of what a backend of the kernel's own IPsec stack is about to install, so that after a crash exactly that is removed and
// nothing of anybody else's. One line per entry, written before the kernel is asked:
//
//     +sa 50 10.9.0.1 10.9.0.2 4097 7             protocol, source, destination, SPI, request id
//     +policy out 0 7 0 192.168.1.0/24 0 192.168.2.0/24 0 16/255 7    the last two: mark and if_id, if any
//     +larval-lifetime 30 165                      a setting of the kernel, as it was and as it is
//     -sa …                                        the same text: it is gone
//
// The file belongs to one network namespace and is locked while it is in use.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <racoon/plugin/kernel.h>

namespace racoon::sdk {

std::string sa_entry(const racoon_kernel_sa_id& id, std::uint32_t reqid,
                     const racoon_kernel_mark& mark = {});
std::string policy_entry(const racoon_kernel_policy& policy, std::uint32_t direction);
/// False: the text is no such entry.
bool parse_sa_entry(const std::string& text, racoon_kernel_sa_id* id, std::uint32_t* reqid,
                    racoon_kernel_mark* mark = nullptr);
/// Fills direction, priority, selector, mark, if_id and the first template's request id.
bool parse_policy_entry(const std::string& text, racoon_kernel_policy* policy);

class Journal {
  public:
    ~Journal() { close(); }
    enum class Opened : std::uint8_t { Yes, InUse, No };
    /// `left` gets the entries of a run that did not remove them. `No`: `error` says why, and nothing
    /// is recorded.
    Opened open(const std::string& folder, std::vector<std::string>* left, std::string* error);
    void close();

    void add(const std::string& entry);
    void remove(const std::string& entry);

  private:
    void write(const std::string& line);
    void compact();

    int fd_ = -1;
    bool locked_ = false;
    std::string path_;
    std::set<std::string> live_;
    std::size_t lines_ = 0;
};

// ---- implementation

namespace journal {
inline constexpr std::size_t kCompactAt = 4096;    // lines, when fewer than half of them live
inline constexpr std::size_t kMaxFile = 64 << 20;  // more is not ours

inline std::string text_of(const racoon_addr& a) {
    char out[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(a.family == 6 ? AF_INET6 : AF_INET, a.bytes, out, sizeof(out));
    return out;
}

inline bool address_of(const std::string& text, racoon_addr* a) {
    *a = {};
    if (::inet_pton(AF_INET, text.c_str(), a->bytes) == 1)
        a->family = 4;
    else if (::inet_pton(AF_INET6, text.c_str(), a->bytes) == 1)
        a->family = 6;
    return a->family != 0;
}

inline bool net_of(const std::string& text, racoon_addr* a, std::uint8_t* prefix) {
    const std::size_t slash = text.find('/');
    unsigned bits = 0;
    if (slash == std::string::npos || !address_of(text.substr(0, slash), a)) return false;
    std::istringstream in(text.substr(slash + 1));
    if (!(in >> bits) || bits > (a->family == 4 ? 32u : 128u)) return false;
    *prefix = static_cast<std::uint8_t>(bits);
    return true;
}

// An entry of an earlier release ends before it.
inline bool mark_of(std::istringstream& in, racoon_kernel_mark* mark) {
    *mark = {};
    char slash = 0;
    if (!(in >> mark->value)) return in.eof();
    return static_cast<bool>(in >> slash >> mark->mask) && slash == '/';
}

inline const char* const kDirections[] = {"?", "in", "out", "fwd"};
}  // namespace journal

inline std::string sa_entry(const racoon_kernel_sa_id& id, std::uint32_t reqid,
                            const racoon_kernel_mark& mark) {
    return "sa " + std::to_string(id.protocol) + " " + journal::text_of(id.src) + " " +
           journal::text_of(id.dst) + " " + std::to_string(id.spi) + " " + std::to_string(reqid) +
           (mark.mask == 0 ? ""
                           : " " + std::to_string(mark.value) + "/" + std::to_string(mark.mask));
}

inline bool parse_sa_entry(const std::string& text, racoon_kernel_sa_id* id, std::uint32_t* reqid,
                           racoon_kernel_mark* mark) {
    std::istringstream in(text);
    std::string kind;
    std::string src;
    std::string dst;
    *id = {};
    id->struct_size = sizeof(*id);
    if (!(in >> kind >> id->protocol >> src >> dst >> id->spi >> *reqid) || kind != "sa")
        return false;
    racoon_kernel_mark found{};
    if (!journal::mark_of(in, &found)) return false;
    if (mark != nullptr) *mark = found;
    return journal::address_of(src, &id->src) && journal::address_of(dst, &id->dst) && id->spi != 0;
}

inline std::string policy_entry(const racoon_kernel_policy& p, std::uint32_t direction) {
    const racoon_selector& s = p.selector;
    std::ostringstream out;
    out << "policy " << journal::kDirections[direction & 3] << ' ' << p.priority << ' '
        << (p.template_count != 0 ? p.templates[0].reqid : 0) << ' ' << unsigned{s.protocol} << ' '
        << journal::text_of(s.local) << '/' << unsigned{s.local_prefix} << ' ' << s.local.port
        << ' ' << journal::text_of(s.remote) << '/' << unsigned{s.remote_prefix} << ' '
        << s.remote.port;
    if (p.mark.mask != 0 || p.if_id != 0)
        out << ' ' << p.mark.value << '/' << p.mark.mask << ' ' << p.if_id;
    return out.str();
}

inline bool parse_policy_entry(const std::string& text, racoon_kernel_policy* p) {
    std::istringstream in(text);
    std::string kind;
    std::string direction;
    std::string local;
    std::string remote;
    unsigned protocol = 0;
    std::uint16_t local_port = 0;
    std::uint16_t remote_port = 0;
    *p = {};
    p->struct_size = sizeof(*p);
    p->template_count = 1;
    if (!(in >> kind >> direction >> p->priority >> p->templates[0].reqid >> protocol >> local >>
          local_port >> remote >> remote_port) ||
        kind != "policy" || protocol > 255 || !journal::mark_of(in, &p->mark)) {
        return false;
    }
    if (!(in >> p->if_id) && !in.eof()) return false;
    for (std::uint32_t d = RACOON_DIR_IN; d <= RACOON_DIR_FWD; ++d) {
        if (direction == journal::kDirections[d]) p->direction = d;
    }
    racoon_selector& s = p->selector;
    if (p->direction == 0 || !journal::net_of(local, &s.local, &s.local_prefix) ||
        !journal::net_of(remote, &s.remote, &s.remote_prefix) ||
        s.local.family != s.remote.family) {
        return false;
    }
    s.protocol = static_cast<std::uint8_t>(protocol);
    s.local.port = local_port;
    s.remote.port = remote_port;
    return true;
}

inline Journal::Opened Journal::open(const std::string& folder, std::vector<std::string>* left,
                                     std::string* error) {
    // Namespaces share /run, but not SAs.
    struct stat space {};
    ::stat("/proc/self/ns/net", &space);
    ::mkdir(folder.c_str(), 0755);
    path_ = folder + "/xfrm-" + std::to_string(space.st_ino) + ".journal";
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_APPEND, 0600);
    struct stat file {};
    const bool ours =
        fd_ >= 0 && ::fstat(fd_, &file) == 0 && S_ISREG(file.st_mode) && file.st_uid == ::geteuid();
    if (!ours) {
        *error = path_ + ": " + (fd_ < 0 ? std::strerror(errno) : "not a file of this user");
        close();
        return Opened::No;
    }
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
        *error = path_ + " is in use: another racoon runs in this network namespace";
        close();
        return Opened::InUse;
    }
    locked_ = true;
    std::string text;
    char buffer[65536];
    ssize_t n = 0;
    while (text.size() < journal::kMaxFile &&
           (n = ::pread(fd_, buffer, sizeof(buffer), static_cast<off_t>(text.size()))) > 0) {
        text.append(buffer, static_cast<std::size_t>(n));
    }
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
        if (line.size() < 2) continue;
        if (line[0] == '+') live_.insert(line.substr(1));
        if (line[0] == '-') live_.erase(line.substr(1));
    }
    left->assign(live_.begin(), live_.end());
    return Opened::Yes;
}

inline void Journal::close() {
    if (fd_ >= 0) {
        if (locked_ && live_.empty()) ::unlink(path_.c_str());
        ::close(fd_);
    }
    fd_ = -1;
    locked_ = false;
    live_.clear();
    lines_ = 0;
}

inline void Journal::write(const std::string& line) {
    if (fd_ < 0) return;
    const std::string whole = line + "\n";
    // A full file system costs the clean-up after a crash, not the tunnel.
    if (::write(fd_, whole.data(), whole.size()) < 0) return;
    if (++lines_ > journal::kCompactAt && lines_ > 2 * live_.size()) compact();
}

inline void Journal::add(const std::string& entry) {
    if (live_.insert(entry).second) write("+" + entry);
}

inline void Journal::remove(const std::string& entry) {
    if (live_.erase(entry) != 0) write("-" + entry);
}

// In place: the lock is on this file. A crash in between loses entries at most for what is listed
// again at once.
inline void Journal::compact() {
    std::string text;
    for (const std::string& entry : live_) text += "+" + entry + "\n";
    if (::ftruncate(fd_, 0) != 0) return;
    if (::write(fd_, text.data(), text.size()) < 0) return;
    lines_ = live_.size();
}

}  // namespace racoon::sdk
