// Claims about first tokens of real deployments: each row's engine simulated (deployment_engine.h), beside what was
// measured. The data have no partition by name: rows are told apart by model, and by chip and engine.
//
// Engines do not show each token as it is made: the scripts behind most of these rows have SGLang show 30 at a time
// (--stream-interval 30) and TensorRT-LLM 10 (stream_interval: 10), so that the first is seen when so many were made.
// The rows do not say it. A number of tokens for each engine is therefore fitted to other models' rows; with it goes
// what tokenising, handing over and streaming take, which nobody states either.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/base/hash.h"
#include "scheduler/cost/deployment_rows.h"
#include "scheduler/cost/physics.h"
#include "scheduler/validate/cost_data.h"
#include "scheduler/validate/costs.h"
#include "scheduler/validate/deployment_engine.h"

namespace yard {
namespace {

constexpr std::size_t kAsked = 400, kKnown = 100;  // rows: of all; and of the other models, for the line
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

// A row beside its simulation, milliseconds.
struct Row {
  double measured, ttft, tpot;
};

// How many tokens are made before the first is seen: the weighted median of (measured - simulated) / TPOT, which errs
// least in sum of |simulated + tokens x TPOT - measured| / measured. Requires: a row.
double held_back(std::vector<Row> rows) {
  const auto tokens = [](const Row& r) { return (r.measured - r.ttft) / r.tpot; };
  std::ranges::sort(rows, {}, tokens);
  double whole = 0.0, below = 0.0;
  for (const Row& r : rows) whole += r.tpot / r.measured;
  for (const Row& r : rows)
    if (below += r.tpot / r.measured; 2 * below >= whole) return std::max(tokens(r), 0.0);
  return 0.0;
}

// Of each engine; where fewer than ten rows speak of it, of all together.
using HeldBack = std::array<double, kEngines.size()>;
HeldBack held_back(const std::vector<Measured>& known, const Calibration& fit) {
  std::array<std::vector<Row>, kEngines.size()> of;
  std::vector<Row> all;
  for (const Measured& m : known) {
    const ClientTimes t = simulated(m, fit);
    all.push_back({measured_ms(m), ms(t.ttft_mean), ms(t.tpot_mean)});
    of[static_cast<std::size_t>(m.deployment.engine)].push_back(all.back());
  }
  HeldBack out;
  for (std::size_t e = 0; e < of.size(); ++e) out[e] = held_back(of[e].size() < 10 ? all : of[e]);
  return out;
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

  void add(const Measured& m, const ClientTimes& t, double held_back, double steady_tpot) {
    mean.errors.add(ms(t.ttft_mean), measured_ms(m));
    median.errors.add(ms(t.ttft_median), measured_ms(m));
    tpot.errors.add(ms(t.tpot_mean), m.tpot * 1e3);
    steady.errors.add(steady_tpot * 1e3, m.tpot * 1e3);
    const double told = ms(t.ttft_mean) + held_back * ms(t.tpot_mean);
    for (Errors* errors :
         {&shown.errors, &by_model[m.deployment.model->id].errors, &by_partition[partition_of(m)].errors,
          &by_clients.by[octave(m.steady.sequences)], &by_prompt.by[octave(m.steady.prompt)]})
      errors->add(told, measured_ms(m));
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
  Told told;
  told.shown.refused = data.refused;
  told.shown.note = fmt::format(
      "{} of {} rows, drawn by seed; tokens made before the first is seen, by model left out, for vllm, sglang, "
      "trtllm: ",
      asked.size(), data.rows.size());
  std::set<const ModelCard*> models;
  for (const Measured& m : asked) models.insert(m.deployment.model);
  for (const ModelCard* left_out : models) {
    std::vector<Measured> known = data.rows;
    std::erase_if(known, [&](const Measured& m) { return m.deployment.model == left_out; });
    const Calibration fit = calibrate(known, best_calibration(known));
    const HeldBack tokens = held_back(drawn(known, kKnown, claims.seed), fit);
    told.shown.note += fmt::format("{} {:.0f} {:.0f} {:.0f}; ", left_out->id, tokens[0], tokens[1], tokens[2]);
    for (const Measured& m : asked) {
      if (m.deployment.model != left_out) continue;
      told.add(m, simulated(m, fit), tokens[static_cast<std::size_t>(m.deployment.engine)],
               predicted_tpot(m, fit, std::exp(fit.lookup(m))));
      told.add_physics(m);
    }
  }
  return std::move(told).all();
}

}  // namespace yard
