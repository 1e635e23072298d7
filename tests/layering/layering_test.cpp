// Holds the shape of the house by reading the sources: which room may include which, what plugins may
// see, and which forms of co_await are safe with g++ 12.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace {

namespace fs = std::filesystem;

const fs::path kSource = RACOON_SOURCE_DIR;

// Who may include whom: the room and all that it sees. `daemon`, `ctl` and the like are programs.
const std::map<std::string, std::set<std::string>> kSees = {
    {"base", {}},
    {"log", {"base"}},
    {"isakmp", {"base", "log"}},
    {"conf", {"base", "log"}},
    {"loop", {"base", "log"}},
    {"net", {"base", "log", "loop"}},
    {"exchange", {"base", "log", "isakmp", "conf"}},
    {"plugin", {"base", "log", "isakmp", "conf", "loop", "net", "exchange"}},
    {"control", {"base", "log", "isakmp", "conf", "loop", "net", "exchange", "plugin"}},
    {"privsep", {"base", "log", "isakmp", "conf", "loop", "net", "exchange", "plugin"}},
    {"daemon",
     {"base", "log", "isakmp", "conf", "loop", "net", "exchange", "plugin", "control", "privsep"}},
    {"ctl", {"base", "log", "conf", "loop", "control"}},
};

bool is_source(const fs::path& p) {
    static const std::set<std::string> kinds = {".c", ".h", ".cpp", ".hpp", ".inc"};
    return kinds.contains(p.extension().string());
}

std::vector<fs::path> sources_below(const fs::path& folder) {
    std::vector<fs::path> out;
    std::error_code error;
    for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error))
        if (it->is_regular_file() && is_source(it->path())) out.push_back(it->path());
    return out;
}

std::string read(const fs::path& p) {
    std::ifstream in(p, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

struct Include {
    std::string name;
    bool angled;
    int line;
};

std::vector<Include> includes_of(const std::string& text) {
    std::vector<Include> out;
    std::istringstream in(text);
    static const std::regex pattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
    int number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        std::smatch m;
        if (std::regex_search(line, m, pattern)) out.push_back({m[2], m[1] == "<", number});
    }
    return out;
}

std::string place(const fs::path& file, int line) {
    return fs::relative(file, kSource).string() + ":" + std::to_string(line);
}

TEST(Layering, RoomsIncludeOnlyWhatTheySee) {
    std::size_t checked = 0;
    for (const fs::path& file : sources_below(kSource / "core")) {
        const std::string room = *fs::relative(file, kSource / "core").begin();
        const auto rules = kSees.find(room);
        if (rules == kSees.end()) continue;  // tools of their own
        for (const Include& i : includes_of(read(file))) {
            ++checked;
            if (i.angled) continue;
            const std::size_t slash = i.name.find('/');
            ASSERT_NE(slash, std::string::npos)
                << place(file, i.line) << ": \"" << i.name << "\" should be named with its room";
            const std::string other = i.name.substr(0, slash);
            EXPECT_TRUE(other == room || rules->second.contains(other))
                << place(file, i.line) << ": room " << room << " may not include " << i.name;
        }
    }
    EXPECT_GT(checked, 100u) << "the sources were not found";
}

TEST(Layering, EveryRoomIsInTheGraph) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(kSource / "core", error)) {
        const std::string name = entry.path().filename().string();
        if (!entry.is_directory() || sources_below(entry.path()).empty()) continue;
        static const std::set<std::string> programs = {"setkey", "rsagen", "plugin_host"};
        EXPECT_TRUE(kSees.contains(name) || programs.contains(name))
            << "core/" << name << " has no rule";
    }
}

TEST(Layering, LibrariesStayInTheirRooms) {
    const std::map<std::string, std::set<std::string>> owners = {
        {"nlohmann/", {"control", "plugin"}},
        {"uv.h", {"loop"}},
        {"openssl/", {"rsagen"}},
    };
    for (const fs::path& file : sources_below(kSource / "core")) {
        const std::string room = *fs::relative(file, kSource / "core").begin();
        for (const Include& i : includes_of(read(file))) {
            for (const auto& [prefix, rooms] : owners)
                EXPECT_TRUE(!i.name.starts_with(prefix) || rooms.contains(room))
                    << place(file, i.line) << ": " << i.name;
            EXPECT_TRUE(!i.name.starts_with("fmt/") || file.extension() == ".cpp")
                << place(file, i.line) << ": fmt is for .cpp files";
        }
    }
}

TEST(Layering, PluginsSeeOnlyTheSdk) {
    std::size_t checked = 0;
    for (const fs::path& file : sources_below(kSource / "plugins")) {
        const fs::path folder =
            kSource / "plugins" / *fs::relative(file, kSource / "plugins").begin();
        for (const Include& i : includes_of(read(file))) {
            ++checked;
            if (i.angled) {
                // The system's, a library's, or <racoon/…>: never one of ours.
                EXPECT_FALSE(fs::exists(kSource / "core" / i.name))
                    << place(file, i.line) << ": " << i.name;
                continue;
            }
            const bool own = fs::exists(file.parent_path() / i.name) ||
                             fs::exists(folder / i.name) || i.name == "racoon_manifest.h";
            const fs::path target = fs::weakly_canonical(file.parent_path() / i.name);
            const bool inside =
                target.string().starts_with(fs::weakly_canonical(folder).string() + "/");
            EXPECT_TRUE(own && inside)
                << place(file, i.line) << ": a plugin may include its own files and "
                << "<racoon/…>, not \"" << i.name << "\"";
        }
    }
    EXPECT_GT(checked, 5u);
}

