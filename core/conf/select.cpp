#include "conf/select.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>

namespace racoon::conf {

namespace {

// Ranks of a section for one exchange; each is the condition that it met.
constexpr unsigned kUsable = 0x01;
constexpr unsigned kAddress = 0x02;
constexpr unsigned kExchange = 0x04;
constexpr unsigned kIdentity = 0x08;

std::uint8_t one_type(std::uint8_t type) {
    return type == 5 ? std::uint8_t{1} : type;
}

/// An address without its scope: the peer's datagrams carry one, sections may not.
IpAddr key_of(IpAddr a) {
    a.scope = 0;
    return a;
}

struct Hash {
    std::size_t operator()(const std::string& s) const noexcept {
        return std::hash<std::string_view>{}(s);
    }
};

/// Parts of a sainfo's key, as bytes that cannot be taken for one another.
void add_side(std::string& key, const std::optional<Prefix>& net, std::uint8_t protocol) {
    if (!net) {
        key += 'a';
        return;
    }
    key += 'n';
    key += static_cast<char>(net->addr.family);
    key += static_cast<char>(net->length);
    key += static_cast<char>(protocol);
    key += as_text(net->addr.view());
}
void add_number(std::string& key, std::uint32_t n) {
    for (int shift = 24; shift >= 0; shift -= 8) key += static_cast<char>((n >> shift) & 0xff);
}

struct Entry {
    unsigned weight = 0;
    std::size_t index = 0;
    bool better_than(const Entry& other) const {
        return weight != other.weight ? weight > other.weight : index < other.index;
    }
};

}  // namespace

bool matches(const IdentitySpec& spec, const PeerId& id) {
    if (one_type(spec.type) != one_type(id.type)) return false;
    if (spec.address) {
        const ByteView want = spec.address->view();
        return std::equal(want.begin(), want.end(), id.data.begin(), id.data.end());
    }
    return !spec.value || as_text(id.data) == *spec.value;
}

bool matches_any(const std::vector<IdentitySpec>& specs, const PeerId& id) {
    if (specs.empty()) return true;
    return std::any_of(specs.begin(), specs.end(),
                       [&](const IdentitySpec& s) { return matches(s, id); });
}

bool acceptable(const Phase1Proposal& ours, ProposalCheck check, const Phase1Transform& offered) {
    if (!ours.cipher || !ours.hash || !ours.auth || !ours.group) return false;
    if (ours.cipher->ike_id != offered.cipher || ours.hash->ike_id != offered.hash ||
        ours.auth->number != offered.auth || ours.group->number != offered.group)
        return false;
    const seconds lifetime = offered.lifetime.value_or(seconds(28800));
    if (ours.cipher->key.fixed()) {
        if (offered.key_bits != 0 && offered.key_bits != ours.cipher->key.min) return false;
    } else if (!ours.cipher->key.allows(offered.key_bits)) {
        return false;  // a length that the cipher does not have, whatever the mode
    }
    switch (check) {
        case ProposalCheck::Obey:
            return true;
        case ProposalCheck::Strict:
        case ProposalCheck::Claim:
            return lifetime <= ours.lifetime &&
                   (ours.key_bits == 0 || offered.key_bits >= ours.key_bits);
        case ProposalCheck::Exact:
            return lifetime == ours.lifetime &&
                   (ours.key_bits == 0 || offered.key_bits == ours.key_bits);
    }
    return false;
}

const Phase1Proposal* acceptable(const Remote& remote, const Phase1Transform& offered) {
    for (const Phase1Proposal& p : remote.proposals)
        if (acceptable(p, remote.proposal_check, offered)) return &p;
    return nullptr;
}

struct SectionIndex::Tables {
    const Config* config = nullptr;
    std::unordered_map<IpAddr, std::vector<std::size_t>, IpAddrHash> by_address;
    std::vector<std::size_t> anonymous;
    std::unordered_map<std::string, std::size_t, Hash> by_name;
    // The best sainfo for each key. `strict` keys hold `from`, `open` ones leave it out: they answer
    // look-ups that know no peer identity.
    std::unordered_map<std::string, Entry, Hash> strict, open;

    static std::string key(std::uint32_t remoteid, const std::optional<Prefix>& local,
                           std::uint8_t local_proto, const std::optional<Prefix>& remote,
                           std::uint8_t remote_proto) {
        std::string out;
        add_number(out, remoteid);
        add_side(out, local, local_proto);
        add_side(out, remote, remote_proto);
        return out;
    }
    static void add_from(std::string& key, std::uint8_t type,
                         std::optional<std::string_view> value) {
        key += 'f';
        key += static_cast<char>(one_type(type));
        key += value ? 'v' : 'n';
        if (value) key += *value;
    }
    static void keep(std::unordered_map<std::string, Entry, Hash>& table, std::string key,
                     Entry entry) {
        const auto [at, fresh] = table.emplace(std::move(key), entry);
        if (!fresh && entry.better_than(at->second)) at->second = entry;
    }

    void add(const SaInfo& info, std::size_t index) {
        const auto net = [](const SaInfoSide& s) {
            return s.selector ? std::optional<Prefix>(s.selector->net) : std::nullopt;
        };
        std::string k = key(info.remoteid, net(info.local), info.local.protocol, net(info.remote),
                            info.remote.protocol);
        Entry entry{(info.remoteid != 0 ? 3u : 0u) + (info.from ? 3u : 0u) +
                        (info.local.selector ? 1u : 0u) + (info.remote.selector ? 1u : 0u),
                    index};
        keep(open, k, entry);
        if (info.from) {
            std::optional<std::string_view> value;
            if (info.from->address)
                value = as_text(info.from->address->view());
            else if (info.from->value)
                value = *info.from->value;
            add_from(k, info.from->type, value);
        }
        keep(strict, std::move(k), entry);
    }

