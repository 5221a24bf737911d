// What scheduler/core/README.md pins, simulated the plain way: no events, no heap, no closed form, and no code of core
// or backend. Whoever disagrees with it, request by request and nanosecond by nanosecond, has found a bug in one of the
// two or a hole in that page.
//
// From instant to instant: the next one is the earliest arrival, cancel, end of a run or end of a patience, found by
// looking at all of them. Lists are vectors in no order, sorted whenever an order is asked for; loads are summed up
// anew whenever a scorer looks; a run is walked step by step. Nothing here is fast, and nothing is remembered twice.
//
// In layers: reference_values.h, what goes in and comes out; reference_world.h and _handoff.h, what is known at an
// instant; _planning.h, one run; _endings.h, how one ends; here, an instant's stages. Beside them reference_scorers.h.
// Where the page can be read in two ways, the comment says "Reading:" and what was chosen.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "scheduler/base/check.h"
#include "tests/reference_endings.h"
#include "tests/reference_scorers.h"
#include "tests/reference_values.h"
#include "tests/reference_world.h"

namespace yard::reference {

class Simulator : protected Finisher {
 public:
  // Requires: `requests` ascending by arrival, rows ascending; an index inside its table, except a model's.
  Simulator(FleetView the_fleet, CostTables the_costs, const std::vector<Request>& requests, Options the_options)
      : Finisher(std::move(the_fleet), std::move(the_costs), std::move(the_options)), scorers_(*this) {
    for (const PoolView& pool : fleet.pools) {
      CHECK(pool.first_device == devices.size());
      for (std::uint32_t i = 0; i < pool.devices; ++i) devices.push_back(Device{.pool = &pool});
    }
    std::size_t most = 0;
    for (const Request& request : requests) most += request.answers;
    sequences.reserve(most);  // whoever holds one while others join holds it still
    for (const Request& request : requests) {
      CHECK(sequences.empty() || sequences.back().request.arrival <= request.arrival);
      if (request.cancel_at) cancels_.push_back(sequences.size());
      sequences.push_back(Sequence{.request = request, .to_read = request.prompt.count()});
      ++requests_;
    }
    std::sort(cancels_.begin(), cancels_.end(), [&](std::size_t a, std::size_t b) {
      const Time x = *sequences[a].request.cancel_at, y = *sequences[b].request.cancel_at;
      return x != y ? x < y : a < b;
    });
    queues_.resize(fleet.models.size());
    read.resize(fleet.pools.size());
    for (const LinkView& link : fleet.links)
      places.emplace_back(link.at_once, Time(std::numeric_limits<std::int64_t>::min()));
    for (std::uint32_t d = 0; d < devices.size(); ++d) {
      const PoolView& pool = *devices[d].pool;
      const std::int64_t tokens = std::int64_t{pool.kv_blocks.count()} * pool.block_tokens.count();
      expected.set_capacity(d, pool.prefix_cache ? static_cast<std::uint32_t>(tokens / prefix_block(devices[d])) : 0);
    }
  }
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;
  virtual ~Simulator() = default;

  // Returns: every request's ending, in the order of Finish.
  std::vector<Ending> run() {
    while (const std::optional<Time> next = next_instant()) {
      CHECK(now_ <= *next);
      now_ = *next;
      take_run_ends();
      take_move_ends();
      take_arrivals();
      take_cancels();
      shed();
      pass_the_door();
      bind_from_queues();
      start_moves();
      for (std::uint32_t d = 0; d < devices.size(); ++d) {
        if (devices[d].run) {
          interrupt_if_due(devices[d]);
        } else {
          plan(d);
        }
      }
    }
    CHECK_WHY(endings_.size() == requests_, "a request waits for ever");
    return endings_;
  }

  const Happenings& happenings() const { return happenings_; }

 protected:  // tests/core_model.h drives the same stages by events
  // ---- one tick, stage by stage ------------------------------------------------------------------------------------

  // Reading: an instant is a tick if and only if a run ends, a request arrives, a cancel comes (be it late), or the
  // patience of one still waiting and never admitted ends. A patience that no longer matters makes no tick.
  std::optional<Time> next_instant() const {
    Time next = Time::never();
    if (next_arrival_ < requests_) next = std::min(next, sequences[next_arrival_].request.arrival);
    if (next_cancel_ < cancels_.size()) next = std::min(next, *sequences[cancels_[next_cancel_]].request.cancel_at);
    for (const Device& device : devices) {
      if (device.run) next = std::min(next, device.run->end());
    }
    for (const Moving& move : moving) next = std::min(next, move.end);
    for (const std::size_t who : impatient()) next = std::min(next, patience_end(who));
    return next == Time::never() ? std::nullopt : std::optional(next);
  }

