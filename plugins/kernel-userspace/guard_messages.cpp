#include "guard_messages.hpp"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_arp.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>

#include "netlink_messages.hpp"
#include "packet.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::string_view kPrefix = "racoon-";
constexpr const char* kInput = "input";
constexpr const char* kForward = "forward";
constexpr const char* kPolicies = "policies";
constexpr std::int32_t kHookPriority = -1;  // before an ordinary filter, behind address translation
constexpr std::size_t kLongestMessage = 4096;
constexpr std::uint8_t kFirstNdType = 133, kLastNdType = 137;  // RFC 4861 4

nlmsghdr* put_header(Bytes& message, std::uint16_t type, std::uint16_t flags, std::uint8_t family,
                     std::uint16_t resource, std::uint32_t sequence) {
    message.assign(kLongestMessage, 0);
    nlmsghdr* head = mnl_nlmsg_put_header(message.data());
    head->nlmsg_type = type;
    head->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    head->nlmsg_seq = sequence;
    auto* body = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(head, sizeof(nfgenmsg)));
    body->nfgen_family = family;
    body->version = NFNETLINK_V0;
    body->res_id = htons(resource);
    return head;
}

constexpr std::uint16_t of_tables(int type) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
}

void put_u32(nlmsghdr* head, std::uint16_t type, std::uint32_t value) {
    mnl_attr_put_u32(head, type, htonl(value));
}

/// One rule under construction: expressions in order, which all use one register.
class RuleWriter {
  public:
    RuleWriter(nlmsghdr* head, const std::string& table, const char* chain) : head_(head) {
        mnl_attr_put_strz(head, NFTA_RULE_TABLE, table.c_str());
        mnl_attr_put_strz(head, NFTA_RULE_CHAIN, chain);
        all_ = mnl_attr_nest_start(head, NFTA_RULE_EXPRESSIONS);
    }
    void end() { mnl_attr_nest_end(head_, all_); }

