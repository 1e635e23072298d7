// The system log over its datagram socket. Not syslog(3), which waits while the log daemon does not
// read: a stopped log daemon must not stop the keeper.
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/unique_fd.hpp"
#include "log/log.hpp"

namespace racoon::log {

namespace {

class SyslogSink final : public Sink {
  public:
    SyslogSink(const char* ident, std::string path) : ident_(ident), path_(std::move(path)) {}

    void write(const Line& line) override {
        if (dropped_ != 0) {
            const Line note{
                Level::Warning, "",
                fmt::format("{} log lines lost: the system log did not take them", dropped_), "",
                0};
            if (!send(note)) {
                ++dropped_;
                return;
            }
            dropped_ = 0;
        }
        for (const Line& one : split_lines(line))
            if (!send(one)) ++dropped_;
    }

  private:
    bool send(const Line& line) {
        // error to info share one priority, as filters of existing installations expect.
        const int priority = line.level >= Level::Debug ? LOG_DEBUG : LOG_INFO;
        const auto now = static_cast<std::time_t>(wall_seconds());
        std::tm local{};
        localtime_r(&now, &local);
        static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        const std::string text =
            fmt::format("<{}>{} {:2} {:02}:{:02}:{:02} {}[{}]: {}", LOG_DAEMON | priority,
                        kMonths[local.tm_mon % 12], local.tm_mday, local.tm_hour, local.tm_min,
                        local.tm_sec, ident_, ::getpid(), format_message(line, location()));
        // One more try on a fresh socket: the log daemon may have been restarted.
        for (int attempt = 0; attempt < 2; ++attempt) {
            if (!connected() && !connect()) return false;
            if (::send(fd_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                return true;
            if (errno == EAGAIN || errno == ENOBUFS || errno == EMSGSIZE) return false;
            fd_.reset();
        }
        return false;
    }

    bool connected() const { return fd_.valid(); }
    bool connect() {
        UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (!fd.valid()) return false;
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path_.size() >= sizeof address.sun_path) return false;
        std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
        if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            return false;
        fd_ = std::move(fd);
        return true;
    }

    std::string ident_;
    std::string path_;
    UniqueFd fd_;
    std::uint64_t dropped_ = 0;
};

}  // namespace

std::unique_ptr<Sink> make_syslog_sink(const char* ident) {
    return make_syslog_sink(ident, "/dev/log");
}
std::unique_ptr<Sink> make_syslog_sink(const char* ident, std::string socket_path) {
    return std::make_unique<SyslogSink>(ident, std::move(socket_path));
}

}  // namespace racoon::log
