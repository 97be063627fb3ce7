// oneDNN and Torch divide their work by the OpenMP budget of the calling thread; pictures and texts are spread over
// threads already.
#pragma once

#include <omp.h>

namespace pictrieve {

/// While it lives, the calling thread works alone.
class SingleThreaded {
 public:
  SingleThreaded() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~SingleThreaded() { omp_set_num_threads(before_); }
  SingleThreaded(const SingleThreaded&) = delete;
  SingleThreaded& operator=(const SingleThreaded&) = delete;

 private:
  int before_;
};

}  // namespace pictrieve
