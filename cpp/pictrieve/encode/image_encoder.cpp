#include "pictrieve/encode/image_encoder.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"

namespace pictrieve {
namespace {

void softmax_rows(MatrixView<float> rows) {
  for (int64_t i = 0; i < rows.rows; ++i) {
    const auto row = rows.row_span(i);
    const float top = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (float& value : row) sum += value = std::exp(value - top);
    for (float& value : row) value = static_cast<float>(value / sum);
  }
}

/// Row `index` of a matrix that may not be wanted: without rows it is not, wherever it points.
MatrixView<float> row_of(MatrixView<float> all, int64_t index) {
  return all.rows > 0 ? all.slice(index, index + 1) : MatrixView<float>{};
}

void whiten(const Whitening& whitening, std::span<float> x, std::span<float> out) {
  for (size_t i = 0; i < x.size(); ++i) x[i] -= whitening.mean[i];
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = dot(whitening.matrix.row(static_cast<int64_t>(i)), x.data(), static_cast<int64_t>(x.size()));
}

}  // namespace

/// All that one call shares between its threads.
class ImageEncoding {
 public:
  ImageEncoding(const ImageEncoder& encoder, std::span<const ImageSource> images, const ImageEncoder::Options& options,
                const ImageRows& rows)
      : encoder_(encoder), images_(images), options_(options), rows_(rows) {}

  /// Takes one picture through all the steps.
  void run(int64_t index, Worker worker) {
    const auto& [views, pooling, whitening] = encoder_.description_;
    const bool plain = views.size() == 1 && whitening.matrix.rows() == 0;
    const MatrixView<float> target = row_of(rows_.features, index);
    const Matrix<float> vector(1, encoder_.dim_), sum(1, encoder_.dim_);
    std::fill_n(sum.data(), encoder_.dim_, 0.0F);
    for (size_t view = 0; view < views.size(); ++view) {
      const MatrixView<float> logits = view == 0 ? row_of(rows_.probabilities, index) : MatrixView<float>{};
      if (!target.data && !logits.data) break;
      const Matrix<float> pixels(1, views[view].values_per_image());
      if (!prepare(index, views[view], pixels.data()) || worker.should_stop()) return;
      const MatrixView<float> described = !target.data ? MatrixView<float>{} : plain ? target : vector.view();
      encoder_.describe(pixels.data(), view, {described.data, static_cast<size_t>(described.size())}, logits);
      softmax_rows(logits);
      if (plain || !target.data) continue;
      l2_normalize_rows(vector);
      for (int i = 0; i < encoder_.dim_; ++i) sum.data()[i] += vector.data()[i];
    }
    if (!target.data) return;
    if (!plain) finish(sum, target);
    if (options_.normalize) l2_normalize_rows(target);
  }

