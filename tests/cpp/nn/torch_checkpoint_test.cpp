#include "pictrieve/nn/torch_checkpoint.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

using std::string_literals::operator""s;

const std::string kMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s;
const std::string kVersion = "\x80\x02M\xe9\x03."s;
const std::string kSystem = "\x80\x02}X\x0d\0\0\0little_endian\x88s."s;
const std::string kKeys =
    "\x80\x02]X\x01\0\0\0"
    "0a."s;

template <typename T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

/// ('storage', torch.FloatStorage, '0', 'cpu', 6)
const std::string kStorage =
    "(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0"
    "0X\x03\0\0\0cpuK\x06tQ"s;
/// _rebuild_tensor_v2(storage, 0, (3, 2), (1, 3), False, OrderedDict()): the transpose of (2, 3)
const std::string kTensor = "ctorch._utils\n_rebuild_tensor_v2\n("s + kStorage +
                            "K\0K\x03K\x02\x86K\x01K\x03\x86\x89"s + "ccollections\nOrderedDict\n)RtR";
const std::string kDict = "\x80\x02}X\x01\0\0\0w"s + kTensor + "s.";

std::string legacy(const std::string& object, const std::string& numbers) {
  return kMagic + kVersion + kSystem + object + kKeys + numbers;
}

std::string six_numbers() {
  std::string bytes = raw(int64_t{6});
  for (int i = 0; i < 6; ++i) bytes += raw(static_cast<float>(i));
  return bytes;
}

/// A ZIP archive of stored files, as torch.save lays it out but without padding.
std::string zip(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string archive, directory;
  for (const auto& [name, data] : files) {
    const std::string facts = raw(uint64_t{0}) + raw(static_cast<uint32_t>(data.size())) +
                              raw(static_cast<uint32_t>(data.size())) + raw(static_cast<uint16_t>(name.size())) +
                              raw(uint16_t{0});
    directory += raw(0x02014b50) + raw(0) + facts.substr(0, 4) + raw(0) + raw(0) + facts.substr(8) + raw(uint64_t{0}) +
                 raw(uint16_t{0}) + raw(static_cast<uint32_t>(archive.size())) + name;
    archive +=
        raw(0x04034b50) + raw(uint16_t{0}) + facts.substr(0, 4) + raw(0) + raw(0) + facts.substr(8) + name + data;
  }
  const auto count = static_cast<uint16_t>(files.size());
  return archive + directory + raw(0x06054b50) + raw(0) + raw(count) + raw(count) +
         raw(static_cast<uint32_t>(directory.size())) + raw(static_cast<uint32_t>(archive.size())) + raw(uint16_t{0});
}

/// A TorchScript archive of this object.
std::string script(const std::string& object) {
  return zip({{"a/data.pkl", object}, {"a/constants.pkl", ""}, {"a/data/0", six_numbers().substr(8)}});
}

const std::string kModule =
    "\x80\x02"
    "c__torch__\nNet\n)\x81}X\1\0\0\0w"s +
    kTensor + "sb.";

StateDict parse(const std::string& file) {
  auto* copy = new std::byte[file.size()];
  const std::shared_ptr<const std::byte[]> owner(copy);
  std::memcpy(copy, file.data(), file.size());
  StateDict weights = torch_checkpoint_from_bytes({copy, file.size()}, "test");
  weights.keep({owner, owner.get()});
  return weights;
}

std::string refusal_of(const std::string& file) {
  try {
    const StateDict weights = parse(file);
    for (const auto& [name, tensor] : weights.tensors())
      for (int64_t i = 0; i < tensor.bytes(); ++i) (void)static_cast<volatile const std::byte*>(tensor.data)[i];
  } catch (const FormatError& e) {
    return e.what();
  }
  return "accepted";
}

void expect_refusal(const std::string& file, const std::string& expected) {
  EXPECT_NE(refusal_of(file).find(expected), std::string::npos)
      << "expected " << expected << ", got " << refusal_of(file);
}

