// setkey: the SAs and policies of the kernel, by hand.
#include <cstdio>
#include <iostream>

#include "base/build_config.hpp"
#include "conf/file_source.hpp"
#include "setkey/arguments.hpp"
#include "setkey/names.hpp"
#include "setkey/script.hpp"

namespace racoon::setkey {

namespace {

int check(const Arguments& how, const std::string& program) {
    std::string text;
    std::string name = how.file;
    if (how.action == Arguments::Action::Stdin || how.file == "-") {
        name = "(standard input)";
        text.assign(std::istreambuf_iterator<char>(std::cin), {});
    } else {
        conf::DiskFiles disk;
        auto read = disk.read(how.file);
        if (!read) {
            std::fprintf(stderr, "%s: %s: %s\n", program.c_str(), how.file.c_str(),
                         read.error().text().c_str());
            return 1;
        }
        text = std::move(*read);
    }
    SystemNames names;
    const ScriptResult result = run_script(std::move(text), name, &names, true, {});
    for (const std::string& m : result.messages)
        std::fprintf(stderr, "%s: %s\n", program.c_str(), m.c_str());
    return result.failed ? 1 : 0;
}

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
    switch (how->action) {
        case Arguments::Action::Version:
            std::printf("setkey of racoon %s\n", RACOON_VERSION);
            return 1;  // as ever
        case Arguments::Action::Help:
            std::fputs(usage(program).c_str(), stdout);
            return 1;
        case Arguments::Action::Stdin:
        case Arguments::Action::Script:
            if (how->check_only) return check(*how, program);
            break;
        default:
            break;
    }
    std::fprintf(stderr, "%s: this build only checks: setkey -n -f FILE\n", program.c_str());
    return 1;
}
