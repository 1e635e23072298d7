// setkey's requests to kernel-userspace, as its local socket takes them: the answers of a kernel, what the daemon hears
// of it, and bounds that nobody on the other end can get over.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>

#include <pfkey/message.hpp>
#include <racoon/kernel_backend.hpp>

#include "conformance.hpp"
#include "fake_host.hpp"
#include "netns.hpp"

namespace racoon::test {
namespace {

using namespace std::chrono_literals;
namespace pf = racoon::pfkey;
using pf::Message;

struct Client {
    int fd = -1;
    std::uint32_t sequence = 0;

    explicit Client(const std::string& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
        fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0)
            return;
        ::close(fd);
        fd = -1;
    }
    ~Client() {
        if (fd >= 0) ::close(fd);
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    bool send_bytes(const std::vector<std::uint8_t>& bytes) const {
        return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(bytes.size());
    }
    bool send(Message m) {
        m.seq = ++sequence;
        m.pid = 4711;
        return send_bytes(encode(m, pf::linux_dialect()));
    }
    /// Nothing: there is none. `gone`: the other end has closed it.
    std::optional<Message> receive(bool* gone = nullptr) const {
        std::vector<std::uint8_t> buffer(65536);
        const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (gone != nullptr) *gone = n == 0 || (n < 0 && errno != EAGAIN);
        if (n <= 0) return {};
        buffer.resize(static_cast<std::size_t>(n));
        auto m = pf::decode(buffer, pf::linux_dialect());
        EXPECT_TRUE(m) << "an answer that is no message";
        return m;
    }
};

pf::Address end(const std::string& text, std::uint8_t prefix = 32) {
    pf::Address a;
    a.addr = address(text);
    a.prefix = prefix;
    a.proto = 255;
    return a;
}

Message sa_message(std::uint8_t type, const std::string& src, const std::string& dst,
                   std::uint32_t spi) {
    Message m;
    m.type = type;
    m.satype = pf::kSaEsp;
    m.sa = pf::Sa{spi, 0, pf::kMature, 3, 12, 0, 0};
    m.sa2 = pf::Sa2{pf::kModeTunnel, 0, 7};
    m.src = end(src);
    m.dst = end(dst);
    if (type == pf::kAdd || type == pf::kUpdate) {
        m.encrypt_key = pf::Key{128, std::vector<std::uint8_t>(16, 0x5a)};
        m.auth_key = pf::Key{160, std::vector<std::uint8_t>(20, 0xa5)};
    }
    return m;
}

Message policy_message(std::uint8_t type, std::uint8_t direction, const std::string& remote,
                       std::uint8_t level = pf::kLevelUnique) {
    Message m;
    m.type = type;
    const bool out = direction == pf::kDirOut;
    m.src = out ? end("192.168.1.0", 24) : end(remote, 24);
    m.dst = out ? end(remote, 24) : end("192.168.1.0", 24);
    pf::Policy p;
    p.dir = direction;
    p.priority = 0x80000000;
    pf::Request r;
    r.mode = pf::kModeTunnel;
    r.level = level;
    r.src = address(out ? "10.9.0.1" : "10.9.0.2");
    r.dst = address(out ? "10.9.0.2" : "10.9.0.1");
    p.requests.push_back(r);
    m.policies.push_back(p);
    return m;
}

struct UserspaceSetkey : ::testing::Test {
    TwoHosts net;
    FakeHost a{FakeHost::Clock::Real};
    std::string folder, path;
    std::map<std::uint32_t, racoon_kernel_policy> told;  // the daemon, of policies of others
    std::set<std::uint32_t> gone;

