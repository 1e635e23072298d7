// racoon: an IKEv1 daemon. See startup.cpp for the order of things.
#include <cstdio>
#include <cstring>

#include "daemon/options.hpp"
#include "daemon/startup.hpp"
#include "privsep/spawn.hpp"

int main(int argc, char** argv) {
    using namespace racoon::daemon;
    if (argc == 2 && std::strcmp(argv[1], racoon::privsep::kEngineArgument) == 0)
        return run_engine(argv);

    const ParsedOptions parsed = parse_options(argc, argv);
    const Options& options = parsed.options;
    if (!parsed.good || options.action == Action::Help) {
        std::fputs(usage_text(options.program).c_str(), stdout);
        return parsed.good ? 0 : 1;
    }
    switch (options.action) {
        case Action::Version:
            std::fputs(version_text().c_str(), stdout);
            return 0;
        case Action::Test:
            return run_test(options);
        case Action::ListModules:
            return list_modules(options);
        case Action::ExplainTrust:
            return explain_trust(options);
        case Action::Run:
        case Action::Help:
            break;
    }
    return run_daemon(options, argv);
}
