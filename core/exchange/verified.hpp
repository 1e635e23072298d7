// Verified<View>: a message of phase 2 whose HASH was right. Nothing else can make one, and every
// handler that has an effect takes one: a message that was not authenticated cannot even be handed
// to it.
//
//     auto info = HashCheck::informational(keys, std::move(clear));
//     if (info) handle(**info);
#pragma once

#include <utility>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "conf/catalog.hpp"
#include "isakmp/message.hpp"
#include "isakmp/message_views.hpp"

namespace racoon::exchange {

template <typename View>
class Verified {
  public:
    const View& operator*() const { return view_; }
    const View* operator->() const { return &view_; }
    const isakmp::Message& message() const { return message_; }

  private:
    friend class HashCheck;
    Verified(isakmp::Message m, View v) : message_(std::move(m)), view_(std::move(v)) {}
    isakmp::Message message_;  // the view points into it; a move leaves its bytes in place
    View view_;
};

/// The hashes of RFC 2409 5.5 and 5.7. Errors: AuthFailed (INVALID-HASH-INFORMATION) when the hash is
/// absent or wrong, else what is wrong with the payloads.
class HashCheck {
  public:
    HashCheck(const conf::HashInfo& hash, ByteView skeyid_a) : hash_(hash), skeyid_a_(skeyid_a) {}

    Result<Verified<isakmp::Informational>> informational(isakmp::Message clear) const;
    Result<Verified<isakmp::QuickMode1>> quick_mode_1(isakmp::Message clear) const;
    Result<Verified<isakmp::QuickMode1>> quick_mode_2(isakmp::Message clear, ByteView ni) const;
    Result<Verified<isakmp::QuickMode3>> quick_mode_3(isakmp::Message clear, ByteView ni,
                                                      ByteView nr) const;
    Result<Verified<isakmp::QuickModeConnected>> connected(isakmp::Message clear) const;

  private:
    const conf::HashInfo& hash_;
    ByteView skeyid_a_;
};

}  // namespace racoon::exchange
