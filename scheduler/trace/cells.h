// Cells of a line of plain comma-separated values: no quotes. For tables that programs publish; csv.h reads all forms.
#pragma once
#include <array>
#include <cstddef>
#include <string_view>

namespace yard {

// Splits `line` at its commas. Returns: how many cells there are; those from Most on are counted, not kept.
template <std::size_t Most>
std::size_t split_cells(std::string_view line, std::array<std::string_view, Most>& cells) {
  for (std::size_t n = 0;; ++n) {
    const std::size_t comma = line.find(',');
    if (n < Most) cells[n] = line.substr(0, comma);
    if (comma == std::string_view::npos) return n + 1;
    line.remove_prefix(comma + 1);
  }
}

}  // namespace yard
