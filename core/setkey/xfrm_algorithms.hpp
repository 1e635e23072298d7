// The algorithms of an SA in XFRM's messages: what the kernel's crypto calls those that PF_KEY has numbers for, and those
// that it has none for.
#pragma once

#include <cstdint>
#include <string_view>

#include "setkey/algorithms.hpp"
#include "setkey/stack.hpp"
#include "xfrm/message.hpp"

namespace racoon::setkey {

struct XfrmName {
    AlgorithmKind kind;
    std::uint8_t number;    // PF_KEY's; 0: it has none
    std::string_view name;  // the kernel's
    std::uint16_t
        icv_bits;   // of a hash: what the kernel cuts it to unless told; of a combined algorithm:
                    // what its number means
    bool combined;  // encryption that authenticates
    std::string_view shown;  // in a dump, where setkey has no word for it
};

/// Null: PF_KEY has a number for it alone, or nobody knows it.
const XfrmName* find_xfrm_name(AlgorithmKind kind, std::uint8_t number);
/// `icv_bits`: 0 for those of every length. Null: not known.
const XfrmName* find_xfrm_name(AlgorithmKind kind, std::string_view name, std::uint32_t icv_bits);

/// 0, or errno. Hashes are cut as the kernel does it by itself, which is what PF_KEY gives.
int put_xfrm_algorithms(xfrm::Request& request, const pfkey::Message& sa);
/// With their keys, into `out`, which has an `sa`. False: there are none, as of a larval SA. `skip`: bytes of the
/// body before the attributes.
bool take_xfrm_algorithms(const xfrm::Message& message, std::size_t skip, Told& out);

}  // namespace racoon::setkey
