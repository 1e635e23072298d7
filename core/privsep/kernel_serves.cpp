// Whether the active backend has what the configuration asks for beside algorithms: if_id, mark and
// output_mark, without which nothing is started; NAT traversal, esp_frag, esn, lifetimes in bytes and pfkey_buffer,
// without which the rest is negotiated and done.
#include "privsep/kernel_serves.hpp"

#include <racoon/plugin.h>

#include "log/log.hpp"
#include "privsep/kernel.hpp"

namespace racoon::privsep {

namespace {

/// "": all of it.
std::string lacking(const Marks& marks, std::uint64_t caps) {
    if (marks.if_id != 0 && (caps & RACOON_CAP_IF_ID) == 0) return "if_id";
    if (marks.mark.given() && (caps & RACOON_CAP_MARK) == 0) return "mark";
    if (marks.output_mark.given() && (caps & RACOON_CAP_MARK) == 0) return "output_mark";
    return {};
}

}  // namespace

Status Kernel::can_serve(const conf::Config& config) const {
    const auto judge = [this](const Marks& marks, const conf::Location& where) -> Status {
        const std::string word = lacking(marks, caps_.flags);
        if (word.empty()) return ok();
        return fail(Errc::Config, where.text() + ": the kernel backend " + caps_.backend +
                                      " cannot do " + word + " on this host; \"racoonctl explain " +
                                      word + "\" tells which can");
    };
    for (const conf::SaInfo& info : config.sainfos)
        RACOON_TRY_STATUS(judge(info.marks, info.marks_where));
    for (const conf::Policy& policy : config.policies)
        RACOON_TRY_STATUS(judge(policy.marks, policy.where));
    if (config.pfkey_buffer != 0 && (caps_.flags & RACOON_CAP_EVENT_BUFFER) == 0)
        LOGW("", config.pfkey_buffer_where.text() +
                     ": pfkey_buffer has no effect: the kernel backend " + caps_.backend +
                     " has no such buffer");
    for (const std::string& text : without_effect(config, caps_.flags, caps_.backend))
        LOGW("", text);
    return ok();
}

std::vector<std::string> without_effect(const conf::Config& config, std::uint64_t capabilities,
                                        const std::string& backend) {
    std::vector<std::string> all;
    const auto tell = [&](const conf::Location& where, const std::string& what,
                          const std::string& why) {
        all.push_back(where.text() + ": " + what + ": the kernel backend " + backend + " " + why);
    };
    for (const conf::Remote& remote : config.remotes) {
        if (remote.nat_traversal == conf::Offer::Off) continue;
        if ((capabilities & RACOON_CAP_UDP_ENCAP) == 0)
            tell(remote.where, "nat_traversal has no effect in remote \"" + remote.name + "\"",
                 "cannot do ESP in UDP on this host, so that no peer behind a NAT is reached; "
                 "\"racoonctl show-modules\" tells which others there are");
        else if (remote.esp_frag != 0 && (capabilities & RACOON_CAP_ESP_FRAG) == 0)
            tell(remote.where, "esp_frag has no effect in remote \"" + remote.name + "\"",
                 "leaves packets whole; \"racoonctl explain esp_frag\" tells which does not");
    }
    if ((capabilities & RACOON_CAP_BYTE_LIFETIME) == 0)
        for (const conf::SaInfo& info : config.sainfos)
            if (info.kilobytes != 0)
                tell(info.where, "\"lifetime byte\" has no effect in this sainfo",
                     "does not count bytes, so that SAs live as long as their time");
    if ((capabilities & RACOON_CAP_ESN) != 0) return all;
    for (const conf::SaInfo& info : config.sainfos)
        if (info.esn)
            tell(info.where, "esn has no effect in this sainfo",
                 "cannot do it on this host, so that SAs have 32-bit sequence numbers");
    return all;
}

}  // namespace racoon::privsep
