#include "pictrieve/evaluate/ranking.h"

#include <algorithm>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

constexpr int64_t kQueriesPerPiece = 64;

/// Needs the ranking in rising order too, to find repetitions; `sorted` is kept from query to query for its memory.
void require_distinct(std::span<const int64_t> ranked, int64_t query, std::vector<int64_t>& sorted) {
  sorted.assign(ranked.begin(), ranked.end());
  std::ranges::sort(sorted);
  const auto twin = std::ranges::adjacent_find(sorted);
  if (twin != sorted.end())
    require(false, "ranked_ids: query ", query, " names id ", *twin, " twice; each id may stand once in a ranking");
}

void judge(const RetrievalInput& input, int64_t query, JudgedRanking& judged) {
  const auto relevant = input.relevant.list(query);
  const auto first = static_cast<size_t>(input.relevant.begin_of(query));
  const auto junk = input.junk.size() == 0 ? std::span<const int64_t>() : input.junk.list(query);
  for (const int64_t id : junk)
    require(!std::ranges::binary_search(relevant, id), "junk: query ", query, " has id ", id, " as relevant too");
  const auto gains = input.gains.empty() ? input.gains : input.gains.subspan(first, relevant.size());
  judged.hits.clear();
  int64_t rank = 0;
  for (const int64_t id : input.ranked.list(query)) {
    if (std::ranges::binary_search(junk, id)) continue;
    const auto found = std::ranges::lower_bound(relevant, id);
    if (found != relevant.end() && *found == id)
      judged.hits.push_back({rank, gains.empty() ? 1.0 : gains[static_cast<size_t>(found - relevant.begin())]});
    ++rank;
  }
  judged.ideal_gains.assign(relevant.size(), 1.0);
  std::ranges::copy(gains, judged.ideal_gains.begin());
}

void require_matching(const RetrievalInput& input, const MetricOptions& options) {
  const int64_t queries = input.ranked.size();
  require(input.relevant.size() == queries, "relevant: expected one set for each of ", queries, " queries, got ",
          input.relevant.size());
  require(input.junk.offsets.empty() || input.junk.size() == queries, "junk: expected one set for each of ", queries,
          " queries, got ", input.junk.size());
  require(input.gains.empty() || input.gains.size() == input.relevant.ids.size(), "gains: expected ",
          input.relevant.ids.size(), ", got ", input.gains.size());
  for (const int64_t k : options.ks) require(k > 0, "ks: expected at least 1, got ", k);
}

}  // namespace

Matrix<double> evaluate_rankings(const RetrievalInput& input, const MetricOptions& options, const Monitor& monitor) {
  require_matching(input, options);
  Matrix<double> values(input.ranked.size(), metric_columns(options));
  const auto body = [&](int64_t begin, int64_t end, Worker worker) {
    JudgedRanking judged;
    std::vector<int64_t> sorted;
    for (int64_t query = begin; query < end && !worker.should_stop(); ++query) {
      require_distinct(input.ranked.list(query), query, sorted);
      judge(input, query, judged);
      measure(judged, options, values.row(query));
    }
  };
  parallel_for(input.ranked.size(), kQueriesPerPiece, body, monitor);
  return values;
}

}  // namespace pictrieve
