#include "pictrieve/index/rows/int8_rows.h"

#include <hwy/base.h>
#include <hwy/cache_control.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "pictrieve/base/error.h"
#include "pictrieve/index/distance/int8_kernels.h"
#include "pictrieve/index/file/sections.h"
#include "pictrieve/index/rows/scores.h"

namespace pictrieve {
namespace {

constexpr int64_t kBlock = 64;  // products at a time, on the stack
constexpr float kMaxCode = 127;

/// One side of a product. In double, as the offsets' part may be far larger than what is left of the sum.
struct Side {
  double scale;
  double offset;
  double codes;  ///< scale * sum of the codes
};

Side side_of(const Int8Row& row) { return {double{row.scale}, double{row.offset}, double{row.scale} * row.sum}; }

/// The inner product of two decoded rows, from that of their codes. Not inlined: see Note [exact scores], its results
/// must not depend on the caller.
[[gnu::noinline]] double inner_product(const Side& a, const Side& b, int32_t codes, double dim) {
  return a.scale * b.scale * codes + (a.offset * b.codes + b.offset * a.codes) + dim * (a.offset * b.offset);
}

int32_t product(const int8_t* a, const int8_t* b, int64_t dim) {
  int32_t product = 0;
  dots(a, RowListOf<int8_t>{b, dim, nullptr, 0, 1}, &product);
  return product;
}

double squared_length(const Int8Row& row, const int8_t* codes, int64_t dim) {
  const Side side = side_of(row);
  return inner_product(side, side, product(codes, codes, dim), static_cast<double>(dim));
}

/// Encodes one row. `work` has room for its numbers.
Int8Row encoded(const float* values, int64_t dim, Metric metric, float* work, int8_t* codes) {
  const auto [least, most] = std::minmax_element(values, values + dim);
  Int8Row row{0, *least + (*most - *least) / 2, 0, 0};
  for (int64_t i = 0; i < dim; ++i) work[i] = values[i] - row.offset;
  row.scale = encode_row(work, dim, codes);
  for (int64_t i = 0; i < dim; ++i) row.sum += codes[i];
  const auto squared = static_cast<float>(squared_length(row, codes, dim));
  row.length = metric == Metric::Cosine ? inverse_length(squared) : squared;
  return row;
}

class Int8Comparer final : public Comparer {
 public:
  explicit Int8Comparer(const Int8Rows& rows)
      : rows_(rows),
        metric_(rows.metric()),
        dim_(rows.dim()),
        work_(static_cast<size_t>(dim_)),
        coded_(static_cast<size_t>(dim_)) {}

  void set_query(const Query& query) override {
    const Int8Row row = encoded(query.values, dim_, metric_, work_.data(), coded_.data());
    compare_with(row, coded_.data());
  }

  void set_row(int32_t row) override { compare_with(*rows_.row(row), rows_.codes().row(row)); }

  void keys(std::span<const int32_t> rows, float* out) const override {
    compare(rows, out, [this](int32_t row, int32_t product) { return key(product, *rows_.row(row)); });
  }

  void keys_of_block(int64_t first, int64_t count, float* out) const override {
    std::array<int32_t, kBlock> products;
    for (const int64_t end = first + count; first < end; first += kBlock, out += kBlock) {
      const int64_t block = std::min(kBlock, end - first);
      dots(codes_, {rows_.codes().data(), dim_, nullptr, first, block}, products.data());
      for (int64_t i = 0; i < block; ++i) out[i] = key(products[static_cast<size_t>(i)], *rows_.row(first + i));
    }
  }

  void scores(std::span<const int32_t> rows, float* out) const override {
    compare(rows, out, [this](int32_t row, int32_t product) { return score(product, row); });
  }

  void prefetch(int32_t row) const override {
    constexpr int64_t kLines = 8;  // the kernel asks for the rest while it is busy with the rows before
    const int8_t* codes = rows_.codes().row(row);
    for (int64_t i = 0; i < std::min<int64_t>(dim_, kLines * 64); i += 64) hwy::Prefetch(codes + i);
  }

 private:
  void compare_with(const Int8Row& row, const int8_t* codes) {
    codes_ = codes;
    query_ = side_of(row);
    offset_dim_ = query_.offset * static_cast<double>(dim_);
    squared_ = squared_length(row, codes, dim_);
    inverse_ = inverse_length(static_cast<float>(squared_));
  }

  /// out[i] = finish(rows[i], product of its codes with the query's).
  template <typename Finish>
  void compare(std::span<const int32_t> rows, float* out, const Finish& finish) const {
    for (const int32_t row : rows) hwy::Prefetch(rows_.row(row));
    std::array<int32_t, kBlock> products;
    for (size_t first = 0; first < rows.size(); first += kBlock) {
      const auto block = rows.subspan(first, std::min<size_t>(kBlock, rows.size() - first));
      dots(codes_, {rows_.codes().data(), dim_, block.data(), 0, static_cast<int64_t>(block.size())}, products.data());
      for (size_t i = 0; i < block.size(); ++i) out[first + i] = finish(block[i], products[i]);
    }
  }

