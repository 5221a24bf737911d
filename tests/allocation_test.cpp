// Nothing is allocated in a tick: a Core takes all its memory in its constructor.
//
// Replaces operator new and delete, and wraps malloc and its kin at link time (states.cmake); all of them count while a
// Count lives. Cores with every scorer, order and bind are driven through preemption, cancels, full queues, patience
// that ends, devices that drain, go, fail and come back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <ostream>
#include <string>

#include "scheduler/base/lazy_array.h"
#include "scheduler/core/ledger.h"
#include "scheduler/policy/registry.h"
#include "tests/random_deadlines.h"
#include "tests/random_events.h"
#include "tests/random_handoff.h"
#include "tests/random_tenants.h"

namespace {

// Volatile: compilers know of malloc that it touches no variable.
volatile bool armed = false;
volatile std::uint64_t allocations = 0;

void count() {
  if (armed) allocations = allocations + 1;
}

}  // namespace

// ---- the allocators -------------------------------------------------------------------------------------------------

extern "C" {
void* __real_malloc(std::size_t);
void* __real_calloc(std::size_t, std::size_t);
void* __real_realloc(void*, std::size_t);
void* __real_aligned_alloc(std::size_t, std::size_t);
void __real_free(void*);

void* __wrap_malloc(std::size_t n) {
  count();
  return __real_malloc(n);
}
void* __wrap_calloc(std::size_t n, std::size_t size) {
  count();
  return __real_calloc(n, size);
}
void* __wrap_realloc(void* p, std::size_t n) {
  count();
  return __real_realloc(p, n);
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t n) {
  count();
  return __real_aligned_alloc(alignment, n);
}
void __wrap_free(void* p) {
  if (p) count();
  __real_free(p);
}
}

