#include <pybind11/stl.h>

#include "arrays.h"
#include "image_sources.h"
#include "module.h"
#include "monitor.h"
#include "pictrieve/base/names.h"
#include "pictrieve/image/codec.h"
#include "pictrieve/image/preprocess.h"
#include "pictrieve/image/resize.h"

namespace pictrieve::bindings {
namespace {

std::span<const uint8_t> span_of(const py::bytes& bytes) {
  return {reinterpret_cast<const uint8_t*>(PyBytes_AS_STRING(bytes.ptr())),
          static_cast<size_t>(PyBytes_GET_SIZE(bytes.ptr()))};
}

py::bytes bytes_of(const std::vector<uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

py::array_t<uint8_t> decode_source(const py::list& source, bool exif, const std::string& alpha, int64_t max_pixels,
                                   int target_short_side) {
  const ImageSource only = image_sources_from_list(source).at(0);
  const DecodeOptions options{exif, alpha_policy_named(alpha), max_pixels, target_short_side};
  Image image;
  {
    const py::gil_scoped_release released;
    image = decode_source(only, options);
  }
  return array_from_image(image);
}

py::tuple probe_bytes(const py::bytes& bytes) {
  const ImageInfo info = probe(span_of(bytes));
  return py::make_tuple(info.format, info.width, info.height, info.orientation);
}

py::array_t<uint8_t> resize_array(const py::array& array, int height, int width, const std::string& interpolation) {
  const ImageView source = image_from_array(array, "image");
  const Interpolation kind = interpolation_named(interpolation);
  Image image;
  {
    const py::gil_scoped_release released;
    image = resize(source, height, width, kind);
  }
  const bool flat = array.ndim() == 2;
  return flat ? array_from_image(image)
              : array_from_owner<uint8_t>(image.storage(), image.data(),
                                          {image.height(), image.width(), image.channels()});
}

template <typename Encode>
py::bytes encode_array(const py::array& array, const Encode& encode) {
  const ImageView image = image_from_array(array, "image");
  std::vector<uint8_t> bytes;
  {
    const py::gil_scoped_release released;
    bytes = encode(image);
  }
  return bytes_of(bytes);
}

/// Steps as tuples: ("resize", mode, height, width, pad_value), ("crop", height, width), ("crop", fraction).
PreprocessStep step_from_tuple(const py::tuple& step) {
  if (step[0].cast<std::string>() == "crop") {
    if (step.size() == 2) return CropStep{0, 0, step[1].cast<double>()};
    return CropStep{step[1].cast<int>(), step[2].cast<int>(), 0};
  }
  constexpr std::pair<std::string_view, ResizeMode> kModes[] = {
      {"shortest", ResizeMode::Shortest}, {"stretch", ResizeMode::Stretch}, {"pad", ResizeMode::Pad}};
  const ResizeMode mode = value_named("resize mode", step[1].cast<std::string>(), kModes);
  return ResizeStep{mode, step[2].cast<int>(), step[3].cast<int>(), step[4].cast<int>()};
}

Preprocess make_preprocess(const py::list& steps, const std::string& interpolation, const py::dict& rest) {
  PreprocessOptions options;
  options.steps.clear();
  for (const py::handle step : steps) options.steps.push_back(step_from_tuple(step.cast<py::tuple>()));
  options.interpolation = interpolation_named(interpolation);
  options.antialias = rest["antialias"].cast<bool>();
  options.scaled_decode = rest["scaled_decode"].cast<bool>();
  options.divisor = rest["divisor"].cast<float>();
  options.mean = rest["mean"].cast<std::array<float, 3>>();
  options.std = rest["std"].cast<std::array<float, 3>>();
  options.bgr = rest["bgr"].cast<bool>();
  options.apply_exif = rest["exif"].cast<bool>();
  options.alpha = alpha_policy_named(rest["alpha"].cast<std::string>());
  return Preprocess(options);
}

py::array_t<float> apply_all(const Preprocess& self, const py::list& images, const py::object& progress) {
  const std::vector<ImageSource> sources = image_sources_from_list(images);
  const Matrix<float> out(static_cast<int64_t>(sources.size()), self.values_per_image());
  {
    const py::gil_scoped_release released;  // the list holds every picture until we return
    preprocess_all(self, sources, out.data(), python_monitor(progress));
  }
  return array_from_owner<float>(out.storage(), out.data(), {out.rows(), 3, self.height(), self.width()});
}

}  // namespace

void bind_image(py::module_& module) {
  module.def("decode", &decode_source, py::arg("source"), py::arg("exif"), py::arg("alpha"), py::arg("max_pixels"),
             py::arg("target_short_side"));
  module.def("probe", &probe_bytes, py::arg("data"));
  module.def("resize", &resize_array, py::arg("image"), py::arg("height"), py::arg("width"), py::arg("interpolation"));
  module.def(
      "encode_jpeg",
      [](const py::array& image, int quality) {
        return encode_array(image, [&](ImageView view) { return encode_jpeg(view, quality); });
      },
      py::arg("image"), py::arg("quality"));
  module.def("encode_png", [](const py::array& image) { return encode_array(image, &encode_png); }, py::arg("image"));
  module.def(
      "read_file",
      [](const py::str& path) {
        const ImageSource source = image_sources_from_list(py::list(py::make_tuple(path))).at(0);
        return bytes_of(read_file(std::get<std::string>(source)));
      },
      py::arg("path"));
  py::class_<Preprocess>(module, "Preprocess")
      .def(py::init(&make_preprocess), py::arg("steps"), py::arg("interpolation"), py::arg("options"))
      .def("apply", &apply_all, py::arg("images"), py::arg("progress"))
      .def_property_readonly("fingerprint", &Preprocess::fingerprint)
      .def_property_readonly("height", &Preprocess::height)
      .def_property_readonly("width", &Preprocess::width);
}

}  // namespace pictrieve::bindings
