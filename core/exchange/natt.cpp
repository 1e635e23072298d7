#include "exchange/natt.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/check.hpp"
#include "exchange/crypto.hpp"
#include "exchange/vendor_ids.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

racoon_addr to_abi(const Endpoint& e) {
    racoon_addr out{};
    out.family = static_cast<std::uint8_t>(e.addr.family);
    out.port = e.port;
    std::copy_n(e.addr.bytes.begin(), e.addr.size(), out.bytes);
    return out;
}

IpAddr from_abi(const racoon_addr& a) {
    IpAddr out;
    if (a.family != 4 && a.family != 6) return out;
    out.family = static_cast<Family>(a.family);
    std::copy_n(a.bytes, out.size(), out.bytes.begin());
    return out;
}

/// HASH(CKY-I | CKY-R | IP | port) in the dialect's form, with phase 1's hash.
Result<Bytes> nat_d_hash(const Phase1& x, const Endpoint& end) {
    const conf::NattInfo& d = *x.natt().dialect;
    Bytes cookies = to_bytes(x.cookies().initiator.view());
    append(cookies, x.cookies().responder.view());
    const racoon_addr addr = to_abi(end);
    Bytes input(RACOON_NATT_MAX_BYTES);
    racoon_buffer out{input.data(), input.size(), 0};
    if (d.table->natd_input(d.impl, {cookies.data(), cookies.size()}, &addr, &out) != RACOON_OK ||
        out.size > input.size())
        return fail(Errc::Plugin, "dialect " + d.name + " makes no NAT-D of " + end.text());
    const racoon_span part{input.data(), out.size};
    const conf::HashInfo& hash = *x.params().hash;
    Bytes digest(hash.digest_size);
    if (hash.table->digest(hash.impl, &part, 1, digest.data()) != RACOON_OK)
        return fail(Errc::Plugin, "hash " + hash.name + " failed");
    return digest;
}

/// With `force` both ends shall believe in a NAT: the address is zeros, the port is not.
Endpoint told(const Phase1& x, Endpoint end) {
    if (x.section().nat_traversal == conf::Offer::Force) end.addr.bytes.fill(0);
    return end;
}

bool announces(const conf::NattInfo& dialect, ByteView vid) {
    return dialect.table->match_vendor_id(dialect.impl, {vid.data(), vid.size()}) == 1;
}

}  // namespace

std::vector<const conf::NattInfo*> natt_dialects(const Context& ctx, const conf::Config& config,
                                                 const conf::Remote& section,
                                                 const Endpoint& local) {
    std::vector<const conf::NattInfo*> out;
    if (section.nat_traversal == conf::Offer::Off) return out;
    const auto& sockets = ctx.natt_endpoints;
    const bool to_move_to = ctx.can(RACOON_CAP_UDP_ENCAP) &&
                            std::any_of(sockets.begin(), sockets.end(), [&](const Endpoint& e) {
                                return e.addr.family == local.addr.family;
                            });
    // On the NAT-T port the non-ESP marker tells IKE and ESP apart, whatever is agreed on.
    const bool to_stay = ctx.can(RACOON_CAP_NON_IKE_MARKER) && !ctx.on_natt_port(local);
    for (const conf::NattInfo* d : config.natt)
        if (d->spoken && (d->ike_port ? to_stay : to_move_to)) out.push_back(d);
    return out;
}

Natt choose_natt(const Context& ctx, const conf::Config& config, const conf::Remote& section,
                 const Endpoint& local, std::span<const ByteView> vendor_ids) {
    Natt out;
    for (const conf::NattInfo* d : natt_dialects(ctx, config, section, local)) {
        if (std::none_of(vendor_ids.begin(), vendor_ids.end(),
                         [&](ByteView vid) { return announces(*d, vid); }))
            continue;
        out.dialect = d;
        const auto sent = [&](const Bytes& ours) {
            return std::any_of(vendor_ids.begin(), vendor_ids.end(), [&](ByteView vid) {
                return vid.size() >= ours.size() &&
                       std::equal(ours.begin(), ours.end(), vid.begin());
            });
        };
        const auto which = std::find_if(d->vendor_ids.begin(), d->vendor_ids.end(), sent);
        // A module may know one by more than its bytes.
        if (which != d->vendor_ids.end())
            out.vendor_id = static_cast<std::uint8_t>(which - d->vendor_ids.begin());
        return out;
    }
    return out;
}

void log_vendor_ids(const conf::Config& config, const std::string& peer,
                    std::span<const ByteView> vendor_ids, const std::function<bool()>& may) {
    constexpr std::size_t kMostUnknown = 4, kMostBytes = 20;
    std::set<std::string> said;
    std::size_t unknown = 0;
    for (const ByteView vid : vendor_ids) {
        std::string name(vendor_id_name(vid));
        for (const conf::NattInfo* d : config.natt) {
            if (d->table == nullptr || !announces(*d, vid)) continue;
            if (name.empty()) name = d->name;
            if (!d->spoken) name += " (recognised and not used)";
            break;
        }
        if (name.empty()) {
            if (++unknown <= kMostUnknown && may())
                LOGD(peer, fmt::format("received unknown Vendor ID: {}",
                                       to_hex(vid.first(std::min(vid.size(), kMostBytes)))));
        } else if (said.insert(name).second && may()) {
            LOGI(peer, "received Vendor ID: " + name);
        }
    }
}

