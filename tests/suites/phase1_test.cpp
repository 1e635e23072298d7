// Phase 1 with every cipher, key length, hash and group of the modules: two engines that use the real
// tables, so that what is sent is what a peer of another make would have to read.
#include "suites/modules.hpp"

#include <gmock/gmock.h>

#include "exchange/crypto.hpp"
#include "exchange/key_material.hpp"
#include "exchange/phase1_offer.hpp"

namespace racoon::test {
namespace {

using namespace std::chrono_literals;

/// Diffie-Hellman and SKEYID with the tables of the modules.
class RealCrypto {
  public:
    RealCrypto(const conf::GroupInfo& group, const conf::HashInfo& hash, Bytes psk)
        : group_(group), hash_(hash), psk_(std::move(psk)) {}
    ~RealCrypto() {
        for (const auto& [handle, key] : keys_) group_.table->free(group_.impl, key);
    }

    std::optional<Result<Bytes>> answer(const exchange::Operation& op, sim::SimHost& host) {
        using namespace exchange;
        switch (op.kind) {
            case OpKind::DhGenerate: {
                DhGenerate::Reply out;
                out.handle = ++last_;
                out.public_value.resize(group_.public_size);
                void* key = nullptr;
                if (group_.table->generate(group_.impl, out.public_value.data(), &key) != RACOON_OK)
                    return Result<Bytes>(fail(Errc::Crypto, "no key pair"));
                keys_[out.handle] = key;
                host.dh_keys.insert(out.handle);
                return Result<Bytes>(encode(out));
            }
            case OpKind::DhCompute: {
                auto r = decode<DhCompute>(op.request);
                DhCompute::Reply out;
                out.shared = Secret(group_.secret_size);
                if (!r || !keys_.contains(r->handle) ||
                    group_.table->compute(group_.impl, keys_[r->handle],
                                          {r->peer_public.data(), r->peer_public.size()},
                                          out.shared.span().data()) != RACOON_OK)
                    return Result<Bytes>(fail(Errc::Crypto, "public value refused"));
                return Result<Bytes>(encode(out));
            }
            case OpKind::DhFree: {
                auto r = decode<DhFree>(op.request);
                if (!r || !keys_.contains(r->handle)) return std::nullopt;
                group_.table->free(group_.impl, keys_[r->handle]);
                keys_.erase(r->handle);
                host.dh_keys.erase(r->handle);
                return Result<Bytes>(Bytes{});
            }
            case OpKind::Phase1Open: {
                auto r = decode<Phase1Open>(op.request);
                Phase1Open::Reply out;
                out.use = ++last_;
                out.nonce.resize(r->nonce_size);
                host.random(out.nonce);
                host.uses.insert(out.use);
                opened_[out.use] = {r->initiator, out.nonce};
                return Result<Bytes>(encode(out));
            }
            case OpKind::Phase1Skeyid: {
                auto r = decode<Phase1Skeyid>(op.request);
                const auto& [initiator, nonce] = opened_[r->use];
                Bytes nonces = initiator ? nonce : r->peer_nonce;
                append(nonces, initiator ? r->peer_nonce : nonce);
                auto skeyid = exchange::prf(hash_, psk_, {nonces});
                if (!skeyid) return Result<Bytes>(fail(skeyid.error()));
                Phase1Skeyid::Reply out;
                out.skeyid = std::move(*skeyid);
                return Result<Bytes>(encode(out));
            }
            default:
                return std::nullopt;
        }
    }

  private:
    const conf::GroupInfo& group_;
    const conf::HashInfo& hash_;
    Bytes psk_;
    std::uint64_t last_ = 0;
    std::map<std::uint64_t, void*> keys_;
    std::map<std::uint64_t, std::pair<bool, Bytes>> opened_;
};

class Phase1Suites : public testing::Test {
  protected:
    void SetUp() override { ASSERT_TRUE(modules_.loaded()); }

