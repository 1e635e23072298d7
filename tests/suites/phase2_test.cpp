// Phase 2 with every (transform, key length, integrity) that the modules can name: what is offered, what
// is accepted, how much key material each takes, and what the keeper lets pass; and one step beside each.
#include "suites/modules.hpp"

#include "exchange/context.hpp"
#include "exchange/phase2_offer.hpp"
#include "privsep/rules.hpp"

namespace racoon::test {
namespace {

using exchange::Context;
using exchange::Phase2Choice;

struct Silent final : exchange::Output {
    void send(const exchange::Datagram&) override {}
    void start(exchange::Operation) override {}
    void cancel(OpToken) override {}
    void event(const exchange::Event&) override {}
    void random(std::span<std::uint8_t> out) override {
        std::fill(out.begin(), out.end(), std::uint8_t{1});
    }
};

/// Bytes of KEYMAT by the texts of the RFCs, apart from the manifests. Null: the pair may not be.
struct Expected {
    std::size_t encryption = 0, integrity = 0;
};
std::optional<Expected> expected_of(const std::string& enc, std::uint16_t bits,
                                    const std::string& mac) {
    static const std::map<std::string, std::size_t> macs = {
        {"hmac_md5", 16},    {"hmac_sha1", 20},     {"hmac_sha256", 32},  // RFC 2403, 2404, 4868
        {"hmac_sha384", 48}, {"hmac_sha512", 64},   {"aes_xcbc_mac", 16},
        {"non_auth", 0},     {"hmac_sha256_96", 32}};
    const bool aead = enc.rfind("aes_gcm", 0) == 0 || enc == "null_auth_aes_gmac";
    if (aead) return Expected{bits / 8u + 4u, 0};  // RFC 4106 8.1, 4543 5.3
    const auto found = macs.find(mac);
    if (found == macs.end()) return {};  // GMAC beside encryption
    if (mac == "non_auth" && (enc == "null_enc" || enc == "aes_ctr")) return {};
    return Expected{bits / 8u + (enc == "aes_ctr" ? 4u : 0u), found->second};  // RFC 3686 5.1
}

class Phase2Suites : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(modules_.loaded());
        template_.local = sim::ip("192.0.2.1");
        template_.remote = sim::ip("192.0.2.2");
        template_.reqid = ReqId{100};
    }
    conf::ConfigPtr config(const conf::SaInfo& info) {
        auto made = std::make_shared<conf::Config>(
            *sim::make_config(sim::ip("192.0.2.1"), sim::ip("192.0.2.2"), sim::ConfigOptions{}));
        made->sainfos = {info};
        made->policies[0].templates[0].protocol = template_.protocol;
        return made;
    }
    Context context(const conf::SaInfo& info) {
        return Context(std::make_shared<exchange::Settings>(config(info), 1), output_);
    }
    exchange::Phase2Rules rules(const conf::SaInfo& info) {
        templates_.assign(1, template_);
        return exchange::Phase2Rules{info, templates_};
    }
    Result<isakmp::Phase2Proposal> our_offer(const Context& ctx, const conf::SaInfo& info) {
        const exchange::Phase2Rules with = rules(info);
        auto sas = exchange::wanted_sas(with.templates);
        sas[0].spi_in = Spi{0x1000};
        auto offer = exchange::phase2_offer(ctx, with, sas);
        if (!offer) return fail(offer.error());
        EXPECT_EQ(offer->size(), 1u);
        return offer->front();
    }
    /// What a responder with that sainfo makes of one offered transform.
    std::optional<exchange::SaParams> choice(const conf::SaInfo& info,
                                             const isakmp::Phase2Transform& offered) {
        isakmp::Phase2Proposal proposal;
        proposal.protocol = exchange::wire_protocol(template_.protocol);
        proposal.spi = Spi{0x1000};
        proposal.transforms = {offered};
        const Bytes body = isakmp::build_phase2_sa({&proposal, 1});
        const isakmp::Payload payload{isakmp::PayloadType::SecurityAssociation, body, body, 28};
        auto sa = isakmp::SaPayload::parse(payload);
        if (!sa) {
            ADD_FAILURE() << sa.error().text();
            return {};
        }
        const Context ctx = context(info);
        auto chosen = exchange::choose_phase2(ctx, rules(info), conf::ProposalCheck::Obey,
                                              ctx.settings->groups, *sa);
        if (!chosen) return {};
        return chosen->params.sas[0];
    }
    Status keeper_says(const conf::SaInfo& info, const exchange::SaParams& p, std::size_t enc_bytes,
                       std::size_t mac_bytes) {
        const auto made = config(info);
        const privsep::Book book(made, 1);
        exchange::SaInstall r;
        r.policy = made->policies[0].id;
        r.protocol = template_.protocol;
        r.reqid = template_.reqid;
        r.spi = Spi{0x1000};
        r.local = template_.local;
        r.peer = template_.remote;
        r.selector = made->policies[0].selector;
        if (p.encryption != nullptr) r.encryption = p.encryption->name;
        r.key_bits = p.key_bits;
        r.encryption_key = Secret(enc_bytes);
        if (p.integrity != nullptr) r.integrity = p.integrity->name;
        r.integrity_key = Secret(mac_bytes);
        r.soft_seconds = 80;
        r.hard_seconds = 100;
        privsep::Phase1Facts facts;
        facts.section = &made->remotes[0];
        facts.local = Endpoint{template_.local, 500};
        facts.peer = Endpoint{template_.remote, 500};
        return book.check_sa_install(r, facts);
    }
    const conf::Catalog& catalog() { return modules_.catalog(); }
    auto encryptions() {
        return each_of(catalog(), conf::Kind::EspEncryption,
                       [&](std::string_view n) { return catalog().esp_encryption(n); });
    }
    auto integrities() {
        return each_of(catalog(), conf::Kind::EspIntegrity,
                       [&](std::string_view n) { return catalog().esp_integrity(n); });
    }

