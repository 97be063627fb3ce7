// Pictures, tokens and vectors as oneDNN memory: in a layout that a convolution likes, or as rows, channels last.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include "pictrieve/runtime/row_view.h"
#include "pictrieve/runtime/value_shapes.h"

namespace pictrieve {

const dnnl::engine& cpu_engine();

/// Channel after channel, as pictures come and outputs go.
dnnl::memory::desc plain_layout(const Shape& shape);
/// Row after row without gaps.
dnnl::memory::desc row_layout(const Shape& shape);
/// Rows `stride` numbers apart that begin `offset` numbers into their memory: part of another value.
dnnl::memory::desc row_layout(const Shape& shape, int64_t stride, int64_t offset);

/// One pixel in the layout of a picture, for a vector that is repeated at each of its pixels.
dnnl::memory::desc pixel_layout(const dnnl::memory::desc& picture);

/// Where memory is rows, how far apart they lie; 0 for any other layout.
int64_t row_stride(const dnnl::memory::desc& desc);
int64_t row_offset(const dnnl::memory::desc& desc);

/// Rows in memory that is placed later.
class RowMemory {
 public:
  RowMemory() = default;
  explicit RowMemory(const dnnl::memory& memory);

  RowView view() const { return {data(), stride_}; }
  float* data() const { return static_cast<float*>(memory_.get_data_handle()) + offset_; }

 private:
  dnnl::memory memory_;
  int64_t stride_ = 0;
  int64_t offset_ = 0;
};

}  // namespace pictrieve
