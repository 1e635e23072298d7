#include "plugin/elf_note.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace racoon::plugin {
namespace {

// An ELF file of our own making, of either class and byte order.
class Elf {
  public:
    Elf(bool is_64, bool big) : is_64_(is_64), big_(big) {}

    struct Segment {
        std::uint32_t type;
        std::uint32_t flags;
        Bytes content;
        std::uint64_t address;
    };
    Elf& segment(std::uint32_t type, Bytes content, std::uint32_t flags = 4,
                 std::uint64_t address = 0) {
        segments_.push_back({type, flags, std::move(content), address});
        return *this;
    }
    Bytes number(std::uint64_t v, std::size_t width) const {
        Bytes out(width);
        for (std::size_t i = 0; i < width; ++i) {
            const std::size_t at = big_ ? width - 1 - i : i;
            out[at] = static_cast<std::uint8_t>(v >> (8 * i));
        }
        return out;
    }
    Bytes word(std::uint64_t v) const { return number(v, is_64_ ? 8 : 4); }
    Bytes note(const std::string& owner, std::uint32_t type, const std::string& desc) const {
        Bytes out = number(owner.size() + 1, 4);
        append(out, number(desc.size(), 4));
        append(out, number(type, 4));
        append(out, as_bytes(owner));
        out.push_back(0);
        while (out.size() % 4 != 0) out.push_back(0);
        append(out, as_bytes(desc));
        while (out.size() % 4 != 0) out.push_back(0);
        return out;
    }
    Bytes dynamic(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& entries) const {
        Bytes out;
        for (const auto& [tag, value] : entries) {
            append(out, word(tag));
            append(out, word(value));
        }
        return out;
    }
    Bytes build() const {
        const std::size_t header = is_64_ ? 64 : 52;
        const std::size_t entry = is_64_ ? 56 : 32;
        Bytes out = {0x7f,
                     'E',
                     'L',
                     'F',
                     static_cast<std::uint8_t>(is_64_ ? 2 : 1),
                     static_cast<std::uint8_t>(big_ ? 2 : 1),
                     1};
        out.resize(16);
        append(out, number(3, 2));
        append(out, number(62, 2));
        append(out, number(1, 4));
        append(out, word(0));
        append(out, word(header));
        append(out, word(0));
        append(out, number(0, 4));
        append(out, number(header, 2));
        append(out, number(entry, 2));
        append(out, number(segments_.size(), 2));
        out.resize(header);
        std::size_t at = header + entry * segments_.size();
        for (const Segment& s : segments_) {
            append(out, number(s.type, 4));
            if (is_64_) append(out, number(s.flags, 4));
            append(out, word(at));
            append(out, word(s.address));
            append(out, word(s.address));
            append(out, word(s.content.size()));
            append(out, word(s.content.size()));
            if (!is_64_) append(out, number(s.flags, 4));
            append(out, word(4));
            at += s.content.size();
        }
        for (const Segment& s : segments_) append(out, s.content);
        return out;
    }

