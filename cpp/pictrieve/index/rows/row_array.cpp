#include "pictrieve/index/rows/row_array.h"

#include <sys/mman.h>

#include <new>

namespace pictrieve {
namespace {

constexpr std::align_val_t kLine{64};
constexpr std::align_val_t kHugePage{2 << 20};

}  // namespace

// A graph walk touches rows at random, and large pages spare it most of the address translation.
std::shared_ptr<void> row_memory(int64_t bytes) {
  const size_t size = static_cast<size_t>(std::max<int64_t>(bytes, 1));
  if (size < static_cast<size_t>(kHugePage))
    return {::operator new(size, kLine), [](void* p) { ::operator delete(p, kLine); }};
  void* memory = ::operator new(size, kHugePage);
  madvise(memory, size, MADV_HUGEPAGE);  // a hint: without it the pages are small
  return {memory, [](void* p) { ::operator delete(p, kHugePage); }};
}

}  // namespace pictrieve
