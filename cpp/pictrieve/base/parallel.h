// The one thread budget, and the one loop that spends it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace pictrieve {

/// Threads that a call may use, for decoding, networks and search alike. At first: the cores this process may run on.
int num_threads();
void set_num_threads(int count);

/// What a body of parallel_for knows about the thread it runs on.
struct Worker {
  int index;                         ///< 0 .. num_threads() - 1; two bodies with one index never run at once
  const std::atomic<bool>& stopped;  ///< long bodies return early once this is true: the result is dropped

  bool should_stop() const { return stopped.load(std::memory_order_relaxed); }
};

/// Told on the calling thread, several times a second, how much is done; may throw to stop the work
/// (this is how Ctrl-C and progress bars reach native loops).
using Monitor = std::function<void(int64_t done, int64_t total)>;

/// Runs `body(begin, end, worker)` over [0, count) in pieces of at most `grain`, handed out in order.
/// The first exception of any piece or of the monitor stops the others and is rethrown here. Threads live for one call
/// only: nothing is left running that a fork could lose. A loop inside a body runs on that body's own thread.
/// Threads of the loop have an OpenMP budget of one, so libraries called from a body do not multiply them.
void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t, Worker)>& body,
                  const Monitor& monitor = {});

}  // namespace pictrieve