  void take_run_ends() {
    any_run_ended_ = false;
    for (Device& device : devices) {
      if (!device.run || device.run->end() != now_) continue;
      const Run run = *device.run;
      device.run.reset();
      device.wanted = false;
      any_run_ended_ = true;
      learn_pace(device, run.end() - run.launch, run.boundaries.back());  // no delays: to the next nanosecond
      for (const Slot& slot : run.slots) {
        Sequence& s = sequences[slot.who];
        for (const std::int64_t boundary : run.boundaries) step(s, slot, run.time_of(boundary));
        if (slot.reads > 0 && s.rest() == 0) keep_prompt(device, s);
        if (slot.reads > 0 && s.rest() == 0 && !s.cancelling) fork(slot.who);
        if (s.rest() == 0 && s.generated >= s.answer()) {
          if (s.cancelling) count(Happening::cancel_lost_to_end);
          end_as_done(slot.who);
        } else if (s.cancelling) {
          count(Happening::cancelled_in_run);
          finish(slot.who, Outcome::cancelled, Reason::none);
        } else {
          s.blocks = device.blocks_for(s.context);
          if (gives_away(device) && s.rest() == 0) has_read(slot.who);
        }
      }
    }
  }

  // ---- what was read here goes on there ----------------------------------------------------------------------------

  void has_read(std::size_t who) {
    Sequence& s = sequences[who];
    Device& device = devices[s.device];
    std::erase(device.running, who);
    device.leaving.push_back(who);
    s.stage = Stage::read;
    read[pool_of(s.device)].push_back(who);
  }

  // Pool by pool; who cannot move holds up those behind it. Where room is leased ahead by runs, these end.
  void start_moves() {
    for (std::uint32_t p = 0; p < read.size(); ++p) {
      while (!read[p].empty()) {
        const std::size_t who = read[p].front();
        Sequence& s = sequences[who];
        const std::vector<std::uint32_t> with_room = with_room_behind(s);
        std::vector<std::uint32_t> free = with_room;
        std::erase_if(free,
                      [&](std::uint32_t d) { return free_blocks(devices[d]) < devices[d].blocks_for(s.context + 1); });
        if (free.empty()) {
          for (const std::uint32_t d : with_room) devices[d].wanted = true;
          count(Happening::waits_to_move);
          if (with_room.empty() && any_room_but_for_links(s)) count(Happening::waits_for_a_link);
          break;
        }
        std::vector<Duration> later;
        for (const std::uint32_t d : free) later.push_back(expected_move(s, d));
        start_move(who, scorers_.choose(s, free, later));
      }
    }
  }
  bool any_room_but_for_links(const Sequence& s) const {
    for (std::uint32_t d = 0; d < devices.size(); ++d)
      if (link_to(s, d) && may_be_in(s, pool_of(d)) && has_room(devices[d], s)) return true;
    return false;
  }

  void start_move(std::size_t who, std::uint32_t to) {
    Sequence& s = sequences[who];
    Device& there = devices[to];
    const std::vector<BlockHash> found = found_on(there, s);
    std::erase(read[pool_of(s.device)], who);
    there.coming.push_back(who);
    for (const BlockHash b : found) there.kept.hold(b);
    s.stage = Stage::moving;
    s.to = to;
    s.to_shared = static_cast<std::int64_t>(found.size());
    s.to_blocks = there.blocks_for(s.context + 1);
    make_room(to);
    if (!s.request.prefix.empty()) expected.insert(to, s.request.prefix);
    const std::uint32_t l = *link_to(s, to);
    Time& place = *std::min_element(places[l].begin(), places[l].end());
    place = std::max(place, now_) + move_time(l, s.context - s.to_shared * prefix_block(there));
    moving.push_back({who, l, place});
    count(found.empty() ? Happening::moved : Happening::moved_in_part);
  }

