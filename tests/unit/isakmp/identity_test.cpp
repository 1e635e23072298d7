#include "isakmp/identity.hpp"

#include <gtest/gtest.h>

#include "isakmp/names.hpp"

namespace racoon::isakmp {
namespace {

IpAddr ip(const char* text) {
    return IpAddr::parse(text).value();
}
Prefix net(const char* text, unsigned length) {
    return Prefix::make(ip(text), length).value();
}

Result<Identity> parse_hex(std::string_view hex) {
    const Bytes bytes = from_hex(hex).value();
    return Identity::parse(Reader(bytes));
}

std::vector<Identity> one_of_each() {
    return {
        Identity::address(ip("192.0.2.1"), 17, 500),
        Identity::address(ip("2001:db8::1")),
        Identity::subnet(net("10.0.0.0", 8), 6, 80),
        Identity::subnet(net("2001:db8::", 37)),
        {IdRange{ip("10.0.0.1"), ip("10.0.0.9")}, 0, 0},
        {IdRange{ip("2001:db8::1"), ip("2001:db8::9")}, 0, 0},
        {IdFqdn{"gw.example"}, 0, 0},
        {IdUserFqdn{"joe@example"}, 0, 0},
        {IdDn{{0x30, 0x00}}, 0, 0},
        {IdGn{{0x82, 0x00}}, 0, 0},
        {IdKeyId{{0x00, 0xff}}, 0, 0},
    };
}

TEST(Identity, OfEveryTypeIsReadAsItWasWritten) {
    unsigned type = 0;
    for (const Identity& id : one_of_each()) {
        const Bytes body = id.body();
        const auto back = Identity::parse(Reader(body));
        ASSERT_TRUE(back) << id.text();
        EXPECT_EQ(*back, id) << id.text();
        type |= 1u << static_cast<unsigned>(id.type());
    }
    EXPECT_EQ(type, 0xffeu) << "types 1 to 11, each once";
}

TEST(Identity, EqualsOnlyItsOwnKind) {
    const auto ids = one_of_each();
    for (std::size_t i = 0; i < ids.size(); ++i)
        for (std::size_t j = 0; j < ids.size(); ++j)
            EXPECT_EQ(ids[i].same_value(ids[j]), i == j) << ids[i].text() << " / " << ids[j].text();
    // The same bytes under another type name somebody else.
    const Identity fqdn{IdFqdn{"alice"}, 0, 0};
    const Identity user{IdUserFqdn{"alice"}, 0, 0};
    const Identity key_id{IdKeyId{to_bytes(as_bytes("alice"))}, 0, 0};
    EXPECT_FALSE(fqdn.same_value(user));
    EXPECT_FALSE(fqdn.same_value(key_id));
    EXPECT_FALSE(fqdn.same_value(Identity{IdFqdn{"alice.evil.example"}, 0, 0}));
}

TEST(Identity, RefusesEveryOtherSize) {
    for (unsigned type = 0; type < 256; ++type) {
        for (std::size_t size = 0; size <= 40; ++size) {
            Writer out;
            out.u8(static_cast<std::uint8_t>(type));
            out.zeros(3);
            out.bytes(Bytes(size, 0xff));
            const auto id = Identity::parse(Reader(out.view()));
            bool fits = false;
            switch (static_cast<IdType>(type)) {
                case IdType::Ipv4Addr:
                    fits = size == 4;
                    break;
                case IdType::Ipv6Addr:
                    fits = size == 16;
                    break;
                case IdType::Ipv4Subnet:
                case IdType::Ipv4Range:
                    fits = size == 8;
                    break;
                case IdType::Ipv6Subnet:
                case IdType::Ipv6Range:
                    fits = size == 32;
                    break;
                case IdType::None:
                    break;
                default:
                    fits = type <= 11 && size > 0;
            }
            ASSERT_EQ(id.has_value(), fits) << "type " << type << " size " << size;
            if (!id) {
                EXPECT_EQ(id.error().notify_type(), number(NotifyType::InvalidIdInformation));
            }
        }
    }
    for (const char* hex : {"", "01", "010000", "0100"}) EXPECT_FALSE(parse_hex(hex)) << hex;
}

TEST(Identity, RefusesMasksWithHolesAndRangesThatRunBackwards) {
    EXPECT_TRUE(
        parse_hex("04000000"
                  "0a000000"
                  "ff000000"));
    EXPECT_FALSE(
        parse_hex("04000000"
                  "0a000000"
                  "ff00ff00"));
    EXPECT_FALSE(
        parse_hex("04000000"
                  "0a000000"
                  "00ffffff"));
    EXPECT_FALSE(
        parse_hex("04000000"
                  "0a000000"
                  "fd000000"));
    EXPECT_FALSE(
        parse_hex("07000000"
                  "0a000009"
                  "0a000001"));
    EXPECT_TRUE(
        parse_hex("07000000"
                  "0a000001"
                  "0a000001"));
}

TEST(Identity, RefusesANameThatHidesItsEnd) {
    EXPECT_FALSE(
        parse_hex("02000000"
                  "6100"
                  "62"));
    EXPECT_FALSE(
        parse_hex("03000000"
                  "00"));
}

TEST(Identity, HostBitsOfASubnetDoNotMatter) {
    EXPECT_EQ(*parse_hex("04000000"
                         "0a010203"
                         "ff000000"),
              Identity::subnet(net("10.0.0.0", 8)));
}

TEST(Identity, BecomesASelectorWhereItIsOne) {
    EXPECT_EQ(Identity::address(ip("192.0.2.1"), 6, 80).as_selector()->text(), "192.0.2.1/32[80]");
    EXPECT_EQ(Identity::subnet(net("10.0.0.0", 8)).as_selector()->text(), "10.0.0.0/8[any]");
    const Identity whole{IdRange{ip("10.0.0.0"), ip("10.0.0.255")}, 0, 0};
    EXPECT_EQ(whole.as_selector()->text(), "10.0.0.0/24[any]");
    const Identity odd{IdRange{ip("10.0.0.1"), ip("10.0.0.9")}, 0, 0};
    EXPECT_FALSE(odd.as_selector());
    EXPECT_FALSE((Identity{IdFqdn{"a"}, 0, 0}.as_selector()));
}

TEST(Identity, OfASelectorIsAnAddressForOneHost) {
    const Selector host{Prefix::host(ip("192.0.2.1")), 0};
    EXPECT_EQ(Identity::selector(host, 0).type(), IdType::Ipv4Addr);
    EXPECT_EQ(Identity::selector({net("10.0.0.0", 8), 0}, 0).type(), IdType::Ipv4Subnet);
}

TEST(Identity, TextOfAStrangerIsEscaped) {
    const Identity id{IdFqdn{"a\nb\x1b[31m"}, 0, 0};
    const std::string text = id.text();
    EXPECT_EQ(text.find('\n'), std::string::npos);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_LT((Identity{IdFqdn{std::string(60000, 'a')}, 0, 0}.text().size()), 1024u);
}

}  // namespace
}  // namespace racoon::isakmp
