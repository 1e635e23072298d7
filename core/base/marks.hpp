// Marks: what policies and SAs have beside addresses, so that several for the same addresses can stand side
// by side: the number of an XFRM interface, and the mark of packets (Linux: XFRMA_IF_ID, XFRMA_MARK and
// XFRMA_SET_MARK). A policy finds only SAs that have its own.
//
//     Marks m{.if_id = 7, .mark = {0x10, 0xff}};
//     m.text()                  // "if_id 7 mark 0x10/0xff"
//     m.of_sa(true)             // what the inbound SA of such a policy has
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace racoon {

/// A packet has it when its own mark and `mask` give `value`. Mask 0: no mark is asked for.
struct Mark {
    std::uint32_t value = 0;
    std::uint32_t mask = 0;
    bool given() const { return mask != 0; }
    std::string text() const;  // "0x10/0xff", "0x10" with the whole mask
    friend auto operator<=>(const Mark&, const Mark&) = default;
};

struct Marks {
    std::uint32_t if_id = 0;  // 0: no interface
    Mark mark = {};           // of packets before IPsec
    Mark output_mark = {};    // that an outbound SA gives to what it has protected
    bool any() const { return if_id != 0 || mark.given() || output_mark.given(); }
    /// What is unset here and set there.
    void inherit(const Marks& from);
    /// Of an SA for an outbound policy with these. What comes in has no mark before it is opened, and its
    /// SPI is enough to find its SA.
    Marks of_sa(bool inbound) const;
    /// As in racoon.conf, separated by spaces; "" when nothing is set.
    std::string text() const;
    friend auto operator<=>(const Marks&, const Marks&) = default;
};

void put(Writer& out, const Marks& v);
/// Errors: Truncated; Malformed, a value with bits that its mask does not have.
Result<Marks> get_marks(Reader& in);

}  // namespace racoon
