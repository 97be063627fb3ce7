// Pictures -> rows: reading, decoding, preprocessing and network, overlapped on all threads.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/encode/pooling.h"
#include "pictrieve/image/preprocess.h"
#include "pictrieve/image/source.h"
#include "pictrieve/nn/script_network.h"
#include "pictrieve/runtime/image_network.h"

namespace pictrieve {

/// A picture that could not be read or decoded.
struct ImageFailure {
  int64_t index;
  std::string reason;
};

/// Where the results go, row i for picture i; leave a matrix empty and that part is not computed.
struct ImageRows {
  MatrixView<float> features{};       ///< (n, dim)
  MatrixView<float> probabilities{};  ///< (n, classes): softmax of the logits, of the first view
};

/// y = matrix (x - mean) of a vector x of unit length.
struct Whitening {
  std::vector<float> mean{};  ///< (cols)
  Matrix<float> matrix{};     ///< (dim, cols); no rows: x stays as it is
};

class ImageEncoder {
 public:
  struct Options {
    bool normalize = true;  ///< features of unit length
    /// Throw at the first unreadable picture (its reason, its place in the list). Otherwise its rows are zeros and it
    /// stands among the failures.
    bool stop_at_failure = true;
    int64_t first_index = 0;  ///< number of images[0] in the caller's own list, for messages
  };

  /// How a picture becomes a vector: the network's or the pooled vector of each view; of several views the mean of
  /// their unit vectors; then whitening. A view of a size that the network cannot take is std::invalid_argument.
  struct Description {
    std::vector<Preprocess> views;
    MapPooling pooling = MapPooling::Own;
    Whitening whitening{};
  };

  ImageEncoder(std::shared_ptr<const ImageNetwork> network, Description description);
  /// A TorchScript has neither feature map nor classes.
  ImageEncoder(std::shared_ptr<const ScriptNetwork> script, Description description);

  int dim() const { return description_.whitening.matrix.rows() > 0 ? whitened_dim() : dim_; }
  int classes() const { return network_ ? network_->classes() : 0; }

  /// Each thread takes one picture at a time through all the steps, so that one decodes while another computes.
  /// Returns the failures by index. Any number of threads may call it at once.
  std::vector<ImageFailure> encode(std::span<const ImageSource> images, const Options& options, const ImageRows& rows,
                                   const Monitor& monitor = {}) const;

 private:
  friend class ImageEncoding;
  int whitened_dim() const { return static_cast<int>(description_.whitening.matrix.rows()); }
  void check_whitening() const;
  /// dim_ numbers, not normalised, and the logits where wanted, of one prepared picture.
  void describe(const float* pixels, size_t view, std::span<float> vector, MatrixView<float> logits) const;

  std::shared_ptr<const ImageNetwork> network_;
  std::shared_ptr<const ScriptNetwork> script_;
  Description description_;
  std::vector<FeatureMapShape> maps_;  ///< of the views, where they are pooled
  int dim_ = 0;                        ///< before whitening
};

}  // namespace pictrieve
