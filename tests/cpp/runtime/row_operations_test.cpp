#include "pictrieve/runtime/row_operations.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "reference.h"

namespace pictrieve {
namespace {

constexpr int64_t kRows = 5;
constexpr int64_t kGap = 3;  // numbers between the rows of inputs that are part of wider rows

Node node_of(OpKind kind, std::vector<Weight> weights = {}) {
  Node node;
  node.kind = kind;
  node.inputs = {0};
  node.weights = std::move(weights);
  return node;
}

/// Rows of `width` random numbers, with gaps or without.
struct Rows {
  Rows(int64_t width, unsigned seed, int64_t gap) : values(random_values(kRows * (width + gap), seed)) {
    view = {values.data(), width + gap};
  }
  std::vector<float> values;
  RowView view;
};

using Expected = std::function<double(int64_t row, int64_t column)>;

void expect_result(Node node, RowOperands operands, const Expected& expected) {
  operands.rows = kRows;
  for (const Activation activation : {Activation::None, Activation::Silu}) {
    std::vector<float> out(kRows * operands.width, NAN);
    node.activation = activation;
    operands.out = out.data();
    execute_row_operation(node, operands);
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t j = 0; j < operands.width; ++j)
        EXPECT_NEAR(out[i * operands.width + j], activated(expected(i, j), activation), 2e-6) << i << ", " << j;
  }
}

TEST(RowOperations, LinearAddsItsSecondInput) {
  const auto weights = random_values(40 * 9, 1), bias = random_values(40, 2);
  const PackedMatrix matrix = pack_matrix(weights.data(), bias.data(), 40, 9);
  for (const int64_t gap : {int64_t{0}, kGap}) {
    const Rows x(9, 3, gap), second(40, 4, gap);
    for (const bool adds : {false, true}) {
      const Expected expected = [&](int64_t i, int64_t j) {
        double sum = bias[j] + (adds ? second.view.row(i)[j] : 0.0F);
        for (int64_t k = 0; k < 9; ++k) sum += double{x.view.row(i)[k]} * weights[j * 9 + k];
        return sum;
      };
      const RowView other = adds ? second.view : RowView{};
      expect_result(node_of(OpKind::Linear), {.width = 40, .inputs = {x.view, other}, .matrix = &matrix}, expected);
    }
  }
}

TEST(RowOperations, EmbeddingAddsItsSecondInput) {
  const Weight table = owned_weight(random_values(7 * 20, 1), {7, 20});
  const std::vector<int32_t> ids{6, 0, 3, 3, 1};
  const Rows second(20, 2, kGap);
  for (const bool adds : {false, true}) {
    const Expected expected = [&](int64_t i, int64_t j) {
      return double{table.data[ids[i] * 20 + j]} + (adds ? second.view.row(i)[j] : 0.0F);
    };
    const RowView other = adds ? second.view : RowView{};
    expect_result(node_of(OpKind::Embedding, {table}), {.width = 20, .inputs = {RowView{}, other}, .ids = ids.data()},
                  expected);
  }
}

TEST(RowOperations, TwoValuesOrAVectorForAll) {
  for (const int64_t gap : {int64_t{0}, kGap}) {
    const Rows a(33, 1, gap), b(33, 2, gap);
    for (const RowView& other : {b.view, RowView{b.view.data, 0}}) {
      expect_result(node_of(OpKind::Add), {.width = 33, .inputs = {a.view, other}},
                    [&](int64_t i, int64_t j) { return double{a.view.row(i)[j]} + other.row(i)[j]; });
      expect_result(node_of(OpKind::Multiply), {.width = 33, .inputs = {a.view, other}},
                    [&](int64_t i, int64_t j) { return double{a.view.row(i)[j]} * other.row(i)[j]; });
    }
    const Weight factors = owned_weight(random_values(33, 3), {33});
    expect_result(node_of(OpKind::Scale, {factors}), {.width = 33, .inputs = {a.view}},
                  [&](int64_t i, int64_t j) { return double{a.view.row(i)[j]} * factors.data[j]; });
  }
}

TEST(RowOperations, PartsAndActivations) {
  for (const int64_t gap : {int64_t{0}, kGap}) {
    const Rows x(33, 1, gap);
    Node columns = node_of(OpKind::Columns);
    columns.begin = 4;
    expect_result(columns, {.width = 10, .inputs = {x.view}},
                  [&](int64_t i, int64_t j) { return x.view.row(i)[4 + j]; });
    expect_result(node_of(OpKind::Activate), {.width = 33, .inputs = {x.view}},
                  [&](int64_t i, int64_t j) { return x.view.row(i)[j]; });
  }
}

TEST(RowOperations, TheResultMayTakeTheFirstInputsPlace) {
  const Rows x(33, 1, 0);
  std::vector<float> out = x.values;
  Node silu = node_of(OpKind::Activate);
  silu.activation = Activation::Silu;
  execute_row_operation(silu, {.rows = kRows, .width = 33, .inputs = {RowView{out.data(), 33}}, .out = out.data()});
  for (size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], activated(x.values[i], Activation::Silu), 1e-6);
}

