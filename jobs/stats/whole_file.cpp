#include "jobs/stats/whole_file.h"

#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cohort::stats {
namespace {

/// The temporary file: removed unless it was renamed.
class Temporary {
 public:
  explicit Temporary(std::string const& path)
      : path_(path), name_(fmt::format("{}.tmp.{}", path, ::getpid())) {
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
  int descriptor_ = -1;
  bool exists_ = false;
};

}  // namespace

void write_whole_file(std::string const& path, std::span<std::byte const> bytes) {
  Temporary file(path);
  file.write(bytes);
  file.publish();
  // The content is safe; that the name survives a power loss too is best effort.
  auto const slash = path.rfind('/');
  std::string const folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  int const descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace cohort::stats
