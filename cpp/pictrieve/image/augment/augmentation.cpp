#include "pictrieve/image/augment/augmentation.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <mutex>
#include <optional>

#include "pictrieve/base/error.h"
#include "pictrieve/image/augment/canvas.h"
#include "pictrieve/image/augment/run_step.h"

namespace pictrieve {
namespace {

void check_batch(const AugmentBatch& batch) {
  constexpr int kMostViews = 1 << 16;
  require(batch.views >= 1 && batch.views <= kMostViews, "views: expected 1 to ", kMostViews, ", got ", batch.views);
  require(batch.images.size() == batch.indices.size(), "indices: expected one for each of ", batch.images.size(),
          " pictures, got ", batch.indices.size());
  const auto negative = std::ranges::find_if(batch.indices, [](int64_t index) { return index < 0; });
  require(negative == batch.indices.end(), "indices: expected numbers of at least 0, got ",
          negative == batch.indices.end() ? 0 : *negative);
}

}  // namespace

/// One pass over a batch.
class AugmentRun {
 public:
  /// What becomes of a finished view: given its picture's place in the batch and its number.
  using Finish = std::function<void(const Canvas& canvas, int64_t place, int view)>;

  AugmentRun(const Augmentation& augmentation, const AugmentBatch& batch, Finish finish)
      : augmentation_(augmentation), batch_(batch), finish_(std::move(finish)) {}

  std::vector<AugmentFailure> run(const Monitor& monitor) {
    check_batch(batch_);
    const auto body = [&](int64_t begin, int64_t end, Worker worker) {
      for (int64_t i = begin; i < end && !worker.should_stop(); ++i) attempt(i);
    };
    parallel_for(static_cast<int64_t>(batch_.images.size()), 1, body, monitor);
    std::ranges::sort(failures_, {}, &AugmentFailure::index);
    return std::move(failures_);
  }

 private:
  /// Pixels of one picture, as far as they were needed until now.
  struct Opened {
    PixelSize size;                  ///< upright
    std::span<const uint8_t> bytes;  ///< of an encoded picture
    bool scalable = false;           ///< can be decoded at 1/2, 1/4 and 1/8
    int short_side = -1;             ///< what `pixels` were decoded for
    Image pixels;
    ImageView view;
  };

  void attempt(int64_t place) {
    const ImageSource& source = batch_.images[static_cast<size_t>(place)];
    try {
      augment(source, place);
    } catch (const FileError& e) {
      if (batch_.stop_at_failure) throw;
      fail(place, e.what());
    } catch (const DecodeError& e) {
      const auto* path = std::get_if<std::string>(&source);
      const std::string reason = path ? *path + ": " + e.what() : message("images[", place, "]: ", e.what());
      if (batch_.stop_at_failure) throw DecodeError(reason);
      fail(place, reason);
    }
  }

  void fail(int64_t place, const std::string& reason) {
    const std::lock_guard lock(mutex_);
    failures_.push_back({place, reason});
  }

  void augment(const ImageSource& source, int64_t place) const {
    std::vector<uint8_t> file;
    Opened opened;
    if (const auto* pixels = std::get_if<ImageView>(&source)) {
      require<DecodeError>(pixels->height > 0 && pixels->width > 0, "expected at least 1 x 1 pixels, got ",
                           pixels->height, " x ", pixels->width);
      if (pixels->channels != 3) opened.pixels = to_rgb(*pixels, options().alpha);
      opened.view = pixels->channels == 3 ? *pixels : ImageView(opened.pixels);
      opened.size = {pixels->height, pixels->width};
    } else {
      if (const auto* path = std::get_if<std::string>(&source)) file = read_file(*path);
      const auto* bytes = std::get_if<std::span<const uint8_t>>(&source);
      open(bytes ? *bytes : std::span<const uint8_t>(file), opened);
    }
    const int64_t index = batch_.indices[static_cast<size_t>(place)];
    for (int view = 0; view < batch_.views; ++view)
      augment_view(opened, {index, batch_.epoch, static_cast<uint16_t>(view)}, place);
  }

  void open(std::span<const uint8_t> bytes, Opened& opened) const {
    const ImageInfo info = probe(bytes);
    const bool turned = !options().apply_exif && info.orientation >= 5;
    opened.size = turned ? PixelSize{info.width, info.height} : PixelSize{info.height, info.width};
    opened.bytes = bytes;
    opened.scalable = options().scaled_decode && info.format == "JPEG";
  }

