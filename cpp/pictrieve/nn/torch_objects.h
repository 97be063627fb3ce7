// The few torch objects that a pickled state dict is made of, rebuilt as descriptions: no code of the file runs.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "pictrieve/nn/pickle.h"
#include "pictrieve/nn/state_dict.h"

namespace pictrieve {

/// The memory that tensors share; its bytes arrive after the pickle in the older format.
struct TorchStorage {
  DType dtype;
  int64_t count;          ///< numbers of that type
  std::string key;        ///< name within the file
  const std::byte* data;  ///< nothing yet: null

  int64_t bytes() const { return count * item_size(dtype); }
};

/// Numbers of a storage, at any strides.
struct TorchTensor {
  size_t storage;
  int64_t offset;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

/// Collects storages and tensors while a pickle is read, then gives them to a StateDict.
class TorchObjects {
 public:
  /// `script`: the file is a TorchScript archive, whose modules are objects of classes of its own.
  TorchObjects(std::string source, bool script) : source_(std::move(source)), script_(script) {}

  /// Allows OrderedDict, tensors, parameters, sizes, typed storages and the notes of training scripts; of an archive
  /// also its modules and lists, as attributes without methods. Refers to this object.
  PickleRules rules();

  std::vector<TorchStorage>& storages() { return storages_; }

  /// The tensors of `root`, a dict by name, also inside "state_dict_ema", "model_ema", "state_dict", "model_state_dict"
  /// or "model"; of an archive those of the module and its parts. All storages have their data by now, aligned. Strided
  /// tensors are copied, in all at most `copy_limit` bytes.
  StateDict collect(const PickleValue& root, int64_t copy_limit) const;

 private:
  PickleValue storage_from_id(const PickleValue& id);
  PickleValue call(const std::string& global, const std::vector<const PickleValue*>& arguments);
  PickleValue rebuild_tensor(const std::vector<const PickleValue*>& arguments);
  const PickleValue& state_dict_in(const PickleValue& root) const;
  struct Walk {
    StateDict weights;
    int64_t copy_limit;  ///< bytes
    int64_t items_left;  ///< attributes: parts may be shared, so a few objects could be a tree without end
  };
  void collect_module(const PickleValue& module, const std::string& prefix, int depth, Walk& walk) const;
  TensorView view_of(const TorchTensor& tensor, StateDict& owner, int64_t& copy_limit) const;
  [[noreturn]] void fail(const std::string& what) const;

  std::string source_;
  bool script_;
  std::vector<TorchStorage> storages_;
  std::vector<TorchTensor> tensors_;
  std::map<std::string, size_t> storage_of_key_;
};

}  // namespace pictrieve
