// fuzz: racoon_conf
// setkey's policy lines: any bytes; what is accepted prints to lines that are accepted again.
#include <cstdint>
#include <cstdlib>

#include "conf/policies.hpp"
#include "conf/policy_syntax.hpp"
#include "conf/print.hpp"

namespace {
bool parse(std::string text, std::vector<racoon::conf::Policy>& out) {
    using namespace racoon::conf;
    Sources sources;
    Diagnostics diagnostics(sources);
    parse_policy_file(sources, sources.add("p", std::move(text)), diagnostics, out);
    drop_duplicate_policies(out, diagnostics);
    const bool good = diagnostics.errors() == 0;
    diagnostics.take();
    return good;
}
std::string printed(const std::vector<racoon::conf::Policy>& policies) {
    std::string out;
    for (const auto& p : policies)
        if (!p.copied) out += racoon::conf::print(p) + "\n";
    return out;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace racoon;
    std::vector<conf::Policy> first, second;
    parse(std::string(as_text(ByteView(data, size))), first);
    const std::string text = printed(first);
    if (!parse(text, second) || printed(second) != text) std::abort();
    conf::Config config;
    config.policies = std::move(first);
    conf::assign_policy_ids(nullptr, config);
    for (const conf::Policy& p : config.policies)
        for (const conf::PolicyTemplate& t : p.templates)
            if (p.id.value == 0 || t.reqid.value == 0) std::abort();
    return 0;
}
