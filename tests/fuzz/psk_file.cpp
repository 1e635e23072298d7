// fuzz: credential_files_code
// psk.txt: whatever it holds, the parser stays within it, and what it finds obeys the rules.
#include "psk_file.hpp"

#include <cstdint>
#include <cstdlib>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace credential_files;
    std::vector<std::uint8_t> text(data, data + size);  // hex keys are decoded in place
    const PskIndex index = PskIndex::parse(text);
    const auto inside = [&text](const void* at, std::size_t length) {
        const auto* p = static_cast<const std::uint8_t*>(at);
        return length == 0 || (p >= text.data() && p + length <= text.data() + text.size());
    };
    const PskEntry* wildcard = nullptr;
    for (const PskEntry& entry : index.entries()) {
        if (!inside(entry.id.data(), entry.id.size()) ||
            !inside(entry.key.data(), entry.key.size()))
            std::abort();
        if (entry.id.empty() || entry.key.empty() != (entry.problem != nullptr)) std::abort();
        if (!wildcard && entry.id == "*") wildcard = &entry;
        // File order decides.
        const PskEntry* found = index.find(entry.id);
        if (!found || found->line > entry.line || (found->id != entry.id && found->id != "*"))
            std::abort();
    }
    if (index.find("no such identifier in any file \x01") != wildcard) std::abort();
    return index.remarks().size() <= kMaxRemarks ? 0 : (std::abort(), 0);
}
