// What the keeper lets a phase 1 of an engine do that somebody else may control: where it may go on.
#include "privsep/rules.hpp"

#include <gtest/gtest.h>

namespace racoon::privsep {
namespace {

IpAddr ip(const char* text) {
    return *IpAddr::parse(text);
}

/// Sections for everybody, for 192.0.2.0/24 and for 203.0.113.9; a policy whose peer is 198.51.100.1.
class Moves : public ::testing::Test {
  protected:
    Moves() {
        auto c = std::make_shared<conf::Config>();
        conf::Remote r;
        r.nat_traversal = conf::Offer::On;
        r.modes = {conf::ExchangeMode::Main};
        r.name = "anonymous";
        c->remotes.push_back(r);
        r.name = "net";
        r.net = *Prefix::make(ip("192.0.2.0"), 24);
        c->remotes.push_back(r);
        r.net.reset();
        r.name = "host";
        r.address = Endpoint{ip("203.0.113.9"), 500};
        c->remotes.push_back(r);
        conf::Policy p;
        p.id = PolicyId{1};
        p.direction = conf::Direction::Out;
        conf::PolicyTemplate t;
        t.protocol = 50;
        t.tunnel = true;
        t.local = ip("10.9.0.1");
        t.remote = ip("198.51.100.1");
        p.templates.push_back(t);
        c->policies.push_back(p);
        book = std::make_unique<Book>(c, 1);
    }
    bool may(const char* section, const char* from, const char* to, const char* began = nullptr) {
        Phase1Facts facts;
        facts.section = book->remote(section);
        facts.local = Endpoint{ip("10.9.0.1"), 4500};
        facts.peer = Endpoint{ip(from), 4500};
        if (began != nullptr) facts.began = ip(began);
        return book->check_move(Endpoint{ip(to), 4500}, facts).has_value();
    }
    std::unique_ptr<Book> book;
};

TEST_F(Moves, APeerGoesToWhereItsOwnSectionIsChosen) {
    EXPECT_TRUE(may("anonymous", "198.18.0.1", "198.18.0.2"));
    EXPECT_FALSE(may("anonymous", "198.18.0.1", "203.0.113.9")) << "the section of another peer";
    EXPECT_FALSE(may("anonymous", "198.18.0.1", "192.0.2.7"));
    EXPECT_TRUE(may("net", "192.0.2.6", "192.0.2.7"));
    EXPECT_FALSE(may("net", "192.0.2.6", "198.18.0.1"));
    EXPECT_FALSE(may("host", "203.0.113.9", "198.18.0.1"));
}

TEST_F(Moves, NobodyGoesToTheAddressOfAPolicysPeer) {
    EXPECT_FALSE(may("anonymous", "198.18.0.1", "198.51.100.1"));
    EXPECT_TRUE(may("anonymous", "198.51.100.1", "198.18.0.1"));
    EXPECT_TRUE(may("anonymous", "198.18.0.1", "198.51.100.1", "198.51.100.1"))
        << "but who began there may come back";
    conf::Policy foreign = book->config().policies.front();
    foreign.templates.front().remote = ip("198.51.100.9");
    const conf::Policy* const list[] = {&foreign};
    Phase1Facts facts;
    facts.section = book->remote("anonymous");
    facts.peer = Endpoint{ip("198.18.0.1"), 4500};
    const Endpoint there{ip("198.51.100.9"), 4500};
    EXPECT_TRUE(book->check_move(there, facts)) << "nothing is known of it";
    EXPECT_FALSE(book->check_move(there, facts, list)) << "a policy that setkey installed";
}

}  // namespace
}  // namespace racoon::privsep
