// fuzz: racoon_plugin
// Files of the module folder: whatever they hold, reading a note must be safe.
#include "plugin/elf_note.hpp"
#include "plugin/manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto facts = racoon::plugin::read_elf_facts({data, size});
    if (facts) {
        (void)racoon::plugin::check_elf_facts(*facts);
        if (facts->has_note) (void)racoon::plugin::parse_manifest(facts->manifest);
    }
    return 0;
}
