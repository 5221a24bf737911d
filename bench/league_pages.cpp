#include "bench/league_pages.h"

#include <algorithm>

#include <fmt/format.h>

namespace yard::league {
namespace {

constexpr std::size_t kOurs = 0;  // the default scorer stands first among the entrants

std::string rate_text(std::int64_t milli) {
  return milli == 0 ? "<" : milli < 100'000 ? signed_text(milli, 3, 1) : signed_text(milli, 3, 0);
}

std::string bound_text(const std::vector<std::int64_t>& ours, double bound) {
  return fmt::format("{:.0f} %", static_cast<double>(mean_of(ours)) / 10 / bound);
}

std::string capacities_table(const Sheet& s, const std::vector<Entrant>& all) {
  std::string text =
      "| policy | @90 % req/s | ours / it | @99 % req/s | ours / it | requests per USD @90 "
      "|\n|---|---|---|---|---|---|\n";
  const auto& ours = s.results[kOurs].capacity;
  for (std::size_t e = 0; e < all.size(); ++e) {
    const auto& c = s.results[e].capacity;
    const std::int64_t at90 = mean_of(c[0]);
    text += fmt::format("| {} | {} | {} | {} | {} | {:.0f} |\n", all[e].name, rate_text(at90),
                        e == kOurs ? "" : ratio_text(ours[0], c[0]), rate_text(mean_of(c[1])),
                        e == kOurs ? "" : ratio_text(ours[1], c[1]), static_cast<double>(at90) * 3.6 / s.usd_per_hour);
  }
  if (!has_bound(s)) return text;
  text += fmt::format("| *no policy above (relaxation)* | {:.1f} | ours is {} | {:.1f} | ours is {} | |\n", s.bound[0],
                      bound_text(ours[0], s.bound[0]), s.bound[1], bound_text(ours[1], s.bound[1]));
  return text;
}

std::size_t named(const std::vector<Entrant>& all, const std::string& name) {
  const auto at = std::ranges::find(all, name, &Entrant::name);
  return static_cast<std::size_t>(at - all.begin());
}

std::string gains_text(const Sheet& s, const std::vector<Entrant>& all) {
  const std::size_t none = named(all, all[kOurs].name + "+none");
  if (none == all.size()) return "";
  std::string text;
  for (std::size_t share = 0; share < kShares.size(); ++share) {
    const auto of = [&](std::size_t e) -> const auto& { return s.results[e].capacity[share]; };
    const auto not_ours = [&](const Entrant& e) { return e.origin != ScorerOrigin::ours; };
    const std::size_t as_is = best_of(s, all, share, [&](const Entrant& e) { return not_ours(e) && e.as_is; });
    const std::size_t refusing =
        best_of(s, all, share, [&](const Entrant& e) { return not_ours(e) && e.name.ends_with("+refusal"); });
    text += fmt::format("- @{} %:", kShares[share] / 10);
    if (as_is > 0)
      text +=
          fmt::format(" placement {} (ours without refusal / {}),", ratio_text(of(none), of(as_is)), all[as_is].name);
    text += fmt::format(" refusal {} (ours / ours without)", ratio_text(of(kOurs), of(none)));
    if (refusing > 0) text += fmt::format("; ours / {} {}", all[refusing].name, ratio_text(of(kOurs), of(refusing)));
    if (const std::size_t budget = named(all, all[kOurs].name + "/budget"); budget < all.size())
      text += fmt::format("; chunk {} (ours / ours with the engines' chunks)", ratio_text(of(kOurs), of(budget)));
    const std::size_t given =
        best_of(s, all, share, [&](const Entrant& e) { return not_ours(e) && e.name.ends_with("/objective"); });
    if (given > 0) text += fmt::format("; ours / {} {}", all[given].name, ratio_text(of(kOurs), of(given)));
    text += "\n";
  }
  return text;
}

std::vector<std::int64_t> scores(const std::vector<Outcome>& outcomes, std::size_t metric) {
  std::vector<std::int64_t> values;
  for (const Outcome& o : outcomes) {
    if (!o.scores[metric]) return {};
    values.push_back(*o.scores[metric]);
  }
  return values;
}

// Of the requests that attained, while arrivals were counted.
struct Good {
  std::int64_t requests = 0, tokens = 0;  // in 1,000 s
  double kwh = 0;                         // until all were served

