// Costs as a running system shows them: recursive least squares on what runs took beside what their prior says.
//
// A run took y times what the prior says of it, and x_i of that is term i's share, so that y = sum of scale_i x_i with
// every scale 1 where the prior is right. Errors are relative, which is how kernels miss. What is believed before
// anything was seen: all terms are off by one common factor (a slower chip, a wrong price of a byte) and each by a
// little more of its own, so that decodes alone also teach something of prefill. The filter is the exponentially
// forgetting one (Ljung, Soderstrom: Theory and Practice of Recursive Identification, 1983) with three guards: what is
// not excited forgets no further than the prior; a residual of more than two deviations counts for as much as one of
// two (Huber, Annals of Mathematical Statistics 35, 1964); and two cumulative sums (Page, Biometrika 41, 1954) raise an
// alarm where residuals stay on one side, which makes the filter doubt the common factor anew.
//
// A key that has seen nothing speaks by its nearest relatives that have, and less surely: those of one accelerator,
// engine, precision, model, then parallelism, as many of these in this order as can be had.
//
// Floating point is + - * / and sqrt alone, in one order: the same bits on every build. What leaves is integers.
//
// Threads: one at a time. Owns: some 20 KiB for each key. Nothing allocates but add(), save() and restore().
// R1  the same observations in the same order give the same corrections, bit for bit, with a save() and restore()
//     anywhere between them or not.
// R2  a key is published at most once in kPublishEvery of event time.
#pragma once
#include <array>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/base/units.h"
#include "scheduler/cost/correction.h"
#include "scheduler/cost/interval.h"
#include "scheduler/cost/step_cost.h"

namespace yard {

using TermCosts = std::array<std::int64_t, kCostTerms>;            // picoseconds
std::int64_t corrected(const TermCosts& said, const CostScales&);  // all of them together

// A key as a line of text has it: its parts with spaces between.
std::string text_of(const CostKey&);
std::istream& operator>>(std::istream&, CostKey&);

// One step, or a run of decode steps (read == 0) of n sequences that hold `context` tokens before the first. Requires:
// n <= max_sequences of the cost.
struct StepsRun {
  std::uint32_t n = 0;
  std::int64_t read = 0, pairs = 0;  // tokens; as step_cost.h counts them
  std::int64_t context = 0;          // of those that decode
  std::int64_t decoding = 0;         // sequences
  std::int64_t steps = 1;
};
TermCosts terms_of(const StepCost&, const StepsRun&);

// Why a run teaches nothing.
enum class Oddity : std::uint8_t { none, first, preempted, throttled, failed };
inline constexpr std::size_t kOddities = 5;

struct RunTimed {
  TermCosts said{};          // by the prior
  std::int64_t took = 0;     // picoseconds
  std::uint32_t group = 0;   // shape_group()
  std::uint32_t source = 0;  // the device, to tell what stays with it from what is new in each run
  Oddity odd = Oddity::none;
};

// What is known of a key, in integers.
struct CostCorrection {
  std::uint32_t key = 0;
  CostScales scale = kCostsAsSaid;
  std::uint32_t error_permille = 0;  // of a run so corrected: relative standard deviation
  CostSpread spread{};               // known from 99 runs of its own on

  bool operator==(const CostCorrection&) const = default;
};

class OnlineCosts {
 public:
  static constexpr Duration kPublishEvery = milliseconds(100);

  struct Settings {
    double forgetting = 0.995;  // per observation
    double noise = 0.10;        // relative deviation of a run, until it is known
    double huber = 2.0;         // deviations
    double common = 0.30;       // prior deviation of all terms together, of a key without relatives
    double own = 0.15;          // and of each term beside
    double drift = 12.0;        // of the cumulative sums, at which they raise the alarm
    double slack = 1.0;         // deviations on one side that are no drift
    double doubt = 0.20;        // deviation of the common factor after an alarm
    std::uint32_t sources = 0;  // devices told apart
  };

  OnlineCosts() : OnlineCosts(Settings{}) {}
  explicit OnlineCosts(const Settings&);

