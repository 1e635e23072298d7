#include "exchange/verified.hpp"

#include "exchange/key_material.hpp"

namespace racoon::exchange {

namespace {

Status compare(ByteView received, const Result<Secret>& expected) {
    if (!expected) return fail(Error(expected.error()));
    if (!equal_constant_time(received, expected->view()))
        return fail(Errc::AuthFailed, "HASH is wrong")
            .notify(isakmp::number(isakmp::NotifyType::InvalidHashInformation));
    return ok();
}

}  // namespace

// In each: the payloads are parsed first, without effect, since the hash is one of them.

Result<Verified<isakmp::Informational>> HashCheck::informational(isakmp::Message clear) const {
    RACOON_TRY(auto view, isakmp::Informational::parse(clear));
    if (!view.hash || clear.payloads()[0].type != isakmp::PayloadType::Hash)
        return fail(Errc::AuthFailed, "informational message without HASH");
    RACOON_TRY_STATUS(compare(
        *view.hash, hash_1(hash_, skeyid_a_, clear.header().message_id, clear.after_hash())));
    return Verified<isakmp::Informational>(std::move(clear), std::move(view));
}

Result<Verified<isakmp::QuickMode1>> HashCheck::quick_mode_1(isakmp::Message clear) const {
    auto view = isakmp::QuickMode1::parse(clear, isakmp::MessageKind::QuickMode1);
    // What is wrong with it is the peer's word only where the hash is right.
    const isakmp::PayloadChain& all = clear.payloads();
    const ByteView hash = view ? view->hash
                          : all.size() != 0 && all[0].type == isakmp::PayloadType::Hash
                              ? all[0].body
                              : ByteView();
    RACOON_TRY_STATUS(
        compare(hash, hash_1(hash_, skeyid_a_, clear.header().message_id, clear.after_hash())));
    if (!view) return tl::unexpected<Error>(view.error());
    return Verified<isakmp::QuickMode1>(std::move(clear), std::move(*view));
}

Result<Verified<isakmp::QuickMode1>> HashCheck::quick_mode_2(isakmp::Message clear,
                                                             ByteView ni) const {
    RACOON_TRY(auto view, isakmp::QuickMode1::parse(clear, isakmp::MessageKind::QuickMode2));
    RACOON_TRY_STATUS(compare(
        view.hash, hash_2(hash_, skeyid_a_, clear.header().message_id, ni, clear.after_hash())));
    return Verified<isakmp::QuickMode1>(std::move(clear), std::move(view));
}

Result<Verified<isakmp::QuickMode3>> HashCheck::quick_mode_3(isakmp::Message clear, ByteView ni,
                                                             ByteView nr) const {
    RACOON_TRY(auto view, isakmp::QuickMode3::parse(clear));
    RACOON_TRY_STATUS(
        compare(view.hash, hash_3(hash_, skeyid_a_, clear.header().message_id, ni, nr)));
    return Verified<isakmp::QuickMode3>(std::move(clear), std::move(view));
}

Result<Verified<isakmp::QuickModeConnected>> HashCheck::connected(isakmp::Message clear) const {
    RACOON_TRY(auto view, isakmp::QuickModeConnected::parse(clear));
    RACOON_TRY_STATUS(compare(
        view.hash, hash_1(hash_, skeyid_a_, clear.header().message_id, clear.after_hash())));
    return Verified<isakmp::QuickModeConnected>(std::move(clear), std::move(view));
}

}  // namespace racoon::exchange
