// -C: what print() writes is racoon.conf, and loads to the same model.
#include "conf/print.hpp"

#include <filesystem>
#include <sstream>

#include "conf/differences.hpp"
#include "conf/warnings.hpp"
#include "support/test_data.hpp"
#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

void same_id(const IdentitySpec& a, const IdentitySpec& b) {
    EXPECT_EQ(a.type, b.type);
    EXPECT_EQ(a.address, b.address);
    EXPECT_EQ(a.value, b.value);
}

void same_servers(const std::vector<RadiusServer>& a, const std::vector<RadiusServer>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        EXPECT_EQ(a[i].host, b[i].host);
        EXPECT_EQ(a[i].port, b[i].port);
        EXPECT_EQ(a[i].secret, b[i].secret);
    }
}

void same_access(const Config& a, const Config& b) {
    ASSERT_EQ(a.mode_cfg.has_value(), b.mode_cfg.has_value());
    ASSERT_EQ(a.radius.has_value(), b.radius.has_value());
    ASSERT_EQ(a.ldap.has_value(), b.ldap.has_value());
    if (a.mode_cfg) {
        const ModeCfg &x = *a.mode_cfg, &y = *b.mode_cfg;
        EXPECT_EQ(x.network4, y.network4);
        EXPECT_EQ(x.netmask4, y.netmask4);
        EXPECT_EQ(x.pool_size, y.pool_size);
        EXPECT_EQ(x.dns4, y.dns4);
        EXPECT_EQ(x.nbns4, y.nbns4);
        EXPECT_EQ(x.split, y.split);
        EXPECT_EQ(x.split_networks, y.split_networks);
        EXPECT_EQ(x.split_dns, y.split_dns);
        EXPECT_EQ(x.default_domain, y.default_domain);
        EXPECT_EQ(x.banner, y.banner);
        EXPECT_EQ(x.auth_source, y.auth_source);
        EXPECT_EQ(x.auth_groups, y.auth_groups);
        EXPECT_EQ(x.group_source, y.group_source);
        EXPECT_EQ(x.conf_source, y.conf_source);
        EXPECT_EQ(x.accounting, y.accounting);
        EXPECT_EQ(x.pfs_group, y.pfs_group);
        EXPECT_EQ(x.save_passwd, y.save_passwd);
        EXPECT_EQ(x.auth_throttle, y.auth_throttle);
    }
    if (a.radius) {
        same_servers(a.radius->auth, b.radius->auth);
        same_servers(a.radius->acct, b.radius->acct);
        EXPECT_EQ(a.radius->timeout, b.radius->timeout);
        EXPECT_EQ(a.radius->retries, b.radius->retries);
    }
    if (a.ldap) {
        const LdapCfg &x = *a.ldap, &y = *b.ldap;
        EXPECT_EQ(x.version, y.version);
        EXPECT_EQ(x.uri, y.uri);
        EXPECT_EQ(x.host, y.host);
        EXPECT_EQ(x.port, y.port);
        EXPECT_EQ(x.base, y.base);
        EXPECT_EQ(x.subtree, y.subtree);
        EXPECT_EQ(x.bind_dn, y.bind_dn);
        EXPECT_EQ(x.bind_pw, y.bind_pw);
        EXPECT_EQ(x.attr_user, y.attr_user);
        EXPECT_EQ(x.attr_addr, y.attr_addr);
        EXPECT_EQ(x.attr_mask, y.attr_mask);
        EXPECT_EQ(x.attr_group, y.attr_group);
        EXPECT_EQ(x.attr_member, y.attr_member);
        EXPECT_EQ(x.timeout, y.timeout);
        EXPECT_EQ(x.debug, y.debug);
    }
}

void same_warnings(const std::vector<WarningChoice>& a, const std::vector<WarningChoice>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        EXPECT_EQ(a[i].warning, b[i].warning);
        EXPECT_EQ(a[i].told, b[i].told);
    }
}

