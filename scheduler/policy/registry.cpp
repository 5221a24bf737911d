#include "scheduler/policy/registry.h"

#include <vector>

#include "scheduler/base/input_error.h"
#include "scheduler/policy/refusal.h"
#include "scheduler/policy/scorers.h"

namespace yard {
namespace {

template <Scorer kScorer>
constexpr NamedScorer named(ScorerOrigin origin, std::string_view name, std::string_view meaning,
                            std::string_view reads) {
  return {name, meaning, reads, origin, kScorer, policy::refusing<kScorer>, policy::accepting<kScorer>};
}

template <Scorer kScorer, IndexedScorer kIndexed>
constexpr NamedScorer named(ScorerOrigin origin, std::string_view name, std::string_view meaning,
                            std::string_view reads) {
  NamedScorer scorer = named<kScorer>(origin, name, meaning, reads);
  scorer.indexed = kIndexed;
  scorer.indexed_with_refusal = policy::refusing<kIndexed>;
  scorer.indexed_with_none = policy::accepting<kIndexed>;
  return scorer;
}

using enum ScorerOrigin;
constexpr NamedScorer kScorers[] = {
    named<policy::expected_cost, policy::expected_cost_indexed>(
        ours, "expected_cost", "fewest promises missed, its own and others'; refuses where that is one or more",
        "waiting running prefill_tokens kv_tokens waiting_tokens by_class prefill_share "
        "prefill_burst hit_tokens marginal_price move_time adapter_load"),
    named<policy::expected_seconds, policy::expected_seconds_indexed>(
        ours, "expected_seconds", "least expected seconds to first and last token",
        "waiting running prefill_tokens kv_tokens waiting_tokens hit_tokens move_time adapter_load"),
    named<policy::least_loaded>(rule, "least_loaded", "fewest sequences waiting or running", "waiting running"),
    named<policy::power_of_two>(rule, "power_of_two", "the less loaded of two drawn at random", "waiting running"),
    named<policy::round_robin>(rule, "round_robin", "each device in turn", ""),
    named<policy::random>(rule, "random", "any device, evenly", ""),
    named<policy::llm_d>(peer, "llm_d", "llm-d 520af47: queue 2, KV 2, prefix 3; the highest sum",
                         "waiting kv_tokens hit_tokens"),
    named<policy::dynamo_kv>(peer, "dynamo_kv", "NVIDIA Dynamo 01690d4: blocks to read, less overlap, plus blocks held",
                             "prefill_tokens kv_tokens waiting_tokens hit_tokens"),
    named<policy::smg_cache_aware>(peer, "smg_cache_aware",
                                   "SMG 73da68c: the longest match above 0.3 while load is even",
                                   "waiting running hit_tokens cached_tokens"),
    named<policy::smg_power_of_two>(peer, "smg_power_of_two",
                                    "SMG 73da68c: of two drawn, the one with less of its KV used", "kv_tokens"),
    named<policy::smg_least_load>(peer, "smg_least_load", "SMG 73da68c: seconds to drain plus 0.15 s k / (1 - k) of KV",
                                  "running prefill_tokens kv_tokens"),
    named<policy::least_outstanding_tokens>(peer, "least_outstanding_tokens",
                                            "fewest tokens in flight (llm-d's token load, 520af47)",
                                            "prefill_tokens kv_tokens"),
    named<policy::bounded_prefix_hash>(peer, "bounded_prefix_hash",
                                       "KubeAI 2f32ef4: the prompt's head hashed, loads at most 1.25 of the mean",
                                       "waiting running"),
    named<policy::session_sticky>(peer, "session_sticky",
                                  "vLLM production stack a6c01db: a session's hash, else fewest in flight",
                                  "waiting running"),
};
constexpr NamedRefusal kRefusals[] = {
    {"refusal", "refused where it would cost one promise or more on the device chosen", &NamedScorer::with_refusal,
     &NamedScorer::indexed_with_refusal},
    {"none", "nobody is refused", &NamedScorer::with_none, &NamedScorer::indexed_with_none},
};
constexpr NamedOrder kOrders[] = {
    {"edf", "class by class, earliest deadline first", policy::edf},
    {"fcfs", "first come, first served", policy::fcfs},
    {"shortest_first", "shortest prompt first", policy::shortest_first},
};
constexpr std::string_view kBinds[] = {"arrival", "room"};

template <class Table>
const auto& find(const Table& table, std::string_view name, const char* flag) {
  std::vector<std::string_view> names;
  for (const auto& entry : table) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  throw InputError("", 0, flag, "found '" + printable(name) + "'",
                   "nearest is '" + std::string(nearest(name, names)) + "'; accepted: " + listed(names));
}

struct Ways {
  Scorer scorer;
  IndexedScorer indexed;
  Quantile quantile = Quantile::none;
};

Ways find_scorer(std::string_view name) {
  if (const std::size_t at = name.find('@'); at != std::string_view::npos) {
    const std::size_t end = std::min(name.find('+', at), name.size());
    const std::string_view level = name.substr(at + 1, end - at - 1);
    const auto levels = std::span(kQuantileNames).subspan(1);
    const auto found = std::ranges::find(levels, level);
    if (found == levels.end())
      throw InputError("", 0, "policy, after '@'", "found '" + printable(level) + "'",
                       "accepted: " + listed({levels.begin(), levels.end()}));
    Ways ways = find_scorer(std::string(name.substr(0, at)) + std::string(name.substr(end)));
    ways.quantile = static_cast<Quantile>(1 + (found - levels.begin()));
    return ways;
  }
  const std::size_t plus = name.find('+');
  const NamedScorer& scorer = find_named_scorer(name);
  if (plus == std::string_view::npos) return {scorer.scorer, scorer.indexed};
  const NamedRefusal& refusal = find(kRefusals, name.substr(plus + 1), "policy, after '+'");
  return {scorer.*refusal.scorer, scorer.*refusal.indexed};
}

}  // namespace

std::span<const NamedScorer> scorers() { return kScorers; }
std::span<const NamedRefusal> refusals() { return kRefusals; }
std::span<const NamedOrder> orders() { return kOrders; }
const NamedScorer& find_named_scorer(std::string_view name) {
  return find(kScorers, name.substr(0, name.find_first_of("@+")), "policy");
}
std::string_view name_of(Bind bind) { return kBinds[static_cast<std::size_t>(bind)]; }
std::string_view title_of(ScorerOrigin origin) {
  constexpr std::string_view kTitles[] = {"ours", "rules that everybody knows", "peers, by their own constants"};
  return kTitles[static_cast<std::size_t>(origin)];
}

PolicySet find_policies(std::string_view scorer, std::string_view order, std::string_view bind) {
  if (bind != kBinds[0] && bind != kBinds[1])
    throw InputError("", 0, "bind", "found '" + printable(bind) + "'", "accepted: " + listed(kBinds));
  const Ways ways = find_scorer(scorer);
  return {.scorer_name = std::string(scorer),
          .order_name = std::string(order),
          .scorer = ways.scorer,
          .order = find(kOrders, order, "order").order,
          .indexed = ways.indexed,
          .quantile = ways.quantile,
          .bind = bind == kBinds[0] ? Bind::arrival : Bind::room,
          .promises = policy::promises_on};
}

PolicySet expected_cost_by(const policy::Settings& settings, std::string_view order, std::string_view bind) {
  PolicySet set = find_policies("expected_cost", order, bind);
  set.scorer_name = "expected_cost by settings";
  set.scorer = policy::expected_cost_by_settings;
  set.indexed = nullptr;  // its bounds are of the defaults
  set.settings = &settings;
  return set;
}

}  // namespace yard
