#include "scheduler/binder.h"

#include <exception>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "scheduler/embedded.h"
#include "topology/discover.h"
#include "topology/pin.h"

namespace yard {

using switchyard::Device;
using switchyard::Pin;

Binder::Binder(Pin pin, const std::vector<Device>& devices, std::uint32_t shards, std::uint32_t members, Log log)
    : pin_(pin), log_(std::move(log)), shards_(shards) {
  if (!asked()) return;
  try {
    host_ = discover_this_machine();
  } catch (const InputError& e) {
    unread_ = e.found;
  }
  // A shard goes to the first of its devices whose place is known, the crew to the first of all.
  std::optional<std::uint32_t> near;
  std::vector<PinAsk> asks(shards);
  std::vector<bool> ours(shards, true);
  for (const Device& device : devices) {
    names_.push_back(device.facts().name);
    const std::string& place = device.facts().host.place;
    asks.push_back({place.empty() ? std::nullopt : node_named(host_, place)});
    ours.push_back(device.facts().kind == switchyard::DeviceKind::stepped);
    if (!place.empty() && !asks.back().node)
      say(fmt::format("pin: which memory '{}' is near, where device '{}' is said to be, is unknown here",
                      printable(place), printable(names_.back())));
    if (!near) near = asks.back().node;
    PinAsk& shard = asks[shard_of(names_.size() - 1, devices.size(), shards)];
    if (!shard.node) shard.node = asks.back().node;
  }
  for (std::uint32_t m = 0; m < members; ++m) asks.push_back({}), ours.push_back(true);
  // Cores for our threads only: pulled devices' loops and endpoints have none of us.
  std::vector<PinAsk> wanted;
  for (std::size_t i = 0; i < asks.size(); ++i)
    if (ours[i]) wanted.push_back({asks[i].node ? asks[i].node : near});
  std::vector<PinPlace> given = plan_pins(host_, pin_ == Pin::core ? PinTo::core : PinTo::node, wanted);
  for (std::size_t i = 0, next = 0; i < asks.size(); ++i)
    places_.push_back(ours[i] ? std::move(given[next++]) : PinPlace{{}, {}, "no thread of ours"});
}

std::function<void()> Binder::of_shard(std::uint32_t shard) {
  if (!asked()) return {};
  return [this, shard] { bind(shard); };
}

std::function<void()> Binder::of_device(std::size_t device) {
  if (!asked()) return {};
  return [this, device] { bind(shards_ + device); };
}

std::function<void(std::uint32_t)> Binder::of_members() {
  if (!asked()) return {};
  return [this](std::uint32_t member) { bind(shards_ + names_.size() + member); };
}

std::vector<std::vector<std::uint32_t>> Binder::victims(const std::vector<std::size_t>& seated) const {
  if (!asked()) return {};
  std::vector<PinPlace> places(places_.begin() + static_cast<std::ptrdiff_t>(shards_ + names_.size()), places_.end());
  const std::size_t members = places.size();
  for (const std::size_t device : seated) places.push_back(places_[shards_ + device]);
  std::vector<std::vector<std::uint32_t>> orders = others_nearest_first(host_, places);
  orders.resize(members);
  return orders;
}

std::vector<std::vector<HostLevel>> Binder::levels_between_shards() const {
  if (!asked()) return {};
  return levels_between(host_, std::span(places_).first(shards_));
}

void Binder::bind(std::size_t thread) noexcept {
  const PinPlace& place = places_[thread];
  if (!unread_.empty()) return runs_anywhere(thread, unread_);
  if (!place.core) return runs_anywhere(thread, place.why);
  const Pinned pinned = pin_ == Pin::core ? pin_to_core(host_, *place.core) : pin_near_node(host_, *place.node);
  if (!pinned.ok()) runs_anywhere(thread, name_of(pinned.outcome));
}

void Binder::runs_anywhere(std::size_t thread, std::string_view why) noexcept {
  if (unbound_.add() > 0) return;
  try {
    say(fmt::format("pin: {} runs anywhere: {}; further ones are counted in switchyard_threads_unbound",
                    name_of_thread(thread), why));
  } catch (const std::exception&) {  // no memory for a line: it was counted
  }
}

std::string Binder::name_of_thread(std::size_t thread) const {
  if (thread < shards_) return shards_ == 1 ? "the shard's thread" : fmt::format("the thread of shard {}", thread);
  const std::size_t device = thread - shards_;
  if (device < names_.size()) return fmt::format("the thread of device '{}'", printable(names_[device]));
  return fmt::format("thread {} of the crew", device - names_.size());
}

void Binder::say(std::string_view line) const noexcept {
  if (!log_) return;
  try {
    log_(line);
  } catch (...) {  // the user's function: what it throws is no business of ours
  }
}

}  // namespace yard
