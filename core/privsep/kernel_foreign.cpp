// What the backend tells of the policies that others have in the kernel, as policies of ours.
#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "log/log.hpp"
#include "plugin/callout.hpp"
#include "privsep/foreign_policies.hpp"
#include "privsep/kernel.hpp"

namespace racoon::privsep {

namespace {

Result<Prefix> prefix_of(const racoon_addr& net, std::uint8_t length) {
    RACOON_TRY(const Endpoint end, from_abi(net));
    return Prefix::make(end.addr, length);
}

/// One that others have installed.
Result<conf::Policy> policy_from_abi(const racoon_kernel_policy& from) {
    if (from.action != RACOON_POLICY_IPSEC ||
        (from.direction != RACOON_DIR_IN && from.direction != RACOON_DIR_OUT) ||
        from.template_count > std::size(from.templates))
        return fail(Errc::Malformed, "it is not an ipsec policy of direction in or out");
    conf::Policy out;
    out.id = PolicyId{from.id};
    out.direction = from.direction == RACOON_DIR_OUT ? conf::Direction::Out : conf::Direction::In;
    out.priority = from.priority;
    const racoon_selector& s = from.selector;
    RACOON_TRY(out.selector.local.net, prefix_of(s.local, s.local_prefix));
    RACOON_TRY(out.selector.remote.net, prefix_of(s.remote, s.remote_prefix));
    out.selector.local.port = s.local.port;
    out.selector.remote.port = s.remote.port;
    out.selector.protocol = s.protocol;
    out.marks.mark = {from.mark.value & from.mark.mask, from.mark.mask};
    out.marks.if_id = from.if_id;
    for (std::uint32_t i = 0; i < from.template_count; ++i) {
        const racoon_kernel_template& t = from.templates[i];
        conf::PolicyTemplate to;
        to.protocol = static_cast<std::uint8_t>(t.protocol);
        to.tunnel = t.mode == RACOON_MODE_TUNNEL;
        to.level = static_cast<conf::Level>(std::min(t.level, RACOON_LEVEL_UNIQUE));
        to.reqid = ReqId{t.reqid};
        RACOON_TRY(const Endpoint local, from_abi(t.local));
        RACOON_TRY(const Endpoint remote, from_abi(t.remote));
        to.local = local.addr;
        to.remote = remote.addr;
        out.templates.push_back(to);
    }
    return out;
}

}  // namespace

void Kernel::on_foreign(void* self, const racoon_kernel_policy* policy) noexcept {
    auto* kernel = static_cast<Kernel*>(self);
    racoon_kernel_policy copy{};
    plugin::copy_sized(&copy, sizeof copy, policy);
    auto taken = policy_from_abi(copy);
    if (taken) return kernel->foreign_->put(std::move(*taken));
    LOGD("", "a policy of others is not served: " + taken.error().text());
    kernel->foreign_->gone(PolicyId{copy.id});
}

void Kernel::on_foreign_gone(void* self, std::uint32_t id) noexcept {
    static_cast<Kernel*>(self)->foreign_->gone(PolicyId{id});
}

Status Kernel::watch_policies(ForeignPolicies& foreign) {
    if (table_.watch_policies == nullptr) return ok();
    foreign_ = &foreign;
    racoon_kernel_foreign listener{};
    listener.struct_size = sizeof listener;
    listener.arg = this;
    listener.policy = on_foreign;
    listener.gone = on_foreign_gone;
    racoon_error error = plugin::empty_error();
    const plugin::Callout callout(provider_.module, "watch_policies",
                                  plugin::Callout::Budget::None);
    const racoon_status status =
        plugin::known_status(table_.watch_policies(provider_.impl, &listener, &error));
    if (status == RACOON_OK || status == RACOON_NOT_SUPPORTED) return ok();
    return plugin::plugin_failure(error, status);
}

}  // namespace racoon::privsep
