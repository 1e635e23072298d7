// plainrsa-gen: makes plain RSA key files, or converts keys in PEM into them.
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unique_fd.hpp"
#include "rsagen/arguments.hpp"
#include "rsagen/key.hpp"

namespace racoon::rsagen {

namespace {

Status write_all(int fd, ByteView bytes, const std::string& name) {
    while (!bytes.empty()) {
        const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return fail_os(name, errno);
        bytes = bytes.subspan(static_cast<std::size_t>(wrote));
    }
    return ok();
}

Failure exists(const std::string& path) {
    return fail(Errc::Exists, path +
                                  ": the file exists, and a key is never written over another; "
                                  "remove it or choose another name");
}

/// A key that could not be written whole leaves no file behind.
Status write_file(const std::string& path, ByteView bytes) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd.valid()) {
        if (errno == EEXIST) return exists(path);
        return fail_os(path, errno);
    }
    Status good = write_all(fd.get(), bytes, path);
    if (good && ::fsync(fd.get()) != 0) good = fail_os(path, errno);
    if (!good) ::unlink(path.c_str());
    return good;
}

Status run(const Arguments& how) {
    struct stat there {};
    // Before the slow part; write_file() decides.
    if (!how.output.empty() && ::lstat(how.output.c_str(), &there) == 0) return exists(how.output);
    RACOON_TRY(const Key key, how.input.empty() ? Key::generate(how.bits, how.exponent)
                                                : Key::read_pem(how.input));
    RACOON_TRY(const Secret text, key.text());
    if (how.output.empty()) return write_all(STDOUT_FILENO, text.view(), "standard output");
    return write_file(how.output, text.view());
}

}  // namespace

}  // namespace racoon::rsagen

int main(int argc, char** argv) {
    using namespace racoon::rsagen;
    const std::string program = argc > 0 ? argv[0] : "plainrsa-gen";
    const auto how = parse_arguments(argc, argv);
    if (!how) {
        std::fprintf(stderr, "%s: %s\n%s", program.c_str(), how.error().text().c_str(),
                     usage(program).c_str());
        return 1;
    }
    if (how->help) {
        std::fputs(usage(program).c_str(), stdout);
        return 0;
    }
    for (const auto& warning : how->warnings)
        std::fprintf(stderr, "%s: warning: %s\n", program.c_str(), warning.c_str());
    ::umask(077);
    if (const racoon::Status done = run(*how); !done) {
        std::fprintf(stderr, "%s: %s\n", program.c_str(), done.error().text().c_str());
        return 1;
    }
    return 0;
}
