#include "privsep/restore.hpp"

#include <fmt/format.h>
#include <racoon/plugin.h>

#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "exchange/policy_match.hpp"
#include "log/log.hpp"

namespace racoon::privsep {

namespace {

using namespace exchange;

/// More packets than an SA can have sent: so many in a second, and so many in all.
constexpr std::uint64_t kPacketsPerSecond = std::uint64_t{1} << 20;
constexpr std::uint64_t kMostPackets = std::uint64_t{1} << 31;
/// Without extended numbers the last ones are left to a renewal.
constexpr std::uint64_t kLastSequence = 0xffffffffu - (1u << 28);
/// A policy of others, but none that a backend has told of.
constexpr PolicyId kNobodys{RACOON_FOREIGN_POLICY_LAST};

std::int64_t age_of(const SavedSas::Sa& sa) {
    return std::max<std::int64_t>(0, wall_seconds() - sa.installed);
}

/// The request ids are those of then, since SAs and policies find each other by them.
bool fits(const conf::Policy& p, const PairKeep& record) {
    return p.direction == conf::Direction::Out && p.action == conf::PolicyAction::Ipsec &&
           contains(p.selector, record.selector) &&
           std::equal(p.templates.begin(), p.templates.end(), record.sas.begin(), record.sas.end(),
                      [](const conf::PolicyTemplate& t, const PairKeep::Sa& sa) {
                          return t.protocol == sa.protocol && t.tunnel == sa.tunnel &&
                                 t.reqid == sa.reqid;
                      });
}

/// As it stands in the configuration now: the number may be another.
const conf::Policy* policy_for(const Book& book, const PairKeep& record) {
    if (const conf::Policy* same = book.policy(record.policy); same && fits(*same, record))
        return same;
    for (const conf::Policy& p : book.config().policies)
        if (fits(p, record)) return &p;
    return nullptr;
}

/// As it stands in the kernel, where its number says nothing: each run gives others.
const conf::Policy* policy_for(const ForeignPolicies& foreign, const PairKeep& record) {
    const conf::Policy* wider = nullptr;
    for (const conf::Policy* p : foreign.served()) {
        if (!fits(*p, record)) continue;
        if (p->selector == record.selector) return p;
        wider = p;
    }
    return wider;
}

Result<Phase1Facts> facts_of(const Book& book, const PairKeep& record) {
    const conf::Remote* section = book.remote(record.section);
    if (section == nullptr) return fail(Errc::NotFound, "its remote section is gone");
    Phase1Facts facts;
    facts.section = section;
    facts.initiator = record.phase1_initiator;
    if (!section->modes.empty())
        facts.exchange_type = static_cast<std::uint8_t>(section->modes.front());
    facts.local = record.local;
    facts.peer = record.remote;
    return facts;
}

Status judge(const Book& book, SavedSas::Pair& pair, const conf::Policy* policy) {
    PairKeep& record = pair.record;
    if (policy == nullptr) return fail(Errc::NotFound, "its policy is gone or changed");
    RACOON_TRY(const Phase1Facts facts, facts_of(book, record));
    record.policy = policy->id;
    for (SavedSas::Sa& sa : pair.sas) {
        sa.request.policy = policy->id;
        RACOON_TRY_STATUS(book.check_sa_install(sa.request, facts, policy));
        const std::uint64_t life = sa.request.hard_seconds;
        if (life != 0 && static_cast<std::uint64_t>(age_of(sa)) >= life)
            return fail(Errc::Timeout, "its time is over");
    }
    return ok();
}

/// What a policy that was made for the peer had been asked for with.
PolicyMake request_of(const PairKeep& record) {
    PolicyMake out;
    out.selector = record.selector;
    out.marks = record.marks;
    for (const PairKeep::Sa& sa : record.sas) {
        PolicyMake::Rule rule;
        rule.protocol = sa.protocol;
        rule.tunnel = sa.tunnel;
        out.rules.push_back(rule);
    }
    return out;
}

void tell_judged(const SavedSas::Pair& pair, const Status& status) {
    LOGI(pair.record.remote.addr.text(),
         "SAs for " + pair.record.selector.text() + " do not come back: " + status.error().text());
}

/// Empty: there is no number left that is surely new.
std::optional<std::uint64_t> next_sequence(const SavedSas::Sa& sa) {
    const std::uint64_t sent =
        std::min(kMostPackets,
                 kPacketsPerSecond *
                     (static_cast<std::uint64_t>(std::min<std::int64_t>(age_of(sa), 1 << 20)) + 1));
    const std::uint64_t next = sa.sequence + sent;
    if (!sa.request.esn && next > kLastSequence) return std::nullopt;
    return next;
}

/// What is left of its life.
SaInstall aged(const SavedSas::Sa& sa) {
    SaInstall out;
    const SaInstall& r = sa.request;
    out.use = r.use;
    out.policy = r.policy;
    out.inbound = r.inbound;
    out.protocol = r.protocol;
    out.tunnel = r.tunnel;
    out.esn = r.esn;
    out.spi = r.spi;
    out.reqid = r.reqid;
    out.local = r.local;
    out.peer = r.peer;
    out.selector = r.selector;
    out.encryption = r.encryption;
    out.key_bits = r.key_bits;
    out.encryption_key = r.encryption_key.clone();
    out.integrity = r.integrity;
    out.integrity_key = r.integrity_key.clone();
    out.compression = r.compression;
    out.replay_window = r.replay_window;
    out.soft_bytes = r.soft_bytes;
    out.hard_bytes = r.hard_bytes;
    out.local_port = r.local_port;
    out.peer_port = r.peer_port;
    out.non_ike_marker = r.non_ike_marker;
    out.esp_frag = r.esp_frag;
    out.peer_original = r.peer_original;
    out.marks = r.marks;
    const auto age = static_cast<std::uint64_t>(age_of(sa));
    if (r.hard_seconds > age) out.hard_seconds = r.hard_seconds - age;
    out.soft_seconds = r.soft_seconds > age ? r.soft_seconds - age : out.hard_seconds * 4 / 5;
    return out;
}

SaDelete deletion(const SaInstall& sa) {
    SaDelete out;
    out.protocol = sa.protocol;
    out.spi = sa.spi;
    out.src = sa.inbound ? sa.peer : sa.local;
    out.dst = sa.inbound ? sa.local : sa.peer;
    return out;
}

}  // namespace

Result<std::shared_ptr<Restore>> Restore::make(SavedSas& saved, const Book& book) {
    std::shared_ptr<Restore> out(new Restore(saved));
    RACOON_TRY(auto pairs, saved.load());
    // What stays is written again, so that nothing else is left in the store.
    saved.clear();
    for (SavedSas::Pair& pair : pairs) {
        if (pair.record.made || ForeignPolicies::is_foreign(pair.record.policy)) {
            for (SavedSas::Sa& sa : pair.sas) sa.request.policy = kNobodys;
            out->not_ours_yet_.push_back(std::move(pair));
        } else if (const Status judged = judge(book, pair, policy_for(book, pair.record)); judged) {
            out->take(std::move(pair));
        } else {
            tell_judged(pair, judged);
        }
    }
    return out;
}

void Restore::take(SavedSas::Pair pair) {
    for (const SavedSas::Sa& sa : pair.sas) saved_.sa(sa.request, sa.installed, sa.sequence);
    saved_.pair(pair.record);
    pairs_.push_back(std::move(pair));
}

std::vector<const SaInstall*> Restore::keep() const {
    std::vector<const SaInstall*> out;
    for (const auto* list : {&pairs_, &not_ours_yet_})
        for (const SavedSas::Pair& pair : *list)
            for (const SavedSas::Sa& sa : pair.sas) out.push_back(&sa.request);
    return out;
}

void Restore::run(Kernel& kernel, Desk& desk, const Book& book, const ForeignPolicies& foreign,
                  std::function<void()> done) {
    kernel_ = &kernel;
    desk_ = &desk;
    done_ = std::move(done);
    for (SavedSas::Pair& pair : std::exchange(not_ours_yet_, {})) {
        const Status judged = pair.record.made
                                  ? make_policy(book, pair)
                                  : judge(book, pair, policy_for(foreign, pair.record));
        if (judged) {
            take(std::move(pair));
            continue;
        }
        tell_judged(pair, judged);
        for (const SavedSas::Sa& sa : pair.sas)
            kernel_->sa_delete(deletion(sa.request), [](const Status&) {});
    }
    go_on();
}

/// It is made once more, since no configuration has it.
Status Restore::make_policy(const Book& book, SavedSas::Pair& pair) {
    PairKeep& record = pair.record;
    RACOON_TRY(const Phase1Facts facts, facts_of(book, record));
    const PolicyMake request = request_of(record);
    const ReqId reqid = record.sas.empty() ? ReqId{} : record.sas.front().reqid;
    RACOON_TRY(const PolicyId id, desk_->make_again(request, facts, book, reqid));
    conf::Policy policy = policy_of(request, facts);
    policy.id = id;
    for (conf::PolicyTemplate& t : policy.templates) t.reqid = reqid;
    return judge(book, pair, &policy);
}

/// SA by SA; without recursion where the kernel answers at once.
void Restore::go_on() {
    if (running_) return;
    const auto self = shared_from_this();
    running_ = true;
    while (!waiting_ && pair_ < pairs_.size()) {
        waiting_ = true;
        begin(pairs_[pair_].sas[sa_]);
    }
    running_ = false;
    if (waiting_) return;
    if (kept_ + made_ != 0)
        LOGI("", fmt::format("{} pairs of IPsec SAs of an earlier run go on: {} as the kernel had "
                             "them, {} made anew",
                             kept_ + made_, kept_, made_));
    if (auto finished = std::exchange(done_, nullptr)) finished();
}

void Restore::begin(SavedSas::Sa& sa) {
    const SaDelete id = deletion(sa.request);
    SaQuery query;
    query.protocol = id.protocol;
    query.spi = id.spi;
    query.src = id.src;
    query.dst = id.dst;
    kernel_->sa_query(query, [self = shared_from_this(), &sa](const Result<SaQuery::Reply>& reply) {
        const bool there = reply && reply->state != 0 && reply->state != 3;
        self->found(sa, there ? ok() : Status(fail(Errc::NotFound, "gone")));
    });
}

void Restore::found(SavedSas::Sa& sa, const Status& status) {
    if (status) return next();
    anew_ = true;
    std::uint64_t sequence = 0;
    if (!sa.request.inbound && sa.request.compression.empty()) {
        const auto fresh = next_sequence(sa);
        if (!fresh) {
            installed(sa, fail(Errc::Unsupported, "its sequence numbers are used up"));
            return;
        }
        sequence = *fresh;
    }
    sa.sequence = sequence;
    saved_.sa(sa.request, sa.installed, sequence);
    kernel_->sa_install(
        aged(sa),
        [self = shared_from_this(), &sa](const Status& done) { self->installed(sa, done); },
        sequence);
}

void Restore::installed(const SavedSas::Sa& sa, const Status& status) {
    if (!status) {
        failed_ = true;
        give_up(pairs_[pair_],
                fmt::format("SPI 0x{:08x}: {}", sa.request.spi.value, status.error().text()));
        sa_ = pairs_[pair_].sas.size() - 1;
    }
    next();
}

void Restore::next() {
    waiting_ = false;
    if (++sa_ == pairs_[pair_].sas.size()) finish_pair();
    go_on();
}

void Restore::give_up(const SavedSas::Pair& pair, const std::string& why) {
    LOGW(pair.record.remote.addr.text(),
         "SAs for " + pair.record.selector.text() + " do not come back: " + why);
    for (const SavedSas::Sa& sa : pair.sas) {
        const SaDelete id = deletion(sa.request);
        saved_.sa_gone(id.protocol, id.spi, id.dst);
        kernel_->sa_delete(id, [](const Status&) {});
    }
    saved_.pair_gone(pair.record.sas[0].protocol, pair.record.sas[0].spi_in,
                     pair.record.local.addr);
}

void Restore::use_policy(const PairKeep& record, std::int64_t age) {
    const auto gone = static_cast<std::uint64_t>(age);
    const std::uint64_t left = record.seconds > gone ? record.seconds - gone : 1;
    desk_->use_again(record.policy, record.seconds == 0 ? 0 : left,
                     [peer = record.remote.addr.text()](const Status& status) {
                         if (!status)
                             LOGW(peer, "its policy does not come back: " + status.error().text());
                     });
}

void Restore::finish_pair() {
    SavedSas::Pair& pair = pairs_[pair_];
    if (!failed_) {
        std::int64_t age = age_of(pair.sas.front());
        for (const SavedSas::Sa& sa : pair.sas) age = std::min(age, age_of(sa));
        desk_->restored(pair, std::chrono::seconds(age), anew_);
        ++(anew_ ? made_ : kept_);
        if (pair.record.made) use_policy(pair.record, age);
    }
    // The keys are not needed any more.
    pair = SavedSas::Pair();
    failed_ = anew_ = false;
    sa_ = 0;
    ++pair_;
}

}  // namespace racoon::privsep
