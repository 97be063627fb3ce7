#include "pictrieve/nn/key_map.h"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

using Rules = std::vector<KeyRule>;
using Shape = std::vector<int64_t>;

/// Adds float32 numbers first, first + 1, ...
void add(StateDict& weights, const std::string& name, const Shape& shape, float first = 0) {
  const TensorView view{DType::F32, shape, nullptr};
  const auto numbers = std::make_shared<std::vector<float>>(view.count());
  std::iota(numbers->begin(), numbers->end(), first);
  weights.keep(numbers);
  weights.add(name, {DType::F32, shape, reinterpret_cast<const std::byte*>(numbers->data())});
}

std::vector<std::string> names_of(const StateDict& weights) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : weights.tensors()) names.push_back(name);
  return names;
}

void expect_same(const StateDict& a, const StateDict& b) {
  ASSERT_EQ(names_of(a), names_of(b));
  EXPECT_EQ(a.fingerprint(), b.fingerprint());
}

template <typename Call>
std::string refusal_of(const Call& call) {
  try {
    call();
  } catch (const FormatError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(KeyMap, NoRulesChangeNothing) {
  StateDict weights;
  add(weights, "stem.weight", {2, 3});
  expect_same(from_layout(weights, {}), weights);
  expect_same(to_layout(weights, {}), weights);
}

TEST(KeyMap, PrefixesEndAtADotAndBracesAreOneWord) {
  StateDict theirs;
  for (const char* name : {"vit.layer.0.norm.weight", "vit.layer.0.norm.bias", "vit.layer.11.norm.weight",
                           "vit.layer.0.normal.weight", "vit.layer.0.1.norm.weight", "other"})
    add(theirs, name, {1});
  const Rules rules{{"blocks.{}.norm1", "vit.layer.{}.norm"}};
  const StateDict ours = from_layout(theirs, rules);
  EXPECT_EQ(names_of(ours),
            (std::vector<std::string>{"blocks.0.norm1.bias", "blocks.0.norm1.weight", "blocks.11.norm1.weight", "other",
                                      "vit.layer.0.1.norm.weight", "vit.layer.0.normal.weight"}));
  EXPECT_EQ(ours.at("blocks.0.norm1.weight").data, theirs.at("vit.layer.0.norm.weight").data) << "borrowed";
  expect_same(to_layout(ours, rules), theirs);
}

TEST(KeyMap, BracesAreFilledInTheirOrder) {
  StateDict theirs;
  add(theirs, "stages.2.layers.7.weight", {1});
  const Rules rules{{"features.{}.block{}", "stages.{}.layers.{}"}};
  const StateDict ours = from_layout(theirs, rules);
  EXPECT_EQ(names_of(ours), std::vector<std::string>{"features.2.block7.weight"});
  expect_same(to_layout(ours, rules), theirs);
}

TEST(KeyMap, TheirsIsCutIntoSharesOfOurs) {
  StateDict theirs;
  add(theirs, "probe.in_proj", {6, 2});
  const Rules rules{{"pool.q|pool.kv*2", "probe.in_proj"}};
  const StateDict ours = from_layout(theirs, rules);
  EXPECT_EQ(names_of(ours), (std::vector<std::string>{"pool.kv", "pool.q"}));
  EXPECT_EQ(ours.at("pool.q").shape, (Shape{2, 2}));
  EXPECT_EQ(ours.at("pool.kv").shape, (Shape{4, 2}));
  EXPECT_EQ(ours.float32("pool.kv")[0], 4);
  expect_same(to_layout(ours, rules), theirs);
  StateDict odd;
  add(odd, "probe.in_proj", {7, 2});
  EXPECT_NE(refusal_of([&] { from_layout(odd, rules); }).find("expected 3 equal shares, got F32 (7, 2)"),
            std::string::npos);
}

TEST(KeyMap, AxesOfLengthOneThatOnlyOursHasInFront) {
  StateDict theirs;
  add(theirs, "class_embedding", {4});
  add(theirs, "positional_embedding", {5, 4});
  const Rules rules{{"cls_token", "class_embedding--"}, {"pos_embed", "positional_embedding-"}};
  const StateDict ours = from_layout(theirs, rules);
  EXPECT_EQ(ours.at("cls_token").shape, (Shape{1, 1, 4}));
  EXPECT_EQ(ours.at("pos_embed").shape, (Shape{1, 5, 4}));
  expect_same(to_layout(ours, rules), theirs);
}

TEST(KeyMap, TheFirstRuleThatFitsIsTaken) {
  StateDict theirs;
  add(theirs, "encoder.norm.gamma", {1});
  add(theirs, "encoder.mix.weight", {1});
  const Rules rules{{"norm.weight", "encoder.norm.gamma"}, {"body", "encoder"}};
  const StateDict ours = from_layout(theirs, rules);
  EXPECT_EQ(names_of(ours), (std::vector<std::string>{"body.mix.weight", "norm.weight"}));
  expect_same(to_layout(ours, rules), theirs);
}

TEST(KeyMap, WhatOursDoesNotNameIsLeftOut) {
  StateDict theirs;
  add(theirs, "cls.bias", {1});
  add(theirs, "clsless.bias", {1});
  const Rules rules{{"", "cls"}};
  const StateDict ours = from_layout(theirs, rules);
  EXPECT_EQ(names_of(ours), std::vector<std::string>{"clsless.bias"});
  expect_same(to_layout(ours, rules), ours);
}

TEST(KeyMap, PartsAreStackedAndCutAgain) {
  const Rules rules{{"blocks.{}.qkv", "layer.{}.q|layer.{}.k|layer.{}.v"}};
  StateDict theirs;
  for (const auto& [part, first] : {std::pair{"q", 0.F}, {"k", 4.F}, {"v", 8.F}}) {
    add(theirs, std::string("layer.3.") + part + ".weight", {2, 2}, first);
    add(theirs, std::string("layer.3.") + part + ".bias", {2}, first);
  }
  const StateDict ours = from_layout(theirs, rules);
  EXPECT_EQ(names_of(ours), (std::vector<std::string>{"blocks.3.qkv.bias", "blocks.3.qkv.weight"}));
  EXPECT_EQ(ours.at("blocks.3.qkv.weight").shape, (Shape{6, 2}));
  EXPECT_EQ(ours.float32("blocks.3.qkv.weight"), (std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  expect_same(to_layout(ours, rules), theirs);
}

TEST(KeyMap, OursMayBeThePartsOfTheirs) {
  const Rules rules{{"h.{}.q.weight|h.{}.k.weight|h.{}.v.weight", "blocks.{}.in_proj_weight"}, {"mix.q|mix.kv*2", "m"}};
  StateDict theirs;
  add(theirs, "blocks.0.in_proj_weight", {6, 1});
  add(theirs, "m.weight", {6, 2});
  const StateDict ours = from_layout(theirs, rules);
  EXPECT_EQ(ours.float32("h.0.k.weight"), (std::vector<float>{2, 3}));
  EXPECT_EQ(ours.at("mix.q.weight").shape, (Shape{2, 2}));
  EXPECT_EQ(ours.float32("mix.kv.weight"), (std::vector<float>{4, 5, 6, 7, 8, 9, 10, 11}));
  expect_same(to_layout(ours, rules), theirs);
  EXPECT_EQ(name_in_layout("h.0.v.weight", rules), "blocks.0.in_proj_weight");
}

TEST(KeyMap, MatricesAreTransposedAndBiasesStay) {
  const Rules rules{{"projection.weight", "text_projection'"}, {"fc", "dense'"}};
  StateDict theirs;
  add(theirs, "text_projection", {2, 3});
  add(theirs, "dense.weight", {3, 1});
  add(theirs, "dense.bias", {1});
  const StateDict ours = from_layout(theirs, rules);
  EXPECT_EQ(ours.at("projection.weight").shape, (Shape{3, 2}));
  EXPECT_EQ(ours.float32("projection.weight"), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(ours.at("fc.weight").shape, (Shape{1, 3}));
  EXPECT_EQ(ours.at("fc.bias").shape, Shape{1});
  expect_same(to_layout(ours, rules), theirs);
}

TEST(KeyMap, AxesOfLengthOneComeAndGo) {
  const Rules rules{{"gamma", "layer_scale++"}, {"cls_token", "class_embedding--"}};
  StateDict theirs;
  add(theirs, "layer_scale", {4, 1, 1});
  add(theirs, "class_embedding", {5});
  const StateDict ours = from_layout(theirs, rules);
  EXPECT_EQ(ours.at("gamma").shape, Shape{4});
  EXPECT_EQ(ours.at("cls_token").shape, (Shape{1, 1, 5}));
  expect_same(to_layout(ours, rules), theirs);
}

TEST(KeyMap, SaysWhichPartsDoNotFit) {
  const Rules stacked{{"qkv", "q|k|v"}};
  StateDict missing("file");
  add(missing, "q.weight", {2, 2});
  add(missing, "k.weight", {2, 2});
  EXPECT_NE(refusal_of([&] { from_layout(missing, stacked); }).find("'v.weight'"), std::string::npos);
  StateDict narrow("file");
  add(narrow, "q.weight", {2, 2});
  add(narrow, "k.weight", {2, 1});
  add(narrow, "v.weight", {2, 2});
  EXPECT_NE(refusal_of([&] { from_layout(narrow, stacked); }).find("'k.weight' and 'q.weight'"), std::string::npos);
  StateDict uneven("file");
  add(uneven, "qkv.weight", {7, 2});
  EXPECT_NE(refusal_of([&] { to_layout(uneven, stacked); }).find("expected 3 equal shares"), std::string::npos);
}

TEST(KeyMap, TheFirstLayoutWhoseMarkAFileBearsIsTaken) {
  const std::vector<Layout> layouts{{"a", "pooler", [](const NetworkConfig&) { return Rules{{"", "pooler"}}; }},
                                    {"b", "model.{}.q", [](const NetworkConfig&) { return Rules{{"q", "model"}}; }}};
  StateDict weights;
  add(weights, "model.0.q.weight", {1});
  EXPECT_EQ(rules_for(weights, layouts, {}).at(0).theirs, "model");
  add(weights, "pooler.bias", {1});
  EXPECT_EQ(rules_for(weights, layouts, {}).at(0).theirs, "pooler");
  StateDict own;
  add(own, "q.weight", {1});
  EXPECT_TRUE(rules_for(own, layouts, {}).empty());
}

TEST(KeyMap, NamesForMessages) {
  const Rules rules{{"", "pooler"}, {"blocks.{}.qkv", "layer.{}.q|layer.{}.k"}, {"fc.weight", "dense'"}};
  EXPECT_EQ(name_in_layout("blocks.3.qkv.bias", rules), "layer.3.q.bias");
  EXPECT_EQ(name_in_layout("fc.weight", rules), "dense");
  EXPECT_EQ(name_in_layout("norm.weight", rules), "norm.weight");
}

}  // namespace
}  // namespace pictrieve
