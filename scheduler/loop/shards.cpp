#include "scheduler/loop/shards.h"

#include <algorithm>
#include <array>
#include <functional>
#include <tuple>
#include <utility>

#include "scheduler/base/check.h"
#include "scheduler/core/ledger.h"
#include "scheduler/sync/shelf.h"

namespace yard {
namespace {

constexpr std::uint64_t kDoorStream = 0x646f6f722d736565ull;

// What is told at one instant, in this order.
enum class Kind : std::uint8_t { unshelved, taken, filled, offers, handed, cancel };

SequenceId sequence_of(const ShelfEntry& entry) { return SequenceId::of_bits(entry.id()); }

struct Place {  // of a request in another shard's loop
  ShardId shard;
  RequestId request;
};

// An arrival whose prefix is its own.
struct Kept {
  explicit Kept(const Arrival& a) : arrival(a), prefix(a.facts.prefix.begin(), a.facts.prefix.end()) {}
  const Arrival& get() {
    arrival.facts.prefix = prefix;
    return arrival;
  }
  Arrival arrival;
  std::vector<BlockHash> prefix;
};

}  // namespace

struct Shards::Letter {
  Time at;
  Kind kind;
  std::uint32_t from = 0;
  std::uint64_t number = 0;
  Event event = CancelAsked{};
  std::optional<Kept> brings = std::nullopt;  // what was taken, or an offer
  Place home = {};                            // of the request that it is about
  // Its own shelf's answers first, which are told as soon as a tick has room: that somebody was faster is told before
  // who it was.
  bool operator>(const Letter& other) const {
    const bool later = kind != Kind::unshelved, other_later = other.kind != Kind::unshelved;
    return std::tie(later, at, kind, from, number) >
           std::tie(other_later, other.at, other.kind, other.from, other.number);
  }
};

struct Shards::Shard final : SimNeighbours {
  Shard(Shards& all, std::uint32_t self, const CellView& view, const CellOutside& outside, const CostTables& tables,
        const PolicySet& policies, const Bounds& bounds, Seed seed)
      : cell(all),
        id{self},
        steal(view.view.steal),
        core(bounds, view.view, tables, policies, seed),
        loop(core, bounds, view.view.devices(), *outside.devices, *outside.observer),
        faults(outside.faults),
        news(view.view, seed),
        links(view.view),
        shelf(view.view.steal.shelf),
        seen(view.view.steal.distance.size()) {
    loop.hears(news);
    loop.moves_over(links);
    loop.lives_beside(*this);
    if (outside.learns) loop.learns(learner.emplace(view.view, tables));
  }

  // ---- from its loop ------------------------------------------------------------------------------------------------

  void shelve(const Shelve& c, Time now) override {
    const std::uint32_t s = c.sequence.index;
    if (shown.size() <= s) shown.resize(s + 1);
    shown[s] = {c.request, c.there, c.at_stake};
    const bool was_empty = shelf.offered() == 0;
    if (const auto none = shelf.publish(ShelfEntry(c.sequence.bits(), c.order, c.tokens))) {
      const SequenceId back = sequence_of(*none);
      shown[back.index].back = true;
      write(id.value, {.at = now, .kind = Kind::unshelved, .event = Unshelved{back, false}});
    }
    if (was_empty)
      for (std::uint32_t other = 0; other < cell.size(); ++other)
        if (other != id.value)
          write(other, {.at = now + steal.distance[other], .kind = Kind::filled, .event = ShelfFilled{id}});
  }
  void unshelve(const Unshelve& c, Time now) override {
    if (shown[c.sequence.index].back) return;  // said already
    const bool ours = shelf.withdraw(c.sequence.bits());
    write(id.value, {.at = now, .kind = Kind::unshelved, .event = Unshelved{c.sequence, !ours}});
  }
  void look(const Look& c, Time now) override { go(c.victim, now, 0); }
  void take(const Take& c, Time now) override { go(c.victim, now, c.offers); }
  void pass_on(const PassOn& c, Time now) override {
    write(c.thief.value, {.at = now + steal.distance[c.thief.value], .kind = Kind::cancel, .home = {id, c.request}});
  }
  void finished(RequestId request) override {
    if (request.index >= homes.size() || !homes[request.index].shard.some()) return;
    const Place home = std::exchange(homes[request.index], {});
    cell.shards_[home.shard.value]->forgets(home.request);
  }

  Time next() const override { return mail.empty() ? Time::never() : mail.front().at; }
  void tell(Time now) override {
    while (next() <= now) {
      std::pop_heap(mail.begin(), mail.end(), std::greater<>());
      Letter letter = std::move(mail.back());
      mail.pop_back();
      open(letter, now);
    }
  }

  // ---- its part of the cell -----------------------------------------------------------------------------------------

