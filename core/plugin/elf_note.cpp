#include "plugin/elf_note.hpp"

#include <algorithm>
#include <vector>

#include "log/log.hpp"
#include "plugin/messages.hpp"

namespace racoon::plugin {

namespace {

constexpr std::uint32_t kLoad = 1;
constexpr std::uint32_t kDynamic = 2;
constexpr std::uint32_t kNote = 4;
constexpr std::uint32_t kGnuStack = 0x6474e551;
constexpr std::uint64_t kDtNull = 0, kDtStrtab = 5, kDtRpath = 15, kDtTextrel = 22, kDtFlags = 30,
                        kDtRunpath = 29;
constexpr std::uint64_t kDfTextrel = 4;
constexpr std::size_t kMaxSegments = 256;
constexpr std::size_t kMaxDynamic = 4096;
constexpr std::size_t kMaxRunpath = 4096;

struct Segment {
    std::uint32_t type = 0;
    std::uint32_t flags = 0;
    std::uint64_t offset = 0;
    std::uint64_t address = 0;
    std::uint64_t size = 0;  // in the file
    std::uint64_t align = 0;
};

// Integers of either byte order at absolute offsets; every read is checked against the file's size.
class Image {
  public:
    Image(ByteView file, bool is_64, bool big) : file_(file), is_64_(is_64), big_(big) {}

    Result<std::uint64_t> number(std::uint64_t at, std::size_t width) const {
        RACOON_TRY(const ByteView raw, slice(at, width));
        std::uint64_t v = 0;
        for (std::size_t i = 0; i < width; ++i) v = v << 8 | raw[big_ ? i : width - 1 - i];
        return v;
    }
    Result<std::uint16_t> u16(std::uint64_t at) const { return narrow<std::uint16_t>(at); }
    Result<std::uint32_t> u32(std::uint64_t at) const { return narrow<std::uint32_t>(at); }
    /// An address, offset or size of the file's own class.
    Result<std::uint64_t> word(std::uint64_t at) const { return number(at, is_64_ ? 8 : 4); }
    std::uint64_t word_size() const { return is_64_ ? 8 : 4; }

    Result<ByteView> slice(std::uint64_t at, std::uint64_t size) const {
        if (at > file_.size() || size > file_.size() - at)
            return fail(Errc::Truncated, "found a file of " + std::to_string(file_.size()) +
                                             " bytes, expected " + std::to_string(size) +
                                             " bytes at offset " + std::to_string(at))
                .at(static_cast<std::size_t>(std::min<std::uint64_t>(at, file_.size())));
        return file_.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(size));
    }

  private:
    template <typename T>
    Result<T> narrow(std::uint64_t at) const {
        RACOON_TRY(const std::uint64_t v, number(at, sizeof(T)));
        return static_cast<T>(v);
    }
    ByteView file_;
    bool is_64_;
    bool big_;
};

Result<std::vector<Segment>> read_segments(const Image& in, bool is_64) {
    RACOON_TRY(const std::uint64_t table, in.word(is_64 ? 32 : 28));
    RACOON_TRY(const std::uint16_t entry_size, in.u16(is_64 ? 54 : 42));
    RACOON_TRY(const std::uint16_t count, in.u16(is_64 ? 56 : 44));
    if (count > kMaxSegments)
        return fail(Errc::TooLong, "found " + std::to_string(count) +
                                       " program headers, expected " +
                                       std::to_string(kMaxSegments) + " at most");
    if (count != 0 && entry_size < (is_64 ? 56 : 32))
        return fail(Errc::Malformed,
                    "found program headers of " + std::to_string(entry_size) + " bytes");
    std::vector<Segment> out;
    out.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
        // table comes from the file, so the sum may wrap: check it as a slice of the file first.
        RACOON_TRY_STATUS(in.slice(table, 0).map([](ByteView) {}));
        const std::uint64_t at = table + i * entry_size;
        Segment s;
        RACOON_TRY(s.type, in.u32(at));
        RACOON_TRY(s.flags, in.u32(at + (is_64 ? 4 : 24)));
        RACOON_TRY(s.offset, in.word(at + (is_64 ? 8 : 4)));
        RACOON_TRY(s.address, in.word(at + (is_64 ? 16 : 8)));
        RACOON_TRY(s.size, in.word(at + (is_64 ? 32 : 16)));
        RACOON_TRY(s.align, in.word(at + (is_64 ? 48 : 28)));
        out.push_back(s);
    }
    return out;
}

