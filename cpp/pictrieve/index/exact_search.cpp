#include "pictrieve/index/exact_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

extern "C" void sgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
                       const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
                       const float* beta, float* c, const int* ldc);

namespace pictrieve {
namespace {

constexpr int64_t kRowBlock = 1024;  // with kQueryBlock: keys of one block stay in the second-level cache
constexpr int64_t kQueryBlock = 128;
constexpr int64_t kListBlock = 256;  // rows that several queries read while they are in cache
constexpr int64_t kFewestForBlas = 4;
constexpr float kEpsilon = std::numeric_limits<float>::epsilon();

/// How far keys of BLAS and of the kernels may be from the exact ones: rounding errors of a sum of dim products grow
/// with sqrt(dim) (Higham, Accuracy and Stability of Numerical Algorithms, 2.8 and 3.1), taken with a margin.
CandidateBuffer buffer_for(const VectorStore& store, const Query& query, Wanted wanted, int64_t matching) {
  const float unit = kEpsilon * (8 + std::sqrt(static_cast<float>(store.dim())));
  const float length = std::sqrt(query.squared);
  float absolute = unit;
  float floor = wanted.min_score;
  if (store.metric() == Metric::InnerProduct) absolute = unit * length * store.longest();
  if (store.metric() == Metric::L2) {
    absolute = unit * (length + store.longest()) * (length + store.longest());
    floor = floor > 0 ? std::numeric_limits<float>::infinity() : -floor * floor;
  }
  return {std::min(wanted.count, matching), floor, absolute, 4 * kEpsilon};
}

/// One block of queries against one range of rows.
class BlockSearch {
 public:
  BlockSearch(const VectorStore& store, const Selection& selection, const Query* queries, int64_t count, Wanted wanted)
      : store_(store), scorer_(store.scorer()), selection_(selection), queries_(queries), count_(count) {
    for (int64_t i = 0; i < count; ++i) buffers_.push_back(buffer_for(store, queries[i], wanted, selection.count));
    positions_.resize(kRowBlock);
  }

  std::vector<CandidateBuffer>& buffers() { return buffers_; }

  /// Rows [begin, end) of the store, through BLAS where that pays.
  void visit_rows(int64_t begin, int64_t end, const Worker& worker) {
    const bool blas = count_ >= kFewestForBlas;
    keys_.resize(static_cast<size_t>(kRowBlock * (blas ? count_ : 1)));
    if (blas) pack_queries();
    for (int64_t first = begin; first < end && !worker.should_stop(); first += kRowBlock) {
      const int64_t rows = std::min(kRowBlock, end - first);
      if (blas) multiply(first, rows);
      for (int64_t q = 0; q < count_; ++q) {
        float* keys = keys_.data() + (blas ? q * rows : 0);
        if (blas)
          keys_from_products(queries_[q], first, rows, keys);
        else
          scorer_.keys_of_block(queries_[q], first, rows, keys);
        collect(q, keys, first, rows);
      }
    }
  }

  /// The matching rows number [begin, end) of the selection's list.
  void visit_list(int64_t begin, int64_t end, const Worker& worker) {
    keys_.resize(kListBlock);
    for (int64_t first = begin; first < end && !worker.should_stop(); first += kListBlock) {
      const int64_t count = std::min(kListBlock, end - first);
      const std::span<const int32_t> rows{selection_.rows.data() + first, static_cast<size_t>(count)};
      for (int64_t q = 0; q < count_; ++q) {
        scorer_.keys(queries_[q], rows, keys_.data());
        for (size_t i = 0; i < rows.size(); ++i) buffers_[static_cast<size_t>(q)].push(keys_[i], rows[i]);
      }
    }
  }

 private:
  void pack_queries() {
    packed_ = Matrix<float>(count_, store_.dim());
    for (int64_t q = 0; q < count_; ++q) std::copy_n(queries_[q].values, store_.dim(), packed_.row(q));
  }

  void multiply(int64_t first, int64_t rows) {
    const int m = static_cast<int>(rows), n = static_cast<int>(count_), k = static_cast<int>(store_.dim());
    const float one = 1, zero = 0;
    sgemm_("T", "N", &m, &n, &k, &one, scorer_.base + first * store_.dim(), &k, packed_.data(), &k, &zero, keys_.data(),
           &m);
  }

