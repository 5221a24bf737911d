// Cases of random_case.h driven through the shipped loop: what goes in, and what is written down of it.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/loop/recorder.h"
#include "scheduler/loop/sim_loop.h"
#include "tests/random_case.h"
#include "tests/reference_values.h"
#include "topology/cells.h"

namespace yard {

// The requests of a case as a simulation takes them, in their order.
class Requests final : public ArrivalSource {
 public:
  explicit Requests(const std::vector<reference::Request>& requests) : requests_(requests) {}
  std::optional<Arrival> next() override {
    if (at_ == requests_.size()) return std::nullopt;
    const reference::Request& r = requests_[at_++];
    return Arrival{.row = r.row,
                   .facts = reference::facts_of(r),
                   .output = r.output,
                   .cancel_at = r.cancel_at.value_or(Time::never())};
  }

 private:
  const std::vector<reference::Request>& requests_;
  std::size_t at_ = 0;
};

// How each ended, in the order of Finish.
struct Endings final : SimObserver {
  void finished(std::uint64_t row, const Finish& f) override {
    all.push_back(reference::ending_of(static_cast<std::uint32_t>(row), f));
  }
  std::vector<reference::Ending> all;
};

// Writes down all that a recording holds.
struct Recording : SimObserver {
  explicit Recording(const std::string& path) : recorder(path) {}
  void applied(const Event& event) final { recorder.event(event); }
  void ticked(Time now, const Core& core) final {
    recorder.ticked(now);
    recorder.hash(core.hash());
  }
  Recorder recorder;
};

// Every third case learns what its devices' steps truly cost: each term up to twice, or down to half, of what is said.
inline bool learns(const Case& c) { return c.seed % 3 == 0; }
inline CostTables truth_of(const Case& c) {
  CostTables truth = c.costs;
  if (!learns(c)) return truth;
  Rng rng = Rng::stream(c.seed, 0x7472757468);
  for (std::size_t row = 0; row < truth.rows.size(); ++row) {
    CostScales scales;
    for (std::uint32_t& scale : scales) scale = static_cast<std::uint32_t>(512 + rng.below(1537));
    truth.rows[row].correct(c.costs.rows[row], scales, c.costs.rows[row].error_permille());
  }
  return truth;
}

// The fleet in cells, or in shards, its replicas dealt out one by one.
inline std::vector<CellView> in_parts(const FleetView& fleet, std::uint32_t n) {
  std::vector<std::string> names;
  for (std::uint32_t c = 0; c < n; ++c) names.push_back("part " + std::to_string(c));
  std::vector<std::vector<std::uint32_t>> replicas;
  std::uint32_t next = 0;
  for (const PoolView& pool : fleet.pools) {
    replicas.emplace_back(n);
    for (std::uint32_t d = 0; d < pool.devices; ++d, next = (next + 1) % n) ++replicas.back()[next];
  }
  return cells_of(fleet, names, replicas);
}

inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace yard
