#include "jobs/stats/classic_reader.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <type_traits>

#include <fmt/format.h>

#include "jobs/stats/packing.h"

namespace cohort::stats {
namespace {

/// Runs that lie no further apart than this are read together: a page costs less than a call.
constexpr std::uint64_t kNear = 4096;
constexpr std::uint64_t kSpan = 1 << 20;

template <std::size_t Size>
using Word = std::conditional_t<
    Size == 1, std::uint8_t,
    std::conditional_t<Size == 2, std::uint16_t,
                       std::conditional_t<Size == 4, std::uint32_t, std::uint64_t>>>;

template <class T>
T from_big_endian(std::byte const* at) {
  Word<sizeof(T)> word;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::little) {
    if constexpr (sizeof(T) == 2) word = __builtin_bswap16(word);
    if constexpr (sizeof(T) == 4) word = __builtin_bswap32(word);
    if constexpr (sizeof(T) == 8) word = __builtin_bswap64(word);
  }
  return std::bit_cast<T>(word);
}

template <class Stored, class Memory>
void convert(std::byte const* stored, std::size_t count, void* memory) {
  auto* const to = static_cast<Memory*>(memory);
  for (std::size_t i = 0; i < count; ++i) {
    to[i] = static_cast<Memory>(from_big_endian<Stored>(stored + i * sizeof(Stored)));
  }
}

void convert(ClassicType type, std::byte const* stored, std::size_t count, void* memory) {
  switch (type) {
    case ClassicType::kByte:
      return convert<std::int8_t, std::int64_t>(stored, count, memory);
    case ClassicType::kShort:
      return convert<std::int16_t, std::int64_t>(stored, count, memory);
    case ClassicType::kInt:
      return convert<std::int32_t, std::int64_t>(stored, count, memory);
    case ClassicType::kInt64:
      return convert<std::int64_t, std::int64_t>(stored, count, memory);
    case ClassicType::kUbyte:
      return convert<std::uint8_t, std::uint64_t>(stored, count, memory);
    case ClassicType::kUshort:
      return convert<std::uint16_t, std::uint64_t>(stored, count, memory);
    case ClassicType::kUint:
      return convert<std::uint32_t, std::uint64_t>(stored, count, memory);
    case ClassicType::kUint64:
      return convert<std::uint64_t, std::uint64_t>(stored, count, memory);
    case ClassicType::kFloat:
      return convert<float, float>(stored, count, memory);
    case ClassicType::kDouble:
      return convert<double, double>(stored, count, memory);
    case ClassicType::kChar:
      break;
  }
  throw std::logic_error("text has no numbers");
}

/// Attributes of a classic file for packing_of().
class ClassicAttributes final : public AttributeSource {
 public:
  explicit ClassicAttributes(ClassicVariable const& variable) : variable_(variable) {}
  [[nodiscard]] bool has(char const* name) const override {
    return variable_.find(name) != nullptr;
  }
  [[nodiscard]] std::optional<NumericAttribute> numeric(char const* name) const override {
    auto const* const attribute = variable_.find(name);
    if (attribute == nullptr) return std::nullopt;
    NumericAttribute found;
    found.size = stored_size(attribute->type);
    if (attribute->type == ClassicType::kChar) return found;
    ElementKind const kind = element_kind(attribute->type);
    found.is_float = kind == ElementKind::kFloat || kind == ElementKind::kDouble;
    std::size_t const count = attribute->values.size() / found.size;
    std::vector<std::uint64_t> memory(count);
    convert(attribute->type, attribute->values.data(), count, memory.data());
    std::visit(
        [&](auto values) {
          for (auto const value : values) found.values.push_back(number_of(value));
        },
        view(kind, memory.data(), count));
    return found;
  }
  [[nodiscard]] std::string text(char const* name) const override { return variable_.text(name); }

 private:
  static Number number_of(float value) { return Number(static_cast<double>(value)); }
  template <class T>
  static Number number_of(T value) {
    return Number(value);
  }

  ClassicVariable const& variable_;
};

std::uint64_t volume(std::vector<std::uint64_t> const& extents) {
  std::uint64_t product = 1;
  for (std::uint64_t const extent : extents) product *= extent;
  return product;
}

void list(ClassicFile const& file, ClassicVariable const& variable, std::string const& name,
          Discovery& into) {
  std::string const path = "/" + variable.name;
  if (variable.type == ClassicType::kChar) {
    into.skipped.push_back({name, path, "text"});
    return;
  }
  auto const end = variable.end();
  if (!end || *end > file.size()) {
    into.errors.push_back(
        {name, path,
         end ? fmt::format("the file is truncated: it has {} bytes, {} are needed", file.size(),
                           *end)
             : "the file's header is damaged: it is longer than any file"});
    return;
  }
  DatasetInfo info;
  info.file = name;
  info.dataset = path;
  info.units = variable.text("units");
  info.type = name_of(variable.type);
  info.kind = element_kind(variable.type);
  info.shape = variable.shape;
  info.access = Access::kNetcdfClassic;
  info.packing = packing_of(ClassicAttributes(variable), info.kind, stored_size(variable.type));
  into.datasets.push_back(std::move(info));
}

}  // namespace

