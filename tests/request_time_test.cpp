// A request's first and last token, told before it runs: held against an engine that batches continuously, whose steps
// scatter and whose answers nobody knows.
#include "scheduler/cost/request_time.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include <fmt/format.h>

#include "scheduler/validate/learning_system.h"

namespace yard {
namespace {

using End = LengthHistory::End;

struct Job {
  std::int64_t arrival = 0, prompt = 0, unread = 0, length = 0, limit = 0, written = 0;  // ns, tokens
  TenantId tenant;
  RequestTimes::Told told;
  bool counts = false;
  std::int64_t first = 0;
};

struct Coverage {
  std::int64_t first[3] = {}, last[3] = {}, raw_last[3] = {}, all = 0;
  double width = 0;  // of the last: q90 / q50
  double percent(std::int64_t n) const { return 100.0 * static_cast<double>(n) / static_cast<double>(all); }
};

// First come, first served; prompts in chunks beside decodes; a step's time is off by what stays for some fifty steps
// and by something new.
class Engine {
 public:
  Engine(Seed seed, std::int64_t mean_gap_ns) : draws_(seed, {}), rng_(seed + 77), mean_gap_(mean_gap_ns) {}

  Coverage serve(int requests, int warm) {
    Coverage coverage;
    std::int64_t next = 0;
    for (int sent = 0; sent < requests || !running_.empty() || !waiting_.empty();) {
      if (sent < requests && (next <= now_ || (running_.empty() && waiting_.empty()))) {
        now_ = std::max(now_, next);
        arrive(next, sent >= warm && sent < requests - 200);
        next += gap(), ++sent;
        continue;
      }
      step(coverage);
    }
    return coverage;
  }

 private:
  // About exponential: a geometric number of parts.
  std::int64_t gap() {
    std::int64_t parts = 1;
    while (parts < 400 && rng_.below(20) != 0) ++parts;
    return mean_gap_ * parts / 20;
  }

  ReplicaNow now() const {
    ReplicaNow is{.running = static_cast<std::int64_t>(running_.size()),
                  .waiting = static_cast<std::int64_t>(waiting_.size()),
                  .max_sequences = kMost,
                  .token_budget = 2048,
                  .kv_capacity = 400'000,
                  .prefill_share = static_cast<std::uint32_t>(share_)};
    for (const Job& j : running_) is.prefill_tokens += j.unread, is.kv_tokens += j.prompt - j.unread + j.written;
    for (const Job& j : waiting_) is.prefill_tokens += j.unread, is.waiting_tokens += j.prompt;
    return is;
  }

  void arrive(std::int64_t at, bool counts) {
    Job job;
    job.arrival = at, job.tenant = TenantId{static_cast<std::uint32_t>(rng_.below(2))}, job.counts = counts;
    job.prompt = job.unread = 50 + static_cast<std::int64_t>(rng_.below(rng_.below(8) == 0 ? 6000 : 800));
    const auto a = static_cast<std::int64_t>(rng_.below(1000)), b = static_cast<std::int64_t>(rng_.below(1000));
    job.length = 1 + (job.tenant.value == 0 ? 120 : 1500) * a * b / 1'000'000;
    job.limit = rng_.below(3) == 0 ? 256 : 4096;
    const ReplicaNow is = now();
    std::int64_t left = 0;
    for (const Job& j : running_) {
      const LikelyLengths l = lengths_.likely(j.tenant, ModelId{0}, Tokens(j.written), Tokens(j.limit));
      for (const std::int32_t length : l) left += length - j.written;
    }
    std::int64_t waits = 0;
    const std::size_t some = std::min<std::size_t>(waiting_.size(), 16);
    for (std::size_t i = 0; i < some; ++i)
      for (const std::int32_t length :
           lengths_.likely(waiting_[i].tenant, ModelId{0}, Tokens(0), Tokens(waiting_[i].limit)))
        waits += length;
    const RequestNow q{.prompt = job.prompt,
                       .hit = 0,
                       .lengths = lengths_.likely(job.tenant, ModelId{0}, Tokens(0), Tokens(job.limit)),
                       .others_left = running_.empty() ? 0 : left / 16 / static_cast<std::int64_t>(running_.size()),
                       .others_write = waits / 16 / std::max<std::int64_t>(1, static_cast<std::int64_t>(some))};
    job.told = times_.predict(costs_, errors_.variances(), is, q);
    waiting_.push_back(job);
  }

