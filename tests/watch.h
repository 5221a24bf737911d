// What must hold of every Core with stepped devices, seen from outside: facts in, commands out, and nothing else known.
// I1 to I5 and I7. A request of several answers has a life for each; those beside the first begin with their first run.
//
// Told of every event before it is applied, of every command in order, of the end of every tick; fault() then names the
// first rule that was broken. Nothing here predicts a decision.
#pragma once
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "scheduler/core/core.h"
#include "scheduler/core/ledger.h"

namespace yard {

class Watch {
 public:
  Watch(const FleetView& fleet, const Bounds& bounds)
      : fleet_(fleet), bounds_(bounds), devices_(fleet.devices()), latest_expiry_(fleet.classes.size()) {
    for (const PoolView& pool : fleet.pools)
      for (std::uint32_t i = 0; i < pool.devices; ++i) devices_[pool.first_device + i].pool = &pool;
    for (const DomainView& domain : fleet.domains) caps_.push_back(domain.cap);
    under_way_.resize(fleet.links.size());
    most_leased_.resize(caps_.size());
  }

  const std::string& fault() const { return fault_; }

  void applied(const Event& event) {
    std::visit([&](const auto& e) { note(e); }, event);
  }
  void said(const Command& command, Time now) {
    expect(now >= now_, "I3: time never goes back");
    now_ = now;
    lose_stranded();
    std::visit([&](const auto& c) { judge(c); }, command);
  }
  void ticked(Time now, const Core& core) {
    lose_stranded();
    for (auto& [id, life] : lives_) life.inside = true;
    expect(now >= now_, "I3: time never goes back");
    now_ = now;
    judge_balance(core.ledger());
    judge_power();
    judge_idleness();
    Time wakeup = Time::never();
    for (const auto& [id, life] : lives_)
      if (life.admit == Time::never()) wakeup = std::min(wakeup, life.expiry);
    expect(core.next_wakeup() == wakeup, "next_wakeup() is the first end of a patience");
    expect(wakeup > now, "nobody waits beyond a patience");
  }

 private:
  struct Life {
    Submitted facts;
    Time expiry = Time::never(), admit = Time::never(), first = Time::never(), last = Time::never();
    std::optional<SequenceId> sequence;
    std::optional<std::uint32_t> at;  // the device of its latest run, unless that may have lost it since
    DeviceId device;
    std::uint32_t run = 0;  // the device's, its latest
    std::int32_t context = 0, started_at = 0, generated = 0, limit = 0;
    std::uint32_t restarts = 0;
    bool inside = false;  // through the door by the end of an earlier tick
    bool in_run = false, asked = false, device_went = false;
    bool read = false;                  // on a device that only reads, and not gone from there
    bool moving = false, lost = false;  // its KV is on the way; an end of it went down since
    DeviceId to;
    std::int32_t found = 0;  // tokens of it that were there
    std::uint32_t attempt = 0, readings_lost = 0;
    std::optional<SlotFate> fate;  // once it has ended
  };
  struct Device {
    const PoolView* pool = nullptr;
    DeviceState state = DeviceState::up;
    std::uint32_t runs = 0, step_limit = 0;
    std::vector<Slot> slots;  // of the open run
    bool open = false, interrupted = false;
  };

  void expect(bool holds, const char* rule) {
    if (!holds && fault_.empty()) fault_ = std::string(rule) + ", at " + std::to_string(now_.ns()) + " ns";
  }
  static bool lawful(const PoolView& pool, const Submitted& facts) {
    return facts.regions.has(pool.region) && facts.providers.has(pool.provider_id) && pool.licensed;
  }
  static std::uint32_t answers_of(const Life& life) {
    return life.facts.max_output > Tokens(0) ? life.facts.answers : 1;
  }
  // Places that may be taken: by each of those begun, and for those to come.
  std::uint64_t places() const {
    std::uint64_t n = 0;
    for (const auto& [id, life] : lives_)
      if (id.second == 0) n += answers_of(life);
    return n;
  }
  static Outcome outcome_of(const Life& life) {
    return life.fate == SlotFate::failed ? Outcome::failed : Outcome::done;
  }

