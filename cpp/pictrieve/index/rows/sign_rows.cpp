#include "pictrieve/index/rows/sign_rows.h"

#include <hwy/base.h>
#include <hwy/cache_control.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/index/distance/bit_kernels.h"
#include "pictrieve/index/distance/pq_kernels.h"
#include "pictrieve/index/file/sections.h"

namespace pictrieve {
namespace {

constexpr int64_t kMostBits = 65536;

/// The first bit is the highest of the first byte. What is left of the last byte is 0.
void pack_signs(const float* projections, int64_t bits, uint8_t* out) {
  std::fill_n(out, (bits + 7) / 8, uint8_t{0});
  for (int64_t i = 0; i < bits; ++i)
    if (projections[i] >= 0) out[i / 8] = static_cast<uint8_t>(out[i / 8] | 0x80 >> i % 8);
}

class SignComparer final : public Comparer {
 public:
  explicit SignComparer(const SignRows& rows)
      : rows_(rows),
        projections_(static_cast<size_t>(rows.bits())),
        table_(static_cast<size_t>(256 * rows.codes().width())),
        own_(static_cast<size_t>(rows.codes().width())) {}

  void set_query(const Query& query) override {
    rows_.project(query.values, projections_.data());
    fill_table();
    pack_signs(projections_.data(), rows_.bits(), own_.data());
    float most = 0;  // summed as every row's is, so that equal signs give exactly 1
    pq_products(table_.data(), rows_.codes().width(), {own_.data(), rows_.codes().width(), nullptr, 0, 1}, &most);
    largest_ = most;
    row_ = nullptr;
  }

  void set_row(int32_t row) override { row_ = rows_.codes().row(row); }

  void keys(std::span<const int32_t> rows, float* out) const override {
    compare({rows_.codes().data(), rows_.codes().width(), rows.data(), 0, static_cast<int64_t>(rows.size())}, out);
  }

  void keys_of_block(int64_t first, int64_t count, float* out) const override {
    compare({rows_.codes().data(), rows_.codes().width(), nullptr, first, count}, out);
  }

  void scores(std::span<const int32_t> rows, float* out) const override { keys(rows, out); }

  void prefetch(int32_t row) const override { hwy::Prefetch(rows_.codes().row(row)); }

 private:
  /// table[256 j + byte]: what bits 8 j to 8 j + 7 of a row add to its sum.
  void fill_table() {
    for (int64_t j = 0; j < rows_.codes().width(); ++j) {
      float* table = table_.data() + 256 * j;
      const int64_t count = std::min<int64_t>(8, rows_.bits() - 8 * j);
      const float* projections = projections_.data() + 8 * j;
      table[0] = 0;
      for (int64_t i = 0; i < count; ++i) table[0] -= projections[i];
      for (unsigned byte = 1; byte < 256; ++byte) {
        const int i = 7 - std::countr_zero(byte);  // the lowest bit set is the last of its projections
        table[byte] = table[byte & (byte - 1)] + (i < count ? 2 * projections[i] : 0);
      }
    }
  }

  void compare(const RowListOf<uint8_t>& list, float* out) const {
    if (row_) {  // row to row, by their signs alone
      hamming_distances(row_, list, out);
      for (int64_t i = 0; i < list.count; ++i) out[i] = 1 - 2 * out[i] / static_cast<float>(rows_.bits());
      return;
    }
    pq_products(table_.data(), list.dim, list, out);
    for (int64_t i = 0; i < list.count; ++i) out[i] = largest_ > 0 ? std::clamp(out[i] / largest_, -1.0F, 1.0F) : 0;
  }

  const SignRows& rows_;
  std::vector<float> projections_;
  std::vector<float> table_;
  std::vector<uint8_t> own_;  ///< the query's signs
  float largest_ = 0;
  const uint8_t* row_ = nullptr;  ///< the row that is compared with, after set_row
};

}  // namespace

SignRows::SignRows(int64_t dim, int64_t bits) : dim_(dim), bits_(bits), codes_((bits + 7) / 8) {
  require(bits >= 1 && bits <= kMostBits, "factory: expected LSH<bits> with 1 to ", kMostBits, " bits, got ", bits);
}

void SignRows::project(const float* vector, float* out) const {
  for (int64_t i = 0; i < bits_; ++i) out[i] = dot(directions_.data() + i * dim_, vector, dim_);
}

/// Gaussian directions, each made orthogonal to those before it in its block (Gram and Schmidt).
void SignRows::train(MatrixView<const float>, uint64_t seed, const Monitor&) {
  directions_.resize(static_cast<size_t>(bits_ * dim_));
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < bits_; ++i) {
    float* direction = directions_.data() + i * dim_;
    float squared = 0;
    while (squared < 1e-6F) {  // what is left of the last in its block may be too little to be exact
      std::generate_n(direction, dim_, [&] { return normal(generator); });
      for (int64_t j = i / dim_ * dim_; j < i; ++j) {
        const float* before = directions_.data() + j * dim_;
        const float share = dot(direction, before, dim_);
        for (int64_t d = 0; d < dim_; ++d) direction[d] -= share * before[d];
      }
      squared = dot(direction, direction, dim_);
    }
    const float inverse = 1 / std::sqrt(squared);
    for (int64_t d = 0; d < dim_; ++d) direction[d] *= inverse;
  }
}

void SignRows::prepare(VectorsView view, std::span<const int32_t>, const Monitor& monitor) {
  const MatrixView<const float> rows = view.floats("add", dim_);
  Matrix<uint8_t> signs(rows.rows, codes_.width());
  parallel_for(
      rows.rows, 64,
      [&](int64_t begin, int64_t end, const Worker& worker) {
        std::vector<float> projections(static_cast<size_t>(bits_));
        for (int64_t i = begin; i < end && !worker.should_stop(); ++i) {
          project(rows.row(i), projections.data());
          pack_signs(projections.data(), bits_, signs.row(i));
        }
      },
      monitor);
  prepared_ = std::move(signs);
}

void SignRows::append(VectorsView) {
  const Matrix<uint8_t> signs = std::exchange(prepared_, {});
  std::copy_n(signs.data(), signs.rows() * codes_.width(), codes_.extend(signs.rows()));
}

void SignRows::decode(int64_t row, void* out) const {
  auto* values = static_cast<float*>(out);
  std::fill_n(values, dim_, 0.0F);
  const uint8_t* code = codes_.row(row);
  for (int64_t i = 0; i < bits_; ++i) {
    const float sign = (code[i / 8] & 0x80 >> i % 8) != 0 ? 1 : -1;
    for (int64_t d = 0; d < dim_; ++d) values[d] += sign * directions_[static_cast<size_t>(i * dim_ + d)];
  }
  l2_normalize_rows({values, 1, dim_});
}

std::unique_ptr<Comparer> SignRows::comparer() const { return std::make_unique<SignComparer>(*this); }

KeySlack SignRows::slack(const Query&) const { return {}; }  // keys are the scores

void SignRows::save(SectionWriter& file) const {
  file.borrow<float>(SectionKind::Matrix, directions_);
  file.borrow(SectionKind::Bits, codes_.all());
}

void SignRows::load(const SectionReader& file, int64_t rows) {
  directions_ = file.read<float>(SectionKind::Matrix, bits_ * dim_);
  const auto sane = [](float value) { return std::abs(value) <= 1.001F; };  // also false for NaN
  require<FormatError>(std::all_of(directions_.begin(), directions_.end(), sane),
                       "index file: impossible numbers in the directions of LSH");
  file.read_rows(SectionKind::Bits, rows, codes_);
}

}  // namespace pictrieve
