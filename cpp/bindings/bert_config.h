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
    if (!values.contains(name)) return;
    try {
      field = values[name].cast<std::remove_reference_t<decltype(field)>>();
    } catch (const pybind11::cast_error&) {
      throw std::invalid_argument(message("config.json: ", name, " has a value of the wrong type or out of range: ",
                                          pybind11::repr(values[name]).cast<std::string>()));
    }
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
