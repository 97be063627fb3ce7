#include "pictrieve/index/metric.h"

#include "pictrieve/base/error.h"

namespace pictrieve {

Metric metric_from_name(const std::string& name) {
  if (name == "cosine") return Metric::Cosine;
  if (name == "ip") return Metric::InnerProduct;
  require(name == "l2", "metric: expected cosine, ip or l2, got '", name, "'");
  return Metric::L2;
}

std::string name_of(Metric metric) {
  switch (metric) {
    case Metric::Cosine:
      return "cosine";
    case Metric::InnerProduct:
      return "ip";
    default:
      return "l2";
  }
}

}  // namespace pictrieve
