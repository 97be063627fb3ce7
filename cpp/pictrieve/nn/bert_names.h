// Which encoders share bert.cpp's layers, and how their checkpoints name them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pictrieve/nn/families.h"

namespace pictrieve {

enum class BertKind { Bert, Roberta, Electra, Distilbert, Mpnet };

/// From the model_type, "bert" where none is given. std::invalid_argument lists the known ones.
BertKind bert_kind(const NetworkConfig& config);

/// By model_type, with what transformers takes where a configuration is silent.
std::map<std::string, NetworkConfig> bert_variants();

/// "transformers" is the bare encoder; others hold it under a prefix beside a head, or have TensorFlow's names of
/// norms.
std::vector<Layout> bert_layouts();

}  // namespace pictrieve
