#include "pictrieve/nn/state_dict.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <iterator>
#include <numeric>

#include "pictrieve/base/error.h"
#include "pictrieve/base/matrix.h"

namespace pictrieve {
namespace {

constexpr std::array<std::pair<const char*, int64_t>, 10> kTypes{{{"F64", 8},
                                                                  {"F32", 4},
                                                                  {"F16", 2},
                                                                  {"BF16", 2},
                                                                  {"I64", 8},
                                                                  {"I32", 4},
                                                                  {"I16", 2},
                                                                  {"I8", 1},
                                                                  {"U8", 1},
                                                                  {"BOOL", 1}}};

float float_from_bfloat16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

/// IEEE 754 binary16. A subnormal number is its fraction times 2^-24.
float float_from_half(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000U} << 16;
  const uint32_t exponent = (bits >> 10) & 0x1FU;
  const uint32_t fraction = bits & 0x3FFU;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  const uint32_t wide = exponent == 31 ? 255U : exponent + 112U;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

template <typename T, typename Convert>
void convert(const TensorView& tensor, std::vector<float>& out, Convert to_float) {
  const auto* values = reinterpret_cast<const T*>(tensor.data);
  std::transform(values, values + tensor.count(), out.begin(), to_float);
}

/// Levenshtein distance, one row at a time.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({row[j] + 1, row[j + 1] + 1, replaced}));
    }
  }
  return row.back();
}

/// The three names most like `name`, as a clause of a message.
std::string nearest_names(const StateDict& weights, std::string_view name) {
  constexpr size_t kLongest = 200;  // names come from a file, and this costs their product
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const auto& [other, tensor] : weights.tensors())
    ranked.emplace_back(edit_distance(name.substr(0, kLongest), std::string_view(other).substr(0, kLongest)), other);
  const size_t shown = std::min<size_t>(ranked.size(), 3);
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<int64_t>(shown), ranked.end());
  std::string text;
  for (size_t i = 0; i < shown; ++i) text += (i == 0 ? "'" : ", '") + ranked[i].second + "'";
  return shown == 0 ? "the file holds no tensors"
                    : "the most similar of its " + std::to_string(ranked.size()) + ": " + text;
}

}  // namespace

int64_t item_size(DType dtype) { return kTypes[static_cast<size_t>(dtype)].second; }
const char* dtype_name(DType dtype) { return kTypes[static_cast<size_t>(dtype)].first; }

int64_t TensorView::count() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

std::optional<int64_t> checked_bytes(DType dtype, const std::vector<int64_t>& shape) {
  constexpr size_t kMaxDimensions = 32;  // NumPy 1 has no more
  if (shape.size() > kMaxDimensions) return std::nullopt;
  int64_t bytes = item_size(dtype);
  bool empty = false;
  for (const int64_t size : shape) {
    if (size < 0) return std::nullopt;
    empty |= size == 0;
    if (size > 0 && __builtin_mul_overflow(bytes, size, &bytes)) return std::nullopt;
  }
  return empty ? 0 : bytes;
}

std::string describe(const TensorView& tensor) {
  std::string text = std::string(dtype_name(tensor.dtype)) + " (";
  for (size_t i = 0; i < tensor.shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(tensor.shape[i]);
  return text + ")";
}

const TensorView& StateDict::at(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw FormatError(message(source_, ": expected a tensor '", name, "'; ", nearest_names(*this, name)));
  return found->second;
}

std::vector<float> StateDict::float32(std::string_view name) const {
  const TensorView& tensor = at(name);
  std::vector<float> out(static_cast<size_t>(tensor.count()));
  switch (tensor.dtype) {
    case DType::F32:
      if (!out.empty()) std::memcpy(out.data(), tensor.data, out.size() * sizeof(float));
      break;
    case DType::F64:
      convert<double>(tensor, out, [](double x) { return static_cast<float>(x); });
      break;
    case DType::F16:
      convert<uint16_t>(tensor, out, float_from_half);
      break;
    case DType::BF16:
      convert<uint16_t>(tensor, out, float_from_bfloat16);
      break;
    default:
      throw FormatError(message(source_, ": '", name, "': expected floating-point numbers, got ", describe(tensor)));
  }
  return out;
}

std::span<const float> StateDict::float32_span(std::string_view name) const {
  const TensorView& tensor = at(name);
  require<FormatError>(tensor.dtype == DType::F32, source_, ": '", name, "': expected F32, got ", describe(tensor));
  return {reinterpret_cast<const float*>(tensor.data), static_cast<size_t>(tensor.count())};
}

void StateDict::add(std::string name, TensorView tensor) {
  const auto alignment = static_cast<uintptr_t>(item_size(tensor.dtype));
  if (reinterpret_cast<uintptr_t>(tensor.data) % alignment != 0 && tensor.bytes() > 0) {
    const auto copy = aligned_array<std::byte>(tensor.bytes());
    std::memcpy(copy.get(), tensor.data, static_cast<size_t>(tensor.bytes()));
    tensor.data = copy.get();
    keep({copy, copy.get()});
  }
  const auto [place, inserted] = tensors_.try_emplace(std::move(name), std::move(tensor));
  require<FormatError>(inserted, source_, ": the tensor '", place->first, "' occurs twice");
}

void StateDict::merge(StateDict other) {
  for (auto& [name, tensor] : other.tensors_) {
    require<FormatError>(!contains(name), source_, ": the tensor '", name, "' occurs in two files, the second is ",
                         other.source_);
    tensors_.emplace(name, std::move(tensor));
  }
  metadata_.merge(other.metadata_);
  std::move(other.memory_.begin(), other.memory_.end(), std::back_inserter(memory_));
}

}  // namespace pictrieve
