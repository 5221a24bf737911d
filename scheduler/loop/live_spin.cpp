#include "scheduler/loop/live_spin.h"

#include <sched.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <thread>
#include <vector>

#include "scheduler/loop/live_clock.h"
#include "scheduler/sync/flag.h"
#include "scheduler/sync/parking.h"
#include "topology/cgroup.h"
#include "topology/host.h"

namespace yard {
namespace {

constexpr Duration kMostLooking = microseconds(50);
constexpr std::int64_t kWakesWorth = 3;
constexpr Duration kMostMeasuring = milliseconds(10);  // a machine with much else to do takes as long for one wake
constexpr std::size_t kWakes = 33, kFewWakes = 5;
constexpr int kGaps = 9;
constexpr std::uint32_t kProbe = 1000;

std::uint64_t usable_thousandths() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 0;  // over 1,024 processors, or forbidden
  std::uint64_t usable = static_cast<std::uint64_t>(CPU_COUNT(&allowed)) * 1000;
  Host host;
  read_cgroup("/proc", "", host);
  if (host.cpu_quota.state == Limit::State::set) usable = std::min(usable, host.cpu_quota.amount);
  return usable;
}

// Binds the calling thread, which ends soon, to the first or the last processor that it may use. Where that fails it
// runs anywhere: then the two may meet on one, where a wake is ten times as quick as between two.
void go_to(bool last) {
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  int cpu = last ? CPU_SETSIZE - 1 : 0;
  while (cpu >= 0 && cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &allowed)) cpu += last ? -1 : 1;
  if (cpu < 0 || cpu == CPU_SETSIZE) return;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  sched_setaffinity(0, sizeof one, &one);
}

// Half of what two threads take that wake each other, each on a processor of its own, in the middle of several tries.
Duration wake_latency() {
  const LiveClock clock;
  Parking here, there;
  Flag over;
  std::thread other([&] {
    for (go_to(true);;) {
      there.wait_until(kForever);
      if (over.up()) return;
      here.ring();
    }
  });
  std::vector<Duration> took;
  took.reserve(kWakes);
  const auto measure = [&] {
    go_to(false);
    const Time start = clock.now();
    while (took.size() < kWakes && (took.size() < kFewWakes || clock.now() - start < kMostMeasuring)) {
      const Time before = clock.now();
      there.ring();
      here.wait_until(kForever);
      took.push_back(Duration((clock.now() - before).count() / 2));
    }
  };
  std::thread one;
  try {
    one = std::thread(measure);
  } catch (const std::exception&) {  // no second thread to be had: nobody looks
  }
  if (one.joinable()) one.join();
  over.raise();
  there.ring();
  other.join();
  if (took.empty()) return Duration{};
  const auto middle = took.begin() + static_cast<std::ptrdiff_t>(took.size() / 2);
  std::nth_element(took.begin(), middle, took.end());
  return *middle;
}

// The least of several tries: what else ran meanwhile only adds.
Duration looking() {
  const LiveClock clock;
  Duration least = Duration::max();
  for (int i = 0; i < kGaps; ++i) {
    const Time before = clock.now();
    for (std::uint32_t k = 0; k < kProbe; ++k) StdAtomics::pause();
    least = std::min(least, clock.now() - before);
  }
  return least;
}

}  // namespace

SpinPlan plan_spin(std::uint64_t usable, Duration wake, Duration looking, std::uint32_t pauses) noexcept {
  if (usable < 2000 || wake.count() <= 0 || looking.count() <= 0) return {};
  const std::int64_t for_ns =
      wake < kMostLooking ? std::min(wake * kWakesWorth, kMostLooking).count() : kMostLooking.count();
  const std::int64_t looks = std::max<std::int64_t>(1, for_ns * pauses / looking.count());
  return {.pauses = static_cast<std::uint32_t>(std::min<std::int64_t>(looks, UINT32_MAX)),
          .at_once = static_cast<std::uint32_t>(std::min<std::uint64_t>(usable / 2000, UINT32_MAX)),
          .ns = static_cast<std::uint64_t>(for_ns)};
}

std::uint64_t usable_thousandths_here() noexcept {
  try {
    return usable_thousandths();
  } catch (const std::exception&) {  // no file to read, or no memory
    return 0;
  }
}

SpinPlan plan_spin_here() noexcept {
  static const SpinPlan plan = [] {
    try {
      const std::uint64_t usable = usable_thousandths();
      return usable < 2000 ? SpinPlan{} : plan_spin(usable, wake_latency(), looking(), kProbe);
    } catch (const std::exception&) {  // no thread to measure with, or no file to read
      return SpinPlan{};
    }
  }();
  return plan;
}

}  // namespace yard
