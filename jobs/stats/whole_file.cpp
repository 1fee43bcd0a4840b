#include "jobs/stats/whole_file.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/stats/removed_on_signal.h"

namespace cohort::stats {
namespace {

/// The temporary file: removed unless it was renamed, also where a signal ends the process.
class Temporary {
 public:
  explicit Temporary(std::string const& path)
      : path_(path), name_(fmt::format("{}.tmp.{}", path, ::getpid())), on_signal_(name_) {
    descriptor_ =
        check(::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), "open");
    exists_ = true;
  }
  Temporary(Temporary const&) = delete;
  Temporary& operator=(Temporary const&) = delete;
  ~Temporary() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (exists_) ::unlink(name_.c_str());
  }

  void write(std::span<std::byte const> bytes) {
    while (!bytes.empty()) {
      ssize_t const written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      bytes = bytes.subspan(static_cast<std::size_t>(check(written, "write")));
    }
  }
  void publish() {
    check(::fsync(descriptor_), "fsync");
    check(::close(std::exchange(descriptor_, -1)), "close");
    check(::rename(name_.c_str(), path_.c_str()), "rename");
    exists_ = false;
  }

 private:
  template <class Integer>
  Integer check(Integer result, char const* call) const {
    if (result >= 0) return result;
    int const error = errno;
    throw std::runtime_error(fmt::format("cannot write {}: {}: {}", path_, call,
                                         std::generic_category().message(error)));
  }

  std::string path_;
  std::string name_;
  RemovedOnSignal on_signal_;
  int descriptor_ = -1;
  bool exists_ = false;
};

std::string folder_of(std::string const& path) {
  auto const slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

[[noreturn]] void refuse(std::string const& path, std::string_view why) {
  throw std::runtime_error(fmt::format("cannot write {}: {}", path, why));
}

void require_regular(std::string const& path, mode_t mode) {
  if (S_ISREG(mode)) return;
  char const* const what = S_ISDIR(mode)                    ? "a directory"
                           : S_ISCHR(mode) || S_ISBLK(mode) ? "a device"
                           : S_ISFIFO(mode)                 ? "a FIFO"
                                                            : "something else";
  refuse(path, fmt::format("it is {}, not a regular file", what));
}

/// The regular file that a link leads to; `path` itself where there is nothing yet.
std::string follow(std::string const& path) {
  std::unique_ptr<char, decltype(&std::free)> const target(::realpath(path.c_str(), nullptr),
                                                           &std::free);
  struct ::stat status {};
  if (!target || ::stat(target.get(), &status) != 0) return path;
  require_regular(path, status.st_mode);
  return target.get();
}

}  // namespace

void check_output(std::string const& path, std::vector<std::string> const& inputs) {
  auto const text_of = [](int error) { return std::generic_category().message(error); };
  struct ::stat output {};
  if (::stat(path.c_str(), &output) != 0) {
    int const error = errno;
    struct ::stat link {};
    if (::lstat(path.c_str(), &link) == 0) {
      refuse(path, "it is a link that leads nowhere: " + text_of(error));
    }
    if (error != ENOENT) refuse(path, text_of(error));
    struct ::stat folder {};
    if (path.empty() || ::stat(folder_of(path).c_str(), &folder) != 0) refuse(path, text_of(errno));
    return;
  }
  require_regular(path, output.st_mode);
  for (std::string const& input : inputs) {
    struct ::stat status {};
    if (::stat(input.c_str(), &status) != 0) continue;  // the reading of it will say so
    if (status.st_dev == output.st_dev && status.st_ino == output.st_ino) {
      refuse(path, fmt::format("it is the same file as the input {}", input));
    }
  }
}

void write_whole_file(std::string const& name, std::span<std::byte const> bytes) {
  std::string const path = follow(name);
  Temporary file(path);
  file.write(bytes);
  file.publish();
  // The content is safe; that the name survives a power loss too is best effort.
  int const descriptor = ::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace cohort::stats
