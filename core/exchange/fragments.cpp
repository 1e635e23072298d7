// Messages that come in pieces. A piece is taken only where its message belongs to somebody: an ISAKMP SA,
// or a half-open record whose cookie it echoes, of a peer that said it does so and from its address.
#include <fmt/format.h>

#include "exchange/core.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

/// Message 2 as initiator, before the responder's cookie is known, comes under ours alone.
bool awaits_answer(const Phase1& sa) {
    return sa.initiator() && sa.cookies().responder.is_zero();
}

}  // namespace

Reassembly* Core::reassembly_for(const Datagram& in, const CookiePair& cookies, Phase1* sa,
                                 std::uint16_t id) {
    if (sa != nullptr) {
        const bool announced = sa->peer_has_fragments || awaits_answer(*sa) ||
                               sa->section().ike_frag == conf::Offer::Force;
        if (sa->remote().addr != in.remote.addr || !sa->takes_fragments() || !announced)
            return nullptr;
        if (sa->reassemblies == nullptr) sa->reassemblies = std::make_unique<Reassemblies>();
        if (!sa->reassembly_timer.armed())
            sa->reassembly_timer.arm(ctx_.timers, ctx_.now + Reassembly::kLifetime,
                                     [sa] { sa->reassemblies.reset(); });
        return &sa->reassemblies->of(id);
    }
    HalfOpen* h = guard_.by_cookies(cookies);
    if (h == nullptr || h->remote.addr != in.remote.addr || !h->peer_fragments) return nullptr;
    return guard_.reassembly(*h);
}

void Core::fragment(const Datagram& in, const isakmp::Header& header) {
    auto piece = isakmp::Fragment::parse_datagram(in.bytes);
    if (!piece) return noise(in.remote, "dropped: " + piece.error().text());
    if (header.cookies.responder.is_zero())
        return noise(in.remote, "dropped: fragment without a responder cookie");
    Phase1* sa = sas_.by_cookies(header.cookies);
    if (sa == nullptr) {
        Phase1* ours = sas_.by_initiator_cookie(header.cookies.initiator);
        if (ours != nullptr && awaits_answer(*ours)) sa = ours;
    }
    Reassembly* pieces = reassembly_for(in, header.cookies, sa, piece->id);
    if (pieces == nullptr)
        return noise(in.remote, "dropped: fragment of a peer that did not say it sends any");
    const auto got = pieces->add(*piece, ctx_.hash(piece->data));
    if (!got) return noise(in.remote, "dropped: " + got.error().text());
    if (*got != Reassembly::Got::Whole) return;
    Bytes whole = pieces->take();
    LOGD(in.remote.addr.text(),
         fmt::format("fragment {} completed a message of {} bytes", piece->index, whole.size()));
    put_together(in, header, std::move(whole));
}

/// What the pieces make is received like any other message, but is none itself.
void Core::put_together(const Datagram& in, const isakmp::Header& wrapper, Bytes whole) {
    auto header = isakmp::parse_header(whole);
    if (!header) return noise(in.remote, "dropped: " + header.error().text());
    if (auto s = isakmp::check_ikev1(*header); !s)
        return noise(in.remote, "dropped: " + s.error().text());
    if (header->cookies != wrapper.cookies)
        return noise(in.remote, "dropped: fragments of another ISAKMP-SA's message");
    if (header->first_payload() == isakmp::PayloadType::Fragment)
        return noise(in.remote, "dropped: fragments of a fragment");
    Datagram message = in;
    message.bytes = whole;
    whole_message(message, *header);
}

}  // namespace racoon::exchange