void same_extras(const Remote& x, const Remote& y) {
    same_warnings(x.warnings, y.warnings);
    EXPECT_EQ(x.net, y.net);
    EXPECT_EQ(x.host, y.host);
    if (!x.anonymous()) {
        EXPECT_EQ(x.port, y.port);
    }
    EXPECT_EQ(x.start, y.start);
    EXPECT_EQ(x.nat_traversal, y.nat_traversal);
    EXPECT_EQ(x.ike_frag, y.ike_frag);
    EXPECT_EQ(x.esp_frag, y.esp_frag);
    ASSERT_EQ(x.certificate.has_value(), y.certificate.has_value());
    if (x.certificate) {
        EXPECT_EQ(x.certificate->kind, y.certificate->kind);
        EXPECT_EQ(x.certificate->certificate, y.certificate->certificate);
        EXPECT_EQ(x.certificate->key, y.certificate->key);
    }
    ASSERT_EQ(x.peers_certificates.size(), y.peers_certificates.size());
    for (std::size_t i = 0; i < x.peers_certificates.size(); ++i) {
        EXPECT_EQ(x.peers_certificates[i].kind, y.peers_certificates[i].kind);
        EXPECT_EQ(x.peers_certificates[i].file, y.peers_certificates[i].file);
    }
    EXPECT_EQ(x.ca_file, y.ca_file);
    EXPECT_EQ(x.verify_cert, y.verify_cert);
    EXPECT_EQ(x.send_cert, y.send_cert);
    EXPECT_EQ(x.send_cr, y.send_cr);
    EXPECT_EQ(x.match_empty_cr, y.match_empty_cr);
    EXPECT_EQ(x.xauth_login, y.xauth_login);
    EXPECT_EQ(x.mode_cfg, y.mode_cfg);
    EXPECT_EQ(x.generate_policy, y.generate_policy);
    EXPECT_EQ(x.scripts.phase1_up, y.scripts.phase1_up);
    EXPECT_EQ(x.scripts.phase1_down, y.scripts.phase1_down);
    EXPECT_EQ(x.scripts.phase1_dead, y.scripts.phase1_dead);
    EXPECT_EQ(x.weak_phase1_check, y.weak_phase1_check);
    ASSERT_EQ(x.unsupported.size(), y.unsupported.size());
    for (std::size_t i = 0; i < x.unsupported.size(); ++i)
        EXPECT_EQ(x.unsupported[i].message, y.unsupported[i].message);
}

