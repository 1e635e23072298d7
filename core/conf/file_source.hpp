// FileSource: where the parser gets files from. The keeper reads the disk and records what it read;
// the engine, which may not open files, is given that record and parses the same bytes.
//
//     DiskFiles disk;                                  // keeper
//     LoadResult mine = load(path, disk, catalog, {});
//     put(writer, disk.bundle());                      // to the engine
//     …
//     RACOON_TRY(FileBundle bundle, get_file_bundle(reader));
//     BundleFiles files(std::move(bundle));            // engine
//     LoadResult same = load(path, files, catalog, {});
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace racoon::conf {

inline constexpr std::size_t kMaxConfigFile = 16u * 1024 * 1024;

/// What can be said of a file without reading it.
struct FileFacts {
    enum class Kind : std::uint8_t { Regular, Folder, Other };
    Kind kind = Kind::Regular;
    unsigned mode = 0;       // permission bits
    bool our_own = true;     // it belongs to whom this process runs as, or who only tests: to root
    std::string owner = {};  // for messages: "uid 1000"
};

class FileSource {
  public:
    virtual ~FileSource() = default;
    /// The whole file. Errors: Io (with errno), TooLong (over kMaxConfigFile), Denied (a directory,
    /// a device, a pipe).
    virtual Result<std::string> read(const std::string& path) = 0;
    /// The paths that a shell pattern stands for, sorted; none: an empty list. A pattern without
    /// wildcards gives itself when the file exists. `~` is expanded. Errors: Io, TooLong (it would look
    /// at more than a configuration has a reason for).
    virtual Result<std::vector<std::string>> glob(const std::string& pattern) = 0;
    /// Errors: Unsupported (this source knows no such thing: nothing can be said of the file), NotFound
    /// or Io (with errno), Denied (whoever only tests a configuration may not look).
    virtual Result<FileFacts> facts(const std::string& path);
    /// Is there a user, or a group, of this name? Nothing: this source does not know.
    virtual std::optional<bool> account(bool group, const std::string& name);
};

/// Everything that a load read; its answers, replayed, give the same load.
struct FileBundle {
    std::map<std::string, std::string> files;
    std::map<std::string, std::vector<std::string>> globs;
};
void put(Writer& out, const FileBundle& bundle);
/// Errors: Truncated, Malformed.
Result<FileBundle> get_file_bundle(Reader& in);

class DiskFiles final : public FileSource {
  public:
    Result<std::string> read(const std::string& path) override;
    Result<std::vector<std::string>> glob(const std::string& pattern) override;
    Result<FileFacts> facts(const std::string& path) override;
    std::optional<bool> account(bool group, const std::string& name) override;
    /// What was read successfully so far.
    const FileBundle& bundle() const { return bundle_; }

  private:
    FileBundle bundle_;
    std::size_t visits_ = 0;  // entries of folders that patterns looked at, which are bounded
};

/// Answers from memory only; what the bundle does not hold does not exist (Errc::NotFound).
class BundleFiles final : public FileSource {
  public:
    explicit BundleFiles(FileBundle bundle) : bundle_(std::move(bundle)) {}
    Result<std::string> read(const std::string& path) override;
    Result<std::vector<std::string>> glob(const std::string& pattern) override;

  private:
    FileBundle bundle_;
};

}  // namespace racoon::conf
