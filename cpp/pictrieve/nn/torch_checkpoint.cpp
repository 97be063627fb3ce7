#include "pictrieve/nn/torch_checkpoint.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "pictrieve/base/error.h"
#include "pictrieve/base/matrix.h"
#include "pictrieve/nn/torch_objects.h"
#include "pictrieve/nn/zip.h"

namespace pictrieve {
namespace {

using Bytes = std::span<const std::byte>;
using Kind = PickleValue::Kind;
using std::string_view_literals::operator""sv;

constexpr std::string_view kZipMagic = "PK\x03\x04"sv;
// With the pickled number 0x1950a86a20f9469cfc6c the older format begins (torch/serialization.py).
constexpr std::string_view kLegacyMagic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."sv;
constexpr int64_t kLegacyVersion = 1001;

bool begins_with(Bytes bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

/// Where the older format goes on after its magic number; 0 where it does not begin with it. The number follows the
/// pickle protocol (0x80, version) and from version 4 on the length of a frame (0x95, 8 bytes).
size_t legacy_begin(Bytes bytes) {
  for (const size_t prefix : {2, 11}) {
    const size_t end = prefix + kLegacyMagic.size();
    if (bytes.size() >= end && bytes[0] == std::byte{0x80} && begins_with(bytes.subspan(prefix), kLegacyMagic))
      return end;
  }
  return 0;
}

/// Copies of strided tensors may together take this much; honest files stay far below.
int64_t copy_limit(Bytes file) { return 4 * static_cast<int64_t>(file.size()); }

/// The archive has one folder of any name; what it holds is found by the one "data.pkl".
std::string archive_folder(const ZipFiles& files, const std::string& source) {
  constexpr std::string_view kPickle = "/data.pkl";
  std::string folder;
  for (const auto& [name, bytes] : files.stored) {
    if (!name.ends_with(kPickle) || name.find('/') != name.size() - kPickle.size()) continue;
    require<FormatError>(folder.empty(), source, ": expected one data.pkl in the archive, got several");
    folder = name.substr(0, name.size() - kPickle.size() + 1);
  }
  require<FormatError>(!folder.empty() || files.packed.empty(), source, ": '",
                       files.packed.empty() ? "" : shown(*files.packed.begin()),
                       "' is compressed or encrypted, expected a file that torch.save wrote");
  require<FormatError>(!folder.empty(), source, ": the archive has no data.pkl, so it is not from torch.save");
  return folder;
}

StateDict from_zip(Bytes bytes, const std::string& source) {
  const ZipFiles files = read_zip(bytes, source);
  const std::string folder = archive_folder(files, source);
  const auto& entries = files.stored;
  if (const auto order = entries.find(folder + "byteorder"); order != entries.end())
    require<FormatError>(begins_with(order->second, "little"), source, ": expected little-endian numbers");
  // A TorchScript archive holds its code beside the data, compressed; only the data is read.
  TorchObjects objects(source, entries.contains(folder + "constants.pkl"));
  ByteReader stream(entries.at(folder + "data.pkl"), source);
  PickleReader pickle(stream, objects.rules());
  const PickleValue& root = pickle.read();
  StateDict copies;
  for (TorchStorage& storage : objects.storages()) {
    const auto entry = entries.find(folder + "data/" + storage.key);
    const bool packed = files.packed.contains(folder + "data/" + storage.key);
    require<FormatError>(entry != entries.end(), source, ": the archive ", packed ? "has compressed" : "lacks",
                         " the storage '", shown(storage.key), "'");
    require<FormatError>(static_cast<int64_t>(entry->second.size()) == storage.bytes(), source, ": storage '",
                         shown(storage.key), "': expected ", storage.bytes(), " bytes, got ", entry->second.size());
    // An owner of its own aligns the bytes once for all tensors that share them.
    copies.add(storage.key, {storage.dtype, {storage.count}, entry->second.data()});
    storage.data = copies.at(storage.key).data;
  }
  StateDict weights = objects.collect(root, copy_limit(bytes));
  for (const auto& memory : copies.memory()) weights.keep(memory);
  return weights;
}

/// The pickled facts about the writing machine: only the order of its bytes matters.
void check_system(const PickleValue& facts, const std::string& source) {
  bool little = false;
  for (size_t i = 0; facts.kind == Kind::Dict && i < facts.items.size(); i += 2)
    if (facts.items[i]->text == "little_endian") little = facts.items[i + 1]->integer == 1;
  require<FormatError>(little, source, ": expected little-endian numbers");
}

/// After the pickles: for each key in the order of `keys` a count and the numbers.
StateDict read_storages(ByteReader& stream, const PickleValue& keys, std::vector<TorchStorage>& storages) {
  require<FormatError>(keys.kind == Kind::List, stream.source(), ": expected a list of storages, got ",
                       kind_name(keys));
  std::map<std::string_view, TorchStorage*> awaited;
  for (TorchStorage& storage : storages) awaited.emplace(storage.key, &storage);
  StateDict copies(stream.source());
  for (const PickleValue* key : keys.items) {
    const auto found = awaited.find(key->text);
    require<FormatError>(found != awaited.end(), stream.source(), ": has a storage '", shown(key->text),
                         "' twice or without a tensor");
    TorchStorage& storage = *found->second;
    const auto count = stream.read<int64_t>();
    require<FormatError>(count == storage.count, stream.source(), ": storage '", shown(storage.key), "': expected ",
                         storage.count, " numbers, got ", count);
    copies.add(storage.key, {storage.dtype, {count}, stream.take(static_cast<uint64_t>(storage.bytes())).data()});
    storage.data = copies.at(storage.key).data;
    awaited.erase(found);
  }
  require<FormatError>(awaited.empty(), stream.source(), ": lacks ", awaited.size(), " of its storages");
  require<FormatError>(stream.left() == 0, stream.source(), ": expected its end at offset ", stream.position(),
                       ", got ", stream.left(), " more bytes");
  return copies;
}

StateDict from_pickles(Bytes bytes, const std::string& source) {
  ByteReader stream(bytes, source);
  stream.seek(legacy_begin(bytes));
  TorchObjects objects(source, false);
  PickleReader pickle(stream, objects.rules());
  const PickleValue& version = pickle.read();
  require<FormatError>(version.kind == Kind::Int && version.integer == kLegacyVersion, source,
                       ": expected version 1001 of torch.save's format, got ", version.integer);
  check_system(pickle.read(), source);
  const PickleValue& root = pickle.read();
  const StateDict copies = read_storages(stream, pickle.read(), objects.storages());
  StateDict weights = objects.collect(root, copy_limit(bytes));
  for (const auto& memory : copies.memory()) weights.keep(memory);
  return weights;
}

}  // namespace

bool is_torch_checkpoint(Bytes bytes) { return begins_with(bytes, kZipMagic) || legacy_begin(bytes) > 0; }

StateDict torch_checkpoint_from_bytes(Bytes bytes, const std::string& source) {
  require<FormatError>(is_torch_checkpoint(bytes), source,
                       ": expected a file of torch.save (a ZIP archive, or PyTorch's magic number), got other bytes");
  return begins_with(bytes, kZipMagic) ? from_zip(bytes, source) : from_pickles(bytes, source);
}

}  // namespace pictrieve
