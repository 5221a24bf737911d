// Policies by name.
//
// A scorer's name may end in who is refused: `NAME+refusal` (as the scorer chooses, but refused where our rule of kept
// promises would refuse it there) or `NAME+none` (nobody is refused). Without, it refuses as it does by itself.
#pragma once
#include <span>
#include <string_view>

#include "scheduler/core/policy.h"

namespace yard {

// ours: designed here. rule: what everybody knows. peer: what another router does, by its own constants.
enum class ScorerOrigin : std::uint8_t { ours, rule, peer };

struct NamedScorer {
  std::string_view name, meaning;
  std::string_view reads;  // of DeviceColumns, beside `pool`, separated by spaces
  ScorerOrigin origin;
  Scorer scorer, with_refusal, with_none;
  // The same by the index of classes; null: it looks at every device.
  IndexedScorer indexed = nullptr, indexed_with_refusal = nullptr, indexed_with_none = nullptr;
};
struct NamedRefusal {
  std::string_view name, meaning;  // the name follows a '+'
  Scorer NamedScorer::* scorer;
  IndexedScorer NamedScorer::* indexed;
};
struct NamedOrder {
  std::string_view name, meaning;
  Order order;
};

inline constexpr std::string_view kDefaultScorer = "expected_cost";
inline constexpr std::string_view kDefaultOrder = "edf";

std::span<const NamedScorer> scorers();  // by origin
std::span<const NamedRefusal> refusals();
std::span<const NamedOrder> orders();
std::string_view name_of(Bind);
std::string_view title_of(ScorerOrigin);

// The scorer that a name is about, whatever quantile and refusal it ends in. Errors: InputError with the nearest name.
const NamedScorer& find_named_scorer(std::string_view name);

// `scorer`: NAME, NAME+refusal or NAME+none; @q50, @q90 or @q99 behind NAME shows it costs at that quantile. The set
// keeps it as given.
// Errors: InputError with the nearest name.
PolicySet find_policies(std::string_view scorer, std::string_view order, std::string_view bind);

// expected_cost with other constants than its own, which outlive whatever Core it goes to. What is recorded with it
// does not re-enact: recordings know policies by name, and it has none.
PolicySet expected_cost_by(const policy::Settings&, std::string_view order, std::string_view bind);

}  // namespace yard
