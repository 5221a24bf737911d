// A table of text: columns as wide as their widest cell, numbers to the right, groups of columns under a common title.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace yard {

enum class Align : std::uint8_t { left, right };

struct TextColumn {
  std::string head;
  Align align = Align::right;
  std::string group = {};  // written over all neighbours of the same group; empty: none
};

class TextTable {
 public:
  explicit TextTable(std::vector<TextColumn> columns) : columns_(std::move(columns)) {}

  // Requires: a cell per column.
  void row(std::vector<std::string> cells);

  // Returns: group titles (where there are any), heads and rows, each line ended, none with blanks at its end.
  std::string text() const;

 private:
  std::string groups(const std::vector<std::size_t>& widths) const;
  std::vector<TextColumn> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Returns: how many columns of a terminal the text takes: its characters (wide ones counted as one).
std::size_t columns_of(std::string_view text);

// Returns: printable text of at most `columns`; what is too long is cut at the front or the back, marked "..".
enum class Cut : std::uint8_t { front, back };
std::string fitted(std::string_view text, std::size_t columns, Cut cut);

}  // namespace yard
