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

/// A transport policy between the hosts of 192.0.2.0/24, and a sainfo for these nets.
class Nets : public ::testing::Test {
  protected:
    Nets() {
        cipher.kind = conf::TransformKind::Encryption;
        cipher.name = "aes";
        cipher.key.min = cipher.key.max = 128;
        mac.kind = conf::TransformKind::Integrity;
        mac.name = "hmac_sha256";
        mac.key_bytes = 32;
        auto c = std::make_shared<conf::Config>();
        conf::Remote r;
        r.name = "anonymous";
        c->remotes.push_back(r);
        conf::Policy p;
        p.id = PolicyId{1};
        p.direction = conf::Direction::Out;
        p.selector.local.net = p.selector.remote.net = *Prefix::make(ip("192.0.2.0"), 24);
        conf::PolicyTemplate t;
        t.protocol = 50;
        t.tunnel = false;
        t.reqid = ReqId{7};
        p.templates.push_back(t);
        c->policies.push_back(p);
        conf::SaInfo info;
        info.local.selector = info.remote.selector = p.selector.local;
        info.encryption.push_back({&cipher, 128});
        info.integrity.push_back(&mac);
        c->sainfos.push_back(info);
        book = std::make_unique<Book>(c, 1);
    }
    bool may(const char* peer, const Prefix& for_whom) {
        Phase1Facts facts;
        facts.section = book->remote("anonymous");
        facts.local = Endpoint{ip("192.0.2.1"), 500};
        facts.peer = Endpoint{ip(peer), 500};
        exchange::SaInstall sa;
        sa.policy = PolicyId{1};
        sa.protocol = 50;
        sa.tunnel = false;
        sa.reqid = ReqId{7};
        sa.spi = Spi{1000};
        sa.local = facts.local.addr;
        sa.peer = facts.peer.addr;
        sa.selector.local.net = Prefix::host(sa.local);
        sa.selector.remote.net = for_whom;
        sa.encryption = "aes";
        sa.key_bits = 128;
        sa.encryption_key = Secret(16);
        sa.integrity = "hmac_sha256";
        sa.integrity_key = Secret(32);
        const Status status = book->check_sa_install(sa, facts);
        why = status ? "" : status.error().text();
        return status.has_value();
    }
    conf::TransformInfo cipher, mac;
    std::unique_ptr<Book> book;
    std::string why;
};

TEST_F(Nets, TheSasOfTwoHostsHaveTheSainfoOfTheirPolicy) {
    EXPECT_TRUE(may("192.0.2.2", Prefix::host(ip("192.0.2.2")))) << why;
    EXPECT_TRUE(may("192.0.2.3", Prefix::host(ip("192.0.2.3")))) << why;
    EXPECT_FALSE(may("198.51.100.1", Prefix::host(ip("198.51.100.1")))) << "not of the policy";
    EXPECT_FALSE(may("192.0.2.2", *Prefix::make(ip("192.0.0.0"), 16))) << "wider than it";
}

}  // namespace
}  // namespace racoon::privsep
