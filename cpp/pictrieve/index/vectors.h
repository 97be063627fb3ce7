// Rows that a user brings: numbers or bits.
#pragma once

#include <cstdint>

#include "pictrieve/base/error.h"
#include "pictrieve/base/matrix.h"

namespace pictrieve {

/// Borrowed rows of float32, or of bits packed eight to a byte (the first bit of a row is the highest of its first
/// byte, as numpy.packbits has it).
class VectorsView {
 public:
  VectorsView(MatrixView<const float> rows) : floats_(rows) {}
  VectorsView(MatrixView<float> rows) : floats_(rows) {}
  VectorsView(const Matrix<float>& rows) : floats_(rows) {}
  VectorsView(MatrixView<const uint8_t> rows) : bits_(rows), is_bits_(true) {}

  bool is_bits() const { return is_bits_; }
  int64_t rows() const { return is_bits_ ? bits_.rows : floats_.rows; }
  int64_t dim() const { return is_bits_ ? bits_.cols * 8 : floats_.cols; }

  /// Throws unless these are rows of `dim` numbers (bits).
  MatrixView<const float> floats(const char* name, int64_t dim) const {
    require(!is_bits_, name,
            ": expected float32 rows, got uint8 bits; bits need metric hamming or jaccard and dtype bits");
    require(floats_.cols == dim, name, ": expected rows of ", dim, " numbers, got ", floats_.cols);
    return floats_;
  }
  MatrixView<const uint8_t> bits(const char* name, int64_t dim) const {
    require(is_bits_, name, ": expected packed bits (uint8, see numpy.packbits), got float32");
    require(bits_.cols * 8 == dim, name, ": expected rows of ", dim, " bits in ", dim / 8, " bytes, got ", bits_.cols,
            " bytes");
    return bits_;
  }

 private:
  MatrixView<const float> floats_;
  MatrixView<const uint8_t> bits_;
  bool is_bits_ = false;
};

}  // namespace pictrieve
