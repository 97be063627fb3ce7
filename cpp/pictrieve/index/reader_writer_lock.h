// Private: many readers, one writer, and neither starves.
#pragma once

#include <mutex>
#include <shared_mutex>

namespace pictrieve {

/// A shared mutex with a gate: who comes while a writer waits queues behind it.
class ReaderWriterLock {
 public:
  std::shared_lock<std::shared_mutex> read() {
    const std::lock_guard gate(gate_);
    return std::shared_lock(mutex_);
  }
  std::unique_lock<std::shared_mutex> write() {
    const std::lock_guard gate(gate_);
    return std::unique_lock(mutex_);
  }

 private:
  std::mutex gate_;
  std::shared_mutex mutex_;
};

}  // namespace pictrieve
