// PolicyReader: the pieces of setkey's policy lines, for racoon's own policies (`conf/policy_syntax`) and
// for setkey (`setkey/parser`):
//
//     10.1.0.0/16[any] 10.2.0.0/16 tcp -P out prio def + 10 ipsec esp/tunnel/192.0.2.1-192.0.2.2/require
//     end()            end()       upper()  policy()
//
// Each function reads one piece; false: an error has been reported, and reading stands at the token that
// is wrong. Names that are not in the tables here are the caller's to look up (PolicyNames).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/config.hpp"
#include "conf/diagnostic.hpp"
#include "conf/token.hpp"

namespace racoon::conf {

/// What only the system knows: names of hosts, services and protocols beyond the common ones.
class PolicyNames {
  public:
    virtual ~PolicyNames() = default;
    /// Addresses of a host, of `family` only unless it is None.
    virtual Result<std::vector<IpAddr>> host(std::string_view name, Family family) = 0;
    virtual std::optional<std::uint16_t> service(std::string_view name) = 0;
    virtual std::optional<std::uint8_t> protocol(std::string_view name) = 0;
};

/// One end of a selector as it was written; several addresses only where a name has them.
struct PolicyEnd {
    std::vector<IpAddr> addresses;
    Span where;
    std::optional<unsigned> prefix;
    std::uint16_t port = 0;
    bool port_written = false;

    const IpAddr& addr() const { return addresses.front(); }
};

/// What follows the two ends: protocol 0 is any. At most one of the others is there.
struct PolicyUpper {
    std::uint8_t protocol = 0;
    std::optional<std::pair<std::uint8_t, std::uint8_t>> icmp;  // type, code
    std::optional<std::uint32_t> gre_key;
    Span where;
};

struct PolicyRule {
    std::uint8_t protocol = 50;  // 50 esp, 51 ah, 108 ipcomp
    bool tunnel = false;
    Level level = Level::Default;
    std::optional<std::uint32_t> unique;  // N of `unique:N`
    Endpoint from, to;                    // family None: not written, or me-any
    Span from_where, to_where;
};

/// `-P …`
struct WrittenPolicy {
    enum class Action : std::uint8_t { Discard, None, Ipsec, Entrust, Bypass, Absent };
    Direction direction = Direction::Out;
    Action action = Action::Absent;
    Span action_where;
    std::int32_t priority = 0;  // larger is looked at first
    bool priority_written = false;
    Marks marks;
    std::vector<PolicyRule> rules;
};

class PolicyReader {
  public:
    static constexpr std::size_t kMaxRules = 8;  // esp, ah, ipcomp, nested tunnels
    struct Setting {
        bool setkey = false;  // what racoon's own policies do not have: entrust, me-any, …
        PolicyNames* names = nullptr;  // null: numbers and the common names only
    };

    PolicyReader(Lexer& lexer, Diagnostics& diagnostics, Setting setting)
        : lexer_(lexer), diagnostics_(diagnostics), setting_(setting) {}

    /// -4, -6, -n in any combination, before the addresses. `numeric` keeps names from being looked up.
    bool options(Family& family, bool& numeric);
    /// ADDRESS [/PREFIX] [[PORT]]
    bool end(PolicyEnd& out, Family family, bool numeric, bool prefix = true);
    /// Both ends of one family, which is `family` unless that is None.
    bool families(const PolicyEnd& src, const PolicyEnd& dst, Family family);
    bool upper(PolicyUpper& out);
    /// After upper(): ICMP with IPv4 and the like.
    bool fits(const PolicyUpper& upper, const PolicyEnd& src, const PolicyEnd& dst);
    /// From the direction on, behind `-P`. `direction_only`: it may end there.
    bool policy(WrittenPolicy& out, bool direction_only = false);
    bool port(std::uint16_t& out, bool& written);
    bool wanted(std::string_view what, const std::vector<std::string>& words = {});

  private:
    bool address(std::string_view text, const Span& where, Family family, bool numeric,
                 std::vector<IpAddr>& out);
    bool miscellany(PolicyUpper& out);
    bool priority(std::int32_t& out);
    bool marks(WrittenPolicy& p, bool& found);
    bool mark(std::string_view word, Mark& out);
    bool number(std::string_view word, std::uint64_t& out, Span& where);
    bool rule(PolicyRule& out, Direction direction);
    bool rule_ends(PolicyRule& out);
    bool tunnel_end(Endpoint& out, Span& where);
    bool level(PolicyRule& out);

    Lexer& lexer_;
    Diagnostics& diagnostics_;
    Setting setting_;
};

}  // namespace racoon::conf
