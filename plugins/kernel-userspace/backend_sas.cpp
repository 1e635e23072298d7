// The keeper's table of SAs: SPIs that wait for their SA, and what the data process was told.
#include <arpa/inet.h>

#include <cstdio>
#include <cstring>

#include "backend.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::int64_t kLarvalNs = 30'000'000'000;
constexpr std::size_t kMaxSas = 1u << 17;

// The frame held keys; a volatile write is not optimised away.
void wipe(Bytes& bytes) {
    volatile std::uint8_t* p = bytes.data();
    for (std::size_t i = 0; i < bytes.size(); ++i) p[i] = 0;
}

std::string address_text(const racoon_addr& a) {
    char out[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(a.family == 6 ? AF_INET6 : AF_INET, a.bytes, out, sizeof(out));
    return out;
}

/// The request and its SA, as the daemon's own messages have them.
std::string request_text(const char* request, std::uint32_t protocol, const racoon_addr& src,
                         const racoon_addr& dst, std::uint32_t spi) {
    const char* const name = protocol == RACOON_IPPROTO_ESP  ? "ESP"
                             : protocol == RACOON_IPPROTO_AH ? "AH"
                                                             : "IPComp";
    char hex[16];
    std::snprintf(hex, sizeof(hex), "(0x%x)", spi);
    return std::string(request) + " of " + name + " " + address_text(src) + "->" +
           address_text(dst) + " spi=" + std::to_string(spi) + hex;
}

}  // namespace

Backend::SaKey Backend::key_of(const racoon_addr& dst, std::uint32_t protocol, std::uint32_t spi) {
    SaKey key{};
    key[0] = dst.family;
    key[1] = static_cast<std::uint8_t>(protocol);
    for (std::size_t i = 0; i < 4; ++i) key[2 + i] = static_cast<std::uint8_t>(spi >> (24 - 8 * i));
    std::memcpy(key.data() + 6, dst.bytes, dst.family == 4 ? 4 : 16);
    return key;
}

racoon_status Backend::spi_get(const racoon_kernel_spi_request& r, racoon_op,
                               racoon_kernel_spi_result* out, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    const bool any = r.min_spi == 0 && r.max_spi == 0;
    const std::uint32_t least = any ? 0x100 : r.min_spi;
    const bool comp = r.protocol == RACOON_IPPROTO_COMP;  // whose CPI has 16 bits
    const std::uint32_t most = any ? (comp ? 0xffffu : 0xffffffffu) : r.max_spi;
    const bool family_known = r.dst.family == 4 || r.dst.family == 6;
    if (!family_known || r.src.family != r.dst.family || least == 0 || least > most) {
        return sdk::fail(err, RACOON_INVALID_ARGUMENT,
                         "SPI request with malformed addresses or range");
    }
    if (sas_.size() >= kMaxSas) return sdk::fail(err, RACOON_NO_MEMORY, "too many SAs");
    const std::uint64_t span = std::uint64_t{most} - least + 1;
    for (int attempt = 0; attempt < 4096; ++attempt) {
        std::uint32_t drawn = 0;
        std::uint8_t bytes[sizeof(drawn)] = {};
        if (host_.random->fill(host_.host->ctx, bytes, sizeof(bytes)) != RACOON_OK) {
            return sdk::fail(err, RACOON_IO, "no random numbers");
        }
        std::memcpy(&drawn, bytes, sizeof(drawn));
        const auto spi = static_cast<std::uint32_t>(least + drawn % span);
        const SaKey key = key_of(r.dst, r.protocol, spi);
        if (sas_.count(key) != 0) continue;
        Sa sa;
        sa.info.struct_size = sizeof(sa.info);
        sa.info.idle_ns = -1;
        sa.info.direction = RACOON_DIR_IN;
        sa.info.protocol = r.protocol;
        sa.info.mode = r.mode;
        sa.info.reqid = r.reqid;
        sa.info.spi = spi;
        sa.info.src = r.src;
        sa.info.dst = r.dst;
        sa.serial = ++serial_;
        sas_.emplace(key, sa);
        larvals_.push_back({host_.now_ns() + kLarvalNs, sa.serial, key});
        arm_larval_timer();
        out->spi = spi;
        return RACOON_OK;
    }
    return sdk::fail(err, RACOON_NOT_FOUND, "no free SPI in the range");
}

