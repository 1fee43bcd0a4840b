#include <nlohmann/json.hpp>

#include "jobs/stats/hdf5_handle.h"
#include "jobs/stats/report.h"
#include "jobs/stats/stats_job.h"
#include "jobs/stats/text.h"

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
  Json value{{"file", utf8_text(summary.file)},
             {"dataset", utf8_text(summary.dataset)},
             {"type", utf8_text(summary.type)},
             {"shape", summary.shape},
             {"units", utf8_text(summary.units)},
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
  if (!summary.same_as.empty()) value["same_as"] = utf8_text(summary.same_as);
  return value;
}

Json to_value(Origin const& origin) {
  Json inputs = Json::array();
  for (std::string const& input : origin.inputs) inputs.push_back(utf8_text(input));
  return {{"program", "cohort-stats"},       {"version", origin.version},
          {"hdf5_version", hdf5_version()},  {"command_line", utf8_text(origin.command_line)},
          {"host", utf8_text(origin.host)},  {"user", utf8_text(origin.user)},
          {"start_time", origin.start_time}, {"inputs", inputs}};
}

Json to_value(StatsError const& error) {
  return {{"file", utf8_text(error.file)},
          {"dataset", utf8_text(error.dataset)},
          {"error", utf8_text(error.error)}};
}

Json to_value(Skipped const& skipped) {
  return {{"file", utf8_text(skipped.file)},
          {"dataset", utf8_text(skipped.dataset)},
          {"reason", utf8_text(skipped.reason)}};
}

/// The lines after the first one further in.
std::string indented(Json const& value, std::size_t by) {
  std::string text = value.dump(2);
  for (auto at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) {
    text.insert(at + 1, by, ' ');
  }
  return text;
}

/// One item at a time: all of a hundred thousand at once would take more memory than their data.
template <class Items>
void print_list(std::ostream& out, char const* name, Items const& items) {
  out << ",\n  \"" << name << "\": [";
  char const* before = "\n    ";
  for (auto const& item : items) {
    out << before << indented(to_value(item), 4);
    before = ",\n    ";
  }
  out << (items.empty() ? "]" : "\n  ]");
}

}  // namespace

void print_json(std::ostream& out, Report const& report, Origin const& origin) {
  out << "{\n  \"provenance\": " << indented(to_value(origin), 2);
  print_list(out, "datasets", report.results);
  print_list(out, "errors", report.errors);
  print_list(out, "skipped", report.skipped);
  out << "\n}\n";
}

}  // namespace cohort::stats
