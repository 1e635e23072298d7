// Files that racoon.conf names: that they are there, and that secrets are for our eyes only. What is in
// a file of keys, the module that reads it judges.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "conf/build.hpp"
#include "conf/check.hpp"
#include "conf/features.hpp"
#include "log/log.hpp"

namespace racoon::conf {

namespace {

bool uses(const Config& config, CredentialKind kind) {
    return std::any_of(config.remotes.begin(), config.remotes.end(), [&](const Remote& r) {
        return std::any_of(r.proposals.begin(), r.proposals.end(), [&](const Phase1Proposal& p) {
            return p.auth && p.auth->credential == kind;
        });
    });
}

/// A path in a command that somebody may paste.
std::string plain(const std::string& path) {
    return log::escaped(path, 200);
}

class Files {
  public:
    explicit Files(const Whole& whole) : whole_(whole) {
        for (const Statement& s : whole.statements)
            if (s.directive->word == Word::PathKind && !s.broken && !s.values.empty())
                paths_.insert_or_assign(s.directive->keyword, &s.values[0]);
    }

    void folders() {
        if (uses(whole_.config, CredentialKind::Key)) folder("certificate");
        folder("script");
    }

    void section(const Statement& s) {
        const bool wanted = has(Feature::Certificates) && uses(whole_.config, CredentialKind::Key);
        for (const Statement& inner : s.body) {
            if (inner.broken || inner.values.empty()) continue;
            const auto& v = inner.values;
            switch (inner.directive->word) {
                case Word::CertificateType:
                    if (v[0].text == "x509" && v.size() > 2) {
                        there(v[1], in_folder("certificate", v[1]), "the certificate", wanted);
                        secret(v[2], in_folder("certificate", v[2]), "the private key", wanted);
                    }  // a plain RSA key is judged by the module that reads it
                    break;
                case Word::PeersCertfile:
                    if (v.size() > 1)
                        there(v[1], in_folder("certificate", v[1]), "the peer's certificate",
                              wanted);
                    break;
                case Word::CaType:
                    there(v[0], in_folder("certificate", v[0]), "the CA's certificate", wanted);
                    break;
                case Word::Script:
                    script(v[0]);
                    break;
                default:
                    break;
            }
        }
    }

    /// A file of the configuration itself that holds a secret.
    void own_text(const Statement& block) {
        for (const Statement& s : block.body) {
            const bool radius =
                s.directive->word == Word::AuthServer || s.directive->word == Word::AcctServer;
            if (s.broken || s.values.empty() || (!radius && s.directive->word != Word::LdapBindPw))
                continue;
            const std::string& name = whole_.diagnostics.sources().at(s.where.file).name;
            const auto facts = whole_.files.facts(name);
            if (!facts || (facts->mode & 077) == 0 || !told_.insert("own " + name).second) continue;
            whole_.diagnostics.warning(
                Warning::UnsafeFile, s.where,
                fmt::format("this is a secret, and others can read {}; run: chmod 600 {}",
                            quoted(name), plain(name)));
        }
    }

  private:
    std::string in_folder(std::string_view kind, const Value& v) const {
        const auto found = paths_.find(kind);
        return resolve_path(v.text,
                            found == paths_.end() ? std::string_view{} : found->second->text,
                            whole_.diagnostics.sources().at(v.where.file).name);
    }

    /// Whether something can be said of the file; a missing one is told.
    bool there(const Value& v, const std::string& path, std::string_view what, bool error) {
        const auto facts = whole_.files.facts(path);
        if (facts && facts->kind == FileFacts::Kind::Regular) return true;
        if (!facts &&
            (facts.error().code() == Errc::Unsupported || facts.error().code() == Errc::Denied))
            return false;
        if (!told_.insert(path).second) return false;  // a file that many sections name
        const std::string why =
            !facts ? facts.error().text()
                   : std::string(facts->kind == FileFacts::Kind::Folder ? "it is a folder"
                                                                        : "it is no regular file");
        whole_.diagnostics.error_or_warning(
            error, Warning::MissingFile, v.where,
            fmt::format("cannot use {} {}: {}", what, quoted(path), why));
        return false;
    }

    /// The same for what only we may read. True: it may be read.
    bool secret(const Value& v, const std::string& path, std::string_view what, bool error) {
        if (!there(v, path, what, error)) return false;
        const auto facts = whole_.files.facts(path);
        if (!facts || (facts->our_own && (facts->mode & 077) == 0)) return facts.has_value();
        if (!told_.insert(path).second) return false;
        whole_.diagnostics.error_or_warning(
            error, Warning::UnsafeFile, v.where,
            facts->our_own
                ? fmt::format(
                      "{} {} can be used by others (mode {:04o}) and is refused; run: chmod "
                      "600 {}",
                      what, quoted(path), facts->mode, plain(path))
                : fmt::format(
                      "{} {} belongs to {} and is refused: it must belong to whom racoon runs "
                      "as; run: chown root {} && chmod 600 {}",
                      what, quoted(path), facts->owner, plain(path), plain(path)));
        return false;
    }

    void script(const Value& v) {
        const std::string path = in_folder("script", v);
        if (!there(v, path, "the script", false)) return;
        const auto facts = whole_.files.facts(path);
        if (!facts) return;
        if ((facts->mode & 0111) == 0 && told_.insert(path).second)
            whole_.diagnostics.warning(
                Warning::MissingFile, v.where,
                fmt::format("the script {} cannot be executed; run: chmod 755 {}", quoted(path),
                            plain(path)));
        else if ((facts->mode & 022) != 0 && told_.insert(path).second)
            whole_.diagnostics.warning(
                Warning::UnsafeFile, v.where,
                fmt::format(
                    "others can change the script {}, and racoon runs it as root; run: chmod "
                    "755 {}",
                    quoted(path), plain(path)));
    }

    void folder(std::string_view kind) {
        const auto found = paths_.find(kind);
        if (found == paths_.end()) return;
        const std::string path(found->second->text);
        const auto facts = whole_.files.facts(path);
        if (facts
                ? facts->kind == FileFacts::Kind::Folder
                : facts.error().code() == Errc::Unsupported || facts.error().code() == Errc::Denied)
            return;
        whole_.diagnostics.warning(Warning::MissingFile, found->second->where,
                                   fmt::format("path {}: {} {}", kind, quoted(path),
                                               facts ? std::string("is not a folder")
                                                     : "cannot be used: " + facts.error().text()));
    }

    const Whole& whole_;
    std::map<std::string_view, const Value*> paths_;
    std::set<std::string> told_;
};

}  // namespace

void check_files(const Whole& whole) {
    Files files(whole);
    files.folders();
    for (const Statement& s : whole.statements) {
        if (s.directive->word == Word::Remote) files.section(s);
        if (s.directive->word == Word::RadiusCfgBlock || s.directive->word == Word::LdapCfgBlock)
            files.own_text(s);
    }
}

}  // namespace racoon::conf