void add_natt_vendor_ids(const Phase1& x, isakmp::MessageBuilder& b) {
    using isakmp::PayloadType;
    if (!x.initiator()) {
        if (const conf::NattInfo* d = x.natt().dialect)
            b.add(PayloadType::VendorId, d->vendor_ids[x.natt().vendor_id]);
        return;
    }
    for (const conf::NattInfo* d : natt_dialects(x.ctx(), x.config(), x.section(), x.local()))
        for (const Bytes& id : d->vendor_ids) b.add(PayloadType::VendorId, id);
}

Status add_nat_d(const Phase1& x, isakmp::MessageBuilder& b) {
    const conf::NattInfo* d = x.natt().dialect;
    if (d == nullptr) return ok();
    const auto type = static_cast<isakmp::PayloadType>(d->natd_payload);
    for (const Endpoint& end : {x.remote(), x.local()}) {
        RACOON_TRY(const Bytes hash, nat_d_hash(x, told(x, end)));
        b.add(type, hash);
    }
    return ok();
}

void take_nat_d(Phase1& x, const isakmp::Message& m) {
    Natt natt = x.natt();
    if (natt.dialect == nullptr) return;
    std::vector<ByteView> theirs;
    for (const isakmp::Payload& p : m.payloads())
        if (isakmp::number(p.type) == natt.dialect->natd_payload &&
            theirs.size() < isakmp::kMaxNatD)
            theirs.push_back(p.body);
    if (theirs.size() < 2) {
        // RFC 3947 3.2: at least two of them. Somebody who sends none cannot mean it.
        LOGW(x.peer_text(), "NAT-T was agreed on, but no NAT-D payloads came: going on without");
        return x.set_natt(Natt{});
    }
    if (x.section().nat_traversal == conf::Offer::Force) {
        natt.we_behind = natt.peer_behind = true;
        LOGI(x.peer_text(), "NAT traversal is forced");
        return x.set_natt(natt);
    }
    const auto ours = nat_d_hash(x, x.local());
    const auto peers = nat_d_hash(x, x.remote());
    if (!ours || !peers) return x.set_natt(Natt{});
    const auto same = [](ByteView a, const Bytes& b) { return equal_constant_time(a, b); };
    natt.we_behind = !same(theirs.front(), *ours);
    natt.peer_behind = true;
    for (std::size_t i = 1; i < theirs.size(); ++i)
        if (same(theirs[i], *peers)) natt.peer_behind = false;
    LOGI(x.peer_text(), natt.detected()
                            ? fmt::format("NAT detected: {}{}", natt.we_behind ? "ME " : "",
                                          natt.peer_behind ? "PEER" : "")
                            : std::string("NAT not detected"));
    x.set_natt(natt);
}

WireModes wire_modes(const Natt& natt) {
    WireModes out;
    if (!natt.encapsulates()) return out;
    out.tunnel = static_cast<isakmp::Encapsulation>(natt.dialect->udp_tunnel_mode);
    out.transport = static_cast<isakmp::Encapsulation>(natt.dialect->udp_transport_mode);
    return out;
}

Status add_nat_oa(const Phase1& x, bool initiator, isakmp::MessageBuilder& b) {
    const Natt& natt = x.natt();
    if (!natt.encapsulates()) return ok();
    const conf::NattInfo& d = *natt.dialect;
    const Endpoint& first = initiator ? x.local() : x.remote();
    const Endpoint& second = initiator ? x.remote() : x.local();
    for (const Endpoint& end : {first, second}) {
        const racoon_addr addr = to_abi(end);
        Bytes body(RACOON_NATT_MAX_BYTES);
        racoon_buffer out{body.data(), body.size(), 0};
        if (d.table->natoa_write(d.impl, &addr, &out) != RACOON_OK || out.size > body.size())
            return fail(Errc::Plugin, "dialect " + d.name + " makes no NAT-OA of " + end.text());
        body.resize(out.size);
        b.add(static_cast<isakmp::PayloadType>(d.natoa_payload), body);
    }
    return ok();
}

IpAddr original_address(const Phase1& x, bool of_initiator, const isakmp::Message& m) {
    const Natt& natt = x.natt();
    if (!natt.encapsulates()) return {};
    std::size_t place = of_initiator ? 0 : 1;
    for (const isakmp::Payload& p : m.payloads()) {
        if (isakmp::number(p.type) != natt.dialect->natoa_payload) continue;
        if (place-- != 0) continue;
        racoon_addr addr{};
        if (natt.dialect->table->natoa_read(natt.dialect->impl, {p.body.data(), p.body.size()},
                                            &addr) != RACOON_OK)
            return {};
        return from_abi(addr);
    }
    return {};
}

}  // namespace racoon::exchange
