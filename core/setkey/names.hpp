// Names that only the system knows, for the parser: its resolver and its databases of services and
// protocols. Looking up a host may wait for the network.
#pragma once

#include "conf/policy_reader.hpp"

namespace racoon::setkey {

class SystemNames final : public conf::PolicyNames {
  public:
    /// Errors: NotFound, with the resolver's reason.
    Result<std::vector<IpAddr>> host(std::string_view name, Family family) override;
    std::optional<std::uint16_t> service(std::string_view name) override;
    std::optional<std::uint8_t> protocol(std::string_view name) override;
};

}  // namespace racoon::setkey
