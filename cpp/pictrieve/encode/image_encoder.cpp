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

/// All that one call shares between its threads.
class Call {
 public:
  Call(const ImageNetwork& network, const Preprocess& preprocess, std::span<const ImageSource> images,
       const ImageEncoder::Options& options, const ImageRows& rows)
      : network_(network), preprocess_(preprocess), images_(images), options_(options), rows_(rows) {}

  /// Takes one picture through all the steps.
  void run(int64_t index, Worker worker) {
    const Matrix<float> pixels(1, preprocess_.values_per_image());
    if (prepare(index, pixels.data()) && !worker.should_stop()) compute(pixels.data(), index);
  }

  std::vector<ImageFailure> failures() {
    std::sort(failures_.begin(), failures_.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
    return std::move(failures_);
  }

 private:
  bool prepare(int64_t index, float* pixels) {
    const ImageSource& source = images_[static_cast<size_t>(index)];
    try {
      preprocess_.apply_source(source, pixels);
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

  void compute(const float* pixels, int64_t index) const {
    // A matrix without rows is not wanted, wherever it points.
    const auto row = [&](MatrixView<float> all) {
      return all.rows > 0 ? all.slice(index, index + 1) : MatrixView<float>{};
    };
    const ImageOutputs out{.features = row(rows_.features), .logits = row(rows_.probabilities)};
    network_.run(pixels, 1, preprocess_.height(), preprocess_.width(), out);
    if (options_.normalize) l2_normalize_rows(out.features);
    softmax_rows(out.logits);
  }

  const ImageNetwork& network_;
  const Preprocess& preprocess_;
  std::span<const ImageSource> images_;
  const ImageEncoder::Options& options_;
  const ImageRows& rows_;
  std::mutex mutex_;
  std::vector<ImageFailure> failures_;
};

}  // namespace

ImageEncoder::ImageEncoder(std::shared_ptr<const ImageNetwork> network, Preprocess preprocess)
    : network_(std::move(network)), preprocess_(std::move(preprocess)) {}

std::vector<ImageFailure> ImageEncoder::encode(std::span<const ImageSource> images, const Options& options,
                                               const ImageRows& rows, const Monitor& monitor) const {
  const auto count = static_cast<int64_t>(images.size());
  const auto check = [&](MatrixView<float> wanted, int cols, const char* name) {
    require(wanted.rows == 0 || (wanted.rows == count && wanted.cols == cols), name, ": expected (", count, ", ", cols,
            "), got (", wanted.rows, ", ", wanted.cols, ")");
  };
  check(rows.features, dim(), "features");
  check(rows.probabilities, classes(), "probabilities");
  Call call(*network_, preprocess_, images, options, rows);
  parallel_for(count, 1, [&](int64_t index, int64_t, Worker worker) { call.run(index, worker); }, monitor);
  return call.failures();
}

}  // namespace pictrieve
