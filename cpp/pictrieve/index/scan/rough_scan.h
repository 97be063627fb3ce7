// Private: many queries against all rows by 8-bit codes first, and by the rows themselves where these leave a doubt.
#pragma once

#include <span>
#include <vector>

#include "pictrieve/index/rows/float_rows.h"
#include "pictrieve/index/scan/rough_queries.h"
#include "pictrieve/index/scan/scan.h"

namespace pictrieve {

/// Queries that one thread takes together: each reads all codes, and so many packed ones stay in the second-level
/// cache.
inline constexpr int64_t kRoughQueryBlock = 512;

/// A row that may be among the best of a query.
struct RoughCandidate {
  float bound;  ///< at least its key, in the query's unit
  int32_t row;
  float key;  ///< NaN before it was compared
};

class RoughScan {
 public:
  RoughScan(const FloatRows& rows, const RoughRows& rough, const RoughKernel& kernel, const Selection& selection,
            std::span<const Query> queries, Wanted wanted);

  /// Compares with rows [begin, end). False where so many might be near that comparing with all of them is quicker.
  bool visit_rows(int64_t begin, int64_t end, const Worker& worker);

  /// What may be among the best, with keys of the rows themselves.
  std::vector<CandidateBuffer> finish();

 private:
  void visit_chunk(int64_t begin, int64_t end);
  bool keeps_at_most(int64_t rows_of_a_query);
  void prune(size_t query);
  void compare(size_t query, std::span<RoughCandidate> candidates);

  const FloatRows& rows_;
  const RoughRows& rough_;
  const RoughKernel& kernel_;
  const Selection& selection_;
  std::span<const Query> queries_;
  Wanted wanted_;
  std::unique_ptr<Comparer> comparer_;
  RoughQueries packed_;
  std::vector<std::vector<RoughCandidate>> kept_;  ///< of each query
  std::vector<size_t> limits_;                     ///< at which to drop what cannot be near any more
  std::vector<int32_t> products_;
  std::vector<RoughHit> hits_;
  std::vector<int32_t> numbers_;
  std::vector<float> keys_;
};

/// Codes of these rows, where such a search is likely to gain by them.
const RoughRows* rough_rows(const Rows& rows, int64_t queries, const Wanted& wanted, const Monitor& monitor);

}  // namespace pictrieve
