// Tables and numbers as `show` and `check` print them.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace yard {

// Columns as wide as their widest cell; the first `left` of them flush left, the others flush right.
class ShowTable {
 public:
  ShowTable(std::size_t left, std::vector<std::string> head) : left_(left) { add(std::move(head)); }
  void add(std::vector<std::string> row) {
    widths_.resize(std::max(widths_.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], row[i].size());
    rows_.push_back(std::move(row));
  }
  std::string str() const {
    std::string text;
    for (const auto& row : rows_) {
      std::string line;
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (i > 0) line += "  ";
        line += i < left_ ? fmt::format("{:<{}}", row[i], widths_[i]) : fmt::format("{:>{}}", row[i], widths_[i]);
      }
      line.erase(line.find_last_not_of(' ') + 1);
      text += line + "\n";
    }
    return text;
  }

 private:
  std::size_t left_;
  std::vector<std::size_t> widths_;
  std::vector<std::vector<std::string>> rows_;
};

// n scaled integers of 10^-digits, rounded half up to `shown` digits after the point.
inline std::string rounded(std::int64_t n, int digits, int shown) {
  for (; digits > shown; --digits) n = n / 10 + (digits == shown + 1 && n % 10 >= 5 ? 1 : 0);
  std::int64_t one = 1;
  for (int i = 0; i < shown; ++i) one *= 10;
  return shown == 0 ? fmt::format("{}", n) : fmt::format("{}.{:0{}}", n / one, n % one, shown);
}

}  // namespace yard
