// A folder for the marks by which the processes of a test talk. It goes with the object.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

namespace cohort::test {

class Folder {
 public:
  Folder() {
    auto name = testing::TempDir() + "cohort_test_XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  Folder(Folder const&) = delete;
  Folder& operator=(Folder const&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  [[nodiscard]] std::string const& path() const { return path_; }
  void put(std::string const& name) const { std::ofstream(path_ + "/" + name).close(); }
  void take_away(std::string const& name) const { std::filesystem::remove(path_ + "/" + name); }
  [[nodiscard]] bool has(std::string const& name) const {
    return std::filesystem::exists(path_ + "/" + name);
  }

 private:
  std::string path_;
};

}  // namespace cohort::test
