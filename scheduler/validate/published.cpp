// Claims about energy, and about chips of which only some points are published.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "scheduler/base/hash.h"
#include "scheduler/cost/deployment_rows.h"
#include "scheduler/cost/power.h"
#include "scheduler/validate/cost_data.h"
#include "scheduler/validate/costs.h"

namespace yard {
namespace {

// ---- energy ---------------------------------------------------------------------------------------------------------

std::vector<Drawing> read_drawings(const CsvTable& table, std::string_view gpu, Refusals& refused) {
  table.require({"model_id", "gpu_model", "weight_precision", "num_gpus", "avg_batch_size", "avg_output_len",
                 "avg_power_watts", "output_throughput_tokens_per_sec"});
  std::vector<Drawing> out;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const CsvTable::Row row = table[i];
    if (row["gpu_model"] != gpu) continue;
    Drawing d;
    d.deployment.model = shape_of(row["model_id"]);
    d.deployment.chip = builtin_catalogue().find(gpu == "B200" ? "b200_sxm" : "h100_sxm");
    const double chips = row.decimal("num_gpus").value_or(0),
                 throughput = row.decimal("output_throughput_tokens_per_sec").value_or(0);
    d.sequences = row.decimal("avg_batch_size").value_or(0);
    d.watts = row.decimal("avg_power_watts").value_or(0);
    d.context = row.decimal("avg_output_len").value_or(0) / 2 + 500;  // prompts are not published: some 500 tokens
    const std::string_view p = row["weight_precision"];
    const Precision weights = p == "fp8" ? Precision::fp8 : Precision::bf16;
    d.deployment.weights = weights, d.deployment.expert_weights = p == "mxfp4" ? Precision::fp4 : weights;
    if (!d.deployment.model) {
      refused.add("an unknown model", row.place() + ": " + std::string(row["model_id"]));
    } else if (!(chips >= 1 && throughput > 0 && d.sequences >= 1 && d.watts > 0)) {
      refused.add("no number in range", row.place());
    } else {
      d.deployment.tp = static_cast<std::uint32_t>(chips);
      d.step_seconds = d.sequences / throughput;
      out.push_back(d);
    }
  }
  return out;
}

double joules_a_token(double watts, const Drawing& d) { return watts * d.step_seconds / d.sequences; }

Claim claim_energy_of(const CsvTable& table, std::string_view gpu, double aim) {
  Claim claim;
  claim.what = fmt::format("energy a token, {}, model left out", gpu);
  claim.data = "ml_energy", claim.aim = aim, claim.unit = "J";
  claim.note = "given the step's measured time; memory and compute by the card; pictures and video count as text";
  const std::vector<Drawing> drawings = read_drawings(table, gpu, claim.refused);
  std::set<const ModelCard*> models;
  for (const Drawing& d : drawings) models.insert(d.deployment.model);
  for (const ModelCard* left_out : models) {
    std::vector<Drawing> known;
    for (const Drawing& d : drawings)
      if (d.deployment.model != left_out) known.push_back(d);
    const PowerFit fit = fit_power(known);
    Errors own;
    for (const Drawing& d : drawings) {
      if (d.deployment.model != left_out) continue;
      const double watts = static_cast<double>(predicted_power(d, fit).count()) / 1e3;
      own.add(joules_a_token(watts, d), joules_a_token(d.watts, d));
      claim.errors.add(joules_a_token(watts, d), joules_a_token(d.watts, d));
    }
    claim.note += fmt::format("; {} {:.1f} %", left_out->id, 100 * own.summary().mape);
  }
  return claim;
}

// ---- published points -----------------------------------------------------------------------------------------------

struct Point {
  std::string place;
  Measured measured;
};

void add_point(std::vector<Point>& points, Refusals& refused, const CsvTable::Row& row, std::string_view model,
               std::string_view chip, double chips, double batch, double prompt, double output, double tpot_ms,
               Precision weights, std::uint32_t cores = 1) {
  Measured m;
  m.deployment.cores = cores;
  m.deployment.model = shape_of(model);
  m.deployment.chip = builtin_catalogue().find(chip);
  if (!m.deployment.model) return refused.add("an unknown model", row.place() + ": " + std::string(model));
  if (!m.deployment.chip) return refused.add("an unknown chip", row.place() + ": " + std::string(chip));
  if (!(tpot_ms > 0 && batch >= 1 && chips >= 1 && prompt >= 1 && output >= 1))
    return refused.add("no time between tokens, or no batch, published", row.place());
  m.deployment.weights = m.deployment.expert_weights = weights;
  m.deployment.tp = static_cast<std::uint32_t>(chips);
  m.steady = {batch, prompt, output};
  m.tpot = tpot_ms / 1e3;
  points.push_back({row.place(), m});
}

// Transformers NeuronX batches statically: no prompt is read between tokens, so none is charged (prompt in context
// only).
void read_neuron(const CostClaims& claims, std::vector<Point>& points, Refusals& refused) {
  for (const std::string_view name : {"inf2_latency_data_decoder", "inf2_throughput_data_decoder",
                                      "trn1_latency_data_decoder", "trn1_throughput_data_decoder"}) {
    const CsvTable table = cost_table(claims.folder, fmt::format("aws_neuron/{}.csv", name));
    for (std::size_t i = 0; i < table.size(); ++i) {
      const CsvTable::Row row = table[i];
      const double cores = row.decimal("TP Degree").value_or(0);  // two cores a chip
      const bool narrow = row["Weight Storage Data Type"] == "int8";
      add_point(points, refused, row, row["Model"], name.starts_with("inf2") ? "inferentia2" : "trainium1",
                std::ceil(cores / 2), row.decimal("Batch Size").value_or(0), row.decimal("Input Length").value_or(0),
                row.decimal("Output Length").value_or(0), row.decimal("TPOT Latency P50 (ms)").value_or(0),
                narrow ? Precision::int8 : Precision::bf16, 2);
    }
  }
}

void read_tpu(const CostClaims& claims, std::vector<Point>& points, Refusals& refused) {
  const CsvTable table = cost_table(claims.folder, "tpu/tpu_published.csv");
  for (std::size_t i = 0; i < table.size(); ++i) {
    const CsvTable::Row row = table[i];
    add_point(points, refused, row, row["model"], row["accelerator"], row.decimal("chips").value_or(0),
              row.decimal("concurrency").value_or(0), row.decimal("isl").value_or(0), row.decimal("osl").value_or(0),
              row.decimal("median_tpot_ms").value_or(0),
              row["dtype"].starts_with("fp8") ? Precision::fp8 : Precision::bf16);
  }
}

}  // namespace

