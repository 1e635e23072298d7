#include "exchange/phase2.hpp"

#include <fmt/format.h>

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
    SaDelete d;
    d.protocol = params_.protocol;
    if (spi_out_owned_) {
        d.spi = spi_out_;
        d.src = phase1_.local().addr;
        d.dst = phase1_.remote().addr;
        ctx().ops.post(d);
    }
    if (spi_in_owned_) {
        d.spi = spi_in_;
        d.src = phase1_.remote().addr;
        d.dst = phase1_.local().addr;
        ctx().ops.post(d);
    }
}

void Phase2::start_initiator(std::uint64_t acquire_token, bool renews) {
    negotiation_->acquire_token = acquire_token;
    negotiation_->renews = renews;
    params_.protocol = tmpl().protocol;
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
    phase1_.send(datagram);
}

void Phase2::on_duplicate() {
    if (established_) owner_.phase2_repeated(*this);
}

void Phase2::refuse(const Error& why) {
    if (why.notify_type() == 0) return;
    // With the peer's SPI in it the peer knows which of its quick modes is meant.
    const isakmp::ProtocolId protocol = wire_protocol(params_.protocol);
    const Bytes spi = spi_out_.value != 0 ? isakmp::spi_bytes(protocol, spi_out_) : Bytes();
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
