// Files of FAISS. For trusted files only: FAISS's reader follows what a file says (github.com/facebookresearch/faiss,
// issue 5400). Our own format is the safe one.
#pragma once

#include <memory>
#include <string>

#include "pictrieve/index/index.h"

namespace pictrieve {

/// Reads Flat, SQ, HNSW (its graph as it is), IVF (its centroids) and the binary Flat and HNSW, with the ids of IDMaps.
/// METRIC_L2, METRIC_INNER_PRODUCT and METRIC_L1 become l2, ip and l1. Codes of 8 bits and fewer become SQ8, which
/// rounds once more. With a `factory`, the vectors of whatever FAISS can decode go into such an index. FormatError for
/// what is damaged or neither.
std::unique_ptr<Index> read_faiss(const std::string& path, const std::string& factory = "",
                                  const Monitor& monitor = {});

/// Writes the live rows as Flat, HNSW (the same graph), IVF,Flat (the same centroids), or their binary kinds, in an
/// IDMap unless ids are 0, 1, 2 and so on. Cosine becomes the inner product of rows of length 1: queries need that
/// length too. Takes the memory of two more copies.
void write_faiss(const Index& index, const std::string& path, const Monitor& monitor = {});

}  // namespace pictrieve
