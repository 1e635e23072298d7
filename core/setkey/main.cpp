// setkey: the SAs and policies of the kernel, by hand.
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <utility>

#include <unistd.h>

#include "base/build_config.hpp"
#include "setkey/arguments.hpp"
#include "setkey/names.hpp"
#include "setkey/script.hpp"
#include "setkey/session.hpp"

namespace racoon::setkey {

namespace {

class Program {
  public:
    Program(const Arguments& how, std::string name)
        : how_(how), name_(std::move(name)), session_(how_, name_) {}

    int run() {
        using Action = Arguments::Action;
        switch (how_.action) {
            case Action::Version:
                std::printf("setkey of racoon %s\n", RACOON_VERSION);
                return 1;  // as ever
            case Action::Help:
                std::fputs(usage(name_).c_str(), stdout);
                return 1;
            case Action::Decode:
                for (const std::string& file : how_.files)
                    if (const Status done = session_.decode_file(file); !done)
                        return failed(done.error());
                return 0;
            default:
                break;
        }
        const bool kernel = how_.action == Action::Dump || how_.action == Action::Flush ||
                            how_.action == Action::Watch;
        if (kernel && how_.check_only) return 0;  // -n: the kernel is asked for nothing
        const bool commands = how_.action == Action::Stdin || how_.action == Action::Script;
        if (!commands || !how_.check_only)
            if (const Status opened = session_.open(); !opened) return failed(opened.error());
        switch (how_.action) {
            case Action::Dump:
                session_.dump();
                return 0;
            case Action::Flush:
                session_.flush();
                return 0;
            case Action::Watch:
                if (const Status done = session_.watch(); !done) return failed(done.error());
                return 0;
            case Action::Stdin:
                if (how_.check_only) return script("-");
                interactive();
                return 0;  // whatever happened, as ever
            default:
                return script(how_.file);
        }
    }

  private:
    int failed(const Error& error) {
        std::fprintf(stderr, "%s: %s\n", name_.c_str(), error.text().c_str());
        return 1;
    }

    /// Of any kind: scripts name /dev/stdin and pipes. Errors: Io, with the name.
    static Result<std::string> whole(const std::string& file) {
        std::FILE* const in = std::fopen(file.c_str(), "re");
        if (in == nullptr) return fail_os(file, errno);
        std::string text;
        char part[65536];
        std::size_t n = 0;
        while ((n = std::fread(part, 1, sizeof part, in)) > 0) text.append(part, n);
        const int error = std::ferror(in) != 0 ? errno : 0;
        std::fclose(in);
        if (error != 0) return fail_os(file, error);
        return text;
    }

    ScriptResult execute(std::string text, const ScriptPlace& from) {
        return run_script(
            std::move(text), from, &names_, how_.check_only,
            [this](const Command& c, const conf::Location& where) { session_.run(c, where); });
    }

    int script(const std::string& file) {
        std::string text;
        std::string from = file;
        if (file == "-") {
            from = "(standard input)";
            text.assign(std::istreambuf_iterator<char>(std::cin), {});
        } else {
            auto read = whole(file);
            if (!read) return failed(read.error());
            text = std::move(*read);
        }
        const ScriptResult result = execute(std::move(text), {from});
        for (const std::string& m : result.messages)
            std::fprintf(stderr, "%s: %s\n", name_.c_str(), m.c_str());
        return result.failed ? 1 : 0;
    }

    /// Each command as soon as its semicolon has come; what is wrong is told on standard output, and what
    /// follows it is carried out.
    void interactive() {
        const bool prompt = ::isatty(STDIN_FILENO) != 0;
        ScriptPlace at{"input", 1, 1, true};
        std::string typed, line;
        for (;;) {
            if (prompt) std::fputs(is_blank(typed) ? "setkey> " : "> ", stdout);
            std::fflush(stdout);
            if (!std::getline(std::cin, line)) break;
            typed += line + "\n";
            if (!typed_so_far(typed, whole_commands(typed), at)) return;
        }
        if (!is_blank(typed)) typed_so_far(typed, typed.size(), at);
    }

    /// Carries out that much of it and takes it away. False: it says that we leave.
    bool typed_so_far(std::string& typed, std::size_t size, ScriptPlace& at) {
        if (size == 0) return true;
        const std::string now = typed.substr(0, size);
        typed.erase(0, size);
        const ScriptResult result = execute(now, at);
        for (const std::string& m : result.messages) std::printf("%s\n", m.c_str());
        for (const char c : now) at.column = c == '\n' ? (++at.line, 1) : at.column + 1;
        return !result.left;
    }

    static bool is_blank(const std::string& text) {
        return text.find_first_not_of(" \t\r\n") == text.npos;
    }

    const Arguments& how_;
    std::string name_;
    Session session_;
    SystemNames names_;
};

}  // namespace

}  // namespace racoon::setkey

int main(int argc, char** argv) {
    using namespace racoon::setkey;
    const std::string program = argc > 0 ? argv[0] : "setkey";
    const auto how = parse_arguments(argc, argv);
    if (!how) {
        std::fprintf(stderr, "%s: %s\n%s", program.c_str(), how.error().text().c_str(),
                     usage(program).c_str());
        return 1;
    }
    return Program(*how, program).run();
}
