// Phase1: one ISAKMP SA, from the first message to its deletion. While it is negotiated, a coroutine of
// main_mode.cpp, aggressive_mode.cpp or base_mode.cpp drives it; what only the negotiation needs sits in
// Negotiation and is freed with it.
//
// The one way to "established" is establish(), which takes an AuthenticatedPeer, and only prove_peer(),
// which judges the proof in the peer's last message, can make one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "exchange/auth_session.hpp"
#include "exchange/crypto.hpp"
#include "exchange/exchange.hpp"
#include "exchange/handles.hpp"
#include "exchange/iv_chain.hpp"
#include "exchange/key_material.hpp"
#include "exchange/phase1_offer.hpp"
#include "exchange/reassembly.hpp"
#include "isakmp/message_builder.hpp"

namespace racoon::exchange {

class Phase1;
class Phase2;

/// A peer whose last message of phase 1 was verified: its identity and the proof's verdict.
class AuthenticatedPeer {
  public:
    const isakmp::Identity& identity() const { return identity_; }

  private:
    friend Task<Result<AuthenticatedPeer>> prove_peer(Phase1& x, const isakmp::Message& m,
                                                      const isakmp::IdView& id);
    explicit AuthenticatedPeer(isakmp::Identity id) : identity_(std::move(id)) {}
    isakmp::Identity identity_;
};

/// What an ISAKMP SA tells the engine.
class Phase1Owner {
  public:
    /// The responder's cookie is known, as of message 2.
    virtual void cookies_known(Phase1& sa, const Cookie& responder) = 0;
    virtual void phase1_established(Phase1& sa) = 0;
    /// An address that is not proved has got its answer.
    virtual void answered_unproved(Phase1& sa) = 0;
    /// The peer has another address or port now; remote() is the new one.
    virtual void phase1_moved(Phase1& sa, const Endpoint& old_remote) = 0;
    /// An authentic and fresh message of a peer behind a NAT came from another address, to where it has not
    /// gone yet: whoever relays a packet can do as much.
    virtual void phase1_elsewhere(Phase1& sa, const Endpoint& local, const Endpoint& remote) = 0;
    /// The negotiation failed; the SA is to be removed.
    virtual void phase1_failed(Phase1& sa, const Error& error) = 0;

  protected:
    ~Phase1Owner() = default;
};

/// What phase 1 found out about NATs (RFC 3947). The engine follows from it how phase 2 is encapsulated.
struct Natt {
    const conf::NattInfo* dialect = nullptr;  // agreed on; null: the ends do without
    std::uint8_t vendor_id = 0;               // which of the dialect's the peer sent
    bool we_behind = false, peer_behind = false;
    bool detected() const { return we_behind || peer_behind; }
    bool encapsulates() const { return dialect != nullptr && detected(); }
};

/// What only the negotiation needs.
struct Negotiation {
    Bytes sai_b;
    Bytes sa_answer;  // ours as responder: the chosen transform
    Bytes gxi, gxr;
    Bytes ni, nr;
    DhKey dh;
    Secret gxy;  // empty until computed
    AuthSession auth;
    Secret skeyid;
    Bytes id_body;                            // ours, IDxx_b
    std::optional<isakmp::Identity> peer_id;  // as claimed, where it comes before the proof
    Bytes peer_id_body;
    bool decoy = false;        // no key is known for peer_id: nothing can prove it
    bool guessed_psk = false;  // the likely cause was logged
};

class Phase1 final : public Exchange {
  public:
    enum class State : std::uint8_t { Negotiating, Established, Dying, Dead };

    Phase1(Context& ctx, Phase1Owner& owner, SaToken token, isakmp::ExchangeType exchange,
           const Endpoint& local, const Endpoint& remote, bool initiator, SettingsPtr settings,
           const conf::Remote* section);
    ~Phase1() override;

    /// As initiator; cookies().initiator is set.
    void start();
    /// As responder: with message 3 of main mode, with message 1 of the others. Both cookies,
    /// parameters and offer are known.
    void start_responder(Received first);