    Modules modules_;
    Silent output_;
    conf::PolicyTemplate template_;
    std::vector<conf::PolicyTemplate> templates_;
};

TEST_F(Phase2Suites, EveryTripleOfEspAndOneStepBesideEach) {
    std::size_t pairs = 0;
    std::size_t refused = 0;
    for (const auto& [enc_name, enc] : encryptions()) {
        for (const std::uint16_t bits : lengths_of(enc->key)) {
            for (const auto& [mac_name, mac] : integrities()) {
                SCOPED_TRACE(enc_name + " " + std::to_string(bits) + " " + mac_name);
                conf::SaInfo info;
                info.encryption = {{enc, enc->key.fixed() ? std::uint16_t{0} : bits}};
                info.integrity = {mac};
                const auto want = expected_of(enc_name, bits, mac_name);
                const Context ctx = context(info);
                const auto offer = our_offer(ctx, info);
                ASSERT_EQ(offer.has_value(), want.has_value());
                isakmp::Phase2Transform t;
                t.id = enc->esp_id;
                t.mode = isakmp::Encapsulation::Tunnel;
                if (enc->kind != conf::TransformKind::Aead)
                    t.integrity = static_cast<isakmp::Integrity>(mac->attribute);
                if (!enc->key.fixed()) t.key_length = bits;
                if (!want) {
                    EXPECT_FALSE(choice(info, t)) << "offered by a peer all the same";
                    ++refused;
                    continue;
                }
                ASSERT_EQ(offer->transforms.size(), 1u);
                EXPECT_EQ(offer->transforms[0].id, t.id);
                EXPECT_EQ(offer->transforms[0].key_length, t.key_length);
                EXPECT_EQ(offer->transforms[0].integrity, t.integrity);
                const auto got = choice(info, t);
                ASSERT_TRUE(got);
                EXPECT_EQ(got->encryption_key_bytes(), want->encryption);
                EXPECT_EQ(got->integrity_key_bytes(), want->integrity);
                EXPECT_GT(got->encryption_key_bytes() + got->integrity_key_bytes(), 0u)
                    << "no SA without a key";
                for (const int off : {-8, -1, 1, 8}) {
                    isakmp::Phase2Transform beside = t;
                    beside.key_length =
                        static_cast<std::uint16_t>((enc->key.fixed() ? enc->key.min : bits) + off);
                    if (enc->key.allows(beside.key_length) && !enc->key.fixed()) continue;
                    if (beside.key_length == 0) continue;
                    EXPECT_FALSE(choice(info, beside)) << beside.key_length << " bits";
                }
                for (const int off : {-1, 0, 1}) {
                    const auto moved = [&](std::size_t n) {
                        return static_cast<std::size_t>(static_cast<int>(n) + off);
                    };
                    if (want->encryption > 0) {
                        EXPECT_EQ(keeper_says(info, *got, moved(want->encryption), want->integrity)
                                      .has_value(),
                                  off == 0)
                            << off;
                    }
                    if (want->integrity > 0) {
                        EXPECT_EQ(keeper_says(info, *got, want->encryption, moved(want->integrity))
                                      .has_value(),
                                  off == 0)
                            << off;
                    }
                }
                ++pairs;
            }
        }
    }
    // 88 ciphers with their key lengths (12 of them AEADs) times 11 integrity algorithms, without the
    // three GMACs beside the 76 others, and without NULL and AES-CTR (in three lengths) beside non_auth.
    EXPECT_EQ(refused, 3u * 76u + 4u);
    EXPECT_EQ(pairs, 968u - refused);
    std::printf("%zu triples negotiated, %zu refused\n", pairs, refused);
}

