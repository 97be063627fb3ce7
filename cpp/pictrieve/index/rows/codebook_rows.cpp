#include "pictrieve/index/rows/codebook_rows.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/index/file/sections.h"
#include "pictrieve/index/lists/clustering.h"
#include "pictrieve/index/rows/float_rows.h"

namespace pictrieve {
namespace {

using By = NearestPoints::By;

void subtract(const float* centre, int64_t dim, float* row) {
  for (int64_t i = 0; i < dim; ++i) row[i] -= centre[i];
}

template <typename T>
void append_to(std::vector<T>& to, const std::vector<T>& values) {
  to.insert(to.end(), values.begin(), values.end());
}

template <typename T>
void keep_in(std::vector<T>& values, std::span<const int32_t> order) {
  if (values.empty()) return;
  std::vector<T> kept;
  kept.reserve(order.size());
  for (const int32_t row : order) kept.push_back(values[static_cast<size_t>(row)]);
  values = std::move(kept);
}

template <typename T>
void truncate_to(std::vector<T>& values, int64_t rows) {
  values.resize(std::min(values.size(), static_cast<size_t>(rows)));
}

std::vector<float> read_lengths(const SectionReader& file, SectionKind kind, int64_t rows) {
  auto values = file.read<float>(kind, rows);
  for (const float value : values)
    require<FormatError>(value >= 0 && value <= kMaxSquaredLength, "index file: impossible length of a vector");
  return values;
}

}  // namespace

CodebookRows::CodebookRows(int64_t dim, int64_t m, int64_t points, Metric metric)
    : metric_(metric), codebook_(dim, m, points) {}

int64_t CodebookRows::bytes() const {
  const auto words = static_cast<int64_t>(centre_of_.size() + terms_.size() + lengths_.size());
  return code_bytes() + 4 * words + codebook_.bytes();
}

void CodebookRows::set_centres(std::shared_ptr<const Matrix<float>> centres) {
  centres_ = std::move(centres);
  longest_centre_ = 0;
  for (int64_t i = 0; centres_ && i < centres_->rows(); ++i)
    longest_centre_ = std::max(longest_centre_, std::sqrt(dot(centres_->row(i), centres_->row(i), centres_->cols())));
}

void CodebookRows::train(MatrixView<const float> rows, uint64_t seed, const Monitor& monitor) {
  constexpr int64_t kRowsPerPoint = 256;
  Matrix<float> sample = sample_rows(rows, kRowsPerPoint * codebook_.points(), seed, metric_ == Metric::Cosine);
  if (centres_) {
    const auto nearest =
        NearestPoints(*centres_, metric_ == Metric::Cosine ? By::Product : By::Distance).of(sample, monitor);
    for (int64_t i = 0; i < sample.rows(); ++i)
      subtract(centres_->row(nearest[static_cast<size_t>(i)]), sample.cols(), sample.row(i));
  }
  codebook_.train(sample, seed, monitor);
}

float CodebookRows::term(float squared) const { return metric_ == Metric::L2 ? squared : inverse_length(squared); }

void CodebookRows::prepare(VectorsView view, std::span<const int32_t> nearest, const Monitor& monitor) {
  const MatrixView<const float> rows = view.floats("add", codebook_.dim());
  const auto count = static_cast<size_t>(rows.rows);
  Encoded encoded{std::vector<uint8_t>(count * static_cast<size_t>(codebook_.m())),
                  {nearest.begin(), nearest.end()},
                  std::vector<float>(metric_ == Metric::InnerProduct ? 0 : count),
                  std::vector<float>(metric_ == Metric::Cosine ? count : 0)};
  parallel_for(
      rows.rows, 256,
      [&](int64_t begin, int64_t end, const Worker&) { encode_block(rows.slice(begin, end), begin, encoded); },
      monitor);
  prepared_ = std::move(encoded);
}

void CodebookRows::encode_block(MatrixView<const float> rows, int64_t first, Encoded& to) const {
  const int64_t dim = codebook_.dim();
  Matrix<float> rest(rows.rows, dim);
  std::copy_n(rows.data, rows.size(), rest.data());
  if (metric_ == Metric::Cosine) l2_normalize_rows(rest);
  const auto centre = [&](int64_t i) { return centres_->row(to.nearest[static_cast<size_t>(first + i)]); };
  if (centres_)
    for (int64_t i = 0; i < rows.rows; ++i) subtract(centre(i), dim, rest.row(i));
  uint8_t* codes = to.codes.data() + first * codebook_.m();
  codebook_.encode(rest, codes);
  for (int64_t i = 0; i < rows.rows && !to.terms.empty(); ++i) {
    float* back = rest.row(i);
    codebook_.decode(codes + i * codebook_.m(), back);
    for (int64_t d = 0; d < dim && centres_; ++d) back[d] += centre(i)[d];
    to.terms[static_cast<size_t>(first + i)] = term(dot(back, back, dim));
    if (to.lengths.empty()) continue;
    const float length = std::sqrt(dot(rows.row(i), rows.row(i), dim));
    to.lengths[static_cast<size_t>(first + i)] = length;
    if (inverse_length(length * length) == 0) to.terms[static_cast<size_t>(first + i)] = 0;  // its cosine is 0
  }
}

void CodebookRows::append(VectorsView rows) {
  const Encoded encoded = std::exchange(prepared_, {});
  append_codes(encoded.codes.data(), rows.rows());
  append_to(centre_of_, encoded.nearest);
  append_to(terms_, encoded.terms);
  append_to(lengths_, encoded.lengths);
  rows_ += rows.rows();
}

void CodebookRows::truncate(int64_t rows) {
  truncate_codes(rows);
  truncate_to(centre_of_, rows);
  truncate_to(terms_, rows);
  truncate_to(lengths_, rows);
  rows_ = std::min(rows_, rows);
}

void CodebookRows::keep(std::span<const int32_t> order) {
  keep_codes(order);
  keep_in(centre_of_, order);
  keep_in(terms_, order);
  keep_in(lengths_, order);
  rows_ = static_cast<int64_t>(order.size());
}

void CodebookRows::approximate(int64_t row, float* out) const {
  std::vector<uint8_t> codes(static_cast<size_t>(codebook_.m()));
  codes_of(row, codes.data());
  codebook_.decode(codes.data(), out);
  if (!centres_) return;
  const float* centre = centres_->row(centre_of(row));
  for (int64_t d = 0; d < codebook_.dim(); ++d) out[d] += centre[d];
}

void CodebookRows::decode(int64_t row, void* out) const {
  auto* values = static_cast<float*>(out);
  approximate(row, values);
  if (metric_ != Metric::Cosine) return;
  const float scale = lengths_[static_cast<size_t>(row)] * *terms(row);
  for (int64_t d = 0; d < codebook_.dim(); ++d) values[d] *= scale;
}

KeySlack CodebookRows::slack(const Query& query) const {
  return rounding_slack(metric_, codebook_.dim(), query, codebook_.longest() + longest_centre_);
}

void CodebookRows::save(SectionWriter& file) const {
  codebook_.save(file);
  save_codes(file);
  if (centres_) file.borrow<int32_t>(SectionKind::ListOffsets, centre_of_);
  if (metric_ != Metric::InnerProduct) file.borrow<float>(SectionKind::SquaredLengths, terms_);
  if (metric_ == Metric::Cosine) file.borrow<float>(SectionKind::Scales, lengths_);
}

void CodebookRows::load(const SectionReader& file, int64_t rows) {
  codebook_.load(file);
  load_codes(file, rows);
  if (metric_ != Metric::InnerProduct) terms_ = read_lengths(file, SectionKind::SquaredLengths, rows);
  if (metric_ == Metric::Cosine) lengths_ = read_lengths(file, SectionKind::Scales, rows);
  if (centres_) {
    centre_of_ = file.read<int32_t>(SectionKind::ListOffsets, rows);
    for (const int32_t centre : centre_of_)
      require<FormatError>(centre >= 0 && centre < centres_->rows(), "index file: a row's list does not exist");
  }
  rows_ = rows;
}

}  // namespace pictrieve