    // --- facts ---
    SaToken token() const { return token_; }
    const CookiePair& cookies() const { return cookies_; }
    const Endpoint& local() const { return local_; }
    const Endpoint& remote() const { return remote_; }
    /// Where the first message came from, or went to.
    const Endpoint& first_remote() const { return first_remote_; }
    const Natt& natt() const { return natt_; }
    bool initiator() const { return initiator_; }
    isakmp::ExchangeType exchange() const { return exchange_; }
    State state() const { return state_; }
    bool usable() const { return state_ == State::Established || state_ == State::Dying; }
    const conf::Remote& section() const { return *section_; }
    const conf::Config& config() const { return *settings_->config; }
    const Settings& settings() const { return *settings_; }
    const SettingsPtr& settings_ptr() const { return settings_; }
    const Phase1Params& params() const { return params_; }
    const std::optional<isakmp::Identity>& peer_id() const { return peer_id_; }
    TimePoint created() const { return created_; }
    TimePoint established_at() const { return established_at_; }
    std::uint64_t use() const { return use_.id(); }
    std::string peer_text() const { return remote_.addr.text(); }
    int state_number() const { return progress_; }
    /// "192.0.2.1[500]-192.0.2.2[500] spi:…".
    std::string text() const;

    /// Whether messages of this peer may come in pieces.
    bool takes_fragments() const { return section_->ike_frag != conf::Offer::Off; }

    // --- messages of phase 2 (after establishment) ---
    Result<IvChain> phase2_chain(MessageId id) const { return ivs_.phase2(*params_.hash, id); }
    const CipherKey& cipher_key() const { return cipher_; }
    /// Ka of RFC 2409 appendix B, for who reads a capture; empty until there is one.
    ByteView encryption_key() const { return encryption_key_.view(); }
    ByteView skeyid_a() const { return skeyid_a_.view(); }
    ByteView skeyid_d() const { return skeyid_d_.view(); }
    /// A header of this SA.
    isakmp::Header header(isakmp::ExchangeType type, MessageId id) const;
    /// `fragment_id`: of the pieces, where it is sent in pieces.
    void send(ByteView datagram, std::uint16_t fragment_id = isakmp::kFragmentId);
    /// Whether it is sent in pieces, with `ike_frag`.
    bool in_pieces(ByteView datagram) const;
    /// Sends an informational message with HASH(1): one payload of type N or D.
    void send_informational(isakmp::PayloadType type, ByteView body);
    void send_notify(isakmp::NotifyType type, isakmp::ProtocolId protocol, ByteView spi,
                     ByteView data = {});
    /// The same on another way than the usual one.
    void send_notify_by(const Endpoint& local, const Endpoint& remote, isakmp::NotifyType type,
                        ByteView spi, ByteView data);

    /// False when the id was used before in this SA, or too many were: no exchange may start.
    bool use_message_id(MessageId id);
    bool used_message_id(MessageId id) const;
    bool message_ids_exhausted() const { return used_ids_.size() >= kMaxMessageIds; }
    MessageId fresh_message_id();

    // --- for the coroutines ---
    Negotiation& negotiation() { return *negotiation_; }
    const Negotiation& negotiation() const { return *negotiation_; }
    IvChain& ivs() { return ivs_; }
    void set_section(const conf::Remote* section) { section_ = section; }
    void set_params(const Phase1Params& p) { params_ = p; }
    void set_cookies(const CookiePair& c) { cookies_ = c; }
    void set_responder_cookie(const Cookie& c);
    void set_use(KeeperUse use) { use_ = std::move(use); }
    void set_keys(SkeyidSet keys, Secret encryption_key, CipherKey cipher, IvChain ivs);
    void set_natt(const Natt& natt) { natt_ = natt; }
    /// As initiator, once a NAT was found: everything goes over the NAT-T ports from now on (RFC 3947 4).
    void float_ports();
    /// An authentic and fresh message came this way: so does what we send (RFC 3947 4, 6). To another address
    /// only when the peer has answered from there.
    void follow(const Received& in) {
        count(in.message);
        follow(in.local, in.remote);
    }
    void follow(const Endpoint& local, const Endpoint& remote);
    void move_to(const Endpoint& local, const Endpoint& remote);
    /// Of an initiator that did not know which of its addresses it would have.
    void learn_local(const Endpoint& local) { local_ = local; }
    void set_progress(int racoon_state) { progress_ = racoon_state; }
    void note_vendor_ids(const isakmp::Phase1Extras& extras);
    /// Of a proved message that was encrypted.
    void note_notifications(const isakmp::Phase1Extras& extras);
    /// The message just sent is the last one and the peer does not answer it: it is sent again for
    /// a while after establishment, until the peer is heard().
    void expect_sign_of_life() { unheard_ = true; }
    /// The answer to message 1 of aggressive or base mode.
    void answer_unproved(Bytes datagram) {
        transmit(std::move(datagram), Repeat::Sparingly);
        paid_for_unproved();
    }
    /// What a peer costs before it proves itself is done.
    void paid_for_unproved() { owner_.answered_unproved(*this); }
    void establish(AuthenticatedPeer peer);
    /// Tells the peer what was wrong with a message of `asked` bytes that need not be its own: protected where
    /// there are keys, seldom, and never with more bytes.
    void complain(isakmp::NotifyType type, std::size_t asked);
    /// A message that is not what the exchange waits for: logged, nothing else.
    void ignore(const Error& why, std::string_view what);

