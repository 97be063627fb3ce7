#include "pictrieve/base/parallel.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

int usable_cores() {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) != 0) return 1;
  return std::max(1, CPU_COUNT(&cores));
}

std::atomic<int>& budget() {
  static std::atomic<int> count{usable_cores()};
  return count;
}

thread_local bool inside_body = false;

/// State shared by the threads of one loop.
class Loop {
 public:
  Loop(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t, Worker)>& body)
      : count_(count), grain_(grain), body_(body) {}

  /// Takes pieces until none is left or somebody failed.
  void work(int index) {
    const bool outer = std::exchange(inside_body, true);
    try {
      while (!stopped_) {
        const int64_t begin = next_.fetch_add(grain_);
        if (begin >= count_) break;
        const int64_t end = std::min(begin + grain_, count_);
        body_(begin, end, Worker{index, stopped_});
        done_ += end - begin;
      }
    } catch (...) {
      fail(std::current_exception());
    }
    inside_body = outer;
  }

  /// Work of a thread that the loop started.
  void work_as_thread(int index) {
    omp_set_num_threads(1);
    work(index);
    const std::lock_guard lock(mutex_);
    ++finished_;
    changed_.notify_all();
  }

  /// Tells the monitor until all threads have finished.
  void watch(int threads, const Monitor& monitor) {
    using namespace std::chrono_literals;
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, 50ms, [&] { return finished_ == threads; })) {
      lock.unlock();
      tell(monitor);
      lock.lock();
    }
  }

  void tell(const Monitor& monitor) {
    try {
      if (!stopped_) monitor(done_, count_);
    } catch (...) {
      fail(std::current_exception());
    }
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void fail(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    stopped_ = true;
  }

  const int64_t count_;
  const int64_t grain_;
  const std::function<void(int64_t, int64_t, Worker)>& body_;
  std::atomic<int64_t> next_{0};
  std::atomic<int64_t> done_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  int finished_ = 0;
  std::exception_ptr error_;
};

}  // namespace

int num_threads() { return budget(); }

void set_num_threads(int count) {
  require(count >= 1, "set_num_threads: expected at least 1, got ", count);
  budget() = count;
}

void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t, Worker)>& body,
                  const Monitor& monitor) {
  grain = std::max<int64_t>(grain, 1);
  const int64_t pieces = (count + grain - 1) / grain;
  const int threads = inside_body ? 1 : static_cast<int>(std::min<int64_t>(num_threads(), pieces));
  const bool watched = monitor && !inside_body && count > 0;  // the calling thread tells the monitor instead of working
  Loop loop(count, grain, body);
  std::vector<std::thread> workers;
  workers.reserve(static_cast<size_t>(threads));
  try {
    for (int i = watched ? 0 : 1; i < threads; ++i) workers.emplace_back(&Loop::work_as_thread, &loop, i);
  } catch (const std::exception&) {
    // No more threads or memory for them: those that started do the work, or this one does.
  }
  if (watched && !workers.empty()) {
    loop.watch(static_cast<int>(workers.size()), monitor);
  } else {
    const int outer_budget = omp_get_max_threads();
    omp_set_num_threads(1);
    loop.work(0);
    omp_set_num_threads(outer_budget);
  }
  for (std::thread& worker : workers) worker.join();
  if (monitor && count > 0) loop.tell(monitor);
  loop.rethrow();
}

}  // namespace pictrieve
