// Private: how the components of an index write themselves to its file and read themselves back.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/index/file/index_file.h"

namespace pictrieve {

/// Collects sections, one part after another.
class SectionWriter {
 public:
  void begin(Part part) { part_ = part; }

  /// The values must stay where they are until the file is written.
  template <typename T>
  void borrow(SectionKind kind, std::span<const T> values) {
    sections_.push_back({kind, part_, values.data(), values.size_bytes()});
  }
  template <typename T>
  void copy(SectionKind kind, std::span<const T> values) {
    auto& bytes = copies_.emplace_back(values.size_bytes());
    if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
    sections_.push_back({kind, part_, bytes.data(), bytes.size()});
  }

  std::span<const Section> sections() const { return sections_; }

 private:
  Part part_ = Part::Index;
  std::vector<Section> sections_;
  std::deque<std::vector<unsigned char>> copies_;
};

/// A mapped section that was not verified on loading.
struct MappedSection {
  std::shared_ptr<const void> data;
  uint64_t bytes;
  uint64_t checksum;
};

/// Reads the sections of one part. Everything is verified, except what is mapped.
class SectionReader {
 public:
  SectionReader(const IndexFile& file, Part part, std::vector<MappedSection>* mapped)
      : file_(file), part_(part), mapped_(mapped) {}

  /// Of another part of the same file; copied, not mapped.
  SectionReader other(Part part) const { return {file_, part, nullptr}; }

  uint32_t version() const { return file_.version(); }
  bool has(SectionKind kind) const { return file_.has(kind, part_); }

  template <typename T>
  T read_struct(SectionKind kind) const {
    T value;
    file_.read(kind, part_, &value, sizeof(value));
    return value;
  }

  /// Part of a section, such as of an older version's header.
  template <typename T>
  T read_struct_at(SectionKind kind, size_t offset) const {
    const auto bytes = read<unsigned char>(kind);
    require_count(kind, offset + sizeof(T) <= bytes.size());
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(value));
    return value;
  }

  /// A section of any number of values.
  template <typename T>
  std::vector<T> read(SectionKind kind) const {
    const uint64_t bytes = file_.length(kind, part_);
    require_count(kind, bytes % sizeof(T) == 0);
    std::vector<T> values(bytes / sizeof(T));
    file_.read(kind, part_, values.data(), bytes);
    require_finite<T>(kind, values);
    return values;
  }

  /// A section of exactly `count` values.
  template <typename T>
  std::vector<T> read(SectionKind kind, int64_t count) const {
    require_count(kind, file_.length(kind, part_) == static_cast<uint64_t>(count) * sizeof(T));
    return read<T>(kind);
  }

  /// Fills a RowArray of `count` rows: mapped where the file is opened so and this part is the large one, else copied.
  template <typename Array>
  void read_rows(SectionKind kind, int64_t count, Array& rows) const {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(rows.data())>>;
    const uint64_t bytes = static_cast<uint64_t>(count) * static_cast<uint64_t>(rows.width()) * sizeof(T);
    require_count(kind, file_.length(kind, part_) == bytes);
    if (!mapped_) {
      T* values = rows.extend(count);
      file_.read(kind, part_, values, bytes);
      return require_finite<T>(kind, {values, bytes / sizeof(T)});
    }
    const std::shared_ptr<const void> data = file_.map(kind, part_);
    mapped_->push_back({data, bytes, file_.checksum_of(kind, part_)});
    rows.borrow(std::shared_ptr<const T[]>(data, static_cast<const T*>(data.get())), count);
  }

 private:
  /// Our own files hold no others; without this, one forged number would make searches miss what is there.
  template <typename T>
  void require_finite(SectionKind kind, std::span<const T> values) const {
    if constexpr (std::is_floating_point_v<T>)
      require<FormatError>(std::all_of(values.begin(), values.end(), [](T value) { return std::isfinite(value); }),
                           "index file ", file_.path(), ": section ", static_cast<uint32_t>(kind),
                           " holds NaN or infinity; rebuild it or restore a copy");
  }

  void require_count(SectionKind kind, bool right) const {
    require<FormatError>(right, "index file ", file_.path(), ": section ", static_cast<uint32_t>(kind),
                         " has a wrong length; rebuild it or restore a copy");
  }

  const IndexFile& file_;
  Part part_;
  std::vector<MappedSection>* mapped_;  ///< null where rows are copied
};

}  // namespace pictrieve
