// Private: rows as codes of a product quantiser; how the codes lie in memory is left to pq_rows.h and pq_fast_rows.h.
#pragma once

#include <vector>

#include "pictrieve/index/rows/codebook.h"
#include "pictrieve/index/rows/rows.h"

namespace pictrieve {

/// Under lists, a code stands for what is left of a row after the nearest centroid is taken away. Under cosine, rows
/// have length 1 before that, and products are divided by the length of what the codes give back: ranking by the true
/// cosine of what is stored finds more than ranking by products or distances.
class CodebookRows : public Rows {
 public:
  CodebookRows(int64_t dim, int64_t m, int64_t points, Metric metric);

  int64_t size() const override { return rows_; }
  int64_t bytes() const override;
  Metric metric() const override { return metric_; }
  int64_t least_for_training() const override { return codebook_.points(); }
  void train(MatrixView<const float> sample, uint64_t seed, const Monitor& monitor) override;
  void set_centres(std::shared_ptr<const Matrix<float>> centres) override;
  void prepare(VectorsView rows, std::span<const int32_t> nearest, const Monitor& monitor) override;
  void append(VectorsView rows) override;
  void truncate(int64_t rows) override;
  void keep(std::span<const int32_t> order) override;
  void decode(int64_t row, void* out) const override;
  KeySlack slack(const Query& query) const override;
  void save(SectionWriter& file) const override;
  void load(const SectionReader& file, int64_t rows) override;

  const Codebook& codebook() const { return codebook_; }
  const Matrix<float>* centres() const { return centres_.get(); }
  int32_t centre_of(int64_t row) const { return centre_of_[static_cast<size_t>(row)]; }
  /// Of row's reconstruction: the squared length under L2, 1 / length under cosine.
  const float* terms(int64_t row) const { return terms_.data() + row; }
  virtual void codes_of(int64_t row, uint8_t* codes) const = 0;
  /// The reconstruction that keys come from.
  void approximate(int64_t row, float* out) const;

 protected:
  virtual int64_t code_bytes() const = 0;
  virtual void append_codes(const uint8_t* codes, int64_t count) = 0;
  virtual void truncate_codes(int64_t rows) = 0;
  virtual void keep_codes(std::span<const int32_t> order) = 0;
  virtual void save_codes(SectionWriter& file) const = 0;
  virtual void load_codes(const SectionReader& file, int64_t rows) = 0;

 private:
  struct Encoded {
    std::vector<uint8_t> codes;
    std::vector<int32_t> nearest;
    std::vector<float> terms, lengths;
  };

  void encode_block(MatrixView<const float> rows, int64_t first, Encoded& to) const;
  float term(float squared) const;

  Metric metric_;
  Codebook codebook_;
  std::shared_ptr<const Matrix<float>> centres_;  ///< null where codes are of the rows themselves
  float longest_centre_ = 0;
  int64_t rows_ = 0;
  std::vector<int32_t> centre_of_;
  std::vector<float> terms_;    ///< see terms(); empty under inner product
  std::vector<float> lengths_;  ///< under cosine: of the rows as they came, for decode()
  Encoded prepared_;            ///< what append() takes over
};

}  // namespace pictrieve
