// Each message as an engine expects it from a peer that knows the keys.
#include "simulation/scripted_peer.hpp"

#include <utility>

namespace racoon::sim {

ScriptedPeer::ScriptedPeer(World& w, IpAddr self, std::uint16_t port)
    : w_(w), self_(self), port_(port), psk(w.b->psk) {
    w.tap = [this, others = port != 0 ? w.tap : nullptr](const exchange::Datagram& d) {
        if (d.remote.addr == self_ && (port_ == 0 || d.remote.port == port_))
            heard.push_back(to_bytes(d.bytes));
        return others && others(d);
    };
    for (std::size_t i = 0; i < 8; ++i)
        cookies.initiator.bytes[i] = static_cast<std::uint8_t>(0x40 + i + self.bytes[3] * 3 + port);
}

void ScriptedPeer::say(ByteView datagram, Duration wait) {
    send(datagram);
    w_.run_for(wait);
}

// --- main mode, message by message ---

Bytes ScriptedPeer::sai_b() const {
    isakmp::Phase1Transform t;
    t.encryption = isakmp::Encryption::AesCbc;
    t.key_length = 256;
    t.hash = isakmp::HashAlgorithm::Sha2_256;
    t.auth_method = isakmp::AuthMethod::PreSharedKey;
    t.group = isakmp::DhGroup::Modp2048;
    t.life.seconds = 28800;
    return isakmp::build_phase1_sa({&t, 1});
}

isakmp::Header ScriptedPeer::header(ExchangeType type, std::uint32_t id) const {
    isakmp::Header h;
    h.cookies = cookies;
    h.exchange = isakmp::number(type);
    h.message_id = MessageId{id};
    return h;
}

Bytes ScriptedPeer::clear(ExchangeType type, const std::vector<SaidPayload>& payloads,
                          std::uint32_t id) const {
    MessageBuilder b(header(type, id));
    for (const auto& p : payloads) b.add(p.type, p.body);
    return *b.finish();
}

Bytes ScriptedPeer::message_1() const {
    std::vector<SaidPayload> p{{PayloadType::SecurityAssociation, sai_b()}};
    if (send_dpd_vid)
        p.push_back({PayloadType::VendorId, *from_hex("afcad71368a1f1c96b8696fc77570100")});
    return clear(ExchangeType::IdentityProtection, p);
}

Bytes ScriptedPeer::message_3() const {
    return clear(ExchangeType::IdentityProtection,
                 {{PayloadType::KeyExchange, gxi}, {PayloadType::Nonce, ni}});
}

bool ScriptedPeer::take_message_2() {
    auto m = pop();
    if (!m || m->header().cookies.responder.is_zero()) return false;
    cookies.responder = m->header().cookies.responder;
    return true;
}

bool ScriptedPeer::take_message_4() {
    auto m = pop();
    if (!m) return false;
    auto view = isakmp::MainMode3::parse(*m, isakmp::MessageKind::MainMode4);
    if (!view) return false;
    gxr = to_bytes(view->key_exchange);
    nr = to_bytes(view->nonce);
    return derive();
}

std::vector<SaidPayload> ScriptedPeer::message_5_payloads() const {
    const Bytes id = isakmp::Identity::address(self_, 17, 500).body();
    exchange::Phase1HashInput in;
    const Bytes sa = sai_b();
    in.gxi = gxi;
    in.gxr = gxr;
    in.cookies = cookies;
    in.sai_b = sa;
    in.id_b = id;
    auto h = exchange::hash_i(catalog().hash, keys.skeyid.view(), in);
    return {{PayloadType::Identification, id}, {PayloadType::Hash, to_bytes(h->view())}};
}

Bytes ScriptedPeer::message_5(const std::vector<SaidPayload>& payloads) {
    return encrypt(header(ExchangeType::IdentityProtection), payloads, chain);
}

bool ScriptedPeer::take_message_6() {
    auto m = pop();
    if (!m || !m->header().encrypted()) return false;
    Bytes body = to_bytes(m->body());
    exchange::Iv iv = chain.next();
    if (!cipher.decrypt(iv.span(), body)) return false;
    chain.advance(m->body());
    return isakmp::Message::decrypted(m->header(), body).has_value();
}

bool ScriptedPeer::establish() {
    say(message_1());
    if (!take_message_2()) return false;
    say(message_3());
    if (!take_message_4()) return false;
    say(message_5(message_5_payloads()));
    return take_message_6();
}

// --- aggressive and base mode, message by message ---

std::vector<SaidPayload> ScriptedPeer::aggressive_1_payloads() const {
    return {{PayloadType::SecurityAssociation, sai_b()},
            {PayloadType::KeyExchange, gxi},
            {PayloadType::Nonce, ni},
            {PayloadType::Identification, id_body.empty() ? own_id() : id_body}};
}

bool ScriptedPeer::take_aggressive_2() {
    auto m = pop();
    if (!m) return false;
    auto view = isakmp::Aggressive2::parse(*m);
    if (!view) return false;
    cookies.responder = m->header().cookies.responder;
    gxr = to_bytes(view->key_exchange);
    nr = to_bytes(view->nonce);
    idr = to_bytes(view->id.body);
    hash_r = to_bytes(view->proof.payload->body);
    return derive();
}

exchange::Phase1HashInput ScriptedPeer::hash_input(const Bytes& sa, const Bytes& id_b) const {
    exchange::Phase1HashInput in;
    in.gxi = gxi;
    in.gxr = gxr;
    in.cookies = cookies;
    in.sai_b = sa;
    in.id_b = id_b;
    return in;
}

bool ScriptedPeer::hash_r_is_right() const {
    const Bytes sa = sai_b();
    auto h = exchange::hash_r(catalog().hash, keys.skeyid.view(), hash_input(sa, idr));
    return h && equal_constant_time(h->view(), hash_r);
}

std::vector<SaidPayload> ScriptedPeer::aggressive_3_payloads() const {
    const Bytes sa = sai_b(), own = id_body.empty() ? own_id() : id_body;
    auto h = exchange::hash_i(catalog().hash, keys.skeyid.view(), hash_input(sa, own));
    return {{PayloadType::Hash, to_bytes(h->view())}};
}

Bytes ScriptedPeer::aggressive_3(const std::vector<SaidPayload>& payloads) {
    return encrypt(header(ExchangeType::Aggressive), payloads, chain);
}

bool ScriptedPeer::establish_aggressive() {
    say(aggressive_1());
    if (!take_aggressive_2() || !hash_r_is_right()) return false;
    say(aggressive_3(aggressive_3_payloads()));
    return true;
}

std::vector<SaidPayload> ScriptedPeer::base_1_payloads() const {
    return {{PayloadType::SecurityAssociation, sai_b()},
            {PayloadType::Nonce, ni},
            {PayloadType::Identification, id_body.empty() ? own_id() : id_body}};
}

bool ScriptedPeer::take_base_2() {
    auto m = pop();
    if (!m) return false;
    auto view = isakmp::Base1::parse(*m, isakmp::MessageKind::Base2);
    if (!view) return false;
    cookies.responder = m->header().cookies.responder;
    nr = to_bytes(view->nonce);
    idr = to_bytes(view->id.body);
    keys.skeyid = skeyid();
    return true;
}

std::vector<SaidPayload> ScriptedPeer::base_3_payloads() const {
    const Bytes sa = sai_b(), own = id_body.empty() ? own_id() : id_body;
    auto h = exchange::base_hash_i(catalog().hash, keys.skeyid.view(), hash_input(sa, own));
    return {{PayloadType::KeyExchange, gxi}, {PayloadType::Hash, to_bytes(h->view())}};
}

bool ScriptedPeer::take_base_4() {
    auto m = pop();
    if (!m) return false;
    auto view = isakmp::Base3::parse(*m, isakmp::MessageKind::Base4);
    if (!view) return false;
    gxr = to_bytes(view->key_exchange);
    hash_r = to_bytes(view->proof.payload->body);
    return derive();
}

bool ScriptedPeer::establish_base() {
    say(base_1());
    if (!take_base_2()) return false;
    say(base_3());
    return take_base_4() && hash_r_is_right();
}

// --- after it ---

Bytes ScriptedPeer::protected_message(ExchangeType type, std::uint32_t id,
                                      const std::vector<SaidPayload>& payloads, bool good) {
    auto c = chain.phase2(catalog().hash, MessageId{id});
    return protected_message_on(*c, type, id, payloads, good);
}

Bytes ScriptedPeer::protected_message_on(exchange::IvChain& c, ExchangeType type, std::uint32_t id,
                                         const std::vector<SaidPayload>& payloads, bool good) {
    MessageBuilder b(header(type, id));
    b.reserve_hash(32);
    for (const auto& p : payloads) b.add(p.type, p.body);
    auto h = exchange::hash_1(catalog().hash, keys.a.view(), MessageId{id}, b.after_hash());
    Bytes hash = to_bytes(h->view());
    if (!good) hash[0] ^= 1;
    b.set_hash(hash);
    return seal(b, c);
}

Bytes ScriptedPeer::informational(PayloadType type, const Bytes& body, std::uint32_t id,
                                  bool good) {
    return protected_message(ExchangeType::Informational, id, {{type, body}}, good);
}

Bytes ScriptedPeer::notify(NotifyType type, Bytes spi, Bytes data) const {
    isakmp::Notification n;
    n.type = type;
    n.spi = spi;
    n.data = data;
    return n.body();
}

std::vector<SaidPayload> ScriptedPeer::quick_mode_1_payloads(std::uint32_t spi) const {
    isakmp::Phase2Proposal p;
    p.spi = Spi{spi};
    isakmp::Phase2Transform t;
    t.id = 12;
    t.key_length = 128;
    t.integrity = isakmp::Integrity::HmacSha2_256;
    t.mode = isakmp::Encapsulation::Tunnel;
    t.life.seconds = 3600;
    p.transforms.push_back(t);
    const TrafficSelector s = selector_of(self_, w_.addr_b, {}, 0);
    return {{PayloadType::SecurityAssociation, isakmp::build_phase2_sa({&p, 1})},
            {PayloadType::Nonce, ni},
            {PayloadType::Identification, isakmp::Identity::selector(s.local, 0).body()},
            {PayloadType::Identification, isakmp::Identity::selector(s.remote, 0).body()}};
}

std::uint32_t ScriptedPeer::quick_mode(std::uint32_t spi, std::uint32_t id) {
    auto c = chain.phase2(catalog().hash, MessageId{id});
    heard.clear();
    say(protected_message_on(*c, ExchangeType::QuickMode, id, quick_mode_1_payloads(spi)));
    auto m2 = pop();
    if (!m2 || m2->header().exchange_type() != ExchangeType::QuickMode) return 0;
    Bytes body = to_bytes(m2->body());
    exchange::Iv iv = c->next();
    if (!cipher.decrypt(iv.span(), body)) return 0;
    c->advance(m2->body());
    auto clear_text = isakmp::Message::decrypted(m2->header(), body);
    if (!clear_text) return 0;
    auto view = isakmp::QuickMode1::parse(*clear_text, isakmp::MessageKind::QuickMode2);
    if (!view) return 0;
    auto h = exchange::hash_3(catalog().hash, keys.a.view(), MessageId{id}, ni, view->nonce);
    say(encrypt(header(ExchangeType::QuickMode, id), {{PayloadType::Hash, to_bytes(h->view())}},
                *c));
    return view->sa.proposals[0].spi_value()->value;
}

std::optional<ScriptedPeer::Heard> ScriptedPeer::open_next() {
    auto m = pop();
    if (!m) return {};
    Heard out;
    out.header = m->header();
    Bytes body = to_bytes(m->body());
    if (m->header().encrypted()) {
        auto c = chain.phase2(catalog().hash, m->header().message_id);
        exchange::Iv iv = c->next();
        if (!cipher.decrypt(iv.span(), body)) return {};
        auto clear_text = isakmp::Message::decrypted(m->header(), body);
        if (!clear_text) return {};
        for (const auto& p : clear_text->payloads())
            out.payloads.push_back({p.type, to_bytes(p.body)});
    } else {
        for (const auto& p : m->payloads()) out.payloads.push_back({p.type, to_bytes(p.body)});
    }
    return out;
}

Secret ScriptedPeer::skeyid() const {
    Secret out(32);
    const racoon_span parts[2] = {{ni.data(), ni.size()}, {nr.data(), nr.size()}};
    mix_hmac(nullptr, {psk.data(), psk.size()}, parts, 2, out.span().data());
    return out;
}

bool ScriptedPeer::derive() {
    const Bytes gxy = number_bytes(pow_mod(bytes_number(gxr), secret));
    auto set = exchange::SkeyidSet::derive(catalog().hash, skeyid(), gxy, cookies);
    if (!set) return false;
    keys = std::move(*set);
    auto ka = exchange::expand_key(catalog().hash, keys.e.view(), 32);
    auto made = exchange::CipherKey::make(catalog().cipher, ka->view());
    cipher = std::move(*made);
    chain = *exchange::IvChain::phase1(catalog().hash, 16, gxi, gxr);
    return true;
}

Bytes ScriptedPeer::encrypt(const isakmp::Header& h, const std::vector<SaidPayload>& payloads,
                            exchange::IvChain& c) {
    MessageBuilder b(h);
    for (const auto& p : payloads) b.add(p.type, p.body);
    return seal(b, c);
}

Bytes ScriptedPeer::seal(const MessageBuilder& b, exchange::IvChain& c) {
    isakmp::Padding padding;
    padding.randomize = false;
    Bytes data = *b.padded(16, padding, {});
    exchange::Iv iv = c.next();
    (void)cipher.encrypt(iv.span(), data);
    c.advance(data);
    return b.finish_encrypted(data);
}

std::optional<isakmp::Message> ScriptedPeer::pop() {
    if (heard.empty()) return {};
    auto m = isakmp::Message::parse(heard.front());
    heard.pop_front();
    if (!m) return {};
    return std::move(*m);
}

}  // namespace racoon::sim