void same(const Config& a, const Config& b) {
    EXPECT_EQ(a.paths, b.paths);
    EXPECT_EQ(a.silenced, b.silenced);
    EXPECT_EQ(a.kernel, b.kernel);
    // What is not set is info, and is written as such.
    EXPECT_EQ(a.log_level.value_or(4), b.log_level.value_or(4));
    EXPECT_EQ(a.timer.given, b.timer.given);
    EXPECT_EQ(a.timer.counter, b.timer.counter);
    EXPECT_EQ(a.timer.interval, b.timer.interval);
    EXPECT_EQ(a.timer.persend, b.timer.persend);
    EXPECT_EQ(a.timer.phase1, b.timer.phase1);
    EXPECT_EQ(a.timer.phase2, b.timer.phase2);
    EXPECT_EQ(a.timer.natt_keepalive, b.timer.natt_keepalive);
    EXPECT_EQ(a.padding.randomize, b.padding.randomize);
    EXPECT_EQ(a.padding.randomize_length, b.padding.randomize_length);
    EXPECT_EQ(a.padding.maximum_length, b.padding.maximum_length);
    EXPECT_EQ(a.padding.exclusive_tail, b.padding.exclusive_tail);
    EXPECT_EQ(a.padding.strict_check, b.padding.strict_check);
    EXPECT_EQ(a.listen.isakmp, b.listen.isakmp);
    EXPECT_EQ(a.listen.isakmp_natt, b.listen.isakmp_natt);
    EXPECT_EQ(a.listen.strict_address, b.listen.strict_address);
    EXPECT_EQ(a.listen.adminsock.disabled, b.listen.adminsock.disabled);
    EXPECT_EQ(a.listen.adminsock.path, b.listen.adminsock.path);
    EXPECT_EQ(a.listen.adminsock.owner, b.listen.adminsock.owner);
    EXPECT_EQ(a.listen.adminsock.group, b.listen.adminsock.group);
    EXPECT_EQ(a.listen.adminsock.mode, b.listen.adminsock.mode);
    ASSERT_EQ(a.privsep.has_value(), b.privsep.has_value());
    if (a.privsep) {
        EXPECT_EQ(a.privsep->user, b.privsep->user);
        EXPECT_EQ(a.privsep->group, b.privsep->group);
        EXPECT_EQ(a.privsep->chroot, b.privsep->chroot);
    }
    EXPECT_EQ(a.complex_bundle, b.complex_bundle);
    EXPECT_EQ(a.pfkey_buffer, b.pfkey_buffer);
    EXPECT_EQ(a.gss_id_enc, b.gss_id_enc);
    same_access(a, b);
    ASSERT_EQ(a.modules.size(), b.modules.size());
    for (std::size_t i = 0; i < a.modules.size(); ++i) {
        EXPECT_EQ(a.modules[i].name, b.modules[i].name);
        EXPECT_EQ(a.modules[i].optional, b.modules[i].optional);
        EXPECT_EQ(a.modules[i].isolate, b.modules[i].isolate);
        ASSERT_EQ(a.modules[i].values.size(), b.modules[i].values.size());
        for (const auto& [key, value] : a.modules[i].values)
            EXPECT_EQ(value.text, b.modules[i].values.at(key).text);
    }
    ASSERT_EQ(a.remotes.size(), b.remotes.size());
    for (std::size_t i = 0; i < a.remotes.size(); ++i) {
        const Remote &x = a.remotes[i], &y = b.remotes[i];
        SCOPED_TRACE(x.name);
        EXPECT_EQ(x.name, y.name);
        EXPECT_EQ(x.address, y.address);
        EXPECT_EQ(x.modes, y.modes);
        same_extras(x, y);
        same_id(x.my_identifier, y.my_identifier);
        ASSERT_EQ(x.peers_identifiers.size(), y.peers_identifiers.size());
        for (std::size_t n = 0; n < x.peers_identifiers.size(); ++n)
            same_id(x.peers_identifiers[n], y.peers_identifiers[n]);
        EXPECT_EQ(x.verify_identifier, y.verify_identifier);
        EXPECT_EQ(x.passive, y.passive);
        EXPECT_EQ(x.support_proxy, y.support_proxy);
        EXPECT_EQ(x.initial_contact, y.initial_contact);
        EXPECT_EQ(x.nonce_size, y.nonce_size);
        EXPECT_EQ(x.proposal_check, y.proposal_check);
        EXPECT_EQ(x.rekey, y.rekey);
        EXPECT_EQ(x.dpd.enabled, y.dpd.enabled);
        EXPECT_EQ(x.dpd.delay, y.dpd.delay);
        EXPECT_EQ(x.dpd.retry, y.dpd.retry);
        EXPECT_EQ(x.dpd.max_fail, y.dpd.max_fail);
        EXPECT_EQ(x.ph1id, y.ph1id);
        ASSERT_EQ(x.proposals.size(), y.proposals.size());
        for (std::size_t n = 0; n < x.proposals.size(); ++n) {
            EXPECT_EQ(x.proposals[n].cipher->name, y.proposals[n].cipher->name);
            EXPECT_EQ(x.proposals[n].key_bits, y.proposals[n].key_bits);
            EXPECT_EQ(x.proposals[n].hash->name, y.proposals[n].hash->name);
            EXPECT_EQ(x.proposals[n].auth->name, y.proposals[n].auth->name);
            EXPECT_EQ(x.proposals[n].group->name, y.proposals[n].group->name);
            EXPECT_EQ(x.proposals[n].lifetime, y.proposals[n].lifetime);
            EXPECT_EQ(x.proposals[n].gss_id, y.proposals[n].gss_id);
        }
    }
    ASSERT_EQ(a.sainfos.size(), b.sainfos.size());
    for (std::size_t i = 0; i < a.sainfos.size(); ++i) {
        const SaInfo &x = a.sainfos[i], &y = b.sainfos[i];
        same_warnings(x.warnings, y.warnings);
        EXPECT_EQ(x.local.selector, y.local.selector);
        EXPECT_EQ(x.local.protocol, y.local.protocol);
        EXPECT_EQ(x.local.literal, y.local.literal);
        EXPECT_EQ(x.remote.literal, y.remote.literal);
        EXPECT_EQ(x.remote.clientaddr, y.remote.clientaddr);
        EXPECT_EQ(x.group, y.group);
        EXPECT_EQ(x.remote.selector, y.remote.selector);
        EXPECT_EQ(x.marks, y.marks);
        EXPECT_EQ(x.remote.protocol, y.remote.protocol);
        EXPECT_EQ(x.remoteid, y.remoteid);
        ASSERT_EQ(x.from.has_value(), y.from.has_value());
        if (x.from) same_id(*x.from, *y.from);
        EXPECT_EQ(x.pfs_group ? x.pfs_group->name : "", y.pfs_group ? y.pfs_group->name : "");
        EXPECT_EQ(x.lifetime, y.lifetime);
        ASSERT_EQ(x.encryption.size(), y.encryption.size());
        for (std::size_t n = 0; n < x.encryption.size(); ++n) {
            EXPECT_EQ(x.encryption[n].transform->name, y.encryption[n].transform->name);
            EXPECT_EQ(x.encryption[n].key_bits, y.encryption[n].key_bits);
        }
        ASSERT_EQ(x.integrity.size(), y.integrity.size());
        for (std::size_t n = 0; n < x.integrity.size(); ++n)
            EXPECT_EQ(x.integrity[n]->name, y.integrity[n]->name);
        EXPECT_EQ(x.compression.size(), y.compression.size());
    }
    ASSERT_EQ(a.policies.size(), b.policies.size());
    for (std::size_t i = 0; i < a.policies.size(); ++i) {
        const Policy &x = a.policies[i], &y = b.policies[i];
        EXPECT_EQ(x.direction, y.direction);
        EXPECT_EQ(x.action, y.action);
        EXPECT_EQ(x.priority, y.priority);
        EXPECT_EQ(x.selector, y.selector);
        EXPECT_EQ(x.marks, y.marks);
        EXPECT_EQ(x.copied, y.copied);
        ASSERT_EQ(x.templates.size(), y.templates.size());
        for (std::size_t n = 0; n < x.templates.size(); ++n) {
            EXPECT_EQ(x.templates[n].protocol, y.templates[n].protocol);
            EXPECT_EQ(x.templates[n].tunnel, y.templates[n].tunnel);
            EXPECT_EQ(x.templates[n].level, y.templates[n].level);
            EXPECT_EQ(x.templates[n].local, y.templates[n].local);
            EXPECT_EQ(x.templates[n].remote, y.templates[n].remote);
            EXPECT_EQ(x.templates[n].reqid, y.templates[n].reqid);
        }
    }
}

