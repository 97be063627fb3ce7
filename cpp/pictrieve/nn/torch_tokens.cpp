// The operations of tokens (n, length, dim), by Torch.
#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/relative_bias.h"
#include "pictrieve/nn/torch_ops.h"

namespace pictrieve {
namespace {

using torch::Tensor;

/// Tokens after tokens; constants come as one text and repeat for each, vectors count as one token.
Tensor joined(const std::vector<Tensor>& parts) {
  int64_t count = 1;
  for (const Tensor& part : parts) count = std::max(count, part.size(0));
  std::vector<Tensor> tokens;
  for (const Tensor& part : parts) {
    const Tensor one = part.dim() == 2 ? part.unsqueeze(1) : part;
    tokens.push_back(one.expand({count, -1, -1}));
  }
  return torch::cat(tokens, 1);
}

Tensor rotated(const Tensor& x, const Tensor& positions, const Operation& operation) {
  const int64_t n = x.size(0), length = x.size(1), dim = x.size(2) / operation.attention.heads;
  // In float32, as the networks that were trained with these angles had them.
  const Tensor steps = torch::arange(0, dim, 2, x.options().dtype(torch::kFloat32)) / static_cast<double>(dim);
  const Tensor angles = positions.unsqueeze(-1).to(torch::kFloat32) * torch::pow(operation.base, steps).reciprocal();
  const Tensor both = torch::cat({angles, angles}, -1).unsqueeze(2);  // (n, length, 1, dim)
  const Tensor heads = x.reshape({n, length, operation.attention.heads, dim});
  const Tensor turned = torch::cat({-heads.narrow(-1, dim / 2, dim / 2), heads.narrow(-1, 0, dim / 2)}, -1);
  return (heads * both.cos() + turned * both.sin()).to(x.scalar_type()).view({n, length, x.size(2)});
}

/// (n, length, heads * d) as (n, heads, length, d).
Tensor split_heads(const Tensor& x, int64_t heads) {
  return x.reshape({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

/// True where query i sees key j, from the options alone; undefined where all see all.
Tensor visible(int64_t length, const AttentionOptions& options, torch::Device device) {
  if (!options.causal && options.reach == 0) return {};
  const Tensor places = torch::arange(length, device);
  const Tensor apart = places.unsqueeze(0) - places.unsqueeze(1);  // key minus query
  Tensor seen = torch::ones_like(apart, torch::kBool);
  if (options.causal) seen = seen.logical_and(apart <= 0);
  if (options.reach > 0) seen = seen.logical_and(apart.abs() <= options.reach);
  return seen;
}

/// The table's entries for every pair, (heads, length, length).
Tensor bias_of_pairs(const AttentionOptions& options, const Tensor& table, int64_t length) {
  const std::vector<int64_t> entries = relative_bias_entries(options, table.size(0), length);
  return table.index_select(0, torch::tensor(entries).to(table.device())).t().view({-1, length, length});
}

/// `hidden` is true where a score does not count, broadcast over (n, heads, length, length).
Tensor attend(const std::vector<Tensor>& inputs, const AttentionOptions& options, const Tensor& bias,
              const std::vector<Tensor>& hidden) {
  const Tensor queries = split_heads(inputs[0], options.heads), keys = split_heads(inputs[1], options.heads);
  const double size = static_cast<double>(queries.size(3));
  Tensor scores =
      torch::matmul(queries, keys.transpose(2, 3)) * (options.scale > 0 ? options.scale : 1 / std::sqrt(size));
  if (bias.defined()) scores = scores + bias_of_pairs(options, bias, queries.size(2));
  scores = scores.to(torch::kFloat32);                         // also where autocast multiplied in 16 bits
  const double lowest = std::numeric_limits<float>::lowest();  // not -inf: a text of no tokens must not give NaN
  for (const Tensor& part : hidden)
    if (part.defined()) scores = scores.masked_fill(part, lowest);
  const Tensor shares = torch::dropout(torch::softmax(scores, -1), options.dropout, options.dropout > 0);
  const Tensor values = split_heads(inputs[2], options.heads);
  return torch::matmul(shares.to(values.scalar_type()), values).transpose(1, 2).flatten(2);
}

/// (n, c, height, width) as (n * windows, window^2, c).
Tensor windows_of(const Tensor& x, int64_t window) {
  const int64_t n = x.size(0), c = x.size(1), rows = x.size(2) / window, columns = x.size(3) / window;
  return x.reshape({n, c, rows, window, columns, window}).permute({0, 2, 4, 3, 5, 1}).reshape({-1, window * window, c});
}

Tensor picture_of(const Tensor& windows, const Tensor& like, int64_t window) {
  const int64_t n = like.size(0), c = like.size(1), rows = like.size(2) / window, columns = like.size(3) / window;
  return windows.view({n, rows, columns, window, window, c}).permute({0, 5, 1, 3, 2, 4}).reshape(like.sizes());
}

Tensor attention_in_windows(std::vector<Tensor> inputs, const AttentionOptions& options, const Tensor& bias) {
  const int64_t window = options.window, n = inputs[0].size(0), height = inputs[0].size(2), width = inputs[0].size(3);
  require(height % window == 0 && width % window == 0, "attention in windows: expected sides that are multiples of ",
          window, ", got ", height, " x ", width);
  const Tensor like = inputs[0];
  const int64_t down = options.rolled ? 0 : shift_along(options, height);
  const int64_t right = options.rolled ? 0 : shift_along(options, width);
  for (Tensor& input : inputs) input = windows_of(input.roll({-down, -right}, {2, 3}), window);
  Tensor strangers;
  if (options.shift > 0) {
    const auto regions =
        torch::tensor(shift_regions(options, height, width), like.device()).view({1, 1, height, width});
    const Tensor region = windows_of(regions, window).squeeze(-1);  // (windows, window^2)
    strangers = (region.unsqueeze(1) != region.unsqueeze(2)).repeat({n, 1, 1}).unsqueeze(1);
  }
  const Tensor mixed = picture_of(attend(inputs, options, bias, {strangers}), like, window);
  return mixed.roll({down, right}, {2, 3});
}

Tensor pooled_by_attention(const std::vector<Tensor>& inputs, int64_t heads) {
  const Tensor query = inputs[0].dim() == 3 ? inputs[0] : inputs[0].unsqueeze(1);  // a constant, or one vector each
  const Tensor queries = query.expand({inputs[1].size(0), 1, -1});
  return attend({queries, inputs[1], inputs[2]}, {.heads = static_cast<int>(heads)}, {}, {}).squeeze(1);
}

}  // namespace

Tensor attended(const std::vector<Tensor>& inputs, const AttentionOptions& options, const Tensor& bias,
                const Tensor& mask) {
  if (options.window > 0) return attention_in_windows(inputs, options, bias);
  const int64_t length = inputs[0].size(1);
  const Tensor seen = visible(length, options, inputs[0].device());
  const Tensor unseen = seen.defined() ? seen.logical_not() : Tensor();
  const Tensor padding = mask.defined() ? mask.logical_not().view({-1, 1, 1, length}) : Tensor();
  return attend(inputs, options, bias, {unseen, padding});
}

Tensor apply_to_tokens(const Operation& operation, const std::vector<Tensor>& inputs,
                       const std::vector<Tensor>& weights) {
  const Tensor& x = inputs.front();
  switch (operation.kind) {
    case OpKind::Picture:
      return x.narrow(1, operation.count, x.size(1) - operation.count)
          .transpose(1, 2)
          .unflatten(2, {inputs[1].size(2), inputs[1].size(3)});
    case OpKind::Join:
      return joined(inputs);
    case OpKind::Token:
      return x.select(1, operation.count);
    case OpKind::MeanTokens:
      return x.narrow(1, operation.count, x.size(1) - operation.count).mean(1);
    case OpKind::Embedding:
      return torch::embedding(weights[0], x);
    case OpKind::Rotary:
      return rotated(x, inputs[1], operation);
    case OpKind::AttentionPool:
      return pooled_by_attention(inputs, operation.attention.heads);
    default:
      return {};
  }
}

}  // namespace pictrieve
