#include "conf/marks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "conf/peer_sections.hpp"
#include "conf/policies.hpp"
#include "conf/select.hpp"

namespace racoon::conf {

namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();

void tell_void(const Policy& p, const SaInfo& info, const Marks& theirs, Diagnostics& diagnostics) {
    const auto tell = [&](std::string_view word, const std::string& ours,
                          const std::string& other) {
        diagnostics.warning(
            Warning::NoEffect, p.where,
            fmt::format("this policy has {} {}, so {} {} of the sainfo at {} has no "
                        "effect for it",
                        word, ours, word, other, info.where.text()));
    };
    const Marks& m = p.marks;
    if (m.if_id != 0 && theirs.if_id != 0 && m.if_id != theirs.if_id)
        tell("if_id", std::to_string(m.if_id), std::to_string(theirs.if_id));
    if (m.mark.given() && theirs.mark.given() && m.mark != theirs.mark)
        tell("mark", m.mark.text(), theirs.mark.text());
    if (m.output_mark.given() && theirs.output_mark.given() && m.output_mark != theirs.output_mark)
        tell("output_mark", m.output_mark.text(), theirs.output_mark.text());
}

}  // namespace

std::optional<MarkFault> judge_mark(std::string_view word, std::uint64_t value,
                                    std::optional<std::uint64_t> mask, Mark& out) {
    if (value > kMost)
        return MarkFault{
            false, fmt::format("{} takes a value of 32 bits, found {:#x}", quoted(word), value)};
    if (mask && *mask > kMost)
        return MarkFault{
            true, fmt::format("the mask of {} has 32 bits, found {:#x}", quoted(word), *mask)};
    if (mask && *mask == 0)
        return MarkFault{true, fmt::format("the mask of {} is 0, so that no bit of the value "
                                           "counts; leave {} out",
                                           quoted(word), quoted(word))};
    const std::uint64_t used = mask.value_or(kMost);
    if ((value & ~used) != 0)
        return MarkFault{false, fmt::format("{:#x} has bits that the mask {:#x} does not have, so "
                                            "that no packet would match; {:#x} may be meant",
                                            value, used, value & used)};
    out = {static_cast<std::uint32_t>(value), static_cast<std::uint32_t>(used)};
    return std::nullopt;
}

struct SainfoMarks::Sections {
    explicit Sections(const Config& config)
        : index(config),
          peers(config),
          hosts(std::any_of(config.remotes.begin(), config.remotes.end(),
                            [](const Remote& r) { return !r.host.empty(); })) {}
    SectionIndex index;
    PeerSections peers;
    bool hosts;
};

SainfoMarks::SainfoMarks(const Config& config) {
    if (std::any_of(config.sainfos.begin(), config.sainfos.end(),
                    [](const SaInfo& info) { return info.marks.any(); }))
        sections_ = std::make_unique<const Sections>(config);
}

SainfoMarks::~SainfoMarks() = default;

/// Whoever the peer turns out to be: the sainfo that its identity selects may be another one.
const SaInfo* SainfoMarks::of(const Policy& p) const {
    if (sections_ == nullptr) return nullptr;
    std::vector<std::uint32_t> ids;
    const IpAddr peer = peer_of(p);
    if (!peer.is_any())
        for (const Remote* r : sections_->peers.of(peer))
            if (std::find(ids.begin(), ids.end(), r->ph1id) == ids.end()) ids.push_back(r->ph1id);
    // Addresses of hosts are not known here.
    if (ids.empty() || sections_->hosts) ids.push_back(0);
    for (const std::uint32_t id : ids) {
        SaInfoQuery query;
        query.selector = p.selector;
        query.ph1id = id;
        query.client = peer;
        if (const SaInfo* found = sections_->index.sainfo(query))
            return found->marks.any() ? found : nullptr;
    }
    return nullptr;
}

void inherit_marks(Config& config, Diagnostics& diagnostics) {
    const SainfoMarks marks(config);
    for (Policy& p : config.policies) {
        if (p.action != PolicyAction::Ipsec) continue;
        const SaInfo* info = marks.of(p);
        if (info == nullptr) continue;
        Marks theirs = info->marks;
        if (p.direction != Direction::Out) theirs.output_mark = {};
        if (!p.copied) tell_void(p, *info, theirs, diagnostics);
        p.marks.inherit(theirs);
    }
}

}  // namespace racoon::conf
