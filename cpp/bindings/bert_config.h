// config.json of a BERT model, as Python read it.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <type_traits>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/bert_config.h"

namespace pictrieve::bindings {

/// Missing keys keep BertConfig's defaults; what the network cannot do is refused.
inline BertConfig bert_config_from_dict(const pybind11::dict& values) {
  BertConfig config;
  const auto take = [&](const char* name, auto& field) {
    if (values.contains(name)) field = values[name].cast<std::remove_reference_t<decltype(field)>>();
  };
  take("vocab_size", config.vocab_size);
  take("hidden_size", config.hidden_size);
  take("num_hidden_layers", config.num_hidden_layers);
  take("num_attention_heads", config.num_attention_heads);
  take("intermediate_size", config.intermediate_size);
  take("max_position_embeddings", config.max_position_embeddings);
  take("type_vocab_size", config.type_vocab_size);
  take("layer_norm_eps", config.layer_norm_eps);
  std::string activation = "gelu", positions = "absolute";
  take("hidden_act", activation);
  take("position_embedding_type", positions);
  require(activation == "gelu", "config.json: expected hidden_act 'gelu', got '", activation, "'");
  require(positions == "absolute", "config.json: expected position_embedding_type 'absolute', got '", positions, "'");
  return config;
}

}  // namespace pictrieve::bindings
