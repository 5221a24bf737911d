// A CSV table whose columns are found by their heading (RFC 4180: quoted cells may hold commas and doubled quotes).
//
// Lines that begin with # are comments. One that says `constants: {'name': 'value', ...}` gives columns which every row
// shares, as the published kernel tables have them. Rows of another width than the heading are kept as they are: they
// are the reader's to refuse.
// Threads: immutable.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace yard {

class CsvTable {
 public:
  // A row; of an absent column the constant, and of neither "".
  class Row {
   public:
    Row(const CsvTable& table, std::size_t at) : table_(&table), at_(at) {}
    int line() const { return table_->lines_[at_]; }
    std::string_view operator[](std::string_view column) const;
    // Returns: none where the cell is no number of that kind, whole or decimal.
    std::optional<std::int64_t> whole(std::string_view column) const;
    std::optional<double> decimal(std::string_view column) const;
    bool of_full_width() const { return table_->cells_[at_].size() == table_->columns_.size(); }
    std::string place() const;  // "file:line"

   private:
    const CsvTable* table_;
    std::size_t at_;
  };

  // `file`: its name in messages. Errors: InputError: no heading, a heading twice, a quote that is not closed.
  CsvTable(std::string file, std::string text);
  CsvTable(CsvTable&&) = default;  // views into text_ stay, as it lies on the heap
  CsvTable(const CsvTable&) = delete;

  // Errors: InputError naming the first that is neither a column nor a constant.
  void require(std::initializer_list<std::string_view> columns) const;
  bool has(std::string_view column) const;
  std::size_t size() const { return cells_.size(); }
  Row operator[](std::size_t row) const { return {*this, row}; }
  const std::string& file() const { return file_; }

 private:
  void read_constants(std::string_view comment);
  std::vector<std::string_view> split(std::string_view line, int number);

  std::string file_;
  std::vector<char> text_;
  std::vector<std::unique_ptr<std::string>> unquoted_;
  std::vector<std::string_view> columns_;
  std::map<std::string, std::string, std::less<>> constants_;
  std::vector<std::vector<std::string_view>> cells_;
  std::vector<int> lines_;
};

}  // namespace yard