  // ---- facts --------------------------------------------------------------------------------------------------------

  void note(const Submitted& e) {
    Life life;
    life.facts = e;
    if (const Duration patience = fleet_.classes[e.slo.value].patience; patience.count() > 0) {
      Time& latest = latest_expiry_[e.slo.value];
      life.expiry = latest = std::max(latest, e.arrival + patience);
    }
    lives_.insert({{e.request, 0}, life});
    ++submitted_, ++in_flight_;
  }
  void note(const CancelAsked& e) {
    const auto at = lives_.find({e.request, 0});
    if (at != lives_.end()) at->second.asked = true;
  }
  void note(const RunEnded& e) {
    Device& device = devices_[e.device.value];
    if (!device.open || e.run != RunId{e.device.value, device.runs}) return;
    device.open = false;
    for (std::size_t k = 0; k < e.slots.size(); ++k) {
      Life& life = lives_.at({device.slots[k].request, device.slots[k].answer});
      const SlotEnd& end = e.slots[k];
      life.in_run = false;
      life.context += device.slots[k].prefill.count() > 0 ? end.prefilled.count() : end.generated.count();
      life.generated += end.generated.count();
      if (end.generated.count() > 0) {
        if (life.first == Time::never()) life.first = end.first_token;
        life.last = end.last_token;
      }
      if (end.fate != SlotFate::running) life.fate = end.fate;
      const bool whole = end.generated.count() > 0;  // where it is only read, what reads the last emits the first
      const bool goes = device.pool->role == PoolRole::prefill && whole && !life.fate && !life.asked;
      life.read = goes && device.state != DeviceState::down;
      if (life.read) life.at.reset();
    }
  }
  void note(const DeviceChanged& e) {
    Device& device = devices_[e.device.value];
    if (device.state == e.state) return;
    device.state = e.state;
    if (e.state == DeviceState::up) return;
    went_ = true;
    for (auto& [id, life] : lives_) {
      if (life.device == e.device) lives_.at({id.first, 0}).device_went = true;
      if (!life.in_run && life.at == e.device.value) life.at.reset();
      if (e.state != DeviceState::down) continue;
      if (life.moving && (life.device == e.device || life.to == e.device)) life.lost = true;
      if (life.read && !life.moving && life.device == e.device) life.read = false, ++life.readings_lost;
    }
  }
  void note(const MoveEnded& e) {
    for (auto& [id, life] : lives_) {
      if (life.sequence != e.sequence || !life.moving || life.attempt != e.attempt) continue;
      life.moving = life.read = false;
      --under_way_[link_between(life.device, life.to)];
      if (e.how == MoveEnd::failed || life.lost) {
        ++life.readings_lost;
        continue;
      }
      life.device = life.to;
      life.started_at = life.facts.prompt.count();
      if (devices_[life.to.value].state == DeviceState::up) life.at = life.to.value;
    }
  }

  void note(const CapChanged& e) { caps_[e.domain.value] = e.cap; }

  void note(const auto&) {}

  // What was read and can go on nowhere is read anew: by any poll, before it says anything.
  void lose_stranded() {
    for (auto& [id, life] : lives_)
      if (life.read && !life.moving && !goes_on(life)) life.read = false, ++life.readings_lost;
  }
  bool goes_on(const Life& life) const {
    const Submitted& facts = life.facts;
    const std::int64_t more = facts.max_output == Tokens::max() ? life.generated + 1 : facts.max_output.count();
    return std::any_of(fleet_.links.begin(), fleet_.links.end(), [&](const LinkView& link) {
      const PoolView& to = fleet_.pools[link.to.value];
      const bool up = std::any_of(devices_.begin(), devices_.end(), [&](const Device& device) {
        return device.pool == &to && device.state == DeviceState::up;
      });
      return &fleet_.pools[link.from.value] == devices_[life.device.value].pool && up && lawful(to, facts) &&
             fleet_.tenants[facts.tenant.value].regions.has(to.region) &&
             facts.prompt.count() + std::max<std::int64_t>(1, more) <= to.max_context.count();
    });
  }

  // ---- commands -----------------------------------------------------------------------------------------------------

