// What racoon.conf is made of, for `racoonctl explain`: the forms that the arguments of directives share.
#include <utility>

#include "conf/explain.hpp"

namespace racoon::conf {

/// What the arguments of directives look like.
std::vector<Topic> grammar_topics() {
    const auto make = [](std::string name, std::vector<std::string> words, std::string help,
                         std::vector<std::string> examples) {
        Topic t;
        t.name = std::move(name);
        t.kind = "grammar";
        t.place = "in racoon.conf";
        t.words = std::move(words);
        t.help = std::move(help);
        for (std::string& e : examples) t.facts.push_back({"example", std::move(e)});
        return t;
    };
    std::vector<Topic> out;
    out.push_back(make("comment", {"#"}, "From # to the end of the line, outside of quotes.",
                       {"# the branch office"}));
    out.push_back(make("statement", {";"},
                       "A word, its arguments and a semicolon. What stands inside a block is a "
                       "statement too; the block itself has no semicolon behind its brace.",
                       {"log debug;"}));
    out.push_back(make("block", {"{", "}"},
                       "A word, for some blocks a name or an address, and statements in braces. No "
                       "semicolon follows the closing brace.",
                       {"timer { counter 3; interval 5 sec; }"}));
    out.push_back(make("string", {"text", "quotes"},
                       "Text in double quotes. There are no escapes, so it cannot hold a double "
                       "quote; it may run over several lines.",
                       {"\"/etc/racoon/psk.txt\""}));
    out.push_back(make("number", {"hexadecimal"},
                       "Decimal digits, or 0x and hexadecimal ones. No space is needed between a "
                       "word and a number.",
                       {"nonce_size 32;", "encryption_algorithm aes256;"}));
    out.push_back(make("switch", {"on", "off", "yes", "no"}, "on or off; yes and no mean the same.",
                       {"passive on;"}));
    out.push_back(make(
        "time",
        {"sec", "secs", "second", "seconds", "min", "mins", "minute", "minutes", "hour", "hours"},
        "A number and its unit, which is never left out: sec, secs, second, seconds, min, mins, "
        "minute, minutes, hour or hours.",
        {"interval 10 sec;", "lifetime time 8 hours;"}));
    out.push_back(
        make("address", {"ip", "ipv4", "ipv6"},
             "A numeric IPv4 or IPv6 address, link-local ones with % and their interface.",
             {"192.0.2.1", "2001:db8::1", "fe80::1%eth0"}));
    out.push_back(make("port", {"[500]"},
                       "A number in brackets behind an address, with or without a space before it. "
                       "In sainfo [any] is every port.",
                       {"isakmp 192.0.2.1 [500];"}));
    out.push_back(make("net", {"prefix", "subnet"},
                       "An address, a slash and the number of leading bits that count. In sainfo "
                       "an address alone is one host.",
                       {"10.1.0.0/16", "2001:db8:1::/48"}));
    out.push_back(make(
        "identity", {"identifier", "fqdn", "user_fqdn", "keyid", "asn1dn", "tag"},
        "How an end calls itself in phase 1. address: an address, ours when none is written. fqdn: "
        "a host's name. user_fqdn: user@name. keyid: any bytes, with tag the text itself, or else "
        "the content of a file. asn1dn: the subject of a certificate, its parts separated by "
        "commas or slashes.",
        {"my_identifier fqdn \"gw.example.org\";",
         "peers_identifier user_fqdn \"ann@example.org\";", "my_identifier keyid tag \"branch-7\";",
         "peers_identifier asn1dn \"C=XX, O=Example, CN=*\";"}));
    out.push_back(
        make("anonymous", {},
             "In remote: a section for every peer that no other is for. In sainfo: any local "
             "or remote end; alone, both.",
             {"remote anonymous { ... }", "sainfo anonymous { ... }"}));
    out.push_back(make(
        "clientaddr", {},
        "In sainfo, as its remote end: the address that the client was given, or else the peer's.",
        {"sainfo address 10.1.0.0/16 any clientaddr { ... }"}));
    out.push_back(
        make("inherit", {"template"},
             "In remote: begins with all that another section says, which stands before "
             "it. A section without an address that others inherit from may be incomplete.",
             {"remote \"branch\" inherit \"office\" { remote_address 192.0.2.7; }"}));
    out.push_back(make("from", {},
                       "In sainfo, behind both ends: only for peers with this identity in phase 1.",
                       {"sainfo anonymous from fqdn \"gw.example.org\" { ... }"}));
    return out;
}

}  // namespace racoon::conf
