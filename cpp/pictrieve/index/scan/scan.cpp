#include "pictrieve/index/scan/scan.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>

#include "pictrieve/base/matrix.h"
#include "pictrieve/index/distance/blas.h"
#include "pictrieve/index/distance/kernels.h"
#include "pictrieve/index/scan/rough_scan.h"

namespace pictrieve {
namespace {

constexpr int64_t kRowBlock = 1024;  // with kQueryBlock: keys of one block stay in the second-level cache
constexpr int64_t kQueryBlock = 128;
constexpr int64_t kListBlock = 256;  // rows that several queries read while they are in cache
constexpr int64_t kFewestForBlas = 4;
constexpr int64_t kFinishedTogether = 64;  // queries: for fewer, a thread is not worth its start

/// One block of queries against one range of rows, by keys as exact as the rows allow.
class BlockScan {
 public:
  BlockScan(const Rows& rows, int64_t dim, const Selection& selection, const Query* queries, int64_t count,
            Wanted wanted)
      : rows_(rows), dim_(dim), selection_(selection), queries_(queries), count_(count), positions_(kRowBlock) {
    const int64_t most = std::min(wanted.count, selection.count);
    products_ = count >= kFewestForBlas ? rows.products() : nullptr;
    if (!products_) compare_each();
    for (int64_t i = 0; i < count; ++i) {
      const KeySlack slack = rows.slack(queries[i]);
      const float error = products_ ? 0 : comparers_[static_cast<size_t>(i)]->key_error();
      buffers_.emplace_back(most, wanted.min_key, slack.absolute + error, slack.relative);
    }
  }

  std::vector<CandidateBuffer>& buffers() { return buffers_; }

  /// Rows [begin, end), through BLAS where that pays.
  void visit_rows(int64_t begin, int64_t end, const Worker& worker) {
    keys_.resize(static_cast<size_t>(kRowBlock * (products_ ? count_ : 1)));
    if (products_) pack_queries();
    for (int64_t first = begin; first < end && !worker.should_stop(); first += kRowBlock) {
      const int64_t rows = std::min(kRowBlock, end - first);
      if (products_) multiply(first, rows);
      for (int64_t q = 0; q < count_; ++q) {
        float* keys = keys_.data() + (products_ ? q * rows : 0);
        if (products_)
          keys_from_products(queries_[q], first, rows, keys);
        else
          comparers_[static_cast<size_t>(q)]->keys_of_block(first, rows, keys);
        collect(q, keys, first, rows);
      }
    }
  }

  /// The matching rows number [begin, end) of the selection's list.
  void visit_list(int64_t begin, int64_t end, const Worker& worker) {
    keys_.resize(kListBlock);
    if (comparers_.empty()) compare_each();
    for (int64_t first = begin; first < end && !worker.should_stop(); first += kListBlock) {
      const int64_t count = std::min(kListBlock, end - first);
      const std::span<const int32_t> rows{selection_.rows.data() + first, static_cast<size_t>(count)};
      for (size_t q = 0; q < comparers_.size(); ++q) {
        comparers_[q]->keys(rows, keys_.data());
        for (size_t i = 0; i < rows.size(); ++i) buffers_[q].push(keys_[i], rows[i]);
      }
    }
  }

 private:
  void compare_each() {
    for (int64_t q = 0; q < count_; ++q) {
      comparers_.push_back(rows_.comparer());
      comparers_.back()->set_query(queries_[q]);
    }
  }

  void pack_queries() {
    packed_ = Matrix<float>(count_, dim_);
    for (int64_t q = 0; q < count_; ++q) std::copy_n(queries_[q].values, dim_, packed_.row(q));
  }

  void multiply(int64_t first, int64_t rows) {
    const int m = static_cast<int>(rows), n = static_cast<int>(count_), k = static_cast<int>(dim_);
    const float one = 1, zero = 0;
    if (decoded_.rows() == 0) decoded_ = Matrix<float>(kRowBlock, dim_);
    const float* block = rows_.block(first, rows, decoded_.data());
    sgemm_("T", "N", &m, &n, &k, &one, block, &k, packed_.data(), &k, &zero, keys_.data(), &m);
  }

  void keys_from_products(const Query& query, int64_t first, int64_t rows, float* keys) const {
    const Metric metric = rows_.metric();
    if (metric == Metric::Cosine) scale_keys(keys, rows, products_->inverse.data() + first, query.inverse);
    if (metric == Metric::L2) distance_keys(keys, rows, products_->squared.data() + first, query.squared);
  }

  void collect(int64_t q, const float* keys, int64_t first, int64_t rows) {
    CandidateBuffer& buffer = buffers_[static_cast<size_t>(q)];
    const int64_t kept = positions_at_least(keys, rows, buffer.floor(), positions_.data());
    for (int64_t i = 0; i < kept; ++i) {
      const int32_t position = positions_[static_cast<size_t>(i)];
      if (selection_.allows(first + position)) buffer.push(keys[position], static_cast<int32_t>(first + position));
    }
  }