TEST(RowOperations, LayerNormWithAndWithoutShift) {
  const Rows x(24, 1, kGap);
  const Weight scale = owned_weight(random_values(24, 2), {24}), shift = owned_weight(random_values(24, 3), {24});
  for (const bool shifted : {true, false}) {
    Node norm = node_of(OpKind::LayerNorm, {scale, shifted ? shift : Weight{}});
    norm.epsilon = 0.5;
    expect_result(norm, {.width = 24, .inputs = {x.view}}, [&](int64_t i, int64_t j) {
      double mean = 0, variance = 0;
      for (int64_t k = 0; k < 24; ++k) mean += x.view.row(i)[k] / 24.0;
      for (int64_t k = 0; k < 24; ++k) variance += std::pow(x.view.row(i)[k] - mean, 2) / 24.0;
      const double unit = (x.view.row(i)[j] - mean) / std::sqrt(variance + 0.5);
      return unit * scale.data[j] + (shifted ? shift.data[j] : 0);
    });
  }
}

TEST(RowOperations, RotaryTurnsEachPairByItsOwnAngle) {
  const Rows x(16, 1, kGap);
  const std::vector<int32_t> positions{0, 1, 2, 511, 40};
  Node rotary = node_of(OpKind::Rotary);
  rotary.attention.heads = 2;
  rotary.base = 10000;
  const RowOperands operands{.width = 16, .inputs = {x.view}, .ids = positions.data()};
  expect_result(rotary, operands, [&](int64_t i, int64_t j) {
    const int64_t place = j % 8, pair = place % 4;
    const double angle = static_cast<float>(positions[i]) * (1 / std::pow(10000.0F, static_cast<float>(pair) / 4));
    const double here = x.view.row(i)[j], other = x.view.row(i)[place < 4 ? j + 4 : j - 4];
    return here * std::cos(angle) + (place < 4 ? -1 : 1) * other * std::sin(angle);
  });
}

TEST(RowOperations, WidthsMustFit) {
  const auto width = [](const Node& node, std::vector<int64_t> inputs) { return row_width(node, inputs); };
  const Node linear = node_of(OpKind::Linear, {owned_weight(std::vector<float>(6), {3, 2}), Weight{}});
  EXPECT_EQ(width(linear, {2}), 3);
  EXPECT_THROW(width(linear, {3}), std::invalid_argument);
  EXPECT_THROW(width(node_of(OpKind::Add), {2, 3}), std::invalid_argument);
  EXPECT_THROW(width(node_of(OpKind::Conv2d), {2}), std::invalid_argument);
  Node columns = node_of(OpKind::Columns);
  columns.begin = 2;
  columns.count = 3;
  EXPECT_EQ(width(columns, {5}), 3);
  EXPECT_THROW(width(columns, {4}), std::invalid_argument);
  Node attention = node_of(OpKind::Attention);
  attention.attention.heads = 2;
  EXPECT_EQ(width(attention, {12}), 4);
  EXPECT_EQ(width(attention, {4, 4, 4}), 4);
  EXPECT_THROW(width(attention, {9}), std::invalid_argument);
  EXPECT_THROW(width(attention, {4, 4, 6}), std::invalid_argument);
}

}  // namespace
}  // namespace pictrieve
