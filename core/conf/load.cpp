#include "conf/load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "conf/build.hpp"
#include "conf/check.hpp"
#include "conf/parser.hpp"
#include "conf/policies.hpp"

namespace racoon::conf {

namespace {

constexpr std::size_t kMaxIncludeDepth = 10;
constexpr std::size_t kMaxFiles = 1024;
constexpr std::size_t kMaxTotalBytes = 16u * 1024 * 1024;
constexpr std::size_t kMaxModules = 256;  // each is looked for, and compared with the others

/// All that one load reads, whatever for: a statement of a few bytes that names a large file, a
/// million times, must not cost more than a large file.
class BoundedFiles final : public FileSource {
  public:
    explicit BoundedFiles(FileSource& files) : files_(files) {}

    Result<std::string> read(const std::string& path) override {
        if (total_ > kMaxTotalBytes) return too_much();
        // The main file and as many others; the engine is given each of them.
        if (names_.size() > kMaxFiles && !names_.contains(path))
            return fail(Errc::TooLong,
                        fmt::format("the configuration names more than {} files", kMaxFiles));
        names_.insert(path);
        RACOON_TRY(std::string bytes, files_.read(path));
        total_ += bytes.size() + 64;
        if (total_ > kMaxTotalBytes) return too_much();
        return bytes;
    }
    Result<std::vector<std::string>> glob(const std::string& pattern) override {
        if (const auto known = found_.find(pattern); known != found_.end()) return known->second;
        RACOON_TRY(std::vector<std::string> names, files_.glob(pattern));
        return found_.emplace(pattern, std::move(names)).first->second;
    }

  private:
    static Failure too_much() {
        return fail(Errc::TooLong,
                    fmt::format("the configuration and what it names are larger than "
                                "{} MiB",
                                kMaxTotalBytes >> 20));
    }

    FileSource& files_;
    std::size_t total_ = 0;
    std::set<std::string> names_;
    std::map<std::string, std::vector<std::string>> found_;  // by pattern
};

/// Parses a file and, in their places, those that it includes.
class Expander {
  public:
    Expander(FileSource& files, Sources& sources, Diagnostics& diagnostics, bool offline)
        : files_(files), sources_(sources), diagnostics_(diagnostics), offline_(offline) {}

    bool main_file(const std::string& path) {
        auto bytes = files_.read(path);
        if (!bytes) {
            diagnostics_.file_error(
                path, fmt::format("cannot read the configuration: {}", bytes.error().text()));
            return false;
        }
        open_.push_back(path);
        file(path, std::move(*bytes));
        return true;
    }
    std::vector<Statement> take() { return std::move(out_); }

  private:
    void file(const std::string& path, std::string bytes) {
        const std::uint32_t index = sources_.add(path, std::move(bytes));
        std::vector<Statement> statements = parse(sources_, index, diagnostics_, room_);
        const bool includes =
            std::any_of(statements.begin(), statements.end(), [](const Statement& s) {
                return s.directive->word == Word::Include ||
                       (s.directive->word == Word::PathKind && s.directive->keyword == "include");
            });
        if (!includes && out_.empty()) {  // not twice a million statements
            out_ = std::move(statements);
            return;
        }
        if (!statements.empty() &&
            !room_.take(statements.size() * Room::kCopied, statements.back().where, diagnostics_))
            return;
        for (Statement& s : statements) {
            if (diagnostics_.full()) return;
            if (s.broken) {
                out_.push_back(std::move(s));
                continue;
            }
            if (s.directive->word == Word::Include) {
                include(s, path);
                continue;
            }
            if (s.directive->word == Word::PathKind && s.directive->keyword == "include")
                base_ = std::string(s.values[0].text);
            out_.push_back(std::move(s));
        }
    }

    void include(const Statement& s, const std::string& from) {
        const Value& v = s.values[0];
        if (v.text.empty())
            return diagnostics_.error(v.where, "include takes a name that is not empty");
        const std::string pattern = resolve_path(v.text, base_, from);
        if (open_.size() > kMaxIncludeDepth)
            return diagnostics_.error(
                v.where,
                fmt::format("include is nested too deeply; the most is {}", kMaxIncludeDepth));
        if (++includes_ > kMaxFiles) {
            if (includes_ == kMaxFiles + 1)
                diagnostics_.error(s.where,
                                   fmt::format("more than {} include statements", kMaxFiles));
            return;
        }
        auto names = files_.glob(pattern);
        if (!names || names->empty()) {
            const std::string message = fmt::format("no file matches {}{}", quoted(pattern),
                                                    names ? "" : ": " + names.error().text());
            if (offline_ &&
                (names || names.error().code() !=
                              Errc::TooLong))  // it may be there where this text is meant for
                return diagnostics_.warning(Warning::MissingFile, v.where,
                                            message + "; it is left out");
            return diagnostics_.error(v.where, message);
        }
        for (const std::string& name : *names) one(s, name, names->size() > 1);
    }

