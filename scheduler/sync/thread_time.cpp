#include "scheduler/sync/thread_time.h"

#include <sys/resource.h>
#include <time.h>

namespace yard {

std::uint64_t thread_now_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);  // tidy: clock, of a wait; no decision is made of it
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t thread_preemptions() noexcept {
  rusage used{};
  return getrusage(RUSAGE_THREAD, &used) == 0 ? static_cast<std::uint64_t>(used.ru_nivcsw) : 0;
}

}  // namespace yard
