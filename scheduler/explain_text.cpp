// What explain() found, for people and for programs.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "scheduler/explain.h"
#include "scheduler/policy/registry.h"
#include "scheduler/report/figure.h"
#include "scheduler/report/json_writer.h"
#include "scheduler/report/text_table.h"

namespace yard {
namespace {

constexpr std::string_view kOurs = "expected_cost";
constexpr std::int64_t kOne = policy::kept_promises::kOne;

std::string_view base_of(std::string_view scorer) { return scorer.substr(0, scorer.find_first_of("@+")); }
std::string_view refusal_of(std::string_view scorer) {
  const std::size_t plus = scorer.find('+');
  return plus == std::string_view::npos ? "" : scorer.substr(plus + 1);
}

// ---- numbers ------------------------------------------------------------------------------------------------------

std::string decimal(std::int64_t units, int decimals) {
  const std::string digits = plain(fixed(units < 0 ? -units : units, decimals));
  return units < 0 ? "-" + digits : digits;
}
std::string counted(std::int64_t n) { return grouped(whole(n), 0); }
std::string seconds_text(Time t) { return decimal((t - Time{}).count() / 1000, 6) + " s"; }
std::string milliseconds_text(std::int64_t ns) { return grouped(fixed(ns / 10'000, 2), 1); }

constexpr int kTextDecimals = 3, kJsonDecimals = 6;

// Misses in decimal places, rounded so that what is printed adds up: each is the difference of two rounded sums.
struct Rounded {
  std::int64_t own, others, to_come, seconds, money, total, misses;

  Rounded(const Candidate& c, int decimals) {
    const auto round = [&](std::int64_t x) {
      std::int64_t scaled = x;
      for (int i = 0; i < decimals; ++i) scaled *= 10;
      const std::int64_t twice = 2 * scaled + kOne;  // halves up, also below zero
      return twice >= 0 ? twice / (2 * kOne) : -((2 * kOne - 1 - twice) / (2 * kOne));
    };
    own = round(c.terms.own);
    misses = round(c.misses());
    others = round(c.terms.own + c.terms.others) - own;
    to_come = misses - own - others;
    seconds = round(c.misses() + c.terms.seconds) - misses;
    total = round(c.total());
    money = total - misses - seconds;
  }
};

// ---- why ----------------------------------------------------------------------------------------------------------

// A device is called as reports call it: by its pool, and by its number there.
struct Names {
  const FleetView& fleet;

  std::uint32_t in_pool(const Candidate& c) const { return c.device - fleet.pools[c.pool].first_device; }
  std::string device(const Candidate& c) const { return device(DeviceId{c.device}, c.pool); }
  std::string device(DeviceId d, std::uint32_t pool) const {
    return fmt::format("{}/{}", fitted(fleet.pools[pool].name, 24, Cut::front),
                       d.value - fleet.pools[pool].first_device);
  }
  std::string device(DeviceId d) const {
    std::uint32_t p = 0;
    while (d.value >= fleet.pools[p].first_device + fleet.pools[p].devices) ++p;
    return device(d, p);
  }
};

std::string misses_at(const Candidate& c, const Names& names) {
  // Rounded, 0.9996 would look like one.
  const std::int64_t misses = c.misses() >= kOne ? Rounded(c, kTextDecimals).misses
                                                 : std::min<std::int64_t>(999, Rounded(c, kTextDecimals).misses);
  return fmt::format("own + others + to come = {} {} 1 at the best, {}", decimal(misses, kTextDecimals),
                     c.misses() >= kOne ? ">=" : "<", names.device(c));
}

// By what the chosen one is better than the best of the others.
std::string won_by(const PlacementSeen& p, const Candidate& chosen, const Names& names) {
  const Candidate* next = nullptr;
  for (const Candidate& c : p.candidates)
    if (c.pool != chosen.pool && (!next || c.total() < next->total())) next = &c;
  if (!next) return fmt::format("{} won: its class is the only one, and it is the best there", names.device(chosen));
  if (next->total() == chosen.total())
    return fmt::format("{} won: as good as {}, and the first of equals", names.device(chosen), names.device(*next));
  const Rounded a(chosen, kTextDecimals), b(*next, kTextDecimals);
  std::string text = fmt::format("{} won by {} over the next class, {}:", names.device(chosen),
                                 decimal(b.total - a.total, kTextDecimals), names.device(*next));
  for (const auto& [name, term] : {std::pair{" own", &Rounded::own},
                                   {", others", &Rounded::others},
                                   {", to come", &Rounded::to_come},
                                   {", seconds", &Rounded::seconds},
                                   {", money", &Rounded::money}}) {
    const std::int64_t less = b.*term - a.*term;
    text += fmt::format("{} {} {}", name, decimal(less < 0 ? -less : less, kTextDecimals), less < 0 ? "more" : "less");
  }
  return text;
}

std::string what_ours_says(const PlacementSeen& p, const Names& names) {
  const Candidate& best = p.candidates[p.least];
  if (p.may_refuse && best.misses() >= kOne)
    return fmt::format("expected_cost would have refused it: {}", misses_at(best, names));
  if (best.chosen) return "expected_cost would have chosen the same";
  std::string text = fmt::format("expected_cost would have chosen {}, at {}", names.device(best),
                                 decimal(Rounded(best, kTextDecimals).total, kTextDecimals));
  if (const Candidate* c = p.chosen())
    text += fmt::format(" and not {}", decimal(Rounded(*c, kTextDecimals).total, kTextDecimals));
  return text;
}

std::string why(const Explanation& e, const PlacementSeen& p) {
  const Names names{e.head.fleet};
  const std::string_view scorer = e.head.scorer, base = base_of(scorer);
  const Candidate& best = p.candidates[p.least];
  const Candidate* chosen = p.chosen();
  if (base != kOurs) {
    const std::string said = chosen ? fmt::format("{} chose {}", base, names.device(*chosen))
                                    : fmt::format("refused: where {} chose, it would cost one promise or more", base);
    const std::string_view reads = find_named_scorer(scorer).reads;
    return fmt::format("{}; it reads {}; {}", said, reads.empty() ? "no column" : reads, what_ours_says(p, names));
  }
  if (!chosen) return fmt::format("refused: {}", misses_at(best, names));
  std::string text = won_by(p, *chosen, names);
  if (chosen->misses() >= kOne)
    text += fmt::format("; {}: {}", misses_at(*chosen, names),
                        p.may_refuse ? "but nobody is refused" : "but it was let in before");
  return text;
}

// ---- text ---------------------------------------------------------------------------------------------------------

struct LoadColumn {
  std::string_view name;  // in DeviceColumns
  const char* head;
  std::int64_t Candidate::* value;
  bool always;  // shown whatever the scorer reads
};
constexpr std::array kLoad = {LoadColumn{"running", "run", &Candidate::running, true},
                              LoadColumn{"waiting", "wait", &Candidate::waiting, true},
                              LoadColumn{"prefill_tokens", "unread", &Candidate::prefill_tokens, true},
                              LoadColumn{"kv_tokens", "KV %", &Candidate::kv_permille, true},
                              LoadColumn{"hit_tokens", "hit", &Candidate::hit_tokens, true},
                              LoadColumn{"waiting_tokens", "in line", &Candidate::waiting_tokens, false},
                              LoadColumn{"cached_tokens", "cached", &Candidate::cached_tokens, false}};

bool shown(const LoadColumn& column, std::string_view scorer) {
  return column.always ||
         (base_of(scorer) != kOurs && find_named_scorer(scorer).reads.find(column.name) != std::string_view::npos);
}

std::string table(const Explanation& e, const PlacementSeen& p) {
  std::vector<TextColumn> columns{{"class", Align::left}, {"of"}, {"device"}};
  for (const LoadColumn& load : kLoad)
    if (shown(load, e.head.scorer)) columns.push_back({load.head, Align::right, "load"});
  for (const char* term : {"own", "others", "to come", "seconds", "money", "total"})
    columns.push_back({term, Align::right, "misses"});
  for (const char* time : {"TTFT", "TPOT"}) columns.push_back({time, Align::right, "expected ms"});
  TextTable text(std::move(columns));
  for (const Candidate& c : p.candidates) {
    std::vector<std::string> cells{
        fmt::format("{} {}", c.chosen ? '*' : ' ', fitted(e.head.fleet.pools[c.pool].name, 16, Cut::front)),
        counted(c.of), std::to_string(Names{e.head.fleet}.in_pool(c))};
    for (const LoadColumn& load : kLoad)
      if (shown(load, e.head.scorer))
        cells.push_back(load.value == &Candidate::kv_permille ? decimal(c.kv_permille, 1) : counted(c.*load.value));
    const Rounded misses(c, kTextDecimals);
    for (const std::int64_t term :
         {misses.own, misses.others, misses.to_come, misses.seconds, misses.money, misses.total})
      cells.push_back(decimal(term, kTextDecimals));
    cells.push_back(milliseconds_text(c.terms.ttft));
    cells.push_back(milliseconds_text(c.terms.tpot));
    text.row(std::move(cells));
  }
  return text.text();
}

std::string placement_text(const Explanation& e, const PlacementSeen& p) {
  const auto classes = std::ranges::count_if(p.candidates, &Candidate::best);
  std::string text = "\n";
  if (p.again > 0)
    text += fmt::format("refused {} times more, and then:\n", counted(static_cast<std::int64_t>(p.again)));
  text += fmt::format("{} at {}, waited {} ms: {} tokens {}, {} expected; {} candidates of {} class{}\n",
                      p.refused   ? "refused"
                      : p.goes_on ? "read, goes on elsewhere"
                                  : "placed",
                      seconds_text(p.at), milliseconds_text(p.waited.count()), counted(p.prompt.count()),
                      p.goes_on ? "read" : "to read", counted(p.expected_output.count()), counted(p.eligible), classes,
                      classes == 1 ? "" : "es");
  text += table(e, p) + why(e, p) + "\n";
  if (const Candidate* chosen = p.chosen(); p.goes_on && chosen)
    text += fmt::format("its KV is expected to move in {} ms\n", milliseconds_text(chosen->move_time));
  if (p.began)
    text += fmt::format("began on {} at {}\n", Names{e.head.fleet}.device(p.began->device), seconds_text(p.began->at));
  return text;
}

std::string end_text(const Explanation& e) {
  if (!e.finish) return "\nstill in flight where the recording ends\n";
  const Finish& f = *e.finish;
  return fmt::format("\n{}{} at {}: {} tokens of answer\n", name_of(f.outcome),
                     f.why == Reason::none ? "" : fmt::format(" ({})", name_of(f.why)), seconds_text(f.account.finish),
                     counted(f.account.output.count()));
}

// ---- JSON ---------------------------------------------------------------------------------------------------------

void write(JsonWriter& json, const Explanation& e, const Candidate& c, bool goes_on) {
  const auto number = [&](std::string_view key, std::int64_t n, int decimals = 0) {
    json.literal(key, decimal(n, decimals));
  };
  const PoolView& pool = e.head.fleet.pools[c.pool];
  json.begin_object();
  json.string("pool", pool.name), json.string("accelerator", pool.accelerator);
  number("class_devices", c.of), number("device", c.device), number("device_in_pool", Names{e.head.fleet}.in_pool(c));
  json.literal("best_of_class", c.best ? "true" : "false"), json.literal("chosen", c.chosen ? "true" : "false");
  number("running", c.running), number("waiting", c.waiting), number("prefill_tokens", c.prefill_tokens);
  number("kv_tokens", c.kv_tokens), number("kv_used_pct", c.kv_permille, 1);
  number("waiting_tokens", c.waiting_tokens), number("hit_tokens", c.hit_tokens);
  number("cached_tokens", c.cached_tokens);
  number("prefill_share_pct", c.prefill_share * 1000 / 65536, 1), number("prefill_burst_ms", c.prefill_burst, 6);
  number("marginal_price_usd_per_hour", c.marginal_price, 9);
  number("pace", c.pace * 1000 / kPaceAsSaid, 3);
  if (goes_on) number("expected_move_ms", c.move_time, 6);
  const Rounded misses(c, kJsonDecimals);
  number("own", misses.own, kJsonDecimals), number("others", misses.others, kJsonDecimals);
  number("to_come", misses.to_come, kJsonDecimals);
  number("seconds", misses.seconds, kJsonDecimals), number("money", misses.money, kJsonDecimals);
  number("total", misses.total, kJsonDecimals);
  number("expected_ttft_ms", c.terms.ttft, 6), number("expected_tpot_ms", c.terms.tpot, 6);
  json.end();
}

void write(JsonWriter& json, const Explanation& e, const PlacementSeen& p) {
  json.begin_object();
  json.literal("at_ns", std::to_string((p.at - Time{}).count()));
  json.literal("waited_ns", std::to_string(p.waited.count()));
  json.literal("prompt_tokens", std::to_string(p.prompt.count()));
  json.literal("expected_output_tokens", std::to_string(p.expected_output.count()));
  json.literal("may_refuse", p.may_refuse ? "true" : "false");
  json.literal("refused", p.refused ? "true" : "false");
  if (p.goes_on) json.literal("goes_on", "true");
  json.literal("refused_before_not_shown", std::to_string(p.again));
  json.literal("eligible_devices", std::to_string(p.eligible));
  json.begin_array("candidates");
  for (const Candidate& c : p.candidates) write(json, e, c, p.goes_on);
  json.end();
  const Candidate& least = p.candidates[p.least];
  const bool ours_refuses = p.may_refuse && least.misses() >= kOne && refusal_of(e.head.scorer) != "none";
  json.literal("expected_cost_device", ours_refuses ? "null" : std::to_string(least.device));
  json.string("why", why(e, p));
  json.literal("began_on_device", p.began ? std::to_string(p.began->device.value) : "null");
  json.literal("began_ns", p.began ? std::to_string((p.began->at - Time{}).count()) : "null");
  json.end();
}

}  // namespace

std::string explanation_text(const Explanation& e) {
  const FleetView& fleet = e.head.fleet;
  const Submitted& r = e.request;
  const auto name = [](std::string_view text) { return fitted(text, 24, Cut::front); };
  std::string text = fmt::format("request {}:{}, row {}: model {}, class {}, tenant {}\n", r.request.index,
                                 r.request.generation, e.row, name(fleet.models[r.model.value].name),
                                 name(fleet.classes[r.slo.value].name), name(fleet.tenants[r.tenant.value].name));
  text += fmt::format("prompt {} tokens, arrived at {}; policy {}, order {}, bind {}\n", counted(r.prompt.count()),
                      seconds_text(r.arrival), e.head.scorer, e.head.order, name_of(e.head.bind));
  for (const PlacementSeen& p : e.placements) text += placement_text(e, p);
  text += end_text(e);
  if (!e.equal) text += "DIFFERENT: this build decides otherwise than was recorded, and explains its own decisions\n";
  return text;
}

std::string explanation_json(const Explanation& e) {
  const FleetView& fleet = e.head.fleet;
  const Submitted& r = e.request;
  JsonWriter json;
  json.begin_object();
  json.string("request", fmt::format("{}:{}", r.request.index, r.request.generation));
  json.literal("row", std::to_string(e.row));
  json.string("model", fleet.models[r.model.value].name), json.string("class", fleet.classes[r.slo.value].name);
  json.string("tenant", fleet.tenants[r.tenant.value].name);
  json.literal("prompt_tokens", std::to_string(r.prompt.count()));
  json.literal("arrival_ns", std::to_string((r.arrival - Time{}).count()));
  json.string("policy", e.head.scorer), json.string("order", e.head.order), json.string("bind", name_of(e.head.bind));
  json.string("reads", find_named_scorer(e.head.scorer).reads);
  json.begin_array("placements");
  for (const PlacementSeen& p : e.placements) write(json, e, p);
  json.end();
  json.literal("outcome", e.finish ? json_quoted(name_of(e.finish->outcome)) : "null");
  json.literal("reason", e.finish ? json_quoted(name_of(e.finish->why)) : "null");
  json.literal("same_decisions", e.equal ? "true" : "false");
  json.end();
  return std::move(json).finish();
}

}  // namespace yard
