// ScriptedPeer: the other end of a wire, written by hand: it knows the keys and says whatever a test
// tells it to, in any order. It takes the place of host a of a World.
//
//     World w(1);
//     ScriptedPeer peer(w);
//     ASSERT_TRUE(peer.establish());
//     peer.send(peer.informational(PayloadType::Delete, body));
#pragma once

#include <deque>
#include <vector>

#include "exchange/crypto.hpp"
#include "exchange/iv_chain.hpp"
#include "exchange/key_material.hpp"
#include "isakmp/message_builder.hpp"
#include "isakmp/message_views.hpp"
#include "simulation/world.hpp"

namespace racoon::sim {

using isakmp::ExchangeType;
using isakmp::MessageBuilder;
using isakmp::NotifyType;
using isakmp::PayloadType;

struct SaidPayload {
    PayloadType type;
    Bytes body;
};

class ScriptedPeer {
  public:
    /// `port`: of several that share an address, each with what is sent there; 0: port 500, and all of it.
    explicit ScriptedPeer(World& w, IpAddr self = ip("192.0.2.1"), std::uint16_t port = 0);

    CookiePair cookies;
    std::deque<Bytes> heard;  // what host b sent to us, oldest first
    bool send_dpd_vid = true;

    void send(ByteView datagram) { w_.deliver(self_, w_.addr_b, datagram, port_ ? port_ : 500); }
    void say(ByteView datagram, Duration wait = 50ms);

    // --- main mode, message by message ---
    Bytes sai_b() const;
    isakmp::Header header(ExchangeType type, std::uint32_t id = 0) const;
    Bytes clear(ExchangeType type, const std::vector<SaidPayload>& payloads,
                std::uint32_t id = 0) const;
    Bytes message_1() const;
    Bytes message_3() const;
    bool take_message_2();
    bool take_message_4();
    std::vector<SaidPayload> message_5_payloads() const;
    /// Encrypted with the phase 1 chain, which moves on.
    Bytes message_5(const std::vector<SaidPayload>& payloads);
    bool take_message_6();
    bool establish();

    // --- aggressive and base mode, message by message ---
    Bytes own_id() const { return isakmp::Identity::address(self_, 17, 500).body(); }
    std::vector<SaidPayload> aggressive_1_payloads() const;
    Bytes aggressive_1() const { return clear(ExchangeType::Aggressive, aggressive_1_payloads()); }
    bool take_aggressive_2();
    exchange::Phase1HashInput hash_input(const Bytes& sa, const Bytes& id_b) const;
    /// Whether the HASH_R that came is the right one.
    bool hash_r_is_right() const;
    std::vector<SaidPayload> aggressive_3_payloads() const;
    Bytes aggressive_3(const std::vector<SaidPayload>& payloads);
    bool establish_aggressive();

    std::vector<SaidPayload> base_1_payloads() const;
    Bytes base_1() const { return clear(ExchangeType::Base, base_1_payloads()); }
    bool take_base_2();
    std::vector<SaidPayload> base_3_payloads() const;
    Bytes base_3() const { return clear(ExchangeType::Base, base_3_payloads()); }
    bool take_base_4();
    bool establish_base();

    // --- after it ---
    /// HDR*, HASH(1), payloads. `good`: with the right hash.
    Bytes protected_message(ExchangeType type, std::uint32_t id,
                            const std::vector<SaidPayload>& payloads, bool good = true);
    Bytes protected_message_on(exchange::IvChain& c, ExchangeType type, std::uint32_t id,
                               const std::vector<SaidPayload>& payloads, bool good = true);
    Bytes informational(PayloadType type, const Bytes& body, std::uint32_t id = 0x1111,
                        bool good = true);
    Bytes notify(NotifyType type, Bytes spi, Bytes data = {}) const;
    /// Message 1 of quick mode for the first policy of a World.
    std::vector<SaidPayload> quick_mode_1_payloads(std::uint32_t spi) const;
    /// A whole quick mode of ours. The SPI that host b chose; 0: it answered with anything but message 2.
    std::uint32_t quick_mode(std::uint32_t spi, std::uint32_t id = 0x777);

    /// The next informational message heard, decrypted; payload list empty when there is none.
    struct Heard {
        isakmp::Header header;
        std::vector<SaidPayload> payloads;
    };
    std::optional<Heard> open_next();

    World& w_;
    IpAddr self_;
    std::uint16_t port_;
    Bytes psk;
    Bytes ni = Bytes(16, 0x11), nr;
    Bytes id_body;  // of our ID payload in aggressive and base mode; empty: our address
    Bytes idr, hash_r;
    std::uint64_t secret = 0x123456789;
    Bytes gxi = number_bytes(pow_mod(3, 0x123456789)), gxr;
    exchange::SkeyidSet keys;
    exchange::CipherKey cipher;
    exchange::IvChain chain;

    Secret skeyid() const;
    bool derive();
    Bytes encrypt(const isakmp::Header& h, const std::vector<SaidPayload>& payloads,
                  exchange::IvChain& c);

  private:
    Bytes seal(const MessageBuilder& b, exchange::IvChain& c);
    std::optional<isakmp::Message> pop();
};

}  // namespace racoon::sim
