// Inbox under load, the shipped code: nothing lost, nothing doubled, each producer's items in order; and a producer
// that stands still, wherever, stops nobody else. What ThreadSanitizer looks at. SWITCHYARD_STRESS_OPS: so many pushes.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/base/hash.h"
#include "scheduler/sync/inbox.h"
#include "tests/stress.h"

namespace yard {
namespace {

struct Item {
  std::uint64_t producer, number, check;
};
Item item(std::uint64_t producer, std::uint64_t number) { return {producer, number, mix64(producer ^ number)}; }

// What the consumer has seen so far.
struct Seen {
  std::array<std::uint64_t, 8> next{};  // by producer
  std::uint64_t items = 0, wrong = 0;

  void add(const Item& i) {
    wrong += i.check != mix64(i.producer ^ i.number) || i.number != next[i.producer];
    next[i.producer] = i.number + 1;
    ++items;
  }
};

// A policy whose compare-and-swap counts, per thread, what others' made fail.
struct Counting : StdAtomics {
  static inline thread_local std::uint64_t won = 0, lost = 0;
  template <class T>
  struct Atomic : std::atomic<T> {
    using std::atomic<T>::atomic;
    bool compare_exchange_strong(T& expected, T value, std::memory_order on, std::memory_order off) noexcept {
      const bool success = std::atomic<T>::compare_exchange_strong(expected, value, on, off);
      ++(success ? won : lost);
      return success;
    }
  };
};

// Waits a little, then lets others on.
void wait(int& spins) {
  StdAtomics::pause();
  if (++spins % 64 == 0) std::this_thread::yield();
}

void load(std::size_t capacity, std::uint64_t pushes) {
  constexpr std::uint64_t kProducers = 3;
  const std::uint64_t each = pushes / kProducers;
  Inbox<Item, Counting> inbox(capacity);
  std::atomic<std::uint64_t> won{0}, lost{0}, full{0};
  std::vector<std::thread> producers;
  for (std::uint64_t p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      std::uint64_t refused = 0;
      int spins = 0;
      for (std::uint64_t n = 0; n < each;) {
        if (inbox.push(item(p, n))) {
          ++n;
        } else {
          ++refused;
          wait(spins);
        }
      }
      won += Counting::won;
      lost += Counting::lost;
      full += refused;
    });
  }
  Seen seen;
  int spins = 0;
  std::vector<Item> out(64);
  while (seen.items < kProducers * each) {
    const std::size_t n = inbox.drain(out);
    for (std::size_t i = 0; i < n; ++i) seen.add(out[i]);
    if (n == 0) wait(spins);
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_EQ(seen.wrong, 0u);
  EXPECT_EQ(inbox.drain(out), 0u);
  const auto n = [](std::uint64_t number) { return static_cast<unsigned long long>(number); };
  std::printf(
      "capacity %zu: %llu pushed; contended: %llu claims lost, %llu found full, %llu places stepped over (%.1f %%)\n",
      capacity, n(won), n(lost.load()), n(full.load()), n(inbox.steps_over()),
      100.0 * static_cast<double>(lost + full + inbox.steps_over()) / static_cast<double>(won + lost + full));
}

TEST(InboxStress, SmallAndOftenFull) { load(16, stress::operations() / 32); }
TEST(InboxStress, AsALoopHasIt) { load(1024, stress::operations()); }

// ---- a producer that stands still -----------------------------------------------------------------------------------

// A policy that stops a thread that asked for it right behind its next claim, until it is let go.
struct Stopping : StdAtomics {
  static inline thread_local bool stop = false;
  static inline std::atomic<int> stopped{0}, let_go{0};  // so many of them so far
  template <class T>
  struct Atomic : std::atomic<T> {
    using std::atomic<T>::atomic;
    bool compare_exchange_strong(T& expected, T value, std::memory_order on, std::memory_order off) noexcept {
      if (!std::atomic<T>::compare_exchange_strong(expected, value, on, off)) return false;
      if (!stop) return true;
      const int number = ++stopped;
      while (let_go.load(std::memory_order_acquire) < number) std::this_thread::yield();
      return true;
    }
  };
};

TEST(Inbox, GoesOnRoundAfterRoundWhileProducersAreStoppedBetweenClaimAndWrite) {
  constexpr std::uint64_t kCapacity = 8, kStopped = 3;
  Inbox<Item, Stopping> inbox(kCapacity);
  Stopping::stopped = Stopping::let_go = 0;
  std::vector<Item> out(kCapacity);
  Seen seen;
  const auto drain = [&] {
    std::size_t drained = 0;
    for (std::size_t n = 0; (n = inbox.drain(out)) > 0; drained += n)
      for (std::size_t i = 0; i < n; ++i) seen.add(out[i]);
    return drained;
  };
  std::vector<std::thread> stopped;
  std::uint64_t next = 0;
  for (std::uint64_t s = 1; s <= kStopped; ++s) {
    stopped.emplace_back([&inbox, s] {
      Stopping::stop = true;
      EXPECT_TRUE(inbox.push(item(s, 0)));
    });
    while (Stopping::stopped.load() < static_cast<int>(s)) std::this_thread::yield();
    ASSERT_TRUE(inbox.push(item(0, next++)));
    EXPECT_EQ(drain(), 1u);
  }
  for (int round = 0; round < 1000; ++round) {  // as much as fits beside the three, again and again
    std::uint64_t pushed = 0;
    while (inbox.push(item(0, next))) ++next, ++pushed;
    ASSERT_GE(pushed, kCapacity - kStopped);
    ASSERT_EQ(drain(), pushed);
  }
  EXPECT_EQ(inbox.steps_over(), kStopped);
  EXPECT_EQ(seen.items, next);
  Stopping::let_go.store(kStopped, std::memory_order_release);
  for (std::thread& thread : stopped) thread.join();
  EXPECT_EQ(drain(), kStopped);
  EXPECT_EQ(seen.wrong, 0u);
  std::uint64_t pushed = 0;
  while (inbox.push(item(0, next))) ++next, ++pushed;
  EXPECT_EQ(pushed, kCapacity);
}

// A slot that was held, drained and bound again is handed over to a producer who knows of nothing else: the phase is
// relaxed on purpose, so that ThreadSanitizer sees no other order between the two.
TEST(Inbox, HandsOverASlotThatWasHeld) {
  Inbox<Item, Stopping> inbox(2);
  Stopping::stopped = Stopping::let_go = 0;
  std::atomic<int> phase{0};
  std::thread knows_nothing([&] {
    while (phase.load(std::memory_order_relaxed) == 0) std::this_thread::yield();
    EXPECT_TRUE(inbox.push(item(3, 0)));
    phase.store(2, std::memory_order_relaxed);
  });
  std::vector<Item> out(4);
  Seen seen;
  for (std::uint64_t s = 1; s <= 2; ++s) {
    std::thread stopped([&] {
      Stopping::stop = true;
      EXPECT_TRUE(inbox.push(item(s, 0)));
    });
    while (Stopping::stopped.load() < static_cast<int>(s)) std::this_thread::yield();
    ASSERT_TRUE(inbox.push(item(0, s - 1)));
    ASSERT_EQ(inbox.drain(out), 1u);  // past the one that stopped
    seen.add(out[0]);
    if (s == 2) {
      phase.store(1, std::memory_order_relaxed);
      while (phase.load(std::memory_order_relaxed) == 1) std::this_thread::yield();
    }
    Stopping::let_go.store(static_cast<int>(s), std::memory_order_release);
    stopped.join();
    const std::size_t n = inbox.drain(out);
    ASSERT_EQ(n, s);
    for (std::size_t i = 0; i < n; ++i) seen.add(out[i]);
  }
  knows_nothing.join();
  EXPECT_EQ(inbox.steps_over(), 2u);
  EXPECT_EQ(seen.items, 5u);
  EXPECT_EQ(seen.wrong, 0u);
}

// One producer is held by a signal, at whatever instruction, again and again: each time the other's items come, more
// than the ring holds. Where they do not, this never ends.
TEST(InboxStress, OthersGoOnWhileAProducerStandsStill) {
  constexpr std::uint64_t kCapacity = 64;
  const stress::StandStill still;
  Inbox<Item> inbox(kCapacity);
  std::atomic<bool> over{false};
  std::array<std::atomic<std::uint64_t>, 2> pushed{};
  const auto producer = [&](std::uint64_t p) {
    for (std::uint64_t n = 0; !over.load(std::memory_order_relaxed);) {
      if (inbox.push(item(p, n))) {
        pushed[p].store(++n, std::memory_order_release);
      } else {
        stress::give_way();
      }
    }
  };
  std::thread stands(producer, 0), goes_on(producer, 1);
  Seen seen;
  std::vector<Item> out(kCapacity);
  const auto drain_until = [&](const auto& enough) {
    while (!enough()) {
      const std::size_t n = inbox.drain(out);
      for (std::size_t i = 0; i < n; ++i) seen.add(out[i]);
      if (n == 0) stress::give_way();
    }
  };
  const auto stops = static_cast<int>(stress::from_environment("SWITCHYARD_STRESS_STOPS", 40));
  for (int stop = 1; stop <= stops; ++stop) {
    const std::uint64_t moving = seen.next[0];
    drain_until([&] { return seen.next[0] > moving; });
    still.hold(stands);
    const std::uint64_t before = seen.next[1];
    drain_until([&] { return seen.next[1] > before + kCapacity; });
    still.let_go();
  }
  over = true;
  stands.join();
  goes_on.join();
  drain_until([&] { return seen.items >= pushed[0] + pushed[1]; });
  EXPECT_EQ(seen.wrong, 0u);
  EXPECT_EQ(seen.next[0], pushed[0]);
  EXPECT_EQ(seen.next[1], pushed[1]);
  std::printf("%d stops; %llu places stepped over\n", stops, static_cast<unsigned long long>(inbox.steps_over()));
}

}  // namespace
}  // namespace yard
