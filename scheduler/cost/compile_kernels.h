// The kernel tables that a fleet's pools name (`kernels:`, files of switchyard cost fit), and what they make of a
// replica's step (kernel_step.h). A relative path lies beside the fleet file; each file is read once.
//
// Threads: one.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "scheduler/cost/kernel_step.h"
#include "topology/fleet.h"

namespace yard {

class PoolKernels {
 public:
  explicit PoolKernels(const Fleet& fleet) : fleet_(fleet) {}

  // Requires: the pool names some. Errors: InputError, one line: no such file, no such table; of another chip or number
  // format than the replica's; two of one family; of attention that the model has not.
  KernelStepCost cost_of(const FleetPool&, const Replica&);

 private:
  const KernelTable& table(const FleetPool&, const std::string& file);
  void check(const FleetPool&, const Replica&, const KernelTable&, const std::string& file) const;
  [[noreturn]] void refuse(const FleetPool&, const std::string& found, const std::string& accepted) const;

  const Fleet& fleet_;
  std::map<std::string, KernelTable> tables_;  // by path
};

}  // namespace yard
