// Whether the active backend has what the configuration asks for beside algorithms: if_id, mark and
// output_mark, without which nothing is started, and esp_frag and pfkey_buffer, without which packets stay whole
// and buffers as they are.
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
    if ((caps_.flags & RACOON_CAP_ESP_FRAG) != 0) return ok();
    for (const conf::Remote& remote : config.remotes)
        if (remote.esp_frag != 0 && remote.nat_traversal != conf::Offer::Off)
            LOGW("",
                 remote.where.text() + ": esp_frag has no effect in remote \"" + remote.name +
                     "\": the kernel backend " + caps_.backend +
                     " leaves packets whole; \"racoonctl explain esp_frag\" tells which does not");
    return ok();
}

}  // namespace racoon::privsep
