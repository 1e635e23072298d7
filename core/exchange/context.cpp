#include "exchange/context.hpp"

#include <algorithm>

namespace racoon::exchange {

namespace {
KeyedHash::Key fresh_key(Output& output) {
    KeyedHash::Key key{};
    output.random(key);
    return key;
}

/// Weak ones, those of RFC 5114 among them, the Brainpool curves (27 to 30), Curve25519, which has no number in
/// IKEv1's registry, and private ones are for who asks for them by name.
bool needs_to_be_named(const conf::GroupInfo& group) {
    constexpr std::uint16_t kBrainpool = 27;
    return group.weak || group.number >= kBrainpool;
}
}  // namespace

Sections::Sections(const conf::Config& config, const conf::HostAddresses& hosts)
    : index(config, hosts) {
    for (const auto& r : config.remotes)
        for (const auto& p : r.proposals)
            if (p.group != nullptr) groups.emplace(p.group->number, p.group);
    for (const auto& i : config.sainfos)
        if (i.pfs_group != nullptr) groups.emplace(i.pfs_group->number, i.pfs_group);
    for (const conf::GroupInfo* loaded : config.groups)
        if (!needs_to_be_named(*loaded)) groups.emplace(loaded->number, loaded);
}

Settings::Settings(conf::ConfigPtr c, std::uint32_t g, const conf::HostAddresses& hosts,
                   ForeignPolicies foreign)
    : config(std::move(c)),
      sections(std::make_shared<const Sections>(*config, hosts)),
      index(sections->index),
      groups(sections->groups),
      policies(*config, std::move(foreign)),
      generation(g) {}

Settings::Settings(const Settings& before, ForeignPolicies foreign)
    : config(before.config),
      sections(before.sections),
      index(sections->index),
      groups(sections->groups),
      policies(before.policies, std::move(foreign)),
      generation(before.generation) {}

Context::Context(SettingsPtr s, Output& o)
    : settings(std::move(s)), output(o), hash(fresh_key(o)), ops(o) {}

bool Context::can(const conf::TransformInfo& transform, std::uint8_t protocol) const {
    const bool integrity = transform.kind == conf::TransformKind::Integrity;
    return std::none_of(caps.lacks.begin(), caps.lacks.end(), [&](const KernelLack& lack) {
        return lack.protocol == protocol && lack.integrity == integrity &&
               lack.name == transform.name;
    });
}

bool Context::on_natt_port(const Endpoint& local) const {
    return std::any_of(natt_endpoints.begin(), natt_endpoints.end(),
                       [&](const Endpoint& e) { return e.port == local.port; });
}

Bytes Context::random_bytes(std::size_t n) {
    Bytes out(n);
    output.random(out);
    return out;
}

std::uint32_t Context::random_u32() {
    std::array<std::uint8_t, 4> b{};
    output.random(b);
    return static_cast<std::uint32_t>(b[0]) << 24 | static_cast<std::uint32_t>(b[1]) << 16 |
           static_cast<std::uint32_t>(b[2]) << 8 | b[3];
}

Cookie Context::random_cookie() {
    Cookie c;
    output.random(c.bytes);
    if (c.is_zero()) c.bytes[7] = 1;
    return c;
}

void Context::event(std::uint32_t code, const Endpoint& local, const Endpoint& remote,
                    std::string text) {
    Event e;
    e.code = code;
    e.local = local;
    e.remote = remote;
    e.text = std::move(text);
    output.event(e);
}

}  // namespace racoon::exchange
