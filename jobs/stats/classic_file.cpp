#include "jobs/stats/classic_file.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cohort::stats {
namespace {

constexpr std::uint32_t kDimensions = 0x0a;
constexpr std::uint32_t kVariables = 0x0b;
constexpr std::uint32_t kAttributes = 0x0c;

/// Bounds for what a damaged header says; netCDF's own are lower.
constexpr std::uint64_t kLongestName = 1 << 16;
constexpr std::uint64_t kMostDimensions = 1 << 16;
constexpr std::uint64_t kLongestAttribute = 1 << 12;  // that is kept

std::uint64_t padded(std::uint64_t size) { return (size + 3) / 4 * 4; }

/// Reads a header from its beginning to its end.
class Header {
 public:
  explicit Header(ClassicFile const& file) : file_(file) {
    char const version = bytes(4)[3];
    offset_size_ = version == '\x01' ? 4 : 8;
    count_size_ = version == '\x05' ? 8 : 4;
  }

  std::string bytes(std::uint64_t size) {
    std::string text(size, '\0');
    file_.read(place_, text.data(), text.size());
    place_ += size;
    return text;
  }
  void skip(std::uint64_t size) {
    if (size > file_.size() - place_) throw std::runtime_error("its header ends early");
    place_ += size;
  }
  std::uint64_t integer(std::size_t size) {
    std::uint64_t value = 0;
    for (unsigned char const c : bytes(size)) value = value << 8 | c;
    return value;
  }
  std::uint32_t tag() { return static_cast<std::uint32_t>(integer(4)); }
  std::uint64_t count() { return integer(count_size_); }
  std::uint64_t offset() { return integer(offset_size_); }
  /// The number that stands for "as many as the file has room for".
  [[nodiscard]] std::uint64_t streaming() const {
    return count_size_ == 8 ? std::numeric_limits<std::uint64_t>::max()
                            : std::numeric_limits<std::uint32_t>::max();
  }
  /// The length of a list, which begins with its tag or with zeros.
  std::uint64_t list(std::uint32_t expected) {
    std::uint32_t const found = tag();
    std::uint64_t const length = count();
    if (found != expected && (found != 0 || length != 0)) {
      throw std::runtime_error("its header is damaged: a list has another tag");
    }
    return length;
  }
  std::string name() {
    std::uint64_t const size = count();
    if (size > kLongestName) throw std::runtime_error("its header is damaged: a name is too long");
    std::string text = bytes(padded(size));
    text.resize(size);
    return text;
  }
  ClassicType type() {
    std::uint32_t const value = tag();
    std::uint32_t const last = count_size_ == 8 ? 11 : 6;
    if (value < 1 || value > last) {
      throw std::runtime_error(fmt::format("its header is damaged: there is no type {}", value));
    }
    return static_cast<ClassicType>(value);
  }
  std::vector<ClassicAttribute> attributes() {
    std::vector<ClassicAttribute> list_of;
    for (std::uint64_t left = list(kAttributes); left > 0; --left) {
      ClassicAttribute attribute;
      attribute.name = name();
      attribute.type = type();
      std::uint64_t const elements = count();
      if (elements > file_.size()) throw std::runtime_error("its header ends early");
      std::uint64_t const size = elements * stored_size(attribute.type);
      std::string const kept = bytes(std::min(size, kLongestAttribute));
      skip(padded(size) - kept.size());
      auto const* const data = reinterpret_cast<std::byte const*>(kept.data());
      attribute.values.assign(data, data + kept.size());
      list_of.push_back(std::move(attribute));
    }
    return list_of;
  }

 private:
  ClassicFile const& file_;
  std::uint64_t place_ = 0;
  std::size_t offset_size_ = 4;
  std::size_t count_size_ = 4;
};

/// Products of damaged lengths stay at the highest number.
std::uint64_t times(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<std::uint64_t>::max()
                                                : product;
}

/// Strides within a fixed variable or within one record, whose dimension comes first.
void set_strides(ClassicVariable& variable) {
  variable.strides.resize(variable.shape.size());
  std::uint64_t stride = stored_size(variable.type);
  for (std::size_t k = variable.shape.size(); k-- > 0;) {
    variable.strides[k] = stride;
    stride = times(stride, variable.shape[k]);
  }
}

}  // namespace

std::size_t stored_size(ClassicType type) {
  switch (type) {
    case ClassicType::kByte:
    case ClassicType::kChar:
    case ClassicType::kUbyte:
      return 1;
    case ClassicType::kShort:
    case ClassicType::kUshort:
      return 2;
    case ClassicType::kInt:
    case ClassicType::kUint:
    case ClassicType::kFloat:
      return 4;
    default:
      return 8;
  }
}