const PrintOptions kWhole{.secrets = true};

/// All that a file names is there, so that every section is compared.
const racoon::testing::FakeCatalog& whole_catalog() {
    static const racoon::testing::FakeCatalog kCatalog = [] {
        racoon::testing::FakeCatalog out;
        out.provide_everything();
        return out;
    }();
    return kCatalog;
}

/// False: the file is not accepted, which is another test's business.
bool round_trip(const std::string& text) {
    const LoadOptions offline{.offline = true};
    const Loaded first = load_text(text, {}, offline, whole_catalog());
    if (!first.ok()) return false;
    const std::string printed = print(first.config(), kWhole);
    const Loaded second = load_text(printed, {}, offline, whole_catalog());
    EXPECT_TRUE(second.ok()) << printed << second.text();
    if (!second.ok()) return true;
    same(first.config(), second.config());
    EXPECT_EQ(print(second.config(), kWhole), printed);
    return true;
}

TEST(Print, EveryValidFileGivesTheSameModelAgain) {
    std::size_t count = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(RACOON_SOURCE_DIR "/tests/conf/valid")) {
        SCOPED_TRACE(entry.path());
        EXPECT_TRUE(round_trip(read_file(entry.path().string())));
        ++count;
    }
    EXPECT_GE(count, 5u);
}

TEST(Print, FilesInTheMannerOfHowTosGiveTheSameModelAgain) {
    std::size_t count = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(RACOON_SOURCE_DIR "/tests/conf/howto")) {
        if (entry.path().extension() != ".conf") continue;
        SCOPED_TRACE(entry.path());
        EXPECT_TRUE(round_trip(read_file(entry.path().string())));
        ++count;
    }
    EXPECT_GE(count, 40u);
}

TEST(Print, RealFilesGiveTheSameModelAgain) {
    std::size_t count = 0;
    for (const char* name :
         {"corpus/racoon", "corpus/synthetic", "corpus/kame-historic", "corpus/templates"}) {
        const auto folder = test::test_data(name);
        if (!folder) return;
        for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
            SCOPED_TRACE(entry.path());
            if (entry.is_regular_file() && round_trip(read_file(entry.path().string()))) ++count;
        }
    }
    std::printf("%zu files of the corpus print to the same model\n", count);
    EXPECT_GE(count, 40u);
}