  void keys_from_products(const Query& query, int64_t first, int64_t rows, float* keys) const {
    if (store_.metric() == Metric::Cosine) scale_keys(keys, rows, scorer_.inverse + first, query.inverse);
    if (store_.metric() == Metric::L2) distance_keys(keys, rows, scorer_.squared + first, query.squared);
  }

  void collect(int64_t q, const float* keys, int64_t first, int64_t rows) {
    CandidateBuffer& buffer = buffers_[static_cast<size_t>(q)];
    const int64_t kept = positions_at_least(keys, rows, buffer.floor(), positions_.data());
    for (int64_t i = 0; i < kept; ++i) {
      const int32_t position = positions_[static_cast<size_t>(i)];
      if (selection_.allows(first + position)) buffer.push(keys[position], static_cast<int32_t>(first + position));
    }
  }

  const VectorStore& store_;
  Scorer scorer_;
  const Selection& selection_;
  const Query* queries_;
  int64_t count_;
  std::vector<CandidateBuffer> buffers_;
  Matrix<float> packed_;
  std::vector<float> keys_;
  std::vector<int32_t> positions_;
};

}  // namespace

std::vector<Hit> hits_from(const VectorStore& store, const Query& query, const std::vector<Candidate>& candidates,
                           Wanted wanted) {
  const Scorer scorer = store.scorer();
  std::vector<Hit> hits;
  hits.reserve(candidates.size());
  for (const Candidate& candidate : candidates) {
    const float score = scorer.score(query, candidate.row);
    if (score >= wanted.min_score) hits.push_back({score, store.row_ids()[static_cast<size_t>(candidate.row)]});
  }
  const auto kept = std::min(static_cast<int64_t>(hits.size()), wanted.count);
  std::partial_sort(hits.begin(), hits.begin() + kept, hits.end(), before);
  hits.resize(static_cast<size_t>(kept));
  return hits;
}

const Monitor& if_long(const Monitor& monitor, double multiply_adds) {
  static const Monitor none;
  constexpr double kLong = 1e8;  // about 10 ms of one thread
  return multiply_adds > kLong ? monitor : none;
}

void exact_search(const VectorStore& store, Selection& selection, const std::vector<Query>& queries, Wanted wanted,
                  ResultWriter& writer, const Monitor& monitor) {
  const int64_t count = static_cast<int64_t>(queries.size());
  // A list of rows is worth its scattered reads where it is short; BLAS passes over all rows faster than that.
  const bool by_list = selection.allowed && selection.count * (count >= kFewestForBlas ? 4 : 2) <= store.rows();
  if (by_list) list_rows(selection, store.rows());
  const int64_t places = by_list ? selection.count : store.rows();
  const int64_t blocks = (count + kQueryBlock - 1) / kQueryBlock;
  // Few queries: several threads share the rows, each with its own candidates.
  const int64_t slabs = blocks >= 2 * num_threads() ? 1 : std::clamp<int64_t>(places / 4096, 1, 4 * num_threads());
  std::vector<std::vector<CandidateBuffer>> found(static_cast<size_t>(blocks * slabs));
  const auto finish_block = [&](int64_t block) {
    auto* parts = found.data() + block * slabs;
    for (size_t q = 0; q < parts[0].size(); ++q) {
      for (int64_t s = 1; s < slabs; ++s) parts[0][q].merge(parts[s][q]);
      const Query& query = queries[static_cast<size_t>(block * kQueryBlock) + q];
      writer.write(query.number, hits_from(store, query, parts[0][q].finish(), wanted));
    }
    for (int64_t s = 0; s < slabs; ++s) parts[s] = {};
  };
  parallel_for(
      blocks * slabs, 1,
      [&](int64_t piece, int64_t, const Worker& worker) {
        const int64_t block = piece / slabs, slab = piece % slabs, first = block * kQueryBlock;
        BlockSearch search(store, selection, queries.data() + first, std::min(kQueryBlock, count - first), wanted);
        const int64_t begin = places * slab / slabs, end = places * (slab + 1) / slabs;
        by_list ? search.visit_list(begin, end, worker) : search.visit_rows(begin, end, worker);
        found[static_cast<size_t>(piece)] = std::move(search.buffers());
        if (slabs == 1 && !worker.should_stop()) finish_block(block);
      },
      if_long(monitor, static_cast<double>(count) * static_cast<double>(places) * static_cast<double>(store.dim())));
  if (slabs > 1)
    for (int64_t block = 0; block < blocks; ++block) finish_block(block);
}

}  // namespace pictrieve
