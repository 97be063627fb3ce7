// Every operation that pictures know, as a plan and by Torch, on random numbers.
#include <gtest/gtest.h>
#include <omp.h>
#include <torch/torch.h>

#include <functional>
#include <string>
#include <vector>

#include "pictrieve/nn/modules.h"
#include "pictrieve/nn/recorder.h"
#include "pictrieve/nn/torch_ops.h"
#include "pictrieve/runtime/fusion.h"
#include "pictrieve/runtime/image_plan.h"

namespace pictrieve {
namespace {

/// Layers of a case by the order in which it asks for them: first while Torch executes it, then while it is recorded.
class Parts : public Block {
 public:
  const Layer& conv(int64_t out, int64_t in, std::vector<int64_t> kernel, bool bias = true) {
    return next<Layer>([&] { return Block::conv(name(), out, in, kernel, bias); });
  }
  const Layer& linear(int64_t out, int64_t in, bool bias = true) {
    return next<Layer>([&] { return Block::linear(name(), out, in, bias); });
  }
  const Layer& layer_norm(int64_t dim, bool bias = true) {
    return next<Layer>([&] { return Block::layer_norm(name(), dim, bias); });
  }
  const Layer& table(int64_t rows, int64_t width) {
    return next<Layer>([&] { return Block::table(name(), rows, width); });
  }
  const BatchNorm& batch_norm(int64_t channels) {
    return next<BatchNorm>([&] {
      const auto made = Block::batch_norm(name(), channels, 1e-3);
      made->running_mean.normal_(0, 0.3);
      made->running_var.uniform_(0.5, 2);
      return made;
    });
  }
  void rewind() { place_ = 0; }

 private:
  std::string name() const { return "part" + std::to_string(made_.size()); }

  template <class Part, class Make>
  const Part& next(const Make& make) {
    if (place_ == made_.size()) {
      const std::shared_ptr<Part> part = make();
      for (torch::Tensor& parameter : part->parameters()) parameter.normal_(0, 0.3);
      made_.push_back(part);
    }
    return dynamic_cast<const Part&>(*made_[place_++]);
  }

