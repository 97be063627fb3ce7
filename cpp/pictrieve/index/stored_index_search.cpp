#include <algorithm>
#include <limits>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/index/rows/lengths.h"
#include "pictrieve/index/stored_index.h"

namespace pictrieve {
namespace {

std::vector<Query> queries_of(VectorsView rows) {
  std::vector<Query> queries(static_cast<size_t>(rows.rows()));
  for (int64_t i = 0; i < rows.rows(); ++i) {
    Query& query = queries[static_cast<size_t>(i)];
    query.number = i;
    if (rows.is_bits()) {
      query.bits = rows.bits("queries", rows.dim()).row(i);
      continue;
    }
    query.values = rows.floats("queries", rows.dim()).row(i);
    query.squared = dot(query.values, query.values, rows.dim());
    query.inverse = inverse_length(query.squared);
  }
  return queries;
}

/// The key that a score comes from.
float key_of_score(Metric base, float score) {
  if (base != Metric::L2) return score;
  return score > 0 ? std::numeric_limits<float>::infinity() : -score * score;
}

bool is_better(const Candidate& a, const Candidate& b) { return a.key > b.key; }

}  // namespace

SearchParams StoredIndex::with_defaults(const SearchParams& params) const {
  require(params.ef_search >= 0 && params.nprobe >= 0 && params.k_factor >= 0,
          "params: expected efSearch, nprobe and kFactor of at least 1");
  return {params.ef_search > 0 ? params.ef_search : params_.ef_search,
          params.nprobe > 0 ? params.nprobe : params_.nprobe, params.k_factor > 0 ? params.k_factor : params_.k_factor};
}

void StoredIndex::set_params(const SearchParams& params) {
  const auto alone = lock_.write();
  params_ = with_defaults(params);
}

StoredIndex::Request StoredIndex::request(VectorsView queries) const {
  Request request{prepare(queries, "queries"), {}, {}, 0, -std::numeric_limits<float>::infinity(), params_, false};
  if (trained_) project(request.prepared);
  request.full = queries_of(request.prepared.full);
  request.coded = projections_.empty() || !trained_ ? request.full : queries_of(request.prepared.coded);
  return request;
}

SearchResult StoredIndex::search(VectorsView queries, int64_t k, const SearchOptions& options,
                                 const Monitor& monitor) const {
  require(k >= 1, "k: expected at least 1, got ", k);
  require(!options.min_score || *options.min_score == *options.min_score, "min_score: expected a number, got NaN");
  const auto reading = lock_.read();
  Request request = this->request(queries);
  Selection selection = select_rows(items_, options.where);
  request.count = std::min(k, selection.count);
  request.params = with_defaults(options.params);
  request.exact = options.exact;
  if (options.min_score) request.min_score = *options.min_score;
  ResultWriter writer =
      options.min_score ? ResultWriter(queries.rows()) : ResultWriter(queries.rows(), request.count, options);
  if (request.count > 0) {
    std::vector<Query> left = request.coded;
    if (walks(selection, request)) left = structure_search(request, selection, writer, monitor);
    if (!left.empty()) exact_search(request, left, selection, writer, monitor);
  }
  return writer.finish();
}

SearchResult StoredIndex::range_search(VectorsView queries, float threshold, const Filter& where,
                                       const Monitor& monitor) const {
  require(threshold == threshold, "threshold: expected a number, got NaN");
  const auto reading = lock_.read();
  Request request = this->request(queries);
  Selection selection = select_rows(items_, where);
  request.count = selection.count;
  request.min_score = threshold;
  request.exact = true;
  ResultWriter writer(queries.rows());
  if (selection.count > 0) exact_search(request, request.coded, selection, writer, monitor);
  return writer.finish();
}

SearchEffort StoredIndex::effort(const Request& request) const {
  const int64_t count = originals_ ? request.count * request.params.k_factor : request.count;
  return {count, std::max<int64_t>(request.params.ef_search, request.count), request.params.nprobe, request.count, {}};
}

/// A structure compares with about as many rows whatever share is allowed; a scan with all that are, in order. Where
/// a graph would compare with as many as there are, the scan is exact and mostly quicker: with 64 candidates of 16
/// links each, that is 1,024 rows, it takes 0.7 of a walk's time for one query of 64 numbers, 0.9 of 384, 1.3 of 1,280,
/// and 0.4 to 0.2 for a batch.
bool StoredIndex::walks(const Selection& selection, const Request& request) const {
  constexpr double kScatter = 3;  // with a filter, a row somewhere costs a walk about three times what it costs a scan
  if (!structure_ || request.exact) return false;
  const bool by_graph = recipe_.structure.kind == StructureSpec::Kind::Graph;
  const double scatter = selection.count * 2 <= items_.rows() ? kScatter : by_graph ? 1 : 0;
  return static_cast<double>(selection.count) > scatter * structure_->cost(effort(request));
}

/// Gives the queries for which too little was found: they are compared with every row.
std::vector<Query> StoredIndex::structure_search(const Request& request, const Selection& selection,
                                                 ResultWriter& writer, const Monitor& monitor) const {
  std::vector<uint8_t> done(request.coded.size(), 0);
  const SearchEffort effort = this->effort(request);
  const double rows = std::min(2 * structure_->cost(effort), static_cast<double>(items_.rows()));
  const int64_t fewest = structure_->shares_between_queries() ? 8 : 1;
  const auto grain = std::clamp<int64_t>(static_cast<int64_t>(request.coded.size()) / (4 * num_threads()), fewest, 32);
  parallel_for(
      static_cast<int64_t>(request.coded.size()), grain,
      [&](int64_t begin, int64_t end, const Worker& worker) {
        const auto near = rows_->comparer();
        const auto exact = originals_ ? originals_->comparer() : nullptr;
        const std::span asked(request.coded.data() + begin, static_cast<size_t>(end - begin));
        const std::vector<float> coarse = structure_->coarse(asked);
        for (int64_t i = begin; i < end && !worker.should_stop(); ++i) {
          Query query = request.coded[static_cast<size_t>(i)];
          if (!coarse.empty())
            query.coarse = coarse.data() + coarse.size() / asked.size() * static_cast<size_t>(i - begin);
          near->set_query(query);
          SearchEffort of_query = effort;
          of_query.slack = rows_->slack(query);
          of_query.slack.absolute += near->key_error();
          auto found = structure_->search(*near, query, of_query, selection.allowed);
          if (!found || static_cast<int64_t>(found->size()) < request.count) continue;
          if (exact) exact->set_query(request.full[static_cast<size_t>(i)]);
          writer.write(i, hits(request, exact ? *exact : *near, std::move(*found), effort.count));
          done[static_cast<size_t>(i)] = 1;
        }
      },
      if_long(monitor, static_cast<double>(request.coded.size()) * rows * static_cast<double>(options_.dim)));
  std::vector<Query> left;
  for (const Query& query : request.coded)
    if (!done[static_cast<size_t>(query.number)]) left.push_back(query);
  return left;
}

void StoredIndex::exact_search(const Request& request, const std::vector<Query>& queries, Selection& selection,
                               ResultWriter& writer, const Monitor& monitor) const {
  const bool by_originals = originals_ && (request.exact || structure_);  // few match: codes would spare little
  const Rows& scanned = by_originals ? *originals_ : *rows_;
  const Rows& scored = originals_ ? *originals_ : *rows_;
  Wanted wanted{originals_ && !by_originals ? effort(request).count : request.count};
  if (&scanned == &scored) wanted.min_key = key_of_score(scored.metric(), request.min_score);
  std::vector<Query> asked = queries;
  if (by_originals)
    for (Query& query : asked) query = request.full[static_cast<size_t>(query.number)];
  const int64_t dim = by_originals || projections_.empty() ? options_.dim : projections_.back().dim_out();
  const auto take = [&](const Query& query, const std::vector<Candidate>& found) {
    const auto comparer = scored.comparer();
    comparer->set_query(originals_ ? request.full[static_cast<size_t>(query.number)] : query);
    writer.write(query.number, hits(request, *comparer, found, static_cast<int64_t>(found.size())));
  };
  scan(scanned, dim, selection, asked, wanted, take, monitor);
}

/// Scores the best `count` candidates exactly and gives the best of these in order.
std::vector<Hit> StoredIndex::hits(const Request& request, Comparer& comparer, std::vector<Candidate> candidates,
                                   int64_t count) const {
  if (static_cast<int64_t>(candidates.size()) > count && originals_) {
    std::nth_element(candidates.begin(), candidates.begin() + count, candidates.end(), is_better);
    candidates.resize(static_cast<size_t>(count));
  }
  std::vector<int32_t> rows(candidates.size());
  std::transform(candidates.begin(), candidates.end(), rows.begin(), [](const Candidate& c) { return c.row; });
  std::vector<float> scores(rows.size());
  comparer.scores(rows, scores.data());
  std::vector<Hit> hits;
  hits.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i)
    if (scores[i] >= request.min_score) hits.push_back({scores[i], items_.id(rows[i])});
  if (const auto kept = static_cast<size_t>(request.count); kept < hits.size()) {
    std::nth_element(hits.begin(), hits.begin() + request.count, hits.end(), before);
    hits.resize(kept);
  }
  std::sort(hits.begin(), hits.end(), before);
  return hits;
}

}  // namespace pictrieve
