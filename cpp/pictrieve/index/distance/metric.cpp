#include "pictrieve/index/distance/metric.h"

#include <array>
#include <string_view>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

constexpr std::array<std::string_view, 10> kNames{"cosine",       "ip",      "l2",      "l1",      "chi2",
                                                  "intersection", "jaccard", "hamming", "pearson", "hellinger"};

}  // namespace

Metric metric_from_name(const std::string& name) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (name == kNames[i]) return static_cast<Metric>(i);
  require(false,
          "metric: expected cosine, ip, l2, l1, chi2, intersection, jaccard, hamming, pearson or hellinger, got '",
          name, "'");
  return Metric::Cosine;
}

std::string name_of(Metric metric) { return std::string(kNames[static_cast<size_t>(metric)]); }

Metric base_metric(Metric metric) {
  return metric == Metric::Pearson || metric == Metric::Hellinger ? Metric::Cosine : metric;
}

}  // namespace pictrieve
