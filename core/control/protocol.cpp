#include "control/protocol.hpp"

#include "base/build_config.hpp"

namespace racoon::control {

std::string default_socket_path() {
    return RACOON_RUNSTATEDIR "/racoon/racoon.sock";
}

Bytes frame(const Json& value) {
    Writer out;
    out.counted32(as_bytes(dump_json(value)));
    return std::move(out).take();
}

Result<Request> parse_request(ByteView json) {
    RACOON_TRY(Json value, parse_json(as_text(json)));
    Request out;
    out.command = text_of(value, "command");
    if (out.command.empty())
        return fail(Errc::Malformed, "found no \"command\" text in the request");
    out.args = member_of(value, "args");
    return out;
}

Json success(Json result) {
    Json out = {{"ok", true}};
    out["result"] = std::move(result);
    return out;
}

Json failure(std::string_view text) {
    return {{"ok", false}, {"error", std::string(text)}};
}

Result<std::optional<Bytes>> FrameReader::take() {
    if (buffer_.size() < 4) return std::optional<Bytes>();
    Reader in(buffer_);
    RACOON_TRY(auto size, in.u32());
    if (size > limit_)
        return fail(Errc::TooLong, "found a frame of " + std::to_string(size) +
                                       " bytes, expected at most " + std::to_string(limit_));
    if (in.left() < size) return std::optional<Bytes>();
    RACOON_TRY(ByteView body, in.bytes(size));
    Bytes out = to_bytes(body);
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(4 + size));
    return std::optional<Bytes>(std::move(out));
}

}  // namespace racoon::control
