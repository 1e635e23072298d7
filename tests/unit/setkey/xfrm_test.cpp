// Messages of PF_KEY as netlink, and the kernel's netlink as messages of PF_KEY.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "setkey/print.hpp"
#include "setkey/requests.hpp"
#include "setkey/script.hpp"
#include "setkey/xfrm_algorithms.hpp"
#include "setkey/xfrm_answers.hpp"
#include "setkey/xfrm_requests.hpp"

namespace racoon::setkey {
namespace {

using namespace pfkey;

constexpr const char* kKey = "0x000102030405060708090a0b0c0d0e0f";

std::vector<pfkey::Message> asked(const std::string& text) {
    std::vector<pfkey::Message> out;
    const ScriptResult result =
        run_script(text, {"s"}, nullptr, false, [&](const Command& c, const conf::Location&) {
            for (pfkey::Message& m : requests_of(c, linux_dialect(), false))
                out.push_back(std::move(m));
        });
    for (const std::string& m : result.messages) ADD_FAILURE() << m;
    return out;
}

XfrmRequest requested(const pfkey::Message& m) {
    std::uint32_t next = 16384;
    return xfrm_request(m, [&] { return next++; });
}

std::optional<Told> read(xfrm::Request& request, std::int64_t now = 0) {
    std::optional<Told> out;
    xfrm::split_datagram(request.bytes(), [&](const xfrm::Message& m) {
        out = xfrm_told(m, now);
        return true;
    });
    return out;
}

/// What the kernel would tell of it.
std::optional<Told> there_and_back(const std::string& command) {
    XfrmRequest request = requested(asked(command).at(0));
    EXPECT_EQ(request.error, 0) << command;
    if (!request.request) return {};
    return read(*request.request);
}

std::string line(const std::string& text, std::size_t number) {
    std::size_t at = 0;
    for (; number > 0; --number) at = text.find('\n', at) + 1;
    return text.substr(at, text.find('\n', at) - at);
}

TEST(SetkeyXfrm, AnSaIsReadAsItWasWritten) {
    const std::string command =
        std::string(
            "add 192.0.2.1[4500] 192.0.2.2[61000] esp-udp 192.0.2.9 0x10001 -m tunnel -r 4 -u 100 "
            "-lh 3600 -ls 2880 -bh 9 -bs 8 -ctx 1 1 \"label\" -E aes-cbc ") +
        kKey + " -A hmac-sha256 " + kKey + std::string(kKey).substr(2) + ";";
    const pfkey::Message m = asked(command).at(0);
    const auto told = there_and_back(command);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->type, kAdd);
    EXPECT_EQ(told->satype, kSaEsp);
    EXPECT_EQ(told->sa->spi, 0x10001u);
    EXPECT_EQ(told->sa->replay, 4);
    EXPECT_EQ(told->sa->encrypt, m.sa->encrypt);
    EXPECT_EQ(told->sa->auth, m.sa->auth);
    EXPECT_EQ(told->sa->state, kMature);
    EXPECT_EQ(told->encrypt_key, m.encrypt_key);
    EXPECT_EQ(told->auth_key, m.auth_key);
    EXPECT_EQ(told->hard, m.hard);
    EXPECT_EQ(told->soft, m.soft);
    EXPECT_EQ(told->label, m.label);
    EXPECT_EQ(told->sa2, (Sa2{kModeTunnel, 0, 100}));
    EXPECT_EQ(told->natt_type, 2);
    EXPECT_EQ(told->natt_sport, 4500);
    EXPECT_EQ(told->natt_dport, 61000);
    ASSERT_TRUE(told->oai);
    EXPECT_TRUE(told->beyond.empty());
    const std::string text = print_sa(*told, {});
    EXPECT_EQ(line(text, 0), "192.0.2.1[4500] 192.0.2.2[61000] ");
    EXPECT_EQ(line(text, 2), "\tNAT OA=192.0.2.9");
    EXPECT_EQ(line(text, 3), "\tE: aes-cbc  00010203 04050607 08090a0b 0c0d0e0f");
    EXPECT_EQ(line(text, 4).substr(0, 24), "\tA: hmac-sha256  0001020");
}

// Both tables together: each word that Linux has goes to its kernel's name and comes back as itself.
TEST(SetkeyXfrm, EveryAlgorithmOfSetkeysComesBackAsItself) {
    int seen = 0;
    for (int number = 1; number < 256; ++number)
        for (const auto kind : {AlgorithmKind::Encryption, AlgorithmKind::Authentication,
                                AlgorithmKind::Compression}) {
            const auto n = static_cast<std::uint8_t>(number);
            const XfrmName* const there = find_xfrm_name(kind, n);
            const Algorithm* const word = find_algorithm(kind, n, 0);
            if (there == nullptr) continue;
            ++seen;
            const XfrmName* const back = find_xfrm_name(kind, there->name, there->icv_bits);
            ASSERT_NE(back, nullptr);
            EXPECT_EQ(back->number, n) << there->name;
            EXPECT_TRUE(word != nullptr || !there->shown.empty())
                << there->name << " has no name that a user knows";
        }
    EXPECT_GT(seen, 25);
}

TEST(SetkeyXfrm, APolicyIsReadAsItWasWritten) {
    for (const std::string text :
         {"192.168.1.0/24[any] 192.168.2.1[80] tcp\n\tin prio high - 5 ipsec\n"
          "\tesp/tunnel/192.0.2.1-192.0.2.2/unique:7\n\tah/transport//require\n",
          "10.0.0.0/8[any] 10.1.0.1[any] icmp 8,0\n\tout prio def discard\n",
          "::/0[any] fd00::/8[any] icmp6 135,0\n\tfwd prio def + 77 none\n",
          "10.0.0.1[any] 10.1.0.1[any] gre 1.2.3.4\n\tout prio low + 1 none\n",
          "10.0.0.1[500] 10.1.0.1[any] udp\n\tout prio def ipsec\n\tipcomp/transport//use\n"
          "\tesp/tunnel/fd00::1-fd00::2/unique#16384\n"}) {
        std::string command = text;
        for (const auto& [from, to] :
             std::vector<std::pair<std::string, std::string>>{{"/unique#16384", "/unique"},
                                                              {"\n\tin", " -P in"},
                                                              {"\n\tout", " -P out"},
                                                              {"\n\tfwd", " -P fwd"},
                                                              {"\n\t", " "}}) {
            for (std::size_t at; (at = command.find(from)) != std::string::npos;)
                command.replace(at, from.size(), to);
        }
        const auto told = there_and_back("spdadd " + command + ";");
        ASSERT_TRUE(told) << command;
        EXPECT_EQ(told->type, kSpdAdd);
        EXPECT_EQ(print_policy(*told, {}).substr(0, text.size()), text) << command;
        EXPECT_TRUE(told->beyond.empty()) << told->beyond.front();
    }
}

TEST(SetkeyXfrm, WhatPfKeyRefusesIsRefusedWithItsErrno) {
    const auto error = [](const std::string& command) {
        return requested(asked(command).at(0)).error;
    };
    EXPECT_EQ(error(std::string("add ::1 ::2 ah 300 -A keyed-md5 ") + kKey + ";"), ENOSYS);
    EXPECT_EQ(error("add ::1 ::2 ipcomp 300 -C oui;"), ENOSYS);
    EXPECT_EQ(error("add ::1 ::2 tcp 0x1000 -A tcp-md5 \"secret\";"), EINVAL);
    EXPECT_EQ(error("spdadd ::1 ::2 any -P out bypass;"), EINVAL);
    EXPECT_EQ(error("spdadd tagged \"x\" -P out none;"), EINVAL);
    pfkey::Message none;
    none.type = kRegister;
    none.satype = kSaEsp;
    EXPECT_EQ(requested(none).error, EOPNOTSUPP);
    none.type = kGet;
    EXPECT_EQ(requested(none).error, EINVAL) << "an SA without a name";
}

TEST(SetkeyXfrm, AKernelsHashLengthsArePfKeys) {
    xfrm::Request request = *requested(asked(std::string("add ::1 ::2 ah 300 -A hmac-sha256 ") +
                                             kKey + std::string(kKey).substr(2) + ";")
                                           .at(0))
                                 .request;
    xfrm::split_datagram(request.bytes(), [](const xfrm::Message& m) {
        constexpr std::size_t kSkip = sizeof(xfrm_usersa_info);
        EXPECT_TRUE(xfrm::find_attribute(m, kSkip, XFRMA_ALG_AUTH_TRUNC).empty())
            << "the kernel cuts";
        EXPECT_FALSE(xfrm::find_attribute(m, kSkip, XFRMA_ALG_AUTH).empty());
        return true;
    });
}

struct KernelSa : ::testing::Test {
    KernelSa() {
        info.family = info.sel.family = AF_INET;
        const racoon_addr src{4, 0, 0, 0, {192, 0, 2, 1}}, dst{4, 0, 0, 0, {192, 0, 2, 2}};
        xfrm::put_address(&info.saddr, src);
        xfrm::put_address(&info.id.daddr, dst);
        info.id.spi = htonl(0x1001);
        info.id.proto = IPPROTO_ESP;
        info.lft = xfrm::no_limits();
    }
    xfrm::Request request(std::uint16_t type = XFRM_MSG_NEWSA) const {
        return xfrm::Request(type, 0, &info, sizeof(info));
    }
    xfrm_usersa_info info{};
    std::vector<std::uint8_t> key = std::vector<std::uint8_t>(20, 0xaa);
};

TEST_F(KernelSa, WithoutAnAlgorithmIsLarval) {
    xfrm::Request bare = request();
    const auto told = read(bare);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->sa->state, kLarval);
}