  void step(Coverage& coverage) {
    std::int64_t budget = 2048, read = 0, pairs = 0, context = 0, decoding = 0;
    const auto read_some = [&](Job& j) {
      const std::int64_t chunk = std::min(j.unread, budget);
      pairs += prefill_pairs(chunk, j.prompt - j.unread), j.unread -= chunk, read += chunk, budget -= chunk;
    };
    const std::size_t were = running_.size();
    std::vector<bool> writes(were);
    for (std::size_t i = 0; i < were; ++i) {
      Job& j = running_[i];
      if (j.unread > 0) {
        read_some(j);
        writes[i] = j.unread == 0;
      } else {
        context += j.prompt + j.written, ++decoding, --budget, writes[i] = true;
      }
    }
    while (!waiting_.empty() && budget > 0 && running_.size() < kMost) {
      running_.push_back(waiting_.front());
      waiting_.pop_front();
      read_some(running_.back());
      writes.push_back(running_.back().unread == 0);
    }
    const auto n = static_cast<std::uint32_t>(running_.size());
    const std::int64_t said = prior_.step(n, read, pairs, context + decoding).count();
    common_ = common_ * 98 / 100 + draws_.normal() / 5 * 50 / 1024;  // some 5 % in all, permille
    const std::int64_t permille = std::max<std::int64_t>(500, 1000 + common_ + draws_.normal() * 40 / 1024);
    const auto ratio = static_cast<Ratio>(permille * kRatioOne / 1000);
    if (last_ratio_ > 0) errors_.add(ratio, last_ratio_);
    last_ratio_ = ratio;
    const std::int64_t took = said / 1000 * permille / 1000;
    const std::int64_t on_reading = read > 0 ? took - prior_.step(n, 0, 0, context + decoding).count() / 1000 : 0;
    now_ += took;
    share_ =
        (share_ * 5'000'000 + std::clamp<std::int64_t>(on_reading, 0, took) / 1000 * 65536) / (5'000'000 + took / 1000);

    std::vector<Job> stay;
    for (std::size_t i = 0; i < running_.size(); ++i) {
      Job& j = running_[i];
      if (writes[i] && ++j.written == 1) {
        j.first = now_;
        times_.first_token(j.told, Duration(now_ - j.arrival));
      }
      if (j.written < std::min(j.length, j.limit) || j.written == 0) {
        stay.push_back(j);
        continue;
      }
      lengths_.learn(j.tenant, ModelId{0}, Tokens(j.written), j.length > j.limit ? End::cut_short : End::of_itself);
      const Duration first(j.first - j.arrival), last(now_ - j.arrival);
      times_.last_token(j.told, last);
      if (!j.counts) continue;
      ++coverage.all;
      for (std::size_t l = 0; l < 3; ++l) {
        coverage.first[l] += first <= j.told.quantiles.first[l], coverage.last[l] += last <= j.told.quantiles.last[l];
        coverage.raw_last[l] += last <= j.told.by_physics.last[l];
      }
      coverage.width += static_cast<double>(j.told.quantiles.last[1].count()) /
                        static_cast<double>(std::max<std::int64_t>(1, j.told.quantiles.last[0].count()));
    }
    running_ = std::move(stay);
  }

