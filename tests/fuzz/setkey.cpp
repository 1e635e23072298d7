// fuzz: racoon_setkey
// setkey's language: any bytes. What is accepted is within its bounds.
#include <cstdint>
#include <cstdlib>

#include "setkey/parser.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace racoon;
    using namespace racoon::setkey;
    conf::Sources sources;
    conf::Diagnostics diagnostics(sources);
    Parser parser(sources, sources.add("s", std::string(as_text(ByteView(data, size)))),
                  diagnostics, nullptr);
    Command command;
    for (Parser::Got got; (got = parser.next(command)) != Parser::Got::End;) {
        if (got != Parser::Got::Command) continue;
        const SaSettings& sa = command.sa;
        if (sa.encryption && !sa.encryption->takes(sa.encryption_key.size() * 8) &&
            !(sa.encryption->min_bits == 0 && sa.encryption_key.empty()))
            std::abort();
        if (command.verb == Verb::Add && (command.src.addresses.empty() || command.spi == 0) &&
            command.protocol != SaProtocol::IpComp && command.protocol != SaProtocol::Tcp)
            std::abort();
        if (command.policy.rules.size() > conf::PolicyReader::kMaxRules) std::abort();
    }
    diagnostics.take();
    return 0;
}
