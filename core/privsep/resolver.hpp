// Resolver: what the host names of a configuration stand for. Names are looked up when they appear, when
// somebody is about to use an answer that is not fresh, and again after a failure; an answer is kept until
// there is a better one, so that a name server that is down takes no tunnel along.
//
//     Resolver resolver(loop, Family::None, [&] { … resolver.addresses() … });
//     resolver.use(*config);
//     resolver.lookup("vpn.example.org", false, [](const Status& s) { … });
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "conf/config.hpp"
#include "conf/select.hpp"
#include "loop/name_lookup.hpp"

namespace racoon::privsep {

class Resolver {
  public:
    using Done = std::function<void(const Status&)>;
    /// `family` None: both. `changed`: some name stands for other addresses than before.
    Resolver(loop::EventLoop& loop, Family family, std::function<void()> changed);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    /// The names that matter from now on: new ones are looked up, others are forgotten.
    void use(const conf::Config& config);
    /// Calls back when the answer is fresh, or the best that can be had within ten seconds; at once when
    /// it is fresh already. `again`: somebody has reason to doubt it. Errors: NotFound, when there is no
    /// answer at all.
    void lookup(const std::string& host, bool again, Done done);
    /// Looks up what has not been for a while.
    void refresh();
    const conf::HostAddresses& addresses() const { return addresses_; }

  private:
    struct Name {
        std::vector<Done> waiting;
        bool busy = false;
        std::optional<TimePoint> answered;
        std::string error;  // of the last try
        unsigned failures = 0;
        loop::TimerToken retry, limit;
    };
    void start(const std::string& host, Name& name);
    void found(const std::string& host, Result<std::vector<IpAddr>> answer);
    void failed(const std::string& host, Name& name, const std::string& why);
    void release(const std::string& host, Name& name);

    loop::EventLoop& loop_;
    loop::NameLookup names_;
    Family family_;
    std::function<void()> changed_;
    std::map<std::string, Name> known_;
    conf::HostAddresses addresses_;
};

}  // namespace racoon::privsep
