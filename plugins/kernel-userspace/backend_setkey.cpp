// setkey's requests, which any program that may can make on the module's local socket, as they are made of a kernel on
// a socket of PF_KEY: answered in the same words, with the same errors, and told to those who listen.
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "backend.hpp"

namespace racoon::kernel_userspace {
namespace {

namespace pf = racoon::pfkey;

constexpr std::size_t kDumpAhead = 64 * 1024;  // bytes that a client has not taken yet
constexpr std::size_t kAskedAhead = 32;        // questions to the data process for one dump

const pf::Dialect& dialect() {
    return pf::linux_dialect();
}

// As much of a message that cannot be read as its answer needs.
std::optional<pf::Message> head_of(ByteView bytes) {
    if (bytes.size() < pf::kHeaderSize) return {};
    Bytes head(bytes.begin(), bytes.begin() + pf::kHeaderSize);
    head[4] = pf::kHeaderSize / 8;  // its length: of nothing but a header
    head[5] = 0;
    return pf::decode(head, dialect());
}

}  // namespace

racoon_status Backend::watch_policies(const racoon_kernel_foreign& listener, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    foreign_.listen(listener);
    open_setkey();
    return RACOON_OK;
}

// Without it the daemon serves as before, so that it is no reason not to start.
void Backend::open_setkey() {
    if (settings_.socket.empty() || setkey_.is_open()) return;
    setkey_.on_request([this](ClientId from, ByteView bytes) { on_setkey(from, bytes); });
    setkey_.on_drained([this](ClientId client) { go_on(client); });
    setkey_.on_gone([this](ClientId client) { dumps_.erase(client); });
    Failure failure;
    if (setkey_.open(settings_.socket, &failure)) {
        log(RACOON_LOG_INFO, "setkey acts on this stack through " + settings_.socket);
        return;
    }
    log(RACOON_LOG_WARNING,
        "setkey cannot act on this stack: " + failure.text +
            "; name another path with `socket \"PATH\";` in the module's block, "
            "or none with `socket \"none\";`");
}

void Backend::reply_setkey(ClientId to, const pf::Message& request, pf::Message answer) {
    answer.seq = request.seq;
    answer.pid = request.pid;
    setkey_.send(to, encode(answer, dialect()));
}

void Backend::announce(ClientId from, const pf::Message& request, pf::Message answer) {
    answer.seq = request.seq;
    answer.pid = request.pid;
    const Bytes bytes = encode(answer, dialect());
    setkey_.send(from, bytes);
    setkey_.tell(bytes, from);
}

void Backend::refuse_setkey(ClientId to, const pf::Message& request, int error) {
    setkey_.send(to, encode(refusal(request, error), dialect()));
}

void Backend::on_setkey(ClientId from, ByteView bytes) {
    auto request = pf::decode(bytes, dialect());
    if (!request) {
        if (const auto head = head_of(bytes)) refuse_setkey(from, *head, EINVAL);
        return;
    }
    setkey_request(from, *request);
    pf::wipe(*request);
}

void Backend::setkey_request(ClientId from, pf::Message& request) {
    if (setkey_.anybody_listens()) {
        pf::Message shown = request;
        pf::wipe(shown);
        shown.auth_key.reset();
        shown.encrypt_key.reset();
        setkey_.tell(encode(shown, dialect()), from, true);
    }
    switch (request.type) {
        case pf::kGetSpi:
            return setkey_get_spi(from, request);
        case pf::kUpdate:
        case pf::kAdd:
            return setkey_add(from, request);
        case pf::kDelete:
            return setkey_delete(from, request);
        case pf::kGet:
            return setkey_get(from, request);
        case pf::kFlush:
            return setkey_flush(from, request);
        case pf::kDump:
        case pf::kSpdDump:
            return start_dump(from, request);
        case pf::kSpdAdd:
        case pf::kSpdUpdate:
            return setkey_policy_add(from, request);
        case pf::kSpdDelete:
            return setkey_policy_delete(from, request);
        case pf::kSpdGet:
        case pf::kSpdDelete2:
            return setkey_policy_get(from, request);
        case pf::kSpdFlush:
            return setkey_policy_flush(from, request);
        case pf::kRegister:
        case pf::kPromisc: {
            MessageSocket::Interest* const interest = setkey_.interest(from);
            if (interest == nullptr) return;
            if (request.type == pf::kRegister && !is_satype(request.satype))
                return refuse_setkey(from, request, EINVAL);
            (request.type == pf::kRegister ? interest->registered : interest->promiscuous) =
                request.type == pf::kRegister || request.satype != 0;
            pf::Message answer;
            answer.type = request.type;
            answer.satype = request.satype;
            return reply_setkey(from, request, std::move(answer));
        }
        default:
            return refuse_setkey(from, request, EOPNOTSUPP);
    }
}

void Backend::start_dump(ClientId client, const pf::Message& request) {
    const bool policies = request.type == pf::kSpdDump;
    if (!policies && !is_satype(request.satype)) return refuse_setkey(client, request, EINVAL);
    Dump dump;
    dump.request = refusal(request, 0);
    // In the order in which they came.
    std::map<std::uint64_t, std::uint32_t> policies_by_age;
    std::map<std::uint64_t, SaKey> sas_by_age;
    if (policies) {
        for (const auto& [id, installed] : policies_) policies_by_age.emplace(installed.index, id);
    } else {
        for (const auto& [key, sa] : sas_)
            if (request.satype == pf::kSaUnspec || satype_of(sa.info.protocol) == request.satype)
                sas_by_age.emplace(sa.serial, key);
    }
    for (const auto& [age, id] : policies_by_age) dump.policies.push_back(id);
    for (const auto& [age, key] : sas_by_age) dump.sas.push_back(key);
    dumps_[client] = std::move(dump);
    setkey_.hold(client, true);
    go_on(client);
}

// A client that is sent something may be gone after that, and its dump with it.
void Backend::go_on(ClientId client) {
    while (setkey_.queued(client) < kDumpAhead) {
        const auto at = dumps_.find(client);
        if (at == dumps_.end()) return;
        Dump& dump = at->second;
        if (dump.policies.empty() && dump.sas.empty()) {
            if (dump.asked == 0) end_dump(client);
            return;
        }
        if (dump.asked == kAskedAhead) return;
        ++dump.asked;
        if (!dump.policies.empty()) {
            const std::uint32_t id = dump.policies.front();
            dump.policies.pop_front();
            const auto there = [this, client, id](racoon_status status) {
                const auto now = policies_.find(id);
                if (status != RACOON_OK || now == policies_.end()) return shown(client, {});
                const Installed& i = now->second;
                shown(client, describe(pf::kSpdDump, i.policy, i.index, i.created, i.used));
            };
            const bool asked =
                policies_.count(id) != 0 && ask_used(id, [this, client, there](racoon_status s) {
                    there(s);
                    go_on(client);
                });
            if (!asked) there(RACOON_OK);
        } else {
            const SaKey key = dump.sas.front();
            dump.sas.pop_front();
            const auto there = [this, client, key](racoon_status status) {
                const auto now = sas_.find(key);
                if (status != RACOON_OK || now == sas_.end()) return shown(client, {});
                const Sa& sa = now->second;
                shown(client, describe(pf::kDump, sa.info, sa.note, wall_seconds()));
            };
            const auto sa = sas_.find(key);
            const bool asked = sa != sas_.end() && sa->second.info.state != 0 &&
                               ask_facts(
                                   key, sa->second.info, 0,
                                   [this, client, there](racoon_status s) {
                                       there(s);
                                       go_on(client);
                                   },
                                   nullptr);
            if (!asked) there(RACOON_OK);
        }
    }
}

// What was asked for is known, or gone meanwhile.
void Backend::shown(ClientId client, std::optional<pf::Message> next) {
    const auto at = dumps_.find(client);
    if (at == dumps_.end()) return;
    Dump& dump = at->second;
    --dump.asked;
    if (!next) return;
    next->pid = dump.request.pid;
    const auto before = std::exchange(dump.last, std::move(next));
    if (!before) return;
    pf::Message out = *before;
    out.seq = ++dump.count;
    setkey_.send(client, encode(out, dialect()));
}

void Backend::end_dump(ClientId client) {
    const Dump ended = std::move(dumps_.at(client));
    dumps_.erase(client);
    if (ended.last) {
        pf::Message last = *ended.last;
        last.seq = 0;
        setkey_.send(client, encode(last, dialect()));
    } else {
        refuse_setkey(client, ended.request, ENOENT);
    }
    setkey_.hold(client, false);
}

}  // namespace racoon::kernel_userspace
