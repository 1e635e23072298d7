// Result<T>: a value or the Error that prevented it. Every fallible function of the core returns
// one; nothing throws. tl::expected is used until std::expected can be.
//
//     Result<Header> parse(Reader& in) {
//         RACOON_TRY(auto version, in.u8());      // returns the error to our caller
//         if (version != 0x10) return fail(Errc::Unsupported, "…").notify(kInvalidMajorVersion);
//         …
//         return header;
//     }
#pragma once

#include <tl/expected.hpp>

#include "base/error.hpp"

namespace racoon {

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

/// Success of a function that returns nothing else.
inline Status ok() {
    return {};
}

}  // namespace racoon

#define RACOON_CONCAT_(a, b) a##b
#define RACOON_CONCAT(a, b) RACOON_CONCAT_(a, b)

/// Evaluates `expr` (a Result<T>); on success binds its value to `decl`, else returns its error.
/// Two statements: not for use as the body of an unbraced `if`. Not for coroutines.
#define RACOON_TRY(decl, expr) RACOON_TRY_(RACOON_CONCAT(racoon_try_, __LINE__), decl, expr)
#define RACOON_TRY_(tmp, decl, expr)                                            \
    auto tmp = (expr);                                                          \
    if (!tmp) return ::tl::unexpected<::racoon::Error>(std::move(tmp).error()); \
    decl = std::move(*tmp)

/// The same for a Status, whose success carries no value.
#define RACOON_TRY_STATUS(expr)                                                         \
    do {                                                                                \
        auto racoon_status = (expr);                                                    \
        if (!racoon_status)                                                             \
            return ::tl::unexpected<::racoon::Error>(std::move(racoon_status).error()); \
    } while (false)
