#include "exchange/phase2.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "exchange/natt.hpp"
#include "exchange/phase1.hpp"
#include "exchange/quick_mode.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {
using std::chrono::seconds;
/// The most that a quick mode may take where no `timer` block says otherwise: two messages that are
/// repeated, and what the kernel takes.
constexpr auto kLimit = seconds(120);

Duration limit_of(const conf::Timer& timer) {
    return timer.given && timer.phase2 > seconds(0) ? Duration(timer.phase2) : Duration(kLimit);
}
}  // namespace

Phase2::Phase2(Context& ctx, Phase2Owner& owner, Phase1& phase1, MessageId id, IvChain ivs,
               bool initiator, SettingsPtr settings, const conf::Policy* policy)
    : Exchange(ctx),
      owner_(owner),
      phase1_(phase1),
      id_(id),
      ivs_(ivs),
      initiator_(initiator),
      settings_(std::move(settings)),
      policy_(policy),
      negotiation_(std::make_unique<Negotiation>()),
      created_(ctx.now) {
    if (policy_ != nullptr) selector_ = policy_->selector;
}

Phase2::~Phase2() {
    stop();
    for (auto d = owned_.rbegin(); d != owned_.rend(); ++d) ctx().ops.post(*d);
}

Phase2Rules Phase2::rules() const {
    return Phase2Rules{*negotiation_->sainfo, policy_->templates,
                       policy_->complex_bundle.value_or(settings_->config->complex_bundle),
                       wire_modes(phase1_.natt())};
}

void Phase2::own(std::uint8_t protocol, Spi spi, bool inbound) {
    SaDelete d;
    d.protocol = protocol;
    d.spi = spi;
    d.src = phase1_.local().addr;
    d.dst = phase1_.remote().addr;
    if (inbound) std::swap(d.src, d.dst);
    owned_.push_back(d);
}

void Phase2::start_initiator(std::uint64_t acquire_token, bool renews) {
    negotiation_->acquire_token = acquire_token;
    negotiation_->renews = renews;
    params_.sas = wanted_sas(policy_->templates);
    run(quick_mode_initiator(*this), limit_of(timer_config()));
}

void Phase2::start_responder(Verified<isakmp::QuickMode1> message1, std::uint64_t digest) {
    accept(digest);
    negotiation_->peer_committed = message1.message().header().commit();
    negotiation_->message1.emplace(std::move(message1));
    run(quick_mode_responder(*this), limit_of(timer_config()));
}

std::string Phase2::peer_text() const {
    return phase1_.peer_text();
}

void Phase2::emit(ByteView datagram) {
    phase1_.send(datagram, phase1_.in_pieces(datagram) ? fragment_id() : isakmp::kFragmentId);
}

/// Of the quick modes that run at one time under an ISAKMP SA each has its own, or nobody could tell their pieces
/// apart. One alone has the id that all peers send.
std::uint16_t Phase2::fragment_id() {
    const auto taken = [this](std::uint16_t id) {
        return std::any_of(
            phase1_.children.begin(), phase1_.children.end(), [&](const auto& other) {
                return other.get() != this && other->running() && other->fragment_id_ == id;
            });
    };
    if (fragment_id_ == 0) {
        fragment_id_ = isakmp::kFragmentId;
        while (taken(fragment_id_)) ++fragment_id_;
    }
    return fragment_id_;
}

void Phase2::on_duplicate() {
    if (established_) owner_.phase2_repeated(*this);
}

void Phase2::refuse(const Error& why) {
    if (why.notify_type() == 0) return;
    // With the peer's SPI in it the peer knows which of its quick modes is meant.
    isakmp::ProtocolId protocol = isakmp::ProtocolId::Esp;
    Bytes spi;
    if (!params_.sas.empty()) {
        const SaParams& sa = params_.sas.front();
        protocol = wire_protocol(sa.protocol);
        if (sa.spi_out.value != 0) spi = isakmp::spi_bytes(protocol, sa.spi_out);
    }
    phase1_.send_notify(static_cast<isakmp::NotifyType>(why.notify_type()), protocol, spi);
}

void Phase2::ignore(const Error& why, std::string_view what) {
    if (phase1_.log_limit.allow(ctx().now))
        LOGW(peer_text(), fmt::format("ignored {}: {}", what, why.text()));
}

void Phase2::finished(Status status) {
    awaits_connected = false;
    negotiation_.reset();
    if (status) {
        established_ = true;
        owner_.phase2_established(*this);
        return;
    }
    owner_.phase2_failed(*this, status.error());
}

}  // namespace racoon::exchange
