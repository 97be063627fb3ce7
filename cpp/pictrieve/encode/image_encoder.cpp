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

std::string place(const ImageSource& source, int64_t index) {
  if (const auto* path = std::get_if<std::string>(&source)) return *path;
  return message("images[", index, "]");
}

/// Copies row `from` of `source` to row `to` of `target`, where both are wanted.
void copy_row(MatrixView<float> source, int64_t from, MatrixView<float> target, int64_t to) {
  if (target.rows > 0) std::copy_n(source.row(from), source.cols, target.row(to));
}

/// All that one call shares between its threads.
class Call {
 public:
  Call(const ImageNetwork& network, const Preprocess& preprocess, std::span<const ImageSource> images,
       const ImageEncoder::Options& options, const ImageRows& rows)
      : network_(network), preprocess_(preprocess), images_(images), options_(options), rows_(rows) {}

  /// Takes pictures [begin, end) through all the steps.
  void run(int64_t begin, int64_t end, Worker worker) {
    const Matrix<float> pixels(end - begin, int64_t{3} * preprocess_.height() * preprocess_.width());
    std::vector<int64_t> readable;
    for (int64_t i = begin; i < end && !worker.should_stop(); ++i)
      if (prepare(i, pixels.row(static_cast<int64_t>(readable.size())))) readable.push_back(i);
    if (!readable.empty() && !worker.should_stop()) compute(pixels, readable, worker.index);
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
      if (options_.stop_at_failure) throw DecodeError(message(place(source, index), ": ", e.what()));
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

  /// Runs the network on the first rows of `pixels`, which belong to the pictures `indices`.
  void compute(MatrixView<const float> pixels, const std::vector<int64_t>& indices, int worker) const {
    const auto count = static_cast<int64_t>(indices.size());
    const int64_t first = indices.front();
    if (indices.back() - first + 1 == count) {  // nobody failed between them: straight into their rows
      const auto part = [&](MatrixView<float> all) { return all.rows > 0 ? all.slice(first, first + count) : all; };
      return run_network(pixels, count, {part(rows_.features), part(rows_.probabilities)}, worker);
    }
    const Matrix<float> features(rows_.features.rows > 0 ? count : 0, network_.dim());
    const Matrix<float> probabilities(rows_.probabilities.rows > 0 ? count : 0, network_.classes());
    run_network(pixels, count, {features, probabilities}, worker);
    for (int64_t i = 0; i < count; ++i) {
      copy_row(features, i, rows_.features, indices[static_cast<size_t>(i)]);
      copy_row(probabilities, i, rows_.probabilities, indices[static_cast<size_t>(i)]);
    }
  }

  void run_network(MatrixView<const float> pixels, int64_t count, const ImageRows& target, int worker) const {
    ImageOutputs out;  // a matrix without rows is not wanted, wherever it points
    if (target.features.rows > 0) out.features = target.features;
    if (target.probabilities.rows > 0) out.logits = target.probabilities;
    network_.run(pixels.data, static_cast<int>(count), preprocess_.height(), preprocess_.width(), out, worker);
    if (options_.normalize) l2_normalize_rows(target.features);
    softmax_rows(target.probabilities);
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
  const int64_t preferred = network_->preferred_batch();
  const int64_t batch = options.batch > 0 ? std::min(options.batch, preferred) : preferred;
  const int64_t share = (count + num_threads() - 1) / num_threads();
  Call call(*network_, preprocess_, images, options, rows);
  parallel_for(
      count, std::max<int64_t>(1, std::min(batch, share)),
      [&](int64_t begin, int64_t end, Worker worker) { call.run(begin, end, worker); }, monitor);
  return call.failures();
}

}  // namespace pictrieve
