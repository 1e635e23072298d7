#include "base/net_addr.hpp"

#include <gtest/gtest.h>

namespace racoon {
namespace {

Prefix prefix(const char* addr, unsigned length) {
    return Prefix::make(IpAddr::parse(addr).value(), length).value();
}

TEST(IpAddr, ParsesNumericAddressesOnly) {
    EXPECT_EQ(IpAddr::parse("192.0.2.1")->text(), "192.0.2.1");
    EXPECT_EQ(IpAddr::parse("2001:db8::1")->text(), "2001:db8::1");
    EXPECT_FALSE(IpAddr::parse("example.org"));
    EXPECT_FALSE(IpAddr::parse("256.1.1.1"));
}

TEST(IpAddr, RepeatsInItsErrorOnlyWhatMayNameAnInterface) {
    EXPECT_EQ(IpAddr::parse("fe80::1%none0").error().text(), "no interface \"none0\"");
    for (const char* odd : {"fe80::1%a\nb", "fe80::1%\x1b[2J", "10.0.0.1%0123456789abcdefg"})
        EXPECT_EQ(IpAddr::parse(odd).error().text(), "not a numeric IPv4 or IPv6 address");
}

TEST(Prefix, ClearsHostBitsAndContains) {
    const Prefix p = prefix("10.1.2.3", 12);
    EXPECT_EQ(p.text(), "10.0.0.0/12");
    EXPECT_TRUE(p.contains(prefix("10.15.0.0", 16)));
    EXPECT_FALSE(p.contains(prefix("10.16.0.0", 16)));
    EXPECT_FALSE(p.contains(prefix("0.0.0.0", 0))) << "a wider net is not inside";
    EXPECT_FALSE(p.contains(prefix("::", 0)));
}

TEST(Prefix, RefusesALengthBeyondTheFamily) {
    EXPECT_FALSE(Prefix::make(IpAddr::parse("10.0.0.0").value(), 33));
    EXPECT_FALSE(Prefix::make(IpAddr::parse("::").value(), 129));
}

TEST(TrafficSelector, SurvivesItsFlatForm) {
    TrafficSelector ts{{prefix("10.1.0.0", 16), 0}, {prefix("10.2.0.0", 16), 80}, 6};
    Writer w;
    put(w, ts);
    Reader r(w.view());
    EXPECT_EQ(get_traffic_selector(r).value(), ts);
    EXPECT_TRUE(r.empty());
}

}  // namespace
}  // namespace racoon