TEST_F(Phase2Suites, AhHasGmacAndTheMacsAndNothingElse) {
    template_.protocol = RACOON_IPPROTO_AH;
    const std::map<std::string, std::pair<std::uint16_t, std::size_t>> wanted = {
        {"hmac_md5", {2, 16}},       {"hmac_sha1", {3, 20}},     {"hmac_sha256", {5, 32}},
        {"hmac_sha256_96", {5, 32}}, {"hmac_sha384", {6, 48}},   {"hmac_sha512", {7, 64}},
        {"aes_xcbc_mac", {9, 16}},   {"aes_128_gmac", {11, 20}}, {"aes_192_gmac", {12, 28}},
        {"aes_256_gmac", {13, 36}}};
    for (const auto& [name, mac] : integrities()) {
        SCOPED_TRACE(name);
        conf::SaInfo info;
        info.integrity = {mac};
        const Context ctx = context(info);
        const auto offer = our_offer(ctx, info);
        const auto want = wanted.find(name);
        ASSERT_EQ(offer.has_value(), want != wanted.end());
        if (want == wanted.end()) continue;
        const isakmp::Phase2Transform& t = offer->transforms[0];
        EXPECT_EQ(t.id, want->second.first);
        const auto got = choice(info, t);
        ASSERT_TRUE(got);
        EXPECT_EQ(got->integrity_key_bytes(), want->second.second);
        for (const int off : {-1, 0, 1})
            EXPECT_EQ(
                keeper_says(info, *got, 0,
                            static_cast<std::size_t>(static_cast<int>(want->second.second) + off))
                    .has_value(),
                off == 0);
    }
}

TEST_F(Phase2Suites, WhatTheBackendLacksIsNeitherOfferedNorAccepted) {
    conf::SaInfo info;
    info.encryption = {{catalog().esp_encryption("blowfish"), 128},
                       {catalog().esp_encryption("aes"), 128}};
    info.integrity = {catalog().esp_integrity("aes_xcbc_mac"),
                      catalog().esp_integrity("hmac_sha1")};
    Context ctx = context(info);
    ctx.caps_known = true;
    ctx.caps.flags = RACOON_CAP_AEAD | RACOON_CAP_TRUNC_128;
    ctx.caps.lacks = {{50, false, "blowfish"}, {50, true, "aes_xcbc_mac"}, {51, true, "hmac_sha1"}};
    auto offer = our_offer(ctx, info);
    ASSERT_TRUE(offer);
    ASSERT_EQ(offer->transforms.size(), 1u);
    EXPECT_EQ(offer->transforms[0].id, 12);
    EXPECT_EQ(static_cast<int>(offer->transforms[0].integrity), 2);

    ctx.caps.lacks.push_back({50, false, "aes"});
    offer = our_offer(ctx, info);
    ASSERT_FALSE(offer);
    EXPECT_NE(offer.error().text().find("can be done by the kernel backend"), std::string::npos)
        << offer.error().text();
}

// The registry of numbers: nothing of ours lies in the ranges for private use (RFC 2407 4.4.4, 4.5;
// RFC 2409 appendix A).
TEST_F(Phase2Suites, NoNumberIsPrivate) {
    for (const auto& [name, e] : encryptions()) EXPECT_LT(e->esp_id, 249) << name;
    for (const auto& [name, i] : integrities()) {
        EXPECT_LT(i->ah_id, 249) << name;
        EXPECT_LT(i->attribute, 61440) << name;
    }
    for (const std::string& word : catalog().names(conf::Kind::Cipher))
        EXPECT_LT(catalog().cipher(word)->ike_id, 65001) << word;
    for (const std::string& word : catalog().names(conf::Kind::Group))
        EXPECT_LT(catalog().group(word)->number, 32768) << word;
}

}  // namespace
}  // namespace racoon::test
