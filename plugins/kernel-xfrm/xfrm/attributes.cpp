#include "xfrm/attributes.hpp"

#include <algorithm>
#include <cstddef>

namespace racoon::xfrm {

void put_marks(Request& request, const racoon_kernel_mark& mark, std::uint32_t if_id) {
    if (mark.mask != 0) {
        const xfrm_mark value{mark.value, mark.mask};
        request.attribute(XFRMA_MARK, &value, sizeof(value));
    }
    if (if_id != 0) request.attribute(XFRMA_IF_ID, &if_id, sizeof(if_id));
}

Marks take_marks(const Message& message, std::size_t skip) {
    Marks out;
    if (const auto mark = copy_from<xfrm_mark>(find_attribute(message, skip, XFRMA_MARK)))
        out.mark = {mark->v, mark->m};
    if (const auto id = copy_from<std::uint32_t>(find_attribute(message, skip, XFRMA_IF_ID)))
        out.if_id = *id;
    if (const auto set = copy_from<std::uint32_t>(find_attribute(message, skip, XFRMA_SET_MARK))) {
        const auto mask =
            copy_from<std::uint32_t>(find_attribute(message, skip, XFRMA_SET_MARK_MASK));
        out.output_mark = {*set, mask.value_or(~0u)};
    }
    return out;
}

namespace {

/// The key behind a head that the kernel has a structure for.
template <typename Head>
void put_keyed(Request& request, std::uint16_t type, Head head, std::string_view name,
               ByteView key) {
    std::memcpy(head.alg_name, name.data(), std::min(name.size(), sizeof(head.alg_name) - 1));
    head.alg_key_len = static_cast<std::uint32_t>(key.size() * 8);
    std::vector<std::uint8_t> bytes(sizeof(head) + key.size());
    std::memcpy(bytes.data(), &head, sizeof(head));
    std::copy(key.begin(), key.end(), bytes.begin() + sizeof(head));
    request.attribute(type, bytes.data(), bytes.size());
    std::fill(bytes.begin(), bytes.end(), std::uint8_t{0});
}

// An array without a size ends the structures, so they do not go into an optional.
template <typename Head>
std::optional<TakenAlgorithm> take_keyed(ByteView bytes, std::uint32_t Head::*icv) {
    if (bytes.size() < sizeof(Head)) return {};
    Head head{};
    std::memcpy(&head, bytes.data(), sizeof(head));
    TakenAlgorithm out;
    const auto* name = reinterpret_cast<const char*>(bytes.data());
    out.name = {name, ::strnlen(name, sizeof(head.alg_name))};
    out.key_bits = head.alg_key_len;
    if (icv != nullptr) out.icv_bits = head.*icv;
    const std::size_t size = (std::size_t{out.key_bits} + 7) / 8;
    if (size > bytes.size() - sizeof(Head)) return {};
    out.key = bytes.subspan(sizeof(Head), size);
    return out;
}

}  // namespace

void put_algorithm(Request& request, std::uint16_t type, std::string_view name, ByteView key,
                   std::uint32_t icv_bits) {
    if (type == XFRMA_ALG_AEAD) {
        xfrm_algo_aead head{};
        head.alg_icv_len = icv_bits;
        put_keyed(request, type, head, name, key);
    } else if (type == XFRMA_ALG_AUTH_TRUNC) {
        xfrm_algo_auth head{};
        head.alg_trunc_len = icv_bits;
        put_keyed(request, type, head, name, key);
    } else {
        put_keyed(request, type, xfrm_algo{}, name, key);
    }
}

std::optional<TakenAlgorithm> take_algorithm(const Message& message, std::size_t skip,
                                             std::uint16_t type) {
    const ByteView bytes = find_attribute(message, skip, type);
    if (type == XFRMA_ALG_AEAD) return take_keyed(bytes, &xfrm_algo_aead::alg_icv_len);
    if (type == XFRMA_ALG_AUTH_TRUNC) return take_keyed(bytes, &xfrm_algo_auth::alg_trunc_len);
    return take_keyed<xfrm_algo>(bytes, nullptr);
}

void put_window(Request& request, std::uint32_t packets, std::uint64_t sequence) {
    const std::uint32_t words = (packets + 31) / 32;
    xfrm_replay_state_esn head{};
    head.bmp_len = words;
    head.replay_window = packets;
    head.oseq = static_cast<std::uint32_t>(sequence);
    head.oseq_hi = static_cast<std::uint32_t>(sequence >> 32);
    std::vector<std::uint8_t> bytes(sizeof(head) + words * 4);
    std::memcpy(bytes.data(), &head, sizeof(head));
    request.attribute(XFRMA_REPLAY_ESN_VAL, bytes.data(), bytes.size());
}

std::optional<std::uint32_t> take_window(const Message& message, std::size_t skip) {
    const ByteView esn = find_attribute(message, skip, XFRMA_REPLAY_ESN_VAL);
    if (esn.size() < sizeof(xfrm_replay_state_esn)) return {};
    return copy_from<std::uint32_t>(esn.subspan(offsetof(xfrm_replay_state_esn, replay_window)));
}

}  // namespace racoon::xfrm
