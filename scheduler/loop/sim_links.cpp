#include "scheduler/loop/sim_links.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "scheduler/base/check.h"

namespace yard {

SimLinks::SimLinks(const FleetView& fleet, std::vector<LinkFault> faults)
    : fleet_(fleet), lines_(fleet.links.size()), faults_(std::move(faults)) {
  for (std::size_t l = 0; l < lines_.size(); ++l)
    lines_[l].free_at.assign(fleet.links[l].at_once, Time(std::numeric_limits<std::int64_t>::min()));
}

void SimLinks::move(const Move& m, Time now) {
  for (; faults_done_ < faults_.size() && faults_[faults_done_].at <= now; ++faults_done_) {
    const LinkFault& fault = faults_[faults_done_];
    lines_[fault.link.value].times = fault.times;
    lines_[fault.link.value].fails = fault.fails;
  }
  Line& line = lines_[m.link.value];
  Time& free_at = *std::ranges::min_element(line.free_at);
  free_at = std::max(now, free_at) + fleet_.links[m.link.value].time(m.bytes) * line.times;
  due_.push_back({.at = free_at,
                  .link = m.link,
                  .number = ++moves_,
                  .end = {m.sequence, m.attempt, line.fails ? MoveEnd::failed : MoveEnd::arrived}});
  std::push_heap(due_.begin(), due_.end(), std::greater<>());
}

MoveEnded SimLinks::take() {
  CHECK(!due_.empty());
  std::pop_heap(due_.begin(), due_.end(), std::greater<>());
  const MoveEnded end = due_.back().end;
  due_.pop_back();
  return end;
}

}  // namespace yard
