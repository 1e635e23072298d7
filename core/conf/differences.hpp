// What distinguishes one configuration from the next: for what a reload reports, and for whether an SA's
// section is still the one that it was negotiated under.
//
//     const Differences d = differences(*running, *fresh);
//     LOGI("", d.text());            // "1 section added, 1 changed; 2 policies removed"
//
// Compared is what is effective, defaults and inherited settings included; where in the file a section
// stands does not count.
#pragma once

#include <cstddef>
#include <string>

#include "conf/config.hpp"

namespace racoon::conf {

bool same(const Remote& a, const Remote& b);
bool same(const SaInfo& a, const SaInfo& b);

struct Difference {
    std::size_t added = 0, removed = 0, changed = 0;
    bool any() const { return added + removed + changed != 0; }
};

struct Differences {
    Difference sections;  // remote and sainfo
    Difference policies;
    bool other = false;  // anything else that is effective
    bool any() const { return sections.any() || policies.any() || other; }
    std::string text() const;
};

Differences differences(const Config& before, const Config& after);

}  // namespace racoon::conf
