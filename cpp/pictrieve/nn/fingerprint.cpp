#include <algorithm>
#include <span>
#include <vector>

#include "pictrieve/base/checksum.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/nn/state_dict.h"

namespace pictrieve {

std::string StateDict::fingerprint() const {
  constexpr int64_t kChunk = 1 << 20;  // part of the definition: threads share large tensors
  std::vector<std::span<const std::byte>> chunks;
  for (const auto& [name, tensor] : tensors_)
    for (int64_t begin = 0; begin < tensor.bytes(); begin += kChunk)
      chunks.emplace_back(tensor.data + begin, static_cast<size_t>(std::min(kChunk, tensor.bytes() - begin)));
  std::vector<uint64_t> sums(chunks.size());
  parallel_for(static_cast<int64_t>(chunks.size()), 4, [&](int64_t begin, int64_t end, Worker) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
      sums[i] = checksum(chunks[i].data(), chunks[i].size());
  });
  std::string lines;
  size_t next = 0;
  for (const auto& [name, tensor] : tensors_) {
    lines += std::to_string(name.size()) + ' ' + name + ' ' + describe(tensor);
    for (int64_t begin = 0; begin < tensor.bytes(); begin += kChunk) lines += ' ' + std::to_string(sums[next++]);
    lines += '\n';
  }
  return content_digest(lines);
}

}  // namespace pictrieve