TEST(TorchCheckpoint, ReadsBothFormatsAndMakesStridedTensorsContiguous) {
  const std::string numbers = six_numbers();
  const std::string archive = zip({{"a/data.pkl", kDict}, {"a/byteorder", "little"}, {"a/data/0", numbers.substr(8)}});
  for (const std::string& file : {legacy(kDict, numbers), archive}) {
    const StateDict weights = parse(file);
    EXPECT_EQ(weights.at("w").shape, (std::vector<int64_t>{3, 2}));
    EXPECT_EQ(weights.float32("w"), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  }
}

TEST(TorchCheckpoint, NamesTheCodeThatItDoesNotRun) {
  const std::string arguments = "(X\x02\0\0\0lstR."s;
  const std::string calls[] = {
      "\x80\x02"
      "cos\nsystem\n"s +
          arguments,
      "\x80\x02"
      "cbuiltins\neval\n"s +
          arguments,
      "\x80\x02(ios\nsystem\n."s,
      "\x80\x04\x8c\x02os\x8c\x06system\x93"s + arguments,
      "\x80\x02"
      "ctorch\nload\n"s +
          arguments,
      "(cos\nsystem\nX\x02\0\0\0lso."s};
  for (const std::string& call : calls) {
    expect_refusal(legacy(call, ""), call.find("eval") != std::string::npos    ? "builtins.eval"
                                     : call.find("torch") != std::string::npos ? "torch.load"
                                                                               : "os.system");
    expect_refusal(zip({{"a/data.pkl", call}}), "never executed");
  }
}

TEST(TorchCheckpoint, SaysWhatIsWrong) {
  const std::string numbers = six_numbers();
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string dict = kDict;
    dict.replace(dict.find(from), from.size(), to);
    return legacy(dict, numbers);
  };
  expect_refusal("", "a file of torch.save");
  expect_refusal(legacy(kDict, numbers + "x"), "1 more bytes");
  expect_refusal(legacy(kDict, numbers.substr(0, 20)), "cut off");
  expect_refusal(legacy(kDict, raw(int64_t{1} << 62) + numbers), "expected 6 numbers");
  expect_refusal(with("K\x06tQ", "K\x05tQ"), "ends beyond the 5 numbers");
  expect_refusal(with("cpuK\x06tQ", "cpu\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7ftQ"), "impossible size");
  expect_refusal(with("K\x03K\x02\x86K\x01", "K\x03K\x02\x86\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"), "ends beyond");
  expect_refusal(with("K\x03K\x02\x86K\x01K\x03\x86", "M\xff\xffM\xff\xff\x86K\0K\0\x86"s), "expanded");
  expect_refusal(with("K\0K\x03"s, "J\xff\xff\xff\xffK\x03"), "without storage, offset");
  expect_refusal(zip({{"a/data.pkl", "\x80\x02K\x01."}}), "holds an int, expected a dict of tensors");
  expect_refusal(zip({{"a/data.pkl", "\x80\x02}X\x01\0\0\0wK\x01s."s}}), "holds an int under 'w'");
  expect_refusal(legacy("\x80\x02X\xff\xff\xff\xff."s, ""), "cut off");
  expect_refusal(legacy("\x80\x02h\x01."s, ""), "did not remember");
  expect_refusal(legacy("\x80\x02X\x01\0\0\0\xff."s, ""), "not UTF-8");
  expect_refusal(zip({{"a/data.pkl", kDict}}), "lacks the storage '0'");
  expect_refusal(zip({{"a/data.pkl", kDict}, {"a/data/0", "123"}}), "expected 24 bytes, got 3");
  expect_refusal(zip({{"a/data.pkl", kDict}, {"b/data.pkl", kDict}}), "got several");
  expect_refusal(zip({{"a/data.pkl", kDict}, {"a/byteorder", "big"}}), "little-endian");
  expect_refusal(zip({{"a/other", ""}}), "no data.pkl");
}

TEST(TorchCheckpoint, NestedValuesOfAnyDepthNeedNoStack) {
  std::string deep = "\x80\x02";
  for (int i = 0; i < 1'000'000; ++i) deep += "]";
  for (int i = 1; i < 1'000'000; ++i) deep += "a";
  expect_refusal(zip({{"a/data.pkl", deep + "."}}), "holds a list");
  expect_refusal(legacy("\x80\x02" + std::string(2'000'001, 'N') + ".", ""), "more than 2000000 values");
}

/// Some kilobytes that copy one list again and again would be gigabytes.
TEST(TorchCheckpoint, CopiesOfOneListAreCounted) {
  const std::string nones(20'000, 'N');
  std::string lists = "\x80\x02]q\0("s + nones + "e", objects = "\x80\x02}q\0("s + nones + "u";
  for (int i = 0; i < 1000; ++i) {
    lists += "ctorch.jit._pickle\nrestore_type_tag\nh\0K\1\x86R"s;
    objects += "c__torch__\nNet\n)\x81h\0b"s;
  }
  expect_refusal(script(lists + "."), "more than 8000000 items");
  expect_refusal(script(objects + "."), "more than 8000000 items");
  const std::string copied_text =
      "\x80\x02"
      "ctorch.jit._pickle\nrestore_type_tag\nX\1\0\0\0aK\1\x86R."s;
  expect_refusal(script(copied_text), "with arguments that it does not take");
}

TEST(TorchCheckpoint, ReadsTheModulesOfAScript) {
  EXPECT_EQ(parse(script(kModule)).float32("w"), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  expect_refusal(script("\x80\x02"
                        "c__torch__\nNet\n)\x81q\0}X\1\0\0\0ah\0sb."s),
                 "modules within modules without end");
}

TEST(TorchCheckpoint, NoMutationDoesMoreThanBeRefused) {
  const std::string numbers = six_numbers();
  const std::string archive = zip({{"a/data.pkl", kDict}, {"a/byteorder", "little"}, {"a/data/0", numbers.substr(8)}});
  std::mt19937 random(1);
  for (const std::string& good : {legacy(kDict, numbers), archive, script(kModule)}) {
    for (size_t size = 0; size < good.size(); ++size) EXPECT_NE(refusal_of(good.substr(0, size)), "accepted") << size;
    for (int round = 0; round < 20000; ++round) {
      std::string bad = good;
      for (uint32_t flips = random() % 3 + 1; flips > 0; --flips) bad[random() % bad.size()] ^= char(1 << random() % 8);
      refusal_of(bad);  // anything but FormatError ends the test
    }
  }
}

}  // namespace
}  // namespace pictrieve