  // Returns: the key's number, in the order of adding. `prior_permille`: how far off the prior is known to be, where
  // that is known. Errors: InputError: it is there already, or a part of it holds a space.
  std::uint32_t add(CostKey, std::uint32_t prior_permille = 0);
  std::uint32_t size() const { return static_cast<std::uint32_t>(keys_.size()); }
  const CostKey& key(std::uint32_t k) const { return names_[k]; }

  enum class Heard : std::uint8_t { learnt, odd, unusable, drift };  // unusable: nothing said, or it took no time
  // Cost: some 300 operations, and those of StepIntervals::add. Requires: key < size().
  Heard hear(std::uint32_t key, const RunTimed&) noexcept;

  // Returns: those whose correction is by more than 1/64 of the prior, an eighth of the error, 1/16 of q90 or 1/8 of
  // q99 not what was published last, and that were not published since `now` - kPublishEvery. Valid until the next
  // call.
  std::span<const CostCorrection> publish(Time now) noexcept;

  const CostCorrection& published(std::uint32_t key) const noexcept { return keys_[key].published; }
  // As of now, whatever was published; by relatives where it has seen nothing itself.
  CostCorrection correction(std::uint32_t key) const noexcept;
  // measured / predicted, of steps corrected as was published last. Of a key that has seen too little: by what keys
  // that had seen as little showed, in units of the error told.
  Ratio quantile(std::uint32_t key, std::uint32_t group, Level) const noexcept;
  const ErrorParts& parts(std::uint32_t key) const { return keys_[key].parts; }

  // What the filter says of a run now, relative to what its prior says; the scale of all.
  double predicted(std::uint32_t key, const TermCosts& said) const noexcept;

  struct Count {
    std::uint64_t learnt = 0, unusable = 0, gated = 0, drifts = 0, restarts = 0;
    std::array<std::uint64_t, kOddities> odd{};
  };
  const Count& count(std::uint32_t key) const { return keys_[key].count; }

  // Exact: doubles as the hexadecimal of their bits, one key a line. restore() takes what is of keys that were added
  // here, in any order, and leaves out the others. Returns: how many it took. Errors: InputError naming the line.
  std::string save() const;
  // Of these keys alone: what may be put beside what others learnt of other keys.
  std::string save(std::span<const std::uint32_t> keys) const;
  std::uint32_t restore(std::string_view text, const std::string& name);

 private:
  static constexpr std::size_t kPacked = kCostTerms * (kCostTerms + 1) / 2;
  using Vector = std::array<double, kCostTerms>;
  using Symmetric = std::array<double, kPacked>;  // lower triangle, by rows

  struct Key {
    Vector scale{};
    Symmetric cov{}, prior{};
    double noise = 0;         // variance
    double up = 0, down = 0;  // Page's sums
    double spread = 0;        // mean variance of what was predicted, beside the noise
    std::uint32_t since = 0;  // observations since both sums were zero
    std::uint32_t calm = 0;   // observations that may raise no alarm
    std::uint32_t prior_permille = 0;
    Count count{};
    StepIntervals intervals{};
    ErrorParts parts{};
    CostCorrection published{};
    Time published_at{};
    bool was_published = false;
  };
  struct Belief {
    Vector scale;
    double common, own, noise;  // standard deviations; variance
  };

  static double& at(Symmetric& m, std::size_t i, std::size_t j);
  static double at(const Symmetric& m, std::size_t i, std::size_t j);
  static double sandwich(const Symmetric&, const Vector& x, Vector& mx);  // x' M x, and M x
  Belief believed(std::uint32_t key) const noexcept;
  void begin(std::uint32_t key) noexcept;
  std::int64_t told_error(std::uint32_t key) const noexcept;
  CostSpread spread_of(const Key&, std::uint32_t error_permille) const noexcept;
  void score(std::uint32_t key, const RunTimed&) noexcept;
  void forget_no_further_than_prior(Key&) const noexcept;
  bool drifts(Key&, double deviations) const noexcept;
  void write_key(std::string& out, std::uint32_t key) const;

  Settings settings_;
  std::vector<CostKey> names_;
  std::vector<Key> keys_;
  std::vector<CostCorrection> news_;
  std::vector<Ratio> last_of_source_;  // 0: none
  std::vector<std::uint32_t> key_of_source_;
  NormalisedIntervals beginners_;  // scores of keys that had seen too little to have quantiles of their own
  bool any_heard_ = false;
};

}  // namespace yard
