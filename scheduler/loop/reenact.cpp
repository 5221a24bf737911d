#include "scheduler/loop/reenact.h"

#include "scheduler/core/core.h"
#include "scheduler/loop/recording_reader.h"
#include "scheduler/loop/tick.h"
#include "scheduler/policy/registry.h"

namespace yard {

Reenactment reenact(const std::string& path) {
  RecordingReader reader(path);
  Reenactment result;
  const RecordingHead* head = reader.head();
  if (!head) {
    result.cut_at = reader.cut_at();
    return result;
  }
  const PolicySet policies = find_policies(head->scorer, head->order, name_of(head->bind));
  Core core(head->bounds, head->fleet, head->tables, policies, head->seed);
  std::uint64_t frame_began = 0;
  const std::size_t ids = std::size_t{head->bounds.sequences} + head->bounds.events_per_tick;
  std::vector<std::vector<BlockHash>> prefixes;  // by RequestId.index: they live until the request's Finish
  while (const std::optional<RecordedTick> recorded = reader.next()) {
    for (Event& event : recorded->events) {
      auto* request = std::get_if<Submitted>(&event);
      if (!request || request->prefix.empty() || request->request.index >= ids) continue;
      if (prefixes.size() <= request->request.index) prefixes.resize(request->request.index + 1);
      std::vector<BlockHash>& prefix = prefixes[request->request.index];
      prefix.assign(request->prefix.begin(), request->prefix.end());
      request->prefix = prefix;
    }
    const std::size_t commands = tick(core, recorded->events, recorded->now, nullptr).size();
    if (recorded->events.empty() && commands > 0) ++result.timer_only_ticks;
    for (const Event& event : recorded->events) ++result.events_by_kind[event.index()];
    result.commands += commands;
    if (!recorded->hash) continue;
    result.hash_recorded = *recorded->hash;
    result.hash_reenacted = core.hash();
    if (result.equal && result.hash_recorded != result.hash_reenacted) {
      result.equal = false;
      result.difference = {frame_began, reader.ticks() - 1};
    }
    frame_began = reader.ticks();
  }
  result.ticks = reader.ticks();
  result.events = reader.events();
  result.cut_at = reader.cut_at();
  result.ledger = core.ledger();
  return result;
}

}  // namespace yard
