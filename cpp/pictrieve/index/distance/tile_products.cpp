#include "pictrieve/index/distance/tile_products.h"

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace pictrieve {
namespace {

constexpr int64_t kTile = 16;  // rows of a tile; its lines hold 64 bytes

/// What the instruction reads to know the shapes of its registers.
struct alignas(64) Shapes {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  std::array<uint8_t, 14> reserved{};
  std::array<uint16_t, 16> line_bytes{};
  std::array<uint8_t, 16> lines{};
};
static_assert(sizeof(Shapes) == 64);

/// Registers 0-3: 16 rows by 16 queries each; 4-5: codes of rows; 6-7: of queries, four bytes of each a line.
Shapes shapes_of(int64_t step) {
  Shapes shapes;
  for (size_t i = 0; i < 8; ++i) {
    shapes.line_bytes[i] = i == 4 || i == 5 ? static_cast<uint16_t>(step) : 64;
    shapes.lines[i] = i >= 6 ? static_cast<uint8_t>(step / 4) : kTile;
  }
  return shapes;
}

}  // namespace

bool has_tile_products() {
  static const bool has = [] {
    constexpr unsigned kTiles = 1U << 24, kBytes = 1U << 25;
    constexpr int kAskForState = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kTiles) == 0 || (d & kBytes) == 0) return false;
    return syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
  }();
  return has;
}

__attribute__((target("amx-tile,amx-int8"))) void tile_products(const RoughTile& tile, int32_t* out) {
  const int64_t steps = (tile.width + 63) / 64, step = tile.width / steps, group = tile.width * kGroup;
  constexpr int64_t kLine = kTileQueries * static_cast<int64_t>(sizeof(int32_t));
  const Shapes shapes = shapes_of(step);
  _tile_loadconfig(&shapes);
  for (int64_t g = 0; g < tile.groups; g += 2) {
    const int64_t other = g + 1 < tile.groups ? g + 1 : g;  // the last of an odd number is multiplied twice
    const int8_t *queries = tile.queries + g * group, *others = tile.queries + other * group;
    _tile_loadd(0, tile.start + g * kGroup, 0);  // a stride of 0: all lines are the same
    _tile_loadd(1, tile.start + other * kGroup, 0);
    _tile_loadd(2, tile.start + g * kGroup, 0);
    _tile_loadd(3, tile.start + other * kGroup, 0);
    for (int64_t i = 0; i < tile.width; i += step) {
      _tile_loadd(4, tile.rows + i, tile.width);
      _tile_loadd(6, queries + i * kGroup, 64);
      _tile_loadd(7, others + i * kGroup, 64);
      _tile_loadd(5, tile.rows + kTile * tile.width + i, tile.width);
      _tile_dpbusd(0, 4, 6);
      _tile_dpbusd(1, 4, 7);
      _tile_dpbusd(2, 5, 6);
      _tile_dpbusd(3, 5, 7);
    }
    _tile_stored(0, out + g * kGroup, kLine);
    _tile_stored(1, out + other * kGroup, kLine);
    _tile_stored(2, out + kTile * kTileQueries + g * kGroup, kLine);
    _tile_stored(3, out + kTile * kTileQueries + other * kGroup, kLine);
  }
  _tile_release();
}

}  // namespace pictrieve

#else

namespace pictrieve {

bool has_tile_products() { return false; }
void tile_products(const RoughTile&, int32_t*) {}

}  // namespace pictrieve

#endif
