#include "base/marks.hpp"

#include <array>
#include <charconv>

namespace racoon {

namespace {

std::string hex(std::uint32_t v) {
    std::array<char, 8> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), v, 16).ptr;
    return "0x" + std::string(digits.data(), end);
}

void add(std::string& out, const char* word, const std::string& value) {
    if (!out.empty()) out += ' ';
    out.append(word).append(" ").append(value);
}

}  // namespace

std::string Mark::text() const {
    return mask == 0xffffffff ? hex(value) : hex(value) + "/" + hex(mask);
}

void Marks::inherit(const Marks& from) {
    if (if_id == 0) if_id = from.if_id;
    if (!mark.given()) mark = from.mark;
    if (!output_mark.given()) output_mark = from.output_mark;
}

Marks Marks::of_sa(bool inbound) const {
    Marks out;
    out.if_id = if_id;
    if (inbound) return out;
    out.mark = mark;
    out.output_mark = output_mark;
    return out;
}

std::string Marks::text() const {
    std::string out;
    if (if_id != 0) add(out, "if_id", std::to_string(if_id));
    if (mark.given()) add(out, "mark", mark.text());
    if (output_mark.given()) add(out, "output_mark", output_mark.text());
    return out;
}

void put(Writer& out, const Marks& v) {
    out.u32(v.if_id);
    for (const Mark* m : {&v.mark, &v.output_mark}) {
        out.u32(m->value);
        out.u32(m->mask);
    }
}

Result<Marks> get_marks(Reader& in) {
    Marks out;
    RACOON_TRY(out.if_id, in.u32());
    for (Mark* m : {&out.mark, &out.output_mark}) {
        RACOON_TRY(m->value, in.u32());
        RACOON_TRY(m->mask, in.u32());
        if ((m->value & ~m->mask) != 0)
            return fail(Errc::Malformed, "a mark with bits beyond its mask");
    }
    return out;
}

}  // namespace racoon
