#include "base/error.hpp"

#include <cstring>

namespace racoon {

std::string_view errc_name(Errc code) {
    switch (code) {
        case Errc::Truncated:
            return "truncated";
        case Errc::Malformed:
            return "malformed";
        case Errc::TooLong:
            return "too-long";
        case Errc::Unsupported:
            return "unsupported";
        case Errc::NotFound:
            return "not-found";
        case Errc::Exists:
            return "exists";
        case Errc::Denied:
            return "denied";
        case Errc::Conflict:
            return "conflict";
        case Errc::NoProposalChosen:
            return "no-proposal-chosen";
        case Errc::AuthFailed:
            return "authentication-failed";
        case Errc::InvalidId:
            return "invalid-id";
        case Errc::InvalidState:
            return "invalid-state";
        case Errc::Timeout:
            return "timeout";
        case Errc::Cancelled:
            return "cancelled";
        case Errc::Busy:
            return "busy";
        case Errc::NoMemory:
            return "no-memory";
        case Errc::Io:
            return "io";
        case Errc::Crypto:
            return "crypto";
        case Errc::Config:
            return "config";
        case Errc::Plugin:
            return "plugin";
        case Errc::Abi:
            return "abi";
        case Errc::Internal:
            return "internal";
    }
    return "unknown";
}

Failure fail_os(std::string_view doing, int err) {
    std::string text(doing);
    text.append(": ").append(std::strerror(err));  // called on the main thread only
    return fail(Errc::Io, std::move(text)).os(err);
}

}  // namespace racoon
