#include "scheduler/policy/registry.h"

#include <vector>

#include "scheduler/base/input_error.h"
#include "scheduler/policy/scorers.h"

namespace yard {
namespace {

constexpr NamedScorer kScorers[] = {
    {"expected_cost", "fewest promises missed, its own and others'; refuses where that is one or more",
     policy::expected_cost},
    {"expected_seconds", "least expected seconds to first and last token", policy::expected_seconds},
    {"least_loaded", "fewest sequences waiting or running", policy::least_loaded},
    {"power_of_two", "the less loaded of two drawn at random", policy::power_of_two},
    {"round_robin", "each device in turn", policy::round_robin},
    {"random", "any device, evenly", policy::random},
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

}  // namespace

std::span<const NamedScorer> scorers() { return kScorers; }
std::span<const NamedOrder> orders() { return kOrders; }
std::string_view name_of(Bind bind) { return kBinds[static_cast<std::size_t>(bind)]; }

PolicySet find_policies(std::string_view scorer, std::string_view order, std::string_view bind) {
  if (bind != kBinds[0] && bind != kBinds[1])
    throw InputError("", 0, "bind", "found '" + printable(bind) + "'", "accepted: " + listed(kBinds));
  return {.scorer_name = std::string(scorer),
          .order_name = std::string(order),
          .scorer = find(kScorers, scorer, "policy").scorer,
          .order = find(kOrders, order, "order").order,
          .bind = bind == kBinds[0] ? Bind::arrival : Bind::room};
}

}  // namespace yard
