#include "scheduler/loop/sim_news.h"

#include <algorithm>

namespace yard {
namespace {

constexpr Duration kDay = seconds(86'400);

void for_reclaimed(const FleetView& fleet, const auto& each) {
  for (const ContractView& c : fleet.contracts)
    if (c.kind == ContractKind::spot && c.reclaims_per_day > 0)
      for (std::uint32_t d = c.first_device; d < c.first_device + c.devices; ++d) each(d, c);
}

std::uint32_t things_of(const FleetView& fleet) {
  auto things = static_cast<std::uint32_t>(fleet.domains.size());
  for_reclaimed(fleet, [&](std::uint32_t, const ContractView&) { ++things; });
  return things;
}

}  // namespace

SimNews::SimNews(const FleetView& fleet, Seed seed)
    : fleet_(fleet), seed_(seed ^ 0x72656c61696d7321ull), caps_said_(fleet.domains.size()), due_(things_of(fleet)) {
  for (std::uint32_t d = 0; d < fleet.domains.size(); ++d)
    if (!fleet.domains[d].caps.empty()) due_.set(d, fleet.domains[d].caps.front().at);
  for_reclaimed(fleet, [&](std::uint32_t d, const ContractView& c) {
    spots_.push_back({.device = d, .contract = &c, .noticed = {}});
    due_.set(static_cast<std::uint32_t>(fleet.domains.size() + spots_.size() - 1), reclaim_of(spots_.back()));
  });
}

// Its next notice: somewhere in its n-th of a day, so that it is back before the next begins.
Time SimNews::reclaim_of(const Spot& spot) const {
  const ContractView& c = *spot.contract;
  const Duration part(kDay.count() / c.reclaims_per_day);
  const std::int64_t room = std::max<std::int64_t>(0, (part - c.notice - c.away).count());
  Rng rng = Rng::stream(seed_, std::uint64_t{spot.device} << 32 ^ spot.reclaims);
  return Time() + part * spot.reclaims + Duration(rng.below(static_cast<std::uint64_t>(room) + 1));
}

Event SimNews::take() {
  const std::uint32_t thing = due_.first();
  if (thing >= caps_said_.size()) return change(thing, spots_[thing - caps_said_.size()]);
  const std::vector<CapChange>& caps = fleet_.domains[thing].caps;
  const CapChange& now = caps[caps_said_[thing]++];
  if (caps_said_[thing] < caps.size())
    due_.set(thing, caps[caps_said_[thing]].at);
  else
    due_.remove(thing);
  return CapChanged{DomainId{thing}, now.cap};
}

Event SimNews::change(std::uint32_t thing, Spot& spot) {
  const ContractView& c = *spot.contract;
  switch (spot.is) {
    case DeviceState::up:
      spot.is = DeviceState::draining;
      spot.noticed = due_.next();
      due_.set(thing, spot.noticed + c.notice);
      break;
    case DeviceState::draining:
      spot.is = DeviceState::down;
      due_.set(thing, spot.noticed + c.notice + c.away);
      break;
    case DeviceState::down:
      spot.is = DeviceState::up;
      ++spot.reclaims;
      due_.set(thing, std::max(reclaim_of(spot), due_.next()));
  }
  return DeviceChanged{DeviceId{spot.device}, spot.is};
}

}  // namespace yard