// All forms: sanitizers bring their own for those that are missing here.
void* operator new(std::size_t n) {
  count();
  if (void* p = __real_malloc(n)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t n, std::align_val_t alignment) {
  count();
  const auto a = static_cast<std::size_t>(alignment);
  if (void* p = __real_aligned_alloc(a, (n + a - 1) / a * a)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept {
  if (p) count();
  __real_free(p);
}
void* operator new[](std::size_t n) { return operator new(n); }
void* operator new[](std::size_t n, std::align_val_t a) { return operator new(n, a); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return count(), __real_malloc(n); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return count(), __real_malloc(n); }
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
void operator delete(void* p, std::align_val_t) noexcept { operator delete(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { operator delete(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { operator delete(p); }
void operator delete[](void* p) noexcept { operator delete(p); }
void operator delete[](void* p, std::size_t) noexcept { operator delete(p); }
void operator delete[](void* p, std::align_val_t) noexcept { operator delete(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { operator delete(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { operator delete(p); }

namespace yard {
namespace {

class Count {
 public:
  Count() : before_(allocations) { armed = true; }
  ~Count() { armed = false; }
  std::uint64_t stop() {
    armed = false;
    return allocations - before_;
  }

 private:
  const std::uint64_t before_;
};

TEST(Allocation, IsCounted) {
  // Through volatile pointers, lest the compiler sees that nobody needs the memory.
  const auto of = [](const auto& act) {
    Count count;
    act();
    return count.stop();
  };
  EXPECT_EQ(of([] {
              int* volatile p = new int(1);
              delete p;
            }),
            2u);
  EXPECT_EQ(of([] {
              int* volatile p = new int[3];
              delete[] p;
            }),
            2u);
  EXPECT_EQ(of([] {
              struct alignas(64) Line {
                char bytes[64];
              };
              Line* volatile p = new Line;
              delete p;
            }),
            2u);
  EXPECT_EQ(of([] {
              LazyArray<int> array(1000);
              int* volatile p = array.data();
              static_cast<void>(p);
            }),
            2u)
      << "calloc and free";
  EXPECT_EQ(of([] {
              void* volatile p = std::malloc(8);
              p = std::realloc(p, 16);
              std::free(p);
            }),
            3u);
  EXPECT_EQ(of([] {}), 0u);
}

// Returns: what the Core went through. Fails where a tick allocates.
Ledger drive(const Case& c, int ticks) {
  const Bounds bounds{.sequences = c.options.sequences,
                      .events_per_tick = RandomEvents::kMostPerTick,
                      .steps_per_run = c.options.steps_per_run};
  const PolicySet policies = find_policies(c.options.scorer, c.options.order, c.options.bind);
  Count making;
  Core core(bounds, c.fleet, c.costs, policies, c.options.seed);
  EXPECT_GT(making.stop(), 0u);

  RandomEvents events(c, true);
  Time now(1000);
  for (int tick = 0; tick < ticks; ++tick) {
    now += events.pause();
    std::uint64_t count = 0;
    for (std::uint64_t k = events.count(); k > 0; --k) {
      const std::optional<Event> event = events.next(now);
      if (!event) continue;
      Count applying;
      core.apply(*event, now);
      count += applying.stop();
    }
    Count polling;
    const std::span<const Command> commands = core.poll(now);
    static_cast<void>(core.next_wakeup());
    for (std::uint32_t p = 0; p < c.fleet.pools.size(); ++p) static_cast<void>(core.idle_beside_work(PoolId{p}, now));
    static_cast<void>(core.hash());
    count += polling.stop();
    EXPECT_EQ(count, 0u) << "tick " << tick;
    if (count > 0) break;
    for (const Command& command : commands) events.performed(command);
  }
  return core.ledger();
}

struct Policies {
  std::string scorer, order, bind;
  friend void PrintTo(const Policies& p, std::ostream* out) { *out << p.scorer << ' ' << p.order << ' ' << p.bind; }
};
class NoTick : public testing::TestWithParam<Policies> {};

std::vector<Policies> all_policies() {
  std::vector<Policies> all;
  for (const NamedScorer& scorer : scorers())
    for (const NamedOrder& order : orders())
      for (const char* bind : {"arrival", "room"})
        all.push_back({std::string(scorer.name), std::string(order.name), bind});
  for (const NamedScorer& scorer : scorers())
    for (const NamedRefusal& refusal : refusals())
      all.push_back({std::string(scorer.name) + '+' + std::string(refusal.name), "edf", "arrival"});
  return all;
}

StealView beside_two_others() {
  StealView steal;
  steal.distance = {Duration(), nanoseconds(1), nanoseconds(2)};
  steal.offer_permille = 0, steal.patience = Duration(), steal.stands = nanoseconds(30);
  return steal;
}

TEST_P(NoTick, AllocatesWhateverHappens) {
  Ledger sum;
  for (Seed seed = 0; seed < 40 && !HasFailure(); ++seed) {
    Case c = tiny_case(seed, GetParam().scorer);
    if (seed % 2) give_tenants(c);
    if (seed % 5 == 4) c = with_handoff(std::move(c));
    if (seed % 5 < 2) c.fleet.steal = beside_two_others();
    if (seed % 3 == 2) give_deadlines(c);
    c.options.order = GetParam().order;
    c.options.bind = GetParam().bind;
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Ledger ledger = drive(c, 200);
    sum.preemptions += ledger.preemptions;
    sum.interrupts += ledger.interrupts;
    sum.late_cancels += ledger.late_cancels;
    sum.late_run_ends += ledger.late_run_ends;
    sum.moves += ledger.moves, sum.moves_failed += ledger.moves_failed;
    sum.given += ledger.given, sum.taken += ledger.taken, sum.takes_lost += ledger.takes_lost;
    for (std::size_t k = 0; k < sum.ended.size(); ++k) sum.ended[k] += ledger.ended[k];
    for (std::size_t k = 0; k < sum.reasons.size(); ++k) sum.reasons[k] += ledger.reasons[k];
  }
  EXPECT_GT(sum.preemptions, 0u);
  EXPECT_GT(sum.interrupts, 0u);
  EXPECT_GT(sum.late_cancels, 0u);
  EXPECT_GT(sum.late_run_ends, 0u);
  EXPECT_GT(sum.moves, 0u);
  EXPECT_GT(sum.moves_failed, 0u);
  EXPECT_GT(sum.given, 0u);
  EXPECT_GT(sum.taken, 0u);
  EXPECT_GT(sum.takes_lost, 0u);
  EXPECT_GT(sum.of(Outcome::done), 0u);
  EXPECT_GT(sum.of(Outcome::cancelled), 0u);
  for (const Reason why :
       {Reason::queue_full, Reason::too_long, Reason::shed, Reason::device_lost, Reason::device_failed})
    EXPECT_GT(sum.of(why), 0u) << name_of(why);
}

std::string name_of_policies(const testing::TestParamInfo<Policies>& about) {
  std::string name = about.param.scorer + '_' + about.param.order + '_' + about.param.bind;
  std::replace(name.begin(), name.end(), '+', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Every, NoTick, testing::ValuesIn(all_policies()), name_of_policies);

}  // namespace
}  // namespace yard