TEST_F(KernelSa, IsDyingBehindItsSoftLifetime) {
    info.lft.soft_add_expires_seconds = 100;
    info.curlft.add_time = 1000;
    xfrm::Request r = request();
    xfrm::put_algorithm(r, XFRMA_ALG_CRYPT, "cbc(aes)", key, 0);
    EXPECT_EQ(read(r, 1099)->sa->state, kMature);
    EXPECT_EQ(read(r, 1100)->sa->state, kDying);
    info.lft = xfrm::no_limits();
    info.lft.soft_byte_limit = info.curlft.bytes = 5000;
    xfrm::Request bytes = request();
    xfrm::put_algorithm(bytes, XFRMA_ALG_CRYPT, "cbc(aes)", key, 0);
    EXPECT_EQ(read(bytes, 1001)->sa->state, kDying);
}

TEST_F(KernelSa, ShowsWhatPfKeyHasNoWordsFor) {
    info.flags = XFRM_STATE_ESN | XFRM_STATE_NOPMTUDISC | XFRM_STATE_AF_UNSPEC;
    xfrm::Request r = request();
    xfrm::put_algorithm(r, XFRMA_ALG_AEAD, "rfc4106(gcm(aes))", key, 96);
    xfrm::put_window(r, 1024, 0);
    xfrm::put_marks(r, {0x5, 0xff}, 7);
    const auto told = read(r);
    ASSERT_TRUE(told);
    const std::string text = print_sa(*told, {});
    EXPECT_NE(text.find("\tE: aes-gcm-12  aaaaaaaa "), std::string::npos) << text;
    EXPECT_NE(text.find(" replay=1024 flags=0x20000000 state=mature\n"), std::string::npos) << text;
    EXPECT_NE(text.find("\tbeyond PF_KEY: esn mark=0x5/0xff if_id=0x7\n"), std::string::npos)
        << text;
    EXPECT_EQ(text.find("\tA: "), std::string::npos) << "it authenticates by itself";
}

