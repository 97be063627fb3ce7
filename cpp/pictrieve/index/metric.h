// How two vectors are compared.
#pragma once

#include <cstdint>
#include <string>

namespace pictrieve {

/// Scores are larger for better: the cosine, the inner product, and minus the Euclidean (not squared) distance.
enum class Metric : uint8_t { Cosine = 0, InnerProduct = 1, L2 = 2 };

/// "cosine", "ip" or "l2"; throws on any other name and lists these.
Metric metric_from_name(const std::string& name);
std::string name_of(Metric metric);

}  // namespace pictrieve