  /// Note [exact scores]: products of codes are whole numbers, and lengths come from them as products do.
  float score(int32_t codes, int32_t number) const {
    const Int8Row& row = *rows_.row(number);
    const double product = inner_product(query_, side_of(row), codes, static_cast<double>(dim_));
    if (metric_ == Metric::InnerProduct) return static_cast<float>(product);
    const double squared = squared_length(row, rows_.codes().row(number), dim_);
    if (metric_ == Metric::Cosine) return cosine_score(product, squared_, squared);
    return static_cast<float>(0 - std::sqrt(std::max(squared_ + squared - 2 * product, 0.0)));
  }

  float key(int32_t codes, const Int8Row& row) const {
    const double product = double{row.scale} * (query_.scale * codes + query_.offset * row.sum) +
                           double{row.offset} * (query_.codes + offset_dim_);
    if (metric_ == Metric::Cosine) return static_cast<float>(product * inverse_ * row.length);
    if (metric_ == Metric::L2) return static_cast<float>(2 * product - squared_ - row.length);
    return static_cast<float>(product);
  }

  const Int8Rows& rows_;
  Metric metric_;
  int64_t dim_;
  std::vector<float> work_;
  std::vector<int8_t> coded_;
  const int8_t* codes_ = nullptr;  ///< the query's
  Side query_{};
  double offset_dim_ = 0;
  double squared_ = 0;
  double inverse_ = 0;
};

}  // namespace

Int8Rows::Int8Rows(int64_t dim, Metric metric) : metric_(metric), codes_(dim) {
  require(dim <= kMaxInt8Dim, "dim: int8 rows have at most ", kMaxInt8Dim, " numbers, got ", dim,
          "; use dtype float16 or bfloat16, or a factory with PCA<d> before SQ8");
}

void Int8Rows::append(VectorsView view) {
  const MatrixView<const float> rows = view.floats("add", dim());
  const auto first = static_cast<int64_t>(rows_.size());
  rows_.resize(rows_.size() + static_cast<size_t>(rows.rows));
  int8_t* codes = codes_.extend(rows.rows);
  parallel_for(rows.rows, 256, [&](int64_t begin, int64_t end, Worker) {
    std::vector<float> work(static_cast<size_t>(dim()));
    for (int64_t i = begin; i < end; ++i)
      rows_[static_cast<size_t>(first + i)] = encoded(rows.row(i), dim(), metric_, work.data(), codes + i * dim());
  });
  take_longest(first);
}

void Int8Rows::take_longest(int64_t first) {
  if (metric_ == Metric::Cosine) return;
  for (auto i = static_cast<size_t>(first); i < rows_.size(); ++i) longest_ = std::max(longest_, rows_[i].length);
}

void Int8Rows::truncate(int64_t rows) {
  codes_.truncate(rows);
  rows_.resize(std::min(rows_.size(), static_cast<size_t>(rows)));
}

void Int8Rows::keep(std::span<const int32_t> order) {
  codes_.keep(order);
  const std::vector<Int8Row> old = std::move(rows_);
  rows_.clear();
  for (const int32_t row : order) rows_.push_back(old[static_cast<size_t>(row)]);
}

void Int8Rows::decode(int64_t row, void* out) const {
  auto* values = static_cast<float*>(out);
  decode_row(codes_.row(row), dim(), rows_[static_cast<size_t>(row)].scale, values);
  for (int64_t i = 0; i < dim(); ++i) values[i] += rows_[static_cast<size_t>(row)].offset;
}

std::unique_ptr<Comparer> Int8Rows::comparer() const { return std::make_unique<Int8Comparer>(*this); }

/// Keys differ from what scores come from by the rounding of a stored length and of the key itself, and by that of
/// doubles: no offset and no scale * 127 is past twice its row's length.
KeySlack Int8Rows::slack(const Query& query) const {
  constexpr float kEpsilon = std::numeric_limits<float>::epsilon();
  const auto sums = static_cast<float>(64 * std::numeric_limits<double>::epsilon() * static_cast<double>(dim()));
  if (metric_ == Metric::Cosine) return {sums, 4 * kEpsilon};
  const float absolute = sums * std::sqrt(query.squared) * std::sqrt(longest_);
  return {metric_ == Metric::L2 ? absolute + 4 * kEpsilon * (query.squared + longest_) : absolute, 4 * kEpsilon};
}

void Int8Rows::save(SectionWriter& file) const {
  file.borrow(SectionKind::Codes, codes_.all());
  file.borrow<Int8Row>(SectionKind::Scales, rows_);
}

void Int8Rows::load(const SectionReader& file, int64_t rows) {
  file.read_rows(SectionKind::Codes, rows, codes_);
  rows_ = file.read<Int8Row>(SectionKind::Scales, rows);
  const float most = std::sqrt(kMaxSquaredLength);
  for (const Int8Row& row : rows_) {
    const bool sane = row.scale >= 0 && row.scale <= most && std::abs(row.offset) <= most && row.length >= 0 &&
                      std::abs(static_cast<float>(row.sum)) <= kMaxCode * static_cast<float>(dim()) &&
                      row.length <= (metric_ == Metric::Cosine ? 1 / std::sqrt(std::numeric_limits<float>::min())
                                                               : kMaxSquaredLength);
    require<FormatError>(sane, "index file: impossible scale, offset or length of a row");
  }
  take_longest(0);
}

}  // namespace pictrieve