    // --- state kept by the engine ---
    /// It was authentic, and what it holds counts for the lifetime.
    void count(const isakmp::Message& m) {
        if (m.header().encrypted()) taken_ += m.body().size();
    }
    /// Bytes that were encrypted under it, of both ends.
    std::uint64_t protected_bytes() const { return taken_ + cipher_.encrypted(); }
    /// An authentic message of the peer has come.
    void heard();
    void set_state(State s) { state_ = s; }
    void adopt_settings(SettingsPtr settings, const conf::Remote* section) {
        settings_ = std::move(settings);
        section_ = section;
    }
    bool peer_has_dpd = false;
    bool peer_has_fragments = false;             // takes messages in pieces
    std::unique_ptr<Reassemblies> reassemblies;  // of its messages, when they come so
    Timer reassembly_timer;
    bool suspect = false;                   // a quick mode under it stayed without any answer
    bool peer_has_initial_contact = false;  // said so in a proved message
    std::vector<std::unique_ptr<Phase2>> children;
    std::vector<Received> ahead;  // came before the SA was established, for afterwards
    Timer lifetime_timer;
    struct DpdState {
        Timer timer;
        std::uint32_t sequence = 0;  // of our last probe
        std::uint32_t newest = 0;    // of all, those that ask elsewhere too
        std::optional<std::uint32_t> peer_sequence;
        unsigned unanswered = 0;
        TimePoint last_alive{};
        TimePoint first_probe{};  // of those that are unanswered
    } dpd;
    /// Another address that the peer may have, while it is asked there.
    struct Elsewhere {
        Endpoint local, remote;
        std::uint32_t sequence = 0;
        unsigned sent = 0;  // 0: nothing is asked
        Timer timer;
    } elsewhere;
    RateLimit log_limit{5};
    RateLimit complaints{1};

  private:
    static constexpr std::size_t kMaxMessageIds = 16384;
    void finished(Status status) override;
    void emit(ByteView datagram) override { send(datagram); }
    Result<Bytes> informational_message(isakmp::PayloadType type, ByteView body);
    void repeat_until_heard();
    const conf::Timer& timer_config() const override { return settings_->config->timer; }

    struct Way {
        Endpoint local, remote;
    };
    Phase1Owner& owner_;
    SaToken token_;
    CookiePair cookies_;
    Endpoint local_, remote_, first_remote_;
    std::optional<Way> way_;  // of the message that is being sent; unset: the usual one
    Natt natt_;
    bool initiator_;
    isakmp::ExchangeType exchange_;
    bool unheard_ = false;
    State state_ = State::Negotiating;
    int progress_ = 1;
    SettingsPtr settings_;
    const conf::Remote* section_;
    Phase1Params params_;
    KeeperUse use_;
    std::unique_ptr<Negotiation> negotiation_;
    std::optional<isakmp::Identity> peer_id_;
    Secret skeyid_d_, skeyid_a_, encryption_key_;
    CipherKey cipher_;
    std::uint64_t taken_ = 0;
    IvChain ivs_;
    TimePoint created_, established_at_{};
    std::vector<MessageId> used_ids_;  // sorted
    Timer forget_timer_;
    Timer unheard_timer_;
    std::optional<Backoff> unheard_backoff_;
};

}  // namespace racoon::exchange
