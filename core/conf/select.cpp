#include "conf/select.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <utility>

#include "conf/features.hpp"

namespace racoon::conf {

namespace {

// Ranks of a section for one exchange; each is the condition that it met.
constexpr unsigned kUsable = 0x01;
constexpr unsigned kAddress = 0x02;
constexpr unsigned kExchange = 0x04;
constexpr unsigned kIdentity = 0x08;
constexpr unsigned kCertificate = 0x10;

constexpr std::uint8_t kX509Signature = 4;  // RFC 2408 3.9

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

// Parts of a sainfo's key, as bytes that cannot be taken for one another.
void add_number(std::string& key, std::uint32_t n) {
    for (int shift = 24; shift >= 0; shift -= 8) key += static_cast<char>((n >> shift) & 0xff);
}
void add_net(std::string& key, const Prefix& net, std::uint8_t protocol) {
    key += 'n';
    key += static_cast<char>(net.addr.family);
    key += static_cast<char>(net.length);
    key += static_cast<char>(protocol);
    key += as_text(net.addr.view());
}
void add_literal(std::string& key, std::uint8_t type, std::string_view data) {
    key += 'l';
    key += static_cast<char>(type);
    add_number(key, static_cast<std::uint32_t>(data.size()));
    key += data;
}
void add_side(std::string& key, const SaInfoSide& side) {
    if (side.clientaddr)
        key += 'c';
    else if (side.literal)
        add_literal(key, side.literal->type, side.literal->data);
    else if (side.selector)
        add_net(key, side.selector->net, side.protocol);
    else
        key += 'a';
}

/// The forms under which one side of a query may be written in a sainfo.
std::vector<std::string> side_forms(const Selector& selector, std::uint8_t protocol,
                                    const std::optional<PeerId>& id) {
    std::vector<std::string> out(2);
    if (id)
        add_literal(out[0], id->type, as_text(id->data));
    else
        add_net(out[0], selector.net, protocol);
    out[1] = "a";
    return out;
}

bool has_certificate_for(const Remote& r, const CertificateRequest& request) {
    if (!r.certificate || r.certificate->kind != CertificateKind::X509 ||
        request.type != kX509Signature)
        return false;
    if (request.issuer.empty()) return r.match_empty_cr;
    return as_text(request.issuer) == r.certificate->issuer;
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
    std::uint16_t bits = offered.key_bits;
    if (ours.cipher->key.fixed()) {
        if (bits != 0 && bits != ours.cipher->key.min) return false;
    } else {
        if (bits == 0) bits = ours.cipher->key.absent;
        if (!ours.cipher->key.allows(bits))
            return false;  // a length that the cipher does not have, whatever the mode
    }
    const std::uint64_t kilobytes = offered.kilobytes;
    const bool no_more = ours.kilobytes == 0 || kilobytes <= ours.kilobytes;
    switch (check) {
        case ProposalCheck::Obey:
            return true;
        case ProposalCheck::Strict:
        case ProposalCheck::Claim:
            return lifetime <= ours.lifetime && no_more &&
                   (ours.key_bits == 0 || bits >= ours.key_bits);
        case ProposalCheck::Exact:
            return lifetime == ours.lifetime && kilobytes == ours.kilobytes &&
                   (ours.key_bits == 0 || bits == ours.key_bits);
    }
    return false;
}

const Phase1Proposal* acceptable(const Remote& remote, const Phase1Transform& offered) {
    for (const Phase1Proposal& p : remote.proposals)
        if (acceptable(p, remote.proposal_check, offered)) return &p;
    return nullptr;
}

/// A score; of two equal ones the longer prefix wins.
struct Rank {
    unsigned score = 0;  // 0: excluded
    unsigned length = 0;
    friend auto operator<=>(const Rank&, const Rank&) = default;
};

struct SectionIndex::Tables {
    const Config* config = nullptr;
    std::unordered_map<IpAddr, std::vector<std::size_t>, IpAddrHash> by_address;  // hosts too
    // Sections for nets: one table for each prefix length that occurs, by the net's address.
    std::map<std::pair<Family, unsigned>,
             std::unordered_map<IpAddr, std::vector<std::size_t>, IpAddrHash>>
        by_net;
    std::vector<std::size_t> anonymous;
    std::unordered_map<std::string, std::size_t, Hash> by_name;
    std::unordered_map<std::size_t, std::vector<IpAddr>> hosts;  // of sections for a host's name
    // The best sainfo for each key. `strict` keys hold `from`, `open` ones leave it out: they answer
    // look-ups that know no peer identity.
    std::unordered_map<std::string, Entry, Hash> strict, open;
    bool has_groups = false;

