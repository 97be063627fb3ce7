#include "pictrieve/evaluate/exhaustive.h"

#include <algorithm>
#include <limits>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

constexpr int64_t kMostBlockQueries = 128;
constexpr int64_t kTileItems = 2048;  // with 128 queries 1 MB of scores, which stay in cache while they are counted

struct Relevant {
  int32_t item;
  double gain;
};

std::span<const int64_t> list_of(const RelevanceLevel& level, int64_t query) {
  const int64_t list = level.list_of_query[static_cast<size_t>(query)];
  return list < 0 ? std::span<const int64_t>() : level.items.list(list);
}

std::span<const int64_t> junk_of(const ExhaustiveInput& input, int64_t query) {
  return input.junk.size() == 0 ? std::span<const int64_t>() : input.junk.list(query);
}

/// Adds what a level has for a query, except itself and junk.
void add_relevant(const ExhaustiveInput& input, const RelevanceLevel& level, int64_t query,
                  std::vector<Relevant>& found) {
  const auto items = list_of(level, query), junk = junk_of(input, query);
  if (items.empty()) return;
  const auto first = static_cast<size_t>(level.items.begin_of(level.list_of_query[static_cast<size_t>(query)]));
  for (size_t i = 0; i < items.size(); ++i) {
    if ((input.leave_one_out && items[i] == query) || std::ranges::binary_search(junk, items[i])) continue;
    found.push_back({static_cast<int32_t>(items[i]), level.gains.empty() ? level.gain : level.gains[first + i]});
  }
}

/// The relevant items of a query in rising order.
std::vector<Relevant> relevant_of(const ExhaustiveInput& input, int64_t query) {
  std::vector<Relevant> found;
  for (const RelevanceLevel& level : input.levels) add_relevant(input, level, query, found);
  if (input.levels.size() == 1) return found;
  std::ranges::stable_sort(found, {}, &Relevant::item);  // of equal items the first level's stays first
  const auto rest = std::ranges::unique(found, {}, &Relevant::item);
  found.erase(rest.begin(), rest.end());
  return found;
}

/// One query from its relevant items to its metrics.
class Query {
 public:
  void start(const ScoreSource& source, const ExhaustiveInput& input, int64_t query) {
    relevant_ = relevant_of(input, query);
    std::vector<int32_t> items(relevant_.size());
    std::ranges::transform(relevant_, items.begin(), &Relevant::item);
    counter.start(source, query, items, input.ties);
    if (input.leave_one_out) counter.leave_out(static_cast<int32_t>(query));
    for (const int64_t item : junk_of(input, query))
      if (!input.leave_one_out || item != query) counter.leave_out(static_cast<int32_t>(item));
  }

  void finish(const MetricOptions& options, JudgedRanking& judged, double* columns) const {
    const auto ranks = counter.ranks();
    judged.hits.clear(), judged.ideal_gains.clear();
    for (size_t i = 0; i < ranks.size(); ++i) {
      const auto found = std::ranges::lower_bound(relevant_, counter.items()[i], {}, &Relevant::item);
      judged.hits.push_back({ranks[i], found->gain});
      judged.ideal_gains.push_back(found->gain);
    }
    measure(judged, options, columns);
  }

  AheadCounter counter;

 private:
  std::vector<Relevant> relevant_;
};

void require_rows(const IdLists& lists, int64_t items, const char* name) {
  for (const int64_t id : lists.ids)
    require(id >= 0 && id < items, name, ": expected rows of the gallery, 0 to ", items - 1, ", got ", id);
}