  void write(std::uint32_t to, Letter&& letter) {
    letter.from = id.value;
    letter.number = ++cell.number_;
    std::vector<Letter>& box = cell.shards_[to]->mail;
    box.push_back(std::move(letter));
    std::push_heap(box.begin(), box.end(), std::greater<>());
  }

  Time due() const {
    Time first =
        arrived.empty() ? loop.next(faults) : std::min(arrived.front().arrival.facts.arrival, loop.next(faults));
    for (const Stall& stall : stalls)
      if (first >= stall.from && first < stall.until) first = stall.until;
    return first;
  }

  void step(Time now) {
    loop.begin(now);
    for (Kept& arrival : arrived) loop.submit(arrival.get(), now);
    arrived.clear();
    loop.end(now, faults);
    last = now;
  }

  Shards& cell;
  const ShardId id;
  const StealView& steal;
  Core core;
  SimLoop loop;
  const std::vector<Fault> faults;
  SimNews news;
  std::optional<CostLearner> learner;
  SimLinks links;
  Shelf shelf;
  std::vector<Stall> stalls;
  std::vector<Kept> arrived;  // not yet submitted
  std::vector<Letter> mail;   // a heap, the first on top
  struct Shown {
    RequestId request;
    Time there;
    std::int64_t at_stake;
    bool back = false;  // there was no room for it
  };
  std::vector<Shown> shown;  // by SequenceId.index: what stands, or stood, on the shelf
  struct Saw {
    Shelf::Seen head;
    std::array<ShelfEntry, kOffersSeen> entries;
  };
  std::vector<Saw> seen;     // by victim: what the last Look found there
  std::vector<Place> homes;  // by its own RequestId.index: where it came in, if elsewhere
  struct Gone {
    Place to = {};
    std::uint32_t half = 0;  // of two things that must be before its id is free: told to Core, ended there
  };
  std::vector<Gone> gone;  // likewise: where it went to
  Time last;

 private:
  void forgets(RequestId request) {
    if (++gone[request.index].half < 2) return;
    gone[request.index] = {};
    loop.release(request);
  }
  Gone& gone_of(RequestId request) {
    if (gone.size() <= request.index) gone.resize(request.index + 1);
    return gone[request.index];
  }
  void go(ShardId victim, Time now, std::uint32_t take) {
    cell.visits_.push_back({now + steal.distance[victim.value], id.value, ++cell.number_, victim.value, take});
    std::push_heap(cell.visits_.begin(), cell.visits_.end(), std::greater<>());
  }

