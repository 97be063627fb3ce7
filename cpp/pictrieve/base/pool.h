// Working memory that is lent to whoever computes: any number of threads, however they were started.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace pictrieve {

/// Lends objects of T and keeps those that come back, so there are as many as were ever in use at once.
template <typename T>
class Pool {
 public:
  /// Gives its object back to the pool when it goes out of scope; the pool must outlive it.
  class Lease {
   public:
    Lease(Pool& pool, std::unique_ptr<T> item) : pool_(&pool), item_(std::move(item)) {}
    Lease(Lease&&) noexcept = default;
    ~Lease() {
      if (item_) pool_->give_back(std::move(item_));
    }
    T& operator*() const { return *item_; }
    T* operator->() const { return item_.get(); }

   private:
    Pool* pool_;
    std::unique_ptr<T> item_;
  };

  Lease borrow() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) {
      idle_.reserve(made_ + 1);  // so that giving back needs no memory and cannot fail
      auto item = std::make_unique<T>();
      ++made_;
      return Lease(*this, std::move(item));
    }
    std::unique_ptr<T> item = std::move(idle_.back());
    idle_.pop_back();
    return Lease(*this, std::move(item));
  }

  /// Everything that was ever lent, to be called when nothing is.
  const std::vector<std::unique_ptr<T>>& idle() const { return idle_; }

 private:
  void give_back(std::unique_ptr<T> item) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(item));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> idle_;
  size_t made_ = 0;
};

}  // namespace pictrieve