  // By link, and then as they were said.
  void take_move_ends() {
    std::vector<Moving> ended = moving;
    std::erase_if(ended, [&](const Moving& move) { return move.end != now_; });
    std::erase_if(moving, [&](const Moving& move) { return move.end == now_; });
    std::stable_sort(ended.begin(), ended.end(), [](const Moving& a, const Moving& b) { return a.link < b.link; });
    for (const Moving& move : ended) {
      Sequence& s = sequences[move.who];
      Device &here = devices[s.device], &there = devices[s.to];
      std::erase(here.leaving, move.who);
      let_go(here, s);
      std::erase(there.coming, move.who);
      if (s.cancelling) {
        for (; s.to_shared > 0; --s.to_shared)
          there.kept.let_go(s.request.prefix[static_cast<std::size_t>(s.to_shared - 1)]);
        count(Happening::cancelled_moving);
        finish(move.who, Outcome::cancelled, Reason::none);
        continue;
      }
      there.running.push_back(move.who);
      s.stage = Stage::running;
      s.device = s.to;
      s.blocks = s.to_blocks;
      s.shared = s.to_shared;
      s.limit = limit_on(s, s.device);
      keep_prompt(there, s);
      there.wanted = there.wanted || there.run;
      if (there.run) count(Happening::joins_a_run);
    }
  }

  void step(Sequence& s, const Slot& slot, Time time) {
    s.context += slot.step_tokens();
    if (s.rest() > 0 || s.generated >= s.answer()) return;  // reads on, or has nothing to say
    ++s.generated;
    if (s.first_token == Time::never()) s.first_token = time;
    s.last_token = time;
  }

  void end_as_done(std::size_t who) {
    const Sequence& s = sequences[who];
    scorers_.learn_from(s);
    if (s.generated == 0) count(Happening::no_answer);
    if (s.generated < s.request.output.count()) count(Happening::cut_at_limit);
    finish(who, Outcome::done, Reason::none);
  }

  void take_arrivals() {
    arrived_.clear();
    for (; next_arrival_ < requests_; ++next_arrival_) {
      Sequence& s = sequences[next_arrival_];
      if (s.request.arrival != now_) break;
      if (any_run_ended_) count(Happening::arrival_at_run_end);
      s.stage = Stage::at_door;
      s.number = ++submissions_;
      arrived_.push_back(next_arrival_);
    }
  }

  void take_cancels() {
    for (; next_cancel_ < cancels_.size(); ++next_cancel_) {
      const std::size_t first = cancels_[next_cancel_];
      if (*sequences[first].request.cancel_at != now_) break;
      std::vector<std::size_t> all = sequences[first].others;
      all.insert(all.begin(), first);
      for (const std::size_t who : all) cancel(who);
    }
  }
  void cancel(std::size_t who) {
    Sequence& s = sequences[who];
    {
      // Reading: a cancel that comes before its request, or after its end, is ignored; the instant is a tick all the
      // same.
      if (s.stage == Stage::to_come || s.stage == Stage::ended) {
        count(Happening::cancel_late);
      } else if ((s.stage == Stage::running && in_run(who)) || s.stage == Stage::moving) {
        s.cancelling = true;
      } else {
        count(s.stage == Stage::at_door   ? Happening::cancelled_at_door
              : s.stage == Stage::unbound ? Happening::cancelled_unbound
              : s.stage == Stage::in_line ? Happening::cancelled_in_line
              : s.stage == Stage::read    ? Happening::cancelled_read
                                          : Happening::cancelled_between_runs);
        finish(who, Outcome::cancelled, Reason::none);
      }
    }
  }

  void shed() {
    std::vector<std::size_t> due = impatient();
    std::erase_if(due, [&](std::size_t who) { return patience_end(who) > now_; });
    std::sort(due.begin(), due.end(), [&](std::size_t a, std::size_t b) {
      return patience_end(a) != patience_end(b) ? patience_end(a) < patience_end(b) : a < b;
    });
    for (const std::size_t who : due) {
      count(sequences[who].stage == Stage::unbound ? Happening::shed_unbound : Happening::shed_in_line);
      finish(who, Outcome::rejected, Reason::shed);
    }
  }

