#include "exchange/pair_keep.hpp"

#include <gtest/gtest.h>
#include <racoon/plugin.h>

namespace racoon::exchange {
namespace {

IpAddr ip(std::string_view text) {
    return *IpAddr::parse(text);
}

SaInstall sample_install() {
    SaInstall r;
    r.use = 5;
    r.policy = PolicyId{3};
    r.inbound = true;
    r.spi = Spi{0x12345678};
    r.reqid = ReqId{9};
    r.local = ip("192.0.2.1");
    r.peer = ip("2001:db8::1");
    r.selector.local = {*Prefix::make(ip("10.1.0.0"), 16), 0};
    r.selector.remote = {*Prefix::make(ip("10.2.0.0"), 16), 53};
    r.selector.protocol = 17;
    r.encryption = "aes";
    r.key_bits = 128;
    r.encryption_key = Secret(Bytes(16, 7));
    r.integrity = "hmac_sha256";
    r.integrity_key = Secret(Bytes(32, 8));
    r.soft_seconds = 100;
    r.hard_seconds = 200;
    r.hard_bytes = 1u << 30;
    r.esp_frag = 1300;
    r.marks = {7, {0x10, 0xff}, {0x20, 0xf0}};
    return r;
}

/// Encodes, decodes, encodes again: the same bytes. Every shorter input and one with a byte more are
/// refused.
template <typename Record>
void round_trip(const Record& r) {
    const Bytes bytes = encode(r);
    auto back = decode<Record>(bytes);
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ(encode(*back), bytes);
    for (std::size_t n = 0; n < bytes.size(); ++n)
        EXPECT_FALSE(decode<Record>(ByteView(bytes).first(n))) << n << " bytes of " << bytes.size();
    Bytes longer = bytes;
    longer.push_back(0);
    EXPECT_FALSE(decode<Record>(longer));
}

PairKeep sample_pair() {
    PairKeep r;
    r.policy = PolicyId{3};
    r.section = "192.0.2.2[500]";
    r.local = {ip("192.0.2.1"), 4500};
    r.remote = {ip("192.0.2.2"), 40000};
    r.selector = sample_install().selector;
    r.local_id.type = 2;
    r.local_id.data = Bytes(7, 'x');
    r.peer_id = Bytes(8, 1);
    PairKeep::Sa sa;
    sa.reqid = ReqId{9};
    sa.spi_in = Spi{0x1000};
    sa.spi_out = Spi{0x2000};
    sa.encryption = "aes";
    sa.key_bits = 128;
    sa.integrity = "hmac_sha256";
    r.sas = {sa, sa};
    r.sas[1].protocol = RACOON_IPPROTO_AH;
    r.pfs = 14;
    r.seconds = 3600;
    r.complex_bundle = true;
    r.peer_behind = r.initiator = true;
    return r;
}

TEST(Operations, EveryRecordSurvivesTheRoundTripAndNoOtherLengthDoes) {
    DhGenerate generate;
    generate.group = 14;
    round_trip(generate);
    DhGenerate::Reply pair;
    pair.handle = 77;
    pair.public_value = Bytes(256, 3);
    round_trip(pair);
    round_trip(sample_pair());
    KeptPair kept;
    kept.record = sample_pair();
    kept.whole = true;
    kept.age = std::chrono::seconds(77);
    round_trip(kept);
    DhCompute compute;
    compute.handle = 77;
    compute.peer_public = Bytes(256, 4);
    round_trip(compute);
    DhCompute::Reply shared;
    shared.shared = Secret(Bytes(256, 5));
    round_trip(shared);
    DhFree free;
    free.handle = 77;
    round_trip(free);
    Phase1Open open;
    open.section = "192.0.2.2[500]";
    open.initiator = true;
    open.local = {ip("192.0.2.1"), 500};
    open.peer = {ip("192.0.2.2"), 4500};
    round_trip(open);
    Phase1Open::Reply opened;
    opened.use = 1;
    opened.nonce = Bytes(16, 9);
    round_trip(opened);
    Phase1Skeyid skeyid;
    skeyid.use = 1;
    skeyid.hash = "sha256";
    skeyid.peer_nonce = Bytes(20, 1);
    skeyid.peer_id.type = 2;
    skeyid.peer_id.data = Bytes(5, 'a');
    round_trip(skeyid);
    Phase1Skeyid::Reply key;
    key.skeyid = Secret(Bytes(32, 2));
    round_trip(key);
    Phase1Close close;
    close.use = 1;
    round_trip(close);
    Phase1Rebind rebind;
    rebind.use = 1;
    rebind.generation = 7;
    rebind.section = "hq";
    round_trip(rebind);
    Resolve resolve;
    resolve.generation = 7;
    resolve.section = "hq";
    resolve.again = true;
    round_trip(resolve);
    SpiGet spi;
    spi.use = 1;
    spi.policy = PolicyId{1};
    spi.local = ip("192.0.2.1");
    spi.peer = ip("192.0.2.2");
    spi.acquire_token = 99;
    round_trip(spi);
    SpiGet::Reply got;
    got.spi = Spi{256};
    round_trip(got);
    round_trip(sample_install());
    SaDelete del;
    del.spi = Spi{256};
    del.src = ip("192.0.2.1");
    del.dst = ip("192.0.2.2");
    round_trip(del);
    PolicyMake make;
    make.use = 3;
    make.selector = sample_install().selector;
    make.rules = {{108, true}, {50, false}, {51, false}};
    make.marks.if_id = 7;
    round_trip(make);
    PolicyMake::Reply number;
    number.policy = PolicyId{0x40000002};
    number.reqid = ReqId{7};
    round_trip(number);
    PolicyUse use;
    use.policy = PolicyId{0x40000002};
    use.seconds = 3600;
    round_trip(use);
    PolicyDrop drop;
    drop.policy = PolicyId{0x40000002};
    round_trip(drop);
    SaQuery query;
    query.spi = Spi{256};
    query.src = del.src;
    query.dst = del.dst;
    round_trip(query);
    SaQuery::Reply info;
    info.state = 1;
    info.bytes = 1;
    info.idle_ns = -1;
    round_trip(info);
    AcquireDone done;
    done.acquire_token = 1;
    done.success = true;
    round_trip(done);
    KernelEvent event;
    event.type = RACOON_KERNEL_ACQUIRE;
    event.src = {ip("192.0.2.1"), 1025};
    event.dst = {ip("2001:db8::2"), 0};
    round_trip(event);
    KernelCapabilities caps;
    caps.backend = "xfrm";
    caps.flags = 5;
    caps.lacks = {{50, false, "blowfish"}, {51, true, "aes_128_gmac"}};
    round_trip(caps);
}

TEST(Operations, ValuesOutsideTheirBoundsAreRefused) {
    DhFree free;  // handle 0
    EXPECT_FALSE(decode<DhFree>(encode(free)));
    Phase1Open open;
    open.nonce_size = 7;
    EXPECT_FALSE(decode<Phase1Open>(encode(open)));
    open.nonce_size = 257;
    EXPECT_FALSE(decode<Phase1Open>(encode(open)));
    open.nonce_size = 16;
    open.exchange_type = 5;
    EXPECT_FALSE(decode<Phase1Open>(encode(open)));
    open.exchange_type = 2;
    open.section = std::string(256, 'x');
    EXPECT_FALSE(decode<Phase1Open>(encode(open)));
    open.section = "a\nb";
    EXPECT_FALSE(decode<Phase1Open>(encode(open)));
    Phase1Skeyid skeyid;
    skeyid.use = 1;
    skeyid.peer_nonce = Bytes(7, 1);
    EXPECT_FALSE(decode<Phase1Skeyid>(encode(skeyid)));
    PolicyMake none;
    none.use = 1;
    EXPECT_FALSE(decode<PolicyMake>(encode(none))) << "no rules";
    none.rules.assign(4, {50, true});
    EXPECT_FALSE(decode<PolicyMake>(encode(none)));
    SaInstall install = sample_install();
    install.spi = Spi{0};
    EXPECT_FALSE(decode<SaInstall>(encode(install)));
    install = sample_install();
    install.protocol = 6;
    EXPECT_FALSE(decode<SaInstall>(encode(install)));
    install = sample_install();
    install.encryption_key = Secret(Bytes(257, 0));
    EXPECT_FALSE(decode<SaInstall>(encode(install)));
    install = sample_install();
    install.marks.mark.value = 0x100;
    EXPECT_FALSE(decode<SaInstall>(encode(install))) << "no packet can have such a mark";
}

}  // namespace
}  // namespace racoon::exchange
