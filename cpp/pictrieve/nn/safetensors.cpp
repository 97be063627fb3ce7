#include "pictrieve/nn/safetensors.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/byte_reader.h"

namespace pictrieve {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;  // the limit of the reference implementation

constexpr size_t kMaxName = 1000;

/// One tensor as the header tells it, not yet believed.
struct Entry {
  std::string name;
  std::optional<std::string> dtype;
  std::optional<std::vector<int64_t>> shape;
  std::optional<std::vector<int64_t>> offsets;
};

/// Follows the parser's events through exactly the three levels that a header has, and refuses everything else, so that
/// neither depth nor memory grows beyond the text itself.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::string problem;

  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("a boolean"); }
  bool number_float(double, const std::string&) override { return refuse("a fraction"); }
  bool number_integer(int64_t) override { return refuse("a negative number"); }
  bool binary(nlohmann::json::binary_t&) override { return refuse("binary data"); }

  bool number_unsigned(uint64_t value) override {
    if (numbers_ == nullptr || value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return refuse("the number " + std::to_string(value));
    numbers_->push_back(static_cast<int64_t>(value));
    return true;
  }

  bool string(std::string& value) override {
    if (level_ == 2 && in_metadata_ && metadata.emplace(key_, value).second) return true;
    if (level_ != 2 || in_metadata_ || key_ != "dtype" || entries.back().dtype)
      return refuse("the text '" + shown(value) + "'");
    entries.back().dtype = value;
    return true;
  }

  bool key(std::string& name) override {
    key_ = name;
    if (name.size() > kMaxName) return refuse("a name of more than " + std::to_string(kMaxName) + " bytes");
    if (level_ != 1) return true;
    if (!names_.insert(name).second) return refuse("a second entry");
    in_metadata_ = name == "__metadata__";
    if (!in_metadata_) entries.push_back({name, {}, {}, {}});
    return true;
  }

  bool start_object(size_t) override { return numbers_ == nullptr && level_ < 2 ? ++level_ > 0 : refuse("an object"); }

  bool end_object() override {
    --level_;
    return true;
  }

  bool start_array(size_t) override {
    if (level_ != 2 || in_metadata_ || numbers_ != nullptr) return refuse("a list");
    auto& target = key_ == "shape" ? entries.back().shape : entries.back().offsets;
    if ((key_ != "shape" && key_ != "data_offsets") || target) return refuse("a list");
    numbers_ = &target.emplace();
    return true;
  }

  bool end_array() override {
    numbers_ = nullptr;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    problem = message("is not JSON at byte ", position);
    return false;
  }

 private:
  bool refuse(const std::string& got) {
    problem = message("has ", got, " where it does not belong, at key '", shown(key_), "'");
    return false;
  }

  int level_ = 0;  ///< 1 in the outer object, 2 in a tensor's or in the metadata
  bool in_metadata_ = false;
  std::string key_;
  std::set<std::string> names_;
  std::vector<int64_t>* numbers_ = nullptr;  ///< the list being read
};

DType dtype_from_name(const std::string& name, const std::string& subject) {
  std::string known;
  for (int i = 0; i <= static_cast<int>(DType::Bool); ++i) {
    const auto dtype = static_cast<DType>(i);
    if (name == dtype_name(dtype)) return dtype;
    known += std::string(i == 0 ? "" : ", ") + dtype_name(dtype);
  }
  throw FormatError(message(subject, ": expected one of the types ", known, ", got '", shown(name), "'"));
}

TensorView checked_tensor(const Entry& entry, std::span<const std::byte> data, const std::string& source) {
  const std::string subject = source + ": tensor '" + entry.name + "'";
  require<FormatError>(entry.dtype && entry.shape && entry.offsets && entry.offsets->size() == 2, subject,
                       ": expected dtype, shape and two data_offsets");
  TensorView tensor{dtype_from_name(*entry.dtype, subject), *entry.shape, nullptr};
  const int64_t begin = entry.offsets->front();
  const int64_t end = entry.offsets->back();
  require<FormatError>(begin <= end && end <= static_cast<int64_t>(data.size()), subject, ": its bytes ", begin, " to ",
                       end, " do not lie within the ", data.size(), " bytes that the file has for tensors");
  const auto bytes = checked_bytes(tensor.dtype, tensor.shape);
  require<FormatError>(bytes == end - begin, subject, ": expected ", bytes ? std::to_string(*bytes) : "too many",
                       " bytes by its shape, got ", end - begin);
  tensor.data = data.data() + begin;
  return tensor;
}

HeaderReader parse_header(std::span<const std::byte> text, const std::string& source) {
  HeaderReader header;
  const auto* begin = reinterpret_cast<const char*>(text.data());
  const bool parsed = !text.empty() && *begin == '{' && nlohmann::json::sax_parse(begin, begin + text.size(), &header);
  require<FormatError>(parsed, source, ": the header ",
                       header.problem.empty() ? "is not a JSON object" : header.problem);
  return header;
}

}  // namespace

StateDict safetensors_from_bytes(std::span<const std::byte> bytes, const std::string& source) {
  ByteReader reader(bytes, source);
  const auto length = reader.read<uint64_t>();
  require<FormatError>(length <= kMaxHeader && length <= reader.left(), source, ": expected a header of at most ",
                       std::min<uint64_t>(kMaxHeader, reader.left()), " bytes, got the length ", length,
                       "; the file is cut off or not in safetensors format");
  HeaderReader header = parse_header(reader.take(length), source);
  const auto data = reader.take(reader.left());
  StateDict weights(source);
  weights.set_metadata(std::move(header.metadata));
  for (const Entry& entry : header.entries) weights.add(entry.name, checked_tensor(entry, data, source));

  // Together the tensors cover every byte once.
  std::ranges::sort(header.entries, {}, [](const Entry& entry) { return *entry.offsets; });
  int64_t next = 0;
  for (const Entry& entry : header.entries) {
    require<FormatError>(entry.offsets->front() == next, source, ": tensor '", entry.name, "': expected its bytes at ",
                         next, ", after those of the tensor before it, got ", entry.offsets->front());
    next = entry.offsets->back();
  }
  require<FormatError>(next == static_cast<int64_t>(data.size()), source, ": expected ", next,
                       " bytes of tensors by the header, got ", data.size());
  return weights;
}

}  // namespace pictrieve
