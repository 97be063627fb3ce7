#include "pictrieve/index/distance/metric.h"

#include "pictrieve/base/names.h"

namespace pictrieve {
namespace {

constexpr std::pair<std::string_view, Metric> kNames[] = {
    {"cosine", Metric::Cosine},   {"ip", Metric::InnerProduct},
    {"l2", Metric::L2},           {"l1", Metric::L1},
    {"chi2", Metric::ChiSquare},  {"intersection", Metric::Intersection},
    {"jaccard", Metric::Jaccard}, {"hamming", Metric::Hamming},
    {"pearson", Metric::Pearson}, {"hellinger", Metric::Hellinger},
};

}  // namespace

Metric metric_from_name(const std::string& name) { return value_named("metric", name, kNames); }

std::string name_of(Metric metric) { return std::string(kNames[static_cast<size_t>(metric)].first); }

Metric base_metric(Metric metric) {
  return metric == Metric::Pearson || metric == Metric::Hellinger ? Metric::Cosine : metric;
}

}  // namespace pictrieve
