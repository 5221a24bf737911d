// How the reference ends a sequence, wherever it stands, and what it tells of a request once all its answers have
// ended.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "scheduler/base/check.h"
#include "tests/reference_planning.h"
#include "tests/reference_values.h"

namespace yard::reference {

class Finisher : protected Planner {
 protected:
  using Planner::Planner;

  static std::int64_t answers_of(const Sequence& s) {
    return s.request.max_output == Tokens(0) ? 1 : std::int64_t{s.request.answers};
  }

  void finish(std::size_t who, Outcome outcome, Reason why) {
    Sequence& s = sequences[who];
    if (s.stage == Stage::unbound) std::erase(queues_[s.request.model.value], who);
    if (s.stage == Stage::in_line) std::erase(devices[s.device].line, who);
    if (s.stage == Stage::read) {
      std::erase(read[pool_of(s.device)], who);
      std::erase(devices[s.device].leaving, who);
      let_go(devices[s.device], s);
    }
    if (s.stage == Stage::running) {
      let_go(devices[s.device], s);
      std::erase(devices[s.device].running, who);
    }
    CHECK(s.stage != Stage::ended && s.stage != Stage::to_come);
    s.stage = Stage::ended;
    s.blocks = 0;
    const bool all_came = std::exchange(s.to_come, 0) == 0;
    if (s.first) s.inside = false;
    const std::size_t first = s.first.value_or(who);
    if (outcome != Outcome::done) why_not_done_.insert({first, {outcome, why}});
    if (!all_came) why_not_done_.insert({first, {Outcome::cancelled, Reason::none}});  // done in the run of its cancel
    const std::vector<std::size_t>& others = sequences[first].others;
    if (sequences[first].stage != Stage::ended || std::any_of(others.begin(), others.end(), [&](std::size_t other) {
          return sequences[other].stage != Stage::ended;
        }))
      return;
    sequences[first].inside = false;
    tell(first);
  }

  // All answers of a request have ended: the first that did not end as done says how it ended.
  void tell(std::size_t first) {
    Sequence s = sequences[first];
    const auto not_done = why_not_done_.find(first);
    const Outcome outcome = not_done == why_not_done_.end() ? Outcome::done : not_done->second.first;
    const Reason why = not_done == why_not_done_.end() ? Reason::none : not_done->second.second;
    std::int64_t longest = s.generated;
    for (const std::size_t other : s.others) {
      const Sequence& o = sequences[other];
      longest = std::max(longest, o.generated);
      s.generated += o.generated;
      s.preemptions += o.preemptions;
      if (o.first_token == Time::never()) continue;
      s.first_token = std::min(s.first_token, o.first_token);
      s.last_token = s.last_token == Time::never() ? o.last_token : std::max(s.last_token, o.last_token);
    }
    endings_.push_back(Ending{.row = s.request.row,
                              .outcome = outcome,
                              .why = why,
                              .arrival = s.request.arrival,
                              .admit = s.admit,
                              .first_token = s.first_token,
                              .last_token = s.last_token,
                              .finish = now_,
                              .prompt = s.request.prompt,
                              .output = Tokens(s.generated),
                              .cached = Tokens(s.cached),
                              .preemptions = s.preemptions,
                              .device = DeviceId{s.device},
                              .slo = s.request.slo,
                              .model = s.request.model,
                              .tenant = s.request.tenant,
                              .answers = static_cast<std::uint32_t>(answers_of(s)),
                              .longest = Tokens(longest)});
  }

  std::vector<std::vector<std::size_t>> queues_;                    // unbound, by model, in no order
  std::map<std::size_t, std::pair<Outcome, Reason>> why_not_done_;  // by first sequence of a request
  std::vector<Ending> endings_;
};

}  // namespace yard::reference
