// Phase2: one quick mode, and the SAs that it makes until they are handed over. Ends established, or
// fails and takes back the SPI and the SAs that it had asked for. An established initiator stays a
// while, to repeat message 3 for a responder that did not get it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "exchange/exchange.hpp"
#include "exchange/handles.hpp"
#include "exchange/iv_chain.hpp"
#include "exchange/phase2_offer.hpp"
#include "exchange/verified.hpp"

namespace racoon::exchange {

class Phase1;
class Phase2;

class Phase2Owner {
  public:
    /// Both SAs are installed.
    virtual void phase2_established(Phase2& x) = 0;
    virtual void phase2_failed(Phase2& x, const Error& error) = 0;
    /// The peer asks again for our last message, so it may still use its old SA.
    virtual void phase2_repeated(Phase2& x) = 0;
    /// False: traffic of a peer with another identity has something in common with that of `x`, or is being
    /// negotiated. Else nobody gets it as long as this lives.
    virtual bool claim_traffic(const Phase2& x) = 0;
    /// Whether the peer is one that the sections for the policy's peer name.
    virtual bool may_have(const Phase2& x, const conf::Policy& policy) const = 0;
    /// Whether another SA towards the peer's address has one of these SPIs, which the peer chose.
    virtual bool outbound_taken(const Phase2& x) const = 0;
    /// Its SAs are about to be installed.
    virtual void phase2_installs(const Phase2& x) = 0;

  protected:
    ~Phase2Owner() = default;
};

class Phase2 final : public Exchange {
  public:
    /// `policy` null: a responder that has yet to find it.
    Phase2(Context& ctx, Phase2Owner& owner, Phase1& phase1, MessageId id, IvChain ivs,
           bool initiator, SettingsPtr settings, const conf::Policy* policy);
    ~Phase2() override;

    /// `renews`: SAs for the same traffic are up, and these take over from them.
    void start_initiator(std::uint64_t acquire_token, bool renews);
    void start_responder(Verified<isakmp::QuickMode1> message1, std::uint64_t digest);

    // --- facts ---
    Phase1& phase1() const { return phase1_; }
    MessageId id() const { return id_; }
    bool initiator() const { return initiator_; }
    const Settings& settings() const { return *settings_; }
    const SettingsPtr& settings_ptr() const { return settings_; }
    const conf::Policy* policy() const { return policy_; }
    /// Where configuration and policy stand: what the offer is made of.
    Phase2Rules rules() const;
    const TrafficSelector& selector() const { return selector_; }
    const Phase2Params& params() const { return params_; }
    TimePoint created() const { return created_; }
    bool established() const { return established_; }
    /// A policy that was made for the peer, which this keeps alive; null: it is one of the configuration's.
    const std::shared_ptr<const conf::Policy>& made() const { return made_; }
    /// The policy, if others have removed it meanwhile; null: it is where the settings have it.
    const std::shared_ptr<const conf::Policy>& kept() const { return kept_; }
    /// Those of the same configuration; `find` says where a policy of the settings before is in them, null:
    /// not any more.
    template <typename Find>
    void adopt_settings(SettingsPtr next, Find find) {
        const SettingsPtr before = std::exchange(settings_, std::move(next));  // has the policy
        if (policy_ == nullptr || made_ != nullptr) return;
        const conf::Policy* const now = find(*policy_);
        if (now == nullptr && kept_ == nullptr)
            kept_ = std::make_shared<const conf::Policy>(*policy_);
        if (now != nullptr) kept_ = nullptr;
        policy_ = now != nullptr ? now : kept_.get();
    }
    bool awaits_connected = false;
    /// A responder's: message 3 came, so the SAs are as good as up, and what asks for them waits here.
    bool confirmed = false;
    std::vector<std::uint64_t> acquires;
    std::optional<LiteralId> local_id,
        remote_id;  // what a responder's peer asked for by text or range
    Timer linger;   // until an ended quick mode goes

    /// What only the negotiation needs.
    struct Negotiation {
        const conf::SaInfo* sainfo = nullptr;
        std::vector<isakmp::Phase2Proposal> offered;
        IpAddr peer_original;  // by the peer's NAT-OA; none
        IpAddr own_as_seen;    // the same of us
        Bytes id_ci, id_cr;    // bodies as sent; empty: none
        Bytes ni, nr;
        DhKey dh;
        Bytes public_value, peer_public;
        Secret gxy;
        std::uint64_t acquire_token = 0;
        std::optional<Verified<isakmp::QuickMode1>> message1;  // the responder's
        bool peer_committed = false;
        bool renews = false;
    };

    // --- for quick mode ---
    Negotiation& negotiation() { return *negotiation_; }
    IvChain& ivs() { return ivs_; }
    void set_policy(const conf::Policy* p) { policy_ = p; }
    void set_made(std::shared_ptr<const conf::Policy> p) {
        made_ = std::move(p);
        policy_ = made_.get();
    }
    Phase2Owner& owner() { return owner_; }
    void set_selector(const TrafficSelector& s) { selector_ = s; }
    void set_params(Phase2Params p) { params_ = std::move(p); }
    Phase2Params& params() { return params_; }
    /// From now on what this SPI names is deleted with the negotiation.
    void own(std::uint8_t protocol, Spi spi, bool inbound);
    /// What was owned last was never made.
    void disown_last() { owned_.pop_back(); }
    /// The SAs belong to somebody else now.
    void hand_over() { owned_.clear(); }
    /// Tells the peer, with the SPI that names this negotiation, and logs.
    void refuse(const Error& why);
    void ignore(const Error& why, std::string_view what);
    std::string peer_text() const;

  private:
    std::uint16_t fragment_id();
    void finished(Status status) override;
    void emit(ByteView datagram) override;
    const conf::Timer& timer_config() const override { return settings_->config->timer; }
    void on_duplicate() override;

    Phase2Owner& owner_;
    Phase1& phase1_;
    MessageId id_;
    IvChain ivs_;
    bool initiator_;
    bool established_ = false;
    std::uint16_t fragment_id_ = 0;  // 0: nothing was sent in pieces yet
    SettingsPtr settings_;
    const conf::Policy* policy_;
    std::shared_ptr<const conf::Policy> made_, kept_;
    TrafficSelector selector_;
    Phase2Params params_;
    std::vector<SaDelete> owned_;
    std::unique_ptr<Negotiation> negotiation_;
    TimePoint created_;
};

}  // namespace racoon::exchange
