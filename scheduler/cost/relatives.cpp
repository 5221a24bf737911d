#include "scheduler/cost/relatives.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "scheduler/base/check.h"
#include "scheduler/cost/deployment_rows.h"

namespace yard {
namespace {

constexpr double kNinety = 1.645;  // standard deviations of a normal's 90 %, to either side

constexpr double kPull = 1.0;  // keys' worth of the depth above

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2.0;
}

std::size_t shared_parts(const Relatives::Key& a, const Relatives::Key& b) {
  std::size_t parts = 0;
  while (parts < a.size() && a[parts] == b[parts]) ++parts;
  return parts;
}

}  // namespace

// ---- what is known --------------------------------------------------------------------------------------------------

Relatives::Key Relatives::key_of(const Deployment& d) {
  return {shape_of(d.model->id)->id, std::string(kEngines[static_cast<std::size_t>(d.engine)]), d.chip->id,
          fmt::format("tp{} dp{} pp{} ep{}", d.tp, d.dp, d.pp, d.ep),
          fmt::format("{}/{}", name_of(d.weights), name_of(d.expert_weights))};
}

Relatives::Relatives(std::span<const Measured> measured, const Calibration& calibration) {
  CHECK(!measured.empty());
  for (const Measured& m : measured) {
    const Key key = key_of(m.deployment);
    auto known = std::ranges::find(keys_, key, &Known::key);
    if (known == keys_.end()) known = keys_.insert(known, {.key = key, .residuals = {}});
    known->residuals.push_back(std::log(m.tpot / predicted_tpot(m, calibration, 1.0)));
  }
  for (Known& known : keys_) {
    std::vector<double> residuals = known.residuals;
    known.median = median(residuals);
  }
  for (std::size_t depth = 0; depth < deviation_.size(); ++depth) {
    double squares = 0.0, n = 0.0;
    for (const Known& known : keys_) {
      const Guess far = guess(known.key, depth, {});
      for (std::size_t row = 0; row < known.residuals.size(); ++row) {
        Guess from = far;
        if (depth == kKeyParts.size()) {  // as if only the row were missing
          std::vector<double> others = known.residuals;
          others.erase(others.begin() + static_cast<std::ptrdiff_t>(row));
          from = guess(known.key, depth, std::move(others));
        }
        if (from.shared != depth || from.known == 0) continue;
        squares += (known.residuals[row] - from.value) * (known.residuals[row] - from.value), n += 1.0;
      }
    }
    deviation_[depth] = n > 0.0 ? std::sqrt(squares / n) : 0.0;
  }
  // Who shares less is never surer.
  for (std::size_t depth = kKeyParts.size(); depth-- > 0;)
    deviation_[depth] = std::max(deviation_[depth], deviation_[depth + 1]);
}

// ---- what it lets expect --------------------------------------------------------------------------------------------

// By the keys that share no more than `most` parts and not all; then by rows of its own.
Relatives::Guess Relatives::guess(const Key& key, std::size_t most, std::vector<double> own) const {
  Guess guess;
  const auto take = [&](std::vector<double>& values, std::size_t parts) {
    if (values.empty()) return;
    const auto n = static_cast<double>(values.size());
    guess = {
        .value = (n * median(values) + kPull * guess.value) / (n + kPull), .shared = parts, .known = values.size()};
  };
  for (std::size_t parts = 0; parts < kKeyParts.size() && parts <= most; ++parts) {
    std::vector<double> values;
    for (const Known& known : keys_)
      if (const std::size_t shared = shared_parts(known.key, key);
          shared >= parts && shared <= most && shared < kKeyParts.size())
        values.push_back(known.median);
    take(values, parts);
  }
  take(own, kKeyParts.size());
  return guess;
}

RelativesAnswer Relatives::of(const Deployment& d, std::size_t most) const {
  const Key key = key_of(d);
  const auto own = std::ranges::find(keys_, key, &Known::key);
  const bool speaks = own != keys_.end() && most == kKeyParts.size();
  const Guess from = guess(key, most, speaks ? own->residuals : std::vector<double>());
  return {
      .shared = from.shared, .known = from.known, .factor = std::exp(from.value), .deviation = deviation_[from.shared]};
}

double RelativesAnswer::low() const { return std::exp(-kNinety * deviation); }
double RelativesAnswer::high() const { return std::exp(kNinety * deviation); }

std::string RelativesAnswer::text() const {
  std::string parts;
  for (std::size_t i = 0; i < shared; ++i)
    parts += fmt::format("{}{}", i == 0 ? "" : i + 1 == shared ? " and " : ", ", kKeyParts[i]);
  const std::string who = shared == kKeyParts.size() ? fmt::format("{} rows of its own", known)
                          : shared == 0              ? fmt::format("{} keys that share nothing with it", known)
                                                     : fmt::format("{} keys of the same {}", known, parts);
  return fmt::format("nearest measured: {}; {:.2f} times what the terms say, 90 % between {:.2f} and {:.2f} of that",
                     who, factor, low(), high());
}

}  // namespace yard
