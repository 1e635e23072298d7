// Store: the state file. Lines are appended, each with one write, so that a daemon that is killed loses
// at most the one that it was writing; when more is dead than alive the file is written anew beside
// itself and put in its place.
//
//     Store store;
//     std::string error;
//     if (!store.open("/var/lib/racoon/sa", &error)) …
//     store.save("sa 50 …", bytes, &error);
//     store.each([](std::string_view key, std::string_view value) { … }, &error);
//
// It holds keys in the clear: it belongs to the daemon's user, and nobody else may read it. One daemon
// at a time has it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace racoon::state_file {

class Store {
  public:
    using Each = std::function<void(std::string_view key, std::string_view value)>;

    Store() = default;
    ~Store() { close(); }
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    /// Makes the file where there is none. False: `error` says why it cannot be used.
    bool open(const std::string& path, std::string* error);
    void close();
    bool is_open() const { return fd_ >= 0; }
    const std::string& path() const { return path_; }

    /// Every record. False: the file cannot be read.
    bool each(const Each& each, std::string* error) const;
    bool save(std::string_view key, std::string_view value, std::string* error);
    bool remove(std::string_view key, std::string* error);
    bool clear(std::string* error);

    std::size_t size() const { return live_.size(); }
    /// Lines that could not be read when the file was opened.
    std::size_t damaged() const { return damaged_; }
    std::uint64_t file_bytes() const { return bytes_; }

  private:
    bool append(std::string line, std::string* error);
    void compact();
    void forget(std::string_view key);

    int fd_ = -1;
    std::string path_;
    std::unordered_map<std::string, std::uint64_t> live_;  // key → bytes of its line
    std::uint64_t bytes_ = 0, live_bytes_ = 0;
    std::size_t damaged_ = 0;
    bool torn_ = false;  // the last line is a part of one
};

}  // namespace racoon::state_file