  std::vector<ImageFailure> failures() {
    std::sort(failures_.begin(), failures_.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
    return std::move(failures_);
  }

 private:
  bool prepare(int64_t index, const Preprocess& preprocess, float* pixels) {
    const ImageSource& source = images_[static_cast<size_t>(index)];
    try {
      preprocess.apply_source(source, pixels);
      return true;
    } catch (const FileError& e) {
      if (options_.stop_at_failure) throw;
      fail(index, e.what());
    } catch (const DecodeError& e) {
      if (options_.stop_at_failure) {
        if (std::holds_alternative<std::string>(source)) throw;  // it names the path
        throw DecodeError(message("images[", options_.first_index + index, "]: ", e.what()));
      }
      fail(index, e.what());
    }
    return false;
  }

  void fail(int64_t index, const std::string& reason) {
    if (rows_.features.rows > 0) std::ranges::fill(rows_.features.row_span(index), 0.0F);
    if (rows_.probabilities.rows > 0) std::ranges::fill(rows_.probabilities.row_span(index), 0.0F);
    const std::lock_guard lock(mutex_);
    failures_.push_back({index, reason});
  }

  /// From the sum of the views' unit vectors to the result.
  void finish(const Matrix<float>& sum, MatrixView<float> target) const {
    const auto& [views, pooling, whitening] = encoder_.description_;
    if (whitening.matrix.rows() == 0) {
      const float share = 1.0F / static_cast<float>(views.size());
      std::transform(sum.data(), sum.data() + sum.cols(), target.data, [share](float x) { return x * share; });
    } else {
      l2_normalize_rows(sum);
      whiten(whitening, sum.view().row_span(0), target.row_span(0));
    }
  }

  const ImageEncoder& encoder_;
  std::span<const ImageSource> images_;
  const ImageEncoder::Options& options_;
  const ImageRows& rows_;
  std::mutex mutex_;
  std::vector<ImageFailure> failures_;
};

ImageEncoder::ImageEncoder(std::shared_ptr<const ImageNetwork> network, Description description)
    : network_(std::move(network)), description_(std::move(description)), dim_(network_->dim()) {
  require(!description_.views.empty(), "views: expected at least one, got none");
  const int least = network_->least_size();
  for (const Preprocess& view : description_.views)
    require(view.height() >= least && view.width() >= least, "preprocess: expected pictures of at least ", least, " x ",
            least, " pixels for ", network_->architecture(), ", got ", view.height(), " x ", view.width());
  if (description_.pooling != MapPooling::Own) {
    for (const Preprocess& view : description_.views)
      maps_.push_back(network_->feature_map_shape(view.height(), view.width()));
    dim_ = static_cast<int>(pooled_size(description_.pooling, maps_.front()));
    for (const FeatureMapShape& map : maps_)
      require(pooled_size(description_.pooling, map) == dim_,
              "pooling: expected vectors of one length from all scales, got ", dim_, " and ",
              pooled_size(description_.pooling, map), "; \"flatten\" takes one scale");
  }
  check_whitening();
}

ImageEncoder::ImageEncoder(std::shared_ptr<const ScriptNetwork> script, Description description)
    : script_(std::move(script)), description_(std::move(description)) {
  require(!description_.views.empty(), "views: expected at least one, got none");
  require(description_.pooling == MapPooling::Own,
          "pooling: a TorchScript gives its own vectors, which are not pooled");
  dim_ = script_->dim(description_.views.front().height(), description_.views.front().width());
  check_whitening();
}

void ImageEncoder::check_whitening() const {
  const auto& [mean, matrix] = description_.whitening;
  require(matrix.rows() == 0 || (matrix.cols() == dim_ && static_cast<int64_t>(mean.size()) == dim_),
          "whitening: expected a matrix and a mean for vectors of ", dim_, " numbers, got ", matrix.cols(), " and ",
          mean.size());
}

void ImageEncoder::describe(const float* pixels, size_t view, std::span<float> vector, MatrixView<float> logits) const {
  const int height = description_.views[view].height(), width = description_.views[view].width();
  if (script_) {
    if (!vector.empty()) script_->run(pixels, height, width, vector);
    return;
  }
  ImageOutputs out{.logits = logits};
  if (description_.pooling == MapPooling::Own || vector.empty()) {
    if (!vector.empty()) out.features = {vector.data(), 1, dim_};
    network_->run(pixels, 1, height, width, out);
    return;
  }
  const Matrix<float> map(1, maps_[view].size());
  out.feature_map = map.data();
  network_->run(pixels, 1, height, width, out);
  pool_map(description_.pooling, map.data(), maps_[view], vector.data());
}

std::vector<ImageFailure> ImageEncoder::encode(std::span<const ImageSource> images, const Options& options,
                                               const ImageRows& rows, const Monitor& monitor) const {
  const auto count = static_cast<int64_t>(images.size());
  const auto check = [&](MatrixView<float> wanted, int cols, const char* name) {
    require(wanted.rows == 0 || (wanted.rows == count && wanted.cols == cols), name, ": expected (", count, ", ", cols,
            "), got (", wanted.rows, ", ", wanted.cols, ")");
  };
  check(rows.features, dim(), "features");
  check(rows.probabilities, classes(), "probabilities");
  ImageEncoding encoding(*this, images, options, rows);
  parallel_for(count, 1, [&](int64_t index, int64_t, Worker worker) { encoding.run(index, worker); }, monitor);
  return encoding.failures();
}

}  // namespace pictrieve