TEST(Print, WritesAnIdentityThatNoStringCanHoldInHexadecimal) {
    EXPECT_TRUE(round_trip(remote_text("anonymous", "peers_identifier keyid tag 0x0022ff0a;")));
    const Loaded l = load_text(remote_text("anonymous", "peers_identifier keyid tag 0x0022ff0a;"));
    EXPECT_NE(print(l.config()).find("keyid tag 0x0022ff0a;"), std::string::npos);
}

/// The least file in which a line of tests/conf/forms.txt can stand.
std::string file_around(const std::string& place, const std::string& form) {
    const std::string offer =
        "encryption_algorithm 3des; hash_algorithm sha1; authentication_method pre_shared_key; "
        "dh_group 2; ";
    const std::string lists =
        "encryption_algorithm aes; authentication_algorithm hmac_sha1; compression_algorithm "
        "deflate; ";
    if (place == "file") return form;
    if (place == "peer")
        return "remote " + form + " { exchange_mode main; proposal { " + offer + "} }";
    if (place == "remote")
        return "remote 192.0.2.1 { exchange_mode main; " + form + " proposal { " + offer + "} }";
    if (place == "proposal")
        return "remote 192.0.2.1 { exchange_mode main; proposal { " + form + " } }";
    if (place == "selectors") return "sainfo " + form + " { " + lists + "}";
    if (place == "sainfo") return "sainfo anonymous { " + form + " " + lists + "}";
    return place + " { " + form + " }";
}

TEST(Print, EveryFormOfTheGrammarIsAcceptedAndGivesTheSameModelAgain) {
    std::istringstream in(read_file(RACOON_SOURCE_DIR "/tests/conf/forms.txt"));
    std::size_t count = 0;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with('#')) continue;
        SCOPED_TRACE(line);
        const auto space = line.find(' ');
        ASSERT_NE(space, line.npos);
        EXPECT_TRUE(round_trip(file_around(line.substr(0, space), line.substr(space + 1))));
        ++count;
    }
    EXPECT_GE(count, 500u);
}

TEST(Print, WritesWarningsBlocksOfTheFileAndOfItsSections) {
    const std::string text =
        "warnings { weak_psk off; weak_hash off; weak_hash on; }\n" +
        remote_text("\"p\"", "warnings { weak_group off; weak_mode on; weak_group on; }") +
        "remote \"c\" inherit \"p\" { remote_address 192.0.2.9; }\n" +
        "sainfo anonymous { encryption_algorithm aes; authentication_algorithm hmac_sha1;\n"
        "  compression_algorithm deflate; warnings { weak_integrity off; } }\n";
    EXPECT_TRUE(round_trip(text));
    const Loaded l = load_text(text);
    ASSERT_TRUE(l.ok()) << l.text();
    const std::string out = print(l.config());
    EXPECT_EQ(out.find("warnings {\n    weak_psk off;\n}\n"), 0u) << out;
    EXPECT_NE(out.find("    warnings {\n        weak_group on;\n        weak_mode on;\n    }\n}\n"),
              std::string::npos);
    EXPECT_NE(out.find("    warnings {\n        weak_integrity off;\n    }\n}\n"),
              std::string::npos);
    // A parent's block is the parent's alone, and it makes no other section of it.
    EXPECT_TRUE(l.config().remotes.at(1).warnings.empty());
    Remote told = l.config().remotes.at(0);
    told.warnings.clear();
    EXPECT_TRUE(same(told, l.config().remotes.at(0)));
}

TEST(Print, WritesPolicyLinesThatSetkeyWouldRead) {
    const Loaded l = load_text(
        "policy 10.2.0.0/16 10.1.0.0/16[80] tcp -P in prio 5 ipsec "
        "esp/tunnel/192.0.2.2-192.0.2.1/unique:9;");
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(
        print(l.config().policies.at(0)),
        "spdadd 10.2.0.0/16[any] 10.1.0.0/16[80] 6 -P in prio 5 ipsec esp/tunnel/192.0.2.2-192.0.2.1/unique:9;");
}

}  // namespace
}  // namespace racoon::conf
