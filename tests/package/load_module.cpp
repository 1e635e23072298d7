// load_module DIRECTORY NAME: loads one module as the daemon does, gives it its defaults, ends it.
#include <cstdio>

#include "plugin/lifecycle.hpp"
#include "support/fake_runtime.hpp"

int main(int argc, char** argv) {
    using namespace racoon;
    if (argc != 3) return 2;
    test::FakeRuntime runtime;
    plugin::TrustPolicy trust = plugin::default_trust();
    plugin::PluginHost host(runtime, plugin::Zone::Both, argv[1], trust);
    conf::ModuleBlock block;
    block.name = argv[2];
    Status status = host.load({block});
    if (status) status = host.configure(std::make_shared<conf::Config>());
    if (!status) {
        std::fprintf(stderr, "%s\n", status.error().text().c_str());
        return 1;
    }
    host.commit();
    if (host.modules()[0].state != "loaded") return 1;
    return 0;
}
