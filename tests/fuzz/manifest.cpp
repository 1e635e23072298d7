// fuzz: racoon_plugin
// A manifest is read before its module is trusted; a good one goes on into the registry.
#include <cstdlib>

#include "base/bytes.hpp"
#include "plugin/manifest.hpp"
#include "plugin/registry.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace racoon;
    const auto manifest = plugin::parse_manifest(as_text({data, size}));
    if (!manifest) return 0;
    if (!plugin::is_module_name(manifest->name) || manifest->provides.empty()) std::abort();
    plugin::Registry registry(plugin::Zone::Both);
    if (!registry.add_module(*manifest)) return 0;
    registry.finish();
    for (const auto& offer : manifest->provides)
        if (!registry.find(offer.point, offer.key, offer.kind)) std::abort();
    return 0;
}