  void augment_view(Opened& opened, const AugmentItem& item, int64_t place) const {
    if (!opened.bytes.empty()) decode_for(opened, item);
    Canvas canvas(opened.view, opened.size);
    for (size_t i = 0; i < augmentation_.steps_.size(); ++i)
      run_step(augmentation_.steps_[i], augmentation_.served_, stream(item, i), canvas);
    finish_(canvas, place, item.view);
  }

  /// Views that need the same resolution share one decoding.
  void decode_for(Opened& opened, const AugmentItem& item) const {
    const int short_side = opened.scalable ? needed_side(opened.size, item) : 0;
    if (opened.short_side == short_side) return;
    DecodeOptions decoding;
    decoding.apply_exif = options().apply_exif;
    decoding.alpha = options().alpha;
    decoding.target_short_side = short_side;
    opened.pixels = decode(opened.bytes, decoding);
    opened.view = opened.pixels;
    opened.short_side = short_side;
  }

  /// The first step that is no flip decides.
  int needed_side(PixelSize size, const AugmentItem& item) const {
    const auto& steps = augmentation_.steps_;
    size_t first = 0;
    while (first < steps.size() && std::holds_alternative<Flip>(steps[first].operation)) ++first;
    if (first == steps.size()) return 0;
    return needed_short_side(steps[first], augmentation_.served_, stream(item, first), size);
  }

  RandomStream stream(const AugmentItem& item, size_t step) const {
    return {augmentation_.seed_, item, static_cast<uint16_t>(step)};
  }
  const PreprocessOptions& options() const { return augmentation_.served_.options(); }

  const Augmentation& augmentation_;
  const AugmentBatch& batch_;
  Finish finish_;
  std::mutex mutex_;
  std::vector<AugmentFailure> failures_;
};

Augmentation::Augmentation(Preprocess served, std::vector<AugmentStep> steps, uint64_t seed)
    : served_(std::move(served)), steps_(std::move(steps)), seed_(seed) {
  constexpr size_t kMostSteps = (1 << 16) - 1;  // the last number is the stream of mixing
  require(steps_.size() <= kMostSteps, "steps: expected at most ", kMostSteps, ", got ", steps_.size());
  for (const AugmentStep& step : steps_) check_step(step);
}

bool Augmentation::fits_network() const {
  std::optional<PixelSize> size;
  const PixelSize served{served_.height(), served_.width()};
  for (const AugmentStep& step : steps_) size = size_after(step, size, served);
  return size && size->height == served.height && size->width == served.width;
}

namespace {

template <typename Value>
void clear_failed(const AugmentBatch& batch, const std::vector<AugmentFailure>& failures, int64_t values, Value* out) {
  const auto count = static_cast<int64_t>(batch.images.size());
  for (const AugmentFailure& failure : failures)
    for (int view = 0; view < batch.views; ++view)
      std::fill_n(out + (view * count + failure.index) * values, values, Value{});
}

}  // namespace

std::vector<AugmentFailure> Augmentation::run(const AugmentBatch& batch, float* out, const Monitor& monitor) const {
  const int64_t values = served_.values_per_image(), count = static_cast<int64_t>(batch.images.size());
  const auto finish = [&](const Canvas& canvas, int64_t place, int view) {
    served_.normalise(canvas.view(), out + (view * count + place) * values);
  };
  auto failures = AugmentRun(*this, batch, finish).run(monitor);
  clear_failed(batch, failures, values, out);
  return failures;
}

std::vector<AugmentFailure> Augmentation::run(const AugmentBatch& batch, uint8_t* out, const Monitor& monitor) const {
  const int64_t values = served_.values_per_image(), count = static_cast<int64_t>(batch.images.size());
  const int64_t row = int64_t{3} * served_.width();
  const auto finish = [&](const Canvas& canvas, int64_t place, int view) {
    uint8_t* to = out + (view * count + place) * values;
    for (int y = 0; y < served_.height(); ++y)
      std::memcpy(to + y * row, canvas.view().row(y), static_cast<size_t>(row));
  };
  auto failures = AugmentRun(*this, batch, finish).run(monitor);
  clear_failed(batch, failures, values, out);
  return failures;
}

std::vector<AugmentFailure> Augmentation::run(const AugmentBatch& batch, std::span<Image> out,
                                              const Monitor& monitor) const {
  const auto count = static_cast<int64_t>(batch.images.size());
  const auto finish = [&](const Canvas& canvas, int64_t place, int view) {
    out[static_cast<size_t>(view * count + place)] = to_rgb(canvas.view(), AlphaPolicy::White);
  };
  return AugmentRun(*this, batch, finish).run(monitor);
}

}  // namespace pictrieve
