// Log lines on standard output or error, and in a file. Neither may hold the daemon up: a terminal or pipe
// that nobody reads costs lines, not tunnels.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>

#include "base/clock.hpp"
#include "base/unique_fd.hpp"
#include "log/log.hpp"

namespace racoon::log {

namespace {

/// Writes all or, after a signal or a short write, what is left.
void write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

/// What https://no-color.org asks for.
bool no_colour() {
    const char* value = std::getenv("NO_COLOR");
    return value != nullptr && *value != '\0';
}

class StreamSink final : public Sink {
  public:
    explicit StreamSink(int fd) : fd_(fd), colour_(::isatty(fd) == 1 && !no_colour()) {}

    void write(const Line& line) override {
        if (!ready()) {
            ++dropped_;
            return;
        }
        std::string text;
        if (dropped_ != 0) {
            text = "(" + std::to_string(dropped_) + " lines lost: nobody read them)\n";
            dropped_ = 0;
        }
        for (const Line& one : split_lines(line)) {
            const std::string_view colour = colour_ ? colour_of(one.level) : "";
            text.append(colour).append(format_line(one, wall_seconds(), location()));
            text += colour.empty() ? "\n" : "\033[0m\n";
        }
        write_as_read(text);
    }

  private:
    /// A pipe that is ready takes so much without waiting, and perhaps not a byte more.
    static constexpr std::size_t kTaken = 4096;
    static_assert(kTaken <= PIPE_BUF);

    bool ready() const {
        pollfd one{fd_, POLLOUT, 0};
        return ::poll(&one, 1, 0) != 0;
    }
    void write_as_read(std::string_view text) {
        while (!text.empty()) {
            if (!ready()) {
                ++dropped_;
                return;
            }
            write_all(fd_, text.substr(0, kTaken));
            text.remove_prefix(std::min(kTaken, text.size()));
        }
    }

    static std::string_view colour_of(Level level) {
        switch (level) {
            case Level::Error:
                return "\033[31m";
            case Level::Warning:
                return "\033[33m";
            case Level::Debug:
            case Level::Debug2:
                return "\033[2m";
            default:
                return "";
        }
    }
    int fd_;
    bool colour_;
    std::uint64_t dropped_ = 0;
};

class FileSink final : public Sink {
  public:
    explicit FileSink(std::string path) : path_(std::move(path)) {}

    void write(const Line& line) override {
        // Mode 0600 instead of a changed umask: the umask belongs to all threads.
        const UniqueFd fd(::open(path_.c_str(),
                                 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                                 S_IRUSR | S_IWUSR));
        if (!fd.valid()) return;
        std::string text;
        for (const Line& one : split_lines(line))
            text += format_line(one, wall_seconds(), location()) + "\n";
        write_all(fd.get(), text);
    }

  private:
    std::string path_;
};

}  // namespace

std::unique_ptr<Sink> make_stdout_sink() {
    return std::make_unique<StreamSink>(STDOUT_FILENO);
}
std::unique_ptr<Sink> make_stderr_sink() {
    return std::make_unique<StreamSink>(STDERR_FILENO);
}
std::unique_ptr<Sink> make_file_sink(std::string path) {
    return std::make_unique<FileSink>(std::move(path));
}

}  // namespace racoon::log
