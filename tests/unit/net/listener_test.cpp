#include "net/listener.hpp"

#include <cstdlib>
#include <gmock/gmock.h>
#include <sys/socket.h>

namespace racoon::net {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

IpAddr ip(const char* text) {
    return IpAddr::parse(text).value();
}

struct Heard {
    Endpoint local, remote;
    std::string text;
};

/// One side of a conversation on loopback: a listener with its sockets and what they heard.
class Side {
  public:
    explicit Side(loop::EventLoop& loop)
        : loop_(loop), listener_(Listener::make(loop, [this](const Datagram& d) {
              heard.push_back({d.local, d.remote, std::string(as_text(d.bytes))});
              if (echo) {
                  ASSERT_TRUE(listener_->send({d.local, d.remote, d.bytes}).has_value());
              }
              if (heard.size() == wanted) loop_.stop();
          })) {}

    Endpoint open(const char* address, bool natt = false) {
        auto bound = open_udp({ip(address), 0});
        EXPECT_TRUE(bound.has_value()) << bound.error().text();
        bound->natt = natt;
        const Endpoint local = bound->local;
        EXPECT_TRUE(listener_->add(std::move(*bound)).has_value());
        return local;
    }
    Listener& operator*() { return *listener_; }
    Listener* operator->() { return listener_.get(); }

    std::vector<Heard> heard;
    std::size_t wanted = 0;
    bool echo = false;

