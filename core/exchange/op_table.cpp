#include "exchange/op_table.hpp"

#include <fmt/format.h>

#include "exchange/engine.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

/// A kernel that is out of buffers for a moment must not leave an SA behind.
constexpr unsigned kDeleteAttempts = 3;

bool creates_something(OpKind kind) {
    return kind == OpKind::DhGenerate || kind == OpKind::Phase1Open || kind == OpKind::SpiGet ||
           kind == OpKind::SaInstall;
}

SaDelete inbound_delete(std::uint8_t protocol, Spi spi, const IpAddr& local, const IpAddr& peer) {
    SaDelete d;
    d.protocol = protocol;
    d.spi = spi;
    d.src = peer;
    d.dst = local;
    return d;
}

}  // namespace

OpToken OpTable::start(OpKind kind, Bytes request, OpWaiter* waiter) {
    const OpToken token{++last_};
    if (has_answer(kind)) {
        Bytes kept;
        if (kind == OpKind::SpiGet || kind == OpKind::SaInstall || kind == OpKind::SaDelete)
            kept = request;
        pending_.emplace(token, Pending{kind, waiter, std::move(kept)});
    }
    output_.start(Operation{token, kind, std::move(request)});
    return token;
}

OpToken OpTable::reserve(OpWaiter* waiter) {
    const OpToken token{++last_};
    pending_.emplace(token, Pending{OpKind::AuthIn, waiter, {}});
    return token;
}

void OpTable::abandon(OpToken token) {
    const auto it = pending_.find(token);
    if (it == pending_.end()) return;
    if (creates_something(it->second.kind)) {
        it->second.waiter = nullptr;
        return;
    }
    pending_.erase(it);
    output_.cancel(token);
}

void OpTable::complete(OpToken token, const Result<Bytes>& result) {
    const auto it = pending_.find(token);
    if (it == pending_.end()) return;  // abandoned, or never ours
    const Pending op = std::move(it->second);
    pending_.erase(it);
    if (op.waiter != nullptr)
        op.waiter->completed(token, result);
    else if (result)
        undo(op, *result);
    else if (op.kind == OpKind::SaDelete && result.error().code() != Errc::NotFound)
        delete_again(op, result.error());
}

void OpTable::delete_again(const Pending& op, const Error& error) {
    if (op.attempts >= kDeleteAttempts) {
        if (auto d = decode<SaDelete>(op.request))
            LOGE("", fmt::format("cannot remove the SA spi={}(0x{:x}) of {}: {}", d->spi.value,
                                 d->spi.value, d->dst.text(), error.text()));
        return;
    }
    const OpToken token = start(op.kind, op.request, nullptr);
    pending_.at(token).attempts = op.attempts + 1;
}

void OpTable::undo(const Pending& op, const Bytes& answer) {
    switch (op.kind) {
        case OpKind::DhGenerate:
            if (auto r = decode<DhGenerate::Reply>(answer)) {
                DhFree free;
                free.handle = r->handle;
                post(free);
            }
            break;
        case OpKind::Phase1Open:
            if (auto r = decode<Phase1Open::Reply>(answer)) {
                Phase1Close close;
                close.use = r->use;
                post(close);
            }
            break;
        case OpKind::SpiGet: {
            auto asked = decode<SpiGet>(op.request);
            auto r = decode<SpiGet::Reply>(answer);
            if (asked && r)
                post(inbound_delete(asked->protocol, r->spi, asked->local, asked->peer));
            break;
        }
        case OpKind::SaInstall:
            if (auto asked = decode<SaInstall>(op.request)) {
                auto d = inbound_delete(asked->protocol, asked->spi, asked->local, asked->peer);
                if (!asked->inbound) std::swap(d.src, d.dst);
                post(d);
            }
            break;
        default:
            break;
    }
}

}  // namespace racoon::exchange
