// oneDNN divides its work by the OpenMP budget of the calling thread; a plan belongs to one thread.
#pragma once

#include <omp.h>

namespace pictrieve {

/// While it lives, primitives are planned for, and run by, the calling thread alone.
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
