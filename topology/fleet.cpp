#include "topology/fleet.h"

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "scheduler/yaml/document.h"

namespace yard {
namespace embedded {
extern const std::string_view fleet_single_yaml, fleet_mixed_yaml, fleet_thousand_yaml, fleet_cells_yaml,
    fleet_handoff_yaml;
}

std::vector<std::string_view> builtin_fleets() { return {"single", "mixed", "thousand", "cells", "handoff"}; }

std::vector<SloClass> default_classes() {
  std::vector<SloClass> classes(3);
  classes[0] = {.name = "interactive",
                .rank = 0,
                .ttft = seconds(1),
                .ttft_per_token = microseconds(300),
                .tpot = milliseconds(50),
                .e2e = {},
                .patience = {},
                .on_overload = Overload::reject};
  classes[1] = {.name = "standard",
                .rank = 1,
                .ttft = seconds(5),
                .ttft_per_token = {},
                .tpot = milliseconds(100),
                .e2e = {},
                .patience = {},
                .on_overload = Overload::reject};
  classes[2] = {.name = "batch",
                .rank = 2,
                .ttft = {},
                .ttft_per_token = {},
                .tpot = {},
                .e2e = seconds(3600),
                .patience = {},
                .on_overload = Overload::defer};
  return classes;
}

Fleet load_fleet(const std::string& name) {
  constexpr std::string_view kBuiltin = "builtin:";
  if (!name.starts_with(kBuiltin)) return read_fleet(name, read_file(name, yaml::kMaxBytes));
  const std::string_view wanted = std::string_view(name).substr(kBuiltin.size());
  if (wanted == "single") return read_fleet(name, embedded::fleet_single_yaml);
  if (wanted == "mixed") return read_fleet(name, embedded::fleet_mixed_yaml);
  if (wanted == "thousand") return read_fleet(name, embedded::fleet_thousand_yaml);
  if (wanted == "cells") return read_fleet(name, embedded::fleet_cells_yaml);
  if (wanted == "handoff") return read_fleet(name, embedded::fleet_handoff_yaml);
  const auto names = builtin_fleets();
  throw InputError("", 0, "fleet", fmt::format("found '{}'", printable(name)),
                   fmt::format("accepted: a path, or builtin: with one of {}, nearest is '{}'", listed(names),
                               nearest(wanted, names)));
}

}  // namespace yard
