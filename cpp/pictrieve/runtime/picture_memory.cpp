#include "pictrieve/runtime/picture_memory.h"

namespace pictrieve {
namespace {

using dnnl::memory;
constexpr auto kFloat = memory::data_type::f32;

memory::dims dims_of(const Shape& shape) { return {1, shape.channels, shape.height, shape.width}; }

}  // namespace

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory::desc plain_layout(const Shape& shape) { return {dims_of(shape), kFloat, memory::format_tag::nchw}; }

memory::desc row_layout(const Shape& shape) { return row_layout(shape, shape.channels, 0); }

memory::desc row_layout(const Shape& shape, int64_t stride, int64_t offset) {
  memory::desc desc(dims_of(shape), kFloat, {shape.rows() * stride, 1, shape.width * stride, stride});
  desc.data.offset0 = offset;
  return desc;
}

memory::desc pixel_layout(const memory::desc& picture) {
  memory::desc pixel = picture;
  auto& layout = pixel.data.format_desc.blocking;
  if (layout.inner_nblks != 1 || layout.inner_idxs[0] != 1) return row_layout({picture.dims()[1]});
  for (const int axis : {2, 3}) pixel.data.dims[axis] = pixel.data.padded_dims[axis] = 1;
  layout.strides[0] = pixel.data.padded_dims[1];
  for (const int axis : {1, 2, 3}) layout.strides[axis] = layout.inner_blks[0];
  return pixel;
}

int64_t row_stride(const memory::desc& desc) {
  const auto& layout = desc.data.format_desc.blocking;
  const int64_t channels = desc.data.dims[1], height = desc.data.dims[2], width = desc.data.dims[3];
  if (layout.inner_nblks > 0) {
    // One pixel in whole blocks of channels.
    const bool whole = layout.inner_nblks == 1 && layout.inner_idxs[0] == 1 && desc.data.padded_dims[1] == channels;
    return whole && height * width == 1 && layout.strides[1] == layout.inner_blks[0] ? channels : 0;
  }
  if (channels > 1 && layout.strides[1] != 1) return 0;
  if (height * width == 1) return channels;
  const int64_t stride = width > 1 ? layout.strides[3] : layout.strides[2];
  return height == 1 || layout.strides[2] == width * stride ? stride : 0;
}

int64_t row_offset(const memory::desc& desc) { return desc.data.offset0; }

RowMemory::RowMemory(const memory& rows)
    : memory_(rows), stride_(row_stride(rows.get_desc())), offset_(row_offset(rows.get_desc())) {}

}  // namespace pictrieve
