#include "privsep/protocol.hpp"

#include <algorithm>

namespace racoon::privsep {

namespace {

constexpr std::size_t kMaxText = 32u * 1024;
constexpr std::size_t kMaxPolicies = 1u << 20;
constexpr std::size_t kMaxTemplates = 4;
constexpr std::size_t kMostBackends = 64;
constexpr std::size_t kMostForeign = 1u << 16;

void put_text(Writer& out, std::string_view text) {
    out.counted32(as_bytes(text));
}

Result<std::string> get_text(Reader& in, std::size_t limit = kMaxText) {
    RACOON_TRY(const ByteView bytes, in.counted32());
    if (bytes.size() > limit)
        return fail(Errc::TooLong, "text of " + std::to_string(bytes.size()) + " bytes")
            .at(in.offset());
    return std::string(as_text(bytes));
}

Result<bool> get_flag(Reader& in) {
    RACOON_TRY(const auto value, in.u8());
    if (value > 1) return fail(Errc::Malformed, "a flag that is neither 0 nor 1").at(in.offset());
    return value == 1;
}

Result<log::Level> get_level(Reader& in) {
    RACOON_TRY(const auto value, in.u8());
    if (value < 1 || value > static_cast<unsigned>(log::Level::Debug2))
        return fail(Errc::Malformed, "log level " + std::to_string(value)).at(in.offset());
    return static_cast<log::Level>(value);
}

}  // namespace

const char* kind_name(Kind kind) {
    switch (kind) {
        case Kind::Start:
            return "start";
        case Kind::Sockets:
            return "sockets";
        case Kind::Serve:
            return "serve";
        case Kind::ConfigPrepare:
            return "config-prepare";
        case Kind::ConfigCommit:
            return "config-commit";
        case Kind::ConfigAbort:
            return "config-abort";
        case Kind::Result:
            return "result";
        case Kind::KernelEvent:
            return "kernel-event";
        case Kind::Capabilities:
            return "capabilities";
        case Kind::ReloadDone:
            return "reload-done";
        case Kind::Shutdown:
            return "shutdown";
        case Kind::Pair:
            return "pair";
        case Kind::Hosts:
            return "hosts";
        case Kind::Backends:
            return "backends";
        case Kind::Foreign:
            return "foreign-policies";
        case Kind::Ready:
            return "ready";
        case Kind::Serving:
            return "serving";
        case Kind::Prepared:
            return "prepared";
        case Kind::Operation:
            return "operation";
        case Kind::Cancel:
            return "cancel";
        case Kind::ReloadRequest:
            return "reload-request";
        case Kind::ShutdownRequest:
            return "shutdown-request";
        case Kind::Log:
            return "log";
        case Kind::Drained:
            return "drained";
    }
    return nullptr;
}

PolicyNumbers PolicyNumbers::of(const conf::Config& config) {
    PolicyNumbers out;
    for (const auto& policy : config.policies) {
        One one{policy.id, {}};
        for (const auto& t : policy.templates) one.reqids.push_back(t.reqid);
        out.policies.push_back(std::move(one));
    }
    return out;
}

Status PolicyNumbers::apply(conf::Config& config) const {
    if (config.policies.size() != policies.size())
        return fail(Errc::Conflict, std::to_string(config.policies.size()) + " policies here, " +
                                        std::to_string(policies.size()) + " in the keeper");
    for (std::size_t i = 0; i < policies.size(); ++i) {
        auto& policy = config.policies[i];
        if (policy.templates.size() != policies[i].reqids.size())
            return fail(Errc::Conflict,
                        "policy " + std::to_string(i) + " differs from the keeper's");
        policy.id = policies[i].id;
        for (std::size_t t = 0; t < policy.templates.size(); ++t)
            policy.templates[t].reqid = policies[i].reqids[t];
    }
    return ok();
}

void PolicyNumbers::put(Writer& out) const {
    out.u32(static_cast<std::uint32_t>(policies.size()));
    for (const One& one : policies) {
        out.u32(one.id.value);
        out.u8(static_cast<std::uint8_t>(one.reqids.size()));
        for (const ReqId id : one.reqids) out.u32(id.value);
    }
}

Result<PolicyNumbers> PolicyNumbers::get(Reader& in) {
    RACOON_TRY(const auto count, in.u32());
    if (count > kMaxPolicies) return fail(Errc::TooLong, std::to_string(count) + " policies");
    PolicyNumbers out;
    for (std::uint32_t i = 0; i < count; ++i) {
        One one;
        RACOON_TRY(one.id.value, in.u32());
        RACOON_TRY(const auto templates, in.u8());
        if (templates > kMaxTemplates)
            return fail(Errc::Malformed, std::to_string(templates) + " templates").at(in.offset());
        for (unsigned t = 0; t < templates; ++t) {
            RACOON_TRY(const auto id, in.u32());
            one.reqids.push_back(ReqId{id});
        }
        out.policies.push_back(std::move(one));
    }
    return out;
}

void ConfigData::put(Writer& out) const {
    out.u32(generation);
    put_text(out, path);
    conf::put(out, files);
    numbers.put(out);
    out.u8(static_cast<std::uint8_t>(level));
}

Result<ConfigData> ConfigData::get(Reader& in) {
    ConfigData out;
    RACOON_TRY(out.generation, in.u32());
    RACOON_TRY(out.path, get_text(in));
    RACOON_TRY(out.files, conf::get_file_bundle(in));
    RACOON_TRY(out.numbers, PolicyNumbers::get(in));
    RACOON_TRY(out.level, get_level(in));
    return out;
}

void Start::put(Writer& out) const {
    config.put(out);
    out.u8(location ? 1 : 0);
    out.u32(uid);
    out.u32(gid);
    out.u8(change_ids ? 1 : 0);
    put_text(out, chroot);
    put_text(out, module_path);
}

Result<Start> Start::get(Reader& in) {
    Start out;
    RACOON_TRY(out.config, ConfigData::get(in));
    RACOON_TRY(out.location, get_flag(in));
    RACOON_TRY(out.uid, in.u32());
    RACOON_TRY(out.gid, in.u32());
    RACOON_TRY(out.change_ids, get_flag(in));
    RACOON_TRY(out.chroot, get_text(in));
    RACOON_TRY(out.module_path, get_text(in));
    return out;
}

void Outcome::put(Writer& out) const {
    out.u64(token);
    out.u8(good ? 1 : 0);
    put_text(out, std::string_view(text).substr(0, kMaxText));
}

Result<Outcome> Outcome::get(Reader& in) {
    Outcome out;
    RACOON_TRY(out.token, in.u64());
    RACOON_TRY(out.good, get_flag(in));
    RACOON_TRY(out.text, get_text(in));
    return out;
}

Result<Generation> Generation::get(Reader& in) {
    RACOON_TRY(const auto value, in.u32());
    return Generation{value};
}

void ConfigCommit::put(Writer& out) const {
    out.u32(generation);
    out.u16(static_cast<std::uint16_t>(closed.size()));
    for (const Endpoint& one : closed) racoon::put(out, one);
    out.u8(static_cast<std::uint8_t>(control));
}

Result<ConfigCommit> ConfigCommit::get(Reader& in) {
    ConfigCommit out;
    RACOON_TRY(out.generation, in.u32());
    RACOON_TRY(const auto count, in.u16());
    for (unsigned i = 0; i < count; ++i) {
        RACOON_TRY(const Endpoint one, get_endpoint(in));
        out.closed.push_back(one);
    }
    RACOON_TRY(const auto control, in.u8());
    if (control > 2)
        return fail(Errc::Malformed, "control " + std::to_string(control)).at(in.offset());
    out.control = static_cast<Control>(control);
    return out;
}

namespace {

void put(Writer& out, const conf::Policy& p) {
    out.u32(p.id.value);
    out.u32(static_cast<std::uint32_t>(p.priority));
    racoon::put(out, p.selector);
    racoon::put(out, p.marks);
    out.u8(static_cast<std::uint8_t>(p.templates.size()));
    for (const conf::PolicyTemplate& t : p.templates) {
        out.u8(t.protocol);
        out.u8(t.tunnel ? 1 : 0);
        out.u8(static_cast<std::uint8_t>(t.level));
        out.u32(t.reqid.value);
        out.u8(t.reqid_in ? 1 : 0);
        out.u32(t.reqid_of(true).value);
        racoon::put(out, t.local);
        racoon::put(out, t.remote);
    }
}

Result<conf::Policy> get_policy(Reader& in) {
    conf::Policy p;
    RACOON_TRY(p.id.value, in.u32());
    RACOON_TRY(const auto priority, in.u32());
    p.priority = static_cast<std::int32_t>(priority);
    RACOON_TRY(p.selector, get_traffic_selector(in));
    RACOON_TRY(p.marks, get_marks(in));
    RACOON_TRY(const auto templates, in.u8());
    if (templates == 0 || templates > kMaxTemplates)
        return fail(Errc::Malformed, std::to_string(templates) + " templates").at(in.offset());
    for (unsigned i = 0; i < templates; ++i) {
        conf::PolicyTemplate t;
        RACOON_TRY(t.protocol, in.u8());
        RACOON_TRY(t.tunnel, get_flag(in));
        RACOON_TRY(const auto level, in.u8());
        if (level > static_cast<unsigned>(conf::Level::Unique))
            return fail(Errc::Malformed, "level " + std::to_string(level)).at(in.offset());
        t.level = static_cast<conf::Level>(level);
        RACOON_TRY(t.reqid.value, in.u32());
        RACOON_TRY(const bool other, get_flag(in));
        ReqId inbound;
        RACOON_TRY(inbound.value, in.u32());
        if (other) t.reqid_in = inbound;
        RACOON_TRY(t.local, get_ip(in));
        RACOON_TRY(t.remote, get_ip(in));
        p.templates.push_back(t);
    }
    return p;
}

}  // namespace

void ForeignList::put(Writer& out) const {
    out.u8(anew ? 1 : 0);
    out.u8(more ? 1 : 0);
    out.u32(static_cast<std::uint32_t>(gone.size()));
    for (const PolicyId id : gone) out.u32(id.value);
    out.u32(static_cast<std::uint32_t>(policies.size()));
    for (const conf::Policy& p : policies) privsep::put(out, p);
}

Result<ForeignList> ForeignList::get(Reader& in) {
    ForeignList out;
    RACOON_TRY(out.anew, get_flag(in));
    RACOON_TRY(out.more, get_flag(in));
    RACOON_TRY(const auto gone, in.u32());
    if (gone > kMostForeign) return fail(Errc::TooLong, std::to_string(gone) + " policies");
    for (std::uint32_t i = 0; i < gone; ++i) {
        RACOON_TRY(const auto id, in.u32());
        out.gone.push_back(PolicyId{id});
    }
    RACOON_TRY(const auto count, in.u32());
    if (count > kMostForeign) return fail(Errc::TooLong, std::to_string(count) + " policies");
    for (std::uint32_t i = 0; i < count; ++i) {
        RACOON_TRY(conf::Policy p, get_policy(in));
        out.policies.push_back(std::move(p));
    }
    return out;
}

void HostList::put(Writer& out) const {
    out.u32(static_cast<std::uint32_t>(hosts.size()));
    for (const auto& [name, list] : hosts) {
        put_text(out, name);
        out.u8(static_cast<std::uint8_t>(list.size()));
        for (const IpAddr& addr : list) racoon::put(out, addr);
    }
}

Result<HostList> HostList::get(Reader& in) {
    HostList out;
    RACOON_TRY(const auto count, in.u32());
    for (std::uint32_t i = 0; i < count; ++i) {
        RACOON_TRY(std::string name, get_text(in, 1024));
        RACOON_TRY(const auto addresses, in.u8());
        std::vector<IpAddr> list;
        for (unsigned a = 0; a < addresses; ++a) {
            RACOON_TRY(const IpAddr addr, get_ip(in));
            list.push_back(addr);
        }
        out.hosts.insert_or_assign(std::move(name), std::move(list));
    }
    return out;
}

Result<Token> Token::get(Reader& in) {
    RACOON_TRY(const auto value, in.u64());
    return Token{value};
}

void SocketList::put(Writer& out) const {
    out.u8(static_cast<std::uint8_t>(sockets.size()));
    for (const One& one : sockets) {
        racoon::put(out, one.local);
        out.u8(one.natt ? 1 : 0);
    }
    out.u8(has_control ? 1 : 0);
}

Result<SocketList> SocketList::get(Reader& in) {
    RACOON_TRY(const auto count, in.u8());
    if (count > kMaxFds) return fail(Errc::TooLong, std::to_string(count) + " sockets");
    SocketList out;
    for (unsigned i = 0; i < count; ++i) {
        One one;
        RACOON_TRY(one.local, get_endpoint(in));
        RACOON_TRY(one.natt, get_flag(in));
        out.sockets.push_back(one);
    }
    RACOON_TRY(out.has_control, get_flag(in));
    return out;
}

void BackendList::put(Writer& out) const {
    const std::size_t count = std::min(backends.size(), kMostBackends);
    out.u8(static_cast<std::uint8_t>(count));
    for (std::size_t i = 0; i < count; ++i) {
        put_text(out, backends[i].key);
        out.u8(static_cast<std::uint8_t>(backends[i].fate));
        put_text(out, std::string_view(backends[i].why).substr(0, kMaxText));
    }
}

Result<BackendList> BackendList::get(Reader& in) {
    RACOON_TRY(const auto count, in.u8());
    if (count > kMostBackends) return fail(Errc::TooLong, std::to_string(count) + " backends");
    BackendList out;
    for (unsigned i = 0; i < count; ++i) {
        One one;
        RACOON_TRY(one.key, get_text(in));
        RACOON_TRY(const auto fate, in.u8());
        if (fate > static_cast<std::uint8_t>(Fate::NotAsked))
            return fail(Errc::Malformed, "the fate of a backend");
        one.fate = static_cast<Fate>(fate);
        RACOON_TRY(one.why, get_text(in));
        out.backends.push_back(std::move(one));
    }
    return out;
}

void OpRequest::put(Writer& out) const {
    out.u64(token.value);
    out.u8(static_cast<std::uint8_t>(kind));
    out.counted32(request);
}

Result<OpRequest> OpRequest::get(Reader& in) {
    OpRequest out;
    RACOON_TRY(out.token.value, in.u64());
    RACOON_TRY(const auto kind, in.u8());
    out.kind = static_cast<exchange::OpKind>(kind);
    RACOON_TRY(const ByteView request, in.counted32());
    out.request = to_bytes(request);
    return out;
}

void OpResult::put(Writer& out) const {
    out.u64(token.value);
    out.u8(error ? static_cast<std::uint8_t>(static_cast<unsigned>(error->code()) + 1) : 0);
    if (error) {
        out.u16(error->notify_type());
        out.u32(static_cast<std::uint32_t>(error->os_errno()));
        put_text(out, std::string_view(error->text()).substr(0, kMaxText));
    }
    out.counted32(bytes);
}

Result<OpResult> OpResult::get(Reader& in) {
    OpResult out;
    RACOON_TRY(out.token.value, in.u64());
    RACOON_TRY(const auto code, in.u8());
    if (code != 0) {
        if (code - 1u > static_cast<unsigned>(Errc::Internal))
            return fail(Errc::Malformed, "error code " + std::to_string(code)).at(in.offset());
        RACOON_TRY(const auto notify, in.u16());
        RACOON_TRY(const auto os, in.u32());
        RACOON_TRY(std::string text, get_text(in));
        out.error.emplace(Error(static_cast<Errc>(code - 1), std::move(text))
                              .notify(notify)
                              .os(static_cast<int>(os)));
    }
    RACOON_TRY(const ByteView bytes, in.counted32());
    out.bytes = to_bytes(bytes);
    return out;
}

void LogLine::put(Writer& out) const {
    out.u8(static_cast<std::uint8_t>(level));
    put_text(out, std::string_view(peer).substr(0, 256));
    put_text(out, std::string_view(text).substr(0, kMaxText));
    put_text(out, std::string_view(file).substr(0, 256));
    out.u32(line);
}

Result<LogLine> LogLine::get(Reader& in) {
    LogLine out;
    RACOON_TRY(out.level, get_level(in));
    RACOON_TRY(out.peer, get_text(in));
    RACOON_TRY(out.text, get_text(in));
    RACOON_TRY(out.file, get_text(in));
    RACOON_TRY(out.line, in.u32());
    return out;
}

}  // namespace racoon::privsep
