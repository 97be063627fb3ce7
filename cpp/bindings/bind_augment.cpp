#include <pybind11/stl.h>

#include <functional>
#include <map>

#include "arrays.h"
#include "image_sources.h"
#include "module.h"
#include "monitor.h"
#include "pictrieve/base/names.h"
#include "pictrieve/image/augment/augmentation.h"
#include "pictrieve/image/augment/mix.h"
#include "texts.h"

namespace pictrieve::bindings {
namespace {

Range range_of(const py::dict& values, const char* name) {
  const auto [low, high] = values[name].cast<std::pair<double, double>>();
  return {low, high};
}
Colour colour_of(const py::dict& values) { return values["fill"].cast<Colour>(); }
TargetSize size_of(const py::dict& values) {
  const auto [height, width] = values["size"].cast<std::pair<int, int>>();
  return {height, width};
}

Fit fit_of(const py::dict& values) {
  constexpr std::pair<std::string_view, FitMode> kModes[] = {
      {"stretch", FitMode::Stretch}, {"pad", FitMode::Pad}, {"crop", FitMode::Crop}};
  return {value_named("mode", values["mode"].cast<std::string>(), kModes), size_of(values), colour_of(values)};
}

Affine affine_of(const py::dict& values) {
  return {range_of(values, "degrees"),
          range_of(values, "shift_x"),
          range_of(values, "shift_y"),
          range_of(values, "scale"),
          range_of(values, "shear_x"),
          range_of(values, "shear_y"),
          colour_of(values)};
}

Erase erase_of(const py::dict& values) {
  Erase erase{range_of(values, "area"), range_of(values, "aspect")};
  if (!py::isinstance<py::str>(values["fill"])) {
    erase.fill = EraseFill::Plain;
    erase.colour = colour_of(values);
    return erase;
  }
  const auto fill = values["fill"].cast<std::string>();
  require(fill == "mean" || fill == "noise", "fill: expected a colour, mean or noise, got \"", fill, '"');
  erase.fill = fill == "mean" ? EraseFill::Mean : EraseFill::Noise;
  return erase;
}

using MakeStep = std::function<decltype(AugmentStep::operation)(const py::dict&)>;

const std::map<std::string, MakeStep>& step_makers() {
  static const std::map<std::string, MakeStep> makers{
      {"random_resized_crop",
       [](const py::dict& v) { return RandomResizedCrop{range_of(v, "area"), range_of(v, "aspect"), size_of(v)}; }},
      {"resize", fit_of},
      {"centre_crop",
       [](const py::dict& v) { return CentreCrop{v["fraction"].cast<double>(), size_of(v), colour_of(v)}; }},
      {"random_crop", [](const py::dict& v) { return RandomCrop{v["padding"].cast<int>(), size_of(v), colour_of(v)}; }},
      {"as_served", [](const py::dict&) { return AsServed{}; }},
      {"horizontal_flip", [](const py::dict&) { return Flip{false}; }},
      {"vertical_flip", [](const py::dict&) { return Flip{true}; }},
      {"rotate", [](const py::dict& v) { return Rotate{range_of(v, "degrees"), colour_of(v)}; }},
      {"affine", affine_of},
      {"colour_jitter",
       [](const py::dict& v) {
         return ColourJitter{range_of(v, "brightness"), range_of(v, "contrast"), range_of(v, "saturation"),
                             range_of(v, "hue")};
       }},
      {"greyscale", [](const py::dict&) { return Greyscale{}; }},
      {"blur", [](const py::dict& v) { return Blur{range_of(v, "sigma")}; }},
      {"jpeg", [](const py::dict& v) { return Jpeg{range_of(v, "quality")}; }},
      {"noise", [](const py::dict& v) { return Noise{range_of(v, "deviation")}; }},
      {"erase", erase_of},
      {"solarise", [](const py::dict& v) { return Solarise{range_of(v, "threshold")}; }},
      {"posterise", [](const py::dict& v) { return Posterise{range_of(v, "bits")}; }},
  };
  return makers;
}

/// Steps as tuples (name, parameters, probability); ranges are pairs.
Augmentation make_augmentation(const Preprocess& served, const py::list& steps, uint64_t seed) {
  std::vector<AugmentStep> made;
  for (const py::handle item : steps) {
    const auto step = item.cast<py::tuple>();
    const auto name = step[0].cast<std::string>();
    const auto found = step_makers().find(name);
    require(found != step_makers().end(), "step: expected one of this library's, got \"", name, '"');
    made.push_back({found->second(step[1].cast<py::dict>()), step[2].cast<double>()});
  }
  return {served, std::move(made), seed};
}

py::list list_of(const std::vector<AugmentFailure>& failures) {
  py::list found;
  for (const auto& [index, reason] : failures) found.append(py::make_tuple(index, text_of(reason)));
  return found;
}

std::span<const int64_t> indices_of(const py::array& indices) {
  const auto view = vector_from_array<int64_t>(indices, "indices");
  return {view.data, static_cast<size_t>(view.cols)};
}

template <typename Value>
py::tuple run_to_array(const Augmentation& self, const AugmentBatch& batch, std::vector<py::ssize_t> picture) {
  std::vector<py::ssize_t> shape{batch.views, static_cast<py::ssize_t>(batch.images.size())};
  shape.insert(shape.end(), picture.begin(), picture.end());
  const Matrix<Value> out(shape[0] * shape[1], self.served().values_per_image());
  std::vector<AugmentFailure> failures;
  {
    const py::gil_scoped_release released;  // the caller's list holds every picture until we return
    failures = self.run(batch, out.data(), python_monitor(py::none()));
  }
  return py::make_tuple(array_from_owner<Value>(out.storage(), out.data(), std::move(shape)), list_of(failures));
}

py::tuple apply_batch(const Augmentation& self, const py::list& images, const py::array& indices, uint32_t epoch,
                      int views, bool floats, bool stop_at_failure) {
  require(self.fits_network(), "steps: expected an end at ", self.served().height(), " x ", self.served().width(),
          " for every picture, got steps that leave another size");
  require(views >= 1, "views: expected at least 1, got ", views);
  const std::vector<ImageSource> sources = image_sources_from_list(images);
  const AugmentBatch batch{sources, indices_of(indices), epoch, views, stop_at_failure};
  const py::ssize_t height = self.served().height(), width = self.served().width();
  if (floats) return run_to_array<float>(self, batch, {3, height, width});
  return run_to_array<uint8_t>(self, batch, {height, width, 3});
}

py::list transform_pictures(const Augmentation& self, const py::list& images, const py::array& indices,
                            uint32_t epoch) {
  const std::vector<ImageSource> sources = image_sources_from_list(images);
  const AugmentBatch batch{sources, indices_of(indices), epoch};
  std::vector<Image> pictures(sources.size());
  {
    const py::gil_scoped_release released;  // the caller's list holds every picture until we return
    self.run(batch, std::span<Image>(pictures), python_monitor(py::none()));
  }
  py::list out;
  for (const Image& picture : pictures) out.append(array_from_image(picture));
  return out;
}

template <typename Value>
py::tuple mix_pixels(const MixStep& step, std::span<const int64_t> indices, const py::array& pixels,
                     const MixLayout& layout) {
  const int64_t count = pixels.shape(0), values = int64_t{3} * layout.height * layout.width;
  const Matrix<Value> out(count, values);
  const Matrix<int64_t> partner(1, count);
  const Matrix<float> weight(1, count);
  const auto* from = static_cast<const Value*>(pixels.data());
  {
    const py::gil_scoped_release released;  // the caller holds the pixels until we return
    mix(step, indices, layout, from, out.data(), {partner.view().row_span(0), weight.view().row_span(0)});
  }
  const auto vector = [&](const auto& matrix) {
    using Number = std::remove_pointer_t<decltype(matrix.data())>;
    return array_from_owner<Number>(matrix.storage(), matrix.data(), {count});
  };
  const std::vector<py::ssize_t> shape(pixels.shape(), pixels.shape() + 4);
  return py::make_tuple(array_from_owner<Value>(out.storage(), out.data(), shape), vector(partner), vector(weight));
}

/// Pixels float32 (n, 3, height, width) or uint8 (n, height, width, 3).
py::tuple mix_batch(const py::array& pixels, const py::array& indices, bool cut, double shape, double probability,
                    uint64_t seed, uint32_t epoch) {
  const bool last = py::isinstance<py::array_t<uint8_t>>(pixels);
  if (last)
    require_exact<uint8_t>(pixels, 4, "pixels", "(n, height, width, 3)");
  else
    require_exact<float>(pixels, 4, "pixels", "(n, 3, height, width)");
  require(pixels.shape(last ? 3 : 1) == 3, "pixels: expected 3 channels, got ", pixels.shape(last ? 3 : 1));
  const auto numbers = indices_of(indices);
  require(static_cast<int64_t>(numbers.size()) == pixels.shape(0), "indices: expected one for each of ",
          pixels.shape(0), " pictures, got ", numbers.size());
  const MixLayout layout{static_cast<int>(pixels.shape(last ? 1 : 2)), static_cast<int>(pixels.shape(last ? 2 : 3)),
                         last};
  const MixStep step{cut ? MixKind::CutMix : MixKind::Mixup, shape, probability, seed, epoch};
  return last ? mix_pixels<uint8_t>(step, numbers, pixels, layout) : mix_pixels<float>(step, numbers, pixels, layout);
}

}  // namespace

void bind_augment(py::module_& module) {
  py::class_<Augmentation>(module, "Augmentation")
      .def(py::init(&make_augmentation), py::arg("preprocess"), py::arg("steps"), py::arg("seed"))
      .def_property_readonly("fits_network", &Augmentation::fits_network)
      .def("apply", &apply_batch, py::arg("images"), py::arg("indices"), py::arg("epoch"), py::arg("views"),
           py::arg("floats"), py::arg("stop_at_failure"))
      .def("transform", &transform_pictures, py::arg("images"), py::arg("indices"), py::arg("epoch"));
  module.def("mix", &mix_batch, py::arg("pixels"), py::arg("indices"), py::arg("cut"), py::arg("shape"),
             py::arg("probability"), py::arg("seed"), py::arg("epoch"));
}

}  // namespace pictrieve::bindings