  private:
    bool is_64_, big_;
    std::vector<Segment> segments_;
};

constexpr std::uint32_t kStack = 0x6474e551;

struct ElfNote : testing::TestWithParam<std::pair<bool, bool>> {
    Elf elf{GetParam().first, GetParam().second};
};

TEST_P(ElfNote, FindsTheManifestAmongOtherNotes) {
    Bytes notes = elf.note("GNU", 3, "\x12\xab");
    append(notes, elf.note("Racoon", 2, "another type"));
    append(notes, elf.note("Racoon", 1, "{\"name\": \"x\"}"));
    const auto facts = read_elf_facts(elf.segment(4, notes).segment(kStack, {}, 6).build());
    ASSERT_TRUE(facts) << facts.error().text();
    EXPECT_TRUE(facts->has_note);
    EXPECT_EQ(facts->manifest, "{\"name\": \"x\"}");
    EXPECT_EQ(facts->build_id, "12ab");
    EXPECT_TRUE(check_elf_facts(*facts));
}

TEST_P(ElfNote, SeesAnExecutableStackAndTheLackOfAPromiseNotToNeedOne) {
    auto facts = read_elf_facts(Elf(elf).segment(kStack, {}, 7).build());
    ASSERT_TRUE(facts);
    EXPECT_FALSE(check_elf_facts(*facts));
    facts = read_elf_facts(elf.build());
    ASSERT_TRUE(facts);
    EXPECT_TRUE(facts->executable_stack);
}

TEST_P(ElfNote, SeesTextRelocationsInBothForms) {
    for (const auto& entry : {std::pair<std::uint64_t, std::uint64_t>{22, 0}, {30, 4}}) {
        Elf e = elf;
        const auto facts =
            read_elf_facts(e.segment(kStack, {}, 6).segment(2, e.dynamic({entry})).build());
        ASSERT_TRUE(facts);
        EXPECT_TRUE(facts->text_relocations);
        EXPECT_FALSE(check_elf_facts(*facts));
    }
}

TEST_P(ElfNote, RefusesARunpathEntryThatIsNotAbsolute) {
    for (const auto& [path, bad] :
         std::vector<std::pair<std::string, bool>>{{"/usr/lib:/opt/lib", false},
                                                   {"/usr/lib:lib", true},
                                                   {"$ORIGIN/..", true},
                                                   {":/usr/lib", true}}) {
        Elf e = elf;
        Bytes strings = {0};
        append(strings, as_bytes(path));
        strings.push_back(0);
        e.segment(kStack, {}, 6).segment(1, strings, 4, 0x1000);
        const auto facts =
            read_elf_facts(e.segment(2, e.dynamic({{5, 0x1000}, {29, 1}, {0, 0}})).build());
        ASSERT_TRUE(facts) << facts.error().text();
        EXPECT_EQ(facts->relative_runpath.has_value(), bad) << path;
    }
}

TEST_P(ElfNote, RefusesTwoManifests) {
    Bytes notes = elf.note("Racoon", 1, "{}");
    append(notes, elf.note("Racoon", 1, "{}"));
    EXPECT_FALSE(read_elf_facts(elf.segment(4, notes).build()));
}

TEST_P(ElfNote, SurvivesEveryTruncationAndEveryBrokenByte) {
    Bytes notes = elf.note("Racoon", 1, "{\"name\": \"x\"}");
    Bytes strings = {0, '/', 'l', 0};
    elf.segment(4, notes).segment(1, strings, 4, 0x1000);
    const Bytes whole = elf.segment(2, elf.dynamic({{5, 0x1000}, {29, 1}, {0, 0}})).build();
    ASSERT_TRUE(read_elf_facts(whole));
    for (std::size_t n = 0; n < whole.size(); ++n) (void)read_elf_facts(ByteView(whole).first(n));
    for (std::size_t i = 0; i < whole.size(); ++i)
        for (const unsigned v : {0x00u, 0xffu, 0x7fu, 0x80u}) {
            Bytes broken = whole;
            broken[i] = static_cast<std::uint8_t>(v);
            (void)read_elf_facts(broken);
        }
}

TEST_P(ElfNote, RefusesANoteLongerThanItsSegment) {
    Bytes notes = elf.note("Racoon", 1, "{}");
    const Bytes huge = elf.number(0xfffffff0, 4);
    std::copy(huge.begin(), huge.end(), notes.begin() + 4);
    const auto facts = read_elf_facts(elf.segment(4, notes).build());
    ASSERT_FALSE(facts);
    EXPECT_EQ(facts.error().code(), Errc::Malformed);
}

INSTANTIATE_TEST_SUITE_P(ClassesAndOrders, ElfNote,
                         testing::Values(std::pair{true, false}, std::pair{true, true},
                                         std::pair{false, false}, std::pair{false, true}));

TEST(ElfNoteFiles, OtherFilesAreNotElf) {
    EXPECT_FALSE(read_elf_facts({}));
    EXPECT_FALSE(read_elf_facts(as_bytes("#!/bin/sh\necho a script is not a module\n")));
}

}  // namespace
}  // namespace racoon::plugin