void require_sound(const ScoreSource& source, const ExhaustiveInput& input, const MetricOptions& options) {
  const int64_t queries = source.queries(), items = source.items();
  require(items <= std::numeric_limits<int32_t>::max(), "gallery: expected at most 2^31 - 1 rows, got ", items);
  require(!input.leave_one_out || queries == items, "queries: leaving one out takes as many as the gallery has rows, ",
          items, ", got ", queries);
  for (const RelevanceLevel& level : input.levels) {
    require(static_cast<int64_t>(level.list_of_query.size()) == queries, "relevant: expected one for each of ", queries,
            " queries, got ", level.list_of_query.size());
    require(level.gains.empty() || level.gains.size() == level.items.ids.size(), "gains: expected ",
            level.items.ids.size(), ", got ", level.gains.size());
    for (const int64_t list : level.list_of_query)
      require(list < level.items.size(), "relevant: expected lists 0 to ", level.items.size() - 1, ", got ", list);
    require_rows(level.items, items, "relevant");
  }
  require(input.junk.offsets.empty() || input.junk.size() == queries, "junk: expected one set for each of ", queries,
          " queries, got ", input.junk.size());
  require_rows(input.junk, items, "junk");
  for (const int64_t k : options.ks) require(k > 0, "ks: expected at least 1, got ", k);
}

/// Queries that one thread works on at a time: as many as fit the memory, and as few as keep all threads busy.
int64_t block_queries(const ScoreSource& source, const ExhaustiveInput& input) {
  int64_t most = 0;  // relevant items of one query
  for (int64_t query = 0; query < source.queries(); ++query) {
    int64_t count = 0;
    for (const RelevanceLevel& level : input.levels) count += static_cast<int64_t>(list_of(level, query).size());
    most = std::max(most, count);
  }
  const int64_t threads = num_threads();
  const int64_t each =
      AheadCounter::kBytes + most * AheadCounter::kBytesPerItem + kTileItems * static_cast<int64_t>(sizeof(float) * 4);
  require(input.max_memory / threads >= each, "max_memory: expected at least ", each * threads,
          " bytes, for one query with ", most, " relevant items in each of ", threads, " threads, got ",
          input.max_memory, "; raise it, or pictrieve.set_num_threads(1)");
  const int64_t share = (source.queries() + threads - 1) / threads;
  return std::max<int64_t>(1, std::min({input.max_memory / threads / each, share, kMostBlockQueries}));
}

/// Scores of queries [begin, end) with the whole gallery, tile by tile.
void count_block(const ScoreSource& source, int64_t begin, int64_t end, std::span<Query> queries, float* scores,
                 const Worker& worker) {
  CountingSpace space;
  for (int64_t first = 0; first < source.items() && !worker.should_stop(); first += kTileItems) {
    const int64_t count = std::min(kTileItems, source.items() - first);
    source.fill(begin, end, first, count, scores);
    for (int64_t i = 0; i < end - begin; ++i)
      queries[static_cast<size_t>(i)].counter.count(scores + i * count, first, count, space);
  }
}

}  // namespace

Matrix<double> evaluate_all(const ScoreSource& source, const ExhaustiveInput& input, const MetricOptions& options,
                            const Monitor& monitor) {
  require_sound(source, input, options);
  const int64_t total = source.queries(), block = block_queries(source, input);
  Matrix<double> values(total, metric_columns(options));
  const auto body = [&](int64_t first, int64_t last, const Worker& worker) {
    const Matrix<float> scores(block, kTileItems);
    std::vector<Query> queries(static_cast<size_t>(block));
    JudgedRanking judged;
    for (int64_t number = first; number < last && !worker.should_stop(); ++number) {
      const int64_t begin = number * block, end = std::min(begin + block, total);
      for (int64_t query = begin; query < end; ++query)
        queries[static_cast<size_t>(query - begin)].start(source, input, query);
      count_block(source, begin, end, queries, scores.data(), worker);
      for (int64_t query = begin; query < end; ++query)
        queries[static_cast<size_t>(query - begin)].finish(options, judged, values.row(query));
    }
  };
  parallel_for((total + block - 1) / block, 1, body, [&](int64_t done, int64_t) {
    if (monitor) monitor(std::min(done * block, total), total);
  });
  return values;
}

}  // namespace pictrieve