  private:
    loop::EventLoop& loop_;
    std::unique_ptr<Listener> listener_;
};

class ListenerTest : public ::testing::Test {
  protected:
    std::unique_ptr<loop::EventLoop> loop_ = std::move(*loop::EventLoop::make());
};

TEST_F(ListenerTest, TellsTheLocalAddressOfAWildcardSocketAndAnswersFromIt) {
    Side server(*loop_), client(*loop_);
    const Endpoint wildcard = server.open("0.0.0.0");
    const Endpoint from = client.open("127.0.0.1");
    server.echo = true;
    client.wanted = 1;
    const Endpoint second{ip("127.0.0.2"), wildcard.port};
    ASSERT_TRUE(client->send({from, second, as_bytes("hello")}).has_value());
    loop_->run();
    ASSERT_EQ(server.heard.size(), 1u);
    EXPECT_EQ(server.heard[0].local, second);
    EXPECT_EQ(server.heard[0].remote, from);
    ASSERT_EQ(client.heard.size(), 1u);
    EXPECT_EQ(client.heard[0].remote, second) << "the answer comes from the address that was asked";
    EXPECT_EQ(client.heard[0].text, "hello");
}

TEST_F(ListenerTest, SpeaksIpv6) {
    if (!open_udp({ip("::1"), 0})) {
        if (std::getenv("CI") != nullptr) FAIL() << "this host has no IPv6 loopback";
        GTEST_SKIP() << "this host has no IPv6 loopback";
    }
    Side server(*loop_), client(*loop_);
    const Endpoint wildcard = server.open("::");
    const Endpoint from = client.open("::1");
    server.echo = true;
    client.wanted = 1;
    ASSERT_TRUE(client->send({from, {ip("::1"), wildcard.port}, as_bytes("six")}).has_value());
    loop_->run();
    ASSERT_EQ(server.heard.size(), 1u);
    EXPECT_EQ(server.heard[0].local, (Endpoint{ip("::1"), wildcard.port}));
    EXPECT_EQ(client.heard.at(0).text, "six");
}

TEST_F(ListenerTest, NattSocketsStripAndAddTheMarkerAndDropWhatIsNotIke) {
    Side server(*loop_), plain(*loop_);
    const Endpoint natt = server.open("127.0.0.1", true);
    const Endpoint from = plain.open("127.0.0.1");
    server.echo = true;
    plain.wanted = 1;
    const std::uint8_t keepalive[] = {0xff};
    const std::uint8_t esp[] = {1, 2, 3, 4, 5, 6, 7, 8};
    const std::uint8_t stub[] = {0, 0};
    const std::uint8_t ike[] = {0, 0, 0, 0, 'i', 'k', 'e'};
    for (const ByteView bytes : {ByteView(keepalive), ByteView(esp), ByteView(stub), ByteView(ike)})
        ASSERT_TRUE(plain->send({from, natt, bytes}).has_value());
    loop_->run();
    ASSERT_EQ(server.heard.size(), 1u);
    EXPECT_EQ(server.heard[0].text, "ike");
    EXPECT_EQ(plain.heard.at(0).text, (std::string("\0\0\0\0ike", 7)));
    const auto count = server->counters().at(0);
    EXPECT_EQ(count.keepalives, 1u);
    EXPECT_EQ(count.not_ike, 2u);
    EXPECT_EQ(count.received, 1u);
}

TEST_F(ListenerTest, IkeSocketsDropKeepalivesAndEspOfTheFirstDrafts) {
    Side server(*loop_), plain(*loop_);
    const Endpoint to = server.open("127.0.0.1");
    const Endpoint from = plain.open("127.0.0.1");
    server.wanted = 1;
    const std::uint8_t keepalive[] = {0xff};
    const std::uint8_t esp[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4};
    const std::uint8_t ike[] = {0, 0, 0, 0, 0, 0, 0, 1};
    for (const ByteView bytes : {ByteView(keepalive), ByteView(esp), ByteView(ike)})
        ASSERT_TRUE(plain->send({from, to, bytes}).has_value());
    loop_->run();
    ASSERT_EQ(server.heard.size(), 1u);
    EXPECT_EQ(server.heard[0].text.size(), sizeof ike);
    const auto count = server->counters().at(0);
    EXPECT_EQ(count.keepalives, 1u);
    EXPECT_EQ(count.not_ike, 1u);
    EXPECT_EQ(count.received, 1u);
}

TEST_F(ListenerTest, ABurstLargerThanABatchArrivesWholeAndInOrder) {
    Side server(*loop_), client(*loop_);
    const Endpoint to = server.open("127.0.0.1");
    const Endpoint from = client.open("127.0.0.1");
    server.wanted = 150;
    for (int i = 0; i < 150; ++i)
        ASSERT_TRUE(client->send({from, to, as_bytes(std::to_string(i))}).has_value());
    loop_->run();
    ASSERT_EQ(server.heard.size(), 150u);
    for (int i = 0; i < 150; ++i)
        EXPECT_EQ(server.heard[static_cast<std::size_t>(i)].text, std::to_string(i));
}

TEST_F(ListenerTest, ADatagramThatCannotBeSentIsCountedAndTheNextOnesGo) {
    Side server(*loop_), client(*loop_);
    const Endpoint to = server.open("127.0.0.1");
    const Endpoint from = client.open("0.0.0.0");
    server.wanted = 1;
    // An address that this host does not have cannot be the source.
    ASSERT_TRUE(client->send({{ip("192.0.2.77"), from.port}, to, as_bytes("lost")}).has_value());
    ASSERT_TRUE(client->send({{ip("127.0.0.1"), from.port}, to, as_bytes("sent")}).has_value());
    loop_->run();
    EXPECT_EQ(server.heard.at(0).text, "sent");
    EXPECT_EQ(client->counters().at(0).send_dropped, 1u);
    const auto none = client->send({{ip("::1"), 500}, {ip("::1"), 500}, as_bytes("x")});
    ASSERT_FALSE(none.has_value());
    EXPECT_EQ(none.error().code(), Errc::NotFound);
}

TEST(Socket, APortInUseIsNamedWithTheRemedy) {
    auto first = open_udp({ip("127.0.0.1"), 0});
    ASSERT_TRUE(first.has_value());
    auto second = open_udp(first->local);
    ASSERT_FALSE(second.has_value());
    EXPECT_THAT(second.error().text(), HasSubstr(first->local.text()));
    EXPECT_THAT(second.error().text(),
                HasSubstr("ss -ulpn sport = :" + std::to_string(first->local.port)));
}

TEST(Socket, AnAddressThatIsNotOursIsNamedWithTheRemedy) {
    auto bound = open_udp({ip("192.0.2.77"), 0});
    ASSERT_FALSE(bound.has_value());
    EXPECT_THAT(bound.error().text(), HasSubstr("192.0.2.77[0]"));
    EXPECT_THAT(bound.error().text(), HasSubstr("`listen`"));
}

TEST(Socket, LocalAddressesHoldLoopback) {
    auto all = local_addresses();
    ASSERT_TRUE(all.has_value());
    EXPECT_THAT(*all, ::testing::Contains(ip("127.0.0.1")));
}

}  // namespace
}  // namespace racoon::net