void Backend::arm_larval_timer() {
    if (larval_armed_ || larvals_.empty()) return;
    const std::int64_t now = host_.now_ns();
    const std::int64_t delay = larvals_.front().ends > now ? larvals_.front().ends - now : 0;
    const auto callback = [](void* arg) noexcept { static_cast<Backend*>(arg)->on_larval_timer(); };
    larval_armed_ =
        host_.timer->arm(host_.host->ctx, delay, callback, this, &larval_timer_) == RACOON_OK;
}

void Backend::on_larval_timer() {
    larval_armed_ = false;
    const std::int64_t now = host_.now_ns();
    while (opened_ && !larvals_.empty() && larvals_.front().ends <= now) {
        const Larval due = larvals_.front();
        larvals_.pop_front();
        const auto at = sas_.find(due.key);
        if (at == sas_.end() || at->second.serial != due.serial || at->second.info.state != 0)
            continue;
        const Sa gone = at->second;
        sas_.erase(at);
        setkey_expire(gone, true);
        if (!gone.note.manual) emit(RACOON_KERNEL_EXPIRE_HARD, gone);
    }
    if (opened_) arm_larval_timer();
}

racoon_status Backend::can_do(const racoon_kernel_sa& sa, racoon_error* err) const {
    const bool esp = sa.protocol == RACOON_IPPROTO_ESP;
    if (!esp && sa.protocol != RACOON_IPPROTO_AH && sa.protocol != RACOON_IPPROTO_COMP) {
        return sdk::fail(err, RACOON_NOT_SUPPORTED, "kernel-userspace does ESP, AH and IPComp");
    }
    if (sa.dst.family == 6 && !(esp ? esp6_ : comp6_)) {
        return sdk::fail(
            err, RACOON_NOT_SUPPORTED,
            std::string("no ") + (esp ? "ESP" : "AH or IPComp") + " over IPv6 on this machine");
    }
    return RACOON_OK;
}

racoon_status Backend::install(const racoon_kernel_sa& sa, racoon_op op, racoon_error* err,
                               std::function<void(racoon_status)> then) {
    const racoon_status can = can_do(sa, err);
    if (can != RACOON_OK) return can;
    if (sas_.size() >= kMaxSas) return sdk::fail(err, RACOON_NO_MEMORY, "too many SAs");
    const std::uint32_t number = next_number();
    Writer out = begin_frame(Message::SaSet, number);
    write_sa(out, sa);
    Bytes frame = out.take();
    std::string what = request_text(sa.direction == RACOON_DIR_IN ? "sa_update" : "sa_add",
                                    sa.protocol, sa.src, sa.dst, sa.spi);
    const racoon_status sent = send(what, frame, err);
    wipe(frame);
    if (sent != RACOON_OK) return sent;
    const SaKey key = key_of(sa.dst, sa.protocol, sa.spi);
    Sa entry;
    entry.info.struct_size = sizeof(entry.info);
    entry.info.state = 1;
    entry.info.idle_ns = -1;
    entry.info.replay_window = sa.direction == RACOON_DIR_IN ? sa.replay_window : 0;
    entry.info.direction = sa.direction;
    entry.info.protocol = sa.protocol;
    entry.info.mode = sa.mode;
    entry.info.spi = sa.spi;
    entry.info.reqid = sa.reqid;
    entry.info.src = sa.src;
    entry.info.dst = sa.dst;
    entry.policy_id = sa.policy_id;
    entry.serial = ++serial_;
    entry.note = note_of(sa, wall_seconds());
    entry.note.manual = static_cast<bool>(then);
    sas_[key] = entry;
    pending_[number] = {op, true, key, std::move(what), std::move(then), 0};
    return RACOON_PENDING;
}

racoon_status Backend::sa_update(const racoon_kernel_sa& sa, racoon_op op, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    racoon_status valid = sdk::check_sa(sa, err);
    if (valid == RACOON_OK) valid = sdk::refuse_marks(sa, err);
    if (valid != RACOON_OK) return valid;
    const auto at = sas_.find(key_of(sa.dst, sa.protocol, sa.spi));
    if (at != sas_.end() && at->second.info.state != 0) {
        return sdk::fail(err, RACOON_STATE, "the SA is complete already");
    }
    return install(sa, op, err);
}