    static void add_from(std::string& key, std::uint8_t type,
                         std::optional<std::string_view> value) {
        key += 'f';
        key += static_cast<char>(one_type(type));
        key += value ? 'v' : 'n';
        if (value) key += *value;
    }
    static std::string start_of_key(std::uint32_t remoteid, std::string_view group) {
        std::string key;
        add_number(key, remoteid);
        add_number(key, static_cast<std::uint32_t>(group.size()));
        key += group;
        return key;
    }
    static void keep(std::unordered_map<std::string, Entry, Hash>& table, std::string key,
                     Entry entry) {
        const auto [at, fresh] = table.emplace(std::move(key), entry);
        if (!fresh && entry.better_than(at->second)) at->second = entry;
    }

    void add(const Remote& r, std::size_t i, const HostAddresses& known) {
        by_name.emplace(r.name, i);
        if (r.address) {
            by_address[key_of(r.address->addr)].push_back(i);
        } else if (r.net) {
            by_net[{r.net->addr.family, r.net->length}][key_of(r.net->addr)].push_back(i);
        } else if (!r.host.empty()) {
            const auto found = known.find(r.host);
            if (found == known.end()) return;
            for (const IpAddr& a : found->second) {
                std::vector<std::size_t>& list = by_address[key_of(a)];
                if (list.empty() || list.back() != i) list.push_back(i);
            }
            hosts.emplace(i, found->second);
        } else {
            anonymous.push_back(i);
        }
    }

    void add(const SaInfo& info, std::size_t index) {
        std::string key = start_of_key(info.remoteid, info.group);
        add_side(key, info.local);
        add_side(key, info.remote);
        has_groups = has_groups || !info.group.empty();
        const Entry entry{(info.remoteid != 0 ? 3u : 0u) + (info.from ? 3u : 0u) +
                              (info.local.anonymous() ? 0u : 1u) +
                              (info.remote.anonymous() ? 0u : 1u),
                          index};
        keep(open, key, entry);
        if (info.from) {
            std::optional<std::string_view> value;
            if (info.from->address)
                value = as_text(info.from->address->view());
            else if (info.from->value)
                value = *info.from->value;
            add_from(key, info.from->type, value);
        }
        keep(strict, std::move(key), entry);
    }

    bool serves(const Remote& r, const IpAddr& peer) const {
        const auto same = [&](const IpAddr& a) {
            return key_of(a) == key_of(peer) &&
                   (a.scope == 0 || peer.scope == 0 || a.scope == peer.scope);
        };
        if (r.address) return same(r.address->addr);
        if (r.net) return r.net->contains(key_of(peer));
        if (r.host.empty()) return true;
        const auto found = hosts.find(static_cast<std::size_t>(&r - config->remotes.data()));
        return found != hosts.end() &&
               std::any_of(found->second.begin(), found->second.end(), same);
    }

    Rank rank(const Remote& r, const RemoteQuery& q) const {
        if (r.passive && q.initiating) return {};
        if (!serves(r, q.peer)) return {};
        Rank out{kUsable, 0};
        if (!r.anonymous()) {
            out.score |= kAddress;
            out.length = r.net ? r.net->length : q.peer.bits();
        }
        if (q.mode) {
            if (std::find(r.modes.begin(), r.modes.end(), *q.mode) == r.modes.end()) return {};
            out.score |= kExchange;
        }
        if (q.agreed) {
            if (!acceptable(r, *q.agreed)) return {};
            out.score |= kExchange;
        }
        if (r.verify_identifier && q.peer_id) {
            if (!matches_any(r.peers_identifiers, *q.peer_id)) return {};
            out.score |= kIdentity;
        }
        if (q.request) {
            if (!has_certificate_for(r, *q.request)) return {};
            out.score |= kCertificate;
        }
        return out;
    }