  void judge(const Launch& c) {
    Device& device = devices_[c.device.value];
    const PoolView& pool = *device.pool;
    expect(!device.open, "C2: a device has one run at a time");
    expect(device.state != DeviceState::down, "nothing runs on a device that is down");
    expect(c.run == RunId{c.device.value, ++device.runs}, "runs are numbered one by one");
    expect(!c.slots.empty() && c.slots.size() <= pool.max_sequences, "no more slots than max_sequences");
    std::int64_t tokens = 0, blocks = 0;
    std::set<BlockHash> shared;  // prefix blocks that sequences of the run hold on to, each once
    bool reads = false;
    blocks += moved(c.device, shared);
    for (const Slot& slot : c.slots) {
      judge(slot, c);
      tokens += std::max(1, slot.prefill.count());
      blocks += slot.granted.count() - share(slot, pool, shared);
      reads |= slot.prefill.count() > 0;
    }
    expect(tokens <= pool.token_budget.count(), "no step reads more than the token budget");
    blocks += static_cast<std::int64_t>(shared.size()) * unit(pool);
    std::set<AdapterId> adapters;
    for (const Slot& slot : c.slots)
      if (slot.adapter.some()) adapters.insert(slot.adapter);
    expect(adapters.size() <= pool.adapter_slots, "no more adapters in a batch than slots for them");
    expect(c.loads <= adapters.size(), "no adapter is loaded twice for a run");
    expect(blocks <= pool.kv_blocks.count(), "I4: no more KV is granted than there is");
    expect(c.step_limit >= 1 && c.step_limit <= (reads ? 1 : bounds_.steps_per_run), "runs have their number of steps");
    device.open = true, device.interrupted = false;
    device.step_limit = c.step_limit;
    device.slots.assign(c.slots.begin(), c.slots.end());
  }

  std::size_t link_between(DeviceId from, DeviceId to) const {
    for (std::size_t l = 0; l < fleet_.links.size(); ++l)
      if (devices_[from.value].pool == &fleet_.pools[fleet_.links[l].from.value] &&
          devices_[to.value].pool == &fleet_.pools[fleet_.links[l].to.value])
        return l;
    return fleet_.links.size();
  }
  // Returns: KV blocks that moves hold on a device, but for those of `shared`, to which it adds.
  std::int64_t moved(DeviceId d, std::set<BlockHash>& shared) const {
    const PoolView& pool = *devices_[d.value].pool;
    const std::int32_t block = fleet_.models[pool.model.value].prefix_block.count();
    std::int64_t blocks = 0;
    for (const auto& [id, life] : lives_) {
      const bool leaves = life.read && life.device == d, comes = life.moving && life.to == d;
      if ((!leaves && !comes) || devices_[d.value].state == DeviceState::down) continue;
      if (leaves && !life.moving && answers_of(life) > 1 && may_be_stopped(id.first)) continue;  // it may have ended
      if (life.lost) continue;  // one of the ends has nothing any more; which one is not known here
      const std::int32_t tokens = leaves ? life.facts.prompt.count() : life.found;
      const auto names = life.facts.prefix.first(std::min<std::size_t>(
          life.facts.prefix.size(), unit(pool) == 0 ? 0 : static_cast<std::size_t>(tokens / block)));
      shared.insert(names.begin(), names.end());
      blocks += blocks_for(Tokens(life.context + (comes ? 1 : 0)), pool.block_tokens).count() -
                static_cast<std::int64_t>(names.size()) * unit(pool);
    }
    return blocks;
  }