  const Rows& rows_;
  int64_t dim_;
  const Selection& selection_;
  const Query* queries_;
  int64_t count_;
  const ProductView* products_;  ///< null where each query compares for itself
  std::vector<std::unique_ptr<Comparer>> comparers_;
  std::vector<CandidateBuffer> buffers_;
  Matrix<float> packed_;
  Matrix<float> decoded_;
  std::vector<float> keys_;
  std::vector<int32_t> positions_;
};

/// What all pieces of a scan share.
struct Plan {
  const Rows& rows;
  int64_t dim;
  const Selection& selection;
  Wanted wanted;
  bool by_list;            ///< places are those of the selection's list, not rows
  const RoughRows* rough;  ///< null where these do not serve
};

std::vector<CandidateBuffer> candidates(const Plan& plan, std::span<const Query> queries, int64_t begin, int64_t end,
                                        const Worker& worker) {
  const RoughKernel* kernel = plan.rough ? rough_kernel() : nullptr;
  if (kernel) {
    RoughScan scan(static_cast<const FloatRows&>(plan.rows), *plan.rough, *kernel, plan.selection, queries,
                   plan.wanted);
    if (scan.visit_rows(begin, end, worker)) return scan.finish();
  }
  std::vector<CandidateBuffer> found;
  for (; !queries.empty(); queries = queries.subspan(std::min<size_t>(queries.size(), kQueryBlock))) {
    const int64_t count = std::min(kQueryBlock, std::ssize(queries));
    BlockScan scan(plan.rows, plan.dim, plan.selection, queries.data(), count, plan.wanted);
    plan.by_list ? scan.visit_list(begin, end, worker) : scan.visit_rows(begin, end, worker);
    std::move(scan.buffers().begin(), scan.buffers().end(), std::back_inserter(found));
  }
  return found;
}

/// How queries and rows are shared out: blocks of `size` queries, each by as many slabs of rows.
struct Pieces {
  int64_t size;
  int64_t blocks;
  int64_t slabs;
};

/// Few queries: several threads share the rows, each with its own candidates. These are what costs most where a rough
/// pass precedes, which also reads its rows better in large blocks. Starting a thread takes as long as a million
/// products.
Pieces pieces(int64_t queries, int64_t places, int64_t dim, bool rough) {
  const int64_t threads = num_threads(), products = std::min(queries, kQueryBlock) * places * dim;
  const int64_t most_slabs = std::clamp<int64_t>(products >> 20, 1, std::max<int64_t>(places / 4096, 1));
  const auto blocks_of = [queries](int64_t size) { return (queries + size - 1) / size; };
  if (!rough) {
    const int64_t blocks = blocks_of(kQueryBlock);
    return {kQueryBlock, blocks, threads == 1 || blocks >= 2 * threads ? 1 : std::min(most_slabs, 4 * threads)};
  }
  const int64_t share = blocks_of(2 * threads);
  const int64_t size = std::min(share >= kQueryBlock ? share : queries, kRoughQueryBlock), blocks = blocks_of(size);
  return {size, blocks, std::clamp<int64_t>((threads + blocks - 1) / blocks, 1, most_slabs)};
}

}  // namespace

const Monitor& if_long(const Monitor& monitor, double multiply_adds) {
  static const Monitor none;
  constexpr double kLong = 1e8;  // about 10 ms of one thread
  return multiply_adds > kLong ? monitor : none;
}

void scan(const Rows& rows, int64_t dim, Selection& selection, const std::vector<Query>& queries, Wanted wanted,
          const TakeCandidates& take, const Monitor& monitor) {
  const int64_t count = static_cast<int64_t>(queries.size());
  // A list of rows is worth its scattered reads where it is short; BLAS passes over all rows faster than that.
  const bool by_list = selection.allowed && selection.count * (count >= kFewestForBlas ? 4 : 2) <= rows.size();
  if (by_list) list_rows(selection, rows.size());
  const int64_t places = by_list ? selection.count : rows.size();
  const Monitor& told =
      if_long(monitor, static_cast<double>(count) * static_cast<double>(places) * static_cast<double>(dim));
  const Plan plan{rows, dim, selection, wanted, by_list, by_list ? nullptr : rough_rows(rows, count, wanted, told)};
  const auto [size, blocks, slabs] = pieces(count, places, dim, plan.rough != nullptr);
  std::vector<std::vector<CandidateBuffer>> found(static_cast<size_t>(blocks * slabs));
  const auto finish = [&](int64_t query) {
    auto* parts = found.data() + query / size * slabs;
    const auto place = static_cast<size_t>(query % size);
    for (int64_t s = 1; s < slabs; ++s) parts[0][place].merge(parts[s][place]);
    take(queries[static_cast<size_t>(query)], parts[0][place].finish());
  };
  parallel_for(
      blocks * slabs, 1,
      [&](int64_t piece, int64_t, const Worker& worker) {
        const int64_t slab = piece % slabs, first = piece / slabs * size, end = std::min(count, first + size);
        const std::span asked(queries.data() + first, static_cast<size_t>(end - first));
        auto& part = found[static_cast<size_t>(piece)];
        part = candidates(plan, asked, places * slab / slabs, places * (slab + 1) / slabs, worker);
        if (slabs > 1) return;
        for (int64_t query = first; query < end && !worker.should_stop(); ++query) finish(query);
        part = {};
      },
      told);
  if (slabs == 1) return;
  parallel_for(count, kFinishedTogether, [&](int64_t begin, int64_t end, const Worker&) {
    for (int64_t query = begin; query < end; ++query) finish(query);
  });
}

}  // namespace pictrieve
