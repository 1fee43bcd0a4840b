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

}  // namespace

std::string to_json(std::vector<Summary> const& results, std::vector<StatsError> const& errors) {
  Json document{{"datasets", Json::array()}, {"errors", Json::array()}};
  for (Summary const& summary : results) document["datasets"].push_back(to_value(summary));
  for (StatsError const& error : errors) {
    document["errors"].push_back(
        Json{{"file", error.file}, {"dataset", error.dataset}, {"error", error.error}});
  }
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace cohort::stats
