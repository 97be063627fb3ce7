// Private: which near rows a row of the graph links to.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "pictrieve/index/rows/rows.h"

namespace pictrieve {

/// Takes candidates for one row after another. For one thread.
class NeighbourChooser {
 public:
  explicit NeighbourChooser(const Rows& rows) : comparer_(rows.comparer()) {}

  void start() { candidates_.clear(); }
  /// Candidates that are `known` to be diverse among each other are not compared with each other again.
  void add(float key, int32_t row, bool known = false) { candidates_.push_back({key, row, known}); }
  /// Computes the keys.
  void add(int32_t from, std::span<const int32_t> rows, size_t known = 0);

  /// Of the candidates from the best on, keeps up to `count` that are nearer to `row` than to any kept before
  /// (Algorithm 4 of the paper). Equal vectors refuse none of each other and would fill each other's lists: they get
  /// half of a list, the nearest by number, so that they hang together and with the rest. Valid until the next start.
  std::span<const int32_t> choose(int32_t row, size_t count);

 private:
  struct Choice {
    float key;
    int32_t row;
    bool known;
  };

  bool is_diverse(const Choice& candidate);

  std::unique_ptr<Comparer> comparer_;
  std::vector<Choice> candidates_;
  std::vector<int32_t> kept_;
  std::vector<int32_t> kept_unknown_;
  std::vector<float> keys_;
};

}  // namespace pictrieve
