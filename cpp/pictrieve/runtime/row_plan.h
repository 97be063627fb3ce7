// Executes a fused graph whose values are rows (tokens, or pooled pictures), packed without padding, on one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pictrieve/nn/graph.h"
#include "pictrieve/runtime/gemm.h"
#include "pictrieve/runtime/row_view.h"

namespace pictrieve {

/// What a run reads for one Input of the graph: rows of numbers, or an id for each row.
struct RowInput {
  std::string name;
  const float* rows = nullptr;
  const int32_t* ids = nullptr;
};

struct RowBatch {
  std::vector<RowInput> inputs;
  int64_t rows = 0;
  std::span<const int64_t> offsets{};  ///< for attention: text i is the rows [offsets[i], offsets[i + 1])
};

/// Memory of one run at a time, kept from run to run and grown when a larger batch comes.
class RowWorkspace {
 public:
  float* buffer(size_t slot, int64_t count);

 private:
  struct Buffer {
    std::shared_ptr<float[]> data;
    int64_t count = 0;
  };
  std::vector<Buffer> buffers_;
};

class RowPlan {
 public:
  /// `graph` is fused and has one output; rows that its Inputs hold have `input_width` numbers. Weights of linear
  /// layers are packed here, in parallel; others stay borrowed.
  explicit RowPlan(Graph graph, int64_t input_width = 0);

  /// Width of the output.
  int64_t width() const { return values_[output_].width; }
  /// Writes the output, (rows, width). Distinct workspaces may run at once.
  void run(const RowBatch& batch, RowWorkspace& workspace, float* out) const;

 private:
  /// Where a node's value lives: the caller's memory, a buffer of all rows, or one of a block of rows. Columns are part
  /// of another node's rows, `source`, from `begin` on; all others are their own source.
  struct Value {
    int64_t width = 0;
    int source = -1;
    int64_t begin = 0;
    bool local = false;
    int slot = -1;
  };
  /// Operations [begin, end) that go through a block of rows together, or one attention.
  struct Segment {
    int begin = 0;
    int end = 0;
    bool attention = false;
  };
  struct Run;

  bool computed(int node) const;
  void measure(int64_t input_width);
  void divide();
  void find_locals();
  void place();
  void pack();
  RowView rows_of(const Run& run, int node, int64_t begin) const;
  void execute_attention(const Run& run, int node) const;
  void execute(const Run& run, int node, int64_t begin, int64_t count) const;

  Graph graph_;
  int output_ = -1;
  int slots_ = 0;
  std::vector<Value> values_;
  std::vector<int> segment_of_;  ///< by node, -1 for those that nothing computes
  std::vector<Segment> segments_;
  std::vector<PackedMatrix> matrices_;  ///< by node, empty for others than Linear
};

}  // namespace pictrieve
