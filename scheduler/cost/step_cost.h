// What one step costs, in integer picoseconds: rounded once when the table is made, exact ever after.
//
//   step = c0[n] + c1 * prefill tokens + c2 * sum of context over the n_d decoding sequences, this step's token
//   included + c4 * prefill pairs / 1024
//
// A pair is a prompt token read in this step and one that it attends to: of r tokens read behind c in KV there are
// r * c + r * (r + 1) / 2, summed over the step's slots before the one division.
// n counts all sequences of the step. A pure decode step of n sequences that hold S tokens of context before it thus
// costs c0[n] + c2 * (S + n), and k of them c0[n] * k + c2 * (k * S + n * k * (k + 1) / 2): no division, so that k
// steps sum to the very value that k single steps sum to.
//
// Bounds: c0 <= 1e15, c1 <= 1e12, c2 <= 1e7, c4 <= 1e9 ps, so that a run of 1,024 sequences, 256 steps and 2^20 tokens
// of context each stays below 2^63; so does one by corrected costs, where as said it
// stays below 2^62.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "scheduler/base/check.h"
#include "scheduler/base/id.h"
#include "scheduler/base/units.h"
#include "scheduler/cost/correction.h"

namespace yard {

struct BatchBucket {
  std::uint32_t up_to;  // sequences, inclusive; the last bucket holds for all above it too
  Picoseconds c0;
};

constexpr std::int64_t prefill_pairs(std::int64_t read, std::int64_t context) {
  return read * context + read * (read + 1) / 2;
}

class StepCost {
 public:
  static constexpr std::uint32_t kUnknown = 1000;
  static constexpr std::int64_t kMostC0 = 1'000'000'000'000'000, kMostC1 = 1'000'000'000'000, kMostC2 = 10'000'000,
                                kMostC4 = 1'000'000'000;  // ps

  // `error_permille`: how far off these costs are, relative standard deviation; what is decided by them widens by it.
  // kUnknown: nothing is known of them, not even their order of magnitude.
  // Requires: at least one bucket, `up_to` ascending.
  StepCost(std::vector<BatchBucket> buckets, Picoseconds c1_per_prefill_token, Picoseconds c2_per_kv_token,
           std::uint32_t max_sequences, Picoseconds c4_per_1024_pairs = {}, std::uint32_t error_permille = 100)
      : buckets_(std::move(buckets)),
        c1_(c1_per_prefill_token),
        c2_(c2_per_kv_token),
        c4_(c4_per_1024_pairs),
        error_permille_(error_permille) {
    CHECK(!buckets_.empty());
    c0_.reserve(max_sequences + 1);
    std::size_t b = 0;
    for (std::uint32_t n = 0; n <= max_sequences; ++n) {
      while (b + 1 < buckets_.size() && n > buckets_[b].up_to) ++b;
      c0_.push_back(buckets_[b].c0);
    }
  }

  // Requires: n <= max_sequences.
  Picoseconds c0(std::uint32_t n) const { return c0_[n]; }
  std::span<const Picoseconds> c0_by_sequences() const { return c0_; }  // from none on
  Picoseconds c1() const { return c1_; }
  Picoseconds c2() const { return c2_; }
  Picoseconds c4() const { return c4_; }
  std::uint32_t error_permille() const { return error_permille_; }
  // How runs are spread about these costs: as was learnt, else as a normal distribution of the error.
  CostSpread spread() const { return spread_.known() ? spread_ : spread_by(error_permille_); }

  // What reading prompt tokens adds to a step.
  Picoseconds reading(std::int64_t tokens, std::int64_t pairs) const {
    return c1_ * tokens + Picoseconds(c4_.count() * pairs / 1024);
  }

  // `decode_context`: tokens that the decoding sequences hold, this step's included.
  Picoseconds step(std::uint32_t n, std::int64_t prefill_tokens, std::int64_t pairs,
                   std::int64_t decode_context) const {
    return c0(n) + reading(prefill_tokens, pairs) + c2_ * decode_context;
  }

  // k pure decode steps of n sequences that hold `context` tokens before the first.
  Picoseconds decode_steps(std::uint32_t n, std::int64_t context, std::int64_t k) const {
    return c0(n) * k + c2_ * (k * context + n * (k * (k + 1) / 2));
  }

  // These costs become what `said` says, scaled by term; what was less than an eighth of its bound above becomes no
  // more. Requires: `said` has as many sequences. Cost: O(max_sequences); does not allocate.
  void correct(const StepCost& said, const CorrectedBy& by) {
    const CostScales& scales = by.scales;
    CHECK(said.c0_.size() == c0_.size() && in_bounds(scales) && in_bounds(by.spread));
    const auto bounded = [](std::int64_t is, std::int64_t was, std::int64_t most) {
      return Picoseconds(std::min(is, std::max(was, most / 8)));
    };
    const std::int64_t one = said.c0(std::min<std::uint32_t>(1, max_sequences())).count();
    const auto c0 = [&](Picoseconds was) { return bounded(scaled_c0(was.count(), one, scales), was.count(), kMostC0); };
    for (std::size_t n = 0; n < c0_.size(); ++n) c0_[n] = c0(said.c0_[n]);
    for (std::size_t b = 0; b < buckets_.size(); ++b) buckets_[b].c0 = c0(said.buckets_[b].c0);
    const auto rate = [&](Picoseconds was, CostTerm term, std::int64_t most) {
      return bounded(scaled(was.count(), scales, term), was.count(), most);
    };
    c1_ = rate(said.c1_, CostTerm::prefill, kMostC1);
    c2_ = rate(said.c2_, CostTerm::kv, kMostC2);
    c4_ = rate(said.c4_, CostTerm::pairs, kMostC4);
    error_permille_ = by.error_permille;
    spread_ = by.spread;
  }
  void correct(const StepCost& said, const CostScales& scales, std::uint32_t error_permille) {
    correct(said, {.scales = scales, .error_permille = error_permille, .spread = {}});
  }

  const std::vector<BatchBucket>& buckets() const { return buckets_; }
  std::uint32_t max_sequences() const { return static_cast<std::uint32_t>(c0_.size()) - 1; }

 private:
  std::vector<BatchBucket> buckets_;
  std::vector<Picoseconds> c0_;  // by number of sequences: the buckets, expanded
  Picoseconds c1_, c2_, c4_;
  std::uint32_t error_permille_;
  CostSpread spread_{};
};

class OperatorProfile;  // operator_profile.h

// What a row is of. Keys that share the first of these, in this order, are relatives (online.h).
struct CostKey {
  std::string accelerator, engine, precision, model, parallelism;
  bool operator==(const CostKey&) const = default;
};

// One row per (model, accelerator, parallelism, precision) in use; pools of a FleetView name theirs.
struct CostTables {
  std::vector<StepCost> rows;
  // What steps truly cost where kernels were measured: for simulated devices alone, so no recording holds it. By row,
  // as far as it reaches; null: what the row says.
  std::vector<std::shared_ptr<const OperatorProfile>> profiles = {};
  std::vector<CostKey> keys = {};  // of what each row is; none: nobody said

  const StepCost& operator[](CostRow row) const { return rows[row.value]; }
  const OperatorProfile* profile(CostRow row) const {
    return row.value < profiles.size() ? profiles[row.value].get() : nullptr;
  }
};

}  // namespace yard
