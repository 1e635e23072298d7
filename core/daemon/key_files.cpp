#include "daemon/key_files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <unistd.h>

#include <racoon/plugin.h>

namespace racoon::daemon {

namespace {

class Checker {
  public:
    Checker(const conf::Config& config, const plugin::Registry& registry)
        : config_(config), registry_(registry) {}

    void pre_shared_keys() {
        const auto named = config_.paths.find("pre_shared_key");
        const bool wanted =
            std::any_of(config_.remotes.begin(), config_.remotes.end(), [](const conf::Remote& r) {
                return std::any_of(
                    r.proposals.begin(), r.proposals.end(), [](const conf::Phase1Proposal& p) {
                        return p.auth != nullptr && p.auth->credential == conf::CredentialKind::Psk;
                    });
            });
        if (named == config_.paths.end() || !wanted) return;
        const Status good = check({RACOON_KEY_PSK, "psk", named->second});
        if (good) return;
        const std::string what =
            "pre-shared key file " + named->second + " (`path pre_shared_key`): ";
        const int why = good.error().os_errno();
        add({}, what + (why == 0 ? good.error().text()
                                 : std::strerror(why) + std::string("; create it with mode 0600 or "
                                                                    "correct the path")));
    }

    KeyFileFindings take() { return std::move(findings_); }

  private:
    Status check(const privsep::KeyFile& file) {
        const Status good = privsep::check_key_file(registry_, file, findings_.warnings);
        const bool hidden = !good && good.error().os_errno() == EACCES && ::geteuid() != 0;
        return hidden ? ok() : good;
    }
    void add(const conf::Location& where, std::string text) {
        conf::Diagnostic d;
        d.where = where;
        if (where.line == 0) d.where.file = config_.file;
        d.message = std::move(text);
        findings_.errors.push_back(std::move(d));
    }

    const conf::Config& config_;
    const plugin::Registry& registry_;
    KeyFileFindings findings_;
};

}  // namespace

KeyFileFindings check_key_files(const conf::Config& config, const plugin::Registry& registry) {
    Checker checker(config, registry);
    checker.pre_shared_keys();
    return checker.take();
}

}  // namespace racoon::daemon