std::uint64_t aligned(std::uint64_t v, std::uint64_t to) {
    return (v + to - 1) / to * to;
}

Status read_notes(const Image& in, const Segment& segment, ElfFacts& facts) {
    RACOON_TRY_STATUS(in.slice(segment.offset, segment.size).map([](ByteView) {}));
    const std::uint64_t align = segment.align == 8 ? 8 : 4;
    const std::uint64_t end = segment.offset + segment.size;
    std::uint64_t at = segment.offset;
    while (end - at >= 12) {
        RACOON_TRY(const std::uint32_t name_size, in.u32(at));
        RACOON_TRY(const std::uint32_t desc_size, in.u32(at + 4));
        RACOON_TRY(const std::uint32_t type, in.u32(at + 8));
        const std::uint64_t desc_at = at + aligned(12 + std::uint64_t{name_size}, align);
        if (desc_at > end || desc_size > end - desc_at)
            return fail(Errc::Malformed, "found a note that is longer than its segment")
                .at(static_cast<std::size_t>(at));
        RACOON_TRY(const ByteView raw_name, in.slice(at + 12, name_size));
        std::string_view name = as_text(raw_name);
        while (!name.empty() && name.back() == '\0') name.remove_suffix(1);
        if (name == "Racoon" && type == 1) {
            if (facts.has_note)
                return fail(Errc::Malformed, "found two manifest notes, expected one")
                    .at(static_cast<std::size_t>(at));
            if (desc_size > kMaxManifest)
                return fail(Errc::TooLong, "found a manifest of " + std::to_string(desc_size) +
                                               " bytes, expected " + std::to_string(kMaxManifest) +
                                               " at most");
            RACOON_TRY(const ByteView desc, in.slice(desc_at, desc_size));
            facts.has_note = true;
            facts.manifest = std::string(as_text(desc));
        } else if (name == "GNU" && type == 3 && desc_size <= 64) {
            RACOON_TRY(const ByteView desc, in.slice(desc_at, desc_size));
            facts.build_id = to_hex(desc);
        }
        at = desc_at + aligned(desc_size, align);
        if (at > end) break;  // the last note's padding may be cut off
    }
    return ok();
}

Result<std::uint64_t> file_offset(const std::vector<Segment>& segments, std::uint64_t address) {
    for (const Segment& s : segments)
        if (s.type == kLoad && address >= s.address && address - s.address < s.size)
            return s.offset + (address - s.address);
    return fail(Errc::Malformed, "found an address that no segment holds");
}

Status read_runpath(const Image& in, std::uint64_t at, ElfFacts& facts) {
    std::string entry;
    for (std::size_t i = 0; i <= kMaxRunpath; ++i) {
        RACOON_TRY(const std::uint64_t c, in.number(at + i, 1));
        if (c != 0 && c != ':') {
            entry.push_back(static_cast<char>(c));
            continue;
        }
        // An empty entry means the current directory. $ORIGIN is refused too: what may follow it
        // is not on the path that the trust walk judges.
        if (entry.empty() || entry.front() != '/') {
            facts.relative_runpath = entry;
            return ok();
        }
        if (c == 0) return ok();
        entry.clear();
    }
    return fail(Errc::TooLong, "found a RUNPATH longer than " + std::to_string(kMaxRunpath));
}