    struct Suite {
        const conf::CipherInfo* cipher;
        std::uint16_t key_bits;
        const conf::HashInfo* hash;
        const conf::GroupInfo* group;
        bool pfs = false;
    };
    conf::ConfigPtr config(const char* local, const char* peer, const Suite& s) {
        auto made = std::make_shared<conf::Config>(
            *sim::make_config(sim::ip(local), sim::ip(peer), sim::ConfigOptions{}));
        conf::Phase1Proposal& p = made->remotes[0].proposals[0];
        p.cipher = s.cipher;
        p.key_bits = s.cipher->key.fixed() ? std::uint16_t{0} : s.key_bits;
        p.hash = s.hash;
        p.group = s.group;
        if (s.pfs) made->sainfos[0].pfs_group = s.group;
        return made;
    }
    void negotiate(const Suite& s) {
        sim::World w(1, config("192.0.2.1", "192.0.2.2", s), config("192.0.2.2", "192.0.2.1", s));
        RealCrypto a(*s.group, *s.hash, {1, 2, 3}), b(*s.group, *s.hash, {1, 2, 3});
        w.a->answer_instead = [&](const exchange::Operation& op) { return a.answer(op, *w.a); };
        w.b->answer_instead = [&](const exchange::Operation& op) { return b.answer(op, *w.b); };
        w.acquire(*w.a);
        w.run_for(2s);
        EXPECT_EQ(w.compare(), "");
        EXPECT_EQ(w.pairs(*w.a), 1u);
        EXPECT_EQ(w.pairs(*w.b), 1u);
        const auto status = w.b->engine->phase1_status(w.now);
        ASSERT_EQ(status.size(), 1u);
        EXPECT_EQ(status[0].cipher, s.cipher->name);
        EXPECT_EQ(status[0].key_bits, s.key_bits);
        EXPECT_EQ(w.end_and_find_leaks(), "");
    }
    const conf::Catalog& catalog() { return modules_.catalog(); }