  void judge(const Move& c) {
    const auto found = std::ranges::find_if(lives_, [&](const auto& entry) {
      return entry.first.first == c.request && entry.second.sequence == c.sequence;
    });
    expect(found != lives_.end(), "I2: what moves has been submitted and has not ended");
    if (found == lives_.end()) return;
    Life& life = found->second;
    const Device &from = devices_[c.from.value], &to = devices_[c.to.value];
    expect(life.read && !life.moving && !life.in_run && c.from == life.device && c.sequence == *life.sequence,
           "what moves has been read, is where it was read, and moves once at a time");
    expect(from.state != DeviceState::down && to.state == DeviceState::up, "KV moves from what is there to what is up");
    const std::size_t l = link_between(c.from, c.to);
    expect(l == c.link.value, "a move goes over the link between its ends");
    if (l >= fleet_.links.size()) return;
    expect(++under_way_[l] <= std::uint64_t{fleet_.links[l].at_once} + bounds_.moves_per_link,
           "a link has no more moves than it moves at once and its bound");
    expect(c.attempt > life.attempt, "attempts are numbered");
    expect(lawful(*to.pool, life.facts) && fleet_.tenants[life.facts.tenant.value].regions.has(to.pool->region),
           "KV moves only where its regions, its providers and their licences allow");
    expect(c.bytes > 0 && c.bytes % from.pool->kv_token_bytes == 0, "whole tokens move, and at least one");
    life.moving = true, life.lost = false;
    life.to = c.to;
    life.attempt = c.attempt;
    life.found = life.context - static_cast<std::int32_t>(c.bytes / from.pool->kv_token_bytes);
    std::set<BlockHash> shared;
    expect(
        moved(c.to, shared) + static_cast<std::int64_t>(shared.size()) * unit(*to.pool) <= to.pool->kv_blocks.count(),
        "I4: no more KV is leased for what comes than there is");
  }

  // KV blocks of a prefix block; 0 where the pool keeps none.
  std::int64_t unit(const PoolView& pool) const {
    const std::int32_t block = fleet_.models[pool.model.value].prefix_block.count();
    return pool.prefix_cache && block % pool.block_tokens.count() == 0 ? block / pool.block_tokens.count() : 0;
  }
  // Returns: how many KV blocks of a slot's grant it shares: those found, and once its prompt is read all whole ones.
  std::int64_t share(const Slot& slot, const PoolView& pool, std::set<BlockHash>& shared) const {
    const auto found = lives_.find({slot.request, slot.answer});
    if (found == lives_.end() || unit(pool) == 0) return 0;
    const Life& life = found->second;
    const std::int32_t block = fleet_.models[pool.model.value].prefix_block.count();
    const std::int32_t tokens = slot.prefill.count() > 0 ? life.started_at : life.facts.prompt.count();
    const auto names = life.facts.prefix.first(
        std::min<std::size_t>(life.facts.prefix.size(), static_cast<std::size_t>(tokens / block)));
    shared.insert(names.begin(), names.end());
    return static_cast<std::int64_t>(names.size()) * unit(pool);
  }

