// Pictures -> rows: reading, decoding, preprocessing and network, overlapped on all threads.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/image/preprocess.h"
#include "pictrieve/image/source.h"
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
  MatrixView<float> probabilities{};  ///< (n, classes): softmax of the logits
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

  ImageEncoder(std::shared_ptr<const ImageNetwork> network, Preprocess preprocess);

  int dim() const { return network_->dim(); }
  int classes() const { return network_->classes(); }

  /// Each thread takes one picture at a time through all the steps, so that one decodes while another computes.
  /// Returns the failures by index. Any number of threads may call it at once.
  std::vector<ImageFailure> encode(std::span<const ImageSource> images, const Options& options, const ImageRows& rows,
                                   const Monitor& monitor = {}) const;

 private:
  std::shared_ptr<const ImageNetwork> network_;
  Preprocess preprocess_;
};

}  // namespace pictrieve
