// What was refused of a table, row by row: how many for which reason, and who was first.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace yard {

class Refusals {
 public:
  struct Reason {
    std::string what;
    std::int64_t rows = 0;
    std::vector<std::string> first;  // at most kNamed offenders, "file:line: found"
  };
  static constexpr std::size_t kNamed = 3;

  void add(std::string_view reason, std::string offender) {
    ++rows_;
    for (Reason& known : reasons_)
      if (known.what == reason) return count(known, std::move(offender));
    reasons_.push_back({std::string(reason), 0, {}});
    count(reasons_.back(), std::move(offender));
  }
  void add(const Refusals& others) {
    for (const Reason& reason : others.reasons_) {
      for (const std::string& offender : reason.first) add(reason.what, offender);
      const std::int64_t unnamed = reason.rows - static_cast<std::int64_t>(reason.first.size());
      rows_ += unnamed;
      for (Reason& known : reasons_)
        if (known.what == reason.what) known.rows += unnamed;
    }
  }

  std::int64_t rows() const { return rows_; }
  const std::vector<Reason>& reasons() const { return reasons_; }

 private:
  static void count(Reason& reason, std::string offender) {
    ++reason.rows;
    if (reason.first.size() < kNamed) reason.first.push_back(std::move(offender));
  }

  std::int64_t rows_ = 0;
  std::vector<Reason> reasons_;
};

}  // namespace yard
