// fuzz: racoon_conf
// racoon.conf, whole: any bytes give a model or diagnostics with places; a model prints to a text that
// loads again and prints the same.
#include <cstdint>
#include <cstdlib>

#include "conf/load.hpp"
#include "conf/print.hpp"
#include "conf/select.hpp"
#include "support/fake_catalog.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace racoon;
    static const racoon::testing::FakeCatalog catalog;
    conf::FileBundle bundle;
    bundle.files["r.conf"] = std::string(as_text(ByteView(data, size)));
    bundle.files["/etc/inc.conf"] = "log info;\n";
    bundle.files["p.conf"] =
        "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out ipsec esp/transport//require;\n";
    conf::BundleFiles files(bundle);
    conf::scan_modules("r.conf", files);
    const conf::LoadResult r = conf::load("r.conf", files, catalog);
    bool error = false;
    for (const conf::Diagnostic& d : r.diagnostics) {
        error = error || d.severity == conf::Severity::Error;
        if (d.line().find('\n') != std::string::npos) std::abort();
    }
    if (error == (r.config != nullptr)) std::abort();
    if (!r.config) return 0;
    const conf::SectionIndex index(*r.config);
    for (const conf::Remote& remote : r.config->remotes)
        if (remote.address && index.candidates({.peer = remote.address->addr}).empty())
            std::abort();
    const std::string text = conf::print(*r.config);
    bundle.files["r.conf"] = text;
    conf::BundleFiles again(bundle);
    const conf::LoadResult second = conf::load("r.conf", again, catalog);
    if (!second.config || conf::print(*second.config) != text) std::abort();
    return 0;
}
