// What a configuration needs of the host and of its modules before anything can work: a kernel backend,
// a source of keys, users and groups, folders. Told when it is tested, and not at the first negotiation.
#include <fmt/format.h>

#include <algorithm>

#include "conf/check.hpp"
#include "conf/load.hpp"
#include "conf/token.hpp"
#include "log/log.hpp"

namespace racoon::conf {

namespace {

bool wants_shared_keys(const Config& config) {
    return std::any_of(config.remotes.begin(), config.remotes.end(), [](const Remote& r) {
        return std::any_of(r.proposals.begin(), r.proposals.end(), [](const Phase1Proposal& p) {
            return p.auth && p.auth->credential == CredentialKind::Psk;
        });
    });
}

/// The user or group of a statement, unless it is a number or nothing can be said of it.
void account(const Whole& whole, const Value& v, std::string_view word, bool group) {
    const bool number = !v.text.empty() && std::all_of(v.text.begin(), v.text.end(), is_digit);
    if (v.text.empty() || number) return;
    const auto there = whole.files.account(group, std::string(v.text));
    if (!there.has_value() || *there) return;
    whole.diagnostics.error(
        v.where, fmt::format("{}: this host has no {} {}; write one that exists, or make it with: "
                             "{}",
                             word, group ? "group" : "user", quoted(v.text),
                             group ? "groupadd -r" : "useradd -r"));
}

void accounts(const Whole& whole) {
    for (const Statement& block : whole.statements)
        for (const Statement& s : block.body) {
            if (s.broken || s.values.empty()) continue;
            if (block.directive->word == Word::Privsep) {
                if (s.directive->word == Word::User) account(whole, s.values[0], "user", false);
                if (s.directive->word == Word::Group) account(whole, s.values[0], "group", true);
            }
            if (s.directive->word == Word::AdminSock && s.values.size() == 4) {
                account(whole, s.values[1], "adminsock", false);
                account(whole, s.values[2], "adminsock", true);
            }
        }
}

/// What racoon makes when it starts is made in a folder that is there. `levels`: how many it makes itself.
void folder_for(const Whole& whole, const Value& v, std::string_view word, int levels) {
    std::string folder(v.text.substr(0, std::max<std::size_t>(v.text.rfind('/'), 1)));
    const std::string wanted = folder;
    for (; levels > 0; --levels) {
        if (const auto facts = whole.files.facts(folder); facts) break;
        folder.resize(std::max<std::size_t>(folder.rfind('/'), 1));
    }
    const auto facts = whole.files.facts(folder);
    if (facts && facts->kind == FileFacts::Kind::Folder) return;
    if (!facts && facts.error().code() != Errc::NotFound) return;  // nothing can be said
    whole.diagnostics.error(
        v.where, facts ? fmt::format("{}: {} is not a folder", word, quoted(folder))
                       : fmt::format("{}: there is no folder {}; make it with: mkdir -p {}", word,
                                     quoted(wanted), log::escaped(wanted, 200)));
}

void folders(const Whole& whole) {
    for (const Statement& s : whole.statements) {
        if (s.directive->word == Word::PathKind && s.directive->keyword == "backupsa" &&
            !s.broken && !s.values.empty() && s.values[0].text.starts_with('/'))
            folder_for(whole, s.values[0], "path backupsa", 0);
        for (const Statement& inner : s.body)
            if (inner.directive->word == Word::AdminSock && !inner.broken &&
                !inner.values.empty() && inner.values[0].text.starts_with('/'))
                folder_for(whole, inner.values[0], "adminsock", 1);
    }
}

}  // namespace

void check_host(const Whole& whole, bool modules_known) {
    accounts(whole);
    folders(whole);
    if (!modules_known) return;
    const auto first = std::find_if(
        whole.statements.begin(), whole.statements.end(),
        [](const Statement& s) { return s.directive->word == Word::Module && !s.broken; });
    if (first == whole.statements.end()) return;  // the standard ones hold both
    const auto remedy = [&](Kind kind, std::initializer_list<std::string_view> keys) {
        for (const std::string_view key : keys)
            if (const auto module = whole.catalog.module_offering(kind, key))
                return fmt::format("; installed: {}; add: {}", *module,
                                   module_lines(*module, true));
        return std::string("; add: module \"standard\";");
    };
    if (whole.catalog.names(Kind::Kernel).empty())
        whole.diagnostics.error(
            first->where,
            "the modules that are named here replace the standard ones, and none of "
            "them is a kernel backend" +
                remedy(Kind::Kernel, {"xfrm", "pfkey", "userspace"}));
    if (whole.catalog.names(Kind::Credential).empty() && wants_shared_keys(whole.config))
        whole.diagnostics.warning(
            Warning::MissingModule, first->where,
            "the modules that are named here replace the standard ones, and none of them is a source "
            "of keys, so that pre_shared_key cannot be used" +
                remedy(Kind::Credential, {"files"}));
}

}  // namespace racoon::conf