  void open(Letter& letter, Time now) {
    if (letter.kind == Kind::handed && letter.brings) {
      const RequestId here = loop.take_over(letter.brings->get(), letter.home.shard, now);
      if (homes.size() <= here.index) homes.resize(here.index + 1);
      homes[here.index] = letter.home;
      cell.shards_[letter.home.shard.value]->gone_of(letter.home.request).to = {id, here};
      --cell.on_their_way_;
      return;
    }
    if (letter.kind == Kind::cancel)
      letter.event = CancelAsked{cell.shards_[letter.home.shard.value]->gone_of(letter.home.request).to.request};
    if (auto* offer = std::get_if<OfferSeen>(&letter.event)) offer->facts.prefix = letter.brings->prefix;
    loop.tell(letter.event, now);
    if (letter.kind == Kind::taken) gone_of(letter.home.request), forgets(letter.home.request);
  }
};

Shards::Shards(std::span<const CellView> views, std::span<const CellOutside> outsides, const CostTables& tables,
               const PolicySet& policies, const Bounds& bounds, Seed seed, Duration door_lag)
    : lag_(door_lag), placement_(views, tables, policies, Rng::stream(seed, kDoorStream).next()) {
  CHECK(!views.empty() && views.size() == outsides.size() && door_lag.count() > 0);
  for (std::uint32_t s = 0; s < views.size(); ++s) {
    const StealView& steal = views[s].view.steal;
    CHECK(!steal.some() || (steal.self.value == s && steal.distance.size() == views.size()));
    shards_.push_back(
        std::make_unique<Shard>(*this, s, views[s], outsides[s], tables, policies, bounds, Cells::seed_of(seed, s)));
    summaries_.emplace_back(views[s].view);
  }
}

Shards::~Shards() = default;

void Shards::stalls(std::vector<Stall> stalls) {
  for (const Stall& stall : stalls) shards_[stall.shard]->stalls.push_back(stall);
}

const Core& Shards::core(std::uint32_t shard) const { return shards_[shard]->core; }

// What all say at the last multiple of the lag before now: nothing has happened between it and now.
void Shards::exchange(Time now) {
  const std::int64_t q = now.ns() / lag_.count();
  const Time at(now.ns() % lag_.count() < 0 ? (q - 1) * lag_.count() : q * lag_.count());
  if (heard_ && *heard_ >= at) return;
  heard_ = at;
  for (std::uint32_t s = 0; s < size(); ++s) shards_[s]->core.summarise(summaries_[s]);
  placement_.hear(summaries_, false);
}

std::uint32_t Shards::place(const Submitted& facts) {
  if (!other_door_) return placement_.place(facts);
  const std::uint32_t shard = other_door_(facts);
  doors_.add(shard);
  return shard;
}

bool Shards::over() const {
  if (on_their_way_ > 0) return false;
  return std::ranges::all_of(shards_, [](const auto& shard) {
    return shard->arrived.empty() && shard->core.ledger().in_flight == 0 && shard->loop.rests();
  });
}

Time Shards::run(ArrivalSource& source, const std::function<void()>& ticked) {
  std::optional<Arrival> next = source.next();
  constexpr std::uint32_t kTickedEvery = 4096;
  std::vector<Time> due(size());
  for (std::uint32_t instants = 0;; ++instants) {
    Time now = next ? next->facts.arrival : Time::never();
    if (!visits_.empty()) now = std::min(now, visits_.front().at);
    for (std::uint32_t s = 0; s < size(); ++s) now = std::min(now, due[s] = shards_[s]->due());
    if (!next && over()) break;
    CHECK_WHY(now != Time::never(), "a request waits for ever");
    if (size() > 1) exchange(now);
    while (!visits_.empty() && visits_.front().at <= now) {
      std::pop_heap(visits_.begin(), visits_.end(), std::greater<>());
      const Visit visit = visits_.back();
      visits_.pop_back();
      visit.take == 0 ? look(visit) : take(visit);
    }
    for (; next && next->facts.arrival <= now; next = source.next())
      shards_[size() > 1 ? place(next->facts) : 0]->arrived.emplace_back(*next);
    for (const auto& shard : shards_)
      if (shard->due() <= now) shard->step(now);
    if (ticked && instants % kTickedEvery == 0) ticked();
  }
  Time last;
  for (const auto& shard : shards_) last = std::max(last, shard->last);
  return last;
}

void Shards::look(const Visit& visit) {
  Shard &thief = *shards_[visit.thief], &victim = *shards_[visit.victim];
  const Time back = visit.at + thief.steal.distance[visit.victim];
  Shard::Saw& saw = thief.seen[visit.victim];
  saw.head = victim.shelf.look(saw.entries);
  for (std::size_t i = 0; i < saw.head.entries; ++i) {
    const Shard::Shown& shown = victim.shown[sequence_of(saw.entries[i]).index];
    Letter letter{.at = back, .kind = Kind::offers, .brings = Kept(victim.loop.asked(shown.request))};
    Submitted facts = letter.brings->arrival.facts;
    facts.request = {}, facts.prefix = {};
    letter.event = OfferSeen{.victim = victim.id, .there = shown.there, .facts = facts, .at_stake = shown.at_stake};
    victim.write(visit.thief, std::move(letter));
  }
  victim.write(visit.thief,
               {.at = back,
                .kind = Kind::offers,
                .event = OffersSeen{.victim = victim.id, .offered = static_cast<std::uint32_t>(saw.head.offered)}});
}

void Shards::take(const Visit& visit) {
  Shard &thief = *shards_[visit.thief], &victim = *shards_[visit.victim];
  const Time back = visit.at + thief.steal.distance[visit.victim];
  const Shard::Saw& saw = thief.seen[visit.victim];
  const Shelf::Taken taken = victim.shelf.take(saw.head, visit.take);
  for (std::size_t i = 0; i < taken.entries; ++i) {
    const SequenceId sequence = sequence_of(saw.entries[i]);
    const RequestId request = victim.shown[sequence.index].request;
    thief.write(
        visit.victim,
        {.at = visit.at, .kind = Kind::taken, .event = Taken{sequence, thief.id}, .home = {victim.id, request}});
    Kept kept(victim.loop.asked(request));
    kept.arrival.cancel_at = Time::never();  // asked where it came in
    victim.write(visit.thief,
                 {.at = back, .kind = Kind::handed, .brings = std::move(kept), .home = {victim.id, request}});
    ++on_their_way_;
  }
  const bool some = taken.answer == Shelf::Answer::taken;
  victim.write(
      visit.thief,
      {.at = back, .kind = Kind::handed, .event = TakeEnded{victim.id, some ? TakeOutcome::taken : TakeOutcome::lost}});
}

std::uint64_t Shards::hash() const {
  if (size() == 1) return shards_[0]->core.hash();
  DecisionHash all;
  all.add(other_door_ ? doors_.value() : placement_.hash());
  for (const auto& shard : shards_) all.add(shard->core.hash());
  return all.value();
}

std::uint64_t Shards::most_in_flight() const {
  std::uint64_t most = 0;
  for (const auto& shard : shards_) most += shard->loop.most_in_flight();
  return most;
}

std::uint64_t Shards::republications() const {
  std::uint64_t all = 0;
  for (const auto& shard : shards_) all += shard->shelf.republications();
  return all;
}

}  // namespace yard
