// Collects what is logged while it lives.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "log/log.hpp"

namespace racoon::test {

class LogCapture {
  public:
    LogCapture() : lines_(std::make_shared<Lines>()) {
        log::clear_sinks();
        log::add_sink(std::make_unique<Sink>(lines_));
    }
    ~LogCapture() { log::clear_sinks(); }
    std::string all() const {
        const std::lock_guard guard(lines_->lock);
        std::string out;
        for (const std::string& l : lines_->lines) out += l + "\n";
        return out;
    }
    std::size_t count(const std::string& part) const {
        const std::lock_guard guard(lines_->lock);
        std::size_t n = 0;
        for (const std::string& l : lines_->lines) n += l.find(part) != std::string::npos;
        return n;
    }

  private:
    struct Lines {
        mutable std::mutex lock;
        std::vector<std::string> lines;
    };
    struct Sink final : log::Sink {
        explicit Sink(std::shared_ptr<Lines> l) : lines(std::move(l)) {}
        void write(const log::Line& line) override {
            const std::lock_guard guard(lines->lock);
            lines->lines.push_back(line.text);
        }
        std::shared_ptr<Lines> lines;
    };
    std::shared_ptr<Lines> lines_;
};

}  // namespace racoon::test