  void pass_the_door() {
    for (const std::size_t who : arrived_) {
      Sequence& s = sequences[who];
      if (s.stage == Stage::ended) continue;  // cancelled in this very instant
      const std::vector<std::size_t> victims = give_way_to(who);
      const Reason why = refusal(s, !victims.empty());
      for (const std::size_t victim : victims) {
        if (why != Reason::none || is_room_for(s)) break;
        count(Happening::gave_way);
        finish(victim, Outcome::rejected, Reason::shed);
      }
      if (why == Reason::none) s.inside = true, s.to_come = answers_of(s) - 1;
      if (why != Reason::none) {
        count_refusal(why);
        finish(who, Outcome::rejected, why);
      } else if (options.bind == "arrival") {
        bind(who, scorers_.choose(s, candidates(s, false)));
      } else {
        CHECK(options.bind == "room");
        s.stage = Stage::unbound;
        queues_[s.request.model.value].push_back(who);
      }
    }
  }

  bool is_room_for(const Sequence& s) const {
    return static_cast<std::int64_t>(in_flight()) + answers_of(s) <= std::int64_t{options.sequences};
  }
  // Who wait, were never admitted and are of a rank above that of whoever stands at the door: the greatest rank first,
  // of one rank the last. Nobody, if there is room, or if they are fewer than the places it lacks.
  std::vector<std::size_t> give_way_to(std::size_t at_door) const {
    if (is_room_for(sequences[at_door])) return {};
    std::vector<std::size_t> lower;
    for (std::size_t who = 0; who < sequences.size(); ++who)
      if (waits(who) && !sequences[who].first && sequences[who].admit == Time::never() &&
          rank_of(who) > rank_of(at_door))
        lower.push_back(who);
    std::sort(lower.begin(), lower.end(),
              [&](std::size_t a, std::size_t b) { return rank_of(a) != rank_of(b) ? rank_of(a) > rank_of(b) : a > b; });
    const std::int64_t lacks =
        static_cast<std::int64_t>(in_flight()) + answers_of(sequences[at_door]) - std::int64_t{options.sequences};
    return static_cast<std::int64_t>(lower.size()) >= lacks ? lower : std::vector<std::size_t>();
  }
  virtual bool waits(std::size_t who) const {
    return sequences[who].stage == Stage::unbound || sequences[who].stage == Stage::in_line;
  }
  std::uint32_t rank_of(std::size_t who) const { return fleet.classes[sequences[who].request.slo.value].rank; }

  Reason refusal(const Sequence& s, bool somebody_gives_way) const {
    if (answers_of(s) > std::int64_t{options.answers}) return Reason::too_many_answers;
    if (!is_room_for(s) && !somebody_gives_way) return Reason::queue_full;
    if (s.request.prompt.count() == 0) return Reason::empty_prompt;
    bool serves = false, lies = false, holds = false;
    bool adapts = false;
    for (const PoolView& pool : fleet.pools) {
      serves = serves || pool.model == s.request.model;
      if (!serves_adapter(pool, s)) continue;
      adapts = adapts || pool.model == s.request.model;
      const bool here = pool.model == s.request.model && s.request.regions.has(pool.region);
      lies = lies || here;
      holds = holds || (here && may_be_in(s, static_cast<std::uint32_t>(&pool - fleet.pools.data())));
    }
    if (!serves) return Reason::no_such_model;
    if (fleet.models[s.request.model.value].embeds && s.request.max_output > Tokens(0)) return Reason::only_embeds;
    if (!adapts) return Reason::no_such_adapter;
    if (!lies) return Reason::no_region;
    if (!holds) return Reason::too_long;
    return eligible(s).empty() ? Reason::device_lost : Reason::none;
  }

  void bind(std::size_t who, std::uint32_t d) {
    Sequence& s = sequences[who];
    s.stage = Stage::in_line;
    s.device = d;
    s.limit = limit_on(s, d);
    if (devices[d].pool->role == PoolRole::decode) count(Happening::stayed);
    devices[d].line.push_back(who);
    s.hit = expected_hit(s, d);
    if (!s.request.prefix.empty()) expected.insert(d, s.request.prefix);
    if (!s.request.adapter.some()) return;
    std::vector<AdapterId>& all = devices[d].expected_adapters;
    std::erase(all, s.request.adapter);
    all.push_back(s.request.adapter);
    if (all.size() > devices[d].pool->adapter_slots) all.erase(all.begin());
  }

