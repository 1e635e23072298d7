// if_id, mark and output_mark: how they are judged where they are written, and which of a sainfo's a policy
// takes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "conf/config.hpp"
#include "conf/diagnostic.hpp"

namespace racoon::conf {

struct MarkFault {
    bool in_mask = false;  // else in the value
    std::string text;
};
/// VALUE[/MASK] as it was written behind `word`; nothing: `out` is it.
std::optional<MarkFault> judge_mark(std::string_view word, std::uint64_t value,
                                    std::optional<std::uint64_t> mask, Mark& out);

/// The marks that sainfos have for policies that say none themselves.
class SainfoMarks {
  public:
    /// The configuration outlives it.
    explicit SainfoMarks(const Config& config);
    ~SainfoMarks();
    /// The sainfo for its traffic, if that has any; null: it has none, or there is none.
    const SaInfo* of(const Policy& policy) const;

  private:
    struct Sections;
    std::unique_ptr<const Sections> sections_;  // null: no sainfo has any
};

/// Gives each ipsec policy what it does not say itself and the sainfo for its traffic does: an SA with
/// others than its policy would never be found. What the policy says stands; a sainfo that says otherwise
/// is warned of.
void inherit_marks(Config& config, Diagnostics& diagnostics);

}  // namespace racoon::conf
