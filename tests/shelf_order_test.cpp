// Why the shelf is ordered: the same work, simulated, offered most urgent first and oldest first (as the top of a
// Chase-Lev deque has it). Four thieves that take one request whenever they are idle, at 97 % load; five or
// eight requests of ten are chat (100 ms of work, due in 1 s), the rest batch (1 s of work, due in a minute); both
// exponential.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/base/rng.h"
#include "scheduler/sync/shelf.h"

namespace yard {
namespace {

constexpr int kThieves = 4, kRequests = 50'000, kSeeds = 10;
constexpr double kLoad = 0.97;

struct Request {
  Time arrival, deadline;
  Duration work;
};

Duration exponential(Rng& rng, double mean_ns) {
  const double u = (static_cast<double>(rng.below(1u << 30)) + 1) / (1u << 30);
  return Duration(static_cast<std::int64_t>(-std::log(u) * mean_ns));
}

std::vector<Request> requests(Seed seed, int chat_of_ten) {
  constexpr double kChat = 1e8, kBatch = 1e9;
  const double mean = (chat_of_ten * kChat + (10 - chat_of_ten) * kBatch) / 10;
  Rng rng(seed);
  std::vector<Request> all(kRequests);
  Time now;
  for (Request& r : all) {
    now += exponential(rng, mean / kThieves / kLoad);
    const bool chat = rng.below(10) < static_cast<std::uint64_t>(chat_of_ten);
    r = {now, now + (chat ? seconds(1) : seconds(60)), exponential(rng, chat ? kChat : kBatch)};
  }
  return all;
}

// The shelf, and what it gave back, which its owner publishes when there is room again.
class Ordered {
 public:
  void offer(const ShelfEntry& e) {
    if (const auto back = shelf_.publish(e)) keep(*back);
  }
  std::optional<ShelfEntry> take() {
    std::array<ShelfEntry, 1> out;
    if (shelf_.take(out).answer != Shelf::Answer::taken) return std::nullopt;
    if (!kept_.empty()) {
      offer(kept_.front());
      kept_.erase(kept_.begin());
    }
    return out[0];
  }

 private:
  void keep(const ShelfEntry& e) {
    kept_.insert(std::upper_bound(kept_.begin(), kept_.end(), e,
                                  [](const ShelfEntry& a, const ShelfEntry& b) { return a.before(b); }),
                 e);
  }
  Shelf shelf_;
  std::vector<ShelfEntry> kept_;
};

class OldestFirst {
 public:
  void offer(const ShelfEntry& e) { entries_.push_back(e); }
  std::optional<ShelfEntry> take() {
    if (entries_.empty()) return std::nullopt;
    const ShelfEntry top = entries_.front();
    entries_.pop_front();
    return top;
  }

 private:
  std::deque<ShelfEntry> entries_;
};

struct Figures {
  std::uint64_t takes = 0, left_more_urgent = 0, late = 0;
  double percent(std::uint64_t n) const { return 100.0 * static_cast<double>(n) / static_cast<double>(takes); }
};

template <class Offers>
void simulate(Seed seed, int chat_of_ten, Figures& figures) {
  const std::vector<Request> all = requests(seed, chat_of_ten);
  Offers offers;
  std::array<Time, kThieves> busy_until{};
  std::vector<ShelfEntry> waiting;  // all that wait, on the shelf or kept
  std::size_t next = 0;
  for (;;) {
    const auto idle = std::min_element(busy_until.begin(), busy_until.end());
    if (next < all.size() && (waiting.empty() || all[next].arrival <= *idle)) {
      const Request& r = all[next];
      const ShelfEntry e(next++, r.deadline, Tokens(1));
      waiting.push_back(e);
      offers.offer(e);
      continue;
    }
    const std::optional<ShelfEntry> taken = offers.take();
    if (!taken) return;
    const Request& r = all[taken->id()];
    const Time now = std::max(*idle, r.arrival);
    std::erase(waiting, *taken);
    ++figures.takes;
    figures.late += r.deadline <= now;
    figures.left_more_urgent +=
        std::any_of(waiting.begin(), waiting.end(), [&](const ShelfEntry& e) { return e.before(*taken); });
    *idle = now + r.work;
  }
}

template <class Offers>
Figures over_seeds(const char* name, int chat_of_ten) {
  Figures figures;
  for (int seed = 1; seed <= kSeeds; ++seed) simulate<Offers>(static_cast<Seed>(seed), chat_of_ten, figures);
  std::printf(
      "%d of ten chat, %-12s  left something more urgent behind %5.1f %%, had missed its deadline %5.1f %% (of %llu "
      "takes)\n",
      chat_of_ten, name, figures.percent(figures.left_more_urgent), figures.percent(figures.late),
      static_cast<unsigned long long>(figures.takes));
  return figures;
}

TEST(ShelfOrder, MostUrgentFirstKeepsDeadlinesThatOldestFirstMisses) {
  for (const int chat_of_ten : {5, 8}) {
    const Figures ordered = over_seeds<Ordered>("ordered", chat_of_ten);
    const Figures oldest = over_seeds<OldestFirst>("oldest first", chat_of_ten);
    EXPECT_EQ(ordered.takes, oldest.takes);
    EXPECT_EQ(ordered.left_more_urgent, 0u);
    EXPECT_LT(ordered.percent(ordered.late), 3);
    EXPECT_GT(oldest.percent(oldest.left_more_urgent), 15);
    EXPECT_GT(oldest.percent(oldest.late), 35);
  }
}

}  // namespace
}  // namespace yard
