// One object per worker, made by the worker itself on first use.
#pragma once

#include <map>
#include <memory>
#include <mutex>

namespace pictrieve {

template <typename T>
class PerWorker {
 public:
  /// The worker's own object; its caller is the only one to use it at this moment.
  T& of(int worker) {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<T>& slot = slots_[worker];
    if (!slot) slot = std::make_unique<T>();
    return *slot;
  }

 private:
  std::mutex mutex_;
  std::map<int, std::unique_ptr<T>> slots_;
};

}  // namespace pictrieve
