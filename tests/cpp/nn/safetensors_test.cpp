#include "pictrieve/nn/safetensors.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>

#include "pictrieve/base/error.h"
#include "pictrieve/base/parallel.h"

namespace pictrieve {
namespace {

namespace fs = std::filesystem;

std::string file_of(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

/// From memory of exactly the right size, so that a sanitizer sees every step beyond it.
StateDict parse(const std::string& file) {
  auto* copy = new std::byte[file.size()];
  const std::shared_ptr<const std::byte[]> owner(copy);
  std::memcpy(copy, file.data(), file.size());
  StateDict weights = safetensors_from_bytes({copy, file.size()}, "test");
  weights.keep({owner, owner.get()});
  return weights;
}

std::string refusal_of(const std::string& file) {
  try {
    parse(file);
  } catch (const FormatError& e) {
    return e.what();
  }
  return "accepted";
}

const std::string kTwoTensors =
    R"({"__metadata__":{"by":"hand"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
    R"("b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})";

std::vector<std::string> names_of(const StateDict& weights) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : weights.tensors()) names.push_back(name);
  return names;
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() { fs::create_directories(path_); }
  ~TemporaryDirectory() { fs::remove_all(path_); }
  std::string file(const char* name) const { return path_ / name; }

 private:
  fs::path path_ = fs::temp_directory_path() / message("pictrieve_weights_", std::random_device{}());
};

TEST(Safetensors, ReadsTensorsAndMetadata) {
  const StateDict weights = parse(file_of(kTwoTensors, std::string("\0\0\x80\x3f\0\0\0\x40xyz", 11)));
  EXPECT_EQ(names_of(weights), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(weights.metadata().at("by"), "hand");
  EXPECT_EQ(weights.at("a").shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(weights.float32("a"), (std::vector<float>{1, 2}));
  EXPECT_EQ(weights.float32_span("a")[1], 2);
  EXPECT_EQ(static_cast<char>(weights.at("b").data[2]), 'z');
  EXPECT_THROW(weights.float32("b"), FormatError);
  EXPECT_THROW(weights.float32_span("b"), FormatError);
}

TEST(Safetensors, NamesTheMissingTensorAndItsNeighbours) {
  const StateDict weights = parse(file_of(kTwoTensors, std::string(11, '\0')));
  try {
    weights.at("aa");
    FAIL();
  } catch (const FormatError& e) {
    EXPECT_STREQ(e.what(), "test: expected a tensor 'aa'; the most similar of its 2: 'a', 'b'");
  }
}

TEST(Safetensors, SaysWhatIsWrong) {
  const auto header = [](const std::string& tensors) { return file_of("{" + tensors + "}", std::string(8, '\0')); };
  const auto tensor = [&](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return header(R"("a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}");
  };
  const std::string half = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  const std::pair<std::string, std::string> cases[] = {
      {"", "cut off"},
      {std::string(8, '\xff') + "{}", "a header of at most"},
      {file_of("[]", ""), "not a JSON object"},
      {file_of("{\"a\":", ""), "not JSON"},
      {header(half), "expected 4 bytes of tensors by the header, got 8"},
      {header(half + "," + half), "a second entry"},
      {header(half + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})"), "after those of the tensor before"},
      {tensor("F32", "[2]", "[8,0]"), "do not lie within"},
      {tensor("F32", "[4]", "[0,16]"), "do not lie within"},
      {tensor("F32", "[1]", "[4,8]"), "expected its bytes at 0"},
      {tensor("F32", "[3]", "[0,8]"), "expected 12 bytes by its shape, got 8"},
      {tensor("F32", "[4294967296,4294967296]", "[0,8]"), "expected too many bytes"},
      {tensor("F32", "[-2]", "[0,8]"), "a negative number"},
      {tensor("F32", "[18446744073709551615]", "[0,8]"), "where it does not belong"},
      {tensor("F32", "[[2]]", "[0,8]"), "a list where it does not belong"},
      {tensor("F32", "[2]", "[0]"), "expected dtype, shape and two data_offsets"},
      {tensor("C64", "[1]", "[0,8]"), "got 'C64'"},
      {header(R"("a":{"dtype":"U8","shape":[8],"data_offsets":[0,8],"x":{}})"), "an object"},
      {file_of(R"({"__metadata__":{"a":1}})", ""), "the number 1"},
      {file_of(std::string(100000, '[') + std::string(100000, ']'), ""), "not a JSON object"},
      {file_of("{\"a\":" + std::string(100000, '['), ""), "a list"},
  };
  for (const auto& [file, expected] : cases)
    EXPECT_NE(refusal_of(file).find(expected), std::string::npos) << expected << " / " << refusal_of(file);
}

TEST(Safetensors, NoMutationDoesMoreThanBeRefused) {
  const std::string good = file_of(kTwoTensors, "0123456789a");
  ASSERT_EQ(refusal_of(good), "accepted");
  for (size_t size = 0; size < good.size(); ++size) EXPECT_NE(refusal_of(good.substr(0, size)), "accepted") << size;
  EXPECT_NE(refusal_of(good + "x"), "accepted");
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::string bad = good;
    for (uint32_t flips = random() % 3 + 1; flips > 0; --flips) bad[random() % bad.size()] ^= char(1 << random() % 8);
    refusal_of(bad);  // anything but FormatError ends the test
  }
}

TEST(Safetensors, MisalignedTensorsAreCopied) {
  const std::string header =
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F64","shape":[],"data_offsets":[1,9]}})";
  const double value = -2.5;
  const StateDict weights = parse(file_of(header, "x" + std::string(reinterpret_cast<const char*>(&value), 8)));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(weights.at("b").data) % 8, 0);
  EXPECT_EQ(weights.float32("b"), std::vector<float>{-2.5});
}

