#include "ctl/client.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace racoon::ctl {

using control::Json;

Result<Client> Client::connect(const std::string& path) {
    sockaddr_un sun{};
    sun.sun_family = AF_UNIX;
    if (path.size() >= sizeof sun.sun_path)
        return fail(Errc::TooLong, "the socket path " + path + " is longer than " +
                                       std::to_string(sizeof sun.sun_path - 1) + " bytes");
    std::memcpy(sun.sun_path, path.data(), path.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage address{};
    std::memcpy(&address, &sun, sizeof sun);
    if (!fd.valid() ||
        ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof sun) != 0) {
        const int err = errno;
        const char* hint = err == EACCES ? " (run it as root, or give your group the socket with "
                                           "listen { adminsock \"path\" \"root\" \"group\" 0660; })"
                                         : " (is racoon running?)";
        return fail(Errc::Io, "cannot connect to racoon admin socket " + path + ": " +
                                  std::strerror(err) + hint)
            .os(err);
    }
    return Client(std::move(fd));
}

Result<Json> Client::call(const std::string& command, const Json& args, bool dump) {
    const Json request = {{"command", command}, {"args", args}};
    if (dump) std::fprintf(stderr, "> %s\n", control::dump_json(request).c_str());
    const Bytes out = control::frame(request);
    std::size_t sent = 0;
    while (sent < out.size()) {
        const ssize_t n = ::send(fd_.get(), out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail_os("sending the request", errno);
        sent += static_cast<std::size_t>(n);
    }
    control::FrameReader frames(control::kMaxReply);
    for (;;) {
        RACOON_TRY(auto reply, frames.take());
        if (reply) {
            RACOON_TRY(Json value, control::parse_json(as_text(*reply)));
            if (dump) std::fprintf(stderr, "< %s\n", control::dump_json(value).c_str());
            if (!control::flag_of(value, "ok"))
                return fail(Errc::Denied,
                            control::text_of(value, "error", "the daemon gave no reason"));
            return control::member_of(value, "result");
        }
        std::uint8_t buffer[65536];
        const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_os("reading the reply", errno);
        if (n == 0)
            return fail(Errc::Io,
                        "racoon closed the admin connection before sending a reply (EOF)");
        frames.feed(ByteView(buffer, static_cast<std::size_t>(n)));
    }
}

}  // namespace racoon::ctl
