#include "daemon/key_files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <unistd.h>
#include <utility>

#include <racoon/plugin.h>

#include "base/build_config.hpp"
#include "conf/file_source.hpp"

namespace racoon::daemon {

namespace {

bool wants_shared_key(const conf::Remote& remote) {
    return std::any_of(
        remote.proposals.begin(), remote.proposals.end(), [](const conf::Phase1Proposal& p) {
            return p.auth != nullptr && p.auth->credential == conf::CredentialKind::Psk;
        });
}

/// Where files are the only source, and none is named.
std::vector<privsep::KeyRemark> no_file_named(const conf::Config& config,
                                              const plugin::Registry& registry,
                                              const std::string& name) {
    const auto sources = registry.ranked(RACOON_POINT_CREDENTIAL);
    const auto first = std::find_if(config.remotes.begin(), config.remotes.end(), wants_shared_key);
    if (first == config.remotes.end() || sources.size() != 1 || sources[0]->offer.key != "files")
        return {};
    privsep::KeyRemark remark;
    remark.name = name;
    remark.where = first->where;
    remark.text =
        "this section needs a pre-shared key, and no file of keys is named; write for example: "
        "path pre_shared_key \"" RACOON_SYSCONFDIR "/psk.txt\";";
    return {std::move(remark)};
}

/// Shows lines of files. Each file is read once; lines that come in order are found in one walk.
class SourceLines {
  public:
    void show(conf::Diagnostic& d) {
        if (d.where.line <= 0) return;
        const auto [found, fresh] = texts_.try_emplace(d.where.file);
        Text& text = found->second;
        if (fresh)
            if (auto bytes = conf::DiskFiles().read(d.where.file)) text.bytes = std::move(*bytes);
        if (d.where.line < text.line) text.line = 1, text.at = 0;
        for (; text.line < d.where.line; ++text.line) {
            const auto end = text.bytes.find('\n', text.at);
            if (end == text.bytes.npos) return;  // it has changed since
            text.at = end + 1;
        }
        const int line = std::exchange(d.where.line, 1);
        conf::show_source(d, std::string_view(text.bytes).substr(text.at));
        d.where.line = line;
    }

  private:
    struct Text {
        std::string bytes;
        int line = 1;
        std::size_t at = 0;  // where it starts
    };
    std::map<std::string, Text> texts_;
};

constexpr std::size_t kMaxErrors = conf::Diagnostics::kMaxDiagnostics;

class Checker {
  public:
    Checker(const conf::Config& config, const plugin::Registry& registry)
        : config_(config), registry_(registry) {}

    void pre_shared_keys() {
        const auto named = config_.paths.find("pre_shared_key");
        const bool wanted =
            std::any_of(config_.remotes.begin(), config_.remotes.end(), wants_shared_key);
        if (named == config_.paths.end() || !wanted) return;
        const auto found = config_.path_places.find("pre_shared_key");
        conf::Location place;
        if (found != config_.path_places.end()) place = found->second;
        const Status good = check({RACOON_KEY_PSK, "psk", named->second}, place);
        if (good) return;
        const std::string what =
            "pre-shared key file " + named->second + " (`path pre_shared_key`): ";
        const int why = good.error().os_errno();
        add(place,
            what + (why == 0 ? good.error().text()
                             : std::strerror(why) + std::string("; create it with mode 0600 or "
                                                                "correct the path")));
    }

    void plain_rsa_keys() {
        for (const conf::Remote& remote : config_.remotes) {
            if (findings_.errors.size() >= kMaxErrors) return;
            if (remote.certificate && remote.certificate->kind == conf::CertificateKind::PlainRsa)
                plain_rsa(RACOON_KEY_SIGN, "certificate_type", remote.certificate->key,
                          remote.certificate->where);
            for (const conf::PeersCertificate& c : remote.peers_certificates)
                if (c.kind == conf::CertificateKind::PlainRsa)
                    plain_rsa(RACOON_KEY_VERIFY, "peers_certfile", c.file, c.where);
        }
    }

    KeyFileFindings take() {
        std::erase_if(findings_.warnings, [this](const privsep::KeyRemark& remark) {
            return config_.silenced.contains(remark.name);
        });
        return std::move(findings_);
    }

  private:
    void plain_rsa(std::uint32_t use, const char* directive, const std::string& name,
                   const conf::Location& where) {
        if (findings_.errors.size() >= kMaxErrors) return;  // none of them is opened for nothing
        const std::string path = key_file_path(config_, name);
        if (!checked_.emplace(use, path).second) return;  // many sections may share a file
        const Status good = check({use, "plain_rsa", path}, where);
        if (!good) add(where, directive + (": " + good.error().text()));
    }
    Status check(const privsep::KeyFile& file, const conf::Location& where) {
        const Status good = privsep::check_key_file(registry_, file, findings_.warnings);
        if (good || good.error().os_errno() != EACCES || ::geteuid() == 0) return good;
        privsep::KeyRemark remark;
        remark.name = conf::about(conf::Warning::UncheckedFile).name;
        remark.where = where;
        if (where.line == 0) remark.where.file = config_.file;
        remark.text = file.path +
                      " may not be read by who tests this, and was not checked; run: racoon -t as "
                      "root";
        findings_.warnings.push_back(std::move(remark));
        return ok();
    }
    void add(const conf::Location& where, std::string text) {
        conf::Diagnostic d;
        d.where = where;
        if (where.line == 0) d.where.file = config_.file;
        d.message = std::move(text);
        lines_.show(d);
        findings_.errors.push_back(std::move(d));
    }

    const conf::Config& config_;
    const plugin::Registry& registry_;
    SourceLines lines_;
    KeyFileFindings findings_;
    std::set<std::pair<std::uint32_t, std::string>> checked_;
};

}  // namespace

std::string key_file_path(const conf::Config& config, const std::string& name) {
    const auto folder = config.paths.find("certificate");
    if (name.starts_with('/') || folder == config.paths.end()) return name;
    return folder->second + "/" + name;
}

std::vector<privsep::KeyRemark> find_missing_keys(const conf::Config& config,
                                                  const plugin::Registry& registry) {
    std::vector<privsep::KeyRemark> out;
    const std::string name(conf::about(conf::Warning::PskLine).name);
    const auto file = config.paths.find("pre_shared_key");
    if (config.silenced.contains(name)) return out;
    if (file == config.paths.end()) return no_file_named(config, registry, name);
    std::set<IpAddr> asked;
    for (const conf::Remote& r : config.remotes) {
        const bool main_mode =
            std::find(r.modes.begin(), r.modes.end(), conf::ExchangeMode::Main) != r.modes.end();
        if (!r.address || !main_mode || !wants_shared_key(r) ||
            !asked.insert(r.address->addr).second)
            continue;
        const Status found = privsep::psk_of_address(registry, *r.address);
        if (found || found.error().code() != Errc::NotFound) continue;
        privsep::KeyRemark remark;
        remark.name = name;
        remark.where = r.where;
        remark.text = "no key for " + r.address->addr.text() + " in " + file->second +
                      ", where main mode looks for the address; add a line with " +
                      r.address->addr.text() + ", a blank and the key";
        out.push_back(std::move(remark));
    }
    return out;
}

KeyFileFindings check_key_files(const conf::Config& config, const plugin::Registry& registry) {
    Checker checker(config, registry);
    checker.pre_shared_keys();
    checker.plain_rsa_keys();
    return checker.take();
}

}  // namespace racoon::daemon
