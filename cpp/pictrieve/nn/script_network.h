// Any network as a TorchScript file. Such a file holds a program, which is run: open only what you trust.
#pragma once

#include <memory>
#include <span>
#include <string>

namespace pictrieve {

class ScriptNetwork {
 public:
  /// FileError where nothing is there, FormatError where the file is no TorchScript or needs operators we do not have.
  static std::unique_ptr<ScriptNetwork> load(const std::string& path);
  ~ScriptNetwork();

  /// Length of the vector for a picture of this size: runs the network once. FormatError where it does not give one
  /// tensor with one vector.
  int dim(int height, int width) const;

  /// One picture (1, 3, height, width), preprocessed, to `row`, on the calling thread; any number of threads may call.
  void run(const float* pixels, int height, int width, std::span<float> row) const;

 private:
  struct State;
  explicit ScriptNetwork(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace pictrieve
