#include "pictrieve/index/stored_index.h"

#include <algorithm>
#include <charconv>
#include <mutex>
#include <numeric>
#include <optional>

#include "pictrieve/base/error.h"
#include "pictrieve/index/hnsw_links.h"

namespace pictrieve {

std::unique_ptr<Index> Index::create(const IndexOptions& options) { return std::make_unique<StoredIndex>(options); }

std::unique_ptr<Index> Index::load(const std::string& path, bool map) { return StoredIndex::load(path, map); }

int links_from_factory(const std::string& factory) {
  if (factory == "Flat") return 0;
  int links = 0;
  if (factory.starts_with("HNSW")) {
    const char* end = factory.data() + factory.size();
    const auto parsed = std::from_chars(factory.data() + 4, end, links);
    if (parsed.ec != std::errc() || parsed.ptr != end) links = 0;
  }
  require(links >= 2 && links <= 256,
          "factory: expected Flat or HNSW<links> with 2 to 256 links, such as HNSW32, got '", factory, "'");
  return links;
}

StoredIndex::StoredIndex(const IndexOptions& options)
    : options_(options), store_(options.dim, metric_from_name(options.metric)) {
  require(options.dim >= 1 && options.dim <= 1 << 20, "dim: expected 1 to 1048576, got ", options.dim);
  require(options.ef_construction >= 1, "efConstruction: expected at least 1, got ", options.ef_construction);
  const int links = links_from_factory(options.factory);
  if (links > 0) graph_ = std::make_unique<HnswGraph>(links, options.ef_construction, options.seed);
}

std::vector<int64_t> StoredIndex::new_ids(int64_t count, std::span<const int64_t> ids, bool replace) const {
  std::vector<int64_t> chosen(ids.begin(), ids.end());
  if (ids.empty()) {
    require(count <= INT64_MAX - store_.next_id(), "ids: none are left after the largest so far, ",
            store_.next_id() - 1, "; choose them yourself");
    chosen.resize(static_cast<size_t>(count));
    std::iota(chosen.begin(), chosen.end(), store_.next_id());
    return chosen;
  }
  require(static_cast<int64_t>(chosen.size()) == count, "ids: expected one for each of the ", count, " rows, got ",
          chosen.size());
  IdMap seen;
  seen.reserve(count);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t id = chosen[static_cast<size_t>(i)];
    require(seen.exchange(id, static_cast<int32_t>(i)) == IdMap::kAbsent, "ids: ", id, " occurs twice in one call");
    require(replace || store_.find(id) == IdMap::kAbsent, "ids: ", id,
            " is in the index already; remove it first, or pass replace=True");
  }
  return chosen;
}

void StoredIndex::add(MatrixView<const float> rows, std::span<const int64_t> ids, bool replace,
                      const Monitor& monitor) {
  const std::unique_lock lock(mutex_);
  require(rows.cols == store_.dim(), "add: expected rows of ", store_.dim(), " numbers, got ", rows.cols);
  const int64_t first = store_.rows();
  require(first + rows.rows <= INT32_MAX, "add: an index holds at most ", INT32_MAX, " rows");
  const std::vector<int64_t> chosen = new_ids(rows.rows, ids, replace);
  try {
    store_.append(rows, chosen);
    if (graph_) graph_->add(store_.scorer(), store_.rows(), monitor);
  } catch (...) {
    store_.truncate(first);
    throw;
  }
  store_.commit(first);
}

int64_t StoredIndex::remove(std::span<const int64_t> ids) {
  const std::unique_lock lock(mutex_);
  int64_t removed = 0;
  for (const int64_t id : ids) removed += store_.remove(id);
  if (!graph_ && store_.removed() > store_.rows() / 4) store_.compact();
  return removed;
}

std::vector<Query> StoredIndex::checked_queries(MatrixView<const float> queries) const {
  require(queries.cols == store_.dim(), "queries: expected rows of ", store_.dim(), " numbers, got ", queries.cols);
  const std::vector<float> squared = checked_squared_lengths(queries, "queries");
  std::vector<Query> checked;
  for (int64_t i = 0; i < queries.rows; ++i) {
    const float length = squared[static_cast<size_t>(i)];
    checked.push_back({queries.row(i), length, inverse_length(length), i});
  }
  return checked;
}

