#include "pictrieve/nn/ops.h"

namespace pictrieve {

Value Ops::conv2d(const Value& x, const Layer& layer, const ConvOptions& options) {
  return apply({.kind = OpKind::Conv2d, .conv = options}, {x}, {layer.weight, layer.bias});
}

Value Ops::batch_norm(const Value& x, const BatchNorm& layer) { return apply_batch_norm(x, layer); }

Value Ops::max_pool(const Value& x, const PoolOptions& options) {
  return apply({.kind = OpKind::MaxPool, .pool = options}, {x}, {});
}

Value Ops::avg_pool(const Value& x, const PoolOptions& options) {
  return apply({.kind = OpKind::AvgPool, .pool = options}, {x}, {});
}

Value Ops::adaptive_avg_pool(const Value& x, int rows, int columns) {
  return apply({.kind = OpKind::AdaptiveAvgPool, .rows = rows, .columns = columns}, {x}, {});
}

Value Ops::global_pool(const Value& x) { return apply({.kind = OpKind::GlobalPool}, {x}, {}); }

Value Ops::flatten(const Value& x) { return apply({.kind = OpKind::Flatten}, {x}, {}); }

Value Ops::concat(const Values& pictures) { return apply({.kind = OpKind::Concat}, pictures, {}); }

Value Ops::upsample_like(const Value& x, const Value& like) {
  return apply({.kind = OpKind::UpsampleLike}, {x, like}, {});
}

Value Ops::pad_to_multiple(const Value& x, int multiple) {
  return apply({.kind = OpKind::PadToMultiple, .count = multiple}, {x}, {});
}

Value Ops::crop_like(const Value& x, const Value& like) { return apply({.kind = OpKind::CropLike}, {x, like}, {}); }

Value Ops::roll(const Value& x, const AttentionOptions& options) {
  return apply({.kind = OpKind::Roll, .attention = options}, {x}, {});
}

Value Ops::roll_back(const Value& x, const AttentionOptions& options) {
  return apply({.kind = OpKind::Roll, .attention = options, .count = 1}, {x}, {});
}

Value Ops::space_to_depth(const Value& x) { return apply({.kind = OpKind::SpaceToDepth}, {x}, {}); }

Value Ops::add_grid(const Value& x, GridFunction grid) { return apply_grid(x, std::move(grid)); }

Value Ops::tokens(const Value& picture) { return apply({.kind = OpKind::Tokens}, {picture}, {}); }

Value Ops::picture(const Value& tokens, int first, const Value& like) {
  return apply({.kind = OpKind::Picture, .count = first}, {tokens, like}, {});
}

Value Ops::constant(const torch::Tensor& rows) { return apply({.kind = OpKind::Constant}, {}, {rows}); }

Value Ops::join(const Values& parts) { return apply({.kind = OpKind::Join}, parts, {}); }

Value Ops::token(const Value& x, int place) { return apply({.kind = OpKind::Token, .count = place}, {x}, {}); }

Value Ops::mean_tokens(const Value& x, int first) {
  return apply({.kind = OpKind::MeanTokens, .count = first}, {x}, {});
}

Value Ops::activate(const Value& x, Activation activation) {
  return apply({.kind = OpKind::Activate, .activation = activation}, {x}, {});
}

Value Ops::add(const Value& a, const Value& b) { return apply({.kind = OpKind::Add}, {a, b}, {}); }

Value Ops::multiply(const Value& a, const Value& b) { return apply({.kind = OpKind::Multiply}, {a, b}, {}); }

Value Ops::scale(const Value& x, const torch::Tensor& factors) {
  return apply({.kind = OpKind::Scale}, {x}, {factors.flatten()});
}

Value Ops::columns(const Value& x, int begin, int count) {
  return apply({.kind = OpKind::Columns, .count = count, .begin = begin}, {x}, {});
}

Value Ops::linear(const Value& x, const torch::Tensor& weight, const torch::Tensor& bias) {
  return apply({.kind = OpKind::Linear}, {x}, {weight.flatten(1), bias});
}

Value Ops::layer_norm(const Value& x, const Layer& layer, double epsilon) {
  return apply({.kind = OpKind::LayerNorm, .epsilon = epsilon}, {x}, {layer.weight, layer.bias});
}

Value Ops::embedding(const Value& ids, const Layer& table) {
  return apply({.kind = OpKind::Embedding}, {ids}, {table.weight});
}

Value Ops::rotary(const Value& x, const Value& positions, int heads, double base) {
  return apply({.kind = OpKind::Rotary, .attention = {.heads = heads}, .base = base}, {x, positions}, {});
}

Value Ops::attention(const Value& queries, const Value& keys, const Value& values, const AttentionOptions& options,
                     const torch::Tensor& bias) {
  return apply({.kind = OpKind::Attention, .attention = options}, {queries, keys, values}, {bias});
}

Value Ops::attention(const Value& merged, int dim, const AttentionOptions& options, const torch::Tensor& bias) {
  return attention(columns(merged, 0, dim), columns(merged, dim, dim), columns(merged, 2 * dim, dim), options, bias);
}

Value Ops::attention_pool(const Value& query, const Value& keys, const Value& values, int heads) {
  return apply({.kind = OpKind::AttentionPool, .attention = {.heads = heads}}, {query, keys, values}, {});
}

}  // namespace pictrieve