  size_t place_ = 0;
  std::vector<std::shared_ptr<Block>> made_;
};

using Forward = std::function<Value(Ops&, const Value& pixels, Parts& parts)>;
struct Case {
  std::string name;
  Forward forward;
};

/// The result of a plan of `graph`, in the shape of `like`.
torch::Tensor planned(const Graph& graph, const torch::Tensor& pixels, const torch::Tensor& like) {
  PackedWeights weights;
  ImagePlan plan(graph, weights, static_cast<int>(pixels.size(2)), static_cast<int>(pixels.size(3)));
  const bool tokens = like.dim() == 3;
  torch::Tensor result = torch::full_like(tokens ? like.transpose(1, 2).contiguous() : like, NAN);
  EXPECT_EQ(plan.shape("out").count(), result.numel());
  for (int again = 0; again < 2; ++again)  // the second run finds what the first left in memory
    plan.run(pixels.const_data_ptr<float>(), {{"out", result.data_ptr<float>()}});
  return tokens ? result.transpose(1, 2) : result;
}

void compare(const Case& tested, int height, int width) {
  const torch::NoGradGuard no_grad;
  omp_set_num_threads(1);
  torch::manual_seed(7);
  const torch::Tensor pixels = torch::randn({1, 3, height, width});
  Parts parts;
  TorchOps ops;
  const torch::Tensor expected = tested.forward(ops, {pixels}, parts).tensor.contiguous();
  Recorder recorder;
  parts.rewind();
  recorder.output("out", tested.forward(recorder, recorder.input("pixels"), parts));
  const Graph fused = fuse_operations(recorder.take());
  const double largest = std::max(1.0, expected.abs().max().item<double>());
  EXPECT_GT(expected.std().item<double>(), 1e-3) << tested.name;
  for (const Graph& graph : {fused, merge_attention_inputs(fused)}) {
    const torch::Tensor found = planned(graph, pixels, expected);
    EXPECT_LT((found - expected).abs().max().item<double>() / largest, 2e-5)
        << tested.name << " on " << height << " x " << width;
  }
}

constexpr Activation kActivations[] = {
    Activation::Relu, Activation::Relu6,     Activation::Gelu,        Activation::GeluTanh, Activation::QuickGelu,
    Activation::Silu, Activation::HardSwish, Activation::HardSigmoid, Activation::Sigmoid,  Activation::Tanh};

/// A picture of 20 channels in the layout of a convolution.
Value convolved(Ops& ops, const Value& pixels, Parts& parts, int channels = 20) {
  return ops.conv2d(pixels, parts.conv(channels, 3, {3, 3}), {.padding = Padding::of(1)});
}

/// A picture of 20 channels as rows.
Value normalised(Ops& ops, const Value& pixels, Parts& parts) {
  return ops.layer_norm(convolved(ops, pixels, parts), parts.layer_norm(20), 1e-5);
}

std::vector<Case> convolutions() {
  std::vector<Case> cases;
  const auto add = [&](const std::string& name, int in, int out, std::vector<int64_t> kernel,
                       const ConvOptions& options) {
    cases.push_back({name, [=](Ops& ops, const Value& x, Parts& parts) {
                       const Value wide = convolved(ops, x, parts, in);
                       return ops.conv2d(wide, parts.conv(out, in / options.groups, kernel), options);
                     }});
  };
  add("plain", 20, 33, {3, 3}, {.stride = 2, .padding = Padding::of(1)});
  add("one by one", 16, 24, {1, 1}, {});
  add("one by seven", 16, 16, {1, 7}, {.padding = {0, 3}});
  add("three by one", 16, 16, {3, 1}, {.padding = {1, 0}});
  add("dilated", 16, 16, {3, 3}, {.dilation = 2, .padding = Padding::of(2)});
  add("grouped", 32, 64, {3, 3}, {.groups = 8, .padding = Padding::of(1)});
  add("narrow groups", 24, 24, {3, 3}, {.stride = 2, .groups = 6, .padding = Padding::of(1)});
  add("depthwise", 20, 20, {5, 5}, {.stride = 2, .groups = 20, .padding = Padding::like_tensorflow()});
  add("depthwise dilated", 16, 16, {3, 3}, {.groups = 16, .dilation = 2, .padding = Padding::of(2)});
  add("even kernel", 16, 8, {2, 2}, {.stride = 2});
  cases.push_back({"patches", [](Ops& ops, const Value& x, Parts& parts) {
                     return ops.tokens(ops.conv2d(x, parts.conv(24, 3, {4, 4}), {.stride = 4}));
                   }});
  cases.push_back({"depthwise of rows", [](Ops& ops, const Value& x, Parts& parts) {
                     const Value rows = normalised(ops, x, parts);
                     const ConvOptions each{.groups = 20, .padding = Padding::of(3)};
                     return ops.add(ops.conv2d(rows, parts.conv(20, 1, {7, 7}), each), rows);
                   }});
  return cases;
}

std::vector<Case> norms_and_sums() {
  std::vector<Case> cases{
      {"folded norm",
       [](Ops& ops, const Value& x, Parts& parts) {
         const Value norm = ops.batch_norm(convolved(ops, x, parts), parts.batch_norm(20));
         return ops.activate(norm, Activation::Relu);
       }},
      {"norm of a sum",
       [](Ops& ops, const Value& x, Parts& parts) {
         const Value sum = ops.add(convolved(ops, x, parts), convolved(ops, x, parts));
         return ops.add(ops.batch_norm(sum, parts.batch_norm(20)), sum);
       }},
      {"norm of a linear layer",
       [](Ops& ops, const Value& x, Parts& parts) {
         const Value rows = ops.linear(convolved(ops, x, parts), parts.linear(12, 20));
         return ops.batch_norm(rows, parts.batch_norm(12));
       }},
      {"layer scale",
       [](Ops& ops, const Value& x, Parts& parts) {
         const Value rows = normalised(ops, x, parts);
         const Value wide = ops.activate(ops.linear(rows, parts.linear(40, 20)), Activation::Gelu);
         const Value narrow = ops.linear(wide, parts.linear(20, 40));
         return ops.add(rows, ops.scale(narrow, parts.table(1, 20).weight));
       }},
      {"scale of a picture",
       [](Ops& ops, const Value& x, Parts& parts) {
         return ops.scale(ops.max_pool(convolved(ops, x, parts), {}), parts.table(1, 20).weight);
       }},
      {"squeeze and excite",
       [](Ops& ops, const Value& x, Parts& parts) {
         const Value wide = convolved(ops, x, parts);
         const Value narrow = ops.activate(ops.linear(ops.global_pool(wide), parts.linear(5, 20)), Activation::Silu);
         const Value gate = ops.activate(ops.linear(narrow, parts.linear(20, 5)), Activation::Sigmoid);
         return ops.conv2d(ops.multiply(wide, gate), parts.conv(16, 20, {1, 1}), {});
       }},
      {"gate of rows",
       [](Ops& ops, const Value& x, Parts& parts) {
         const Value rows = normalised(ops, x, parts);
         return ops.multiply(rows, ops.activate(ops.global_pool(rows), Activation::HardSigmoid));
       }},
      {"residual of another layout", [](Ops& ops, const Value& x, Parts& parts) {
         const Value rows = normalised(ops, x, parts);
         const Value sum = ops.add(rows, ops.conv2d(rows, parts.conv(20, 20, {3, 3}), {.padding = Padding::of(1)}));
         return ops.add(ops.add(rows, sum), sum);
       }}};
  for (const Activation activation : kActivations) {
    const std::string name = "activation " + std::to_string(static_cast<int>(activation));
    cases.push_back({name + " in a convolution", [=](Ops& ops, const Value& x, Parts& parts) {
                       return ops.activate(convolved(ops, x, parts), activation);
                     }});
    cases.push_back({name, [=](Ops& ops, const Value& x, Parts& parts) {
                       const Value wide = convolved(ops, x, parts);
                       return ops.add(ops.activate(wide, activation), wide);
                     }});
    cases.push_back({name + " of rows", [=](Ops& ops, const Value& x, Parts& parts) {
                       return ops.activate(normalised(ops, x, parts), activation);
                     }});
  }
  return cases;
}

std::vector<Case> pools() {
  std::vector<Case> cases;
  const auto add = [&](const std::string& name, const PoolOptions& options) {
    cases.push_back({"max, " + name, [=](Ops& ops, const Value& x, Parts& parts) {
                       return ops.max_pool(convolved(ops, x, parts), options);
                     }});
    cases.push_back({"mean, " + name, [=](Ops& ops, const Value& x, Parts& parts) {
                       return ops.avg_pool(convolved(ops, x, parts), options);
                     }});
  };
  for (const bool ceil : {false, true}) {
    for (const bool count : {false, true}) {
      const std::string name = std::string(ceil ? "ceil" : "floor") + (count ? ", zeros counted" : "");
      add("2, " + name, {.ceil = ceil, .count_padding = count});
      add("3, " + name, {.kernel = 3, .stride = 2, .padding = Padding::of(1), .ceil = ceil, .count_padding = count});
      add("dense, " + name,
          {.kernel = 3, .stride = 1, .padding = Padding::of(1), .ceil = ceil, .count_padding = count});
    }
  }
  const auto of_picture = [&](const std::string& name, const std::function<Value(Ops&, const Value&)>& pool) {
    cases.push_back(
        {name, [=](Ops& ops, const Value& x, Parts& parts) { return pool(ops, convolved(ops, x, parts)); }});
    cases.push_back({name + " of rows",
                     [=](Ops& ops, const Value& x, Parts& parts) { return pool(ops, normalised(ops, x, parts)); }});
  };
  of_picture("adaptive", [](Ops& ops, const Value& x) { return ops.adaptive_avg_pool(x, 7, 3); });
  of_picture("global", [](Ops& ops, const Value& x) { return ops.global_pool(x); });
  of_picture("flatten", [](Ops& ops, const Value& x) { return ops.flatten(ops.adaptive_avg_pool(x, 2, 3)); });
  of_picture("max of rows", [](Ops& ops, const Value& x) { return ops.max_pool(x, {.kernel = 3}); });
  return cases;
}

std::vector<Case> movements() {
  return {
      {"concat",
       [](Ops& ops, const Value& x, Parts& parts) {
         const Value a = convolved(ops, x, parts), b = convolved(ops, x, parts, 7), c = normalised(ops, x, parts);
         const Value all = ops.concat({ops.activate(a, Activation::Relu), b, c});
         return ops.conv2d(all, parts.conv(8, 47, {1, 1}), {});
       }},
      {"upsample",
       [](Ops& ops, const Value& x, Parts& parts) {
         const Value wide = convolved(ops, x, parts);
         return ops.add(ops.upsample_like(ops.max_pool(wide, {.kernel = 3, .stride = 3}), wide), wide);
       }},
      {"pad and crop",
       [](Ops& ops, const Value& x, Parts& parts) {
         const Value wide = convolved(ops, x, parts);
         const Value padded = ops.layer_norm(ops.pad_to_multiple(wide, 4), parts.layer_norm(20), 1e-5);
         return ops.add(ops.crop_like(padded, wide), wide);
       }},
      {"space to depth",
       [](Ops& ops, const Value& x, Parts& parts) {
         return ops.linear(ops.space_to_depth(ops.pad_to_multiple(normalised(ops, x, parts), 2)), parts.linear(9, 80));
       }},
      {"grid",
       [](Ops& ops, const Value& x, Parts& parts) {
         const auto grid = [](int64_t height, int64_t width) {
           return torch::arange(height * width * 20).view({height * width, 20}) * 1e-3F;
         };
         const Value wide = convolved(ops, x, parts);
         return ops.add(ops.add_grid(wide, grid), wide);
       }},
      {"tokens",
       [](Ops& ops, const Value& x, Parts& parts) {
         const Value picture = convolved(ops, x, parts), first = ops.constant(parts.table(2, 20).weight);
         const Value all = ops.join({first, ops.global_pool(picture), ops.tokens(picture)});
         const Value normal = ops.layer_norm(all, parts.layer_norm(20), 1e-6);
         const Value back = ops.add(ops.picture(ops.add(normal, all), 3, picture), picture);
         const Value vectors = ops.join({ops.token(normal, 0), ops.token(normal, -2), ops.mean_tokens(all, 1)});
         return ops.join({vectors, ops.tokens(back)});
       }},
      {"columns",
       [](Ops& ops, const Value& x, Parts& parts) {
         const Value picture = convolved(ops, x, parts), rows = normalised(ops, x, parts);
         const Value sum = ops.add(ops.columns(picture, 4, 8), ops.columns(rows, 11, 8));
         return ops.add(ops.activate(sum, Activation::Tanh), ops.linear(ops.columns(rows, 1, 6), parts.linear(8, 6)));
       }},
      {"rows that are still read",
       [](Ops& ops, const Value& x, Parts& parts) {
         const Value rows = normalised(ops, x, parts), tokens = ops.tokens(rows);
         const Value change = ops.layer_norm(rows, parts.layer_norm(20), 1e-5);
         const Value sum = ops.add(ops.linear(change, parts.linear(20, 20)), rows);
         return ops.join({ops.tokens(sum), tokens});
       }},
      {"rows times one of them",
       [](Ops& ops, const Value& x, Parts& parts) {
         const Value rows = normalised(ops, x, parts);
         return ops.multiply(rows, ops.token(ops.tokens(rows), 1));
       }},
      {"a picture that is still read", [](Ops& ops, const Value& x, Parts& parts) {
         const Value picture = convolved(ops, x, parts), tokens = ops.tokens(picture);
         const Value sum = ops.add(ops.conv2d(ops.max_pool(picture, {.kernel = 1, .stride = 1}),
                                              parts.conv(20, 20, {3, 3}), {.padding = Padding::of(1)}),
                                   picture);
         return ops.join({tokens, ops.tokens(sum), ops.tokens(ops.activate(picture, Activation::Relu)), tokens});
       }}};
}

std::vector<Case> attentions() {
  const auto by_products = [](Ops& ops, const Value& x, Parts& parts) {
    const Value tokens = ops.tokens(convolved(ops, x, parts));
    const Value q = ops.linear(tokens, parts.linear(20, 20)), k = ops.linear(tokens, parts.linear(20, 20, false)),
                v = ops.linear(tokens, parts.linear(20, 20));
    return ops.add(ops.linear(ops.attention(q, k, v, {.heads = 4}), parts.linear(20, 20)), tokens);
  };
  const auto in_windows = [](int shift, bool bias) {
    return [=](Ops& ops, const Value& x, Parts& parts) {
      const Value padded = ops.pad_to_multiple(normalised(ops, x, parts), 4);
      const Value all = ops.linear(padded, parts.linear(60, 20));
      const AttentionOptions options{
          .heads = 5, .bias = bias ? RelativeBias::Grid : RelativeBias::None, .window = 4, .shift = shift};
      return ops.attention(all, 20, options, bias ? parts.table(49, 5).weight : torch::Tensor());
    };
  };
  return {{"attention, three products", by_products},
          {"attention, one product",
           [](Ops& ops, const Value& x, Parts& parts) {
             const Value tokens = ops.tokens(normalised(ops, x, parts));
             return ops.attention(ops.linear(tokens, parts.linear(60, 20)), 20, {.heads = 2, .scale = 0.2});
           }},
          {"attention, causal",
           [](Ops& ops, const Value& x, Parts& parts) {
             const Value tokens = ops.tokens(normalised(ops, x, parts));
             return ops.attention(tokens, tokens, tokens, {.heads = 1, .causal = true, .reach = 5});
           }},
          {"windows", in_windows(0, false)},
          {"windows with a bias", in_windows(0, true)},
          {"shifted windows", in_windows(2, true)},
          {"windows of a rolled picture, which may be smaller than its shift",
           [](Ops& ops, const Value& x, Parts& parts) {
             const AttentionOptions options{
                 .heads = 2, .bias = RelativeBias::Grid, .window = 12, .shift = 6, .rolled = true};
             const Value picture = normalised(ops, x, parts);
             const Value padded = ops.pad_to_multiple(ops.roll(picture, options), 12);
             const Value mixed = ops.attention(padded, padded, padded, options, parts.table(529, 2).weight);
             return ops.add(ops.roll_back(ops.crop_like(mixed, picture), options), picture);
           }},
          {"attention pool", [](Ops& ops, const Value& x, Parts& parts) {
             const Value picture = convolved(ops, x, parts), tokens = ops.tokens(picture);
             const Value mean = ops.attention_pool(ops.global_pool(picture), tokens, tokens, 4);
             const Value probe = ops.linear(ops.constant(parts.table(1, 20).weight), parts.linear(20, 20));
             return ops.add(ops.attention_pool(probe, tokens, tokens, 2), mean);
           }}};
}

class ImageOperations : public testing::TestWithParam<std::pair<const char*, std::vector<Case> (*)()>> {};

TEST_P(ImageOperations, PlanEqualsTorch) {
  for (const Case& tested : GetParam().second())
    for (const auto& [height, width] : {std::pair{16, 16}, std::pair{23, 13}, std::pair{4, 9}})
      compare(tested, height, width);
}

INSTANTIATE_TEST_SUITE_P(All, ImageOperations,
                         testing::Values(std::pair{"convolutions", &convolutions}, std::pair{"sums", &norms_and_sums},
                                         std::pair{"pools", &pools}, std::pair{"movements", &movements},
                                         std::pair{"attentions", &attentions}),
                         [](const auto& tested) { return std::string(tested.param.first); });

}  // namespace
}  // namespace pictrieve
