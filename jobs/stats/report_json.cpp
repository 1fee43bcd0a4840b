#include <ostream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "jobs/stats/report.h"

namespace cohort::stats {
namespace {

using Json = nlohmann::ordered_json;

Json to_value(Number const& number) {
  switch (number.kind()) {
    case ElementKind::kInt64:
      return number.as_int64();
    case ElementKind::kUint64:
      return number.as_uint64();
    default:
      return number.as_double();
  }
}

Json to_value(Summary const& summary) {
  Json value{{"file", summary.file},
             {"dataset", summary.dataset},
             {"count", summary.count},
             {"nonfinite", summary.nonfinite},
             {"masked", summary.masked},
             {"min", nullptr},
             {"max", nullptr},
             {"mean", nullptr},
             {"std", nullptr},
             {"histogram", {{"edges", summary.edges}, {"counts", summary.counts}}}};
  if (!summary.packing.empty()) {
    value[summary.raw ? "not_applied" : "applied"] = summary.packing;
  }
  if (summary.count > 0) {
    value["min"] = to_value(summary.min);
    value["max"] = to_value(summary.max);
    value["mean"] = summary.mean;
    value["std"] = summary.std_dev;
  }
  return value;
}

Json to_value(StatsError const& error) {
  return {{"file", error.file}, {"dataset", error.dataset}, {"error", error.error}};
}

/// One item in memory at a time, however many there are; indented as a part of the document.
template <class Items>
void print_array(std::ostream& out, char const* name, Items const& items) {
  out << "  \"" << name << "\": [";
  char const* before = "\n    ";
  for (auto const& item : items) {
    out << before;
    before = ",\n    ";
    for (char const c : to_value(item).dump(2, ' ', false, Json::error_handler_t::replace)) {
      out << c;
      if (c == '\n') out << "    ";
    }
  }
  out << (items.empty() ? "]" : "\n  ]");
}

}  // namespace

void print_json(std::ostream& out, std::vector<Summary> const& results,
                std::vector<StatsError> const& errors) {
  out << "{\n";
  print_array(out, "datasets", results);
  out << ",\n";
  print_array(out, "errors", errors);
  out << "\n}\n";
}

std::string to_json(std::vector<Summary> const& results, std::vector<StatsError> const& errors) {
  std::ostringstream out;
  print_json(out, results, errors);
  return out.str();
}

}  // namespace cohort::stats
