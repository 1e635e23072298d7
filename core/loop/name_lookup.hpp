// NameLookup: the addresses of host names, asked for on threads of its own, so that neither the loop nor
// anything else waits for a name server.
//
//     NameLookup names(loop);
//     names.find("vpn.example.org", Family::None, [&](Result<std::vector<IpAddr>> found) { … });
//
// The end of the object does not wait either: what is under way then ends by itself and reaches nobody.
// Main thread only; the loop outlives it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/net_addr.hpp"
#include "base/result.hpp"
#include "base/unique_function.hpp"
#include "loop/event_loop.hpp"

namespace racoon::loop {

class NameLookup {
  public:
    using Done = UniqueFunction<void(Result<std::vector<IpAddr>>)>;

    explicit NameLookup(EventLoop& loop);
    ~NameLookup();
    NameLookup(const NameLookup&) = delete;
    NameLookup& operator=(const NameLookup&) = delete;

    /// All addresses, or those of one family, each once, in the system's order. `done` comes later, from
    /// the loop. Errors: NotFound, with the resolver's words; Busy, too many are waiting.
    void find(std::string host, Family family, Done done);

  private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
};

}  // namespace racoon::loop
