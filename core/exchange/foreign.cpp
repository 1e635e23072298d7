// Policies that others have in the kernel, setkey(8) most of all: they are served like the configuration's, and
// come and go at any time. The settings have them, so that what points to one keeps it alive. But nothing keeps
// those settings that were before: each would have all the policies of its time.
#include <memory>
#include <vector>

#include "exchange/core.hpp"

namespace racoon::exchange {

void Core::set_foreign(ForeignPolicies foreign) {
    foreign_ = std::move(foreign);
    const SettingsPtr before = ctx_.settings;
    const SettingsPtr next = std::make_shared<const Settings>(*before, foreign_);
    ctx_.settings = next;
    // Null: it is not there any more. All others are where they were, or the same with another address.
    const auto now = [&](const conf::Policy& p) -> const conf::Policy* {
        return is_foreign(p) ? next->policies.same(p) : &p;
    };
    for (Phase1* sa : sas_.all()) {
        if (sa->settings_ptr() == before) sa->adopt_settings(next, &sa->section());
        for (const auto& x : sa->children)
            if (x->settings().config == next->config) x->adopt_settings(next, now);
    }
    for (SaPair* pair : pairs_.all()) {
        if (pair->settings->config != next->config) continue;
        const conf::Policy* there = next->policies.find(pair->policy->id);
        if (is_foreign(*pair->policy) && there != nullptr && there->marks != pair->policy->marks) {
            // By another configuration, which has another sainfo for it.
            delete_pair(*pair, Tell::Peer, false, "its SAs have other marks now");
            continue;
        }
        const conf::Policy* p = now(*pair->policy);
        if (p == nullptr) {
            // It may come back.
            if (pair->kept.get() != pair->policy)
                pair->kept = std::make_shared<const conf::Policy>(*pair->policy);
            p = pair->kept.get();
        }
        pairs_.adopt(*pair, next, p);
    }
    std::vector<Request*> orphans;
    for (const auto& [key, r] : requests_) {
        if (r->settings->config != next->config) continue;
        if (const conf::Policy* p = now(*r->policy)) {
            r->settings = next;
            r->policy = p;
        } else {
            orphans.push_back(r.get());
        }
    }
    const Error gone(Errc::Cancelled, "its policy was removed from the kernel");
    for (Request* r : orphans) {
        if (r->running != nullptr)
            r->running->abort(gone);
        else
            finish_request(*r, fail(gone));
    }
    update_starters(false);
}

/// Whether SAs for it are still wanted.
bool Core::is_wanted(const conf::Policy& policy) const {
    return !is_foreign(policy) || ctx_.settings->policies.same(policy) != nullptr;
}

}  // namespace racoon::exchange
