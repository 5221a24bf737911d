#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "scheduler/base/check.h"
#include "scheduler/report/metrics.h"
#include "scheduler/report/report.h"
#include "scheduler/report/text_table.h"

namespace yard {
namespace {

constexpr std::size_t kColumns = 100;
constexpr std::size_t kClassColumns = 12;

// Classes, and where there is more than one, all of them together.
std::vector<const Record*> class_rows(const Metrics& metrics) {
  std::vector<const Record*> rows;
  for (const Record& record : metrics.classes) rows.push_back(&record);
  if (rows.size() != 1) rows.push_back(&metrics.all);
  return rows;
}

std::string head_text(const Metrics& m) {
  const Record& about = m.about;
  const auto name = [&](std::string_view key, std::size_t columns, Cut cut) {
    return fitted(about.name(key), columns, cut);
  };
  const std::string left = fmt::format("Switchyard {}", name("version", 20, Cut::back));
  const std::string right =
      fmt::format("seed {}  decisions {}", plain(about.figure("seed")), about.name("decision_hash"));
  const std::size_t gap = kColumns - std::min(kColumns, columns_of(left) + columns_of(right));
  std::string text = fmt::format("{}{:{}}{}\n", left, "", gap, right);
  text += fmt::format("trace {}  fleet {}\n", name("trace", 50, Cut::front), name("fleet", 34, Cut::front));
  text += fmt::format("policy {}  order {}  bind {}\n", name("policy", 24, Cut::back), name("order", 24, Cut::back),
                      name("bind", 24, Cut::back));
  if (about.has("cells"))
    text += fmt::format("cells {}  control lag {} ms\n", plain(about.figure("cells")),
                        three_digits(about.figure("control_lag_ms")));
  if (about.has("shards"))
    text += fmt::format("shards {}  door lag {} ms  offered {}  taken {}  looks {}  takes lost {}\n",
                        plain(about.figure("shards")), three_digits(about.figure("door_lag_ms")),
                        plain(about.figure("offered")), plain(about.figure("taken")), plain(about.figure("looks")),
                        plain(about.figure("takes_lost")));
  if (about.has("cost_corrections"))
    text += fmt::format("costs learnt from runs: {} corrections\n", plain(about.figure("cost_corrections")));
  return text;
}

std::string requests_text(const Metrics& m) {
  TextTable table({{"requests", Align::left},
                   {"arrived"},
                   {"done"},
                   {"cancelled"},
                   {"rejected"},
                   {"failed"},
                   {"attain %"},
                   {"good req/s"},
                   {"good tok/s"}});
  for (const Record* r : class_rows(m)) {
    table.row({fitted(r->name("class"), kClassColumns, Cut::back), count_text(r->figure("arrived")),
               count_text(r->figure("done")), count_text(r->figure("cancelled")), count_text(r->figure("rejected")),
               count_text(r->figure("failed")), grouped(r->figure("attainment_pct"), 2),
               three_digits(r->figure("goodput_requests_per_s")), count_text(r->figure("goodput_tokens_per_s"))});
  }
  return table.text();
}

// "rejected: shed 12, too_long 3"; nothing where there is none. Broken into lines between two reasons.
std::string reasons_text(const Metrics& m) {
  std::string text;
  for (const std::string outcome : {"rejected", "failed"}) {
    std::string line;
    for (const auto& [key, value] : m.all.entries()) {
      const Figure* count = std::get_if<Figure>(&value);
      if (!key.starts_with(outcome + "_") || !count || count->units == 0) continue;
      const std::string item = fmt::format("{} {}", key.substr(outcome.size() + 1), count_text(*count));
      if (line.size() + item.size() + 2 > kColumns) text += line + "\n", line.clear();
      line += line.empty() ? fmt::format("{}: {}", outcome, item) : ", " + item;
    }
    if (!line.empty()) text += line + "\n";
  }
  return text;
}

// Requests of several answers, where there are any.
std::string answers_text(const Metrics& m) {
  if (!m.all.has("several_answers_arrived")) return "";
  return fmt::format("asked for several answers: {}; answers to all: {}\n",
                     count_text(m.all.figure("several_answers_arrived")), count_text(m.all.figure("answers")));
}

// Who asked for no token, where anybody did.
std::string no_output_text(const Metrics& m) {
  if (!m.all.has("no_output_arrived")) return "";
  return fmt::format("asked for no token (scores, embeddings): {}, done {}; their E2E is the time to the result\n",
                     count_text(m.all.figure("no_output_arrived")), count_text(m.all.figure("no_output_done")));
}

// Of the prompts of those admitted, what was found in prefix caches; nothing where nothing was.
std::string hits_text(const Metrics& m) {
  if (!m.all.has("prompt_hit_pct")) return "";
  std::string text =
      fmt::format("prefixes: {} % of prompt tokens found in caches", grouped(m.all.figure("prompt_hit_pct"), 2));
  std::string line;
  for (const Record& r : m.classes) {
    if (!r.has("prompt_hit_pct")) continue;
    const std::string item =
        fmt::format("{} {}", fitted(r.name("class"), kClassColumns, Cut::back), grouped(r.figure("prompt_hit_pct"), 2));
    if (text.size() + line.size() + item.size() + 4 > kColumns) break;
    line += (line.empty() ? ": " : ", ") + item;
  }
  return text + line + "\n";
}

// Where there is more than one. Tokens and dollars are of what counts against a tenant.
std::string tenants_text(const Metrics& m) {
  if (m.tenants.size() < 2) return "";
  TextTable table({{"tenants", Align::left},
                   {"arrived"},
                   {"done"},
                   {"rejected"},
                   {"quota"},
                   {"attain %"},
                   {"tokens"},
                   {"share %"},
                   {"weight"},
                   {"charged $"}});
  for (const Record& r : m.tenants) {
    table.row({fitted(r.name("tenant"), kClassColumns, Cut::back), count_text(r.figure("arrived")),
               count_text(r.figure("done")), count_text(r.figure("rejected")), count_text(r.figure("rejected_quota")),
               grouped(r.figure("attainment_pct"), 2),
               count_text(whole(r.figure("prompt_tokens").units + r.figure("output_tokens").units)),
               grouped(r.figure("tokens_share_pct"), 2), count_text(r.figure("weight")),
               r.figure("charged_usd").units == 0 ? "-" : three_digits(r.figure("charged_usd"))});
  }
  return table.text() + "\n";
}

// Milliseconds, until five places no longer hold the greatest of the table; then seconds, then hours.
struct Unit {
  std::string_view name;
  std::uint64_t ms;
};
constexpr std::array<Unit, 3> kUnits{{{"ms", 1}, {"s", 1000}, {"h", 3'600'000}}};
constexpr std::array<std::string_view, 4> kStatistics{"p50", "p90", "p99", "mean"};

std::string key_of(std::string_view metric, std::string_view statistic) {
  return fmt::format("{}_{}_ms", metric, statistic);
}

Unit unit_for(const std::vector<const Record*>& rows, std::string_view metric) {
  Wide greatest_us = 0;
  for (const Record* r : rows) {
    for (const auto statistic : kStatistics) {
      const Figure& ms = r->figure(key_of(metric, statistic));
      CHECK(!ms.some || ms.decimals == 3);
      greatest_us = std::max(greatest_us, ms.units);
    }
  }
  std::size_t u = 0;
  while (u + 1 < kUnits.size() && greatest_us >= static_cast<Wide>(9'999'500) * kUnits[u].ms) ++u;
  return kUnits[u];
}

std::string in_unit(const Figure& ms, Unit unit) {
  return ms.some ? three_digits(ratio(ms.units, static_cast<Wide>(unit.ms) * 1000, 3)) : "-";
}

std::string latency_text(const Metrics& m) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kMetrics{
      {{"ttft", "TTFT"}, {"tpot", "TPOT"}, {"e2e", "E2E"}}};
  const std::vector<const Record*> rows = class_rows(m);
  std::vector<TextColumn> columns{{"latency", Align::left}};
  for (const auto& [metric, title] : kMetrics) {
    const std::string group = fmt::format("{} {}", title, unit_for(rows, metric).name);
    for (const auto statistic : kStatistics) columns.push_back({std::string(statistic), Align::right, group});
  }
  TextTable table(std::move(columns));
  for (const Record* r : rows) {
    std::vector<std::string> cells{fitted(r->name("class"), kClassColumns, Cut::back)};
    for (const auto& [metric, title] : kMetrics) {
      const Unit unit = unit_for(rows, metric);
      for (const auto statistic : kStatistics) cells.push_back(in_unit(r->figure(key_of(metric, statistic)), unit));
    }
    table.row(std::move(cells));
  }
  const Unit unit = unit_for({&m.all}, "itl");
  std::string gaps = fmt::format("between tokens (ITL, {}):", unit.name);
  for (const auto statistic : kStatistics) {
    gaps += fmt::format(" {} {}", statistic, in_unit(m.all.figure(key_of("itl", statistic)), unit));
  }
  return table.text() + gaps + "\n";
}

// Whole per cents for the four limits, so that they stand close together.
std::string pools_table(const Metrics& m, std::size_t name_columns) {
  TextTable table({{"pools", Align::left},
                   {"repl"},
                   {"requests"},
                   {"busy", Align::right, "%"},
                   {"idle", Align::right, "%"},
                   {"kv", Align::right, "%"},
                   {"preempt"},
                   {"work", Align::right, "bound by %"},
                   {"seqs", Align::right, "bound by %"},
                   {"kv", Align::right, "bound by %"},
                   {"tok", Align::right, "bound by %"},
                   {"kWh"},
                   {"$"}});
  for (const Record& r : m.pools) {
    std::vector<std::string> cells{fitted(r.name("pool"), name_columns, Cut::back)};
    for (const auto key :
         {"replicas", "requests", "utilisation_pct", "idle_beside_work_pct", "kv_busy_pct", "preemptions"}) {
      cells.push_back(three_digits(r.figure(key)));
    }
    for (const auto key : {"bound_by_work_pct", "bound_by_sequences_pct", "bound_by_kv_pct", "bound_by_tokens_pct"}) {
      cells.push_back(grouped(r.figure(key), 0));
    }
    for (const auto key : {"energy_kwh", "cost_usd"}) cells.push_back(three_digits(r.figure(key)));
    table.row(std::move(cells));
  }
  return table.text();
}

// Names get what room the numbers leave.
std::string pools_text(const Metrics& m) {
  std::size_t name_columns = 32;
  std::string text = pools_table(m, name_columns);
  const auto widest = [](std::string_view table) {
    std::size_t most = 0;
    for (std::size_t at = 0; at < table.size();) {
      const std::size_t end = table.find('\n', at);
      most = std::max(most, columns_of(table.substr(at, end - at)));
      at = end + 1;
    }
    return most;
  };
  while (widest(text) > kColumns && name_columns > 8) text = pools_table(m, --name_columns);
  return text +
         "busy: in runs, of paid time. idle: idle beside waiting work. kv: blocks granted, while busy.\n"
         "bound by: what kept a busy pool from taking more: work (nothing waited), sequences, KV, tokens.\n";
}

// Where a pool holds adapters: what its admissions found there and what they had to load.
std::string adapters_text(const Metrics& m) {
  TextTable table({{"adapters", Align::left}, {"wanted"}, {"loaded"}, {"found %"}, {"loading s"}});
  bool some = false;
  for (const Record& r : m.pools) {
    if (!r.has("adapter_loads")) continue;
    some = true;
    table.row({fitted(r.name("pool"), 24, Cut::back),
               count_text(whole(r.figure("adapter_loads").units + r.figure("adapters_found").units)),
               count_text(r.figure("adapter_loads")), grouped(r.figure("adapters_found_pct"), 2),
               three_digits(r.figure("adapter_load_s"))});
  }
  return some ? table.text() + "wanted: by admissions to stepped replicas; of engines behind a wire nobody hears.\n\n"
              : "";
}

// How each contract's replicas were paid, and the draw of each power domain; nothing where the fleet has none.
std::string terms_text(const Metrics& m) {
  std::string text;
  if (!m.contracts.empty()) {
    TextTable table({{"contracts", Align::left},
                     {"kind", Align::left},
                     {"pool", Align::left},
                     {"repl"},
                     {"$/h"},
                     {"paid h"},
                     {"used h"},
                     {"beyond h"},
                     {"$"}});
    for (const Record& r : m.contracts) {
      std::vector<std::string> cells{fitted(r.name("contract"), 20, Cut::back), r.name("kind"),
                                     fitted(r.name("pool"), 16, Cut::back)};
      for (const auto key :
           {"replicas", "price_usd_per_replica_hour", "paid_whole_h", "in_use_h", "beyond_commitment_h", "cost_usd"})
        cells.push_back(three_digits(r.figure(key)));
      table.row(std::move(cells));
    }
    text += table.text() +
            "paid: used or not, at $/h. beyond: at the pool's on-demand price. on demand and spot: used h at $/h.\n"
            "Replicas without a contract are paid whole, at the pool's price.\n\n";
  }
  if (!m.power_domains.empty()) {
    TextTable table({{"power", Align::left},
                     {"in", Align::left},
                     {"least", Align::right, "cap W"},
                     {"most", Align::right, "cap W"},
                     {"peak W"},
                     {"held s"},
                     {"kWh"}});
    for (const Record& r : m.power_domains) {
      std::vector<std::string> cells{fitted(r.name("power_domain"), 24, Cut::back),
                                     fitted(r.name("parent"), 24, Cut::back)};
      for (const auto key : {"cap_least_w", "cap_most_w", "peak_w"})
        cells.push_back(grouped_below(1'000'000'000, r.figure(key), 0));
      for (const auto key : {"held_by_power_s", "energy_kwh"}) cells.push_back(three_digits(r.figure(key)));
      table.row(std::move(cells));
    }
    text += table.text() + "held: idle beside work for want of power, device time. Watts of chips; kWh with PUE.\n\n";
  }
  return text;
}

// The greatest age of what a placement was made on, and where; nothing where all signals were fresh.
std::string signals_text(const Metrics& m) {
  const Record* oldest = nullptr;
  for (const Record& r : m.pools)
    if (r.has("oldest_signal_ms") &&
        (!oldest || r.figure("oldest_signal_ms").units > oldest->figure("oldest_signal_ms").units))
      oldest = &r;
  if (!oldest) return "";
  return fmt::format("signals: the oldest that a placement was made on was {} ms old (pool {})\n",
                     grouped(oldest->figure("oldest_signal_ms"), 0), fitted(oldest->name("pool"), 32, Cut::back));
}

// What moved from prefill pools; nothing where the fleet has no links.
std::string links_text(const Metrics& m) {
  if (m.links.empty()) return "";
  TextTable table({{"links", Align::left},
                   {"to", Align::left},
                   {"at once"},
                   {"GB/s"},
                   {"moves"},
                   {"failed"},
                   {"GB"},
                   {"p50", Align::right, "move ms"},
                   {"p99", Align::right, "move ms"},
                   {"mean", Align::right, "move ms"}});
  for (const Record& r : m.links) {
    std::vector<std::string> cells{fitted(r.name("from"), 16, Cut::back), fitted(r.name("to"), 16, Cut::back),
                                   count_text(r.figure("at_once")),       three_digits(r.figure("rate_gb_per_s")),
                                   count_text(r.figure("moves")),         count_text(r.figure("moves_failed")),
                                   three_digits(r.figure("moved_gb"))};
    for (const auto key : {"move_p50_ms", "move_p99_ms", "move_mean_ms"}) cells.push_back(three_digits(r.figure(key)));
    table.row(std::move(cells));
  }
  return table.text() + fmt::format(
                            "GB/s: of one move. ms: from its command, its wait on the link in it. Without a "
                            "move: {} % of those done.\n\n",
                            three_digits(m.totals.figure("stayed_pct")));
}

std::string totals_text(const Metrics& m) {
  const Record& t = m.totals;
  const auto amount = [&](std::string_view key, int decimals) {
    return grouped_below(1'000'000'000, t.figure(key), decimals);
  };
  return fmt::format("totals: {} s, {} {}, {} kWh (PUE {})\ncost: ${}, ${} per million output tokens\n",
                     amount("makespan_s", 1), amount("replicas", 0),
                     t.figure("replicas").units == 1 ? "replica" : "replicas", amount("energy_kwh", 3),
                     amount("pue", 2), amount("cost_usd", 2), amount("cost_per_million_output_tokens_usd", 2));
}

std::string run_text(const Metrics& m) {
  if (!m.run.figure("wall_s").some && !m.run.figure("cpu_s").some) return "";
  return fmt::format("made in {} s, {} s of CPU: {} requests per CPU-second\n", grouped(m.run.figure("wall_s"), 2),
                     grouped(m.run.figure("cpu_s"), 2), count_text(m.run.figure("requests_per_cpu_s")));
}

}  // namespace

std::string report_text(const Summary& summary) {
  const Metrics m = measure(summary);
  return head_text(m) + "\n" + requests_text(m) + hits_text(m) + answers_text(m) + no_output_text(m) + reasons_text(m) +
         "\n" + tenants_text(m) + latency_text(m) + "\n" + pools_text(m) + "\n" + links_text(m) + adapters_text(m) +
         terms_text(m) + signals_text(m) + totals_text(m) + run_text(m);
}

}  // namespace yard
