// A recorded IKE session and its encryption key: opens every message, with the IV chains of
// RFC 2409 appendix B. Independent of the daemon's own chains and ciphers.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "isakmp/message.hpp"
#include "isakmp/transform.hpp"

namespace racoon::test {

/// "initiator cookie,key" lines, both in hexadecimal.
std::map<std::string, Bytes> read_key_table(const std::filesystem::path& path);

class Session {
  public:
    explicit Session(Bytes key) : key_(std::move(key)) {}

    /// The message with its payloads readable, decrypted if need be; messages come in order.
    Result<isakmp::Message> open(ByteView datagram);
    /// What the responder chose, once seen.
    const std::optional<isakmp::Phase1Transform>& chosen() const { return chosen_; }
    std::size_t block() const;

  private:
    Bytes first_iv();
    Bytes& iv_of(const isakmp::Header& header);
    void note_clear(const isakmp::Message& m);

    Bytes key_;
    std::optional<isakmp::Phase1Transform> chosen_;
    std::vector<Bytes> public_values_;  // g^xi, g^xr
    std::optional<Bytes> phase1_iv_;
    std::map<std::uint32_t, Bytes> message_ivs_;  // by message id
    std::map<Bytes, Bytes> seen_;  // datagram → IV: a retransmission does not move the chain
};

}  // namespace racoon::test