SearchResult StoredIndex::search(MatrixView<const float> queries, int64_t k, const SearchOptions& options,
                                 const Monitor& monitor) const {
  require(k >= 1, "k: expected at least 1, got ", k);
  require(options.ef_search >= 0, "efSearch: expected at least 1, got ", options.ef_search);
  require(!options.min_score || *options.min_score == *options.min_score, "min_score: expected a number, got NaN");
  const std::shared_lock lock(mutex_);
  std::vector<Query> left = checked_queries(queries);
  Selection selection = select_rows(store_, options.where);
  Wanted wanted;
  wanted.count = std::min(k, selection.count);
  ResultWriter writer =
      options.min_score ? ResultWriter(queries.rows) : ResultWriter(queries.rows, wanted.count, options);
  if (options.min_score) wanted.min_score = *options.min_score;
  if (wanted.count > 0) {
    const int64_t ef = std::max<int64_t>(options.ef_search > 0 ? options.ef_search : ef_search_, wanted.count);
    // With a share s of rows allowed, a walk compares about ef / s rows times the links, a scan s * n.
    const bool rare = selection.count * 2 <= store_.rows() &&
                      double(selection.count) * double(selection.count) <= 16.0 * double(ef) * double(store_.rows());
    if (graph_ && !options.exact && !rare) graph_search(selection, left, wanted, ef, writer, monitor);
    if (!left.empty()) exact_search(store_, selection, left, wanted, writer, monitor);
  }
  return writer.finish();
}

/// Leaves in `queries` those for which the walk found too little: they are compared with every row.
void StoredIndex::graph_search(const Selection& selection, std::vector<Query>& queries, Wanted wanted, int64_t ef,
                               ResultWriter& writer, const Monitor& monitor) const {
  std::vector<uint8_t> done(queries.size(), 0);
  const double rows = static_cast<double>(std::min(ef * graph_->links().max_links(0), store_.rows()));  // at most
  parallel_for(
      static_cast<int64_t>(queries.size()), 8,
      [&](int64_t begin, int64_t end, const Worker& worker) {
        const Scorer scorer = store_.scorer();
        for (int64_t i = begin; i < end && !worker.should_stop(); ++i) {
          const Query& query = queries[static_cast<size_t>(i)];
          const auto found = graph_->search(scorer, query, ef, selection.allowed);
          if (!found || static_cast<int64_t>(found->size()) < wanted.count) continue;
          writer.write(query.number, hits_from(store_, query, *found, wanted));
          done[static_cast<size_t>(i)] = 1;
        }
      },
      if_long(monitor, static_cast<double>(queries.size()) * rows * static_cast<double>(store_.dim())));
  std::erase_if(queries, [&](const Query& query) { return done[static_cast<size_t>(query.number)] != 0; });
}

SearchResult StoredIndex::range_search(MatrixView<const float> queries, float threshold, const Filter& where,
                                       const Monitor& monitor) const {
  require(threshold == threshold, "threshold: expected a number, got NaN");
  const std::shared_lock lock(mutex_);
  const std::vector<Query> checked = checked_queries(queries);
  Selection selection = select_rows(store_, where);
  ResultWriter writer(queries.rows);
  if (selection.count > 0) exact_search(store_, selection, checked, {selection.count, threshold}, writer, monitor);
  return writer.finish();
}

Matrix<float> StoredIndex::reconstruct(std::span<const int64_t> ids) const {
  const std::shared_lock lock(mutex_);
  Matrix<float> rows(static_cast<int64_t>(ids.size()), store_.dim());
  for (size_t i = 0; i < ids.size(); ++i) {
    const int32_t row = store_.find(ids[i]);
    require(row != IdMap::kAbsent, "ids: ", ids[i], " is not in the index");
    std::copy_n(store_.vectors() + row * store_.dim(), store_.dim(), rows.row(static_cast<int64_t>(i)));
  }
  return rows;
}

Matrix<int64_t> StoredIndex::ids() const {
  const std::shared_lock lock(mutex_);
  Matrix<int64_t> ids(1, store_.live());
  int64_t count = 0;
  for (int64_t row = 0; row < store_.rows(); ++row)
    if (store_.is_live(row)) ids.data()[count++] = store_.row_ids()[static_cast<size_t>(row)];
  return ids;
}

int64_t StoredIndex::size() const {
  const std::shared_lock lock(mutex_);
  return store_.live();
}

IndexInfo StoredIndex::info() const {
  const std::shared_lock lock(mutex_);
  IndexInfo info;
  info.dim = store_.dim();
  info.metric = options_.metric;
  info.factory = options_.factory;
  info.ef_search = ef_search_;
  info.removed = store_.removed();
  info.bytes_vectors = store_.rows() * store_.dim() * static_cast<int64_t>(sizeof(float));
  info.bytes_graph = graph_ ? graph_->links().bytes() : 0;
  return info;
}

void StoredIndex::set_ef_search(int ef_search) {
  require(ef_search >= 1, "efSearch: expected at least 1, got ", ef_search);
  const std::unique_lock lock(mutex_);
  ef_search_ = ef_search;
}

}  // namespace pictrieve
