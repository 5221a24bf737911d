// Policies by name.
#pragma once
#include <span>
#include <string_view>

#include "scheduler/core/policy.h"

namespace yard {

struct NamedScorer {
  std::string_view name, meaning;
  Scorer scorer;
};
struct NamedOrder {
  std::string_view name, meaning;
  Order order;
};

inline constexpr std::string_view kDefaultScorer = "expected_cost";
inline constexpr std::string_view kDefaultOrder = "edf";

std::span<const NamedScorer> scorers();
std::span<const NamedOrder> orders();
std::string_view name_of(Bind);

// Errors: InputError with the nearest name.
PolicySet find_policies(std::string_view scorer, std::string_view order, std::string_view bind);

}  // namespace yard
