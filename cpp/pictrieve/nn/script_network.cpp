#include "pictrieve/nn/script_network.h"

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/types.h>

#include <algorithm>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/base/mapped_file.h"
#include "pictrieve/base/single_threaded.h"

namespace pictrieve {

struct ScriptNetwork::State {
  std::string path;
  torch::jit::Module module;

  /// The vector of one picture, contiguous float32.
  torch::Tensor vector(const float* pixels, int height, int width) {
    const c10::InferenceMode inference;
    const SingleThreaded guard;
    try {
      const torch::Tensor picture = torch::from_blob(const_cast<float*>(pixels), {1, 3, height, width}, torch::kFloat);
      const torch::jit::IValue result = module.forward({picture});
      require<FormatError>(result.isTensor(), path, ": expected a network that gives one tensor, got ",
                           result.tagKind());
      const torch::Tensor tensor = result.toTensor();
      const bool one_vector = tensor.is_floating_point() && tensor.dim() > 0 &&
                              tensor.numel() == *std::max_element(tensor.sizes().begin(), tensor.sizes().end());
      require<FormatError>(one_vector, path, ": expected a network that gives one vector for a picture, got ",
                           tensor.toString(), " of ", tensor.dim(), " dimensions and ", tensor.numel(), " numbers");
      return tensor.to(torch::kFloat).reshape({-1}).contiguous();
    } catch (const Error&) {
      throw;
    } catch (const c10::Error& error) {
      throw Error(message(path, " on ", height, " x ", width, " pixels: ", error.what_without_backtrace()));
    } catch (const std::runtime_error& error) {  // the interpreter's, with the lines of the program
      throw Error(message(path, " on ", height, " x ", width, " pixels: ", error.what()));
    }
  }
};

ScriptNetwork::ScriptNetwork(std::unique_ptr<State> state) : state_(std::move(state)) {}
ScriptNetwork::~ScriptNetwork() = default;

std::unique_ptr<ScriptNetwork> ScriptNetwork::load(const std::string& path) {
  const MappedFile readable(path);  // its errors tell a missing file from a foreign one
  try {
    torch::jit::Module module = torch::jit::load(path, torch::kCPU);
    module.eval();
    return std::unique_ptr<ScriptNetwork>(new ScriptNetwork(std::make_unique<State>(State{path, std::move(module)})));
  } catch (const c10::Error& error) {
    throw FormatError(message(
        path, ": is not a TorchScript file that this version of PyTorch can load: ", error.what_without_backtrace()));
  }
}

int ScriptNetwork::dim(int height, int width) const {
  const std::vector<float> zeros(static_cast<size_t>(3) * height * width);
  return static_cast<int>(state_->vector(zeros.data(), height, width).numel());
}

void ScriptNetwork::run(const float* pixels, int height, int width, std::span<float> row) const {
  const torch::Tensor vector = state_->vector(pixels, height, width);
  require<FormatError>(vector.numel() == static_cast<int64_t>(row.size()), state_->path, ": expected a vector of ",
                       row.size(), " numbers, got ", vector.numel());
  std::copy_n(vector.const_data_ptr<float>(), row.size(), row.begin());
}

}  // namespace pictrieve