  static constexpr std::size_t kMost = 64;
  learning::System draws_;
  Rng rng_;
  std::int64_t mean_gap_, now_ = 0, share_ = 0, common_ = 0;
  Ratio last_ratio_ = 0;
  StepCost prior_ = learning::prior();
  ClassCosts costs_{prior_};
  ErrorParts errors_;
  LengthHistory lengths_{2, 1};
  RequestTimes times_;
  std::vector<Job> running_;
  std::deque<Job> waiting_;
};

Coverage of_seeds(std::int64_t gap_ns, int seeds) {
  Coverage sum;
  for (int seed = 1; seed <= seeds; ++seed) {
    const Coverage c = Engine(static_cast<Seed>(seed), gap_ns).serve(5000, 1500);
    for (std::size_t l = 0; l < 3; ++l)
      sum.first[l] += c.first[l], sum.last[l] += c.last[l], sum.raw_last[l] += c.raw_last[l];
    sum.all += c.all, sum.width += c.width;
  }
  return sum;
}

std::string text_of(const char* load, const Coverage& c) {
  const auto three = [&](const std::int64_t* n) {
    return fmt::format("{:.1f} {:.1f} {:.1f}", c.percent(n[0]), c.percent(n[1]), c.percent(n[2]));
  };
  return fmt::format(
      "{}: below q50, q90, q99 %: first token {}, last {}; by physics alone last {}; its q90 is {:.2f} times its q50; "
      "n {}",
      load, three(c.first), three(c.last), three(c.raw_last), c.width / static_cast<double>(c.all), c.all);
}

struct Load {
  const char* name;
  std::int64_t gap_ns;
};

TEST(RequestTime, QuantilesHoldAtEveryLoadWithoutKnowingTheAnswer) {
  for (const Load load : {Load{"low", 400'000'000}, Load{"half", 90'000'000}, Load{"full", 70'000'000}}) {
    const Coverage c = of_seeds(load.gap_ns, 4);
    const std::string text = text_of(load.name, c);
    fmt::print("seeds 1 to 4, {}\n", text);
    for (const auto* of : {&c.first, &c.last}) {
      EXPECT_NEAR(c.percent((*of)[0]), 50, 2) << text;
      EXPECT_NEAR(c.percent((*of)[1]), 90, 2) << text;
      EXPECT_NEAR(c.percent((*of)[2]), 99, 1) << text;
    }
  }
}

// A line that grows without end tells of itself only when it is too late: quantiles are too short there, and this says
// by how much.
TEST(RequestTime, InALineThatGrowsWithoutEndTheyFallShort) {
  const Coverage c = of_seeds(60'000'000, 1);
  const std::string text = text_of("overload", c);
  fmt::print("seed 1, {}\n", text);
  EXPECT_GT(c.percent(c.first[1]), 60) << text;
  EXPECT_GT(c.percent(c.last[1]), 70) << text;
}

TEST(RequestTime, AloneOnAnIdleReplicaItIsWhatItsStepsCost) {
  const StepCost prior = learning::prior();
  const ClassCosts costs(prior);
  RequestNow q{.prompt = 1000};
  q.lengths.fill(101);
  const RequestQuantiles t = request_time(costs, {}, {}, q);
  const std::int64_t first = prior.step(1, 1000, prefill_pairs(1000, 0), 0).count();
  const std::int64_t last = first + prior.decode_steps(1, 1000, 100).count();
  EXPECT_NEAR(static_cast<double>(t.first[0].count()), static_cast<double>(first) / 1000,
              static_cast<double>(first) / 50'000);
  EXPECT_NEAR(static_cast<double>(t.last[1].count()), static_cast<double>(last) / 1000,
              static_cast<double>(last) / 50'000);
}

TEST(RequestTime, MoreThereMeansLater) {
  const StepCost prior = learning::prior();
  const ClassCosts costs(prior);
  RequestNow q{.prompt = 500};
  q.lengths.fill(200);
  ReplicaNow is{.max_sequences = 32, .token_budget = 2048, .kv_capacity = 100'000};
  RequestQuantiles before = request_time(costs, {}, is, q);
  for (int more = 0; more < 60; ++more) {
    (more < 32 ? is.running : is.waiting) += 1;
    (more < 32 ? is.kv_tokens : is.waiting_tokens) += 700;
    if (more >= 32) is.prefill_tokens += 700;
    const RequestQuantiles then = request_time(costs, {}, is, q);
    EXPECT_GE(then.first[0], before.first[0]) << more;
    EXPECT_GE(then.last[0], before.last[0]) << more;
    before = then;
  }
  EXPECT_GT(before.first[0], seconds(2)) << "thirty must leave before it has a place";
}

// What cannot be, or is far beyond any replica, ends in the longest time, not in an overflow.
TEST(RequestTime, NothingOverflows) {
  const StepCost prior = learning::prior();
  const ClassCosts costs(prior);
  RequestNow q{.prompt = 1 << 20, .others_left = 1 << 20};
  q.lengths.fill(1 << 20);
  const ReplicaNow is{.running = 256,
                      .waiting = 1 << 20,
                      .prefill_tokens = std::int64_t{1} << 40,
                      .kv_tokens = std::int64_t{1} << 28,
                      .waiting_tokens = std::int64_t{1} << 40,
                      .max_sequences = 256,
                      .token_budget = 256,
                      .kv_capacity = 1 << 20,
                      .prefill_share = 65536};
  const RequestQuantiles t = request_time(costs, {}, is, q);
  EXPECT_GT(t.first[0], seconds(1000));
  EXPECT_GE(t.last[0], t.first[0]);
}

}  // namespace
}  // namespace yard
