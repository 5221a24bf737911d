// The one table of metrics: made once from a Summary, read by every rendering.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "scheduler/report/figure.h"
#include "scheduler/report/report.h"

namespace yard {

// Named values in a fixed order. A key ends in its unit; the same key means the same in every record.
class Record {
 public:
  using Value = std::variant<std::string, Figure>;

  void set(std::string key, Value value) { entries_.emplace_back(std::move(key), std::move(value)); }
  const std::vector<std::pair<std::string, Value>>& entries() const { return entries_; }

  // Requires: the record has the key, with a value of that kind (CHECK).
  const Figure& figure(std::string_view key) const;
  const std::string& name(std::string_view key) const;
  bool has(std::string_view key) const;

 private:
  const Value& at(std::string_view key) const;
  std::vector<std::pair<std::string, Value>> entries_;
};

struct Metrics {
  Record about;  // version, names, seed, hash
  Record all;    // requests of all classes together
  std::vector<Record> classes;
  std::vector<Record> tenants;
  std::vector<Record> pools;
  std::vector<Record> contracts, power_domains, links;  // none where the fleet has none
  Record totals;                                        // energy, cost
  Record run;  // what making it took: the only part that differs from machine to machine
};

Metrics measure(const Summary&);

}  // namespace yard