  void judge(const Slot& slot, const Launch& launch) {
    const auto first = lives_.find({slot.request, 0});
    expect(first != lives_.end(), "I2: what runs has been submitted and has not ended");
    if (first == lives_.end()) return;
    const auto found = slot.answer == 0 ? first : lives_.insert({{slot.request, slot.answer}, Life()}).first;
    if (slot.answer > 0 && found->second.facts.prompt == Tokens(0)) {
      expect(slot.answer < answers_of(first->second), "no more answers than were asked for");
      expect(first->second.generated > 0 || first->second.fate, "others join when the prompt has been read");
      found->second.facts = first->second.facts;
      found->second.inside = true;
    }
    Life& life = found->second;
    const Device& device = devices_[launch.device.value];
    const PoolView& pool = *device.pool;
    expect(!life.in_run && !life.fate, "I2: a sequence is in one run at a time, and in none after its end");
    expect(life.facts.model == pool.model, "a sequence runs where its model is served");
    expect(life.facts.adapter == slot.adapter, "a sequence runs with its adapter");
    expect(lawful(pool, life.facts), "a sequence runs where its regions, its providers and their licences allow");
    expect(fleet_.tenants[life.facts.tenant.value].regions.has(pool.region), "and in the regions of its tenant");
    expect(!life.sequence || *life.sequence == slot.sequence, "a sequence keeps its name");
    expect(device.state == DeviceState::up || life.device == launch.device, "draining devices take nobody new");
    const std::int32_t block = fleet_.models[pool.model.value].prefix_block.count();
    if (slot.prefill.count() > 0 && slot.context.count() != life.context) {  // it starts, or starts anew
      const std::int64_t found_blocks = slot.context.count() / block;
      expect(slot.context.count() % block == 0 && (found_blocks == 0 || unit(pool) > 0) &&
                 found_blocks <= static_cast<std::int64_t>(life.facts.prefix.size()),
             "a prompt is found by whole blocks that have names");
      if (life.context > 0) ++life.restarts;
      expect(!life.read, "what was read is not read anew while it can go on");
      life.context = life.started_at = slot.context.count();
    } else if (slot.prefill.count() > 0 && life.context % block == 0 && may_be_anew(life, launch.device)) {
      const std::int32_t named = unit(pool) > 0 ? static_cast<std::int32_t>(life.facts.prefix.size()) * block : 0;
      if (life.context <= named) life.started_at = life.context;
    }
    const std::int32_t prompt = life.facts.prompt.count(), whole = prompt + slot.generated.count();
    const std::int32_t after = slot.context.count() + slot.prefill.count();
    life.limit = std::min(life.facts.max_output.count(), context_on(pool, life.facts) - prompt);
    expect(slot.context == Tokens(life.context) && slot.generated == Tokens(life.generated), "progress is kept");
    expect(slot.output_limit == Tokens(life.limit), "the output limit is that of the device");
    if (slot.prefill.count() > 0) {
      expect(after <= whole && slot.samples == (after == whole), "a read that ends prompt and answer samples");
    } else {
      expect(slot.samples && slot.context == Tokens(whole - 1), "what decodes holds all but its last token");
      expect(slot.generated.count() + static_cast<std::int32_t>(launch.step_limit) <= life.limit, "nor beyond limits");
    }
    const auto grows = std::max(slot.prefill.count(), static_cast<std::int32_t>(launch.step_limit));
    expect(slot.granted >= blocks_for(slot.context + Tokens(grows), pool.block_tokens), "I4: a run's KV is leased");
    if (life.admit == Time::never()) life.admit = now_;
    life.in_run = true;
    life.sequence = slot.sequence;
    life.device = launch.device;
    life.run = device.runs;
    life.at = launch.device.value;
  }

  // Whether it may have lost its KV since its latest run, and now have found again as much as it had: after a run of
  // its device without it, after its prompt was read, or where moves hold so much that all were preempted at once.
  bool may_be_anew(const Life& life, DeviceId d) const {
    if (life.device != d || life.run + 1 != devices_[d.value].runs || life.generated > 0) return true;
    return std::any_of(lives_.begin(), lives_.end(), [&](const auto& entry) {
      const Life& other = entry.second;
      return (other.read && other.device == d) || (other.moving && other.to == d);
    });
  }

  // Where sequences are only read, that of the largest pool behind.
  std::int32_t context_on(const PoolView& pool, const Submitted& facts) const {
    if (pool.role != PoolRole::prefill) return pool.max_context.count();
    std::int32_t most = 0;
    for (const LinkView& link : fleet_.links) {
      const PoolView& to = fleet_.pools[link.to.value];
      const bool may = lawful(to, facts) && fleet_.tenants[facts.tenant.value].regions.has(to.region);
      if (&fleet_.pools[link.from.value] == &pool && may) most = std::max(most, to.max_context.count());
    }
    return most;
  }

  void judge(const Interrupt& c) {
    Device& device = devices_[c.device.value];
    expect(device.open && c.run == RunId{c.device.value, device.runs}, "an Interrupt names the open run");
    expect(device.step_limit > 1 && !device.interrupted, "a run of steps is interrupted, and once");
    device.interrupted = true;
  }

