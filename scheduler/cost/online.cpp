#include "scheduler/cost/online.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "scheduler/base/check.h"
#include "scheduler/base/input_error.h"

namespace yard {
namespace {

constexpr std::uint32_t kEnough = 32;  // runs after which a key speaks for its relatives
constexpr std::uint32_t kCalm = 32;    // runs after an alarm that raise no other
constexpr double kMostScale = 8, kLeastScale = 1.0 / 8;
constexpr double kLeastNoise = 0.002 * 0.002;
constexpr double kNoiseGain = 1.0 / 64, kSpreadGain = 1.0 / 16;
constexpr std::uint32_t kLeastMove = 16;                   // of 1024: a scale that moved by less is not published
constexpr std::int64_t kMostSaid = std::int64_t{1} << 52;  // ps: more than an hour

// Of a scale, in 1/1024, the half rounded up.
std::uint32_t in_1024(double scale) { return static_cast<std::uint32_t>(scale * kCostAsSaid + 0.5); }

std::uint32_t in_permille(double variance) {
  return static_cast<std::uint32_t>(std::clamp(std::sqrt(variance) * 1000 + 0.5, 1.0, 4000.0));
}

// How many of the parts, in their order, are alike before the first that is not.
std::uint32_t alike(const CostKey& a, const CostKey& b) {
  if (a.accelerator != b.accelerator) return 0;
  if (a.engine != b.engine) return 1;
  if (a.precision != b.precision) return 2;
  if (a.model != b.model) return 3;
  return a.parallelism != b.parallelism ? 4 : 5;
}

}  // namespace

TermCosts terms_of(const StepCost& cost, const StepsRun& run) {
  const std::int64_t one = cost.c0(std::min<std::uint32_t>(1, cost.max_sequences())).count();
  TermCosts said{};
  said[0] = one * run.steps;
  said[1] = (cost.c0(run.n).count() - one) * run.steps;
  const std::int64_t k = run.steps, all = run.context * k + run.decoding * (k * (k + 1) / 2);
  said[2] = cost.c2().count() * all;
  said[3] = cost.c1().count() * run.read;
  said[4] = cost.c4().count() * run.pairs / 1024;
  if (said[1] < 0) said[0] += said[1], said[1] = 0;  // c0(0), or costs that fall as more run together
  return said;
}

// ---- a symmetric matrix ---------------------------------------------------------------------------------------------

double& OnlineCosts::at(Symmetric& m, std::size_t i, std::size_t j) {
  return i >= j ? m[i * (i + 1) / 2 + j] : m[j * (j + 1) / 2 + i];
}
double OnlineCosts::at(const Symmetric& m, std::size_t i, std::size_t j) {
  return i >= j ? m[i * (i + 1) / 2 + j] : m[j * (j + 1) / 2 + i];
}

double OnlineCosts::sandwich(const Symmetric& m, const Vector& x, Vector& mx) {
  double all = 0;
  for (std::size_t i = 0; i < kCostTerms; ++i) {
    mx[i] = 0;
    for (std::size_t j = 0; j < kCostTerms; ++j) mx[i] += at(m, i, j) * x[j];
    all += x[i] * mx[i];
  }
  return all;
}

// ---- keys and their relatives ---------------------------------------------------------------------------------------

OnlineCosts::OnlineCosts(const Settings& settings)
    : settings_(settings), last_of_source_(settings.sources), key_of_source_(settings.sources) {}

std::uint32_t OnlineCosts::add(CostKey key, std::uint32_t prior_permille) {
  for (const std::string* part : {&key.accelerator, &key.engine, &key.precision, &key.model, &key.parallelism})
    if (part->empty() || part->find_first_of(" \t\n\r") != std::string::npos)
      throw InputError("", 0, "cost key", *part, "names without spaces");
  if (std::ranges::find(names_, key) != names_.end())
    throw InputError("", 0, "cost key", key.model + " on " + key.accelerator, "each key once");
  names_.push_back(std::move(key));
  keys_.emplace_back();
  keys_.back().prior_permille = prior_permille;
  news_.reserve(keys_.size());
  return size() - 1;
}

// Of a key that has seen nothing. The mean of its nearest relatives; beside it what such relatives are told to differ
// by, which counts as two of them, and what they do differ by.
OnlineCosts::Belief OnlineCosts::believed(std::uint32_t k) const noexcept {
  Belief belief{.scale = {1, 1, 1, 1, 1},
                .common = keys_[k].prior_permille > 0 ? keys_[k].prior_permille / 1000.0 : settings_.common,
                .own = settings_.own,
                .noise = settings_.noise * settings_.noise};
  std::uint32_t nearest = 0, relatives = 0;
  for (std::uint32_t other = 0; other < size(); ++other) {
    if (other == k || keys_[other].count.learnt < kEnough) continue;
    const std::uint32_t near = alike(names_[k], names_[other]);
    if (relatives > 0 && near < nearest) continue;
    if (near > nearest) relatives = 0;
    nearest = near, ++relatives;
  }
  if (relatives == 0) return belief;
  Vector mean{};
  double noise = 0, among = 0;
  const auto each = [&](auto&& use) {
    for (std::uint32_t other = 0; other < size(); ++other)
      if (other != k && keys_[other].count.learnt >= kEnough && alike(names_[k], names_[other]) == nearest)
        use(keys_[other]);
  };
  const double n = relatives;
  each([&](const Key& of) {
    for (std::size_t i = 0; i < kCostTerms; ++i) mean[i] += of.scale[i] / n;
    noise += of.noise / n;
  });
  const auto level = [](const Vector& scale) {
    double sum = 0;
    for (const double s : scale) sum += s;
    return sum / kCostTerms;
  };
  each([&](const Key& of) {
    const double off = level(of.scale) - level(mean);
    among += off * off;
  });
  const double told = belief.common * (6.0 - nearest) / 6.0;
  belief.scale = mean;
  belief.common = std::sqrt((2 * told * told + among) / (2 + n) * (1 + 1 / n));
  belief.own = belief.own * (6.0 - nearest) / 6.0;
  belief.noise = noise;
  return belief;
}

void OnlineCosts::begin(std::uint32_t k) noexcept {
  const Belief belief = believed(k);
  Key& key = keys_[k];
  key.scale = belief.scale;
  for (std::size_t i = 0; i < kCostTerms; ++i)
    for (std::size_t j = 0; j <= i; ++j)
      at(key.prior, i, j) = belief.common * belief.common + (i == j ? belief.own * belief.own : 0);
  key.cov = key.prior;
  key.noise = belief.noise;
  key.spread = belief.common * belief.common;
  key.up = key.down = 0;
}

// ---- the filter -----------------------------------------------------------------------------------------------------

// Rows and columns are scaled, so that correlations stay and the matrix stays positive.
void OnlineCosts::forget_no_further_than_prior(Key& key) const noexcept {
  for (std::size_t i = 0; i < kCostTerms; ++i) {
    const double is = at(key.cov, i, i), most = at(key.prior, i, i);
    if (is <= most) continue;
    const double by = std::sqrt(most / is);
    for (std::size_t j = 0; j < kCostTerms; ++j) at(key.cov, i, j) *= i == j ? by * by : by;
  }
}

bool OnlineCosts::drifts(Key& key, double deviations) const noexcept {
  const double z = std::clamp(deviations, -4.0, 4.0);
  key.up = std::max(0.0, key.up + z - settings_.slack);
  key.down = std::max(0.0, key.down - z - settings_.slack);
  key.since = key.up > 0 || key.down > 0 ? key.since + 1 : 0;
  if (key.calm > 0) --key.calm;
  return key.calm == 0 && std::max(key.up, key.down) > settings_.drift;
}

// In 1/65536; of what was published last.
std::int64_t OnlineCosts::told_error(std::uint32_t k) const noexcept {
  const Key& key = keys_[k];
  const std::uint32_t permille = key.was_published ? key.published.error_permille : correction(k).error_permille;
  return permille * kRatioOne / 1000;
}

std::int64_t corrected(const TermCosts& said, const CostScales& scales) {
  std::int64_t all = 0;
  for (std::size_t i = 0; i < kCostTerms; ++i) all += scaled(said[i], scales[i]);
  return all;
}

// What was published is what was believed of this run.
void OnlineCosts::score(std::uint32_t k, const RunTimed& run) noexcept {
  Key& key = keys_[k];
  const Ratio score = ratio_of(run.took, std::max<std::int64_t>(1, corrected(run.said, key.published.scale)));
  if (!key.intervals.known(Level::q99)) beginners_.add(told_error(k), score);
  key.intervals.add(run.group, score);
  if (run.source >= last_of_source_.size()) return;
  Ratio& last = last_of_source_[run.source];
  if (last > 0 && key_of_source_[run.source] == k) key.parts.add(score, last);
  last = std::max<Ratio>(1, score), key_of_source_[run.source] = k;
}

OnlineCosts::Heard OnlineCosts::hear(std::uint32_t k, const RunTimed& run) noexcept {
  CHECK(k < keys_.size() && run.group < kShapeGroups);
  Key& key = keys_[k];
  if (run.odd != Oddity::none) {
    ++key.count.odd[static_cast<std::size_t>(run.odd)];
    if (run.source < last_of_source_.size()) last_of_source_[run.source] = 0;
    return Heard::odd;
  }
  std::int64_t said = 0;
  bool usable = run.took > 0 && run.took < kMostSaid;
  for (const std::int64_t term : run.said) {
    usable &= term >= 0 && term < kMostSaid;
    said += usable ? term : 0;
  }
  if (!usable || said <= 0) {
    ++key.count.unusable;
    return Heard::unusable;
  }
  if (key.count.learnt == 0) begin(k);

  Vector x{}, cx{};
  double expected = 0;
  for (std::size_t i = 0; i < kCostTerms; ++i) {
    x[i] = static_cast<double>(run.said[i]) / static_cast<double>(said);
    expected += key.scale[i] * x[i];
  }
  const double error = static_cast<double>(run.took) / static_cast<double>(said) - expected;
  double variance = sandwich(key.cov, x, cx);
  if (!(variance >= 0 && variance < 1e6)) {  // rounding spoilt it: begin anew from what is known, and say so
    key.cov = key.prior;
    variance = sandwich(key.cov, x, cx);
    ++key.count.restarts;
  }

  score(k, run);
  const double deviations = error / std::sqrt(key.noise + variance);
  const bool alarm = drifts(key, deviations);
  double weight = 1;
  if (alarm) {
    for (std::size_t i = 0; i < kCostTerms; ++i)
      for (std::size_t j = 0; j <= i; ++j)
        at(key.cov, i, j) += settings_.doubt * settings_.doubt * (i == j ? 1.25 : 1.0);
    forget_no_further_than_prior(key);
    variance = sandwich(key.cov, x, cx);
    key.intervals.forget_latest(key.since);
    key.up = key.down = 0, key.since = 0, key.calm = kCalm;
    ++key.count.drifts;
  } else if (const double far = deviations < 0 ? -deviations : deviations; far > settings_.huber) {
    weight = settings_.huber / far;
    ++key.count.gated;
  }

  // A gated residual counts as one of a noisier run: the gain falls, and less is believed to have been learnt.
  const double denominator = key.noise / weight + variance;
  for (std::size_t i = 0; i < kCostTerms; ++i)
    key.scale[i] = std::clamp(key.scale[i] + cx[i] * (error / denominator), kLeastScale, kMostScale);
  for (std::size_t i = 0; i < kCostTerms; ++i)
    for (std::size_t j = 0; j <= i; ++j)
      at(key.cov, i, j) = (at(key.cov, i, j) - cx[i] * cx[j] / denominator) / settings_.forgetting;
  forget_no_further_than_prior(key);

  const double seen = std::min(error * error, settings_.huber * settings_.huber * (key.noise + variance));
  if (!alarm)
    key.noise = std::max(kLeastNoise, key.noise + (seen * key.noise / (key.noise + variance) - key.noise) * kNoiseGain);
  key.spread += (variance - key.spread) * kSpreadGain;
  ++key.count.learnt;
  any_heard_ = true;
  return alarm ? Heard::drift : Heard::learnt;
}

// ---- what is known --------------------------------------------------------------------------------------------------

CostCorrection OnlineCosts::correction(std::uint32_t k) const noexcept {
  const Key& key = keys_[k];
  CostCorrection known{.key = k};
  if (key.count.learnt > 0) {
    for (std::size_t i = 0; i < kCostTerms; ++i) known.scale[i] = in_1024(key.scale[i]);
    known.error_permille = in_permille(key.noise + key.spread);
    known.spread = spread_of(key, known.error_permille);
    return known;
  }
  const Belief belief = believed(k);
  for (std::size_t i = 0; i < kCostTerms; ++i) known.scale[i] = in_1024(belief.scale[i]);
  known.error_permille = in_permille(belief.noise + belief.common * belief.common + belief.own * belief.own / 2);
  return known;
}

// Of its own runs alone, whatever their shape. What share of the error stays is known sooner than the error by these
// parts, both of which begin at nothing: so the filter's error is divided by that.
CostSpread OnlineCosts::spread_of(const Key& key, std::uint32_t error_permille) const noexcept {
  if (!key.intervals.known(Level::q99)) return {};
  CostSpread spread;
  std::uint32_t least = 1;
  for (std::size_t i = 0; i < kQuantiles; ++i) {
    constexpr std::array<Level, kQuantiles> kLevelOf = {Level::q50, Level::q90, Level::q99};
    const std::int64_t ratio = key.intervals.quantile(kShapeGroups, kLevelOf[i]);
    least = spread.quantiles[i] =
        std::clamp(static_cast<std::uint32_t>((ratio * 1000 + kRatioOne / 2) / kRatioOne), least, kMostSpread);
  }
  const ErrorVariances parts = key.parts.variances();
  const std::int64_t all = parts.common + parts.independent, error = std::int64_t{error_permille} * error_permille;
  spread.common = all == 0 ? error_permille  // no device had two runs: all of it may stay
                           : static_cast<std::uint32_t>(integer_sqrt(parts.common / 1024 * error / (all / 1024 + 1)));
  return spread;
}

std::span<const CostCorrection> OnlineCosts::publish(Time now) noexcept {
  news_.clear();
  if (!any_heard_) return {};
  any_heard_ = false;
  bool some = false;
  for (const Key& key : keys_) some |= key.count.learnt >= kEnough;
  for (std::uint32_t k = 0; k < size(); ++k) {
    Key& key = keys_[k];
    if (key.count.learnt == 0 && !some) continue;  // nobody to speak for it
    const CostCorrection is = correction(k);
    bool moved = 8 * std::max(is.error_permille, key.published.error_permille) >
                 9 * std::min(is.error_permille, key.published.error_permille);
    for (std::size_t i = 0; i < kCostTerms; ++i) {
      const std::uint32_t a = is.scale[i], b = key.published.scale[i];
      moved |= std::max(a, b) - std::min(a, b) > kLeastMove;
    }
    for (const auto& [q, part] : {std::pair(Quantile::q90, 16u), std::pair(Quantile::q99, 8u)}) {
      const std::uint32_t a = is.spread.quantiles[place_of(q)], b = key.published.spread.quantiles[place_of(q)];
      moved |= (std::max(a, b) - std::min(a, b)) * part > b;
    }
    if (!moved) continue;
    const Duration ago = now - key.published_at;  // less than nothing: as of a clock that has begun anew
    if (key.was_published && ago.count() >= 0 && ago < kPublishEvery) {
      any_heard_ = true;  // its turn comes
      continue;
    }
    key.published = is, key.published_at = now, key.was_published = true;
    news_.push_back(is);
  }
  return news_;
}

Ratio OnlineCosts::quantile(std::uint32_t k, std::uint32_t group, Level level) const noexcept {
  const Key& key = keys_[k];
  return key.intervals.known(level) ? key.intervals.quantile(group, level) : beginners_.quantile(told_error(k), level);
}

double OnlineCosts::predicted(std::uint32_t k, const TermCosts& said) const noexcept {
  const Vector scale = keys_[k].count.learnt > 0 ? keys_[k].scale : believed(k).scale;
  double sum = 0;
  for (std::size_t i = 0; i < kCostTerms; ++i) sum += scale[i] * static_cast<double>(said[i]);
  return sum;
}

}  // namespace yard
