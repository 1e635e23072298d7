// Pairs of IPsec SAs that outlive their engine: what the keeper is told of each, and how the next engine
// goes on with them. Their ISAKMP SAs are gone; another one is negotiated when something has to be said.
#include <fmt/format.h>

#include <algorithm>

#include "exchange/core.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// When SAs that were made anew are renewed: late enough not to meet the restart of many tunnels, and
/// spread so that they do not meet each other.
constexpr auto kRenewAfter = seconds(60);
constexpr unsigned kRenewSpread = 60'000;  // ms
/// So many ISAKMP SAs are begun at one moment; the others follow in groups.
constexpr std::size_t kTogether = 32;
constexpr auto kBetweenGroups = milliseconds(250);

FlatIdentity flat(const std::optional<LiteralId>& id) {
    FlatIdentity out;
    if (!id) return out;
    out.type = id->type;
    out.data = id->data;
    return out;
}
std::optional<LiteralId> literal(const FlatIdentity& id) {
    if (id.type == 0) return {};
    return LiteralId{id.type, id.data};
}

/// The transform of a name among what the configuration lists; null: it lists it no more, and what it was
/// is not told.
const conf::TransformInfo* named(const conf::Config& config, const std::string& name) {
    if (name.empty()) return nullptr;
    for (const conf::SaInfo& info : config.sainfos) {
        for (const conf::Phase2Encryption& e : info.encryption)
            if (e.transform->name == name) return e.transform;
        for (const auto* list : {&info.integrity, &info.compression})
            for (const conf::TransformInfo* t : *list)
                if (t->name == name) return t;
    }
    return nullptr;
}

Phase2Params params_of(const Settings& settings, const PairKeep& record) {
    Phase2Params out;
    for (const PairKeep::Sa& from : record.sas) {
        SaParams to;
        to.protocol = from.protocol;
        to.tunnel = from.tunnel;
        to.esn = from.esn;
        to.reqid = to.reqid_in = from.reqid;
        to.spi_in = from.spi_in;
        to.spi_out = from.spi_out;
        to.encryption = named(*settings.config, from.encryption);
        to.integrity = named(*settings.config, from.integrity);
        to.compression = named(*settings.config, from.compression);
        to.key_bits = from.key_bits;
        out.sas.push_back(to);
    }
    if (const auto g = settings.groups.find(record.pfs); g != settings.groups.end())
        out.pfs = g->second;
    out.seconds = record.seconds;
    out.kilobytes = record.kilobytes;
    return out;
}

/// The policy that was made for the peer, as the keeper has it.
std::shared_ptr<const conf::Policy> made_policy(const PairKeep& record) {
    auto out = std::make_shared<conf::Policy>();
    out->id = record.policy;
    out->selector = record.selector;
    out->complex_bundle = record.complex_bundle;
    out->marks = record.marks;
    for (const PairKeep::Sa& sa : record.sas) {
        conf::PolicyTemplate t;
        t.protocol = sa.protocol;
        t.tunnel = sa.tunnel;
        t.level = record.level;
        t.reqid = sa.reqid;
        if (sa.tunnel) {
            t.local = record.local.addr;
            t.remote = record.remote.addr;
        }
        out->templates.push_back(t);
    }
    return out;
}

PeerIdentity identity_of(const PairKeep& record) {
    if (record.peer_id.empty()) return {};
    auto id = isakmp::Identity::parse(Reader(record.peer_id));
    if (!id) return {};
    return std::move(*id);
}

}  // namespace

std::unique_ptr<SaPair> Core::pair_of(const Phase2& x) const {
    const Phase1& sa = x.phase1();
    auto out = std::make_unique<SaPair>();
    out->settings = x.settings_ptr();
    out->policy = x.policy();
    out->made = x.made();
    out->kept = x.kept();
    out->section = sa.section().name;
    out->local = sa.local();
    out->remote = sa.remote();
    out->selector = x.selector();
    out->local_id = x.local_id;
    out->remote_id = x.remote_id;
    out->params = x.params();
    out->message_id = x.id();
    out->phase1 = sa.cookies();
    out->we_behind = sa.natt().we_behind;
    out->peer_behind = sa.natt().peer_behind;
    out->initiator = x.initiator();
    out->phase1_initiator = sa.initiator();
    out->peer_id = sa.peer_id();
    out->created = x.created();
    out->established = ctx_.now;
    return out;
}

void Core::phase2_installs(const Phase2& x) {
    keep(*pair_of(x));
}

void Core::keep(const SaPair& pair) {
    PairKeep record;
    record.policy = pair.policy->id;
    record.made = pair.made != nullptr;
    if (record.made && !pair.made->templates.empty())
        record.level = pair.made->templates.front().level;
    if (record.made) record.complex_bundle = pair.made->complex_bundle;
    if (record.made) record.marks = pair.made->marks;
    record.section = pair.section;
    record.local = pair.local;
    record.remote = pair.remote;
    record.selector = pair.selector;
    record.local_id = flat(pair.local_id);
    record.remote_id = flat(pair.remote_id);
    if (pair.peer_id) record.peer_id = pair.peer_id->body();
    const auto name = [](const conf::TransformInfo* t) {
        return t == nullptr ? std::string() : t->name;
    };
    for (const SaParams& from : pair.params.sas) {
        PairKeep::Sa to;
        to.protocol = from.protocol;
        to.tunnel = from.tunnel;
        to.esn = from.esn;
        to.reqid = from.reqid;
        to.spi_in = from.spi_in;
        to.spi_out = from.spi_out;
        to.encryption = name(from.encryption);
        to.integrity = name(from.integrity);
        to.compression = name(from.compression);
        to.key_bits = from.key_bits;
        record.sas.push_back(std::move(to));
    }
    if (pair.params.pfs != nullptr) record.pfs = pair.params.pfs->number;
    record.seconds = pair.params.seconds;
    record.kilobytes = pair.params.kilobytes;
    record.phase1 = pair.phase1;
    record.message_id = pair.message_id;
    record.we_behind = pair.we_behind;
    record.peer_behind = pair.peer_behind;
    record.initiator = pair.initiator;
    record.phase1_initiator = pair.phase1_initiator;
    record.replaced = pair.replaced;
    ctx_.ops.post(record);
}