  std::string usd_text(double per_hour) const {
    return tokens == 0 ? "-" : fmt::format("{:.3f}", per_hour / 3.6 / static_cast<double>(tokens) * 1e6);
  }
  std::string kwh_text(int measured_s) const {
    return tokens == 0 ? "-" : fmt::format("{:.3f}", kwh / measured_s / static_cast<double>(tokens) * 1e9);
  }
};

Good good_of(const std::vector<Outcome>& outcomes) {
  std::vector<std::int64_t> requests, tokens;
  for (const Outcome& o : outcomes) requests.push_back(o.good_requests), tokens.push_back(o.good_tokens);
  const auto kwh = scores(outcomes, 9);
  return {mean_of(requests), mean_of(tokens), kwh.empty() ? 0.0 : static_cast<double>(mean_of(kwh)) * 1e-6};
}

std::string loads_table(const Sheet& s, const std::vector<Entrant>& all) {
  std::string text =
      "| load | policy | attain % | less ours | good req/s | good tok/s | refused % | USD / M good tok | TTFT p50 / "
      "p99 ms | "
      "TPOT "
      "p50 / p99 ms | kWh / M good tok |\n|---|---|---|---|---|---|---|---|---|---|---|\n";
  for (std::size_t l = 0; l < s.rates.size(); ++l) {
    const auto ours = scores(s.results[kOurs].at_load[l], 0);
    for (std::size_t e = 0; e < all.size(); ++e) {
      const auto& at = s.results[e].at_load[l];
      if (at.empty()) continue;
      const auto cell = [&](std::size_t m) {
        const auto values = scores(at, m);
        return values.empty() ? std::string("-")
                              : signed_text(mean_of(values), kComparedMetrics[m].decimals, kComparedMetrics[m].shown);
      };
      const auto attain = scores(at, 0);
      const Good good = good_of(at);
      text += fmt::format(
          "| {} % | {} | {} | {} | {} | {} | {} | {} | {} / {} | {} / {} | {} |\n", kLoads[l], all[e].name, cell(0),
          e == kOurs || attain.empty() || ours.empty() ? "" : spread_text(paired(attain, ours), 3, 1),
          signed_text(good.requests, 3, 1), signed_text(good.tokens, 3, 0), cell(3), good.usd_text(s.usd_per_hour),
          cell(5), cell(6), cell(7), cell(8), good.kwh_text(s.measured_s));
    }
    if (has_bound(s))
      text += fmt::format("| {} % | *no policy above (relaxation)* | {:.2f} | | | | | | | | |\n", kLoads[l],
                          s.attainment_bound[l] * 100);
  }
  return text;
}

std::string share_text(const std::vector<Outcome>& outcomes, const std::function<Share(const Outcome&)>& of) {
  Share sum;
  for (const Outcome& o : outcomes) {
    sum.arrived += of(o).arrived;
    sum.refused += of(o).refused;
  }
  return plain(ratio(Wide{sum.refused} * 100, sum.arrived, 1));
}

std::string refused_table(const Sheet& s, const std::vector<Entrant>& all) {
  std::string text =
      fmt::format("| load | policy | refused %, prompt < {} | < {} | < {} | longer | {}\n|---|---|---|---|---|---|{}\n",
                  s.quartiles[0], s.quartiles[1], s.quartiles[2],
                  s.tenants ? "tenant large (3 of 4) | tenant small |" : "", s.tenants ? "---|---|" : "");
  bool any = false;
  for (const std::size_t l : {std::size_t{2}, std::size_t{3}})
    for (std::size_t e = 0; e < all.size(); ++e) {
      const auto& at = s.results[e].at_load[l];
      const auto refused = at.empty() ? std::vector<std::int64_t>{} : scores(at, 3);
      if (refused.empty() || mean_of(refused) == 0) continue;
      any = true;
      text += fmt::format("| {} % | {} |", kLoads[l], all[e].name);
      for (std::size_t q = 0; q < 4; ++q)
        text += " " + share_text(at, [&](const Outcome& o) { return o.by_quartile[q]; }) + " |";
      if (s.tenants)
        for (std::size_t t = 0; t < 2; ++t)
          text += " " + share_text(at, [&](const Outcome& o) { return o.by_tenant[t]; }) + " |";
      text += "\n";
    }
  return any ? text : "Nobody was refused at 95 and 120 %.\n";
}

// Which classes anybody asked in.
std::vector<std::size_t> classes_of(const Sheet& s) {
  std::vector<std::size_t> asked;
  for (std::size_t c = 0; c < s.classes.size(); ++c)
    if (std::ranges::any_of(s.results[kOurs].at_load[0], [&](const Outcome& o) { return o.by_class[c].arrived > 0; }))
      asked.push_back(c);
  return asked;
}

// Of one class, all seeds: attainment of what arrived, goodput, refused.
std::string class_cells(const std::vector<Outcome>& at, std::size_t c) {
  ClassOutcome sum;
  std::vector<std::int64_t> requests, tokens;
  for (const Outcome& o : at) {
    const ClassOutcome& of = o.by_class[c];
    sum.arrived += of.arrived, sum.attained += of.attained, sum.refused += of.refused;
    requests.push_back(of.good_requests), tokens.push_back(of.good_tokens);
  }
  const auto percent = [&](std::uint64_t n) { return plain(ratio(Wide{n} * 100, sum.arrived, 2)); };
  return fmt::format(" {} | {} | {} | {} |", percent(sum.attained), signed_text(mean_of(requests), 3, 1),
                     signed_text(mean_of(tokens), 3, 0), percent(sum.refused));
}

// By class: empty where all are of one.
std::string classes_table(const Sheet& s, const std::vector<Entrant>& all) {
  const std::vector<std::size_t> asked = classes_of(s);
  if (asked.size() < 2) return "";  // the table of loads has it
  std::string text =
      "\nBy class:\n\n| load | policy | class | attain % | good req/s | good tok/s | refused % |\n"
      "|---|---|---|---|---|---|---|\n";
  for (std::size_t l = 0; l < s.rates.size(); ++l)
    for (std::size_t e = 0; e < all.size(); ++e)
      for (const std::size_t c : asked)
        if (const auto& at = s.results[e].at_load[l]; !at.empty())
          text += fmt::format("| {} % | {} | {} |{}\n", kLoads[l], all[e].name, s.classes[c], class_cells(at, c));
  return text;
}

}  // namespace

std::size_t best_of(const Sheet& s, const std::vector<Entrant>& all, std::size_t share,
                    const std::function<bool(const Entrant&)>& counts) {
  std::size_t best = 0;
  for (std::size_t e = 1; e < all.size(); ++e)
    if (counts(all[e]) &&
        (best == 0 || mean_of(s.results[e].capacity[share]) > mean_of(s.results[best].capacity[share])))
      best = e;
  return best;
}

std::string ground_page(const Sheet& s, const std::vector<Entrant>& all) {
  std::string text = fmt::format("\n## {}, {}\n\n{}; {} s of warm-up, {} s measured; {:.2f} USD/h\n\n", s.fleet,
                                 s.workload, s.made_of, s.warm_up_s, s.measured_s, s.usd_per_hour);
  text += capacities_table(s, all) + "\n" + gains_text(s, all);
  if (s.mixed) text += "- No bound: the relaxation knows one class's promises.\n";
  if (!s.mixed && !s.steady)
    text +=
        "- No bound: answers last longer than what is measured, so that these are capacities for a spell of that "
        "length, not in the long run, which the relaxation bounds.\n";
  if (s.rates.empty()) return text;
  text += "\nLoads are shares of our capacity@90:";
  for (std::size_t l = 0; l < s.rates.size(); ++l) text += fmt::format(" {} % is {:.1f} req/s;", kLoads[l], s.rates[l]);
  text.back() = '.';
  return text + "\n\n" + loads_table(s, all) + classes_table(s, all) + "\n" + refused_table(s, all);
}

std::string summary_page(const std::vector<Sheet>& sheets, const std::vector<Entrant>& all) {
  std::string text =
      "| fleet | arrivals | ours @90 % | best other | ratio | ours @99 % | best other | ratio | attain at 120 % | of "
      "the "
      "bound @90 |\n|---|---|---|---|---|---|---|---|---|---|\n";
  const auto shipped = [](const Entrant& e) { return e.origin != ScorerOrigin::ours && e.as_is; };
  for (const Sheet& s : sheets) {
    const auto& ours = s.results[kOurs].capacity;
    text += fmt::format("| {} | {} |", s.fleet, s.workload);
    for (std::size_t share = 0; share < kShares.size(); ++share) {
      const std::size_t best = best_of(s, all, share, shipped);
      text += fmt::format(" {} |", rate_text(mean_of(ours[share])));
      text += best == 0
                  ? " - | - |"
                  : fmt::format(" {} {} | {} |", all[best].name, rate_text(mean_of(s.results[best].capacity[share])),
                                ratio_text(ours[share], s.results[best].capacity[share]));
    }
    const auto& last = s.results[kOurs].at_load.back();
    text += last.empty() ? " - |" : fmt::format(" {} % |", signed_text(mean_of(scores(last, 0)), 3, 1));
    text += fmt::format(" {} |\n", has_bound(s) ? bound_text(ours[0], s.bound[0]) : "-");
  }
  return text;
}

std::string aged_page(const std::string& fleet, const std::string& workload, double rate,
                      const std::vector<Entrant>& all, const std::vector<Aged>& aged) {
  std::string text;
  for (std::size_t e = 0; e < all.size(); ++e) {
    text += fmt::format("| {} | {} | {:.1f} | {} | {} |", fleet, workload, rate, all[e].name,
                        signed_text(mean_of(aged[e].fresh), 3, 1));
    for (const std::vector<std::int64_t>& old : aged[e].old)
      text += fmt::format(" {} ({}) |", signed_text(mean_of(old), 3, 1), spread_text(paired(old, aged[e].fresh), 3, 1));
    text += "\n";
  }
  return text;
}

std::string robust_page(const std::string& fleet, const std::string& workload, const std::vector<Entrant>& all,
                        const std::vector<Robust>& robust) {
  std::string text;
  for (std::size_t e = 0; e < all.size(); ++e)
    text += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", fleet, workload, all[e].name,
                        signed_text(mean_of(robust[e].exact), 3, 1),
                        spread_text(paired(robust[e].wrong, robust[e].exact), 3, 1),
                        spread_text(paired(robust[e].aware, robust[e].exact), 3, 1),
                        spread_text(paired(robust[e].apart, robust[e].exact), 3, 1),
                        spread_text(paired(robust[e].learnt, robust[e].exact), 3, 1),
                        spread_text(paired(robust[e].learning, robust[e].exact), 3, 1));
  return text;
}

}  // namespace yard::league
