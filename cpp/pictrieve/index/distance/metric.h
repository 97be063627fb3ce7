// How two vectors are compared.
#pragma once

#include <cstdint>
#include <string>

namespace pictrieve {

/// Scores are larger for better. Similarities: cosine, inner product, the Pearson correlation, histogram intersection
/// sum(min(a, b)), Jaccard sum(min) / sum(max) and the Bhattacharyya coefficient under Hellinger. Minus a distance:
/// L2 (Euclidean, not squared), L1, chi-square sum((a - b)^2 / (a + b)) and Hamming (differing bits).
enum class Metric : uint8_t {
  Cosine = 0,
  InnerProduct = 1,
  L2 = 2,
  L1 = 3,
  ChiSquare = 4,
  Intersection = 5,
  Jaccard = 6,
  Hamming = 7,
  Pearson = 8,
  Hellinger = 9,
};

/// From "cosine", "ip", "l2", "l1", "chi2", "intersection", "jaccard", "hamming", "pearson" or "hellinger"; throws on
/// any other name and lists these.
Metric metric_from_name(const std::string& name);
std::string name_of(Metric metric);

/// Cosine, inner product and L2 can be had from inner products and squared lengths; so BLAS and codebooks serve them.
inline bool is_product(Metric metric) { return metric <= Metric::L2; }

/// Chi-square, intersection, Jaccard and Hellinger compare histograms: rows of numbers >= 0.
inline bool is_histogram(Metric metric) {
  return metric == Metric::ChiSquare || metric == Metric::Intersection || metric == Metric::Jaccard ||
         metric == Metric::Hellinger;
}

/// Pearson is the cosine of centred rows and Hellinger that of square roots: the metric that prepared rows are compared
/// by. The others are their own base.
Metric base_metric(Metric metric);

}  // namespace pictrieve
