// What keeper and engine say to each other. Each record has put(Writer&) and a static get(Reader&)
// that checks everything and wants the whole body: neither side trusts the other.
//
//     send(*channel, Kind::Ready, Ready{…});
//     …
//     auto ready = decode<Ready>(message.body);
//
// Life of an engine: Start → Ready → Capabilities, Sockets, Pairs → Serve; then operations
// and events; Shutdown → Drained, and the process ends. A reload: ConfigPrepare → Prepared →
// Sockets (new ones), ConfigCommit; or ConfigAbort.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/net_addr.hpp"
#include "conf/config.hpp"
#include "conf/file_source.hpp"
#include "conf/select.hpp"
#include "exchange/operations.hpp"
#include "exchange/pair_keep.hpp"
#include "log/log.hpp"
#include "privsep/channel.hpp"

namespace racoon::privsep {

enum class Kind : std::uint8_t {
    // keeper to engine
    Start = 1,
    Sockets = 2,        // SocketList; the descriptors in the same order, the control socket last
    Serve = 3,          // empty: begin
    ConfigPrepare = 4,  // ConfigData
    ConfigCommit = 5,   // ConfigCommit; the new control socket if there is one
    ConfigAbort = 6,    // Generation
    Result = 7,         // OpResult
    KernelEvent = 8,    // exchange::KernelEvent
    Capabilities = 9,   // exchange::KernelCapabilities
    ReloadDone = 10,    // Outcome
    Shutdown = 11,      // empty
    Hosts = 12,         // HostList
    Pair = 13,          // exchange::KeptPair, before Serve: one of an engine before
    Backends = 14,      // BackendList, before Serve
    Foreign = 15,       // ForeignList, before Serve and at every change
    // engine to keeper
    Ready = 64,            // Outcome: modules loaded, configuration parsed, privileges dropped
    Serving = 65,          // empty: sockets and control socket are in use
    Prepared = 66,         // Outcome
    Operation = 67,        // OpRequest
    Cancel = 68,           // Token
    ReloadRequest = 69,    // Token
    ShutdownRequest = 70,  // empty
    Log = 71,              // LogLine
    Drained = 72,          // empty: all deletes have been sent
};
/// Null: no kind of ours.
const char* kind_name(Kind kind);

/// Numbers that the keeper has given to the policies, in the order of Config::policies. The engine
/// parses the same bytes and takes these, since only the keeper has seen earlier generations.
struct PolicyNumbers {
    struct One {
        PolicyId id;
        std::vector<ReqId> reqids;  // one for each template
    };
    std::vector<One> policies;
    static PolicyNumbers of(const conf::Config& config);
    /// Errors: Conflict, not the same policies.
    Status apply(conf::Config& config) const;
    void put(Writer& out) const;
    static Result<PolicyNumbers> get(Reader& in);
};

struct ConfigData {
    std::uint32_t generation = 0;
    std::string path;
    conf::FileBundle files;
    PolicyNumbers numbers;
    log::Level level = log::Level::Info;  // `log`'s, raised by -d
    void put(Writer& out) const;
    static Result<ConfigData> get(Reader& in);
};

struct Start {
    ConfigData config;
    bool location = false;
    // Resolved by the keeper: the engine need not read the user database.
    std::uint32_t uid = 0, gid = 0;
    bool change_ids = false;  // false: keep the ids, drop everything else
    std::string chroot;       // "" = none
    std::string module_path;
    void put(Writer& out) const;
    static Result<Start> get(Reader& in);
};

struct Outcome {
    std::uint64_t token = 0;  // a generation, or the token of a request
    bool good = false;
    std::string text;  // why not; of a reload that went well: what the user should know
    void put(Writer& out) const;
    static Result<Outcome> get(Reader& in);
};

struct Generation {
    std::uint32_t generation = 0;
    void put(Writer& out) const { out.u32(generation); }
    static Result<Generation> get(Reader& in);
};

/// A prepared configuration comes into force, with what changes at the sockets.
struct ConfigCommit {
    enum class Control : std::uint8_t { Keep = 0, Replace = 1, Close = 2 };
    std::uint32_t generation = 0;
    std::vector<Endpoint> closed;  // local addresses of sockets that are no longer wanted
    Control control = Control::Keep;
    void put(Writer& out) const;
    static Result<ConfigCommit> get(Reader& in);
};

/// What the host names of the configuration in force stand for: all of them, at every change.
struct HostList {
    conf::HostAddresses hosts;
    void put(Writer& out) const;
    static Result<HostList> get(Reader& in);
};

struct Token {
    std::uint64_t token = 0;
    void put(Writer& out) const { out.u64(token); }
    static Result<Token> get(Reader& in);
};

struct SocketList {
    struct One {
        Endpoint local;
        bool natt = false;
    };
    std::vector<One> sockets;
    bool has_control = false;
    void put(Writer& out) const;
    static Result<SocketList> get(Reader& in);
};

/// What became of the loaded kernel backends when one was chosen, for who asks.
struct BackendList {
    enum class Fate : std::uint8_t { InUse = 0, Unable = 1, NotAsked = 2 };
    struct One {
        std::string key;  // racoon.conf's name
        Fate fate = Fate::NotAsked;
        std::string why;  // it is not in use
    };
    std::vector<One> backends;
    void put(Writer& out) const;
    static Result<BackendList> get(Reader& in);
};

/// Outbound policies that others have in the kernel, and whose SAs the engine may negotiate.
struct ForeignList {
    bool anew = false;                   // what was told before is forgotten
    bool more = false;                   // the next message belongs to this one
    std::vector<conf::Policy> policies;  // new ones, and those that have changed
    std::vector<PolicyId> gone;
    void put(Writer& out) const;
    static Result<ForeignList> get(Reader& in);
};

struct OpRequest {
    OpToken token;
    exchange::OpKind kind = exchange::OpKind::SpiGet;
    Bytes request;
    void put(Writer& out) const;
    static Result<OpRequest> get(Reader& in);
};

struct OpResult {
    OpToken token;
    std::optional<Error> error;
    Bytes bytes;  // the Reply record
    void put(Writer& out) const;
    static Result<OpResult> get(Reader& in);
};

struct LogLine {
    log::Level level = log::Level::Info;
    std::string peer, text, file;
    std::uint32_t line = 0;
    void put(Writer& out) const;
    static Result<LogLine> get(Reader& in);
};

/// A record that is the whole body. Errors: Truncated, Malformed (also when bytes are left).
template <typename T>
Result<T> decode(ByteView body) {
    Reader in(body);
    RACOON_TRY(T record, T::get(in));
    if (!in.empty())
        return fail(Errc::Malformed, "bytes after the end of the record").at(in.offset());
    return record;
}

template <typename T>
void send(Channel& channel, Kind kind, const T& record, std::vector<UniqueFd> fds = {}) {
    Writer out;
    record.put(out);
    channel.send(Message(kind, std::move(out).take(), std::move(fds)));
}
inline void send(Channel& channel, Kind kind) {
    channel.send(Message(kind, {}));
}

}  // namespace racoon::privsep
