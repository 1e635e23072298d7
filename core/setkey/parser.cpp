#include "setkey/parser.hpp"

#include <fmt/format.h>

#include <array>

#include "conf/nearest.hpp"

namespace racoon::setkey {

using conf::describe;
using conf::parse_number;
using conf::quoted;
using conf::Token;
using conf::TokenKind;

namespace {

template <typename T>
struct Word {
    std::string_view text;
    T value;
};
constexpr std::array kVerbs = {
    Word<Verb>{"add", Verb::Add},
    Word<Verb>{"update", Verb::Update},
    Word<Verb>{"get", Verb::Get},
    Word<Verb>{"getspi", Verb::GetSpi},
    Word<Verb>{"delete", Verb::Delete},
    Word<Verb>{"deleteall", Verb::DeleteAll},
    Word<Verb>{"flush", Verb::Flush},
    Word<Verb>{"dump", Verb::Dump},
    Word<Verb>{"spdadd", Verb::SpdAdd},
    Word<Verb>{"spdupdate", Verb::SpdUpdate},
    Word<Verb>{"spddelete", Verb::SpdDelete},
    Word<Verb>{"spdflush", Verb::SpdFlush},
    Word<Verb>{"spddump", Verb::SpdDump},
    Word<Verb>{"exit", Verb::Exit},
    Word<Verb>{"quit", Verb::Exit},
    Word<Verb>{"bye", Verb::Exit},
};
constexpr std::array kProtocols = {
    Word<SaProtocol>{"esp", SaProtocol::Esp},        Word<SaProtocol>{"ah", SaProtocol::Ah},
    Word<SaProtocol>{"esp-old", SaProtocol::EspOld}, Word<SaProtocol>{"ah-old", SaProtocol::AhOld},
    Word<SaProtocol>{"esp-udp", SaProtocol::EspUdp}, Word<SaProtocol>{"ipcomp", SaProtocol::IpComp},
    Word<SaProtocol>{"tcp", SaProtocol::Tcp},
};

template <typename List>
std::vector<std::string> words_of(const List& list) {
    std::vector<std::string> out;
    for (const auto& w : list) out.emplace_back(w.text);
    return out;
}

bool is_esp(SaProtocol p) {
    return p == SaProtocol::Esp || p == SaProtocol::EspOld || p == SaProtocol::EspUdp;
}
bool is_old(SaProtocol p) {
    return p == SaProtocol::EspOld || p == SaProtocol::AhOld;
}

}  // namespace

Parser::Parser(const conf::Sources& sources, std::uint32_t file, conf::Diagnostics& diagnostics,
               conf::PolicyNames* names)
    : diagnostics_(diagnostics),
      lexer_(sources, file, diagnostics, conf::Lexer::Mode::Setkey),
      reader_(lexer_, diagnostics, {true, names}) {}

bool Parser::error(const conf::Span& where, std::string text) {
    diagnostics_.error(where, std::move(text));
    return false;
}

void Parser::recover() {
    for (;;) {
        const Token t = lexer_.peek();
        if (t.is(TokenKind::End)) return;
        lexer_.next();
        if (t.is(TokenKind::Semicolon)) return;
    }
}

Parser::Got Parser::next(Command& out) {
    const std::size_t before = diagnostics_.errors();
    const Token first = lexer_.peek();
    if (first.is(TokenKind::End) && diagnostics_.errors() == before) return Got::End;
    out = Command{};
    out.where = first.span;
    bool good = command(out);
    if (good) {
        const Token end = lexer_.peek();
        good = end.is(TokenKind::Semicolon);
        if (good)
            lexer_.next();
        else
            error(end.span,
                  fmt::format("expected \";\" after the command, found {}", describe(end)));
        // A forgotten semicolon: the next command is still read.
        if (!good && end.first_on_line)
            for (const auto& w : kVerbs)
                if (end.is_word(w.text)) return Got::Error;
    }
    if (!good) recover();
    // Characters that belong to no token are an error, too, although reading went on.
    return good && diagnostics_.errors() == before ? Got::Command : Got::Error;
}

bool Parser::command(Command& out) {
    const Token t = lexer_.peek();
    if (!t.is(TokenKind::Word))
        return error(t.span, fmt::format("expected a command, found {}", describe(t)));
    const Word<Verb>* verb = nullptr;
    for (const auto& w : kVerbs)
        if (t.text == w.text) verb = &w;
    if (!verb)
        return error(t.span, fmt::format("unknown command {}{}", quoted(t.text),
                                         conf::did_you_mean(t.text, words_of(kVerbs))));
    lexer_.next();
    out.verb = verb->value;
    switch (out.verb) {
        case Verb::Add:
        case Verb::Update:
        case Verb::GetSpi:
            if (!sa_name(out, true)) return false;
            while (!lexer_.peek().is(TokenKind::Semicolon) && !lexer_.peek().is(TokenKind::End))
                if (!extension(out)) return false;
            return complete(out);
        case Verb::Get:
        case Verb::Delete:
            if (!sa_name(out, true)) return false;
            if (lexer_.peek().is_word("-m"))
                return error(lexer_.peek().span,
                             "a mode is not part of an SA's name; leave -m and its word out");
            return true;
        case Verb::DeleteAll:
            return sa_name(out, false);
        case Verb::Flush:
        case Verb::Dump:
            return optional_protocol(out);
        case Verb::SpdAdd:
        case Verb::SpdUpdate:
        case Verb::SpdDelete:
            return policy_command(out);
        default:
            return true;
    }
}

bool Parser::optional_protocol(Command& out) {
    if (!lexer_.peek().is(TokenKind::Word)) return true;
    // A new command in the next line: the semicolon is missing, not the protocol wrong.
    if (lexer_.peek().first_on_line)
        for (const auto& w : kVerbs)
            if (lexer_.peek().is_word(w.text)) return true;
    return sa_protocol(out);
}

/// [-46n] src dst protocol [spi]
bool Parser::sa_name(Command& out, bool with_spi) {
    Family family = Family::None;
    bool numeric = false;
    if (!reader_.options(family, numeric)) return false;
    if (!reader_.end(out.src, family, numeric, false) ||
        !reader_.end(out.dst, family, numeric, false))
        return false;
    bool pair = false;
    for (const IpAddr& s : out.src.addresses)
        for (const IpAddr& d : out.dst.addresses)
            pair = pair || (s.family == d.family && (family == Family::None || s.family == family));
    if (!pair)
        return error(
            out.dst.where,
            "source and destination have no addresses of one family, or not of the wanted");
    if (!sa_protocol(out)) return false;
    if (out.protocol == SaProtocol::EspUdp) {
        const Token t = lexer_.peek();
        if (const auto oa = IpAddr::parse(t.text); oa && t.is(TokenKind::Word)) {
            out.original_address = *oa;
            lexer_.next();
        }
        // RFC 3948 2.1; what the original takes when no port is written.
        if (!out.src.port_written) out.src.port = 4500;
        if (!out.dst.port_written) out.dst.port = 4500;
    }
    return !with_spi || spi(out);
}

bool Parser::sa_protocol(Command& out) {
    const Token t = lexer_.peek();
    for (const auto& w : kProtocols) {
        if (!t.is_word(w.text)) continue;
        out.protocol = w.value;
        lexer_.next();
        return true;
    }
    return reader_.wanted("esp, ah, ipcomp, esp-udp, esp-old, ah-old or tcp", words_of(kProtocols));
}

bool Parser::spi(Command& out) {
    const Token t = lexer_.peek();
    const auto parsed = parse_number(t.text);
    const bool cpi = out.protocol == SaProtocol::IpComp;
    const std::uint64_t most = cpi ? 0xffff : 0xffffffff;
    if (!t.is(TokenKind::Word) || parsed.fault == conf::NumberFault::NotANumber)
        return reader_.wanted(cpi ? "a CPI, a number" : "an SPI, a number");
    if (parsed.fault != conf::NumberFault::None || parsed.value > most)
        return error(t.span, cpi ? "a CPI has 16 bits (RFC 3173 3.3): 65535 is the largest"
                                 : "an SPI has 32 bits: 4294967295 is the largest");
    const bool makes = out.verb == Verb::Add || out.verb == Verb::Update;
    if (makes && !cpi && out.protocol != SaProtocol::Tcp && parsed.value <= 255)
        return error(t.span,
                     "SPIs from 0 to 255 are reserved (RFC 4303 2.1); take one from 256 on");
    lexer_.next();
    out.spi = static_cast<std::uint32_t>(parsed.value);
    return true;
}

bool Parser::number(std::string_view what, std::uint64_t most, std::uint64_t& out) {
    const Token t = lexer_.peek();
    const auto parsed = parse_number(t.text);
    if (!t.is(TokenKind::Word) || parsed.fault != conf::NumberFault::None || parsed.value > most)
        return reader_.wanted(fmt::format("{} from 0 to {}", what, most));
    lexer_.next();
    out = parsed.value;
    return true;
}

bool Parser::extension(Command& out) {
    const Token t = lexer_.peek();
    static const std::vector<std::string> kWords = {"-m",  "-r",  "-u",   "-f", "-lh", "-ls",
                                                    "-bh", "-bs", "-ctx", "-E", "-A",  "-C"};
    constexpr std::uint64_t kAny = ~std::uint64_t{0};
    SaSettings& sa = out.sa;
    lexer_.next();
    std::uint64_t n = 0;
    if (t.is_word("-m")) {
        const Token mode = lexer_.peek();
        if (mode.is_word("transport"))
            sa.mode = Mode::Transport;
        else if (mode.is_word("tunnel"))
            sa.mode = Mode::Tunnel;
        else if (mode.is_word("any"))
            sa.mode = Mode::Any;
        else
            return reader_.wanted("transport, tunnel or any", {"transport", "tunnel", "any"});
        lexer_.next();
        return true;
    }
    if (t.is_word("-r")) {
        if (is_old(out.protocol))
            return error(t.span, "the old protocols have no replay window; leave -r out");
        if (!number("a replay window", 255, n)) return false;
        sa.replay = static_cast<std::uint8_t>(n);
        return true;
    }
    if (t.is_word("-u")) {
        if (!number("a request id", 0xffffffff, n)) return false;
        sa.reqid = static_cast<std::uint32_t>(n);
        return true;
    }
    if (t.is_word("-f")) return flags(out);
    if (t.is_word("-lh")) return number("seconds", kAny, sa.hard_seconds);
    if (t.is_word("-ls")) return number("seconds", kAny, sa.soft_seconds);
    if (t.is_word("-bh")) return number("bytes", kAny, sa.hard_bytes);
    if (t.is_word("-bs")) return number("bytes", kAny, sa.soft_bytes);
    if (t.is_word("-ctx")) return label(sa.label);
    if (t.is_word("-E")) return algorithm(AlgorithmKind::Encryption, out);
    if (t.is_word("-A")) return algorithm(AlgorithmKind::Authentication, out);
    if (t.is_word("-C")) return algorithm(AlgorithmKind::Compression, out);
    return error(t.span, fmt::format("expected an option or an algorithm (-E, -A, -C), found {}{}",
                                     describe(t), conf::did_you_mean(t.text, kWords)));
}

bool Parser::flags(Command& out) {
    const Token t = lexer_.peek();
    constexpr std::uint32_t kPads = kFlagRandomPad | kFlagZeroPad;
    if (t.is_word("nocyclic-seq"))
        out.sa.flags &= ~kFlagCyclic;
    else if (t.is_word("zero-pad"))
        out.sa.flags = (out.sa.flags & ~kPads) | kFlagZeroPad;
    else if (t.is_word("random-pad"))
        out.sa.flags = (out.sa.flags & ~kPads) | kFlagRandomPad;
    else if (t.is_word("seq-pad"))
        out.sa.flags &= ~kPads;
    else
        return reader_.wanted("zero-pad, random-pad, seq-pad or nocyclic-seq",
                              {"zero-pad", "random-pad", "seq-pad", "nocyclic-seq"});
    lexer_.next();
    return true;
}

/// DOI ALGORITHM "LABEL"
bool Parser::label(std::optional<SecurityLabel>& out) {
    std::uint64_t doi = 0, algorithm = 0;
    if (!number("a domain of interpretation", 255, doi) ||
        !number("an algorithm's number", 255, algorithm))
        return false;
    const Token t = lexer_.peek();
    if (!t.is(TokenKind::String)) return reader_.wanted("a security label in double quotes");
    if (t.text.empty() || t.text.size() > 4096)
        return error(t.span, "a security label has 1 to 4096 bytes");
    lexer_.next();
    out = SecurityLabel{static_cast<std::uint8_t>(doi), static_cast<std::uint8_t>(algorithm),
                        std::string(t.text)};
    return true;
}

bool Parser::algorithm(AlgorithmKind kind, Command& out) {
    const Token t = lexer_.peek();
    if (!t.is(TokenKind::Word)) return reader_.wanted("the name of an algorithm");
    const Algorithm* found = find_algorithm(kind, t.text);
    if (!found)
        return error(t.span, fmt::format("unknown algorithm {}{}", quoted(t.text),
                                         unknown_algorithm(kind, t.text)));
    lexer_.next();
    if (!found->obsolete.empty())
        diagnostics_.warning(
            conf::Warning::Deprecated, t.span,
            fmt::format("{} is an old word; write {}", quoted(t.text), found->obsolete));
    SaSettings& sa = out.sa;
    if (kind == AlgorithmKind::Compression) {
        if (out.protocol != SaProtocol::IpComp) return error(t.span, "-C goes with ipcomp only");
        sa.compression = found;
        if (lexer_.peek().is_word("-R")) {
            lexer_.next();
            sa.flags |= kFlagRawCpi;
        }
        return true;
    }
    if (kind == AlgorithmKind::Encryption) {
        if (!is_esp(out.protocol)) return error(t.span, "-E goes with esp only");
        const bool old = out.protocol == SaProtocol::EspOld;
        if (found->name == "des-deriv" && old)
            return error(t.span, "des-deriv does not go with esp-old; write esp");
        if (found->name == "des-32iv" && !old)
            return error(t.span, "des-32iv goes with esp-old only");
        sa.encryption = found;
        sa.flags |= found->sa_flags;
        return key(*found, sa.encryption_key);
    }
    const bool tcp = out.protocol == SaProtocol::Tcp;
    if (out.protocol == SaProtocol::IpComp) return error(t.span, "-A does not go with ipcomp");
    if (tcp != (found->name == "tcp-md5"))
        return error(t.span, tcp ? "tcp goes with -A tcp-md5 only" : "tcp-md5 goes with tcp only");
    sa.authentication = found;
    return key(*found, sa.authentication_key);
}

/// "text", taken as it is, or 0x…, where an odd digit gets a zero in front.
bool Parser::key(const Algorithm& algorithm, Bytes& out) {
    const Token t = lexer_.peek();
    const bool hex =
        t.is(TokenKind::Word) && (t.text.starts_with("0x") || t.text.starts_with("0X"));
    if (!t.is(TokenKind::String) && !hex) {
        if (algorithm.min_bits == 0) return true;
        // What stands there may be the key, written wrongly: it is not repeated.
        return error(t.span, fmt::format("expected the key of {}, in double quotes or after 0x: {}",
                                         algorithm.name, algorithm.lengths()));
    }
    lexer_.next();
    if (hex) {
        std::string digits(t.text.substr(2));
        if (digits.size() % 2 != 0) digits.insert(digits.begin(), '0');
        auto bytes = from_hex(digits);
        if (!bytes || digits.empty())
            return error(t.span, "a key after 0x has hexadecimal digits only");
        out = std::move(*bytes);
    } else {
        out = to_bytes(as_bytes(t.text));
    }
    if (algorithm.takes(out.size() * 8)) return true;
    const std::size_t bits = out.size() * 8;
    // The text is a secret: its length alone is told.
    return error(t.span, fmt::format("the key has {} bits; {} takes {}", bits, algorithm.name,
                                     algorithm.lengths()));
}

bool Parser::complete(const Command& out) {
    const SaSettings& sa = out.sa;
    if (out.verb == Verb::GetSpi) return true;
    const conf::Span& where = lexer_.peek().span;
    if (is_esp(out.protocol) && !sa.encryption)
        return error(where, "an ESP SA needs -E and an algorithm; -E null encrypts nothing");
    if ((out.protocol == SaProtocol::Ah || out.protocol == SaProtocol::AhOld) && !sa.authentication)
        return error(where, "an AH SA needs -A, an algorithm and its key");
    if (out.protocol == SaProtocol::IpComp && !sa.compression)
        return error(where, "an IPComp SA needs -C and an algorithm");
    if (out.protocol == SaProtocol::Tcp && !sa.authentication)
        return error(where, "an SA for TCP needs -A tcp-md5 and its key");
    if (sa.soft_seconds > sa.hard_seconds && sa.hard_seconds != 0)
        return error(where, "the soft lifetime (-ls) is longer than the hard one (-lh)");
    if (sa.soft_bytes > sa.hard_bytes && sa.hard_bytes != 0)
        return error(where, "the soft lifetime (-bs) is longer than the hard one (-bh)");
    return true;
}

/// spdadd [-46n] src dst upper [misc] [-ctx …] -P policy; spdadd tagged "tag" -P policy
bool Parser::policy_command(Command& out) {
    const bool names = out.verb == Verb::SpdDelete;  // it names a policy: direction only
    Family family = Family::None;
    bool numeric = false;
    if (!reader_.options(family, numeric)) return false;
    if (lexer_.peek().is_word("tagged") && !names) {
        lexer_.next();
        const Token tag = lexer_.peek();
        if (!tag.is(TokenKind::String) || tag.text.empty() || tag.text.size() > 63)
            return reader_.wanted("a tag of 1 to 63 bytes in double quotes");
        lexer_.next();
        out.tag = std::string(tag.text);
    } else {
        if (!reader_.end(out.src, family, numeric) || !reader_.end(out.dst, family, numeric))
            return false;
        for (const conf::PolicyEnd* end : {&out.src, &out.dst})
            if (end->addresses.size() != 1)
                return error(end->where,
                             "this name has several addresses; a policy is for one: "
                             "write it, or choose with -4 or -6");
        if (!reader_.families(out.src, out.dst, family) || !reader_.upper(out.upper) ||
            !reader_.fits(out.upper, out.src, out.dst))
            return false;
    }
    if (lexer_.peek().is_word("-ctx")) {
        lexer_.next();
        if (!label(out.label)) return false;
    }
    if (!lexer_.peek().is_word("-P")) return reader_.wanted("\"-P\" and a direction");
    lexer_.next();
    return reader_.policy(out.policy, names);
}

}  // namespace racoon::setkey
