// fuzz: racoon_conf
// racoon.conf, whole: any bytes give a model or diagnostics with places; a model prints to a text that
// loads again and prints the same, with all modules there and with none; look-ups in it end.
#include <cstdint>
#include <cstdlib>

#include "conf/features.hpp"
#include "conf/load.hpp"
#include "conf/print.hpp"
#include "conf/select.hpp"
#include "support/fake_catalog.hpp"

namespace {

using namespace racoon;

const racoon::testing::FakeCatalog& catalog() {
    static const racoon::testing::FakeCatalog kCatalog;
    return kCatalog;
}

void check(bool good) {
    if (!good) std::abort();
}

/// What is printed is the whole model: it loads, and prints the same.
void check_printed(conf::FileBundle bundle, const conf::Config& config, bool offline) {
    const std::string text = conf::print(config);
    bundle.files["r.conf"] = text;
    conf::BundleFiles files(std::move(bundle));
    const conf::LoadResult again = conf::load("r.conf", files, catalog(), {.offline = offline});
    check(again.config != nullptr);
    check(conf::print(*again.config) == text);
}

void check_selection(const conf::Config& config) {
    conf::HostAddresses hosts;
    const IpAddr resolved = *IpAddr::parse("192.0.2.77");
    for (const conf::Remote& r : config.remotes)
        if (!r.host.empty()) hosts[r.host] = {resolved};
    const conf::SectionIndex index(config, hosts);
    for (const conf::Remote& r : config.remotes) {
        const IpAddr peer = r.address ? r.address->addr : r.net ? r.net->addr : resolved;
        check(index.serves(r, peer));
        check(!index.candidates({.peer = peer}).empty());
        const conf::RemoteChoice choice = index.choose({.peer = peer});
        check(choice.remote == nullptr || choice.problem.empty());
        check(choice.remote != nullptr || !choice.problem.empty());
        check(choice.refused == nullptr || !conf::refusal(*choice.refused, false).empty());
        check(index.named(r.name) != nullptr);
    }
    for (const conf::SaInfo& s : config.sainfos) {
        conf::SaInfoQuery query;
        if (s.local.selector) query.selector.local = *s.local.selector;
        if (s.remote.selector) query.selector.remote = *s.remote.selector;
        query.selector.protocol = s.local.selector ? s.local.protocol : s.remote.protocol;
        query.ph1id = s.remoteid;
        if (!s.group.empty()) query.groups = {s.group};
        const bool same_protocol =
            !s.local.selector || !s.remote.selector || s.local.protocol == s.remote.protocol;
        if (!s.local.literal && !s.remote.literal && !s.remote.clientaddr && same_protocol)
            check(index.sainfo(query) != nullptr);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    conf::FileBundle bundle;
    bundle.files["r.conf"] = std::string(as_text(ByteView(data, size)));
    bundle.files["/etc/inc.conf"] = "log info;\n";
    bundle.files["id.txt"] = "staff\n";
    bundle.files["p.conf"] =
        "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out ipsec esp/transport//require;\n";
    conf::BundleFiles files(bundle);
    conf::scan_modules("r.conf", files);
    for (const bool offline : {false, true}) {
        const conf::LoadResult r = conf::load("r.conf", files, catalog(), {.offline = offline});
        bool error = false;
        for (const conf::Diagnostic& d : r.diagnostics) {
            error = error || d.severity == conf::Severity::Error;
            check(d.line().find('\n') == std::string::npos);
        }
        check(error != (r.config != nullptr));
        if (!r.config) continue;
        check_selection(*r.config);
        check_printed(bundle, *r.config, offline);
    }
    return 0;
}
