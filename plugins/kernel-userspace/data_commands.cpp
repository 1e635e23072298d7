// What the keeper tells the data path to do.
#include <algorithm>

#include <racoon/kernel_backend.hpp>

#include "data_path.hpp"

namespace racoon::kernel_userspace {
namespace {

std::int64_t after(std::int64_t now, std::int64_t delay) {
    return delay > kNever - now ? kNever : now + delay;
}

bool make_protocol(Sa& sa, const racoon_kernel_sa& facts, std::string* error) {
    if (facts.protocol == RACOON_IPPROTO_AH) {
        sa.ah = AhSa::make(facts, error);
        return sa.ah != nullptr;
    }
    if (facts.protocol == RACOON_IPPROTO_COMP) {
        sa.comp = CompSa::make(facts, error);
        return sa.comp != nullptr;
    }
    sa.esp = EspSa::make(facts, error);
    return sa.esp != nullptr;
}

}  // namespace

void DataPath::reply(std::uint32_t number, racoon_status status, ByteView body) {
    if (number == 0) return;
    Writer out = begin_frame(Message::Reply, number);
    out.u32(static_cast<std::uint32_t>(status));
    out.bytes(body);
    output_.to_keeper(out.view());
}

void DataPath::refuse(std::uint32_t number, racoon_status status, std::string_view text) {
    reply(number, status, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

void DataPath::command(ByteView bytes, std::int64_t now) {
    const auto frame = parse_frame(bytes);
    if (!frame) return;
    switch (frame->type) {
        case Message::SaSet:
            return set_sa(*frame, now);
        case Message::SaDelete:
            return delete_sa(*frame);
        case Message::SaFlush:
            return flush_sas(*frame);
        case Message::SaMove:
            return move_sa(*frame);
        case Message::SaQuery:
            return query_sa(*frame, now);
        case Message::PolicySet:
            return set_policy(*frame);
        case Message::PolicyDelete:
            return delete_policy(*frame);
        case Message::PolicyQuery:
            return query_policy(*frame, now);
        case Message::PolicyUpdate:
            return update_policy(*frame);
        case Message::AcquireDone:
            return acquire_done(*frame, now);
        case Message::Settings:
            if (const auto settings = read_settings(frame->body)) settings_ = *settings;
            return;
        default:
            return refuse(frame->number, RACOON_NOT_SUPPORTED, "unknown message");
    }
}

void DataPath::set_sa(const Frame& frame, std::int64_t now) {
    auto facts = read_sa(frame.body);
    if (!facts || sdk::check_sa(*facts, nullptr) != RACOON_OK) {
        return refuse(frame.number, RACOON_INVALID_ARGUMENT, "malformed SA");
    }
    const SaKey key = key_of(facts->dst, facts->protocol, facts->spi);
    if (sas_.count(key) != 0) return refuse(frame.number, RACOON_STATE, "SA exists");
    if (sas_.size() >= kMaxSas) return refuse(frame.number, RACOON_NO_MEMORY, "too many SAs");
    std::string error;
    Sa sa;
    const bool made = make_protocol(sa, *facts, &error);
    wipe(facts->enc.key, sizeof(facts->enc.key));
    wipe(facts->auth.key, sizeof(facts->auth.key));
    if (!made) return refuse(frame.number, RACOON_NOT_SUPPORTED, error);
    sa.facts = *facts;
    sa.serial = ++serial_;
    if (facts->soft_ns > 0) sa.soft_at = after(now, facts->soft_ns);
    if (facts->hard_ns > 0) sa.hard_at = after(now, facts->hard_ns);
    if (sa.soft_at != kNever) deadlines_.insert({sa.soft_at, sa.serial, false, key});
    if (sa.hard_at != kNever) deadlines_.insert({sa.hard_at, sa.serial, true, key});
    const bool outbound = facts->direction == RACOON_DIR_OUT;
    if (outbound) outbound_.emplace(facts->reqid, key);
    if (!outbound && sa.comp && sa.tunnel()) comp_tunnels_.insert(key);
    sas_.emplace(key, std::move(sa));
    reply(frame.number, RACOON_OK, {});
    if (!outbound) return;
    // Those that wait may be of any policy with this request id.
    std::vector<Wanted> waiting;
    for (const auto& p : policies_.all()) {
        const auto* const rules = p.templates;
        const bool ours = std::any_of(rules, rules + p.template_count, [&](const auto& t) {
            return t.reqid == 0 || t.reqid == facts->reqid;
        });
        if (p.direction != RACOON_DIR_OUT || !ours || !served(p, *facts)) continue;
        waiting.push_back(wanted(p, facts->src, facts->dst));
        acquires_.erase(waiting.back());
    }
    if (held_.empty()) return;
    for (const Wanted& which : waiting) release(which, now, true);
}

void DataPath::delete_sa(const Frame& frame) {
    const auto name = read_name(frame.body);
    if (!name) return refuse(frame.number, RACOON_INVALID_ARGUMENT, "malformed name");
    const SaKey key = key_of(name->dst, name->protocol, name->spi);
    if (sas_.count(key) == 0) return refuse(frame.number, RACOON_NOT_FOUND, "no such SA");
    end_sa(key, false);
    reply(frame.number, RACOON_OK, {});
}

void DataPath::flush_sas(const Frame& frame) {
    Reader in(frame.body);
    const std::uint32_t protocol = in.u32();
    if (!in.ok()) return refuse(frame.number, RACOON_INVALID_ARGUMENT, "malformed protocol");
    std::vector<SaKey> all;
    for (const auto& [key, sa] : sas_)
        if (protocol == 0 || sa.facts.protocol == protocol) all.push_back(key);
    for (const SaKey& key : all) end_sa(key, false);
    reply(frame.number, RACOON_OK, {});
}

void DataPath::move_sa(const Frame& frame) {
    const auto move = read_move(frame.body);
    if (!move) return refuse(frame.number, RACOON_INVALID_ARGUMENT, "malformed move");
    const auto at = sas_.find(key_of(move->name.dst, move->name.protocol, move->name.spi));
    if (at == sas_.end()) return refuse(frame.number, RACOON_NOT_FOUND, "no such SA");
    racoon_kernel_sa& facts = at->second.facts;
    racoon_addr& end = at->second.inbound() ? facts.src : facts.dst;
    if (!at->second.encapsulated() || !sdk::same_address(end, move->peer) || move->peer.port == 0) {
        return refuse(frame.number, RACOON_INVALID_ARGUMENT, "this SA does not move there");
    }
    end.port = move->peer.port;
    reply(frame.number, RACOON_OK, {});
}

void DataPath::query_sa(const Frame& frame, std::int64_t now) {
    const auto name = read_name(frame.body);
    if (!name) return refuse(frame.number, RACOON_INVALID_ARGUMENT, "malformed name");
    const auto at = sas_.find(key_of(name->dst, name->protocol, name->spi));
    if (at == sas_.end()) return refuse(frame.number, RACOON_NOT_FOUND, "no such SA");
    const Sa& sa = at->second;
    SaFacts facts;
    facts.state = sa.state;
    facts.bytes = sa.bytes;
    facts.packets = sa.packets;
    facts.idle_ns = sa.last_used < 0 ? -1 : now - sa.last_used;
    facts.replay_window = sa.inbound() ? sa.replay_window() : 0;
    Writer body;
    write_facts(body, facts);
    reply(frame.number, RACOON_OK, body.view());
}

void DataPath::set_policy(const Frame& frame) {
    const auto policy = read_policy(frame.body);
    if (!policy || sdk::check_policy(*policy, nullptr) != RACOON_OK) {
        return refuse(frame.number, RACOON_INVALID_ARGUMENT, "malformed policy");
    }
    if (policies_.full()) return refuse(frame.number, RACOON_NO_MEMORY, "too many policies");
    policies_.insert(*policy);
    reply(frame.number, RACOON_OK, {});
}

void DataPath::query_policy(const Frame& frame, std::int64_t now) {
    Reader in(frame.body);
    const std::uint32_t id = in.u32();
    for (const Policy& p : policies_.all()) {
        if (!in.ok() || p.id != id) continue;
        Writer body;
        write_idle(body, p.used < 0 ? -1 : now - p.used);
        return reply(frame.number, RACOON_OK, body.view());
    }
    refuse(frame.number, RACOON_NOT_FOUND, "no such policy");
}

void DataPath::update_policy(const Frame& frame) {
    Reader in(frame.body);
    const std::uint32_t id = in.u32();
    const auto policy = read_policy(in.rest());
    if (!policy || sdk::check_policy(*policy, nullptr) != RACOON_OK) {
        return refuse(frame.number, RACOON_INVALID_ARGUMENT, "malformed policy");
    }
    if (!policies_.erase(id)) return refuse(frame.number, RACOON_NOT_FOUND, "no such policy");
    policies_.insert(*policy);
    forget(id);
    reply(frame.number, RACOON_OK, {});
}

void DataPath::delete_policy(const Frame& frame) {
    Reader in(frame.body);
    const std::uint32_t id = in.u32();
    if (!in.ok() || !policies_.erase(id)) {
        return refuse(frame.number, RACOON_NOT_FOUND, "no such policy");
    }
    forget(id);
    reply(frame.number, RACOON_OK, {});
}

void DataPath::acquire_done(const Frame& frame, std::int64_t now) {
    Reader in(frame.body);
    const std::uint64_t token = in.u64();
    const bool success = in.u8() == 1;
    const auto at = std::find_if(acquires_.begin(), acquires_.end(),
                                 [&](const auto& a) { return a.second.token == token; });
    if (!in.ok() || at == acquires_.end()) return;
    const Wanted which = at->first;
    acquires_.erase(at);
    release(which, now, success);
}

}  // namespace racoon::kernel_userspace
