// A module folder of a test's own, filled with copies of built modules.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

namespace racoon::test {

class ModuleDir {
  public:
    ModuleDir() {
        std::string pattern = std::string(RACOON_BUILD_DIR) + "/modules-XXXXXX";
        path_ = ::mkdtemp(pattern.data());
    }
    ~ModuleDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + "/" + name + ".so"; }
    ModuleDir& add(const std::string& module, const std::string& as = {}, mode_t mode = 0755) {
        std::filesystem::copy_file(std::string(RACOON_TEST_MODULES) + "/" + module + ".so",
                                   file(as.empty() ? module : as));
        ::chmod(file(as.empty() ? module : as).c_str(), mode);
        return *this;
    }

  private:
    std::string path_;
};

}  // namespace racoon::test
