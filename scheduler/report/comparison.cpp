#include "scheduler/report/comparison.h"

#include <algorithm>

#include <fmt/format.h>

#include "scheduler/base/check.h"
#include "scheduler/report/json_writer.h"
#include "scheduler/report/metrics.h"
#include "scheduler/report/report.h"
#include "scheduler/report/text_table.h"

namespace yard {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 40;  // beyond it figures are cut

std::optional<std::int64_t> units_of(const Figure& figure, int decimals) {
  if (!figure.some) return std::nullopt;
  CHECK(figure.decimals == decimals);
  return figure.units > static_cast<Wide>(kMost) ? kMost : static_cast<std::int64_t>(figure.units);
}

// The metric of every seed; empty where a seed has none.
std::vector<std::int64_t> values_of(const Contestant& c, std::size_t metric) {
  std::vector<std::int64_t> values;
  for (const Scores& scores : c.scores) {
    if (!scores[metric]) return {};
    values.push_back(*scores[metric]);
  }
  return values;
}

Spread difference(const Contestant& c, const Contestant& first, std::size_t metric) {
  const auto a = values_of(c, metric), b = values_of(first, metric);
  return a.empty() || b.empty() ? Spread{} : paired(a, b);
}

// Contestants are named by what they differ in.
struct Naming {
  bool fleets = false, policies = false;

  explicit Naming(const ComparisonTable& table) {
    for (const Contestant& c : table.contestants) {
      fleets = fleets || c.fleet != table.contestants[0].fleet;
      policies = policies || c.policy != table.contestants[0].policy;
    }
  }
  std::string of(const Contestant& c, std::size_t columns) const {
    const std::string name = fleets && policies ? c.policy + " " + c.fleet : fleets ? c.fleet : c.policy;
    return fitted(name, columns, Cut::front);
  }
};

std::string_view group_of(std::size_t metric) {
  const std::string_view key = kComparedMetrics[metric].key;
  return key.starts_with("ttft")      ? "TTFT ms"
         : key.starts_with("tpot")    ? "TPOT ms"
         : key.starts_with("goodput") ? "goodput"
                                      : "";
}

std::string means_text(const ComparisonTable& table) {
  const Naming naming(table);
  std::vector<TextColumn> columns{{"mean of seeds", Align::left}};
  for (std::size_t m = 0; m < kComparedMetrics.size(); ++m) {
    columns.push_back({std::string(kComparedMetrics[m].head), Align::right, std::string(group_of(m))});
  }
  TextTable text(std::move(columns));
  for (const Contestant& c : table.contestants) {
    std::vector<std::string> cells{naming.of(c, 20)};
    for (std::size_t m = 0; m < kComparedMetrics.size(); ++m) {
      const auto& [key, head, decimals, shown] = kComparedMetrics[m];
      const auto values = values_of(c, m);
      cells.push_back(values.empty() ? "-" : signed_text(spread_of(values).mean, decimals, shown));
    }
    text.row(std::move(cells));
  }
  return text.text();
}

// Some of the metrics, each as a difference to the first contestant's.
std::string differences_text(const ComparisonTable& table, const std::vector<std::size_t>& metrics) {
  const Contestant& first = table.contestants[0];
  const Naming naming(table);
  std::vector<TextColumn> columns{{fmt::format("less {}", naming.of(first, 19)), Align::left}};
  for (const std::size_t m : metrics) {
    columns.push_back({std::string(kComparedMetrics[m].head), Align::right, std::string(group_of(m))});
  }
  TextTable text(std::move(columns));
  for (std::size_t c = 1; c < table.contestants.size(); ++c) {
    std::vector<std::string> cells{naming.of(table.contestants[c], 24)};
    for (const std::size_t m : metrics)
      cells.push_back(spread_text(difference(table.contestants[c], first, m), kComparedMetrics[m].decimals,
                                  kComparedMetrics[m].shown));
    text.row(std::move(cells));
  }
  return text.text();
}

void write_spread(JsonWriter& json, std::string_view key, const Spread& spread, int decimals) {
  if (spread.values == 0) {
    json.literal(key, "null");
    return;
  }
  json.begin_object(key);
  json.literal("mean", signed_plain(spread.mean, decimals));
  json.literal("half_interval_95", spread.values > 1 ? signed_plain(spread.half, decimals) : "null");
  json.end();
}

void write_contestant(JsonWriter& json, const Contestant& c, const Contestant& first) {
  json.begin_object();
  json.string("fleet", c.fleet);
  json.string("policy", c.policy);
  json.begin_object("mean");
  for (std::size_t m = 0; m < kComparedMetrics.size(); ++m)
    write_spread(json, kComparedMetrics[m].key, spread_of(values_of(c, m)), kComparedMetrics[m].decimals);
  json.end();
  json.begin_object("less_first");
  for (std::size_t m = 0; m < kComparedMetrics.size(); ++m)
    write_spread(json, kComparedMetrics[m].key, difference(c, first, m), kComparedMetrics[m].decimals);
  json.end();
  json.begin_array("by_seed");
  for (std::size_t s = 0; s < c.scores.size(); ++s) {
    json.begin_object();
    json.string("decision_hash", fmt::format("{:016x}", c.decision_hashes[s]));
    for (std::size_t m = 0; m < kComparedMetrics.size(); ++m)
      json.literal(kComparedMetrics[m].key,
                   c.scores[s][m] ? signed_plain(*c.scores[s][m], kComparedMetrics[m].decimals) : "null");
    json.end();
  }
  json.end();
  json.end();
}

}  // namespace