TEST_F(KernelSa, NamesAlgorithmsAsTheirUsersDo) {
    const auto names = [&](std::uint16_t type, const char* name, std::uint32_t icv) {
        xfrm::Request r = request();
        xfrm::put_algorithm(r, type, name, key, icv);
        const auto told = read(r);
        const std::string text = told ? print_sa(*told, {}) : "";
        for (const char* letter : {"\tE: ", "\tA: "})
            if (const std::size_t at = text.find(letter); at != std::string::npos)
                return text.substr(at + 1, text.find("  ", at) - at - 1);
        return std::string();
    };
    EXPECT_EQ(names(XFRMA_ALG_AUTH_TRUNC, "hmac(sha256)", 96), "A: hmac-sha256");
    EXPECT_EQ(names(XFRMA_ALG_AUTH_TRUNC, "hmac(sha256)", 128), "A: hmac-sha256-128");
    EXPECT_EQ(names(XFRMA_ALG_AUTH, "hmac(sha256)", 0), "A: hmac-sha256");
    EXPECT_EQ(names(XFRMA_ALG_AUTH_TRUNC, "cmac(aes)", 96), "A: aes-cmac");
    EXPECT_EQ(names(XFRMA_ALG_AUTH_TRUNC, "vmac(new)", 64), "A: vmac(new)-64");
    EXPECT_EQ(names(XFRMA_ALG_AEAD, "rfc7539esp(chacha20,poly1305)", 128), "E: chacha20-poly1305");
    EXPECT_EQ(names(XFRMA_ALG_AEAD, "rfc4543(gcm(aes))", 128), "E: aes-gmac");
    EXPECT_EQ(names(XFRMA_ALG_CRYPT, "cbc(serpent)", 0), "E: serpent-cbc");
    EXPECT_EQ(names(XFRMA_ALG_CRYPT, "xts(new)", 0), "E: xts(new)");
}

