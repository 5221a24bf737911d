// Tables of names while a fleet file is read: found, or refused with the nearest.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "scheduler/yaml/field.h"

namespace yard {

template <class Things>
std::vector<std::string_view> names_of(const Things& things) {
  std::vector<std::string_view> names;
  for (const auto& thing : things) names.push_back(thing.name);
  return names;
}
inline std::vector<std::string_view> views(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

// Returns: the position of the field's name among `names`; refuses others, naming the nearest.
inline std::uint32_t find(const yaml::Field& field, std::string_view what, const std::vector<std::string_view>& names) {
  const std::string name = field.name();
  const auto at = std::ranges::find(names, std::string_view(name));
  if (at == names.end()) field.refuse_name(what, names);
  return static_cast<std::uint32_t>(at - names.begin());
}

// A list of names as bits, bit i for names[i].
inline std::uint64_t find_bits(const yaml::Field& list, std::string_view what,
                               const std::vector<std::string_view>& names) {
  std::uint64_t bits = 0;
  for (const yaml::Field& item : list.items(64)) bits |= std::uint64_t{1} << find(item, what, names);
  return bits;
}

inline void refuse_twice(const yaml::Field& field, const std::string& name,
                         const std::vector<std::string_view>& before) {
  if (std::ranges::find(before, std::string_view(name)) != before.end())
    field.refuse(fmt::format("found '{}' twice", name), "accepted: a name of its own");
}

}  // namespace yard
