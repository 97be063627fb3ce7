// Files of torch.save, both the ZIP archives since PyTorch 1.6 and the sequence of pickles before.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "pictrieve/nn/state_dict.h"

namespace pictrieve {

/// True where the first bytes are those of a torch.save file.
bool is_torch_checkpoint(std::span<const std::byte> bytes);

/// Reads a dict of tensors, also inside {"state_dict": ...}, {"model_state_dict": ...} or {"model": ...}, from bytes
/// that outlive the result; of a TorchScript archive the tensors of its module. Tensors are not copied unless they are
/// strided or misaligned. Nothing in the file is executed: any name beyond tensors, storages and OrderedDict is a
/// FormatError that tells the name.
StateDict torch_checkpoint_from_bytes(std::span<const std::byte> bytes, const std::string& source);

}  // namespace pictrieve
