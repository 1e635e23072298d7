// The configuration of a host of a World, in the algorithms of test_crypto.hpp.
#include "simulation/world.hpp"

namespace racoon::sim {

std::string name_of(const IpAddr& a) {
    return "h" + std::to_string(a.bytes[3]) + ".example";
}

IpAddr ip(std::string_view text) {
    return *IpAddr::parse(text);
}

Prefix net(std::string_view addr, unsigned length) {
    return *Prefix::make(ip(addr), length);
}

TrafficSelector selector_of(const IpAddr& local, const IpAddr& peer, const ConfigOptions& o,
                            unsigned index) {
    TrafficSelector s;
    if (!o.tunnel) {
        s.local.net = Prefix::host(local);
        s.remote.net = Prefix::host(peer);
        if (index > 0) s.protocol = static_cast<std::uint8_t>(index);
        return s;
    }
    // 10.<last byte of the host>.<index>.0/24
    const auto side = [&](const IpAddr& host) {
        return net("10." + std::to_string(host.bytes[3]) + "." + std::to_string(index) + ".0", 24);
    };
    s.local.net = side(local);
    s.remote.net = side(peer);
    return s;
}

conf::ConfigPtr make_config(const IpAddr& local, const IpAddr& peer, const ConfigOptions& o) {
    const TestCatalog& c = catalog();
    auto config = std::make_shared<conf::Config>();
    config->timer = o.timer;
    config->complex_bundle = o.complex_bundle;
    conf::Remote r;
    r.name = peer.text() + "[500]";
    r.address = Endpoint{peer, 500};
    r.modes = o.modes;
    r.initial_contact = o.initial_contact;
    if (o.named) {
        r.my_identifier.type = 2;
        r.my_identifier.value = name_of(local);
        conf::IdentitySpec theirs;
        theirs.type = 2;
        theirs.value = name_of(peer);
        r.peers_identifiers.push_back(theirs);
        r.verify_identifier = true;
    }
    r.dpd = o.dpd;
    r.proposal_check = o.check;
    r.rekey = o.rekey;
    r.passive = o.passive;
    r.support_proxy = o.support_proxy;
    r.unsupported = o.remote_asks;
    r.ike_frag = o.ike_frag;
    conf::Phase1Proposal p;
    p.cipher = &c.cipher;
    p.key_bits = 256;
    p.hash = &c.hash;
    p.auth = o.signature ? &c.signature : &c.psk;
    p.group = o.large ? &c.large_group : &c.group;
    p.lifetime = o.phase1_lifetime;
    p.kilobytes = o.phase1_kilobytes;
    r.proposals.push_back(p);
    config->remotes.push_back(r);
    if (o.sainfo) {
        conf::SaInfo s;
        s.lifetime = o.phase2_lifetime;
        s.kilobytes = o.phase2_kilobytes;
        if (o.pfs) s.pfs_group = o.large ? &c.large_group : &c.other_group;
        if (o.gcm) s.encryption.push_back({&c.gcm, 256});
        s.encryption.push_back({&c.aes, 128});
        s.integrity = {&c.sha256, &c.sha1};
        s.compression = {&c.deflate};
        s.esn = o.esn;
        s.unsupported = o.sainfo_asks;
        config->sainfos.push_back(s);
    }
    for (unsigned i = 0; i < o.policies; ++i) {
        conf::Policy out;
        out.id = PolicyId{i + 1};
        out.selector = selector_of(local, peer, o, i);
        auto rules = o.rules;
        if (rules.empty()) rules.emplace_back(50, o.tunnel);
        for (const auto& [protocol, tunnel] : rules) {
            conf::PolicyTemplate t;
            t.protocol = protocol;
            t.tunnel = tunnel;
            t.reqid = ReqId{100 + i};
            if (tunnel) {
                t.local = local;
                t.remote = peer;
            }
            out.templates.push_back(t);
        }
        config->policies.push_back(out);
    }
    return config;
}

}  // namespace racoon::sim