racoon_status Backend::sa_add(const racoon_kernel_sa& sa, racoon_op op, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    racoon_status valid = sdk::check_sa(sa, err);
    if (valid == RACOON_OK) valid = sdk::refuse_marks(sa, err);
    if (valid != RACOON_OK) return valid;
    if (sas_.count(key_of(sa.dst, sa.protocol, sa.spi)) != 0) {
        return sdk::fail(err, RACOON_STATE, "an SA with this SPI exists");
    }
    return install(sa, op, err);
}

racoon_status Backend::sa_delete(const racoon_kernel_sa_id& id, racoon_op, racoon_error* err) {
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    if (at == sas_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such SA");
    tell_setkey(pfkey::kDelete, at->second);
    drop_sa(at->first);
    return RACOON_OK;
}

void Backend::drop_sa(const SaKey& key) {
    const auto at = sas_.find(key);
    if (at == sas_.end()) return;
    const racoon_kernel_sa_info info = at->second.info;
    sas_.erase(at);
    if (info.state == 0) return;
    Writer out = begin_frame(Message::SaDelete, 0);
    write_name(out, {info.dst, info.protocol, info.spi});
    // A data process that it does not reach is ended, and the SA with it.
    send(request_text("sa_delete", info.protocol, info.src, info.dst, info.spi), out.view(),
         nullptr);
}

racoon_status Backend::sa_move(const racoon_kernel_sa_id& id, const racoon_addr& peer, racoon_op op,
                               racoon_error* err) {
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    if (at == sas_.end() || at->second.info.state == 0) {
        return sdk::fail(err, RACOON_NOT_FOUND, "no such SA");
    }
    racoon_kernel_sa_info& info = at->second.info;
    racoon_addr& end = info.direction == RACOON_DIR_IN ? info.src : info.dst;
    if (!sdk::same_address(end, peer)) {
        return sdk::fail(err, RACOON_INVALID_ARGUMENT, "an SA moves to another address");
    }
    const std::uint32_t number = next_number();
    Writer out = begin_frame(Message::SaMove, number);
    write_move(out, {id.dst, id.protocol, id.spi}, peer);
    std::string what = request_text("sa_move", id.protocol, id.src, id.dst, id.spi);
    const racoon_status sent = send(what, out.view(), err);
    if (sent != RACOON_OK) return sent;
    end.port = peer.port;
    pending_[number] = {op, true, {}, std::move(what), {}, 0};
    return RACOON_PENDING;
}

racoon_status Backend::sa_query(const racoon_kernel_sa_id& id, racoon_op op,
                                racoon_kernel_sa_info* out, racoon_error* err) {
    const SaKey key = key_of(id.dst, id.protocol, id.spi);
    const auto at = sas_.find(key);
    if (at == sas_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such SA");
    if (at->second.info.state == 0) {
        *out = at->second.info;
        return RACOON_OK;
    }
    return ask_facts(key, at->second.info, op, {}, err) ? RACOON_PENDING : RACOON_IO;
}

bool Backend::ask_facts(const SaKey& key, const racoon_kernel_sa_info& sa, racoon_op op,
                        std::function<void(racoon_status)> then, racoon_error* err) {
    const std::uint32_t number = next_number();
    Writer frame = begin_frame(Message::SaQuery, number);
    write_name(frame, {sa.dst, sa.protocol, sa.spi});
    std::string what = request_text("sa_query", sa.protocol, sa.src, sa.dst, sa.spi);
    if (send(what, frame.view(), err) != RACOON_OK) return false;
    pending_[number] = {op, false, key, std::move(what), std::move(then), 0};
    return true;
}

racoon_status Backend::sa_dump(EachSa each, void* arg, racoon_error*) {
    // A copy, since `each` may delete.
    const std::map<SaKey, Sa> all = sas_;
    for (const auto& [key, sa] : all)
        if (!sa.note.manual) each(arg, &sa.info);
    return RACOON_OK;
}

}  // namespace racoon::kernel_userspace
