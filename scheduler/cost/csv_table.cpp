#include "scheduler/cost/csv_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "scheduler/base/csv_cells.h"
#include "scheduler/base/input_error.h"

namespace yard {
namespace {

template <class Number>
std::optional<Number> number(std::string_view cell) {
  Number n{};
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), n);
  if (cell.empty() || error != std::errc() || end != cell.data() + cell.size()) return {};
  return n;
}

}  // namespace

std::string_view CsvTable::Row::operator[](std::string_view column) const {
  const auto at = std::ranges::find(table_->columns_, column);
  const auto& cells = table_->cells_[at_];
  if (at != table_->columns_.end()) {
    const auto index = static_cast<std::size_t>(at - table_->columns_.begin());
    return index < cells.size() ? cells[index] : std::string_view();
  }
  const auto constant = table_->constants_.find(column);
  return constant == table_->constants_.end() ? std::string_view() : std::string_view(constant->second);
}

std::optional<std::int64_t> CsvTable::Row::whole(std::string_view column) const {
  return number<std::int64_t>((*this)[column]);
}

std::optional<double> CsvTable::Row::decimal(std::string_view column) const { return number<double>((*this)[column]); }

std::string CsvTable::Row::place() const { return fmt::format("{}:{}", table_->file_, line()); }

CsvTable::CsvTable(std::string file, std::string text) : file_(std::move(file)), text_(text.begin(), text.end()) {
  std::string_view rest(text_.data(), text_.size());
  for (int line = 1; !rest.empty(); ++line) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view row = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (row.ends_with('\r')) row.remove_suffix(1);
    if (row.starts_with('#')) {
      read_constants(row);
    } else if (row.empty()) {
      continue;
    } else if (columns_.empty()) {
      columns_ = split(row, line);
      for (auto at = columns_.begin(); at != columns_.end(); ++at)
        if (std::find(columns_.begin(), at, *at) != at)
          throw InputError(file_, line, printable(*at), "found the column twice", "name each column once");
    } else {
      cells_.push_back(split(row, line));
      lines_.push_back(line);
    }
  }
  if (columns_.empty()) throw InputError(file_, 0, "", "found no heading", "accepted: a CSV file with one");
}

void CsvTable::require(std::initializer_list<std::string_view> columns) const {
  for (const std::string_view column : columns)
    if (!has(column))
      throw InputError(file_, 1, std::string(column), "found no such column",
                       fmt::format("accepted: a table with it, nearest is '{}'", nearest(column, columns_)));
}

bool CsvTable::has(std::string_view column) const {
  return std::ranges::find(columns_, column) != columns_.end() || constants_.contains(column);
}

// {'name': 'text', 'other': 128}: a Python dictionary of texts and numbers.
void CsvTable::read_constants(std::string_view comment) {
  constexpr std::string_view kBefore = "constants: {";
  const std::size_t at = comment.find(kBefore);
  if (at == std::string_view::npos) return;
  std::string_view rest = comment.substr(at + kBefore.size());
  const auto trimmed = [](std::string_view s) {
    while (!s.empty() && (s.front() == ' ' || s.front() == '\'')) s.remove_prefix(1);
    while (!s.empty() && (s.back() == ' ' || s.back() == '\'' || s.back() == '}')) s.remove_suffix(1);
    return std::string(s);
  };
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string_view item = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (const std::size_t colon = item.find(':'); colon != std::string_view::npos)
      constants_[trimmed(item.substr(0, colon))] = trimmed(item.substr(colon + 1));
  }
}

std::vector<std::string_view> CsvTable::split(std::string_view line, int number) {
  std::vector<std::string_view> cells;
  std::vector<bool> quoted;
  if (const CsvFault fault = split_csv(line, cells, &quoted); !fault.what.empty())
    throw InputError(file_, number, "", std::string(fault.what) + printable(fault.found), std::string(fault.accepted));
  for (std::size_t i = 0; i < cells.size(); ++i) {
    constexpr std::string_view kDoubled = "\"\"";
    if (!quoted[i] || cells[i].find(kDoubled) == std::string_view::npos) continue;
    auto cell = std::make_unique<std::string>(cells[i]);
    for (std::size_t at = cell->find(kDoubled); at != std::string::npos; at = cell->find(kDoubled, at + 1))
      cell->erase(at, 1);
    cells[i] = *cell;
    unquoted_.push_back(std::move(cell));
  }
  return cells;
}

}  // namespace yard
