// Builder: the work behind build(), shared by build.cpp (top level), build_blocks.cpp,
// build_remote.cpp, build_remote_body.cpp, build_sainfo.cpp and build_access.cpp. Not for other users.
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
    UnavailableProposal written;
    bool has_lifetime = false, has_kilobytes = false;
    bool usable = true;                                 // false: an algorithm's module is missing
    std::vector<std::pair<Span, std::string>> missing;  // why
};

/// Whom a section is for.
struct PeerSpec {
    std::optional<Endpoint> address;
    std::optional<Prefix> net;
    std::string host;
    std::uint16_t port = 500;
    /// The name of an old-form section.
    std::string text() const;
};

/// A section while its inheritance is being worked out.
struct RemoteDraft {
    Remote made;
    std::vector<ProposalDraft> proposals;
    std::optional<seconds> lifetime;
    std::optional<std::uint64_t> kilobytes;
    bool named = false;
    bool has_modes = false;                  // exchange_mode was written, whatever became of it
    bool has_broken = false;                 // a proposal or an unknown word that was told
    bool has_address = false;                // remote_address was written in this block
    std::map<Word, const Statement*> asked;  // where what may be unsupported was written
};

class Builder {
  public:
    Builder(const BuildInput& input, Diagnostics& diagnostics)
        : in_(input), diagnostics_(diagnostics), config_(std::make_shared<Config>()) {}

    std::shared_ptr<Config> run(std::string file);

  private:
    // build_blocks.cpp
    void listen(const Statement& s);
    void admin_socket(const Statement& s);
    void timer(const Statement& s);
    void padding(const Statement& s);
    void privsep(const Statement& s);

    // build_access.cpp
    void mode_cfg(const Statement& s);
    void mode_cfg_statement(const Statement& s, ModeCfg& m);
    void split_network(const Statement& s, ModeCfg& m);
    void radius_cfg(const Statement& s);
    void ldap_cfg(const Statement& s);
    void addresses(const Statement& s, std::size_t most, std::vector<IpAddr>& out);
    void texts(const Statement& s, std::vector<std::string>& out);
    std::optional<IpAddr> ipv4(const Value& v, std::string_view word);

    // build.cpp
    void path(const Statement& s);
    void kernel(const Statement& s);
    void module(const Statement& s);
    void policy(const Statement& s);
    void check_whole();

    // build_remote.cpp
    void remote(const Statement& s);
    std::string index_name(const Value& v, const Value& length);
    void find_parents();
    bool inherit(const Statement& s, RemoteDraft& draft);
    std::optional<PeerSpec> peer(const Value& where, const Value& length);
    void proposal(const Statement& s, RemoteDraft& draft);
    void finish_remote(const Statement& s, RemoteDraft& draft);
    void finish_proposals(const RemoteDraft& draft, Remote& r);

    // build_unsupported.cpp
    void find_unsupported(const RemoteDraft& draft, Remote& r);
    void unsupported(std::vector<Unsupported>& out, const Span& where, std::string_view what,
                     Feature feature, std::string_view section, bool initiating = true);

    // build_remote_body.cpp
    void remote_statement(const Statement& s, RemoteDraft& draft);
    void phase1_statement(const Statement& s, RemoteDraft& draft);
    void extras_statement(const Statement& s, RemoteDraft& draft);
    void remote_address(const Statement& s, RemoteDraft& draft);
    void exchange_mode(const Statement& s, RemoteDraft& draft);
    std::uint16_t esp_frag(const Statement& s, std::uint64_t size);
    void certificate(const Statement& s, Remote& r);
    void peers_certificate(const Statement& s, Remote& r);
    void script(const Statement& s, Remote& r);
    bool distinguished_name(const Value& v);
    bool identity_fits(const Value& v, std::size_t size);
    std::optional<IdentitySpec> identity(const std::vector<Value>& values, const Statement& s);

    // build_sainfo.cpp
    void sainfo(const Statement& s);
    void sainfo_for(const Statement& s, SaInfo& info);
    std::optional<SaInfoSide> side(const Statement& s, std::size_t first);
    bool range(const Value& where, const Value& length, SaInfoSide& out);
    bool protocol(const Value& v, std::uint8_t& out);
    void duplicate(const SaInfo& info, const Statement& s);
    void mark(const Statement& s, Mark& out);

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
    /// "; installed: NAME; add: module …"
    std::string add_module(std::string_view module) const;
    void tell_missing(const Span& where, const std::string& message, bool something_left);
    void tell_joined(const Value& v, std::string_view name, std::uint64_t bits);
    bool key_length(const KeyBits& key, std::string_view name, const Value& v, std::uint64_t bits,
                    const Span& where, std::uint16_t& out);

    // small things, build.cpp
    /// The statement's number when it is in the directive's range.
    std::optional<std::uint64_t> number(const Statement& s);
    std::uint64_t nearest_in_range(const Statement& s, std::string_view unit);
    std::optional<Prefix> net(const Value& where, const Value& length);
    void offer_only(const Statement& s, std::string_view instead);
    seconds time(const Value& v) const { return seconds(static_cast<std::int64_t>(v.number)); }
    std::optional<IpAddr> address(const Value& v);
    std::optional<Endpoint> endpoint(const Value& v);
    std::optional<Endpoint> listened(const Value& v);
    bool on(const Value& v) const { return v.number == 1; }
    Location location(const Span& span) const { return in_.sources.location(span); }
    std::string folder_base() const;

    const BuildInput& in_;
    Diagnostics& diagnostics_;
    std::shared_ptr<Config> config_;
    std::set<std::string, std::less<>> parents_;              // names that are inherited from
    std::map<std::string, RemoteDraft, std::less<>> drafts_;  // of those, by name
    std::unordered_map<std::string, Span> remote_places_;     // of all sections, by name
    std::unordered_map<std::string, Span> sainfo_keys_;
    std::map<std::string, Span> module_places_;
    bool missing_ = false;  // set by no_provider() for a known word
    Span missing_where_;
    std::string missing_message_;
    std::size_t inherited_ = 0;  // bytes copied so far, which are bounded
    std::set<std::pair<std::uint32_t, std::uint32_t>> told_missing_;  // file and offset
    std::set<Feature> told_features_;
    bool has_broken_remote_ = false;  // its name may be the one that is looked for
};

}  // namespace racoon::conf
