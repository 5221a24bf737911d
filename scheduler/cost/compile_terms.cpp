#include "scheduler/cost/compile_terms.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "scheduler/base/check.h"
#include "scheduler/base/input_error.h"
#include "scheduler/yaml/names.h"

namespace yard {
namespace {

void compile_contracts(const Fleet& fleet, FleetView& view) {
  for (const FleetContract& contract : fleet.contracts)
    for (const FleetContract::Cover& cover : contract.covers) {
      const PoolView& pool = view.pools[cover.pool];
      view.contracts.push_back({.name = contract.name,
                                .kind = contract.kind,
                                .pool = PoolId{cover.pool},
                                .first_device = pool.first_device + cover.first,
                                .devices = cover.replicas,
                                .per_hour = contract.per_hour.value_or(pool.per_hour),
                                .on_demand = pool.per_hour,
                                .window = contract.window,
                                .committed = contract.committed,
                                .notice = contract.notice,
                                .away = contract.away,
                                .reclaims_per_day = contract.reclaims_per_day});
    }
}

// A licence names a model that has a card or that a pool serves.
std::string licensed_model(const Fleet& fleet, const ModelCards& cards, const FleetView& view,
                           const FleetLicence::Model& model) {
  if (const ModelCard* card = cards.find(model.name)) return card->id;
  std::vector<std::string_view> names = cards.ids();
  for (const ModelView& known : view.models) {
    if (known.name == model.name) return model.name;
    names.push_back(known.name);
  }
  throw InputError(
      fleet.file, model.line, model.path, fmt::format("found '{}'", printable(model.name)),
      fmt::format("accepted: a model with a card or of a pool, nearest is '{}'", nearest(model.name, names)));
}

void compile_licences(const Fleet& fleet, const ModelCards& cards, FleetView& view) {
  for (const FleetLicence& licence : fleet.licences) {
    std::vector<std::string> models;
    for (const FleetLicence::Model& model : licence.models) models.push_back(licensed_model(fleet, cards, view, model));
    for (PoolView& pool : view.pools)
      if (pool.provider == licence.provider)
        pool.licensed = std::ranges::find(models, view.models[pool.model.value].name) != models.end();
  }
}

struct Draw {
  Milliwatts idle, largest;  // of all together; what one of them draws more when it works, the largest
  std::uint64_t replicas = 0;
};

std::string watts(Milliwatts mw) {
  std::string text = fmt::format("{}.{:03}", mw.count() / 1000, mw.count() % 1000);
  text.erase(text.find_last_not_of('0') + 1);
  return text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
}

// No cap may lie below what idles anyway. The first and the last must let any one replica run: what waits for power
// would otherwise wait for ever.
void check_caps(const Fleet& fleet, const FleetDomain& domain, const Draw& draw) {
  for (std::size_t k = 0; k < domain.cap_places.size(); ++k) {
    const Milliwatts cap = k == 0 ? domain.cap : domain.caps[k - 1].cap;
    const bool runs = k == 0 || k + 1 == domain.cap_places.size();
    if (cap >= draw.idle + (runs ? draw.largest : Milliwatts())) continue;
    const FleetDomain::Place& at = domain.cap_places[k];
    throw InputError(fleet.file, at.line, at.path,
                     cap < draw.idle
                         ? fmt::format("found {} W, below the {} W that its {} {} idle", watts(cap), watts(draw.idle),
                                       draw.replicas, draw.replicas == 1 ? "replica draws" : "replicas draw")
                         : fmt::format("found {} W, at which {} W idle and no replica of {} W more can run", watts(cap),
                                       watts(draw.idle), watts(draw.largest)),
                     fmt::format("accepted: at least {} W{}", watts(draw.idle + (runs ? draw.largest : Milliwatts())),
                                 runs ? ", with which any one of them can run" : ""));
  }
}

void compile_domains(const Fleet& fleet, FleetView& view) {
  std::vector<Draw> draws(fleet.domains.size());
  for (std::uint32_t d = 0; d < fleet.domains.size(); ++d) {
    const FleetDomain& domain = fleet.domains[d];
    view.domains.push_back({.name = domain.name, .parent = domain.parent, .cap = domain.cap, .caps = domain.caps});
    for (const std::uint32_t p : domain.pools) {
      PoolView& pool = view.pools[p];
      pool.domain = DomainId{d};
      for (DomainId above{d}; above.some(); above = fleet.domains[above.value].parent) {
        Draw& draw = draws[above.value];
        draw.idle += pool.idle * pool.devices;
        draw.largest = std::max(draw.largest, pool.busy - pool.idle);
        draw.replicas += pool.devices;
      }
    }
  }
  for (std::size_t d = 0; d < fleet.domains.size(); ++d) check_caps(fleet, fleet.domains[d], draws[d]);
}

}  // namespace

void compile_terms(const Fleet& fleet, const ModelCards& cards, FleetView& view) {
  CHECK(view.pools.size() == fleet.pools.size());
  compile_contracts(fleet, view);
  compile_licences(fleet, cards, view);
  compile_domains(fleet, view);
}

}  // namespace yard