    void one(const Statement& s, const std::string& name, bool of_many) {
        const Span& where = s.values[0].where;
        for (const std::string& open : open_)
            if (open == name)
                return diagnostics_.error(where, fmt::format("{} includes itself", quoted(name)));
        if (++count_ > kMaxFiles) {
            if (!told_)
                diagnostics_.error(where,
                                   fmt::format("more than {} files are included", kMaxFiles));
            told_ = true;
            return;
        }
        auto bytes = files_.read(name);
        if (!bytes) {
            const std::string message =
                fmt::format("cannot read {}: {}", quoted(name), bytes.error().text());
            const bool missing = bytes.error().code() != Errc::TooLong;
            if ((of_many && missing) || (offline_ && bytes.error().code() == Errc::Io))
                diagnostics_.warning(Warning::MissingFile, where, message + "; it is left out");
            else
                diagnostics_.error(where, message);
            return;
        }
        open_.push_back(name);
        file(name, std::move(*bytes));
        open_.pop_back();
    }

    FileSource& files_;
    Sources& sources_;
    Diagnostics& diagnostics_;
    bool offline_;
    std::vector<Statement> out_;
    std::vector<std::string> open_;  // the chain of files that are being read
    std::string base_;               // `path include`
    std::size_t count_ = 0, includes_ = 0;
    bool told_ = false;
    Room room_;
};

}  // namespace

LoadResult load(const std::string& path, FileSource& files, const Catalog& catalog,
                const LoadOptions& options) {
    LoadResult out;
    Sources sources;
    Diagnostics diagnostics(sources);
    BoundedFiles bounded(files);
    Expander expander(bounded, sources, diagnostics, options.offline);
    if (expander.main_file(path)) {
        const std::vector<Statement> statements = expander.take();
        const BuildInput input{statements, sources, catalog, bounded, options.offline};
        const Silence silence = read_silence(statements);
        diagnostics.silence(silence);
        auto config = build(input, path, diagnostics);
        for (const WarningInfo& info : warning_table())
            if (silence.covers(info.warning)) config->silenced.emplace(info.name);
        const Whole whole(*config, statements, catalog, files, diagnostics);
        if (!options.offline) check_files(whole);
        if (!options.offline) check_host(whole, !options.modules_missing);
        if (diagnostics.errors() == 0) check(whole);
        assign_policy_ids(options.previous, *config);
        if (diagnostics.errors() == 0) out.config = std::move(config);
    }
    out.diagnostics = diagnostics.take();
    return out;
}

std::string module_lines(std::string_view module, bool any_named) {
    return fmt::format("{}module \"{}\";", any_named ? "" : "module \"standard\"; ", module);
}

ModuleScan scan_modules(const std::string& path, FileSource& files) {
    ModuleScan out;
    Sources sources;
    Diagnostics syntax(sources);  // load() reports these
    Diagnostics own(sources);
    BoundedFiles bounded(files);
    Expander expander(bounded, sources, syntax, true);
    if (!expander.main_file(path)) {
        out.ok = false;
        out.diagnostics = syntax.take();
        return out;
    }
    std::set<std::string> seen;
    for (const Statement& s : expander.take()) {
        if (s.broken) continue;
        if (s.directive->word == Word::PathKind && s.directive->keyword == "module") {
            if (s.values[0].text.starts_with('/'))
                out.module_path = std::string(s.values[0].text);
            else
                own.error(s.values[0].where,
                          fmt::format("path module takes an absolute name, found {}",
                                      quoted(s.values[0].text)));
        } else if (s.directive->word == Word::Module) {
            ModuleBlock block = build_module(s, sources, own);
            if (!seen.insert(block.name).second) continue;
            if (out.modules.size() == kMaxModules) {
                own.error(s.values[0].where, fmt::format("more than {} modules", kMaxModules));
                break;
            }
            out.modules.push_back(std::move(block));
        } else if (s.directive->word == Word::Kernel) {
            out.kernel = std::string(s.values[0].text);
        }
    }
    out.ok = own.errors() == 0;
    out.diagnostics = own.take();
    return out;
}

}  // namespace racoon::conf