    void SetUp() override {
        if (!net.problem().empty() || ::access("/dev/net/tun", R_OK | W_OK) != 0) {
            if (std::getenv("CI") != nullptr) FAIL() << net.problem() << " or no /dev/net/tun";
            GTEST_SKIP() << net.problem() << " or no /dev/net/tun";
        }
        char name[] = "/tmp/racoon-setkey-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        folder = name;
        path = folder + "/made/stack.sock";
        net.enter(0);
        a.set("socket", path);
        ASSERT_TRUE(a.load("kernel-userspace")) << a.error();
        start();
    }
    void TearDown() override {
        a.close();
        if (!folder.empty()) run("rm -rf " + folder);
    }
    void start() {
        ASSERT_TRUE(a.open()) << a.error();
        racoon_kernel_foreign listener{};
        listener.struct_size = sizeof listener;
        listener.arg = this;
        listener.policy = [](void* self, const racoon_kernel_policy* policy) noexcept {
            static_cast<UserspaceSetkey*>(self)->told[policy->id] = *policy;
        };
        listener.gone = [](void* self, std::uint32_t id) noexcept {
            static_cast<UserspaceSetkey*>(self)->told.erase(id);
            static_cast<UserspaceSetkey*>(self)->gone.insert(id);
        };
        ASSERT_EQ(a.table().watch_policies(a.impl(), &listener, a.err()), RACOON_OK) << a.error();
    }
    std::optional<Message> next(const Client& c) {
        std::optional<Message> got;
        a.run_until([&] { return (got = c.receive()).has_value(); }, 5s);
        return got;
    }
    /// The errno of its answer; -1: none came.
    int ask(Client& c, const Message& m) {
        if (!c.send(m)) return -1;
        const auto answer = next(c);
        if (!answer) return -1;
        EXPECT_EQ(answer->type, m.type);
        EXPECT_EQ(answer->seq, c.sequence);
        EXPECT_EQ(answer->pid, 4711u);
        return answer->error;
    }
    std::vector<Message> dump(Client& c, std::uint8_t type, std::uint8_t satype = 0) {
        Message m;
        m.type = type;
        m.satype = satype;
        std::vector<Message> all;
        if (!c.send(m)) return all;
        for (;;) {
            auto got = next(c);
            if (!got || got->error != 0) return all;
            all.push_back(std::move(*got));
            if (all.back().seq == 0) return all;
            EXPECT_EQ(all.back().seq, all.size());
        }
    }
    std::string rules() {
        std::string text;
        net.run_in(0, "ip rule | grep 'proto 114'", &text);
        net.enter(0);
        return text;
    }
};

TEST_F(UserspaceSetkey, IsForTheOwnerAloneAndGoesWithTheDaemon) {
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_TRUE(S_ISSOCK(info.st_mode));
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    a.close();
    EXPECT_NE(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(a.open_watches(), 0u);
}

TEST_F(UserspaceSetkey, ReplacesWhatACrashHasLeftAndNothingElse) {
    a.close();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    const int left = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
    ASSERT_EQ(::bind(left, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ::close(left);
    start();
    EXPECT_GE(Client(path).fd, 0);
    // Another daemon, of another network namespace but the same file system.
    net.enter(1);
    FakeHost second(FakeHost::Clock::Real);
    second.set("socket", path);
    ASSERT_TRUE(second.load("kernel-userspace"));
    ASSERT_TRUE(second.open()) << second.error();
    racoon_kernel_foreign listener{};
    listener.struct_size = sizeof listener;
    listener.policy = [](void*, const racoon_kernel_policy*) noexcept {};
    listener.gone = [](void*, std::uint32_t) noexcept {};
    EXPECT_EQ(second.table().watch_policies(second.impl(), &listener, second.err()), RACOON_OK);
    EXPECT_NE(second.log.find("belongs to another running daemon; name another path"),
              std::string::npos)
        << second.log;
    second.close();
    EXPECT_GE(Client(path).fd, 0) << "it is still the first one's";
    net.enter(0);
    a.close();
    std::ofstream(path) << "of somebody";
    start();
    EXPECT_NE(a.log.find("is a file that is not a socket"), std::string::npos) << a.log;
    a.close();
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_TRUE(S_ISREG(info.st_mode));
}

TEST_F(UserspaceSetkey, AnswersRefusalsAsAKernel) {
    Client c(path);
    ASSERT_GE(c.fd, 0);
    EXPECT_EQ(ask(c, sa_message(pf::kAdd, "10.9.0.1", "10.9.0.2", 0x1001)), 0) << a.log;
    EXPECT_EQ(ask(c, sa_message(pf::kAdd, "10.9.0.1", "10.9.0.2", 0x1001)), EEXIST);
    EXPECT_EQ(ask(c, sa_message(pf::kDelete, "10.9.0.1", "10.9.0.2", 0x1002)), ESRCH);
    EXPECT_EQ(ask(c, sa_message(pf::kGet, "10.9.0.1", "10.9.0.2", 0x1002)), ESRCH);
    EXPECT_EQ(ask(c, sa_message(pf::kUpdate, "10.9.0.1", "10.9.0.2", 0x1002)), ESRCH);
    Message m = sa_message(pf::kAdd, "10.9.0.1", "10.9.0.2", 0x1003);
    m.sa->encrypt = 2;  // DES
    EXPECT_EQ(ask(c, m), ENOSYS);
    m = sa_message(pf::kAdd, "10.9.0.1", "10.9.0.2", 0x1003);
    m.encrypt_key->bytes.resize(15);
    m.encrypt_key->bits = 120;
    EXPECT_EQ(ask(c, m), EINVAL) << "a key of another length";
    m = sa_message(pf::kAdd, "10.9.0.1", "10.9.0.2", 0x1003);
    m.satype = pf::kSaTcp;
    EXPECT_EQ(ask(c, m), EINVAL);
    m = sa_message(pf::kAdd, "10.9.0.1", "10.9.0.2", 0x1003);
    m.dst.reset();
    EXPECT_EQ(ask(c, m), EINVAL);
    EXPECT_EQ(ask(c, policy_message(pf::kSpdAdd, pf::kDirOut, "192.168.2.0")), 0);
    EXPECT_EQ(ask(c, policy_message(pf::kSpdAdd, pf::kDirOut, "192.168.2.0")), EEXIST);
    EXPECT_EQ(ask(c, policy_message(pf::kSpdUpdate, pf::kDirOut, "192.168.2.0")), 0);
    EXPECT_EQ(ask(c, policy_message(pf::kSpdDelete, pf::kDirIn, "192.168.2.0")), ENOENT);
    m = policy_message(pf::kSpdAdd, pf::kDirOut, "192.168.3.0");
    m.policies[0].requests[0].proto = 47;
    EXPECT_EQ(ask(c, m), EINVAL) << "GRE protects nothing";
    m = Message{};
    m.type = pf::kMigrate;
    EXPECT_EQ(ask(c, m), EOPNOTSUPP);
    m.type = pf::kSpdGet;
    EXPECT_EQ(ask(c, m), EINVAL);
    m.policies.emplace_back();
    m.policies[0].id = 8000;
    EXPECT_EQ(ask(c, m), ENOENT);
    Message none;
    none.type = pf::kDump;
    none.satype = pf::kSaAh;
    EXPECT_EQ(ask(c, none), ENOENT) << "nothing to show";
}

// Half of a message, one with its lengths changed, or noise: it is refused, and the next one is served.
TEST_F(UserspaceSetkey, RefusesWhatIsMalformedAndServesOn) {
    Client c(path);
    ASSERT_GE(c.fd, 0);
    std::uint64_t state = 1;
    const auto random = [&state](std::size_t most) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::size_t>(state >> 33) % most;
    };
    for (const Message& m : {sa_message(pf::kAdd, "10.9.0.1", "10.9.0.2", 0x1001),
                             policy_message(pf::kSpdAdd, pf::kDirOut, "192.168.2.0")}) {
        const auto whole = encode(m, pf::linux_dialect());
        for (std::size_t size = 1; size < whole.size(); size += 3) {
            ASSERT_TRUE(c.send_bytes({whole.begin(), whole.begin() + static_cast<long>(size)}));
            if (size < pf::kHeaderSize) {
                a.step(10ms);
                continue;
            }
            const auto answer = next(c);
            ASSERT_TRUE(answer) << size;
            EXPECT_EQ(answer->error, EINVAL) << size;
        }
        for (int i = 0; i < 500; ++i) {
            auto changed = whole;
            for (int k = 0; k < 3; ++k)
                changed[4 + random(changed.size() - 4)] = static_cast<std::uint8_t>(random(256));
            ASSERT_TRUE(c.send_bytes(changed));
            ASSERT_TRUE(next(c)) << i;
        }
    }
    while (c.receive()) {
    }
    ASSERT_TRUE(c.send_bytes(std::vector<std::uint8_t>(100'000, 2)));
    EXPECT_TRUE(next(c));
    Client other(path);
    Message flush;
    flush.type = pf::kFlush;
    EXPECT_EQ(ask(other, flush), 0);
    flush.type = pf::kSpdFlush;
    EXPECT_EQ(ask(other, flush), 0);
    EXPECT_TRUE(dump(other, pf::kDump).empty());
    EXPECT_TRUE(dump(other, pf::kSpdDump).empty());
}

TEST_F(UserspaceSetkey, TellsTheDaemonOfPoliciesAsOfThoseOfOthers) {
    Client c(path);
    ASSERT_EQ(ask(c, policy_message(pf::kSpdAdd, pf::kDirOut, "192.168.2.0")), 0);
    ASSERT_EQ(ask(c, policy_message(pf::kSpdAdd, pf::kDirIn, "192.168.2.0")), 0);
    ASSERT_EQ(ask(c, policy_message(pf::kSpdAdd, pf::kDirFwd, "192.168.2.0")), 0);
    Message none = policy_message(pf::kSpdAdd, pf::kDirOut, "192.168.3.0");
    none.policies[0].type = pf::kPolicyNone;
    none.policies[0].requests.clear();
    ASSERT_EQ(ask(c, none), 0);
    ASSERT_EQ(told.size(), 2u) << "those that ask for IPsec, in and out";
    std::uint32_t id = 0;
    for (const auto& [number, policy] : told) {
        EXPECT_GE(number, RACOON_FOREIGN_POLICY_FIRST);
        EXPECT_LE(number, RACOON_FOREIGN_POLICY_LAST);
        EXPECT_GT(policy.templates[0].reqid, 16383u) << "of its own, which the rule did not name";
        if (policy.direction == RACOON_DIR_OUT) id = number;
    }
    EXPECT_TRUE(a.policy_dump().empty()) << "none of them is the daemon's";
    // A packet asks the daemon for SAs by that number, and what it makes for it carries the packet.
    net.start_in(0, "ping -q -c 1 -W 1 -I 192.168.1.1 192.168.2.1");
    net.enter(0);
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_ACQUIRE) == 1; }, 5s)) << a.log;
    EXPECT_EQ(a.last(RACOON_KERNEL_ACQUIRE)->policy_id, id);
    racoon_kernel_sa out =
        esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 0x2001, told[id].templates[0].reqid, 3);
    out.policy_id = id;
    ASSERT_EQ(a.sa_add(out), RACOON_OK) << a.error();
    racoon_kernel_sa_info info{};
    ASSERT_EQ(a.sa_query(id_of(out), &info), RACOON_OK);
    EXPECT_EQ(info.packets, 1u) << "the one that waited";
    // As it was, it has its number again; another one has another.
    ASSERT_EQ(ask(c, policy_message(pf::kSpdDelete, pf::kDirOut, "192.168.2.0")), 0);
    EXPECT_EQ(gone, std::set<std::uint32_t>{id});
    ASSERT_EQ(ask(c, policy_message(pf::kSpdAdd, pf::kDirOut, "192.168.2.0", pf::kLevelRequire)),
              0);
    EXPECT_EQ(told.count(id), 0u);
    Message flush;
    flush.type = pf::kSpdFlush;
    EXPECT_EQ(ask(c, flush), 0);
    EXPECT_TRUE(told.empty());
    EXPECT_EQ(rules().find("192.168"), std::string::npos) << rules();
}

TEST_F(UserspaceSetkey, TellsTheDaemonWhatIsDoneToItsOwn) {
    const auto s = selector("192.168.1.0/24", "192.168.2.0/24");
    ASSERT_EQ(a.policy_add(esp_policy(10, RACOON_DIR_OUT, s, "10.9.0.1", "10.9.0.2", 1)),
              RACOON_OK);
    racoon_kernel_sa out = esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 0x2001, 1, 3);
    out.policy_id = 10;
    ASSERT_EQ(a.sa_add(out), RACOON_OK);
    Client c(path);
    ASSERT_EQ(ask(c, sa_message(pf::kAdd, "10.9.0.1", "10.9.0.2", 0x1001)), 0);
    EXPECT_EQ(ask(c, sa_message(pf::kUpdate, "10.9.0.1", "10.9.0.2", 0x2001)), EPERM)
        << "its keys are the daemon's";
    EXPECT_EQ(dump(c, pf::kDump).size(), 2u);
    EXPECT_EQ(a.sa_dump().size(), 1u) << "the one by hand is not the daemon's";
    ASSERT_EQ(dump(c, pf::kSpdDump).size(), 1u);
    Message flush;
    flush.type = pf::kFlush;
    EXPECT_EQ(ask(c, flush), 0);
    EXPECT_EQ(a.count(RACOON_KERNEL_SA_DELETED), 1u);
    EXPECT_EQ(a.last(RACOON_KERNEL_SA_DELETED)->spi, 0x2001u);
    EXPECT_TRUE(dump(c, pf::kDump).empty());
    // Another one in its place: the daemon's is lost, and comes back only when that is gone.
    Message discard = policy_message(pf::kSpdUpdate, pf::kDirOut, "192.168.2.0");
    discard.policies[0].type = pf::kPolicyDiscard;
    discard.policies[0].requests.clear();
    EXPECT_EQ(ask(c, discard), 0);
    ASSERT_EQ(a.count(RACOON_KERNEL_POLICY_CHANGED), 1u);
    EXPECT_EQ(a.last(RACOON_KERNEL_POLICY_CHANGED)->policy_id, 10u);
    const auto own = esp_policy(10, RACOON_DIR_OUT, s, "10.9.0.1", "10.9.0.2", 1);
    EXPECT_EQ(a.policy_add(own), RACOON_STATE);
    EXPECT_EQ(ask(c, policy_message(pf::kSpdDelete, pf::kDirOut, "192.168.2.0")), 0);
    EXPECT_EQ(a.policy_add(own), RACOON_OK) << a.error();
    flush.type = pf::kSpdFlush;
    EXPECT_EQ(ask(c, flush), 0);
    EXPECT_EQ(a.count(RACOON_KERNEL_POLICY_CHANGED), 2u);
    EXPECT_EQ(a.policy_add(own), RACOON_OK) << "it is put back: " << a.error();
}

TEST_F(UserspaceSetkey, ShowsWhatThereIsAndNoKey) {
    Client c(path);
    Message m = sa_message(pf::kAdd, "10.9.0.2", "10.9.0.1", 0x1001);
    m.hard = pf::Lifetime{0, 5000, 3600, 0};
    m.soft = pf::Lifetime{0, 4000, 1800, 0};
    m.sa->replay = 32;
    m.natt_type = pf::kUdpEncapsulation;
    m.natt_sport = 4500;
    m.natt_dport = 4501;
    m.oai = end("172.16.0.1");
    ASSERT_EQ(ask(c, m), 0) << a.log;
    const auto all = dump(c, pf::kDump, pf::kSaEsp);
    ASSERT_EQ(all.size(), 1u);
    const Message& shown = all[0];
    EXPECT_EQ(shown.sa->encrypt, 12);
    EXPECT_EQ(shown.sa->auth, 3);
    EXPECT_EQ(shown.sa->replay, 64) << "as it is in force";
    EXPECT_EQ(shown.sa2->reqid, 7u);
    EXPECT_EQ(shown.hard->addtime, 3600u);
    EXPECT_EQ(shown.soft->bytes, 4000u);
    EXPECT_EQ(shown.natt_sport, 4500);
    EXPECT_EQ(shown.natt_dport, 4501);
    EXPECT_TRUE(sdk::same_address(shown.oai->addr, address("172.16.0.1")));
    EXPECT_TRUE(shown.encrypt_key && shown.encrypt_key->bytes.empty());
    EXPECT_TRUE(shown.auth_key && shown.auth_key->bytes.empty());
    EXPECT_NE(shown.current->addtime, 0u);
    EXPECT_TRUE(dump(c, pf::kDump, pf::kSaAh).empty());
    // UPDATE of what was made by hand makes it anew.
    Message update = sa_message(pf::kUpdate, "10.9.0.2", "10.9.0.1", 0x1001);
    EXPECT_EQ(ask(c, update), 0);
    EXPECT_EQ(dump(c, pf::kDump)[0].hard->addtime, 0u);
    Message spi;
    spi.type = pf::kGetSpi;
    spi.satype = pf::kSaEsp;
    spi.src = end("10.9.0.2");
    spi.dst = end("10.9.0.1");
    spi.range = pf::SpiRange{0x3000, 0x3000};
    EXPECT_EQ(ask(c, spi), 0);
    EXPECT_EQ(ask(c, spi), ENOENT) << "there is no other in the range";
    EXPECT_EQ(dump(c, pf::kDump).size(), 2u);
    EXPECT_EQ(ask(c, sa_message(pf::kUpdate, "10.9.0.2", "10.9.0.1", 0x3000)), 0);
    const auto both = dump(c, pf::kDump);
    ASSERT_EQ(both.size(), 2u);
    EXPECT_EQ(both[1].sa->state, pf::kMature);
}

TEST_F(UserspaceSetkey, TellsWhoeverListensWhatHappens) {
    Client watcher(path), c(path);
    Message promisc;
    promisc.type = pf::kPromisc;
    promisc.satype = 1;
    ASSERT_EQ(ask(watcher, promisc), 0);
    const auto expect = [&](std::uint8_t type, std::uint32_t pid) {
        const auto got = next(watcher);
        ASSERT_TRUE(got) << int{type};
        EXPECT_EQ(got->type, type);
        if (pid != 0) {
            EXPECT_EQ(got->pid, pid);
        }
        EXPECT_TRUE(!got->encrypt_key || got->encrypt_key->bytes.empty()) << "a key";
        EXPECT_TRUE(!got->auth_key || got->auth_key->bytes.empty()) << "a key";
    };
    Message add = sa_message(pf::kAdd, "10.9.0.1", "10.9.0.2", 0x1001);
    add.hard = pf::Lifetime{0, 0, 2, 0};
    add.soft = pf::Lifetime{0, 0, 1, 0};
    ASSERT_EQ(ask(c, add), 0);
    expect(pf::kAdd, 4711);  // the request, and what came of it
    expect(pf::kAdd, 4711);
    const auto s = selector("192.168.1.0/24", "192.168.2.0/24");
    ASSERT_EQ(a.policy_add(esp_policy(10, RACOON_DIR_OUT, s, "10.9.0.1", "10.9.0.2", 1)),
              RACOON_OK);
    expect(pf::kSpdAdd, static_cast<std::uint32_t>(::getpid()));
    net.start_in(0, "ping -q -c 1 -W 1 -I 192.168.1.1 192.168.2.1");
    net.enter(0);
    expect(pf::kAcquire, 0);
    racoon_kernel_sa out = esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 0x2001, 1, 3);
    ASSERT_EQ(a.sa_add(out), RACOON_OK);
    expect(pf::kAdd, static_cast<std::uint32_t>(::getpid()));
    ASSERT_EQ(a.sa_delete(id_of(out)), RACOON_OK);
    expect(pf::kDelete, static_cast<std::uint32_t>(::getpid()));
    expect(pf::kExpire, 0);
    expect(pf::kExpire, 0);
    EXPECT_EQ(a.count(RACOON_KERNEL_EXPIRE_HARD), 0u) << "it was not the daemon's";
    EXPECT_TRUE(dump(c, pf::kDump).empty());
}

