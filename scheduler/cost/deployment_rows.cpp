#include "scheduler/cost/deployment_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>

#include "scheduler/base/hash.h"
#include "scheduler/base/input_error.h"

namespace yard {
namespace {

bool one_shape(const ModelCard& a, const ModelCard& b) {
  return a.layers == b.layers && a.hidden == b.hidden && a.vocab == b.vocab && a.experts == b.experts &&
         a.total_parameters == b.total_parameters;
}

constexpr double kMostTensorRanks = 8;  // of the engines here, on servers of eight

std::optional<double> concurrency(std::string_view source) {
  constexpr std::string_view kBefore = "silicon_concurrency=";
  const std::size_t at = source.find(kBefore);
  if (at == std::string_view::npos) return {};
  double n = 0;
  const char* first = source.data() + at + kBefore.size();
  if (std::from_chars(first, source.data() + source.size(), n).ec != std::errc() || n < 1) return {};
  return n;
}

struct Reader {
  const CsvTable::Row& row;
  std::string reason = {}, found = {};

  void refuse(std::string_view why, std::string what) {
    if (reason.empty()) reason = why, found = std::move(what);
  }
  double number(std::string_view column, double least, double otherwise = -1) {
    if (row[column].empty() && otherwise >= 0) return otherwise;
    const auto n = row.decimal(column);
    if (!n || !(*n >= least) || !(*n < 1e9))
      refuse("no number in range", fmt::format("{} = '{}'", column, printable(row[column])));
    return n.value_or(least);
  }

  void precision(Deployment& d, std::string_view name) {
    d.weights = d.expert_weights = Precision::bf16;
    d.kv = name == "bf16" || name.empty() ? Precision::bf16 : Precision::fp8;
    if (name == "fp8")
      d.weights = d.expert_weights = Precision::fp8;
    else if (name == "fp4")
      d.weights = d.expert_weights = Precision::fp4;
    else if (name != "bf16" && !name.empty())
      refuse("an unknown precision", fmt::format("precision = '{}'", printable(name)));
    // Its experts are mxfp4 as published and the rest bf16, whatever the row says.
    if (d.model && d.model->expert_weights == Precision::fp4)
      d.weights = d.model->weights, d.expert_weights = Precision::fp4;
  }

  Measured measured() {
    Measured m;
    Deployment& d = m.deployment;
    d.model = shape_of(row["model_path"]);
    if (!d.model) refuse("an unknown model", fmt::format("model_path = '{}'", printable(row["model_path"])));
    d.chip = builtin_catalogue().find(row["system"]);
    if (!d.chip) refuse("an unknown chip", fmt::format("system = '{}'", printable(row["system"])));
    const auto engine = std::ranges::find(kEngines, row["backend"]);
    if (engine == kEngines.end())
      refuse("an unknown engine", fmt::format("backend = '{}'", printable(row["backend"])));
    else
      d.engine = static_cast<Engine>(engine - kEngines.begin());
    precision(d, row["precision"]);
    double tp = number("tp_size", 1), dp = number("attention_dp_size", 1, 1);
    const double ep = number("moe_ep_size", 1, 1), moe_tp = number("moe_tp_size", 1, 1);
    if (ep > 1 && moe_tp > 1 && tp * dp == ep * moe_tp && tp * dp > 8) (tp > 1 ? tp : dp) /= ep;
    d.tp = static_cast<std::uint32_t>(tp), d.dp = static_cast<std::uint32_t>(dp);
    d.ep = static_cast<std::uint32_t>(std::min(ep, tp * dp));
    d.pp = static_cast<std::uint32_t>(number("pp_size", 1, 1));
    if (d.model && static_cast<std::uint32_t>(d.model->query_heads) % d.tp != 0)
      refuse("ranks that do not divide the heads",
             fmt::format("{} query heads of {} over {}", d.model->query_heads, d.model->id, d.tp));
    // A sheet of whole systems: tp 12 to 72 with neither expert nor data parallelism counts their chips.
    if (tp > kMostTensorRanks && ep <= 1 && dp <= 1)
      refuse("ranks of a system, not of a replica", fmt::format("tp_size = {}", tp));
    m.steady.prompt = number("isl", 1), m.steady.output = number("osl", 1);
    const auto stated = concurrency(row["silicon_data_source"]);
    m.steady.sequences = stated ? *stated : number("batch_size", 1) * dp;
    m.ttft = number("silicon_ttft_ms", 1e-6) / 1e3, m.tpot = number("silicon_tpot_ms", 1e-6) / 1e3;
    return m;
  }
};

}  // namespace

const ModelCard* shape_of(std::string_view model) {
  const ModelCard* card = builtin_model_cards().find(model);
  if (!card) return nullptr;
  for (const ModelCard& first : builtin_model_cards().models)
    if (one_shape(first, *card)) return &first;
  return card;
}

DeploymentRows read_deployments(const CsvTable& table) {
  table.require({"backend", "model_path", "system", "precision", "mode", "isl", "osl", "batch_size", "tp_size",
                 "silicon_ttft_ms", "silicon_tpot_ms", "silicon_data_source"});
  DeploymentRows out;
  std::map<std::uint64_t, std::string> seen;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const CsvTable::Row row = table[i];
    if (row["mode"] != "agg") continue;
    Reader reader{row};
    Measured m = reader.measured();
    if (reader.reason.empty()) {
      DecisionHash hash;
      for (const std::string_view column : {"backend", "system", "isl", "osl", "silicon_ttft_ms", "silicon_tpot_ms"})
        for (const char c : row[column]) hash.add(static_cast<std::uint64_t>(c));
      for (const char c : m.deployment.model->id) hash.add(static_cast<std::uint64_t>(c));
      m.id = hash.value();
      if (const auto [at, first] = seen.emplace(m.id, row.place()); !first)
        reader.refuse("the same measurement twice", "first " + at->second);
    }
    if (reader.reason.empty())
      out.rows.push_back(std::move(m));
    else
      out.refused.add(reader.reason, row.place() + ": " + reader.found);
  }
  return out;
}

}  // namespace yard
