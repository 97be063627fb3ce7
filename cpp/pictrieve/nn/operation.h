// The operations that networks are written in, as plain data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pictrieve {

/// Non-linearity. Gelu is the exact one, x * (1 + erf(x / sqrt(2))) / 2; GeluTanh its approximation by tanh; QuickGelu
/// x * sigmoid(1.702 x); Silu x * sigmoid(x); HardSigmoid clip(x / 6 + 1 / 2, 0, 1); HardSwish x * HardSigmoid(x).
enum class Activation { None, Relu, Relu6, Gelu, GeluTanh, QuickGelu, Silu, HardSwish, HardSigmoid, Sigmoid, Tanh };

/// "gelu", "relu6", ... as config.json files spell them. std::invalid_argument lists the names.
Activation activation_named(const std::string& name);

/// Zeros around a picture: y above and below, x left and right. `same` is TensorFlow's: per axis
/// total = max((ceil(n / stride) - 1) * stride + kernel - n, 0), of which total / 2 (rounded down) come before.
struct Padding {
  int y = 0;
  int x = 0;
  bool same = false;

  static Padding of(int both) { return {both, both, false}; }
  static Padding like_tensorflow() { return {0, 0, true}; }
};

struct ConvOptions {
  int stride = 1;
  int groups = 1;
  int dilation = 1;
  Padding padding{};
};

/// A window that slides over each channel. `ceil` lets the last window hang over the edge, `count_padding` counts the
/// zeros around the picture in a mean.
struct PoolOptions {
  int kernel = 2;
  int stride = 2;
  Padding padding{};
  bool ceil = false;
  bool count_padding = true;
};

/// Zeros before and after one axis of `size` pixels, and the pixels that come out.
struct PaddedAxis {
  int64_t before = 0;
  int64_t after = 0;
  int64_t out = 0;
};
PaddedAxis padded_axis(int64_t size, int64_t kernel, const ConvOptions& options, int padding);
/// As above; `after` reaches as far as the last window.
PaddedAxis pooled_axis(int64_t size, const PoolOptions& options, int padding);

/// What is added to the score of query i and key j, from a table (entries, heads).
/// Buckets: T5's and MPNet's logarithmic buckets of j - i; Grid: one entry per offset in a square window (Swin).
enum class RelativeBias { None, Buckets, Grid };

/// Softmax attention within each text or picture, scaled by 1 / sqrt(head size) unless `scale` is given.
struct AttentionOptions {
  int heads = 1;
  double scale = 0;
  bool causal = false;  ///< tokens see only those before them and themselves
  int reach = 0;        ///< where positive, tokens see those at most this far away (ModernBERT's local layers)
  double dropout = 0;   ///< share of the softmax's weights that are zeroed while training
  RelativeBias bias = RelativeBias::None;
  /// Pictures: attention within squares of `window` pixels, after rolling the picture by `shift` up and left; pixels
  /// that only the roll made neighbours do not see each other (Swin).
  /// An axis of one window or less is not rolled, unless `rolled` says that all have been already and are left so.
  int window = 0;
  int shift = 0;
  bool rolled = false;
};

/// Three kinds of value flow between operations. A picture (n, c, h, w) has a vector of c numbers at each pixel; tokens
/// (n, length, c) are such vectors in a row; a vector (n, c) is one for each picture or text.
/// "each vector" below: at every pixel of a picture, every token, or the vector itself.
enum class OpKind {
  Input,
  Constant,         ///< tokens (count, c) that are the same for all
  Conv2d,           ///< kernel (out, in / groups, kh, kw), bias or none
  BatchNorm,        ///< scale, shift, mean, variance
  MaxPool,          ///< PoolOptions
  AvgPool,          ///< PoolOptions
  AdaptiveAvgPool,  ///< mean over the cells of a grid of `rows` x `columns` that covers the picture
  GlobalPool,       ///< picture to vector: the mean
  Flatten,          ///< picture to vector c * h * w, channel by channel
  Concat,           ///< pictures of one size: their channels one after the other
  UpsampleLike,     ///< nearest pixels, to the size of the second picture
  PadToMultiple,    ///< zeros below and right until both sides are multiples of `count`
  CropLike,         ///< the upper left part of the second picture's size
  Roll,             ///< moves a picture as `attention` says, around its edges; back where `count` is 1
  SpaceToDepth,     ///< 2 x 2 pixels become one of 4 c channels: upper left, lower left, upper right, lower right
  AddGrid,          ///< adds a vector to each pixel; Node::grid gives (h * w, c) for a picture's size
  Tokens,           ///< picture to tokens, row by row
  Picture,          ///< tokens from the `count`-th on as a picture of the second input's height and width
  Join,             ///< tokens after tokens; a vector counts as one token, constants repeat for each text
  Token,            ///< the `count`-th token as a vector; from the end where negative
  MeanTokens,       ///< mean of the tokens from the `count`-th on, as a vector
  Activate,         ///< Node::activation
  Add,              ///< two values of one shape
  Multiply,         ///< two values of one shape; or a picture by a vector, channel by channel
  Scale,            ///< each vector times a vector of weights
  Columns,          ///< part of each vector: `count` numbers from `begin`
  Linear,           ///< (out, in), bias or none, applied to each vector
  LayerNorm,        ///< scale, shift or none; over each vector
  Embedding,        ///< table (entries, dim)
  Rotary,        ///< rotates the halves of each head by position * base^(-2 i / head size); inputs: values, positions
  Attention,     ///< queries, keys, values of one shape (tokens or pictures); weight: bias table or none
  AttentionPool  ///< one query (a vector) over the tokens of its text: a vector
};

/// One operation with its options; which ones it reads follows from its kind.
struct Operation {
  OpKind kind = OpKind::Input;
  std::string name{};  ///< of an Input
  ConvOptions conv{};
  PoolOptions pool{};
  Activation activation = Activation::None;
  AttentionOptions attention{};
  double epsilon = 0;  ///< of a norm
  double base = 0;     ///< of a Rotary
  int count = 0;
  int begin = 0;
  int rows = 0;
  int columns = 0;
};

}  // namespace pictrieve
