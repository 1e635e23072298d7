#include "rsagen/arguments.hpp"

#include <charconv>
#include <getopt.h>
#include <string_view>
#include <unistd.h>

namespace racoon::rsagen {

namespace {

/// Decimal, or hex after 0x; nothing else, so that a slip of the finger makes no weak key.
std::optional<std::uint64_t> number(std::string_view text) {
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        base = 16;
        text.remove_prefix(2);
    }
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

Status take_bits(Arguments& to, const std::string& text) {
    const auto bits = number(text);
    if (!bits || *bits < kMinBits || *bits > kMaxBits)
        return fail(Errc::Config, "-b: found \"" + text + "\", expected a number of bits from " +
                                      std::to_string(kMinBits) + " to " + std::to_string(kMaxBits));
    to.bits = static_cast<unsigned>(*bits);
    return ok();
}

Status take_exponent(Arguments& to, const std::string& text) {
    const auto exponent = number(text);
    if (!exponent || *exponent < 3 || *exponent % 2 == 0)
        return fail(Errc::Config, "-e: found \"" + text +
                                      "\", expected an odd number of at most 64 bits, as 0x10001");
    to.exponent = *exponent;
    return ok();
}

void warn_of_weakness(Arguments& to, bool bits_given, bool exponent_given) {
    if (!to.input.empty()) {
        if (bits_given || exponent_given) to.warnings.push_back("-b and -e have no effect with -i");
        return;
    }
    if (to.bits < kGoodBits)
        to.warnings.push_back("a key of " + std::to_string(to.bits) +
                              " bits is weak; the default, -b 3072, is not");
    if (to.exponent < kGoodExponent)
        to.warnings.push_back("public exponent " + std::to_string(to.exponent) +
                              " is for old peers only; the default, -e 0x10001, is better");
}

}  // namespace

Result<Arguments> parse_arguments(int argc, char** argv) {
    Arguments out;
    bool bits_given = false, exponent_given = false;
    opterr = 0;
    optind = 1;
    static const option kLong[] = {{"help", no_argument, nullptr, 'h'}, {nullptr, 0, nullptr, 0}};
    for (int c = 0; (c = ::getopt_long(argc, argv, ":b:e:f:i:h", kLong, nullptr)) != -1;) {
        switch (c) {
            case 'b':
                RACOON_TRY_STATUS(take_bits(out, optarg));
                bits_given = true;
                break;
            case 'e':
                RACOON_TRY_STATUS(take_exponent(out, optarg));
                exponent_given = true;
                break;
            case 'f':
                out.output = optarg;
                break;
            case 'i':
                out.input = optarg;
                break;
            case 'h':
                out.help = true;
                return out;
            case ':':
                return fail(Errc::Config,
                            std::string("-") + static_cast<char>(optopt) + " needs a value");
            default:
                return fail(Errc::Config,
                            "unknown option " +
                                (optopt != 0 ? std::string("-") + static_cast<char>(optopt)
                                             : std::string(argv[optind - 1])) +
                                "; -h shows them");
        }
    }
    if (optind < argc)
        return fail(Errc::Config, "found \"" + std::string(argv[optind]) +
                                      "\", expected options only; name the file with -f");
    warn_of_weakness(out, bits_given, exponent_given);
    return out;
}

std::string usage(const std::string& program) {
    return "usage: " + program +
           " [-b bits] [-e pubexp] [-f outfile] [-i pemfile]\n"
           "  -b bits     length of the key, 1024 to 16384 (default: 3072)\n"
           "  -e pubexp   public exponent, decimal or 0x hex (default: 0x10001)\n"
           "  -f outfile  write here, mode 0600; must not exist (default: standard output)\n"
           "  -i pemfile  convert this PEM key, private or public, instead of making one\n"
           "  -h, --help  this text\n";
}

}  // namespace racoon::rsagen
