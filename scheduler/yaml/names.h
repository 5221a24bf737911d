// Names that people write in more than one way: by id or alias, "H100" or "h100".
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace yard {

// ASCII letters' case ignored; nothing else is.
inline bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, [&](char x, char y) { return lower(x) == lower(y); });
}

// Returns: the first entry whose id or one of whose aliases is `name`; null where there is none.
template <class Entry>
const Entry* find_by_name(const std::vector<Entry>& entries, std::string_view name) {
  for (const auto& entry : entries) {
    if (same_name(entry.id, name)) return &entry;
    for (const auto& alias : entry.aliases)
      if (same_name(alias, name)) return &entry;
  }
  return nullptr;
}

}  // namespace yard
