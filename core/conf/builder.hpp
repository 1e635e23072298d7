// Builder: the work behind build(), shared by build.cpp (top level), build_remote.cpp and
// build_sainfo.cpp. Not for other users.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "conf/build.hpp"

namespace racoon::conf {

/// A proposal whose lifetime may still come from its section, or from a child's.
struct ProposalDraft {
    Phase1Proposal made;
    bool has_lifetime = false;
    bool usable = true;                                 // false: an algorithm's module is missing
    std::vector<std::pair<Span, std::string>> missing;  // why
};

/// A section while its inheritance is being worked out.
struct RemoteDraft {
    Remote made;
    std::vector<ProposalDraft> proposals;
    std::optional<seconds> lifetime;
    bool named = false;
    bool has_modes = false;  // exchange_mode was written, whatever became of it
};

class Builder {
  public:
    Builder(const BuildInput& input, Diagnostics& diagnostics)
        : in_(input), diagnostics_(diagnostics), config_(std::make_shared<Config>()) {}

    std::shared_ptr<Config> run(std::string file);

  private:
    // build.cpp
    void path(const Statement& s);
    void listen(const Statement& s);
    void admin_socket(const Statement& s);
    void timer(const Statement& s);
    void padding(const Statement& s);
    void privsep(const Statement& s);
    void kernel(const Statement& s);
    void module(const Statement& s);
    void policy(const Statement& s);
    void check_whole();

    // build_remote.cpp
    void remote(const Statement& s);
    void remote_statement(const Statement& s, RemoteDraft& draft);
    void exchange_mode(const Statement& s, RemoteDraft& draft);
    void proposal(const Statement& s, RemoteDraft& draft);
    void finish_remote(const Statement& s, RemoteDraft& draft);
    std::optional<IdentitySpec> identity(const std::vector<Value>& values, const Statement& s,
                                         bool mine);

    // build_sainfo.cpp
    void sainfo(const Statement& s);
    std::optional<SaInfoSide> side(const Statement& s, std::size_t first);
    void duplicate(const SaInfo& info, const Statement& s);

    // names.cpp
    const CipherInfo* cipher(const Value& v, std::uint16_t& key_bits);
    const HashInfo* hash(const Value& v);
    const AuthMethodInfo* auth_method(const Value& v);
    const GroupInfo* group(const Value& v, std::string_view directive);
    const TransformInfo* esp_encryption(const Value& v, std::uint16_t& key_bits);
    const TransformInfo* esp_integrity(const Value& v);
    const TransformInfo* compression(const Value& v);
    /// A word that the catalog does not have: known elsewhere (a warning, `missing_` is set) or
    /// unknown (an error).
    void no_provider(Kind kind, std::string_view directive, const Value& v, std::string_view name);
    bool key_length(const KeyBits& key, std::string_view name, const Value& v, std::uint64_t bits,
                    const Span& where, std::uint16_t& out);

    // small things, build.cpp
    std::optional<std::uint64_t> number(const Value& v, std::string_view directive,
                                        std::uint64_t least, std::uint64_t most);
    seconds time(const Value& v) const { return seconds(static_cast<std::int64_t>(v.number)); }
    std::optional<IpAddr> address(const Value& v);
    std::optional<Endpoint> endpoint(const Value& v);
    bool on(const Value& v) const { return v.number == 1; }
    Location location(const Span& span) const { return in_.sources.location(span); }
    std::string folder_base() const;

    const BuildInput& in_;
    Diagnostics& diagnostics_;
    std::shared_ptr<Config> config_;
    std::map<std::string, RemoteDraft, std::less<>> drafts_;  // by name, for `inherit`
    std::unordered_map<std::string, Span> sainfo_keys_;
    std::map<std::string, Span> module_places_;
    bool missing_ = false;  // set by no_provider() for a known word
    Span missing_where_;
    std::string missing_message_;
    std::size_t inherited_ = 0;  // identities and proposals copied so far, which is bounded
    std::set<std::pair<std::uint32_t, std::uint32_t>> told_missing_;  // file and offset
};

}  // namespace racoon::conf