TEST_F(KernelSa, ThatGoesIsToldWhole) {
    xfrm_usersa_id id{};
    id.daddr = info.id.daddr;
    id.spi = info.id.spi;
    id.family = AF_INET;
    id.proto = IPPROTO_ESP;
    xfrm::Request bare(XFRM_MSG_DELSA, 0, &id, sizeof(id));
    auto told = read(bare);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->type, kDelete);
    EXPECT_EQ(told->sa->spi, 0x1001u);
    xfrm::Request whole(XFRM_MSG_DELSA, 0, &id, sizeof(id));
    whole.attribute(XFRMA_SA, &info, sizeof(info));
    xfrm::put_algorithm(whole, XFRMA_ALG_CRYPT, "cbc(aes)", key, 0);
    told = read(whole);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->type, kDelete);
    EXPECT_TRUE(told->src);
    EXPECT_EQ(told->sa->encrypt, 12);
    EXPECT_EQ(told->sa->state, kDead);
}

TEST_F(KernelSa, CutShortAnywhereIsNoSaOrLess) {
    xfrm::Request r = request();
    xfrm::put_algorithm(r, XFRMA_ALG_AEAD, "rfc4106(gcm(aes))", key, 128);
    xfrm::put_window(r, 64, 0);
    xfrm::put_marks(r, {1, 1}, 1);
    const std::vector<std::uint8_t> whole = r.bytes();
    for (std::size_t size = sizeof(nlmsghdr); size < whole.size(); ++size) {
        // On the heap, and of this size: reading further would be seen.
        const std::vector<std::uint8_t> body(whole.begin() + sizeof(nlmsghdr),
                                             whole.begin() + static_cast<std::ptrdiff_t>(size));
        const auto told = xfrm_told({XFRM_MSG_NEWSA, 1, 1, body}, 0);
        EXPECT_EQ(told.has_value(), body.size() >= sizeof(xfrm_usersa_info)) << size;
        if (told && told->encrypt_key) {
            EXPECT_EQ(told->encrypt_key->bytes, key);
        }
    }
}

TEST(SetkeyXfrm, AnSaWithAMarkIsNamedWithIt) {
    const pfkey::Message m = asked("delete ::1 ::2 esp 300;").at(0);
    xfrm::Request request = xfrm_name_sa(m, {0x5, 0xff});
    xfrm::split_datagram(request.bytes(), [](const xfrm::Message& got) {
        EXPECT_EQ(got.type, XFRM_MSG_DELSA);
        EXPECT_EQ(xfrm::take_marks(got, sizeof(xfrm_usersa_id)).mark.value, 0x5u);
        return true;
    });
}

TEST(SetkeyXfrm, IsTriedBeforePfKey) {
    const std::vector<std::string_view> words = stack_words();
    const auto xfrm = std::find(words.begin(), words.end(), "xfrm");
    EXPECT_NE(xfrm, words.end());
    EXPECT_LT(xfrm, std::find(words.begin(), words.end(), "pfkey"));
}

TEST(SetkeyXfrm, AnAcquireTellsThePacketThatAskedForIt) {
    xfrm_user_acquire acquire{};
    acquire.id.proto = IPPROTO_AH;
    acquire.sel.family = AF_INET6;
    acquire.sel.prefixlen_s = acquire.sel.prefixlen_d = 128;
    acquire.sel.proto = 6;
    acquire.sel.dport = htons(80);
    acquire.sel.dport_mask = 0xffff;
    acquire.policy.index = 9;
    xfrm_user_tmpl rule{};
    rule.family = AF_INET;
    rule.mode = XFRM_MODE_TUNNEL;
    rule.id.proto = IPPROTO_AH;
    xfrm::Request request(XFRM_MSG_ACQUIRE, 0, &acquire, sizeof(acquire));
    request.attribute(XFRMA_TMPL, &rule, sizeof(rule));
    const auto told = read(request);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->satype, kSaAh);
    EXPECT_EQ(told->src->addr.family, 4) << "the tunnel's";
    EXPECT_EQ(told->policy()->id, 9u);
    ASSERT_EQ(told->beyond.size(), 1u);
    EXPECT_EQ(told->beyond[0], "selector=::-::[80]/6");
}

}  // namespace
}  // namespace racoon::setkey
