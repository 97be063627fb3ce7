// Files of Annoy, for those who move away from it: its forests take no item in and let none go, so the vectors are
// taken over and an index of ours is built from them. A forest of our own would serve nobody: at equal recall a graph
// is faster and smaller.
#pragma once

#include <memory>
#include <string>

#include "pictrieve/index/index.h"

namespace pictrieve {

/// Reads what AnnoyIndex(dim, metric).save() wrote (Annoy 1.9 to 1.17.3, little-endian); the file names neither. The
/// metrics angular, euclidean, manhattan, dot and hamming become cosine, l2, l1, ip and hamming; hamming rounds dim up
/// to whole bytes. Items keep their numbers as ids. An empty factory is "HNSW32" or "BHNSW32". The trees are passed
/// over, so that nothing in the file is followed.
std::unique_ptr<Index> read_annoy(const std::string& path, int64_t dim, const std::string& metric,
                                  const std::string& factory = "", const Monitor& monitor = {});

}  // namespace pictrieve
