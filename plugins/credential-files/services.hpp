// What the module needs of its host, and how it answers.
#pragma once

#include <cstdint>
#include <string>

#include <racoon/plugin.h>

namespace credential_files {

struct Services {
    void* host = nullptr;
    const racoon_conf_service* conf = nullptr;
    const racoon_secret_service* secret = nullptr;
    const racoon_crypto_service* crypto = nullptr;
    const racoon_log_service* log = nullptr;  // may be null

    void write(std::uint32_t level, const std::string& text) const {
        if (log) log->write(host, level, text.data(), text.size());
    }
};

/// Fills `err`, which may be null, and returns `status`.
racoon_status report(racoon_error* err, racoon_status status, int os_errno,
                     const std::string& text);
/// The same about a place in a file. What was found is never cut off: of a long path the end is kept.
racoon_status report_at(racoon_error* err, racoon_status status, const std::string& path,
                        unsigned line, unsigned column, const std::string& text);

/// "path:3:14", "path:3" for column 0.
std::string place(const std::string& path, unsigned line, unsigned column);

}  // namespace credential_files
