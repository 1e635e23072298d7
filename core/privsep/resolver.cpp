#include "privsep/resolver.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "log/log.hpp"

namespace racoon::privsep {

namespace {

using std::chrono::seconds;

/// How old an answer may be for a new negotiation; and when somebody doubts it.
constexpr Duration kFresh = seconds(60);
constexpr Duration kFreshDoubted = seconds(5);
constexpr Duration kPatience = seconds(10);
constexpr Duration kFirstPause = seconds(2);
constexpr Duration kLongestPause = seconds(300);
constexpr std::size_t kMaxWaiting = 4096;
constexpr std::size_t kMaxAddresses = 16;

std::string text_of(const std::vector<IpAddr>& list) {
    std::string out;
    for (const IpAddr& addr : list) out += (out.empty() ? "" : ", ") + addr.text();
    return out;
}

bool same_set(std::vector<IpAddr> a, std::vector<IpAddr> b) {
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    return a == b;
}

}  // namespace

Resolver::Resolver(loop::EventLoop& loop, Family family, std::function<void()> changed)
    : loop_(loop), names_(loop), family_(family), changed_(std::move(changed)) {}

Resolver::~Resolver() {
    for (auto& [host, name] : known_) {
        loop_.cancel(name.retry);
        loop_.cancel(name.limit);
    }
}

void Resolver::use(const conf::Config& config) {
    std::set<std::string> wanted;
    for (const conf::Remote& remote : config.remotes)
        if (!remote.host.empty()) wanted.insert(remote.host);
    for (auto it = known_.begin(); it != known_.end();) {
        if (wanted.contains(it->first)) {
            ++it;
            continue;
        }
        Name gone = std::move(it->second);
        loop_.cancel(gone.retry);
        loop_.cancel(gone.limit);
        addresses_.erase(it->first);
        const std::string host = it->first;
        it = known_.erase(it);
        for (const Done& done : gone.waiting)
            done(fail(Errc::Cancelled, host + " is no longer in the configuration"));
    }
    for (const std::string& host : wanted)
        if (const auto [at, fresh] = known_.try_emplace(host); fresh) start(host, at->second);
}

void Resolver::lookup(const std::string& host, bool again, Done done) {
    const auto at = known_.find(host);
    if (at == known_.end()) return done(fail(Errc::NotFound, host + " is not configured"));
    Name& name = at->second;
    if (name.answered && loop_.now() - *name.answered < (again ? kFreshDoubted : kFresh))
        return done(ok());
    if (name.waiting.size() >= kMaxWaiting)
        return done(fail(Errc::Busy, "cannot resolve " + host + ": too many wait for it"));
    name.waiting.push_back(std::move(done));
    if (name.waiting.size() == 1)
        name.limit = loop_.arm(kPatience, [this, host] {
            const auto late = known_.find(host);
            if (late == known_.end()) return;
            late->second.error = fmt::format("no answer within {} s", kPatience / seconds(1));
            release(host, late->second);
        });
    start(host, name);
}

void Resolver::refresh() {
    for (auto& [host, name] : known_)
        if (!name.answered || loop_.now() - *name.answered >= kFresh) start(host, name);
}

void Resolver::start(const std::string& host, Name& name) {
    if (name.busy) return;
    name.busy = true;
    loop_.cancel(name.retry);
    names_.find(host, family_, [this, host](Result<std::vector<IpAddr>> answer) {
        found(host, std::move(answer));
    });
}

void Resolver::found(const std::string& host, Result<std::vector<IpAddr>> answer) {
    const auto at = known_.find(host);
    if (at == known_.end()) return;
    Name& name = at->second;
    name.busy = false;
    if (!answer) return failed(host, name, answer.error().text());
    name.answered = loop_.now();
    name.failures = 0;
    name.error.clear();
    if (answer->size() > kMaxAddresses) answer->resize(kMaxAddresses);
    auto& current = addresses_[host];
    if (!same_set(current, *answer)) {
        LOGI("", host + (current.empty() ? " is " : " is now ") + text_of(*answer));
        // The one in use stays the first as long as it is among them.
        if (!current.empty())
            if (const auto kept = std::find(answer->begin(), answer->end(), current.front());
                kept != answer->end())
                std::rotate(answer->begin(), kept, kept + 1);
        current = std::move(*answer);
        changed_();
    }
    release(host, name);
}

void Resolver::failed(const std::string& host, Name& name, const std::string& why) {
    const bool known = addresses_.contains(host);
    if (name.error != why)
        LOGW("", fmt::format("cannot resolve {}: {}{}", host, why,
                             known ? "; it is taken to be " + text_of(addresses_[host]) : ""));
    name.error = why;
    const Duration pause =
        std::min(kFirstPause * (1 << std::min(name.failures, 8u)), kLongestPause);
    ++name.failures;
    name.retry = loop_.arm(pause, [this, host] {
        if (const auto at = known_.find(host); at != known_.end()) start(host, at->second);
    });
    release(host, name);
}

/// Tells who waits.
void Resolver::release(const std::string& host, Name& name) {
    loop_.cancel(name.limit);
    const Status result =
        addresses_.contains(host)
            ? ok()
            : Status(fail(Errc::NotFound, "cannot resolve " + host + ": " + name.error));
    const auto waiting = std::exchange(name.waiting, {});
    for (const Done& done : waiting) done(result);
}

}  // namespace racoon::privsep