Scores scores_of(const Meter& meter, const std::vector<Duration>& idle_beside_work, const TermsTally& terms) {
  Summary summary;
  summary.meter = &meter;
  summary.idle_beside_work = idle_beside_work;
  summary.terms = terms;
  const Metrics measured = measure(summary);
  Scores scores;
  for (std::size_t m = 0; m < scores.size(); ++m) {
    const auto& [key, head, decimals, shown] = kComparedMetrics[m];
    if (key == "rejected_pct") {
      const ClassTally all = meter.all();
      scores[m] = units_of(ratio(Wide{all.of(Outcome::rejected)} * 100, all.arrived(), decimals), decimals);
    } else {
      const bool total = key == "cost_per_million_output_tokens_usd" || key == "energy_kwh";
      scores[m] = units_of((total ? measured.totals : measured.all).figure(key), decimals);
    }
  }
  return scores;
}

std::string comparison_text(const ComparisonTable& table) {
  CHECK(!table.contestants.empty());
  const std::size_t seeds = table.contestants[0].scores.size();
  std::string text = fmt::format("Switchyard {}: {} ways, {} seed{} from {}\n", fitted(table.version, 20, Cut::back),
                                 table.contestants.size(), seeds, seeds == 1 ? "" : "s", table.first_seed);
  text += fmt::format("trace {}\n", fitted(table.trace, 94, Cut::front));
  const Naming naming(table);
  if (!naming.policies) text += fmt::format("policy {}\n", fitted(table.contestants[0].policy, 90, Cut::back));
  if (!naming.fleets) text += fmt::format("fleet {}\n", fitted(table.contestants[0].fleet, 94, Cut::front));
  text += fmt::format("order {}  bind {}\n\n", fitted(table.order, 24, Cut::back), fitted(table.bind, 24, Cut::back));
  text += means_text(table);
  if (table.contestants.size() == 1) return text;
  text += "\n" + differences_text(table, {0, 1, 2, 3, 4});
  text += "\n" + differences_text(table, {5, 6, 7, 8, 9});
  text += seeds > 1 ? "rej.: rejected; usd/M: per million output tokens; +-: half of the 95 % interval over seeds\n"
                    : "rej.: rejected; usd/M: per million output tokens; no intervals: one seed, see --seeds\n";
  return text;
}

std::string comparison_json(const ComparisonTable& table) {
  JsonWriter json;
  json.begin_object();
  json.string("version", table.version);
  json.string("trace", table.trace);
  json.string("order", table.order);
  json.string("bind", table.bind);
  json.literal("first_seed", fmt::format("{}", table.first_seed));
  json.literal("seeds", fmt::format("{}", table.contestants[0].scores.size()));
  json.begin_array("contestants");
  for (const Contestant& c : table.contestants) write_contestant(json, c, table.contestants[0]);
  json.end();
  json.end();
  return std::move(json).finish();
}

}  // namespace yard
