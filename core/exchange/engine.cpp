#include "exchange/engine.hpp"

#include "exchange/core.hpp"

namespace racoon::exchange {

namespace {

/// A caller that does not want to hear.
Engine::Done heard(Engine::Done done) {
    return done ? std::move(done) : [](Status) {};
}

std::int64_t whole_seconds(Duration d) {
    return std::chrono::duration_cast<std::chrono::seconds>(d).count();
}

}  // namespace

class Engine::Impl final : public Core {
  public:
    using Core::Core;
};

Engine::Engine(conf::ConfigPtr config, std::uint32_t generation, Output& output)
    : impl_(std::make_unique<Impl>(std::move(config), generation, output)) {}
Engine::~Engine() = default;

void Engine::kernel_capabilities(const KernelCapabilities& caps) {
    impl_->ctx().caps = caps;
    impl_->ctx().caps_known = true;
}

void Engine::datagram(const Datagram& in, TimePoint now) {
    Core::Entry entry(*impl_, now);
    impl_->datagram(in);
}

void Engine::complete(OpToken token, const Result<Bytes>& result, TimePoint now) {
    Core::Entry entry(*impl_, now);
    impl_->ctx().ops.complete(token, result);
}

void Engine::kernel_event(const KernelEvent& event, TimePoint now) {
    Core::Entry entry(*impl_, now);
    impl_->kernel_event(event);
}

void Engine::adopt(const std::vector<KeptPair>& pairs, TimePoint now) {
    Core::Entry entry(*impl_, now);
    impl_->adopt_pairs(pairs);
}

std::optional<TimePoint> Engine::next_deadline() const {
    return impl_->next_deadline();
}

void Engine::tick(TimePoint now) {
    Core::Entry entry(*impl_, now);
    impl_->tick();
}

ReloadCounts Engine::reconfigure(conf::ConfigPtr config, std::uint32_t generation, TimePoint now) {
    Core::Entry entry(*impl_, now);
    return impl_->reconfigure(std::move(config), generation);
}

void Engine::hosts(conf::HostAddresses hosts, TimePoint now) {
    Core::Entry entry(*impl_, now);
    impl_->set_hosts(std::move(hosts));
}

void Engine::foreign_policies(ForeignPolicies policies, TimePoint now) {
    Core::Entry entry(*impl_, now);
    impl_->set_foreign(std::move(policies));
}

void Engine::start_tunnels(TimePoint now) {
    Core::Entry entry(*impl_, now);
    impl_->update_starters(true);
}

void Engine::local_endpoints(std::vector<Endpoint> endpoints) {
    impl_->set_local_endpoints(std::move(endpoints));
}

void Engine::natt_endpoints(std::vector<Endpoint> endpoints) {
    impl_->ctx().natt_endpoints = std::move(endpoints);
}

std::vector<Phase1Status> Engine::phase1_status(TimePoint now) const {
    std::vector<Phase1Status> out;
    for (const Phase1* sa : impl_->sas().all()) {
        Phase1Status s;
        s.cookies = sa->cookies();
        s.local = sa->local();
        s.remote = sa->remote();
        s.section = sa->section().name;
        if (sa->peer_id()) s.peer_id = sa->peer_id()->value_text();
        s.initiator = sa->initiator();
        s.exchange = isakmp::number(sa->exchange());
        s.state = sa->state() == Phase1::State::Dying ? 10 : sa->state_number();
        s.age_seconds = whole_seconds(now - (sa->usable() ? sa->established_at() : sa->created()));
        s.lifetime_seconds = sa->params().lifetime.count();
        s.lifetime_kilobytes = sa->params().kilobytes;
        s.bytes = sa->protected_bytes();
        if (const Phase1Params& p = sa->params(); p.cipher != nullptr) {
            s.cipher = p.cipher->name;
            s.key_bits = p.key_bits;
            s.hash = p.hash->name;
            s.group = p.group->name;
            s.auth = p.auth->name;
        }
        for (const SaPair* pair : impl_->pairs().with_peer(sa->remote().addr))
            if (pair->phase1 == sa->cookies()) ++s.phase2_count;
        s.dpd = sa->peer_has_dpd && sa->section().dpd.enabled;
        out.push_back(std::move(s));
    }
    return out;
}

std::vector<Phase1Key> Engine::phase1_keys() const {
    std::vector<Phase1Key> out;
    for (const Phase1* sa : impl_->sas().all())
        if (!sa->encryption_key().empty())
            out.push_back({sa->cookies(), sa->local(), sa->remote(), sa->params().cipher->name,
                           Secret(sa->encryption_key())});
    return out;
}

std::vector<Phase2Status> Engine::phase2_status(TimePoint now) const {
    std::vector<Phase2Status> out;
    // One row for each protocol of a bundle.
    const auto add = [&out](Phase2Status& s, const Phase2Params& p) {
        if (p.pfs != nullptr) s.pfs_group = p.pfs->name;
        s.lifetime_seconds = static_cast<std::int64_t>(p.seconds);
        s.lifetime_kilobytes = p.kilobytes;
        for (const SaParams& sa : p.sas) {
            s.protocol = sa.protocol;
            s.tunnel = sa.tunnel;
            s.reqid = sa.reqid;
            s.spi_in = sa.spi_in;
            s.spi_out = sa.spi_out;
            s.encryption = sa.encryption != nullptr    ? sa.encryption->name
                           : sa.compression != nullptr ? sa.compression->name
                                                       : "";
            s.integrity = sa.integrity != nullptr ? sa.integrity->name : "";
            s.key_bits = sa.key_bits;
            s.esn = sa.esn;
            out.push_back(s);
        }
    };
    for (const SaPair* pair : impl_->pairs().all()) {
        Phase2Status s;
        s.phase1 = pair->phase1;
        s.message_id = pair->message_id;
        s.local = pair->local.addr;
        s.remote = pair->remote.addr;
        s.policy = pair->policy->id;
        s.marks = pair->policy->marks;
        s.selector = pair->selector;
        s.established = true;
        s.initiator = pair->initiator;
        s.age_seconds = whole_seconds(now - pair->established);
        add(s, pair->params);
    }
    for (const Phase1* sa : impl_->sas().all())
        for (const auto& child : sa->children) {
            if (!child->running()) continue;
            Phase2Status s;
            s.phase1 = sa->cookies();
            s.message_id = child->id();
            s.local = sa->local().addr;
            s.remote = sa->remote().addr;
            if (child->policy() != nullptr) {
                s.policy = child->policy()->id;
                s.marks = child->policy()->marks;
            }
            s.selector = child->selector();
            s.initiator = child->initiator();
            s.age_seconds = whole_seconds(now - child->created());
            add(s, static_cast<const Phase2&>(*child).params());
        }
    return out;
}

void Engine::establish_phase1(const Endpoint& remote, std::string_view section, TimePoint now,
                              Done done) {
    Core::Entry entry(*impl_, now);
    impl_->establish_phase1(remote, section, heard(std::move(done)));
}

void Engine::establish_phase2(const TrafficSelector& selector, TimePoint now, Done done) {
    Core::Entry entry(*impl_, now);
    impl_->establish_selector(selector, heard(std::move(done)));
}

void Engine::establish_policy(PolicyId policy, TimePoint now, Done done) {
    Core::Entry entry(*impl_, now);
    impl_->establish_policy(policy, {}, heard(std::move(done)));
}

std::size_t Engine::delete_phase1(const IpAddr& local, const IpAddr& remote, TimePoint now) {
    Core::Entry entry(*impl_, now);
    return impl_->delete_phase1_between(local, remote);
}

std::size_t Engine::flush_phase1(TimePoint now) {
    Core::Entry entry(*impl_, now);
    return impl_->flush_phase1();
}

std::size_t Engine::delete_phase2(std::uint8_t protocol, const IpAddr& local, const IpAddr& remote,
                                  TimePoint now) {
    Core::Entry entry(*impl_, now);
    return impl_->delete_phase2_between(protocol, local, remote);
}

std::size_t Engine::flush_phase2(std::uint8_t protocol, TimePoint now) {
    Core::Entry entry(*impl_, now);
    return impl_->flush_phase2(protocol);
}

void Engine::shutdown(TimePoint now) {
    Core::Entry entry(*impl_, now);
    impl_->shutdown();
}

Load Engine::load() const {
    Load out;
    out.half_open = impl_->guard().size();
    out.offer_bytes = impl_->guard().offer_bytes();
    out.early = impl_->early().size();
    out.phase1 = impl_->sas().size();
    return out;
}

std::size_t Engine::pending_operations() const {
    return impl_->ctx().ops.pending();
}

}  // namespace racoon::exchange