  void judge(const Finish& c) {
    const auto found = lives_.find({c.request, 0});
    expect(found != lives_.end(), "I2: what is said to have ended was submitted, and ends once");
    if (found == lives_.end()) return;
    const Life& first = found->second;
    const Account& a = c.account;
    Life life = first;  // of all answers
    std::int32_t longest = first.generated;
    bool all_done = true;
    std::uint32_t begun = 0;
    auto end = found;
    for (; end != lives_.end() && end->first.first == c.request; ++end, ++begun) {
      const Life& each = end->second;
      expect(!each.in_run && !each.moving, "I2: nothing ends while it is in a run, or while its KV moves");
      all_done &= each.fate && outcome_of(each) == Outcome::done;
      if (each.fate == SlotFate::failed) life.fate = each.fate;
      if (end == found) continue;
      life.generated += each.generated, life.restarts += each.restarts, life.readings_lost += each.readings_lost;
      longest = std::max(longest, each.generated);
      if (each.first == Time::never()) continue;
      life.first = std::min(life.first, each.first);
      life.last = life.last == Time::never() ? each.last : std::max(life.last, each.last);
    }
    expect(a.answers == answers_of(first) && a.longest == Tokens(longest), "an account tells of all answers");
    if (a.answers > 1 && c.outcome == Outcome::done)
      expect(all_done && begun == a.answers, "a request is done when all its answers are");
    if (a.answers > 1 && c.outcome != Outcome::done && life.fate != SlotFate::failed) life.fate.reset();
    expect(a.arrival == life.facts.arrival && a.prompt == life.facts.prompt && a.slo == life.facts.slo &&
               a.model == life.facts.model && a.tenant == life.facts.tenant,
           "an account tells what was asked");
    expect(a.finish == now_ && a.admit == life.admit && a.first_token == life.first && a.last_token == life.last,
           "I5: an account tells when things happened");
    expect(a.arrival <= a.finish && (a.admit == Time::never() || (a.arrival <= a.admit && a.admit <= a.finish)) &&
               (a.first_token == Time::never() ||
                (a.admit <= a.first_token && a.first_token <= a.last_token && a.last_token <= a.finish)),
           "I5: arrival <= admit <= first token <= last token <= finish");
    expect(a.output == Tokens(life.generated), "an account counts what was generated");
    expect(a.preemptions + life.readings_lost >= life.restarts, "an account counts preemptions");
    if (life.admit != Time::never() && a.device.some()) {
      const PoolView& pool = *devices_[a.device.value].pool;
      expect(pool.model == life.facts.model && lawful(pool, life.facts), "it was where it may be");
    }
    judge_outcome(c, life);
    ++ended_[static_cast<std::size_t>(c.outcome)];
    lives_.erase(found, end);
    --in_flight_;
  }

  void judge(const auto&) { expect(false, "nothing is sent to served devices"); }

  std::uint32_t rank_of(const Life& life) const {
    return fleet_.tenants[life.facts.tenant.value].rank(fleet_.classes[life.facts.slo.value].rank);
  }
  // Of those who were there before this tick, for those who came in it may stand before the door yet.
  bool anybody_waits_of_more_than(std::uint32_t rank) const {
    return std::any_of(lives_.begin(), lives_.end(), [&](const auto& entry) {
      return entry.second.inside && entry.second.admit == Time::never() && rank_of(entry.second) > rank;
    });
  }

  void judge_outcome(const Finish& c, const Life& life) {
    if (life.fate) {
      expect(c.outcome == outcome_of(life), "what a device says of an end counts");
      return;
    }
    switch (c.outcome) {
      case Outcome::done: expect(false, "nothing is done before its device says so"); break;
      case Outcome::cancelled: expect(life.asked, "who asked nothing is not cancelled"); break;
      case Outcome::rejected: expect(life.admit == Time::never(), "what was admitted is not rejected"); break;
      case Outcome::failed:
        expect((c.why == Reason::device_lost && went_) || (c.why == Reason::retries_spent && life.readings_lost > 0),
               "what fails has lost a device, or its KV on the way too often");
        break;
    }
    if (c.why == Reason::shed && life.expiry > now_) {
      expect(places() > bounds_.sequences, "nobody is shed before the end of a patience, but for a place");
      expect(!anybody_waits_of_more_than(rank_of(life)), "nobody is shed while somebody less important waits");
    }
    if (c.why == Reason::queue_full && answers_of(life) == 1)
      expect(!anybody_waits_of_more_than(rank_of(life)), "nobody is refused a place that one less important has");
    if (c.why == Reason::queue_full) expect(places() > bounds_.sequences, "a queue is full of Bounds::sequences");
  }

  // ---- after a poll -------------------------------------------------------------------------------------------------

