// The numbers that shape a BERT encoder, as in a model folder's config.json.
#pragma once

namespace pictrieve {

struct BertConfig {
  int vocab_size = 30522;
  int hidden_size = 384;
  int num_hidden_layers = 6;
  int num_attention_heads = 12;
  int intermediate_size = 1536;
  int max_position_embeddings = 512;
  int type_vocab_size = 2;
  double layer_norm_eps = 1e-12;
};

}  // namespace pictrieve