    Modules modules_;
};

TEST_F(Phase1Suites, EveryCipherInEveryKeyLengthWithEveryHash) {
    const auto ciphers = each_of(catalog(), conf::Kind::Cipher,
                                 [&](std::string_view n) { return catalog().cipher(n); });
    const auto hashes =
        each_of(catalog(), conf::Kind::Hash, [&](std::string_view n) { return catalog().hash(n); });
    EXPECT_GE(ciphers.size(), 6u);
    EXPECT_EQ(hashes.size(), 5u);
    const auto* group = catalog().group("ecp256");
    for (const auto& [name, cipher] : ciphers)
        for (const std::uint16_t bits : lengths_of(cipher->key))
            for (const auto& [hash_name, hash] : hashes) {
                // All hashes with the ends of a long range: a key shorter and one longer than each.
                const bool edge = bits == cipher->key.min || bits == cipher->key.max;
                if (!edge && hash_name != "sha1") continue;
                SCOPED_TRACE(name + " " + std::to_string(bits) + " " + hash_name);
                negotiate({cipher, bits, hash, group});
            }
}

TEST_F(Phase1Suites, EveryGroupInPhase1AndForPfs) {
    const auto groups = each_of(catalog(), conf::Kind::Group,
                                [&](std::string_view n) { return catalog().group(n); });
    EXPECT_EQ(groups.size(), 19u);
    for (const auto& [name, group] : groups) {
        if (name == "modp6144" || name == "modp8192") continue;  // as modp4096, and seconds each
        SCOPED_TRACE(name);
        negotiate({catalog().cipher("aes"), 128, catalog().hash("sha256"), group, true});
    }
}

// RFC 2409 appendix B: K1 = prf(SKEYID_e, 0), Kn = prf(SKEYID_e, Kn-1), cut to what the cipher takes.
TEST_F(Phase1Suites, KeysLongerThanThePrfAreStretched) {
    const auto* sha1 = catalog().hash("sha1");
    const Bytes skeyid_e(20, 0x5a);
    auto whole = exchange::expand_key(*sha1, skeyid_e, 56);
    ASSERT_TRUE(whole);
    Bytes expected;
    Bytes last{0};
    while (expected.size() < 56) {
        auto block = exchange::prf(*sha1, skeyid_e, {last});
        ASSERT_TRUE(block);
        last = to_bytes(block->view());
        append(expected, last);
    }
    expected.resize(56);
    EXPECT_EQ(to_bytes(whole->view()), expected);
    auto same = exchange::expand_key(*sha1, skeyid_e, 20);
    ASSERT_TRUE(same);
    EXPECT_EQ(to_bytes(same->view()), skeyid_e) << "long enough as it is";
    auto shorter = exchange::expand_key(*sha1, skeyid_e, 5);
    ASSERT_TRUE(shorter);
    EXPECT_EQ(to_bytes(shorter->view()), Bytes(5, 0x5a));
}

class PeersKeyLength : public Phase1Suites {
  protected:
    /// Why the responder refuses these transforms; its one proposal is `ours`.
    std::string refusal(const Suite& ours, const std::vector<isakmp::Phase1Transform>& theirs,
                        conf::ProposalCheck check = conf::ProposalCheck::Strict) {
        auto made = std::make_shared<conf::Config>(*config("192.0.2.2", "192.0.2.1", ours));
        made->remotes[0].proposal_check = check;
        const conf::SectionIndex index(*made);
        const Bytes body = isakmp::build_phase1_sa(theirs);
        const isakmp::Payload payload{isakmp::PayloadType::SecurityAssociation, body, body, 28};
        auto offer = isakmp::SaPayload::parse(payload);
        if (!offer) return offer.error().text();
        exchange::Phase1Offer ask;
        ask.peer = sim::ip("192.0.2.1");
        ask.sa = &*offer;
        auto choice = exchange::choose_phase1(index, ask);
        return choice ? "accepted" : choice.error().text();
    }
    isakmp::Phase1Transform transform(const Suite& s, std::uint16_t bits) {
        isakmp::Phase1Transform t;
        t.encryption = static_cast<isakmp::Encryption>(s.cipher->ike_id);
        t.key_length = bits;
        t.hash = static_cast<isakmp::HashAlgorithm>(s.hash->ike_id);
        t.auth_method = static_cast<isakmp::AuthMethod>(1);
        t.group = static_cast<isakmp::DhGroup>(s.group->number);
        t.life.seconds = 600;
        return t;
    }
    /// What we make of a transform with that cipher and Key Length (0: without); nothing: refused.
    std::optional<std::uint16_t> chosen(const conf::CipherInfo* cipher, std::uint16_t ours,
                                        std::uint16_t theirs, conf::ProposalCheck check) {
        const Suite s{cipher, ours, catalog().hash("sha1"), catalog().group("modp2048")};
        auto made = std::make_shared<conf::Config>(*config("192.0.2.2", "192.0.2.1", s));
        made->remotes[0].proposal_check = check;
        const conf::SectionIndex index(*made);
        isakmp::Phase1Transform t;
        t.encryption = static_cast<isakmp::Encryption>(cipher->ike_id);
        t.key_length = theirs;
        t.hash = static_cast<isakmp::HashAlgorithm>(s.hash->ike_id);
        t.auth_method = static_cast<isakmp::AuthMethod>(1);
        t.group = static_cast<isakmp::DhGroup>(s.group->number);
        t.life.seconds = static_cast<std::uint64_t>(made->remotes[0].proposals[0].lifetime.count());
        const Bytes body = isakmp::build_phase1_sa({&t, 1});
        const isakmp::Payload payload{isakmp::PayloadType::SecurityAssociation, body, body, 28};
        auto offer = isakmp::SaPayload::parse(payload);
        if (!offer) {
            ADD_FAILURE() << offer.error().text();
            return {};
        }
        exchange::Phase1Offer ask;
        ask.peer = sim::ip("192.0.2.1");
        ask.sa = &*offer;
        auto choice = exchange::choose_phase1(index, ask);
        if (!choice) return {};
        return choice->params.key_bits;
    }
};

TEST_F(PeersKeyLength, ARefusalTellsWhatWasOfferedAndWhatIsWanted) {
    using ::testing::EndsWith;
    using ::testing::HasSubstr;
    const auto* aes = catalog().cipher("aes");
    const Suite ours{aes, 256, catalog().hash("sha256"), catalog().group("modp2048")};
    const Suite other{catalog().cipher("3des"), 0, catalog().hash("sha256"),
                      catalog().group("modp1024")};
    EXPECT_EQ(refusal(ours, {transform(ours, 256)}), "accepted");
    EXPECT_THAT(refusal(ours, {transform(other, 0)}),
                EndsWith("wants encryption_algorithm aes 256, dh_group modp2048"));
    EXPECT_THAT(refusal(ours, {transform(other, 0)}),
                HasSubstr("no suitable proposal found: offered 3DES-CBC"));
    EXPECT_THAT(refusal(ours, {transform(other, 0), transform(ours, 128)}),
                ::testing::AllOf(HasSubstr(" and 1 more; remote \""),
                                 EndsWith("wants encryption_algorithm aes 256")))
        << "of the nearest";
    auto longer = transform(ours, 256);
    longer.life.seconds = 10'000'000;
    EXPECT_THAT(refusal(ours, {longer}), HasSubstr("wants lifetime time "));
    const std::vector<isakmp::Phase1Transform> many(isakmp::kMaxTransforms, transform(other, 0));
    EXPECT_LT(refusal(ours, many).size(), 400u);
}

TEST_F(PeersKeyLength, AbsentMeans448ForBlowfish128ForCastAndIsRefusedForAes) {
    using conf::ProposalCheck;
    const auto* blowfish = catalog().cipher("blowfish");
    const auto* cast = catalog().cipher("cast128");
    for (const auto check : {ProposalCheck::Obey, ProposalCheck::Strict, ProposalCheck::Claim}) {
        EXPECT_EQ(chosen(blowfish, 128, 0, check), 448);
        EXPECT_EQ(chosen(cast, 128, 0, check), 128);
    }
    EXPECT_EQ(chosen(blowfish, 128, 0, ProposalCheck::Exact), std::nullopt);
    EXPECT_EQ(chosen(blowfish, 448, 0, ProposalCheck::Exact), 448);
    EXPECT_EQ(chosen(catalog().cipher("aes"), 128, 0, ProposalCheck::Obey), std::nullopt);
    EXPECT_EQ(chosen(catalog().cipher("camellia"), 128, 0, ProposalCheck::Obey), std::nullopt);
}

TEST_F(PeersKeyLength, IsTakenWhenTheCipherHasItAndRefusedBesideIt) {
    using conf::ProposalCheck;
    const auto ciphers = each_of(catalog(), conf::Kind::Cipher,
                                 [&](std::string_view n) { return catalog().cipher(n); });
    for (const auto& [name, cipher] : ciphers) {
        for (const std::uint16_t bits : lengths_of(cipher->key)) {
            SCOPED_TRACE(name + " " + std::to_string(bits));
            EXPECT_EQ(chosen(cipher, cipher->key.min, bits, ProposalCheck::Obey), bits);
            for (const int off : {-1, 1}) {
                const auto beside = static_cast<std::uint16_t>(bits + off);
                EXPECT_EQ(chosen(cipher, cipher->key.min, beside, ProposalCheck::Obey),
                          std::nullopt)
                    << beside;
            }
        }
        EXPECT_EQ(chosen(cipher, cipher->key.min, static_cast<std::uint16_t>(cipher->key.max + 8),
                         ProposalCheck::Obey),
                  std::nullopt);
    }
}

}  // namespace
}  // namespace racoon::test
