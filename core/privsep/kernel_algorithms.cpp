// Which of the algorithms that the configuration lists the active backend can do. Each is asked for once,
// and only when a sainfo lists it: asking may load code into the kernel.
#include <algorithm>
#include <cstring>

#include "log/log.hpp"
#include "plugin/callout.hpp"
#include "privsep/kernel.hpp"

namespace racoon::privsep {

namespace {

using exchange::KernelLack;

template <std::size_t N>
void copy_name(char (&to)[N], const std::string& from) {
    std::memcpy(to, from.data(), std::min(from.size(), N - 1));
}

void describe(racoon_kernel_alg& out, const conf::TransformInfo& info, std::size_t key_size) {
    copy_name(out.name, info.name);
    copy_name(out.xfrm_name, info.xfrm_name);
    out.pfkey_id = info.pfkey_id;
    out.icv_bits = info.icv_bytes * 8u;
    out.key_size = static_cast<std::uint32_t>(key_size);
}

const char* protocol_name(std::uint8_t protocol) {
    return protocol == RACOON_IPPROTO_AH ? "AH" : "ESP";
}

}  // namespace

bool Kernel::learn(const conf::Config& config) {
    const std::size_t before = caps_.lacks.size();
    for (const conf::SaInfo& info : config.sainfos) {
        for (const conf::Phase2Encryption& e : info.encryption) {
            const conf::KeyBits& key = e.transform->key;
            const unsigned bits = key.fixed()       ? key.min
                                  : e.key_bits != 0 ? e.key_bits
                                                    : key.standard;
            racoon_kernel_alg alg{};
            describe(alg, *e.transform, bits / 8 + e.transform->salt_bytes);
            try_algorithm(RACOON_IPPROTO_ESP, *e.transform, alg, info.where.text());
        }
        for (const conf::TransformInfo* i : info.integrity) {
            if (i->attribute == 0) continue;
            racoon_kernel_alg alg{};
            describe(alg, *i, std::size_t{i->key_bytes} + i->salt_bytes);
            if (i->salt_bytes == 0) try_algorithm(RACOON_IPPROTO_ESP, *i, alg, info.where.text());
            if (i->ah_id != 0 && (caps_.flags & RACOON_CAP_AH) != 0)
                try_algorithm(RACOON_IPPROTO_AH, *i, alg, info.where.text());
        }
    }
    return caps_.lacks.size() != before;
}

void Kernel::try_algorithm(std::uint8_t protocol, const conf::TransformInfo& info,
                           const racoon_kernel_alg& alg, const std::string& where) {
    const bool integrity = info.kind == conf::TransformKind::Integrity;
    KernelLack lack{protocol, integrity, info.name};
    if (!tried_.insert({protocol, integrity, info.name}).second || table_.supports == nullptr)
        return;
    // AEADs have a capability of their own, which gates them before this list does.
    if (info.kind == conf::TransformKind::Aead && (caps_.flags & RACOON_CAP_AEAD) == 0) return;
    racoon_kernel_sa sa{};
    sa.struct_size = sizeof sa;
    sa.protocol = protocol;
    sa.mode = RACOON_MODE_TUNNEL;
    sa.is_aead = info.kind == conf::TransformKind::Aead ? 1 : 0;
    (integrity ? sa.auth : sa.enc) = alg;
    racoon_error error = plugin::empty_error();
    racoon_status status = RACOON_INTERNAL;
    {
        const plugin::Callout callout(provider_.module, "supports", plugin::Callout::Budget::None);
        status = plugin::known_status(table_.supports(provider_.impl, &sa, &error));
    }
    if (status == RACOON_OK) return;
    const Status why = plugin::plugin_failure(error, status);
    LOGN("", "kernel backend " + caps_.backend + " cannot do " + info.name + " in " +
                 protocol_name(protocol) + ", which " + where +
                 " lists, so it is not negotiated: " + why.error().text());
    caps_.lacks.push_back(std::move(lack));
}

}  // namespace racoon::privsep