    /// 0: excluded.
    unsigned rank(const Remote& r, const RemoteQuery& q) const {
        unsigned rank = kUsable;
        if (r.passive && q.initiating) return 0;
        if (r.address) {
            if (key_of(r.address->addr) != key_of(q.peer)) return 0;
            if (r.address->addr.scope != 0 && q.peer.scope != 0 &&
                r.address->addr.scope != q.peer.scope)
                return 0;
            rank |= kAddress;
        }
        if (q.mode) {
            if (std::find(r.modes.begin(), r.modes.end(), *q.mode) == r.modes.end()) return 0;
            rank |= kExchange;
        }
        if (q.agreed) {
            if (!acceptable(r, *q.agreed)) return 0;
            rank |= kExchange;
        }
        if (r.verify_identifier && q.peer_id) {
            if (!matches_any(r.peers_identifiers, *q.peer_id)) return 0;
            rank |= kIdentity;
        }
        return rank;
    }

    template <typename Each>
    void for_each(const RemoteQuery& q, Each each) const {
        const auto consider = [&](const std::vector<std::size_t>& list) {
            for (const std::size_t i : list)
                if (const unsigned r = rank(config->remotes[i], q)) each(r, i);
        };
        if (const auto found = by_address.find(key_of(q.peer)); found != by_address.end())
            consider(found->second);
        consider(anonymous);
    }
};

SectionIndex::SectionIndex(const Config& config) {
    auto t = std::make_unique<Tables>();
    t->config = &config;
    for (std::size_t i = 0; i < config.remotes.size(); ++i) {
        const Remote& r = config.remotes[i];
        if (r.address)
            t->by_address[key_of(r.address->addr)].push_back(i);
        else
            t->anonymous.push_back(i);
        t->by_name.emplace(r.name, i);
    }
    for (std::size_t i = 0; i < config.sainfos.size(); ++i) t->add(config.sainfos[i], i);
    tables_ = std::move(t);
}
SectionIndex::~SectionIndex() = default;
SectionIndex::SectionIndex(SectionIndex&&) noexcept = default;
SectionIndex& SectionIndex::operator=(SectionIndex&&) noexcept = default;

std::vector<const Remote*> SectionIndex::candidates(const RemoteQuery& query) const {
    std::vector<std::pair<unsigned, std::size_t>> found;
    tables_->for_each(query, [&](unsigned rank, std::size_t i) { found.emplace_back(rank, i); });
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    std::vector<const Remote*> out;
    out.reserve(found.size());
    for (const auto& [rank, i] : found) out.push_back(&tables_->config->remotes[i]);
    return out;
}

RemoteChoice SectionIndex::choose(const RemoteQuery& query) const {
    unsigned best = 0;
    std::vector<std::size_t> top;
    tables_->for_each(query, [&](unsigned rank, std::size_t i) {
        if (rank > best) {
            best = rank;
            top.clear();
        }
        if (rank == best) top.push_back(i);
    });
    std::sort(top.begin(), top.end());
    RemoteChoice out;
    if (top.empty()) {
        out.problem = "no remote section for " + query.peer.text();
    } else if (top.size() == 1) {
        out.remote = &tables_->config->remotes[top.front()];
    } else {
        constexpr std::size_t kNamed = 4;
        for (const std::size_t i : top) out.tied.push_back(&tables_->config->remotes[i]);
        out.problem = "remote sections ";
        for (std::size_t i = 0; i < std::min(top.size(), kNamed); ++i)
            out.problem += (i == 0                ? "\""
                            : i + 1 == top.size() ? " and \""
                                                  : ", \"") +
                           out.tied[i]->name + "\" (" + out.tied[i]->where.text() + ")";
        if (top.size() > kNamed)
            out.problem += " and " + std::to_string(top.size() - kNamed) + " more";
        out.problem += " match " + query.peer.text() + " equally";
    }
    return out;
}

const Remote* SectionIndex::named(std::string_view name) const {
    const auto found = tables_->by_name.find(std::string(name));
    return found == tables_->by_name.end() ? nullptr : &tables_->config->remotes[found->second];
}

const SaInfo* SectionIndex::sainfo(const SaInfoQuery& query) const {
    const TrafficSelector& s = query.selector;
    std::optional<Entry> best;
    const auto look = [&](const std::unordered_map<std::string, Entry, Hash>& table,
                          const std::string& key) {
        const auto found = table.find(key);
        if (found != table.end() && (!best || found->second.better_than(*best)))
            best = found->second;
    };
    for (const bool local : {true, false}) {
        for (const bool remote : {true, false}) {
            std::string key = Tables::key(
                query.ph1id, local ? std::optional<Prefix>(s.local.net) : std::nullopt, s.protocol,
                remote ? std::optional<Prefix>(s.remote.net) : std::nullopt, s.protocol);
            if (!query.peer_id) {
                look(tables_->open, key);
                continue;
            }
            look(tables_->strict, key);
            std::string any_value = key;
            Tables::add_from(any_value, query.peer_id->type, std::nullopt);
            look(tables_->strict, any_value);
            Tables::add_from(key, query.peer_id->type, as_text(query.peer_id->data));
            look(tables_->strict, key);
        }
    }
    return best ? &tables_->config->sainfos[best->index] : nullptr;
}

}  // namespace racoon::conf