TEST(Layering, TheCHeadersNeedOnlyFreestandingOnes) {
    for (const fs::path& file : sources_below(kSource / "sdk/include/racoon/plugin"))
        for (const Include& i : includes_of(read(file)))
            EXPECT_TRUE(!i.angled || i.name == "stddef.h" || i.name == "stdint.h")
                << place(file, i.line) << ": " << i.name;
}

// A regular expression would recurse for every byte of a long comment, or of what looks like one in a text.
std::string without_comments(const std::string& in) {
    std::string out;
    for (std::size_t i = 0; i < in.size();) {
        std::size_t end = i + 1;
        if (in.compare(i, 2, "//") == 0) {
            i = std::min(in.find('\n', i), in.size());
            continue;
        }
        if (in.compare(i, 2, "/*") == 0) {
            i = std::min(in.find("*/", i + 2), in.size() - 2) + 2;
            continue;
        }
        if (in[i] == '"') {
            while (end < in.size() && in[end] != '"' && in[end] != '\n')
                end += in[end] == '\\' ? 2 : 1;
            end = std::min(end + 1, in.size());
        }
        out.append(in, i, end - i);
        i = end;
    }
    return out;
}

TEST(Layering, TheCoreNamesNoModule) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(kSource / "plugins", error))
        if (fs::exists(entry.path() / "plugin.json"))
            names.push_back("\"" + entry.path().filename().string() + "\"");
    ASSERT_FALSE(names.empty());
    for (const fs::path& file : sources_below(kSource / "core")) {
        const std::string code = without_comments(read(file));
        for (const std::string& name : names)
            EXPECT_EQ(code.find(name), std::string::npos)
                << fs::relative(file, kSource).string() << " names module " << name;
    }
}

// Comments, strings and character literals become blanks, so that only code is judged.
std::string code_only(const std::string& in) {
    std::string out = in;
    for (std::size_t i = 0; i < out.size();) {
        const auto blank = [&](std::size_t end) {
            for (; i < end && i < out.size(); ++i)
                if (out[i] != '\n') out[i] = ' ';
        };
        if (out.compare(i, 2, "//") == 0) {
            blank(std::min(out.find('\n', i), out.size()));
        } else if (out.compare(i, 2, "/*") == 0) {
            const std::size_t end = out.find("*/", i);
            blank(end == std::string::npos ? out.size() : end + 2);
        } else if (out[i] == '"' ||
                   (out[i] == '\'' &&
                    (i == 0 || !std::isalnum(static_cast<unsigned char>(out[i - 1]))))) {
            const char quote = out[i];
            std::size_t end = i + 1;
            while (end < out.size() && out[end] != quote && out[end] != '\n')
                end += out[end] == '\\' ? 2 : 1;
            blank(end + 1);
        } else {
            ++i;
        }
    }
    return out;
}

// The operand of co_await: up to the ; or the bracket that closes what it stands in.
std::string await_operand(const std::string& code, std::size_t from) {
    int depth = 0;
    std::size_t i = from;
    for (; i < code.size(); ++i) {
        const char c = code[i];
        if (c == '(' || c == '[' || c == '{') ++depth;
        if (c == ')' || c == ']' || c == '}') {
            if (depth == 0) break;
            --depth;
        }
        if (c == ';' && depth == 0) break;
    }
    return code.substr(from, i - from);
}

/// What g++ 12 may miscompile in the operand; "" if nothing.
std::string unsafe_form(const std::string& operand) {
    if (operand.find('{') != std::string::npos) return "a braced list or aggregate temporary";
    for (std::size_t i = 0; i < operand.size(); ++i)
        if (operand[i] == '?') return "a conditional operator";
    return {};
}

TEST(Coroutines, AwaitExpressionsHoldNoFormThatTheCompilerBreaks) {
    for (const fs::path& file : sources_below(kSource / "core")) {
        const std::string code = code_only(read(file));
        static const std::regex await(R"(\bco_await\b)");
        for (std::sregex_iterator it(code.begin(), code.end(), await), end; it != end; ++it) {
            const auto at = static_cast<std::size_t>(it->position());
            const std::string unsafe = unsafe_form(await_operand(code, at + 8));
            const auto line =
                1 + std::count(code.begin(), code.begin() + static_cast<std::ptrdiff_t>(at), '\n');
            EXPECT_EQ(unsafe, "") << place(file, static_cast<int>(line)) << ": name a local first";
        }
    }
}

TEST(Coroutines, TheCheckSeesTheForms) {
    const auto judge = [](const std::string& text) {
        const std::string code = code_only(text);
        return unsafe_form(await_operand(code, code.find("co_await") + 8));
    };
    EXPECT_EQ(judge("auto r = co_await x.operate(request);"), "");
    EXPECT_EQ(judge("if (auto r = co_await x.next()) { return {}; }"), "");
    EXPECT_EQ(judge("co_await x.say(\"{?\"); // { ?"), "");
    EXPECT_NE(judge("co_await x.operate(SpiGet{1, 2});"), "");
    EXPECT_NE(judge("co_await x.send({1, 2});"), "");
    EXPECT_NE(judge("co_await x.send(a ? b : c);"), "");
    EXPECT_NE(judge("co_await (a ? b : c);"), "");
}

}  // namespace