    template <typename Each>
    void for_each(const RemoteQuery& q, Each each) const {
        const auto consider = [&](const std::vector<std::size_t>& list) {
            for (const std::size_t i : list)
                if (const Rank r = rank(config->remotes[i], q); r.score != 0) each(r, i);
        };
        if (const auto found = by_address.find(key_of(q.peer)); found != by_address.end())
            consider(found->second);
        for (const auto& [which, nets] : by_net) {
            if (which.first != q.peer.family) continue;
            const auto net = Prefix::make(key_of(q.peer), which.second);
            if (!net) continue;
            if (const auto found = nets.find(net->addr); found != nets.end())
                consider(found->second);
        }
        consider(anonymous);
    }
};

SectionIndex::SectionIndex(const Config& config, const HostAddresses& hosts) {
    auto t = std::make_unique<Tables>();
    t->config = &config;
    t->by_address.reserve(config.remotes.size());
    t->by_name.reserve(config.remotes.size());
    t->strict.reserve(config.sainfos.size());
    t->open.reserve(config.sainfos.size());
    for (std::size_t i = 0; i < config.remotes.size(); ++i) t->add(config.remotes[i], i, hosts);
    for (std::size_t i = 0; i < config.sainfos.size(); ++i) t->add(config.sainfos[i], i);
    tables_ = std::move(t);
}
SectionIndex::~SectionIndex() = default;
SectionIndex::SectionIndex(SectionIndex&&) noexcept = default;
SectionIndex& SectionIndex::operator=(SectionIndex&&) noexcept = default;

std::vector<const Remote*> SectionIndex::candidates(const RemoteQuery& query) const {
    std::vector<std::pair<Rank, std::size_t>> found;
    tables_->for_each(query, [&](const Rank& rank, std::size_t i) { found.emplace_back(rank, i); });
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    std::vector<const Remote*> out;
    out.reserve(found.size());
    for (const auto& [rank, i] : found) out.push_back(&tables_->config->remotes[i]);
    return out;
}

RemoteChoice SectionIndex::choose(const RemoteQuery& query) const {
    Rank best;
    std::vector<std::size_t> top;
    tables_->for_each(query, [&](const Rank& rank, std::size_t i) {
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
        const Remote& chosen = tables_->config->remotes[top.front()];
        out.problem = refusal(chosen, query.initiating);
        (out.problem.empty() ? out.remote : out.refused) = &chosen;
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

bool SectionIndex::serves(const Remote& remote, const IpAddr& peer) const {
    return tables_->serves(remote, peer);
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
    std::vector<std::string> starts{Tables::start_of_key(query.ph1id, {})};
    if (tables_->has_groups)
        for (const std::string& group : query.groups)
            starts.push_back(Tables::start_of_key(query.ph1id, group));
    const auto locals = side_forms(s.local, s.protocol, query.local_id);
    auto remotes = side_forms(s.remote, s.protocol, query.remote_id);
    if (!query.remote_id && query.client.family != Family::None && s.remote.net.is_host() &&
        key_of(s.remote.net.addr) == key_of(query.client))
        remotes.emplace_back("c");
    for (const std::string& start : starts) {
        for (const std::string& local : locals) {
            for (const std::string& remote : remotes) {
                std::string key = start + local + remote;
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
    }
    return best ? &tables_->config->sainfos[best->index] : nullptr;
}

namespace {
unsigned nearness(const Remote& r) {
    if (r.anonymous()) return 0;
    return r.net ? 1 + r.net->length : 1000;
}
}  // namespace

bool may_move_to(const SectionIndex& index, const Remote& section, const IpAddr& to,
                 ExchangeMode mode) {
    if (!index.serves(section, to)) return false;
    if (section.verify_identifier) return true;
    RemoteQuery query;
    query.peer = to;
    query.mode = mode;
    const auto list = index.candidates(query);
    return std::none_of(list.begin(), list.end(),
                        [&](const Remote* other) { return nearness(*other) > nearness(section); });
}

}  // namespace racoon::conf
