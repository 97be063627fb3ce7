// Filling a network's parameters and buffers.
#pragma once

#include <cstdint>
#include <vector>

#include "pictrieve/nn/key_map.h"
#include "pictrieve/nn/layers.h"
#include "pictrieve/nn/state_dict.h"

namespace pictrieve {

/// Borrow points parameters into the state dict's memory (serving: nothing is touched; never write to such a module);
/// Copy gives the module memory of its own (training).
enum class Fill { Borrow, Copy };

/// Fills every slot, a parameter or buffer, by its name, which `rules` translate. Throws FormatError naming each kind
/// of trouble: a missing key, a key that the network does not have, a shape that differs; missing keys are named as the
/// file would name them. Buffers "position_ids" of old BERT files are ignored, and a missing "num_batches_tracked" is
/// left at zero.
void load_parameters(const std::vector<Block::Slot>& slots, const StateDict& weights, const std::vector<KeyRule>& rules,
                     Fill fill);

/// Seeded: normal with variance 2 / fan_in for convolutions and 1 / fan_in for matrices, deviation 0.02 for embedding
/// tables and other learned tokens; norms scale by one; biases, shifts and running means are zero.
void randomize_parameters(const std::vector<Block::Slot>& slots, uint64_t seed);

}  // namespace pictrieve