  // Where it is only read, what it may generate at the most behind it.
  std::int64_t limit_on(const Sequence& s, std::uint32_t d) const {
    std::int64_t context = devices[d].pool->max_context.count();
    if (gives_away(devices[d])) {
      context = 0;
      for (const LinkView& link : fleet.links)
        if (link.from.value == pool_of(d) && s.request.regions.has(fleet.pools[link.to.value].region))
          context = std::max<std::int64_t>(context, fleet.pools[link.to.value].max_context.count());
    }
    return std::min<std::int64_t>(s.request.max_output.count(), context - s.request.prompt.count());
  }

  // The prompt of `first` has been read: the other answers of its request join its device's line.
  void fork(std::size_t first) {
    if (sequences[first].to_come > 0) count(Happening::forked);
    for (; sequences[first].to_come > 0; --sequences[first].to_come) {
      const std::size_t who = sequences.size();
      sequences.push_back(
          Sequence{.request = sequences[first].request, .to_read = sequences[first].request.prompt.count()});
      sequences[who].number = ++submissions_;
      sequences[who].first = first;
      sequences[who].inside = true;
      sequences[first].others.push_back(who);
      bind(who, sequences[first].device);
    }
  }

  // Reading: a model's queue has the order of a line, and every queue is looked at in every tick, after all arrivals.
  void bind_from_queues() {
    for (std::vector<std::size_t>& queue : queues_) {
      while (!queue.empty()) {
        const std::size_t who = sorted(queue).front();
        const std::vector<std::uint32_t> with_room = candidates(sequences[who], true);
        if (with_room.empty()) {
          count(Happening::waits_for_room);
          break;
        }
        std::erase(queue, who);
        bind(who, scorers_.choose(sequences[who], with_room));
      }
    }
  }

  void interrupt_if_due(Device& device) {
    Run& run = *device.run;
    if (run.step_limit == 1 || run.interrupted) return;
    const bool newcomer = !device.line.empty() && first_of(device) != run.first_in_line &&
                          device.running.size() + device.coming.size() < device.pool->max_sequences;
    const bool asked = std::any_of(run.slots.begin(), run.slots.end(),
                                   [&](const Slot& slot) { return sequences[slot.who].cancelling; });
    if (!newcomer && !asked && !device.lost && !device.wanted) return;
    const Time planned = run.end();
    run.interrupted = now_;
    walk(device);
    count(run.end() < planned ? Happening::cut_by_interrupt : Happening::interrupt_changed_nothing);
    if (run.end() == now_) count(Happening::interrupt_at_boundary);
  }

  // ---- looking things up -------------------------------------------------------------------------------------------

  // All that wait, were never admitted, and whose class has a patience.
  std::vector<std::size_t> impatient() const {
    std::vector<std::size_t> result;
    const auto add = [&](const std::vector<std::size_t>& list) {
      for (const std::size_t who : list) {
        const Sequence& s = sequences[who];
        const bool has_patience = fleet.classes[s.request.slo.value].patience.count() > 0;
        if (has_patience && !s.first && s.admit == Time::never()) result.push_back(who);
      }
    };
    for (const Device& device : devices) add(device.line);
    for (const std::vector<std::size_t>& queue : queues_) add(queue);
    return result;
  }

  Time patience_end(std::size_t who) const {
    const Request& request = sequences[who].request;
    return request.arrival + fleet.classes[request.slo.value].patience;
  }

  virtual std::size_t in_flight() const {
    std::size_t n = 0;
    for (const Sequence& s : sequences)
      if (s.inside) n += 1 + static_cast<std::size_t>(s.to_come);
    return n;
  }

  void count_refusal(Reason refused) {
    count(refused == Reason::queue_full         ? Happening::queue_full
          : refused == Reason::empty_prompt     ? Happening::empty_prompt
          : refused == Reason::no_such_model    ? Happening::no_such_model
          : refused == Reason::only_embeds      ? Happening::only_embeds
          : refused == Reason::no_region        ? Happening::no_region
          : refused == Reason::too_many_answers ? Happening::too_many_answers
          : refused == Reason::no_such_adapter  ? Happening::no_such_adapter
                                                : Happening::too_long);
  }

  Scorers scorers_;
  std::size_t next_arrival_ = 0;
  std::vector<std::size_t> arrived_;  // in this tick
  std::vector<std::size_t> cancels_;  // by (time, row)
  std::size_t next_cancel_ = 0;
  bool any_run_ended_ = false;  // in this tick
  std::int64_t submissions_ = 0;
  std::size_t requests_ = 0;
};

}  // namespace yard::reference
