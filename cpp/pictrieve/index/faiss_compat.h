// Private: FAISS's graph arrays, and what differs between its versions (1.7.3 to 1.15).
#pragma once

#include <faiss/impl/HNSW.h>

#include <cstdint>
#include <type_traits>

namespace pictrieve {

static_assert(std::is_same_v<faiss::HNSW::storage_idx_t, int32_t>, "rows in FAISS's link lists are 32-bit");

/// Newer versions keep links in a class that may borrow them; both have data() and size().
inline int32_t* link_data(faiss::HNSW& hnsw) { return hnsw.neighbors.data(); }
inline const int32_t* link_data(const faiss::HNSW& hnsw) { return hnsw.neighbors.data(); }

}  // namespace pictrieve
