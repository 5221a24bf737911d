// Claims about first tokens of real deployments: each row's engine simulated (deployment_engine.h), beside what was
// measured. The data have no partition by name: rows are told apart by model, and by chip and engine.
//
// Engines do not show each token as it is made: the scripts behind most of these rows have SGLang show 30 at a time
// (--stream-interval 30) and TensorRT-LLM 10 (stream_interval: 10), so that the first is seen when so many were made.
// The rows do not say it. A number of tokens for each engine is therefore fitted to other models' rows, and two more
// weights: of the prompt's length, and of attention replicas. With them goes what tokenising, handing over and
// streaming take, which nobody states either.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/base/hash.h"
#include "scheduler/cost/deployment_rows.h"
#include "scheduler/cost/least_squares.h"
#include "scheduler/cost/physics.h"
#include "scheduler/validate/cost_data.h"
#include "scheduler/validate/costs.h"
#include "scheduler/validate/deployment_engine.h"

namespace yard {
namespace {

constexpr std::size_t kAsked = 400, kKnown = 200;  // rows: of all; and of the other models, for what a simulation lacks
constexpr double kMostClients = 1024;

double ms(Duration d) { return static_cast<double>(d.count()) / 1e6; }
double measured_ms(const Measured& m) { return m.ttft * 1e3; }

std::string partition_of(const Measured& m) {
  return fmt::format("{} {}", m.deployment.chip->id, kEngines[static_cast<std::size_t>(m.deployment.engine)]);
}

// At most so many of the rows, by seed, in their order.
std::vector<Measured> drawn(std::vector<Measured> rows, std::size_t most, std::uint64_t seed) {
  if (rows.size() <= most) return rows;
  const auto number = [&](const Measured& m) { return mix64(m.id ^ mix64(seed)); };
  std::vector<std::uint64_t> numbers;
  for (const Measured& m : rows) numbers.push_back(number(m));
  std::ranges::nth_element(numbers, numbers.begin() + static_cast<std::ptrdiff_t>(most));
  std::erase_if(rows, [&](const Measured& m) { return number(m) >= numbers[most]; });
  return rows;
}

// Rows that a simulated engine can be made of.
DeploymentRows servable(const CostClaims& claims) {
  DeploymentRows data = read_deployments(cost_table(claims.folder, "aiconfigurator/measured_ttft_tpot.csv"));
  std::erase_if(data.rows, [&](const Measured& m) {
    if (m.steady.sequences > kMostClients)
      data.refused.add("more than 1,024 clients", fmt::format("{}", m.steady.sequences));
    else if (static_cast<double>(kv_tokens(m.deployment)) < m.steady.prompt + m.steady.output + 64)
      data.refused.add("no room in memory for a request",
                       fmt::format("{} on {}", m.deployment.model->id, partition_of(m)));
    else
      return false;
    return true;
  });
  return data;
}

// What first tokens wait for beyond the simulated engine, milliseconds each: the steps of tokens held back, by engine;
// a step for so much of the prompt, as engines read it in pieces and hand them over; and, as a prompt is read by one of
// the attention replicas where the simulated engine spreads it over all, its time again for each further one.
constexpr std::size_t kOfPrompt = kEngines.size(), kOfReplicas = kOfPrompt + 1;
using Waits = std::array<double, kOfReplicas + 1>;

Waits waits(const Measured& m, const ClientTimes& t) {
  Waits w{};
  w[static_cast<std::size_t>(m.deployment.engine)] = ms(t.tpot_mean);
  w[kOfPrompt] = ms(t.tpot_mean) * m.steady.prompt / 1024;
  w[kOfReplicas] = ms(t.ttft_mean) * (m.deployment.dp - 1);
  return w;
}

double told(const ClientTimes& t, const Waits& w, const Waits& weight) {
  return std::inner_product(w.begin(), w.end(), weight.begin(), ms(t.ttft_mean));
}

// Weights of 0 and above that err least in sum of |told - measured| / measured on such rows, by least squares
// reweighted to the absolute; a weight below 0 is set to 0, the farthest first. An engine without rows has 0.
Waits fit_waits(const std::vector<Measured>& known, const Calibration& fit) {
  struct Row {
    Waits waits;
    double missed;  // of what was measured, as the waits are
  };
  std::vector<Row> rows;
  for (const Measured& m : known) {
    const ClientTimes t = simulated(m, fit);
    rows.push_back({waits(m, t), 1.0 - ms(t.ttft_mean) / measured_ms(m)});
    for (double& w : rows.back().waits) w /= measured_ms(m);
  }
  Waits weight{};
  std::array<bool, std::tuple_size_v<Waits>> none{};
  for (std::size_t left = weight.size(); left > 0; --left) {
    weight = {};
    for (int round = 0; round < 25; ++round) {
      NormalEquations<std::tuple_size_v<Waits>> equations;
      for (const Row& r : rows) {
        Waits x = r.waits;
        for (std::size_t i = 0; i < x.size(); ++i)
          if (none[i]) x[i] = 0.0;
        const double off = std::inner_product(x.begin(), x.end(), weight.begin(), -r.missed);
        equations.add(x, r.missed, round == 0 ? 1.0 : 1.0 / std::max(std::abs(off), 0.03));
      }
      weight = equations.solve();
    }
    const auto least = std::ranges::min_element(weight);
    if (*least >= 0.0) break;
    none[static_cast<std::size_t>(least - weight.begin())] = true;
    *least = 0.0;
  }
  return weight;
}

// Errors told apart by something of the row.
struct Groups {
  std::map<std::string, Errors> by;
  std::string text() const {
    std::string all;
    for (const auto& [name, errors] : by) {
      const ErrorSummary s = errors.summary();
      all +=
          fmt::format("{}{} {} n {:.0f} % ({:+.0f})", all.empty() ? "" : ", ", name, s.n, 100 * s.mape, 100 * s.bias);
    }
    return all;
  }
};

std::string octave(double x) {
  std::int64_t low = 1;
  while (low * 2 <= static_cast<std::int64_t>(x)) low *= 2;
  return fmt::format("from {:4}", low);
}

// What is claimed, as rows come in.
struct Told {
  Claim physics, mean, median, shown, tpot, steady;
  std::map<std::string, Claim> by_model, by_partition;
  Groups by_clients, by_prompt;

