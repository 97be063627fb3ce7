#include "pictrieve/index/scan/scan.h"

#include <algorithm>
#include <cmath>

#include "pictrieve/base/matrix.h"
#include "pictrieve/index/distance/blas.h"
#include "pictrieve/index/distance/kernels.h"

namespace pictrieve {
namespace {

constexpr int64_t kRowBlock = 1024;  // with kQueryBlock: keys of one block stay in the second-level cache
constexpr int64_t kQueryBlock = 128;
constexpr int64_t kListBlock = 256;  // rows that several queries read while they are in cache
constexpr int64_t kFewestForBlas = 4;

/// One block of queries against one range of rows.
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
  const int64_t blocks = (count + kQueryBlock - 1) / kQueryBlock;
  // Few queries: several threads share the rows, each with its own candidates.
  const int64_t slabs = blocks >= 2 * num_threads() ? 1 : std::clamp<int64_t>(places / 4096, 1, 4 * num_threads());
  std::vector<std::vector<CandidateBuffer>> found(static_cast<size_t>(blocks * slabs));
  const auto finish_block = [&](int64_t block) {
    auto* parts = found.data() + block * slabs;
    for (size_t q = 0; q < parts[0].size(); ++q) {
      for (int64_t s = 1; s < slabs; ++s) parts[0][q].merge(parts[s][q]);
      take(queries[static_cast<size_t>(block * kQueryBlock) + q], parts[0][q].finish());
    }
    for (int64_t s = 0; s < slabs; ++s) parts[s] = {};
  };
  parallel_for(
      blocks * slabs, 1,
      [&](int64_t piece, int64_t, const Worker& worker) {
        const int64_t block = piece / slabs, slab = piece % slabs, first = block * kQueryBlock;
        BlockScan scan(rows, dim, selection, queries.data() + first, std::min(kQueryBlock, count - first), wanted);
        const int64_t begin = places * slab / slabs, end = places * (slab + 1) / slabs;
        by_list ? scan.visit_list(begin, end, worker) : scan.visit_rows(begin, end, worker);
        found[static_cast<size_t>(piece)] = std::move(scan.buffers());
        if (slabs == 1 && !worker.should_stop()) finish_block(block);
      },
      if_long(monitor, static_cast<double>(count) * static_cast<double>(places) * static_cast<double>(dim)));
  if (slabs > 1)
    for (int64_t block = 0; block < blocks; ++block) finish_block(block);
}

}  // namespace pictrieve
