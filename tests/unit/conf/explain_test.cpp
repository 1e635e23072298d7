// What the directive table says in words.
#include "conf/explain.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "conf/parser.hpp"

namespace racoon::conf {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<Topic>& topics() {
    static const std::vector<Topic> kAll = directive_topics();
    return kAll;
}

std::vector<std::string> names(std::string_view word) {
    std::vector<std::string> out;
    for (const Topic* t : find_topics(topics(), word)) out.push_back(t->name);
    return out;
}

std::string fact(const Topic& t, std::string_view name) {
    for (const Fact& f : t.facts)
        if (f.name == name) return f.value;
    return {};
}

TEST(Explain, FindsAWordInEveryBlockThatHasIt) {
    EXPECT_THAT(names("lifetime"),
                ElementsAre("remote.lifetime", "remote.lifetime.byte", "proposal.lifetime",
                            "proposal.lifetime.byte", "sainfo.lifetime", "sainfo.lifetime.byte"));
    EXPECT_THAT(
        names("lifetime byte"),
        ElementsAre("remote.lifetime.byte", "proposal.lifetime.byte", "sainfo.lifetime.byte"));
}

TEST(Explain, KnowsTheWordsOfSectionHeads) {
    for (const char* word : {"anonymous", "clientaddr", "inherit", "from"})
        EXPECT_THAT(names(word), Contains(word));
}

TEST(Explain, WhatIsNearAWordDoesNotDependOnItsCase) {
    EXPECT_THAT(near_topics(topics(), "NONCE_SIZ"), Contains("nonce_size"));
    EXPECT_THAT(near_topics(topics(), "Remote.Nonce_Size"), Contains("remote.nonce_size"));
}

TEST(Explain, FindsOneMeaningByItsFullName) {
    EXPECT_THAT(names("remote.nonce_size"), ElementsAre("remote.nonce_size"));
    EXPECT_THAT(names("remote nonce_size"), ElementsAre("remote.nonce_size"));
    EXPECT_THAT(names("remote.proposal.dh_group"), ElementsAre("proposal.dh_group"));
    EXPECT_THAT(names("path pre_shared_key"), ElementsAre("path.pre_shared_key"));
}

TEST(Explain, TellsSyntaxDefaultRangeUnitAndSince) {
    const Topic& t = *find_topics(topics(), "remote.nonce_size").at(0);
    EXPECT_THAT(t.syntax, ElementsAre("nonce_size NUMBER;"));
    EXPECT_EQ(t.place, "in remote");
    EXPECT_EQ(fact(t, "default"), "16 bytes");
    EXPECT_EQ(fact(t, "range"), "8 to 256");
    EXPECT_THAT(fact(t, "since"), HasSubstr("KAME"));
    EXPECT_EQ(fact(t, "example"), "nonce_size 32;");
}

TEST(Explain, NamesOldSpellingsAndWhatBecameOfThem) {
    EXPECT_EQ(fact(*find_topics(topics(), "support_proxy").at(0), "old spelling"), "support_mip6");
    EXPECT_THAT(find_topics(topics(), "support_mip6").at(0)->help,
                HasSubstr("write support_proxy"));
    EXPECT_THAT(find_topics(topics(), "algorithm_strength").at(0)->help, HasSubstr("proposal"));
}

TEST(Explain, ABlockListsWhatIsInside) {
    EXPECT_THAT(find_topics(topics(), "timer").at(0)->inside, Contains("timer.interval"));
    EXPECT_THAT(find_topics(topics(), "path").at(0)->inside, Contains("path.pidfile"));
    EXPECT_THAT(find_topics(topics(), "block").at(0)->inside, Contains("remote"));
}

TEST(Explain, KnowsValuesAndGrammar) {
    EXPECT_THAT(find_topics(topics(), "obey").at(0)->place, HasSubstr("remote.proposal_check"));
    EXPECT_THAT(names("hours"), ElementsAre("time"));
    EXPECT_THAT(names("user_fqdn"), ElementsAre("identity"));
}

TEST(Explain, KnowsTheNamesOfWarnings) {
    const Topic& t = *find_topics(topics(), "weak_group").at(0);
    EXPECT_EQ(t.kind, "warning");
    EXPECT_THAT(t.syntax, ElementsAre("weak_group on | off;"));
}

TEST(Explain, GivesNearWordsForAMistypedOne) {
    EXPECT_THAT(names("noncesize"), IsEmpty());
    EXPECT_THAT(near_topics(topics(), "noncesize"), Contains("nonce_size"));
    EXPECT_THAT(near_topics(topics(), "remote.nonce_siz"), Contains("remote.nonce_size"));
    EXPECT_THAT(near_topics(topics(), "pfs"), Contains("pfs_group"));
    EXPECT_THAT(near_topics(topics(), "xyzzyxyzzy"), IsEmpty());
    EXPECT_LE(near_topics(topics(), "e", 3).size(), 3u);
    EXPECT_THAT(near_topics(topics(), std::string(10000, 'a')), IsEmpty());
}

TEST(Explain, EveryTopicHasItsNameOnceAndSaysSomething) {
    std::set<std::string> seen;
    for (const Topic& t : topics()) {
        SCOPED_TRACE(t.name);
        EXPECT_TRUE(seen.insert(t.name).second);
        EXPECT_FALSE(t.place.empty());
        EXPECT_TRUE(!t.help.empty() || !t.facts.empty());
        EXPECT_FALSE(find_topics(topics(), t.name).empty());
        for (const std::string& name : t.inside)
            EXPECT_FALSE(find_topics(topics(), name).empty()) << name;
    }
    for (const Directive& d : directives())
        EXPECT_FALSE(find_topics(topics(), d.keyword).empty()) << d.keyword;
}

TEST(Explain, HelpIsOneOrMoreSentences) {
    for (const Directive& d : directives()) {
        if (d.standing != Standing::Works) continue;
        EXPECT_TRUE(d.help.ends_with('.')) << d.keyword << ": " << d.help;
        EXPECT_GT(d.help.size(), 10u) << d.keyword;
    }
}

/// An example, in the block to which it belongs.
std::string in_its_block(const Directive& d) {
    const std::string example = std::string(d.example) + "\n";
    switch (d.context) {
        case Context::Top:
        case Context::Path:
            return example;
        case Context::Remote:
            return "remote \"x\" { " + example + "}";
        case Context::Proposal:
            return "remote \"x\" { proposal { " + example + "} }";
        case Context::SaInfo:
            return "sainfo anonymous { " + example + "}";
        case Context::Module:
            return "module \"x\" { " + example + "}";
        default:
            return std::string(context_name(d.context)) + " { " + example + "}";
    }
}

TEST(Explain, EveryExampleIsReadWithoutAWord) {
    std::size_t count = 0;
    for (const Directive& d : directives()) {
        if (d.standing != Standing::Works) continue;
        SCOPED_TRACE(d.keyword);
        if (d.example.empty()) {
            EXPECT_TRUE(d.form == Form::Switch || d.form == Form::Block) << "needs an example";
            continue;
        }
        EXPECT_THAT(std::string(d.example), HasSubstr(d.keyword));
        Sources sources;
        const std::uint32_t file = sources.add("example", in_its_block(d));
        Diagnostics diagnostics(sources);
        const auto statements = parse(sources, file, diagnostics);
        EXPECT_EQ(statements.size(), 1u);
        for (const Diagnostic& one : diagnostics.take()) {
            // The only value that KAME's port may have means that there is none.
            const bool no_port = d.form == Form::AdminPort && one.warning == Warning::Deprecated;
            EXPECT_TRUE(no_port) << one.text();
        }
        ++count;
    }
    EXPECT_GT(count, 60u);
}

TEST(Explain, SummaryIsTheFirstSentence) {
    Topic t;
    t.help = "How many are sent, e.g. three. Then no more.";
    EXPECT_EQ(t.summary(), "How many are sent, e.g. three");
    t.help = "Only one.";
    EXPECT_EQ(t.summary(), "Only one");
}

}  // namespace
}  // namespace racoon::conf
