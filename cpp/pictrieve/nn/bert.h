// BERT encoders (Devlin et al., arXiv:1810.04805) as Hugging Face names their parameters.
#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <vector>

#include "pictrieve/nn/bert_config.h"
#include "pictrieve/nn/ops.h"

namespace pictrieve {

struct TextInputs {
  Value ids;        ///< (n, length)
  Value positions;  ///< (n, length): 0, 1, ... in each text
  Value segments;   ///< (n, length): token types
};

class BertLayer;

class BertModule : public torch::nn::Module {
 public:
  /// Throws std::invalid_argument for numbers that make no network. The pooler of the checkpoint is kept but not run.
  explicit BertModule(const BertConfig& config);
  ~BertModule() override;

  /// The last hidden state (n, length, hidden_size).
  Value forward(Ops& ops, const TextInputs& inputs) const;

  BertConfig config;

 private:
  std::shared_ptr<Layer> words_, positions_, segments_, norm_;
  std::vector<std::shared_ptr<BertLayer>> layers_;
};

/// The forward of `module` as a graph: inputs "ids", "positions", "segments", output "hidden".
Graph record(const BertModule& module);

}  // namespace pictrieve
