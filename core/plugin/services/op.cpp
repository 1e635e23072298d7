// racoon.op/1
#include "plugin/module_context.hpp"
#include "plugin/services/services.hpp"

namespace racoon::plugin {

namespace {

void complete(void* host, racoon_op op, racoon_status status, const void* result,
              std::size_t size) noexcept {
    if (!host) return;
    ModuleContext& m = ModuleContext::of(host);
    const auto* bytes = static_cast<const std::uint8_t*>(result);
    m.shared.ops.complete(m.name, OpToken{op}, status, bytes ? ByteView(bytes, size) : ByteView());
}

std::int32_t alive(void* host, racoon_op op) noexcept {
    return host && ModuleContext::of(host).shared.ops.alive(OpToken{op}) ? 1 : 0;
}

constexpr racoon_op_service kTable = {sizeof(racoon_op_service), complete, alive};

}  // namespace

const racoon_op_service* op_service() {
    return &kTable;
}

}  // namespace racoon::plugin