TEST_F(UserspaceSetkey, ShowsThousandsToWhoeverTakesThem) {
    Client c(path);
    constexpr std::uint32_t kMany = 3000;
    for (std::uint32_t i = 0; i < kMany; ++i)
        ASSERT_EQ(ask(c, sa_message(pf::kAdd, "10.9.0.1", "10.9.0.2", 0x10000 + i)), 0) << i;
    // One that does not read keeps neither the daemon nor the next one.
    Client lazy(path);
    Message m;
    m.type = pf::kDump;
    ASSERT_TRUE(lazy.send(m));
    a.run_until([] { return false; }, 200ms);
    EXPECT_EQ(dump(c, pf::kDump).size(), kMany);
    std::size_t late = 0;
    EXPECT_TRUE(a.run_until(
        [&] {
            while (const auto got = lazy.receive()) {
                ++late;
                if (got->seq == 0) return true;
            }
            return false;
        },
        20s));
    EXPECT_EQ(late, kMany);
    m.type = pf::kFlush;
    EXPECT_EQ(ask(c, m), 0);
    EXPECT_EQ(a.log.find("the data process ended"), std::string::npos) << a.log;
}

TEST_F(UserspaceSetkey, SendsAwayWhoListensAndDoesNotReadAndWhoIsOneTooMany) {
    Client lazy(path), c(path);
    Message promisc;
    promisc.type = pf::kPromisc;
    promisc.satype = 1;
    ASSERT_EQ(ask(lazy, promisc), 0);
    // Each is told to the one that listens before it is refused.
    Message large = policy_message(pf::kSpdAdd, pf::kDirOut, "192.168.2.0");
    large.policies[0].requests.resize(16, large.policies[0].requests[0]);
    bool away = false;
    for (int i = 0; i < 5000 && !away; ++i) {
        ASSERT_EQ(ask(c, large), ENOBUFS);
        if (i % 100 == 99) away = !lazy.send_bytes(encode(promisc, pf::linux_dialect()));
    }
    EXPECT_TRUE(away);
    std::vector<std::unique_ptr<Client>> many;
    for (int i = 0; i < 40; ++i) {
        many.push_back(std::make_unique<Client>(path));
        a.step(10ms);
    }
    bool closed = false;
    a.run_until([&] { return many.back()->receive(&closed) || closed; }, 2s);
    EXPECT_TRUE(closed);
    EXPECT_EQ(ask(*many.front(), promisc), 0) << "the first ones are served";
    many.clear();
    a.run_until([] { return false; }, 100ms);
    Client last(path);
    EXPECT_EQ(ask(last, promisc), 0) << "there is room again";
}

