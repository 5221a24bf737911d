// A line of CSV as its cells (RFC 4180): a cell may stand in quotes, and then holds commas and doubled quotes; it ends
// on its line.
#pragma once
#include <string_view>
#include <vector>

namespace yard {

// Why a line is none: in words, and the part of it that says so.
struct CsvFault {
  std::string_view what;  // empty: there is none
  std::string_view found, accepted;
};

// `cells`: of the line, as they stand between their quotes, doubled ones left; `quoted` (null: not asked for): whether
// each did. What they held before is dropped. Returns: a fault, or one without words.
CsvFault split_csv(std::string_view line, std::vector<std::string_view>& cells, std::vector<bool>* quoted = nullptr);

}  // namespace yard