  void judge_balance(const Ledger& ledger) {
    expect(ledger.balances() && ledger.submitted == submitted_ && ledger.in_flight == in_flight_,
           "I1: submitted == ended + in flight");
    for (std::size_t k = 0; k < ended_.size(); ++k) expect(ledger.ended[k] == ended_[k], "I1: by outcome");
  }

  // What each domain's devices lease, what of it stays beyond the next step, and the most that one of them leases.
  struct Draw {
    Milliwatts idle, leased, stays, largest;
  };
  void judge_power() {
    draws_.assign(fleet_.domains.size(), {});
    for (const Device& device : devices_)
      for (DomainId d = device.pool->domain; d.some(); d = fleet_.domains[d.value].parent) {
        const Milliwatts step = device.pool->busy - device.pool->idle;
        Draw& draw = draws_[d.value];
        draw.idle += device.pool->idle;
        draw.largest = std::max(draw.largest, step);
        if (device.open) draw.leased += step;
        if (device.open && !device.interrupted && device.step_limit > 1) draw.stays += step;
      }
    for (std::size_t d = 0; d < draws_.size(); ++d) {
      const Draw& draw = draws_[d];
      expect(draw.leased <= room(d) || draw.stays <= room(d), "what is not about to end fits the cap");
      expect(draw.leased <= std::max(room(d), most_leased_[d]), "nothing begins in an overdrawn domain");
      most_leased_[d] = draw.leased;
    }
  }
  Milliwatts room(std::size_t d) const { return caps_[d] > draws_[d].idle ? caps_[d] - draws_[d].idle : Milliwatts(); }
  // Some domain above it has no room for the largest of its devices: that one may wait before this one.
  bool may_be_held(const Device& device) const {
    for (DomainId d = device.pool->domain; d.some(); d = fleet_.domains[d.value].parent)
      if (draws_[d.value].leased + draws_[d.value].largest > room(d.value)) return true;
    return false;
  }

  // Of several answers: whether one was cancelled, failed, or lost its device or what it had read (for which it may
  // have had no retry left), so that the others may have been stopped.
  bool may_be_stopped(RequestId request) const {
    auto at = lives_.find({request, 0});
    if (at->second.asked || at->second.device_went) return true;
    for (; at != lives_.end() && at->first.first == request; ++at)
      if (at->second.fate == SlotFate::failed || at->second.readings_lost > 0) return true;
    return false;
  }

  void judge_idleness() {
    std::vector<bool> busy(fleet_.models.size());
    for (const Device& device : devices_)
      if (device.open || may_be_held(device)) busy[device.pool->model.value] = true;
    std::vector<bool> moves(devices_.size());  // some of its blocks and places are taken by KV that comes or leaves
    for (const auto& [id, life] : lives_) {
      if (life.moving) busy[life.facts.model.value] = moves[life.to.value] = true;
      if (life.read) moves[life.device.value] = true;
    }
    for (const auto& [id, life] : lives_) {
      if (answers_of(life) > 1 && (life.fate || may_be_stopped(id.first))) continue;  // it ended, others go on
      expect(!life.fate, "an end is said by the next poll");
      if (life.in_run) continue;
      expect(!life.at || devices_[*life.at].open || may_be_held(devices_[*life.at]) || moves[*life.at],
             "I7: no device idles beside a sequence of its own, unless held by a power domain or by moves");
      expect(busy[life.facts.model.value], "I7: nobody waits for a model all of whose devices idle");
    }
  }

  const FleetView& fleet_;
  const Bounds bounds_;
  std::vector<Device> devices_;
  std::vector<Time> latest_expiry_;                            // by class
  std::vector<Milliwatts> caps_;                               // by domain
  std::vector<Draw> draws_;                                    // by domain, as of the last tick
  std::vector<Milliwatts> most_leased_;                        // likewise
  std::vector<std::uint64_t> under_way_;                       // moves, by link
  std::map<std::pair<RequestId, std::uint32_t>, Life> lives_;  // in flight, by request and answer
  std::uint64_t submitted_ = 0, in_flight_ = 0;
  std::array<std::uint64_t, 4> ended_{};
  bool went_ = false;
  Time now_{std::numeric_limits<std::int64_t>::min()};
  std::string fault_;
};

}  // namespace yard