char const* name_of(ClassicType type) {
  static constexpr char const* kNames[] = {"int8",    "char",    "int16", "int32",
                                           "float32", "float64", "uint8", "uint16",
                                           "uint32",  "int64",   "uint64"};
  return kNames[static_cast<std::uint32_t>(type) - 1];
}

ElementKind element_kind(ClassicType type) {
  switch (type) {
    case ClassicType::kFloat:
      return ElementKind::kFloat;
    case ClassicType::kDouble:
      return ElementKind::kDouble;
    case ClassicType::kUbyte:
    case ClassicType::kUshort:
    case ClassicType::kUint:
    case ClassicType::kUint64:
      return ElementKind::kUint64;
    default:
      return ElementKind::kInt64;
  }
}

ClassicAttribute const* ClassicVariable::find(std::string const& attribute) const noexcept {
  auto const found =
      std::find_if(attributes.begin(), attributes.end(),
                   [&](ClassicAttribute const& each) { return each.name == attribute; });
  return found == attributes.end() ? nullptr : &*found;
}

std::string ClassicVariable::text(std::string const& attribute) const {
  auto const* const found = find(attribute);
  if (found == nullptr || found->type != ClassicType::kChar) return "";
  std::string_view const value(reinterpret_cast<char const*>(found->values.data()),
                               found->values.size());
  return std::string(value.substr(0, value.find_last_not_of(std::string_view(" \0", 2)) + 1));
}

std::optional<std::uint64_t> ClassicVariable::end() const {
  std::uint64_t end = begin + stored_size(type);
  for (std::size_t k = 0; k < shape.size(); ++k) {
    if (shape[k] == 0) return begin;
    std::uint64_t const last = times(shape[k] - 1, strides[k]);
    if (last > std::numeric_limits<std::int64_t>::max() - end) return std::nullopt;
    end += last;
  }
  return end;
}

ClassicFile::ClassicFile(std::string const& path)
    : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  struct ::stat status {};
  if (descriptor_ < 0 || ::fstat(descriptor_, &status) != 0) {
    throw std::runtime_error(std::generic_category().message(errno));
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
  try {
    read_header();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

ClassicFile::~ClassicFile() { ::close(descriptor_); }

ClassicVariable const* ClassicFile::find(std::string const& name) const noexcept {
  auto const found = std::find_if(variables_.begin(), variables_.end(),
                                  [&](ClassicVariable const& each) { return each.name == name; });
  return found == variables_.end() ? nullptr : &*found;
}

void ClassicFile::read(std::uint64_t offset, void* buffer, std::size_t size) const {
  auto* at = static_cast<char*>(buffer);
  while (size > 0) {
    ssize_t const got = ::pread(descriptor_, at, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw std::runtime_error(std::generic_category().message(errno));
    if (got == 0) throw std::runtime_error("the file is truncated");
    at += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::size_t>(got);
  }
}

void ClassicFile::read_header() {
  Header header(*this);
  std::uint64_t records = header.count();
  bool const streaming = records == header.streaming();
  std::vector<std::uint64_t> dimensions;  // 0: the records
  for (std::uint64_t left = header.list(kDimensions); left > 0; --left) {
    header.name();
    dimensions.push_back(header.count());
  }
  header.attributes();
  std::vector<std::size_t> of_records;
  std::uint64_t unpadded = 0;  // one record of the last variable that has some
  std::uint64_t record = 0;
  std::uint64_t first = size_;
  for (std::uint64_t left = header.list(kVariables); left > 0; --left) {
    ClassicVariable variable;
    variable.name = header.name();
    std::uint64_t const rank = header.count();
    if (rank > kMostDimensions)
      throw std::runtime_error("its header is damaged: too many dimensions");
    for (std::uint64_t k = 0; k < rank; ++k) {
      std::uint64_t const dimension = header.count();
      if (dimension >= dimensions.size()) {
        throw std::runtime_error("its header is damaged: a variable has a dimension too high");
      }
      variable.shape.push_back(dimensions[dimension]);
    }
    variable.attributes = header.attributes();
    variable.type = header.type();
    header.count();  // its size, which is known anyway, and does not fit for large variables
    variable.begin = header.offset();
    bool const is_record = rank > 0 && variable.shape.front() == 0;
    if (is_record) variable.shape.front() = 1;
    set_strides(variable);
    if (is_record) {
      unpadded = variable.strides.front();
      record += std::min(padded(unpadded), size_);  // more than the file has is as good as damaged
      first = std::min(first, variable.begin);
      of_records.push_back(variables_.size());
    }
    variables_.push_back(std::move(variable));
  }
  if (of_records.size() == 1) record = unpadded;  // the specification's special case: no padding
  if (streaming) records = record == 0 ? 0 : (size_ - first) / record;
  for (std::size_t const index : of_records) {
    variables_[index].shape.front() = records;
    variables_[index].strides.front() = record;
  }
}

}  // namespace cohort::stats
