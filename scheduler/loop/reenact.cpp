#include "scheduler/loop/reenact.h"

#include "scheduler/loop/tick.h"
#include "scheduler/policy/registry.h"

namespace yard {

Reenactor::Reenactor(const std::string& path, Onlooker* onlooker) : reader_(path) {
  const RecordingHead* head = reader_.head();
  if (!head) return;
  PolicySet policies = find_policies(head->scorer, head->order, name_of(head->bind));
  policies.onlooker = onlooker;
  core_.emplace(head->bounds, head->fleet, head->tables, policies, head->seed);
}

const RecordedTick* Reenactor::read() {
  tick_.reset();
  if (core_) tick_ = reader_.next();
  if (!tick_) return nullptr;
  const Bounds& bounds = reader_.head()->bounds;
  const std::size_t ids = std::size_t{bounds.sequences} + bounds.events_per_tick;
  for (Event& event : tick_->events) {
    auto* request = std::get_if<Submitted>(&event);
    if (auto* handed = std::get_if<Handed>(&event)) request = &handed->facts;
    if (!request || request->prefix.empty() || request->request.index >= ids) continue;
    if (prefixes_.size() <= request->request.index) prefixes_.resize(request->request.index + 1);
    std::vector<BlockHash>& prefix = prefixes_[request->request.index];
    prefix.assign(request->prefix.begin(), request->prefix.end());
    request->prefix = prefix;
  }
  return &*tick_;
}

std::span<const Command> Reenactor::run() { return tick(*core_, tick_->events, tick_->now, nullptr); }

Reenactment reenact(const std::string& path) {
  Reenactor reenactor(path);
  Reenactment result;
  std::uint64_t frame_began = 0;
  const RecordingReader& reader = reenactor.recording();
  while (const RecordedTick* recorded = reenactor.read()) {
    const std::size_t commands = reenactor.run().size();
    if (recorded->events.empty() && commands > 0) ++result.timer_only_ticks;
    for (const Event& event : recorded->events) ++result.events_by_kind[event.index()];
    result.commands += commands;
    if (!recorded->hash) continue;
    result.hash_recorded = *recorded->hash;
    result.hash_reenacted = reenactor.core()->hash();
    if (result.equal && result.hash_recorded != result.hash_reenacted) {
      result.equal = false;
      result.difference = {frame_began, reader.ticks() - 1};
    }
    frame_began = reader.ticks();
  }
  result.ticks = reader.ticks();
  result.events = reader.events();
  result.cut_at = reader.cut_at();
  if (reenactor.core()) result.ledger = reenactor.core()->ledger();
  return result;
}

}  // namespace yard