Status read_dynamic(const Image& in, const std::vector<Segment>& segments, const Segment& segment,
                    ElfFacts& facts) {
    RACOON_TRY_STATUS(in.slice(segment.offset, segment.size).map([](ByteView) {}));
    const std::uint64_t entry = 2 * in.word_size();
    std::optional<std::uint64_t> strings;
    std::vector<std::uint64_t> paths;
    for (std::uint64_t i = 0; i < segment.size / entry; ++i) {
        if (i >= kMaxDynamic) return fail(Errc::TooLong, "found too many dynamic entries");
        const std::uint64_t at = segment.offset + i * entry;
        RACOON_TRY(const std::uint64_t tag, in.word(at));
        RACOON_TRY(const std::uint64_t value, in.word(at + in.word_size()));
        if (tag == kDtNull) break;
        if (tag == kDtTextrel || (tag == kDtFlags && (value & kDfTextrel) != 0))
            facts.text_relocations = true;
        if (tag == kDtStrtab) strings = value;
        if ((tag == kDtRpath || tag == kDtRunpath) && paths.size() < 8) paths.push_back(value);
    }
    if (paths.empty()) return ok();
    if (!strings) return fail(Errc::Malformed, "found a RUNPATH without a string table");
    RACOON_TRY(const std::uint64_t base, file_offset(segments, *strings));
    for (const std::uint64_t path : paths) {
        RACOON_TRY_STATUS(in.slice(base, 0).map([](ByteView) {}));
        if (path > kMaxModuleFile) return fail(Errc::Malformed, "found a RUNPATH outside the file");
        RACOON_TRY_STATUS(read_runpath(in, base + path, facts));
        if (facts.relative_runpath) break;
    }
    return ok();
}

}  // namespace

Result<ElfFacts> read_elf_facts(ByteView file) {
    if (file.size() > kMaxModuleFile)
        return fail(Errc::TooLong, "found a file of " + std::to_string(file.size()) +
                                       " bytes, expected " + std::to_string(kMaxModuleFile) +
                                       " at most");
    static constexpr std::uint8_t kMagic[] = {0x7f, 'E', 'L', 'F'};
    if (file.size() < 20 || !std::equal(std::begin(kMagic), std::end(kMagic), file.begin()))
        return fail(Errc::Malformed, "not an ELF file");
    ElfFacts facts;
    if (file[4] != 1 && file[4] != 2) return fail(Errc::Malformed, "unknown ELF class").at(4);
    if (file[5] != 1 && file[5] != 2) return fail(Errc::Malformed, "unknown ELF byte order").at(5);
    facts.is_64 = file[4] == 2;
    facts.big_endian = file[5] == 2;
    const Image in(file, facts.is_64, facts.big_endian);
    RACOON_TRY(facts.type, in.u16(16));
    RACOON_TRY(facts.machine, in.u16(18));
    RACOON_TRY(const std::vector<Segment> segments, read_segments(in, facts.is_64));
    // Without a PT_GNU_STACK header the loader makes the stack executable.
    facts.executable_stack = std::none_of(segments.begin(), segments.end(),
                                          [](const Segment& s) { return s.type == kGnuStack; });
    for (const Segment& s : segments) {
        if (s.type == kNote) RACOON_TRY_STATUS(read_notes(in, s, facts));
        if (s.type == kGnuStack && (s.flags & 1) != 0) facts.executable_stack = true;
        if (s.type == kDynamic) RACOON_TRY_STATUS(read_dynamic(in, segments, s, facts));
    }
    return facts;
}

Status check_elf_facts(const ElfFacts& facts) {
    if (facts.type != 3)
        return refuse(kMsgNotElf, Errc::Plugin,
                      "found an ELF file of type " + std::to_string(facts.type) +
                          ", expected 3 (shared object)");
    if (facts.text_relocations)
        return refuse(kMsgHardening, Errc::Plugin,
                      "found text relocations, expected position independent code: compile with "
                      "-fPIC");
    if (facts.executable_stack)
        return refuse(kMsgHardening, Errc::Plugin,
                      "found an executable stack, expected a plain one: link with -z noexecstack");
    if (facts.relative_runpath)
        return refuse(kMsgHardening, Errc::Plugin,
                      "found RUNPATH entry \"" + log::escaped(*facts.relative_runpath, 80) +
                          "\", expected absolute folders only");
    return ok();
}

}  // namespace racoon::plugin
