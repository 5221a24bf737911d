// A fleet as written becomes a fleet as Core sees it: names into indices, physics into integer tables.
//
// Everything that leaves is integer; the same fleet file gives the same bits on every build. What is wrong with the
// fleet and could not be told without a model card is told here: unknown models, models that do not fit.
#pragma once
#include "scheduler/cost/model_card.h"
#include "scheduler/cost/step_cost.h"
#include "topology/cells.h"
#include "topology/fleet.h"
#include "topology/fleet_view.h"
#include "topology/mix.h"

namespace yard {

// Of an accelerator's TDP while it serves: ML.ENERGY Leaderboard v3 (2025), average power over TDP, median of 405 H100
// configurations 0.71 (tenths 0.54 and 0.89), of 433 B200 ones 0.69.
inline constexpr std::int64_t kBusyThousandthsOfTdp = 700;

// Of a step's time in a row of the cost tables: what measured kernels said (compile_kernels.h), and of that what lies
// beyond the measurements. Both 0: it has another source.
struct KernelShares {
  std::uint32_t measured_permille = 0, held_permille = 0;
};

struct CompiledFleet {
  FleetView view;
  CostTables tables;
  Mix mix;
  std::vector<CellView> cells;  // none: the fleet is one cell, decided as a whole
  Duration control_lag;
  std::vector<CellView> shards = {};  // none: the fleet is one
  Duration door_lag = {};
  std::vector<KernelShares> kernel_shares = {};  // by cost row
};

// Errors: InputError naming file, line and key.
CompiledFleet compile_fleet(const Fleet&, const ModelCards& = builtin_model_cards());

}  // namespace yard
