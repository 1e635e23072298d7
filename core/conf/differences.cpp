#include "conf/differences.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <vector>

#include "conf/print.hpp"

namespace racoon::conf {

namespace {

/// Sections under what names them; of equal names in the order of the file.
using Texts = std::map<std::string, std::vector<std::string>>;

void compare(Texts& before, Texts& after, Difference& out) {
    for (auto& [name, was] : before) after[name];
    for (auto& [name, now] : after) {
        auto& was = before[name];
        std::sort(was.begin(), was.end());
        std::sort(now.begin(), now.end());
        // What is in both is unchanged; of what is left over, pairs are changes.
        std::vector<std::string> fresh, gone;
        std::set_difference(now.begin(), now.end(), was.begin(), was.end(),
                            std::back_inserter(fresh));
        std::set_difference(was.begin(), was.end(), now.begin(), now.end(),
                            std::back_inserter(gone));
        const std::size_t changed = std::min(fresh.size(), gone.size());
        out.changed += changed;
        out.added += fresh.size() - changed;
        out.removed += gone.size() - changed;
    }
}

/// What names a sainfo: everything up to its block.
std::string head_of(const std::string& text) {
    return text.substr(0, text.find('{'));
}

/// What names a policy: direction, selector and what stands beside it for the kernel.
std::string head_of(const Policy& policy) {
    return std::to_string(static_cast<int>(policy.direction)) + " " + policy.selector.text() + " " +
           std::to_string(policy.marks.if_id) + " " + policy.marks.mark.text();
}

Texts sections(const Config& config) {
    Texts out;
    for (const Remote& r : config.remotes) out["remote " + r.name].push_back(print(r));
    for (const SaInfo& s : config.sainfos) {
        std::string text = print(s);
        std::string head = head_of(text);
        out[std::move(head)].push_back(std::move(text));
    }
    return out;
}

Texts policies(const Config& config) {
    Texts out;
    for (const Policy& p : config.policies)
        if (!p.copied) out[head_of(p)].push_back(print(p));
    return out;
}

/// Everything that is neither section nor policy.
std::string rest(Config bare) {
    bare.remotes.clear();
    bare.sainfos.clear();
    bare.policies.clear();
    return print(bare);
}

/// "2 sections added, 1 removed": the noun once.
void describe(std::string& out, const Difference& d, std::string_view one, std::string_view many) {
    bool first = true;
    const auto part = [&](std::size_t n, const char* what) {
        if (n == 0) return;
        out += first ? (out.empty() ? "" : "; ") : ", ";
        out += std::to_string(n);
        if (first) out.append(" ").append(n == 1 ? one : many);
        out.append(" ").append(what);
        first = false;
    };
    part(d.added, "added");
    part(d.removed, "removed");
    part(d.changed, "changed");
}

}  // namespace

bool same(const Remote& a, const Remote& b) {
    return a.name == b.name && print(a, SectionText::Effective) == print(b, SectionText::Effective);
}

bool same(const SaInfo& a, const SaInfo& b) {
    return print(a, SectionText::Effective) == print(b, SectionText::Effective);
}

Differences differences(const Config& before, const Config& after) {
    Differences out;
    Texts was = sections(before), now = sections(after);
    compare(was, now, out.sections);
    was = policies(before), now = policies(after);
    compare(was, now, out.policies);
    out.other = rest(before) != rest(after);
    return out;
}

std::string Differences::text() const {
    std::string out;
    describe(out, sections, "section", "sections");
    describe(out, policies, "policy", "policies");
    if (other) out += out.empty() ? "other settings changed" : "; other settings changed";
    return out.empty() ? "nothing changed" : out;
}

}  // namespace racoon::conf