std::vector<Claim> claim_energy(const CostClaims& claims) {
  const CsvTable table = cost_table(claims.folder, "ml_energy/llm_configs.csv");
  return {claim_energy_of(table, "H100", 0.10), claim_energy_of(table, "B200", 0.13)};
}

std::vector<Claim> claim_published(const CostClaims& claims) {
  const DeploymentRows gpus = read_deployments(cost_table(claims.folder, "aiconfigurator/measured_ttft_tpot.csv"));
  const Calibration fit = calibrate(gpus.rows, {});
  std::vector<Point> points;
  std::vector<Claim> all(3);
  Claim &zero = all[0], &kin = all[1], &one = all[2];
  zero.what = "TPOT of TPU, Trainium, Inferentia, zero shot", zero.aim = 0.30;
  one.what = "TPOT of TPU, Trainium, Inferentia, after one point", one.aim = 0.15;
  zero.note = "weights of terms as GPUs have them";
  kin.what = "TPOT of TPU, Trainium, Inferentia, by a relative's points", kin.aim = 0.30;
  kin.note =
      "no point of the chip itself: its terms are scaled as all points of its kind's other chips say, if any are";
  one.note = "a point of the same model and chip, drawn by seed, scales the rest";
  read_neuron(claims, points, zero.refused);
  read_tpu(claims, points, zero.refused);
  for (Claim& claim : all) claim.data = "aws_neuron, tpu", claim.unit = "ms";
  std::map<std::pair<std::string, std::string>, std::vector<std::size_t>> groups;
  std::map<std::string, Errors> by_chip;
  std::vector<double> predicted;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Measured& m = points[i].measured;
    predicted.push_back(predicted_tpot(m, fit, 1.0));
    zero.errors.add(predicted[i] * 1e3, m.tpot * 1e3);
    by_chip[m.deployment.chip->id].add(predicted[i], m.tpot);
    groups[{m.deployment.chip->id, m.deployment.model->id}].push_back(i);
  }
  for (const auto& [chip, errors] : by_chip) {
    const ErrorSummary s = errors.summary();
    zero.note += fmt::format("; {} n {} {:.1f} % (bias {:+.1f})", chip, s.n, 100 * s.mape, 100 * s.bias);
  }
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Accelerator& chip = *points[i].measured.deployment.chip;
    double sum = 0.0, n = 0.0;
    for (std::size_t j = 0; j < points.size(); ++j) {
      const Accelerator& other = *points[j].measured.deployment.chip;
      if (other.kind != chip.kind || other.id == chip.id) continue;
      sum += std::log(points[j].measured.tpot / predicted[j]), n += 1.0;
    }
    kin.errors.add(predicted[i] * std::exp(n > 0.0 ? sum / n : 0.0) * 1e3, points[i].measured.tpot * 1e3);
  }
  for (const auto& [key, members] : groups) {
    const std::size_t drawn = members[mix64(claims.seed ^ members.front()) % members.size()];
    const double scale = points[drawn].measured.tpot / predicted[drawn];
    for (const std::size_t i : members)
      if (i != drawn) one.errors.add(predicted[i] * scale * 1e3, points[i].measured.tpot * 1e3);
  }
  return all;
}

}  // namespace yard
