#include "ctl/show.hpp"

#include <fmt/core.h>

#include <ctime>

#include "base/clock.hpp"
#include "ctl/table.hpp"

namespace racoon::ctl {

using control::flag_of;
using control::Json;
using control::member_of;
using control::number_of;
using control::text_of;

namespace {

/// Local time "YYYY-MM-DD HH:MM:SS" of something that is `age` seconds old.
std::string created(std::int64_t age) {
    const auto at = static_cast<std::time_t>(wall_seconds() - age);
    std::tm tm{};
    ::localtime_r(&at, &tm);
    char text[32];
    const std::size_t n = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    return std::string(text, n);
}

std::string endpoint(const Json& sa, const char* addr, const char* port) {
    return fmt::format("{}.{}", text_of(sa, addr), number_of(sa, port));
}

const char* exchange_letter(std::int64_t type) {
    switch (type) {
        case 1:
            return "B";
        case 2:
            return "M";
        case 3:
            return "U";
        case 4:
            return "A";
        case 5:
            return "I";
        default:
            return "?";
    }
}

/// "AES-CBC 256", "hmac_sha256" … as the configuration names them, without any key.
std::string algorithm(const Json& sa, const char* name) {
    const std::string word = text_of(sa, name);
    const auto bits = number_of(sa, "key_bits");
    return bits && word != "" && std::string(name) == "encryption_algorithm"
               ? fmt::format("{} {}", word, bits)
               : word;
}

/// As in racoon.conf, on a line of their own; an inbound SA has no mark.
std::string marks(const Json& sa, bool inbound) {
    std::string out;
    if (const auto if_id = number_of(sa, "if_id"); if_id != 0)
        out += fmt::format(" if_id {}", if_id);
    for (const char* word : {"mark", "output_mark"})
        if (!inbound && !text_of(sa, word).empty())
            out += fmt::format(" {} {}", word, text_of(sa, word));
    return out.empty() ? out : "\t" + out.substr(1) + "\n";
}

}  // namespace

std::string show_isakmp(const Json& result, int verbosity) {
    std::string out;
    if (verbosity >= 2) out += fmt::format("{:<45} ", "Source");
    out += fmt::format("{:<{}} {:<33} ", "Destination", verbosity >= 2 ? 45 : 22, "Cookies");
    if (verbosity >= 1) out += "ST S  V E ";
    out += fmt::format("{:<20}", "Created");
    if (verbosity >= 1) out += "Phase2";
    while (out.back() == ' ') out.pop_back();
    out += '\n';
    for (const Json& sa : member_of(result, "isakmp")) {
        if (verbosity >= 2) out += fmt::format("{:<45} ", endpoint(sa, "local", "local_port"));
        out += fmt::format("{:<{}} {:<33} ", endpoint(sa, "remote", "remote_port"),
                           verbosity >= 2 ? 45 : 22, text_of(sa, "cookies"));
        if (verbosity >= 1)
            out += fmt::format("{:>2} {} 10 {} ", number_of(sa, "state"),
                               flag_of(sa, "initiator") ? "I" : "R",
                               exchange_letter(number_of(sa, "exchange")));
        out += created(number_of(sa, "age_seconds")) + " ";
        if (verbosity >= 1) out += fmt::format("{}", number_of(sa, "phase2"));
        out += '\n';
    }
    return out;
}

std::string show_ipsec(const Json& result) {
    std::string out;
    for (const Json& sa : member_of(result, "ipsec")) {
        if (!flag_of(sa, "established")) continue;
        for (const bool inbound : {false, true}) {
            const auto spi = number_of(sa, inbound ? "spi_in" : "spi_out");
            const auto reqid = number_of(sa, "reqid");
            const auto age = number_of(sa, "age_seconds");
            const auto life = number_of(sa, "lifetime_seconds");
            out += fmt::format("{} {} \n", text_of(sa, inbound ? "remote" : "local"),
                               text_of(sa, inbound ? "local" : "remote"));
            out +=
                fmt::format("\t{} mode={} spi={}(0x{:08x}) reqid={}(0x{:08x})\n",
                            text_of(sa, "protocol"), text_of(sa, "mode"), spi, spi, reqid, reqid);
            out += marks(sa, inbound);
            if (!text_of(sa, "encryption_algorithm").empty())
                out += fmt::format("\tE: {}\n", algorithm(sa, "encryption_algorithm"));
            if (!text_of(sa, "authentication_algorithm").empty())
                out += fmt::format("\tA: {}\n", text_of(sa, "authentication_algorithm"));
            out += fmt::format("\tselector: {}\n", text_of(sa, "selector"));
            out += fmt::format("\tcreated: {}\tstate=mature\n", created(age));
            out +=
                fmt::format("\tdiff: {}(s)\thard: {}(s)\tsoft: {}(s)\n", age, life, life * 8 / 10);
        }
    }
    return out.empty() ? "No SAD entries.\n" : out;
}

std::string show_keys(const Json& result) {
    std::string out;
    for (const Json& k : member_of(result, "keys"))
        out += text_of(k, "initiator_cookie") + "," + text_of(k, "key") + "\n";
    return out;
}

std::string show_modules(const Json& result, std::size_t width) {
    Table table({"NAME", "VERSION", "STATE", "ABI", "MODE", "PROVIDES"});
    for (const Json& m : member_of(result, "modules")) {
        std::string provides;
        for (const Json& p : member_of(m, "provides"))
            if (p.is_string()) provides += (provides.empty() ? "" : ", ") + p.get<std::string>();
        const std::string note = text_of(m, "note");
        table.row({text_of(m, "name"), text_of(m, "version"), text_of(m, "state"),
                   text_of(m, "abi"), text_of(m, "mode"), note.empty() ? provides : note});
    }
    return table.text(width);
}

}  // namespace racoon::ctl