void Core::adopt_pairs(const std::vector<KeptPair>& pairs) {
    // The oldest first, as they came up.
    std::vector<const KeptPair*> order;
    for (const KeptPair& kept : pairs) order.push_back(&kept);
    std::stable_sort(order.begin(), order.end(),
                     [](const KeptPair* a, const KeptPair* b) { return a->age > b->age; });
    std::size_t whole = 0;
    for (const KeptPair* kept : order) {
        if (kept->whole) ++whole;
        adopt_pair(*kept);
    }
    std::sort(unmet_.begin(), unmet_.end());
    unmet_.erase(std::unique(unmet_.begin(), unmet_.end()), unmet_.end());
    meet_peers();
    if (whole != 0)
        LOGI("", fmt::format("{} pairs of IPsec SAs of the engine before this one go on", whole));
}

/// An ISAKMP SA with the peers of adopted pairs, where one is needed although nothing is to be renewed yet:
/// a replaced pair is ended by a message, and a dead peer is found by its silence. A few at a time.
void Core::meet_peers() {
    for (std::size_t i = 0; i < kTogether && !unmet_.empty(); ++i) {
        const auto [local, peer] = unmet_.back();
        unmet_.pop_back();
        if (usable_phase1(local, peer) != nullptr || negotiating_as_initiator(local, peer))
            continue;
        std::string problem;
        if (initiate_to(local, peer, problem) == nullptr) LOGI(peer.text(), problem);
    }
    if (!unmet_.empty())
        meet_timer_.arm(ctx_.timers, ctx_.now + Duration(kBetweenGroups), [this] { meet_peers(); });
}

/// Null: it cannot be negotiated for any more.
const conf::Policy* Core::adopt_policy(const PairKeep& record) {
    if (!record.made) return ctx_.settings->policies.find(record.policy);
    MadePolicy& m = made_[record.policy];
    if (m.policy != nullptr) return m.policy.get();
    m.policy = made_policy(record);
    m.peer = record.remote.addr;
    m.peer_id = identity_of(record);
    return m.policy.get();
}

void Core::adopt_pair(const KeptPair& kept) {
    const PairKeep& record = kept.record;
    // Of a pair that had not come up nothing is left, and the peer may already send with it.
    if (!kept.whole) {
        const conf::Policy* policy = ctx_.settings->policies.find(record.policy);
        if (policy == nullptr || record.made) return;
        LOGI(record.remote.addr.text(),
             "a negotiation that the end of the engine cut off begins "
             "anew: " +
                 policy->selector.text());
        const Between hosts = hosts_of(*policy, {record.local.addr, record.remote.addr});
        return request(ctx_.settings, *policy, policy->selector, hosts, 0, {});
    }
    const conf::Policy* policy = adopt_policy(record);
    auto owned = std::make_unique<SaPair>();
    owned->settings = ctx_.settings;
    owned->policy = policy;
    if (record.made) owned->made = made_[record.policy].policy;
    owned->section = record.section;
    owned->local = record.local;
    owned->remote = record.remote;
    owned->selector = record.selector;
    owned->local_id = literal(record.local_id);
    owned->remote_id = literal(record.remote_id);
    owned->params = params_of(*ctx_.settings, record);
    owned->message_id = record.message_id;
    owned->phase1 = record.phase1;
    owned->we_behind = record.we_behind;
    owned->peer_behind = record.peer_behind;
    owned->initiator = record.initiator;
    owned->phase1_initiator = record.phase1_initiator;
    owned->peer_id = identity_of(record);
    owned->created = owned->established = ctx_.now - kept.age;
    if (policy == nullptr) {
        LOGW(record.remote.addr.text(),
             "SAs for " + record.selector.text() + " go: nothing can be negotiated for them");
        for (const SaParams& sa : owned->params.sas)
            for (const bool inbound : {false, true}) {
                SaDelete d;
                d.protocol = sa.protocol;
                d.spi = inbound ? sa.spi_in : sa.spi_out;
                d.src = inbound ? record.remote.addr : record.local.addr;
                d.dst = inbound ? record.local.addr : record.remote.addr;
                ctx_.ops.post(d);
            }
        return;
    }
    SaPair& pair = pairs_.add(std::move(owned));
    const conf::Remote* section = ctx_.settings->index.named(pair.section);
    const bool watched =
        section != nullptr && section->dpd.enabled && section->dpd.delay.count() > 0;
    // A peer behind a NAT has to begin by itself, and so has the peer of a passive section.
    if ((watched || record.replaced) && !pair.peer_behind && section != nullptr &&
        !section->passive)
        unmet_.emplace_back(pair.local.addr, pair.remote.addr);
    if (record.replaced) {
        pair.replaced = true;
        return retire(pair);
    }
    pair_timer(pair);
    if (kept.renew) {
        const TimePoint soon = ctx_.now + Duration(kRenewAfter) +
                               Duration(milliseconds(ctx_.random_u32() % kRenewSpread));
        if (!pair.timer.armed() || pair.timer.when() > soon)
            pair.timer.arm(ctx_.timers, soon, [this, &pair] { rekey(pair); });
    }
    if (pair.we_behind) keep_alive(pair.local, pair.remote);
}

}  // namespace racoon::exchange