  Told() {
    physics.what = "TTFT, simulated, by physics", mean.what = "TTFT, simulated, model left out";
    median.what = "TTFT, simulated, model left out, median";
    shown.what = "TTFT, simulated, as its engine shows it, model left out", shown.aim = 0.20;
    tpot.what = "TPOT, simulated, model left out", steady.what = "TPOT of the same rows in a steady state";
    physics.note = "rows of one attention replica, experts in slices; mean of all requests, as below";
  }

  void add(const Measured& m, const ClientTimes& t, const Waits& weight, double steady_tpot) {
    mean.errors.add(ms(t.ttft_mean), measured_ms(m));
    median.errors.add(ms(t.ttft_median), measured_ms(m));
    tpot.errors.add(ms(t.tpot_mean), m.tpot * 1e3);
    steady.errors.add(steady_tpot * 1e3, m.tpot * 1e3);
    const double as_shown = told(t, waits(m, t), weight);
    for (Errors* errors :
         {&shown.errors, &by_model[m.deployment.model->id].errors, &by_partition[partition_of(m)].errors,
          &by_clients.by[octave(m.steady.sequences)], &by_prompt.by[octave(m.steady.prompt)]})
      errors->add(as_shown, measured_ms(m));
  }
  void add_physics(const Measured& m) {
    const Deployment& d = m.deployment;
    const Replica replica = replica_of(d, static_cast<std::uint32_t>(std::lround(m.steady.sequences)));
    if (d.dp == 1 && d.ep == 1 && d.pp == 1 && !refusal_of(replica).any())
      physics.errors.add(ms(simulated(m, step_cost(replica)).ttft_mean), measured_ms(m));
  }

  std::vector<Claim> all() && {
    shown.note += "by clients: " + by_clients.text() + "; by prompt tokens: " + by_prompt.text();
    std::vector<Claim> claims{std::move(physics), std::move(mean), std::move(median),
                              std::move(shown),   std::move(tpot), std::move(steady)};
    for (auto* by : {&by_model, &by_partition})
      for (auto& [name, claim] : *by) {
        claim.what = "  of these " + name;
        claims.push_back(std::move(claim));
      }
    for (Claim& claim : claims) claim.data = "measured_ttft_tpot, aggregated", claim.unit = "ms";
    return claims;
  }
};

}  // namespace

std::vector<Claim> claim_ttft(const CostClaims& claims) {
  const DeploymentRows data = servable(claims);
  const std::vector<Measured> asked = drawn(data.rows, kAsked, claims.seed);
  Told all;
  all.shown.refused = data.refused;
  all.shown.note = fmt::format(
      "{} of {} rows, drawn by seed; tokens made before the first is seen, by model left out, for vllm, sglang, "
      "trtllm, for 1,024 tokens of the prompt; and simulated times again for each further attention replica: ",
      asked.size(), data.rows.size());
  std::set<const ModelCard*> models;
  for (const Measured& m : asked) models.insert(m.deployment.model);
  for (const ModelCard* left_out : models) {
    std::vector<Measured> known = data.rows;
    std::erase_if(known, [&](const Measured& m) { return m.deployment.model == left_out; });
    const Calibration fit = calibrate(known, best_calibration(known));
    const Waits weight = fit_waits(drawn(known, kKnown, claims.seed), fit);
    all.shown.note += fmt::format("{} {:.1f}; ", left_out->id, fmt::join(weight, " "));
    for (const Measured& m : asked) {
      if (m.deployment.model != left_out) continue;
      all.add(m, simulated(m, fit), weight, predicted_tpot(m, fit, std::exp(fit.lookup(m))));
      all.add_physics(m);
    }
  }
  return std::move(all).all();
}

}  // namespace yard