TEST(StateDict, ConvertsEveryHalfExactly) {
  std::vector<uint16_t> bits(65536);
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<uint16_t>(i);
  StateDict weights;
  weights.add("half", {DType::F16, {65536}, reinterpret_cast<const std::byte*>(bits.data())});
  weights.add("bfloat", {DType::BF16, {65536}, reinterpret_cast<const std::byte*>(bits.data())});
  const auto halves = weights.float32("half");
  for (size_t i = 0; i < bits.size(); ++i) {
    const auto expected = static_cast<float>(std::bit_cast<_Float16>(bits[i]));
    const bool same = std::bit_cast<uint32_t>(halves[i]) == std::bit_cast<uint32_t>(expected);
    ASSERT_TRUE(same || (std::isnan(expected) && std::isnan(halves[i]))) << i;
  }
  EXPECT_EQ(weights.float32("bfloat")[0x3f80], 1);
}

TEST(StateDict, FingerprintTellsContentsApartWhateverTheirOrder) {
  std::vector<float> numbers(3'000'000);
  std::iota(numbers.begin(), numbers.end(), 0.0F);
  const auto* bytes = reinterpret_cast<const std::byte*>(numbers.data());
  const auto fingerprint = [&](const char* name, std::vector<int64_t> shape, DType dtype = DType::F32) {
    StateDict weights;
    weights.add("z", {DType::F32, {2}, bytes});
    weights.add(name, {dtype, std::move(shape), bytes});
    return weights.fingerprint();
  };
  const std::string original = fingerprint("a", {3000, 1000});
  set_num_threads(1);
  EXPECT_EQ(fingerprint("a", {3000, 1000}), original);
  set_num_threads(2);
  EXPECT_NE(fingerprint("b", {3000, 1000}), original);
  EXPECT_NE(fingerprint("a", {1000, 3000}), original);
  EXPECT_NE(fingerprint("a", {3000, 1000}, DType::I32), original);
  numbers.back() += 1;
  EXPECT_NE(fingerprint("a", {3000, 1000}), original);
}

TEST(WriteSafetensors, ReplacesTheFileWhileTheOldOneStaysReadable) {
  const TemporaryDirectory directory;
  const std::array<double, 3> numbers{1, 2, 3};
  const auto* bytes = reinterpret_cast<const std::byte*>(numbers.data());
  const std::string path = directory.file("a.safetensors");
  write_safetensors(path, {{"x", {DType::F64, {3}, bytes}}, {"empty", {DType::F16, {0, 4}, nullptr}}}, {{"k", "v"}});
  const StateDict first = read_weights(path);
  write_safetensors(path, {{"x", {DType::F64, {1}, bytes + 16}}});
  EXPECT_EQ(first.float32("x"), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(first.at("empty").shape, (std::vector<int64_t>{0, 4}));
  EXPECT_EQ(first.metadata().at("k"), "v");
  EXPECT_EQ(read_weights(path).float32("x"), std::vector<float>{3});
  EXPECT_EQ(std::distance(fs::directory_iterator(fs::path(path).parent_path()), {}), 1);
  EXPECT_THROW(write_safetensors(directory.file("no/such/a"), {}), FileError);
  EXPECT_THROW(write_safetensors(path, {{"\xff", {DType::F64, {1}, bytes}}}), std::invalid_argument);
}

TEST(ReadWeights, FindsShardsAndSaysWhatItLookedFor) {
  const TemporaryDirectory directory;
  const std::string folder = fs::path(directory.file("x")).parent_path();
  try {
    read_weights(folder);
    FAIL();
  } catch (const FileError& e) {
    EXPECT_NE(std::string(e.what()).find("model.safetensors.index.json, pytorch_model.bin, *.pth"), std::string::npos);
  }
  const float one = 1;
  const TensorView tensor{DType::F32, {1}, reinterpret_cast<const std::byte*>(&one)};
  write_safetensors(directory.file("1.safetensors"), {{"a", tensor}});
  write_safetensors(directory.file("2.safetensors"), {{"b", tensor}});
  const auto index = [&](const char* map) { std::ofstream(directory.file("model.safetensors.index.json")) << map; };
  index(R"({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})");
  EXPECT_EQ(names_of(read_weights(folder)), (std::vector<std::string>{"a", "b"}));
  for (const char* bad : {R"({"weight_map": {"a": "../1.safetensors"}})", R"({"weight_map": {"c": "1.safetensors"}})",
                          R"({"weight_map": {"a": ".."}})", R"({"weight_map": 1})", "[1", ""}) {
    index(bad);
    EXPECT_THROW(read_weights(folder), FormatError) << bad;
  }
  EXPECT_THROW(read_weights(directory.file("absent")), FileError);
}

}  // namespace
}  // namespace pictrieve