    void meta(std::uint32_t key) {
        expression("meta", [&] {
            put_u32(head_, NFTA_META_KEY, key);
            put_u32(head_, NFTA_META_DREG, NFT_REG_1);
        });
    }
    void payload(std::uint32_t base, std::size_t offset, std::size_t size) {
        expression("payload", [&] {
            put_u32(head_, NFTA_PAYLOAD_DREG, NFT_REG_1);
            put_u32(head_, NFTA_PAYLOAD_BASE, base);
            put_u32(head_, NFTA_PAYLOAD_OFFSET, static_cast<std::uint32_t>(offset));
            put_u32(head_, NFTA_PAYLOAD_LEN, static_cast<std::uint32_t>(size));
        });
    }
    void extension_header(std::uint8_t type, std::uint32_t offset, std::uint32_t size,
                          std::uint32_t flags) {
        expression("exthdr", [&] {
            put_u32(head_, NFTA_EXTHDR_DREG, NFT_REG_1);
            mnl_attr_put_u8(head_, NFTA_EXTHDR_TYPE, type);
            put_u32(head_, NFTA_EXTHDR_OFFSET, offset);
            put_u32(head_, NFTA_EXTHDR_LEN, size);
            if (flags != 0) put_u32(head_, NFTA_EXTHDR_FLAGS, flags);
        });
    }
    void mask(ByteView bits) {
        const std::uint8_t zero[16] = {};
        expression("bitwise", [&] {
            put_u32(head_, NFTA_BITWISE_SREG, NFT_REG_1);
            put_u32(head_, NFTA_BITWISE_DREG, NFT_REG_1);
            put_u32(head_, NFTA_BITWISE_LEN, static_cast<std::uint32_t>(bits.size()));
            value(NFTA_BITWISE_MASK, bits);
            value(NFTA_BITWISE_XOR, {zero, bits.size()});
        });
    }
    void compare(ByteView with, std::uint32_t how = NFT_CMP_EQ) {
        expression("cmp", [&] {
            put_u32(head_, NFTA_CMP_SREG, NFT_REG_1);
            put_u32(head_, NFTA_CMP_OP, how);
            value(NFTA_CMP_DATA, with);
        });
    }
    void compare_byte(std::uint8_t with, std::uint32_t how = NFT_CMP_EQ) {
        compare({&with, 1}, how);
    }
    /// `chain`: of a jump.
    void verdict(int code, const char* chain = nullptr) {
        expression("immediate", [&] {
            put_u32(head_, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
            nlattr* data = mnl_attr_nest_start(head_, NFTA_IMMEDIATE_DATA);
            nlattr* verdict = mnl_attr_nest_start(head_, NFTA_DATA_VERDICT);
            put_u32(head_, NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
            if (chain != nullptr) mnl_attr_put_strz(head_, NFTA_VERDICT_CHAIN, chain);
            mnl_attr_nest_end(head_, verdict);
            mnl_attr_nest_end(head_, data);
        });
    }

    void family(std::uint8_t nfproto) {
        meta(NFT_META_NFPROTO);
        compare_byte(nfproto);
    }
    void protocol(std::uint8_t number) {
        meta(NFT_META_L4PROTO);
        compare_byte(number);
    }
    void port(std::size_t offset, std::uint16_t number) {
        const std::uint8_t bytes[] = {static_cast<std::uint8_t>(number >> 8),
                                      static_cast<std::uint8_t>(number)};
        payload(NFT_PAYLOAD_TRANSPORT_HEADER, offset, sizeof(bytes));
        compare(bytes);
    }
    /// Of the IP header, at that offset.
    void net(std::size_t offset, const racoon_addr& address, unsigned prefix) {
        if (prefix == 0) return;
        const std::size_t size = (prefix + 7) / 8;
        Bytes bytes(address.bytes, address.bytes + size), bits(size, 0xff);
        payload(NFT_PAYLOAD_NETWORK_HEADER, offset, size);
        if (prefix % 8 != 0) {
            bits.back() = static_cast<std::uint8_t>(0xff00u >> (prefix % 8));
            bytes.back() = static_cast<std::uint8_t>(bytes.back() & bits.back());
            mask(bits);
        }
        compare(bytes);
    }

  private:
    template <typename Put>
    void expression(const char* name, const Put& put) {
        nlattr* element = mnl_attr_nest_start(head_, NFTA_LIST_ELEM);
        mnl_attr_put_strz(head_, NFTA_EXPR_NAME, name);
        nlattr* data = mnl_attr_nest_start(head_, NFTA_EXPR_DATA);
        put();
        mnl_attr_nest_end(head_, data);
        mnl_attr_nest_end(head_, element);
    }
    void value(std::uint16_t type, ByteView bytes) {
        nlattr* data = mnl_attr_nest_start(head_, type);
        mnl_attr_put(head_, NFTA_DATA_VALUE, bytes.size(), bytes.data());
        mnl_attr_nest_end(head_, data);
    }

    nlmsghdr* head_;
    nlattr* all_;
};

/// Messages one behind the other, between the marks of a transaction.
class BatchWriter {
  public:
    BatchWriter(std::string table, std::uint32_t sequence)
        : table_(std::move(table)), sequence_(sequence) {
        put_header(message_, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, sequence_);
        append();
    }

    void table(int type) {
        nlmsghdr* head = begin(type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0);
        mnl_attr_put_strz(head, NFTA_TABLE_NAME, table_.c_str());
        append();
    }
    /// `hook`: -1: it is only jumped to.
    void chain(const char* name, int hook) {
        nlmsghdr* head = begin(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
        mnl_attr_put_strz(head, NFTA_CHAIN_TABLE, table_.c_str());
        mnl_attr_put_strz(head, NFTA_CHAIN_NAME, name);
        if (hook >= 0) {
            nlattr* at = mnl_attr_nest_start(head, NFTA_CHAIN_HOOK);
            put_u32(head, NFTA_HOOK_HOOKNUM, static_cast<std::uint32_t>(hook));
            put_u32(head, NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(kHookPriority));
            mnl_attr_nest_end(head, at);
            put_u32(head, NFTA_CHAIN_POLICY, NF_ACCEPT);
            mnl_attr_put_strz(head, NFTA_CHAIN_TYPE, "filter");
        }
        append();
    }
    template <typename Put>
    void rule(const char* chain, const Put& put) {
        RuleWriter rule(begin(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND), table_, chain);
        put(rule);
        rule.end();
        append();
    }
    GuardBatch end() {
        auto* last = reinterpret_cast<nlmsghdr*>(batch_.bytes.data() + at_);
        last->nlmsg_flags = static_cast<std::uint16_t>(last->nlmsg_flags | NLM_F_ACK);
        batch_.last = last->nlmsg_seq;
        put_header(message_, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, sequence_);
        append();
        return std::move(batch_);
    }

  private:
    nlmsghdr* begin(int type, std::uint16_t flags) {
        return put_header(message_, of_tables(type), flags, NFPROTO_INET, 0, sequence_);
    }
    void append() {
        at_ = batch_.bytes.size();
        const std::uint32_t size = reinterpret_cast<nlmsghdr*>(message_.data())->nlmsg_len;
        batch_.bytes.insert(batch_.bytes.end(), message_.begin(),
                            message_.begin() + MNL_ALIGN(size));
        ++sequence_;
    }

    std::string table_;
    std::uint32_t sequence_;
    Bytes message_;
    std::size_t at_ = 0;  // of the last message
    GuardBatch batch_;
};

void put_from_device(RuleWriter& rule, const std::string& device) {
    char name[IFNAMSIZ] = {};
    device.copy(name, sizeof(name) - 1);
    rule.meta(NFT_META_IIFNAME);
    rule.compare({reinterpret_cast<const std::uint8_t*>(name), sizeof(name)});
    rule.verdict(NFT_RETURN);
}

void put_exceptions(BatchWriter& batch, const std::set<std::uint16_t>& ports) {
    const auto rule = [&](const auto& put) {
        batch.rule(kInput, [&](RuleWriter& r) {
            put(r);
            r.verdict(NFT_RETURN);
        });
    };
    rule([](RuleWriter& r) {
        const std::uint16_t loopback = ARPHRD_LOOPBACK;
        r.meta(NFT_META_IIFTYPE);
        r.compare({reinterpret_cast<const std::uint8_t*>(&loopback), sizeof(loopback)});
    });
    for (const std::uint8_t number :
         {std::uint8_t{IPPROTO_ESP}, std::uint8_t{IPPROTO_AH}, kProtoComp})
        rule([&](RuleWriter& r) { r.protocol(number); });
    // The filter takes AH for one more extension header of IPv6, and what is behind it for the protocol.
    rule([](RuleWriter& r) {
        r.family(NFPROTO_IPV6);
        r.extension_header(IPPROTO_AH, 0, 1, NFT_EXTHDR_F_PRESENT);
        r.compare_byte(1);
    });
    // IPv6 is put together behind the filter, and is not without its first fragment.
    rule([](RuleWriter& r) {
        const std::uint8_t bits[] = {0xff, 0xf8}, none[] = {0, 0};
        r.family(NFPROTO_IPV6);
        r.extension_header(IPPROTO_FRAGMENT, 2, 2, 0);
        r.mask(bits);
        r.compare(none, NFT_CMP_NEQ);
    });
    rule([](RuleWriter& r) {
        r.family(NFPROTO_IPV6);
        r.protocol(IPPROTO_ICMPV6);
        r.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
        r.compare_byte(kFirstNdType, NFT_CMP_GTE);
        r.compare_byte(kLastNdType, NFT_CMP_LTE);
    });
    for (const std::uint16_t port : ports) {
        rule([&](RuleWriter& r) {
            r.protocol(IPPROTO_UDP);
            r.port(2, port);
        });
    }
}

void put_policy(RuleWriter& r, const GuardRule& rule) {
    const racoon_selector& s = rule.selector;
    const bool v4 = s.local.family == 4;
    r.family(v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
    r.net(v4 ? 12 : 8, s.remote, s.remote_prefix);
    r.net(v4 ? 16 : 24, s.local, s.local_prefix);
    if (s.protocol != 0) r.protocol(s.protocol);
    if (s.remote.port != 0) r.port(0, s.remote.port);
    if (s.local.port != 0) r.port(2, s.local.port);
    r.verdict(rule.admits ? NFT_RETURN : NF_DROP);
}

std::string_view text_of(const nlmsghdr* message, std::uint16_t wanted) {
    std::string_view found;
    each_attribute(message, sizeof(nfgenmsg), [&](const nlattr* a) {
        if (mnl_attr_get_type(a) != wanted) return;
        const auto* text = static_cast<const char*>(mnl_attr_get_payload(a));
        found = {text, ::strnlen(text, mnl_attr_get_payload_len(a))};
    });
    return found;
}

}  // namespace

std::string guard_table_name(std::uint32_t table) {
    return std::string(kPrefix) + std::to_string(table);
}

std::optional<std::uint32_t> guard_table_number(std::string_view name) {
    if (name.substr(0, kPrefix.size()) != kPrefix) return {};
    std::uint32_t number = 0;
    const char* const end = name.data() + name.size();
    const auto [at, error] = std::from_chars(name.data() + kPrefix.size(), end, number);
    if (error != std::errc() || at != end || guard_table_name(number) != name) return {};
    return number;
}

GuardBatch put_guard(const GuardTable& table, const std::vector<GuardRule>& rules,
                     std::uint32_t sequence) {
    BatchWriter batch(table.name, sequence);
    // So that it is there to be removed.
    for (const int type : {NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_NEWTABLE}) batch.table(type);
    batch.chain(kPolicies, -1);
    batch.chain(kInput, NF_INET_LOCAL_IN);
    batch.chain(kForward, NF_INET_FORWARD);
    for (const GuardRule& rule : rules)
        batch.rule(kPolicies, [&](RuleWriter& r) { put_policy(r, rule); });
    for (const char* chain : {kInput, kForward}) {
        batch.rule(chain, [&](RuleWriter& r) { put_from_device(r, table.device); });
        if (chain == kInput) put_exceptions(batch, table.ports);
        batch.rule(chain, [](RuleWriter& r) { r.verdict(NFT_JUMP, kPolicies); });
    }
    return batch.end();
}

GuardBatch remove_guard(const std::string& name, std::uint32_t sequence) {
    BatchWriter batch(name, sequence);
    batch.table(NFT_MSG_NEWTABLE);
    batch.table(NFT_MSG_DELTABLE);
    return batch.end();
}

Bytes list_guards(std::uint32_t sequence) {
    Bytes message;
    const nlmsghdr* head =
        put_header(message, of_tables(NFT_MSG_GETTABLE), NLM_F_DUMP, NFPROTO_INET, 0, sequence);
    message.resize(head->nlmsg_len);
    return message;
}

std::string_view table_told(const nlmsghdr* message) {
    if (message->nlmsg_type != of_tables(NFT_MSG_NEWTABLE)) return {};
    return text_of(message, NFTA_TABLE_NAME);
}

std::string_view table_lost(const nlmsghdr* message) {
    switch (message->nlmsg_type) {
        case of_tables(NFT_MSG_DELTABLE):
            return text_of(message, NFTA_TABLE_NAME);
        case of_tables(NFT_MSG_DELCHAIN):
            return text_of(message, NFTA_CHAIN_TABLE);
        case of_tables(NFT_MSG_DELRULE):
            return text_of(message, NFTA_RULE_TABLE);
        default:
            return {};
    }
}

}  // namespace racoon::kernel_userspace