// The keys are gone with it, as those of what was negotiated are; the policies are not.
TEST_F(UserspaceSetkey, LosesSasByHandWithTheDataProcessAndKeepsPolicies) {
    Client c(path);
    ASSERT_EQ(ask(c, sa_message(pf::kAdd, "10.9.0.1", "10.9.0.2", 0x1001)), 0);
    ASSERT_EQ(ask(c, policy_message(pf::kSpdAdd, pf::kDirOut, "192.168.2.0")), 0);
    ASSERT_EQ(a.helper_pids().size(), 1u);
    ::kill(a.helper_pids()[0], SIGKILL);
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_FAILED) == 1; }, 5s));
    EXPECT_EQ(a.count(RACOON_KERNEL_SA_DELETED), 0u) << "it was not the daemon's";
    EXPECT_TRUE(dump(c, pf::kDump).empty());
    EXPECT_EQ(ask(c, sa_message(pf::kAdd, "10.9.0.1", "10.9.0.2", 0x1001)), EIO);
    EXPECT_EQ(dump(c, pf::kSpdDump).size(), 1u);
    ASSERT_TRUE(a.run_until([&] { return a.helper_pids().size() == 1; }, 5s));
    net.start_in(0, "ping -q -c 1 -W 1 -I 192.168.1.1 192.168.2.1");
    net.enter(0);
    EXPECT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_ACQUIRE) == 1; }, 5s)) << a.log;
}

}  // namespace
}  // namespace racoon::test
