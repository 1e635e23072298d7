// fuzz: state_file_code
// A line of the state file: any bytes are refused or read, and what was read is written as the same line.
#include "format.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace racoon::state_file;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto line = read_line(text)) {
        const std::string again =
            line->saved ? saved_line(line->key, line->value) : removed_line(line->key);
        if (again != text) std::abort();
    }
    // The check keeps mutations out, so what stands before it is also tried with the right one.
    const std::size_t middle = size / 2;
    const std::string_view key = text.substr(0, middle < kMaxKey ? middle : kMaxKey);
    const std::string_view rest = text.substr(key.size());
    const std::string_view value =
        rest.substr(0, rest.size() < kMaxValue ? rest.size() : kMaxValue);
    const auto back = read_line(saved_line(key, value));
    if (back.has_value() == key.empty()) std::abort();
    if (back && (back->key != key || back->value != value || !back->saved)) std::abort();
    return 0;
}
