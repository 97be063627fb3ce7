// Random numbers that are a function of where they are used: no state, so no order of work can change them.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace pictrieve {

/// Numbers between `low` and `high`, each as likely as the other; equal ends mean that number.
struct Range {
  double low = 0;
  double high = 0;
};

/// Which look at which picture random numbers are for.
struct AugmentItem {
  int64_t index = 0;   ///< of the picture in its data set
  uint32_t epoch = 0;  ///< pass over the data set
  uint16_t view = 0;   ///< of several looks at one picture
};

/// Ten rounds of Philox4x32 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// The stream of one step: the same numbers for the same (seed, item, step), whatever was drawn elsewhere.
/// It has its key from one block, key = seed, counter = (index low, index high, epoch, view * 65536 + step); number
/// block b is then philox((b low, b high, third word, fourth word), (first word, second word)).
class RandomStream {
 public:
  RandomStream(uint64_t seed, const AugmentItem& item, uint16_t step);

  double uniform();              ///< at least 0, below 1, 53 bits: two words, the first one the high bits
  double uniform(Range range);   ///< low + uniform() * (high - low)
  int64_t below(int64_t count);  ///< 0 .. count - 1: uniform() * count, rounded down
  bool happens(double probability) { return uniform() < probability; }
  /// Standard normal numbers, from pairs of words (Box and Muller, 1958).
  void normals(std::span<float> out);
  void bytes(std::span<uint8_t> out);
  /// Of Beta(shape, shape), as a ratio of gamma numbers (Marsaglia and Tsang, 2000).
  double beta(double shape);

 private:
  uint32_t word();
  double gamma(double shape);

  std::array<uint32_t, 2> key_{};
  std::array<uint32_t, 2> high_{};
  std::array<uint32_t, 4> block_{};
  uint64_t next_block_ = 0;
  int used_ = 4;
};

}  // namespace pictrieve
