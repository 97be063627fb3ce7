#include "pictrieve/nn/bert.h"

#include <string>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/recorder.h"

namespace pictrieve {
namespace {

using torch::nn::Module;

std::shared_ptr<Layer> linear(Module& parent, const char* name, int64_t out, int64_t in) {
  return parent.register_module(name, std::make_shared<Layer>(torch::IntArrayRef{out, in}, true));
}

std::shared_ptr<Layer> layer_norm(Module& parent, int64_t dim) {
  return parent.register_module("LayerNorm", std::make_shared<Layer>(torch::IntArrayRef{dim}, true));
}

std::shared_ptr<Layer> table(Module& parent, const char* name, int64_t entries, int64_t dim) {
  return parent.register_module(name, std::make_shared<Layer>(torch::IntArrayRef{entries, dim}, false));
}

std::shared_ptr<Module> group(Module& parent, const char* name) {
  return parent.register_module(name, std::make_shared<Module>());
}

/// Sizes come from a file: products of two bounded ones fit in 64 bits, and no network has as many layers.
void check_sizes(const BertConfig& config) {
  const auto check = [](const char* name, int size, int most) {
    require(size >= 1 && size <= most, "BERT configuration: ", name, ": expected 1 to ", most, ", got ", size);
  };
  constexpr int kMost = 1 << 24, kMostLayers = 1 << 12;
  check("vocab_size", config.vocab_size, kMost);
  check("hidden_size", config.hidden_size, kMost);
  check("num_hidden_layers", config.num_hidden_layers, kMostLayers);
  check("num_attention_heads", config.num_attention_heads, kMost);
  check("intermediate_size", config.intermediate_size, kMost);
  check("max_position_embeddings", config.max_position_embeddings, kMost);
  check("type_vocab_size", config.type_vocab_size, kMost);
}

const BertConfig& checked(const BertConfig& config) {
  check_sizes(config);
  require(config.layer_norm_eps > 0, "BERT configuration: expected a positive layer_norm_eps, got ",
          config.layer_norm_eps);
  require(config.hidden_size % config.num_attention_heads == 0,
          "BERT configuration: expected hidden_size to be a multiple of num_attention_heads, got ", config.hidden_size,
          " and ", config.num_attention_heads);
  return config;
}

}  // namespace

class BertLayer : public Module {
 public:
  explicit BertLayer(const BertConfig& config) : heads_(config.num_attention_heads), epsilon_(config.layer_norm_eps) {
    const int dim = config.hidden_size;
    const auto attention = group(*this, "attention");
    const auto self = group(*attention, "self");
    query_ = linear(*self, "query", dim, dim);
    key_ = linear(*self, "key", dim, dim);
    value_ = linear(*self, "value", dim, dim);
    const auto attended = group(*attention, "output");
    mix_ = linear(*attended, "dense", dim, dim);
    mix_norm_ = layer_norm(*attended, dim);
    widen_ = linear(*group(*this, "intermediate"), "dense", config.intermediate_size, dim);
    const auto output = group(*this, "output");
    narrow_ = linear(*output, "dense", dim, config.intermediate_size);
    narrow_norm_ = layer_norm(*output, dim);
  }

  Value forward(Ops& ops, const Value& x) const {
    const Value attended = ops.attention(ops.linear(x, *query_), ops.linear(x, *key_), ops.linear(x, *value_), heads_);
    const Value mixed = ops.layer_norm(ops.add(ops.linear(attended, *mix_), x), *mix_norm_, epsilon_);
    const Value wide = ops.activate(ops.linear(mixed, *widen_), Activation::Gelu);
    return ops.layer_norm(ops.add(ops.linear(wide, *narrow_), mixed), *narrow_norm_, epsilon_);
  }

 private:
  int heads_;
  double epsilon_;
  std::shared_ptr<Layer> query_, key_, value_, mix_, mix_norm_, widen_, narrow_, narrow_norm_;
};

BertModule::BertModule(const BertConfig& bert_config) : config(checked(bert_config)) {
  const auto embeddings = group(*this, "embeddings");
  words_ = table(*embeddings, "word_embeddings", config.vocab_size, config.hidden_size);
  positions_ = table(*embeddings, "position_embeddings", config.max_position_embeddings, config.hidden_size);
  segments_ = table(*embeddings, "token_type_embeddings", config.type_vocab_size, config.hidden_size);
  norm_ = layer_norm(*embeddings, config.hidden_size);
  const auto list = group(*group(*this, "encoder"), "layer");
  for (int i = 0; i < config.num_hidden_layers; ++i) {
    layers_.push_back(list->register_module(std::to_string(i), std::make_shared<BertLayer>(config)));
  }
  linear(*group(*this, "pooler"), "dense", config.hidden_size, config.hidden_size);
}

BertModule::~BertModule() = default;

Value BertModule::forward(Ops& ops, const TextInputs& inputs) const {
  const Value words = ops.embedding(inputs.ids, *words_);
  const Value placed = ops.add(words, ops.embedding(inputs.segments, *segments_));
  Value x =
      ops.layer_norm(ops.add(placed, ops.embedding(inputs.positions, *positions_)), *norm_, config.layer_norm_eps);
  for (const auto& layer : layers_) x = layer->forward(ops, x);
  return x;
}

Graph record(const BertModule& module) {
  Recorder recorder;
  const Value ids = recorder.input("ids");
  const Value positions = recorder.input("positions");
  const Value segments = recorder.input("segments");
  recorder.output("hidden", module.forward(recorder, {ids, positions, segments}));
  return recorder.take();
}

}  // namespace pictrieve