Discovery discover_classic(Argument const& argument) {
  Discovery found;
  ClassicFile const file(argument.file);
  if (!argument.dataset.empty() && argument.dataset != "/") {
    auto const* const variable = file.find(argument.dataset.substr(1));
    if (variable == nullptr) throw std::runtime_error("no such dataset");
    list(file, *variable, argument.file, found);
    return found;
  }
  std::vector<ClassicVariable const*> variables;
  for (ClassicVariable const& variable : file.variables()) variables.push_back(&variable);
  std::sort(variables.begin(), variables.end(),
            [](auto const* a, auto const* b) { return a->name < b->name; });
  for (auto const* const variable : variables) list(file, *variable, argument.file, found);
  if (variables.empty()) found.skipped.push_back({argument.file, "", "it has no variables"});
  return found;
}

void ClassicReader::close() noexcept {
  file_.reset();
  std::vector<std::byte>().swap(stored_);
  std::vector<std::byte>().swap(span_);
  std::vector<std::uint64_t>().swap(memory_);
}

void ClassicReader::for_each_piece(Block const& block, std::uint64_t piece_limit,
                                   Scan const& scan) {
  if (!file_ || name_ != block.file) {
    file_.reset();
    file_ = std::make_unique<ClassicFile>(block.file);
    name_ = block.file;
  }
  auto const* const variable = file_->find(block.dataset.substr(1));
  if (variable == nullptr || variable->shape.size() != block.count.size()) {
    throw std::runtime_error("it changed while it was read");
  }
  std::uint64_t const limit = std::max<std::uint64_t>(1, piece_limit / element_size(block.kind));
  Tiling const pieces(block.count, choose_tile(block.count, {}, limit));
  std::vector<std::uint64_t> first;
  std::vector<std::uint64_t> count;
  for (std::uint64_t i = 0; i < pieces.size(); ++i) {
    pieces.locate(i, first, count);
    for (std::size_t k = 0; k < first.size(); ++k) first[k] += block.first[k];
    read(*variable, first, count);
    std::uint64_t const elements = volume(count);
    memory_.resize(
        std::max<std::size_t>(memory_.size(), (elements * element_size(block.kind) + 7) / 8));
    convert(variable->type, stored_.data(), elements, memory_.data());
    scan(view(block.kind, memory_.data(), elements), 1);
  }
}

/// Puts the piece's bytes into `stored_`, in order.
void ClassicReader::read(ClassicVariable const& variable, std::vector<std::uint64_t> const& first,
                         std::vector<std::uint64_t> const& count) {
  std::size_t outer = count.size();  // dimensions before it are walked, those from it on are a run
  std::uint64_t run = stored_size(variable.type);
  while (outer > 0 && (variable.strides[outer - 1] == run || count[outer - 1] == 1)) {
    run *= count[--outer];
  }
  stored_.resize(volume(count) * stored_size(variable.type));
  std::uint64_t start = variable.begin;
  for (std::size_t k = 0; k < count.size(); ++k) start += first[k] * variable.strides[k];
  if (outer == 0) return file_->read(start, stored_.data(), run);

  std::uint64_t const runs = count[outer - 1];
  std::uint64_t const stride = variable.strides[outer - 1];
  std::uint64_t const together = stride > kNear ? 1 : std::max<std::uint64_t>(1, kSpan / stride);
  std::vector<std::uint64_t> const walked(count.begin(),
                                          count.begin() + static_cast<std::ptrdiff_t>(outer - 1));
  Tiling const rows(walked, std::vector<std::uint64_t>(walked.size(), 1));
  std::vector<std::uint64_t> at;
  std::vector<std::uint64_t> one;
  auto* to = stored_.data();
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    rows.locate(row, at, one);
    std::uint64_t from = start;
    for (std::size_t k = 0; k < at.size(); ++k) from += at[k] * variable.strides[k];
    for (std::uint64_t i = 0; i < runs; i += together) {
      std::uint64_t const several = std::min(together, runs - i);
      if (several == 1) {
        file_->read(from + i * stride, to, run);
        to += run;
        continue;
      }
      span_.resize((several - 1) * stride + run);
      file_->read(from + i * stride, span_.data(), span_.size());
      for (std::uint64_t j = 0; j < several; ++j, to += run) {
        std::memcpy(to, span_.data() + j * stride, run);
      }
    }
  }
}

}  // namespace cohort::stats
