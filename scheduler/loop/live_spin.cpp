#include "scheduler/loop/live_spin.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <exception>
#include <thread>

#include "scheduler/loop/live_clock.h"
#include "scheduler/sync/parking.h"
#include "topology/cgroup.h"
#include "topology/host.h"

namespace yard {
namespace {

constexpr Duration kMostLooking = microseconds(50);
constexpr int kWakes = 33, kGaps = 9;
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

// Half of what two threads take that wake each other, in the middle of several tries.
Duration wake_latency() {
  const LiveClock clock;
  Parking here, there;
  std::thread other([&] {
    for (int i = 0; i < kWakes; ++i) {
      there.wait_until(kForever);
      here.ring();
    }
  });
  std::array<Duration, kWakes> took;
  for (Duration& t : took) {
    const Time before = clock.now();
    there.ring();
    here.wait_until(kForever);
    t = Duration((clock.now() - before).count() / 2);
  }
  other.join();
  std::nth_element(took.begin(), took.begin() + kWakes / 2, took.end());
  return took[kWakes / 2];
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
  const std::int64_t for_ns = std::min(wake, kMostLooking).count();
  const std::int64_t looks = std::max<std::int64_t>(1, for_ns * pauses / looking.count());
  return {.pauses = static_cast<std::uint32_t>(std::min<std::int64_t>(looks, UINT32_MAX)),
          .at_once = static_cast<std::uint32_t>(std::min<std::uint64_t>(usable / 2000, UINT32_MAX))};
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
