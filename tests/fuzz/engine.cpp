// fuzz: racoon_exchange racoon_simulation
// An engine under a script of bytes: datagrams as they are, datagrams of a peer that knows the keys
// (so that what lies behind encryption and hashes is reached), steps of time, kernel events, failing
// operations. Nothing may abort, spin, or be left behind when the engine goes down.
//
// The input is read as commands of one byte with operands; see the switch.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "simulation/scripted_peer.hpp"

namespace {

using namespace racoon;
using namespace racoon::sim;

class Script {
  public:
    explicit Script(ByteView in) : in_(in) {}
    bool empty() const { return in_.empty(); }
    std::uint8_t u8() { return in_.u8().value_or(0); }
    std::uint32_t u32() { return in_.u32().value_or(0); }
    Bytes some() {
        const std::size_t wanted = u8() * 4u;  // before left(): it takes a byte
        return to_bytes(in_.bytes(std::min(wanted, in_.left())).value_or(ByteView()));
    }

  private:
    Reader in_;
};

std::vector<SaidPayload> payloads_of(Script& s, const ScriptedPeer& peer) {
    std::vector<SaidPayload> out;
    const std::size_t n = s.u8() % 6;
    for (std::size_t i = 0; i < n; ++i) {
        const std::uint8_t what = s.u8();
        switch (what % 8) {
            case 0:
                out.push_back({PayloadType::SecurityAssociation, s.some()});
                break;
            case 1:
                out.push_back({PayloadType::Nonce, Bytes(16, what)});
                break;
            case 2:
                out.push_back({PayloadType::Identification, s.some()});
                break;
            case 3:
                out.push_back({PayloadType::Delete,
                               isakmp::Delete::body_of(isakmp::ProtocolId::Esp, Spi{s.u32()})});
                break;
            case 4:
                out.push_back({PayloadType::Notification,
                               peer.notify(static_cast<NotifyType>(s.u32()),
                                           isakmp::spi_bytes(peer.cookies), s.some())});
                break;
            case 5:
                out.push_back({PayloadType::Delete, isakmp::Delete::body_of(peer.cookies)});
                break;
            case 6:
                out.push_back({static_cast<PayloadType>(s.u8()), s.some()});
                break;
            case 7: {
                auto m1 = peer.quick_mode_1_payloads(0x5000u + what);
                out.insert(out.end(), m1.begin(), m1.end());
                break;
            }
        }
    }
    return out;
}

/// Leaves the payloads as they are, or changes, drops or adds one.
void bend(std::vector<SaidPayload>& payloads, Script& s) {
    const std::uint8_t how = s.u8();
    if (how % 2 == 0 || payloads.empty()) return;
    SaidPayload& one = payloads[how / 16 % payloads.size()];
    switch (how / 2 % 8) {
        case 0:
            one.body = s.some();
            break;
        case 1:
            one.type = static_cast<PayloadType>(s.u8());
            break;
        case 2:
            payloads.erase(payloads.begin() + how / 16 % static_cast<int>(payloads.size()));
            break;
        case 3:
            payloads.push_back({static_cast<PayloadType>(s.u8()), s.some()});
            break;
        default:
            if (!one.body.empty()) one.body[s.u8() % one.body.size()] ^= s.u8();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 4096) return 0;
    Script s({data, size});
    ConfigOptions options;
    const std::uint8_t flavour = s.u8();
    options.pfs = flavour & 1;
    options.gcm = flavour & 2;
    options.tunnel = !(flavour & 4);
    options.policies = 2;
    options.dpd.delay = conf::seconds(flavour & 8 ? 10 : 0);
    options.check = static_cast<conf::ProposalCheck>(flavour >> 6);
    options.modes = {conf::ExchangeMode::Main, conf::ExchangeMode::Aggressive,
                     conf::ExchangeMode::Base};
    // As initiator the first one counts.
    if (flavour & 32)
        std::rotate(options.modes.begin(), options.modes.begin() + 1 + size % 2,
                    options.modes.end());
    options.ike_frag = static_cast<conf::Offer>((flavour >> 6) % 3);
    World w(flavour, options);
    ScriptedPeer peer(w);
    const bool knows = flavour & 16;
    bool up = knows && peer.establish();
    std::optional<exchange::IvChain> chain;
    std::uint32_t chain_id = 0;
    unsigned failed_removals = 0;
    for (int steps = 0; steps < 64 && !s.empty(); ++steps) {
        const std::uint8_t command = s.u8();
        switch (command < 192 ? command % 12 : 12 + command % 4) {
            case 0:
                peer.send(s.some());
                break;
            case 1: {  // a sound header, any payloads
                Bytes body = s.some();
                isakmp::Header h = peer.header(static_cast<ExchangeType>(s.u8()), s.u8());
                h.flags = s.u8();
                h.next_payload = s.u8();
                h.length = static_cast<std::uint32_t>(isakmp::kHeaderSize + body.size());
                Writer out;
                isakmp::write_header(out, h);
                out.bytes(body);
                peer.send(out.view());
                break;
            }
            case 2:
                peer.say(peer.message_1());
                up = peer.take_message_2() && up;
                break;
            case 3:
                peer.say(peer.message_3());
                if (peer.take_message_4()) peer.say(peer.message_5(peer.message_5_payloads()));
                break;
            case 4:
                w.run_for(std::chrono::milliseconds(s.u8()));
                break;
            case 5:
                w.run_for(std::chrono::seconds(s.u8()));
                break;
            case 6:
                w.acquire(*w.b, PolicyId{s.u8() % 3u}, s.u8());
                break;
            case 7: {
                exchange::KernelEvent e;
                e.type = s.u8() % 10u;
                e.protocol = 50;
                if (!w.b->sas.empty()) {
                    const auto it =
                        std::next(w.b->sas.begin(), s.u8() % static_cast<long>(w.b->sas.size()));
                    e.spi = Spi{std::get<1>(it->first)};
                    e.dst.addr = std::get<0>(it->first);
                }
                w.b->engine->kernel_event(e, w.now);
                break;
            }
            case 8: {
                // An engine gives up on an SA that cannot be removed three times: not a leak of its own.
                const auto kind = static_cast<OpKind>(s.u8() % 56);
                if (kind == OpKind::SaDelete && ++failed_removals > 2) break;
                if (!exchange::has_answer(kind)) break;  // nobody would hear of it
                w.b->fail_next[kind] = 1;
                break;
            }
            case 9:  // authentic, whatever it says
                if (up) {
                    const auto type =
                        s.u8() % 2 ? ExchangeType::Informational : ExchangeType::QuickMode;
                    chain_id = s.u32() | 1;
                    chain = *peer.chain.phase2(catalog().hash, MessageId{chain_id});
                    peer.heard.clear();
                    const auto p = payloads_of(s, peer);
                    peer.say(
                        peer.protected_message_on(*chain, type, chain_id, p, s.u8() % 16 != 0));
                }
                break;
            case 10:  // goes on with a quick mode: message 3, right or wrong
                if (up && chain && !peer.heard.empty()) {
                    auto m2 = isakmp::Message::parse(peer.heard.back());
                    if (!m2 || !m2->header().encrypted() || m2->body().size() % 16 != 0) break;
                    Bytes body = to_bytes(m2->body());
                    exchange::Iv iv = chain->next();
                    if (!peer.cipher.decrypt(iv.span(), body)) break;
                    chain->advance(m2->body());
                    auto clear = isakmp::Message::decrypted(m2->header(), body);
                    if (!clear) break;
                    auto view = isakmp::QuickMode1::parse(*clear, isakmp::MessageKind::QuickMode2);
                    if (!view) break;
                    auto h = exchange::hash_3(catalog().hash, peer.keys.a.view(),
                                              MessageId{chain_id}, peer.ni, view->nonce);
                    Bytes hash = to_bytes(h->view());
                    if (s.u8() % 4 == 0) hash[0] ^= 1;
                    peer.say(peer.encrypt(peer.header(ExchangeType::QuickMode, chain_id),
                                          {{PayloadType::Hash, hash}}, *chain));
                }
                break;
            case 11:
                if (s.u8() % 4 == 0)
                    w.b->engine->flush_phase2(0, w.now);
                else
                    w.b->engine->reconfigure(make_config(w.addr_b, w.addr_a, options), 2, w.now);
                break;
            case 12:  // a first message of aggressive or base mode, sound or nearly so
            case 13: {
                const bool base = command % 4 == 1;
                peer.cookies.responder = {};
                peer.cookies.initiator.bytes[7] = s.u8();
                peer.heard.clear();
                auto p = base ? peer.base_1_payloads() : peer.aggressive_1_payloads();
                bend(p, s);
                peer.say(peer.clear(base ? ExchangeType::Base : ExchangeType::Aggressive, p));
                peer.id_body = p.size() > 2 ? p.back().body : Bytes();
                if (base)
                    (void)peer.take_base_2();
                else
                    (void)peer.take_aggressive_2();
                break;
            }
            case 14: {  // and the one after it
                if (peer.gxr.empty() || !peer.cipher.valid()) break;
                auto p = peer.aggressive_3_payloads();
                bend(p, s);
                exchange::IvChain c = peer.chain;
                peer.say(s.u8() % 2 ? peer.encrypt(peer.header(ExchangeType::Aggressive), p, c)
                                    : peer.clear(ExchangeType::Aggressive, p));
                up = false;
                break;
            }
            case 15: {
                auto p = peer.base_3_payloads();
                bend(p, s);
                peer.say(peer.clear(ExchangeType::Base, p));
                (void)peer.take_base_4();
                up = false;
                break;
            }
        }
    }
    w.b->fail_next.clear();
    if (w.stuck) std::abort();
    if (!w.end_and_find_leaks().empty()) std::abort();
    return 0;
}
