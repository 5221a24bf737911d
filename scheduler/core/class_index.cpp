#include "scheduler/core/class_index.h"

#include <tuple>

namespace yard {
namespace {

// As kept_promises.h has them: of time, 1/65536; ns.
constexpr std::int64_t kMostShare = 55705, kLongestBurst = 100'000'000'000, kDay = 100'000'000'000'000;

// Of devices of which nothing is known but their class, and of equal ones the lowest comes first.
bool no_better(const ClassIndex::Class& a, const ClassIndex::Class& b) {
  return a.first > b.first && a.empty >= b.empty && a.one >= b.one && a.c1 >= b.c1 && a.c2 >= b.c2 && a.c4 >= b.c4 &&
         a.budget <= b.budget && a.error_permille >= b.error_permille && a.chunk == b.chunk;
}

}  // namespace

ClassIndex::ClassIndex(const FleetView& fleet, const CostTables& tables)
    : fleet_(fleet), tables_(tables), models_(fleet.models.size()), class_of_(fleet.devices(), kNone) {
  rank_promises();
  std::vector<std::uint32_t> devices_of(fleet.models.size());
  std::vector<bool> fits(fleet.models.size(), true);
  for (const PoolView& pool : fleet.pools) {
    devices_of[pool.model.value] += pool.devices;
    if (pool.devices == 0) continue;
    const StepCost& cost = tables[pool.cost];
    bool rises = pool.kind == PoolKind::stepped && pool.role == PoolRole::both && cost.c0(0).count() >= 0;
    for (std::uint32_t n = 0; n < pool.max_sequences; ++n) rises &= cost.c0(n) <= cost.c0(n + 1);
    if (!rises) fits[pool.model.value] = false;
  }
  // Contracts' ranges begin and end classes.
  std::vector<std::uint32_t> begins;
  for (const ContractView& contract : fleet.contracts) {
    begins.push_back(contract.first_device);
    begins.push_back(contract.first_device + contract.devices);
  }
  std::sort(begins.begin(), begins.end());
  for (std::uint32_t p = 0; p < fleet.pools.size(); ++p) {
    const PoolView& pool = fleet.pools[p];
    if (!fits[pool.model.value] || devices_of[pool.model.value] < kLeastDevices) continue;
    const std::uint32_t end = pool.first_device + pool.devices;
    for (std::uint32_t from = pool.first_device; from < end;) {
      const auto cut = std::upper_bound(begins.begin(), begins.end(), from);
      const std::uint32_t to = cut == begins.end() ? end : std::min(end, *cut);
      const auto c = static_cast<std::uint32_t>(classes_.size());
      Class k{.pool = p, .first = from, .devices = to - from};
      read_costs(k);
      classes_.push_back(k);
      models_[pool.model.value].push_back(c);
      std::fill_n(class_of_.begin() + from, k.devices, c);
      from = to;
    }
  }
  if (classes_.size() > kMostClasses) {
    classes_.clear();
    for (auto& list : models_) list.clear();
    std::ranges::fill(class_of_, kNone);
  }
  if (classes_.empty()) return;
  for (std::uint32_t m = 0; m < models_.size(); ++m) find_better(ModelId{m});
  seats_.resize(fleet.devices());
  burst_us_.resize(fleet.devices());
  bins_ = LazyArray<Bin>(classes_.size() * kKinds * kBins);
  words_ = LazyArray<std::uint64_t>(classes_.size() * kKinds * kWords);
  sums_ = LazyArray<std::uint64_t>(classes_.size() * kKinds * kSums);
  for (std::uint32_t c = 0; c < classes_.size(); ++c) {
    Class& k = classes_[c];
    idle_.add_class(k.devices);
    k.up = k.devices;
    for (std::uint32_t d = k.first; d < k.first + k.devices; ++d) seats_[d].place = kIdle, enter(d);
  }
}

// What is kept of its pool's costs, beside the columns.
void ClassIndex::read_costs(Class& k) const {
  const PoolView& pool = fleet_.pools[k.pool];
  const StepCost& cost = tables_[pool.cost];
  k.empty = cost.c0(0).count() / 1000, k.one = cost.c0(1).count() / 1000;
  k.c1 = cost.c1().count(), k.c2 = cost.c2().count(), k.c4 = cost.c4().count();
  k.budget = pool.token_budget.count(), k.error_permille = cost.error_permille(), k.chunk = pool.chunk;
  const auto shortest = static_cast<std::uint64_t>(std::max<std::int64_t>(1, cost.c0(1).count() / 1000 / 4));
  k.octave = static_cast<std::uint32_t>(std::bit_width(shortest)) - 1;
  k.widest_step = 0;
  for (std::uint32_t n = 0; n < pool.max_sequences; ++n)
    k.widest_step = std::max(k.widest_step, cost.c0(n + 1).count() / 1000 - cost.c0(n).count() / 1000);
}

void ClassIndex::find_better(ModelId m) {
  std::uint32_t before = kNone;
  for (const std::uint32_t c : models_[m.value]) {
    classes_[c].no_better_than = before != kNone && no_better(classes_[c], classes_[before]) ? before : kNone;
    before = c;
  }
}

// Bins are of a class's times, so all its devices leave and come back.
void ClassIndex::costs_changed(CostRow row, Devices& devices) {
  for (Class& k : classes_) {
    const PoolView& pool = fleet_.pools[k.pool];
    if (pool.cost != row) continue;
    for (std::uint32_t d = k.first; d < k.first + k.devices; ++d) leave(d), seats_[d].place = kNone;
    k.up = 0;
    read_costs(k);
    for (std::uint32_t d = k.first; d < k.first + k.devices; ++d) move(d, devices);
    find_better(pool.model);
  }
}

void ClassIndex::rank_promises() {
  std::vector<std::int64_t> tpots;
  for (const SloClass& slo : fleet_.classes)
    if (slo.tpot.count() > 0) tpots.push_back(slo.tpot.count());
  std::ranges::sort(tpots);
  tpots.erase(std::ranges::unique(tpots).begin(), tpots.end());
  for (const SloClass& slo : fleet_.classes) {
    const auto at = std::ranges::lower_bound(tpots, slo.tpot.count()) - tpots.begin();
    rank_.push_back(slo.tpot.count() > 0 ? static_cast<std::uint32_t>(std::min<std::ptrdiff_t>(at, 2)) : 3u);
    if (slo.tpot.count() > 0) promised_[rank_.back()] = std::max(promised_[rank_.back()], slo.tpot.count());
  }
}

// ---- the bitmap of those alike --------------------------------------------------------------------------------------

void ClassIndex::Lowest::add_class(std::uint32_t devices) {
  Levels levels;
  std::uint32_t bits = devices, at = static_cast<std::uint32_t>(words_.size());
  for (std::uint32_t& level : levels.at) {
    level = at;
    bits = (bits + 63) / 64;
    at += bits;
  }
  CHECK_WHY(bits == 1, "at most 2^24 devices of a class");
  words_.resize(at);
  levels_.push_back(levels);
}

void ClassIndex::Lowest::set(std::uint32_t c, std::uint32_t at) {
  for (const std::uint32_t level : levels_[c].at) {
    std::uint64_t& word = words_[level + at / 64];
    const bool was = word != 0;
    word |= std::uint64_t{1} << at % 64;
    if (was) return;
    at /= 64;
  }
}

void ClassIndex::Lowest::clear(std::uint32_t c, std::uint32_t at) {
  for (const std::uint32_t level : levels_[c].at) {
    std::uint64_t& word = words_[level + at / 64];
    word &= ~(std::uint64_t{1} << at % 64);
    if (word != 0) return;
    at /= 64;
  }
}

std::uint32_t ClassIndex::Lowest::first(std::uint32_t c, const Class&) const {
  const Levels& levels = levels_[c];
  std::uint32_t at = 0;
  for (std::size_t level = 4; level-- > 0;) {
    const std::uint64_t word = words_[levels[level] + at];
    if (word == 0) return kNone;  // at the top only
    at = at * 64 + static_cast<std::uint32_t>(std::countr_zero(word));
  }
  return at;
}

// ---- the bins -------------------------------------------------------------------------------------------------------

std::uint32_t ClassIndex::bin_of(const Class& k, std::int64_t per_token) const {
  const auto t = static_cast<std::uint64_t>(std::max(per_token, std::int64_t{1} << k.octave));
  const auto octave = static_cast<std::uint32_t>(std::bit_width(t)) - 1;
  if (octave - k.octave >= kOctaves) return kBins - 1;
  const std::uint64_t over = t - (std::uint64_t{1} << octave);
  const std::uint64_t part = octave >= kMantissa ? over >> (octave - kMantissa) : over << (kMantissa - octave);
  return ((octave - k.octave) << kMantissa) + static_cast<std::uint32_t>(part);
}

std::int64_t ClassIndex::time_per_token(std::uint32_t c, std::uint32_t bin) const {
  const std::uint32_t octave = classes_[c].octave + (bin >> kMantissa);
  const std::int64_t part = bin & ((1u << kMantissa) - 1);
  const std::int64_t over = octave >= kMantissa ? part << (octave - kMantissa) : part >> (kMantissa - octave);
  return bin == 0 ? 0 : (std::int64_t{1} << octave) + over;
}

std::uint32_t ClassIndex::next_bin(std::uint32_t c, Kind kind, std::uint32_t from) const {
  if (from >= kBins) return kNone;
  const std::size_t row = std::size_t{c} * kKinds + static_cast<std::size_t>(kind);
  const std::uint64_t *words = &words_[row * kWords], *sums = &sums_[row * kSums];
  std::uint32_t word = from / 64;
  if (const std::uint64_t rest = words[word] & ~std::uint64_t{0} << from % 64; rest != 0)
    return word * 64 + static_cast<std::uint32_t>(std::countr_zero(rest));
  if (++word == kWords) return kNone;
  std::uint64_t rest = sums[word / 64] & ~std::uint64_t{0} << word % 64;
  for (std::uint32_t sum = word / 64;;) {
    if (rest != 0) {
      word = sum * 64 + static_cast<std::uint32_t>(std::countr_zero(rest));
      return word * 64 + static_cast<std::uint32_t>(std::countr_zero(words[word]));
    }
    if (++sum == kSums) return kNone;
    rest = sums[sum];
  }
}

// Its links are not filled in.
ClassIndex::Seat ClassIndex::seat_of(std::uint32_t d, const DeviceColumns& devices, bool up) const {
  if (!up) return {};
  const std::uint32_t c = class_of_[d];
  const PoolView& pool = fleet_.pools[classes_[c].pool];
  const StepCost& cost = tables_[pool.cost];
  const std::uint32_t running = devices.running[d], there = devices.waiting[d] + running, pace = devices.pace_of(d);
  const std::int64_t kv = devices.kv_tokens[d], line = devices.waiting_tokens[d], to_read = devices.prefill_tokens[d];
  const bool at_rest = there == 0 && kv == 0 && line == 0 && to_read == 0;
  if (at_rest && pace == kPaceAsSaid) return {.place = kIdle};
  // As kept_promises.h has them, but for the request's own tokens.
  const auto takes = [&](std::uint32_t n, std::int64_t tokens) {
    const std::int64_t c0 = cost.c0(std::min(n, pool.max_sequences)).count() / 1000;
    return at_pace(c0 + cost.c2().count() * tokens / 1000, pace);
  };
  const auto cut = [](std::int64_t n) {
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(n, 0, 0xffff'ffff));
  };
  Kind kind = at_rest ? Kind::idle : running > 0 ? Kind::reading : Kind::waiting;
  if (there > 0 && devices.waiting[d] == 0 && line == 0 && to_read == 0) {
    std::uint32_t rank = 3;
    const std::size_t classes = rank_.size();
    for (std::size_t s = 0; s < classes; ++s)
      if (devices.by_class[d * classes + s] > 0) rank = std::min(rank, rank_[s]);
    kind = static_cast<Kind>(rank);
  }
  const std::int64_t per_token = takes(there + 1, kv + line);
  const std::int64_t share = there > 0 ? std::min<std::int64_t>(devices.prefill_share[d], kMostShare) / 2 * 2 : 0;
  return {.per_token = cut(per_token),
          .step = cut(takes(running, kv)),
          .to_read = cut(to_read),
          .jitter = cut(share * std::min(devices.prefill_burst[d], kLongestBurst) >> 20),
          .pace = pace,
          .place = static_cast<std::uint32_t>(place(c, kind, bin_of(classes_[c], per_token)))};
}

void ClassIndex::leave(std::uint32_t d) {
  const auto [at, before, after] = std::tuple(seats_[d].place, seats_[d].before, seats_[d].after);
  if (at == kNone) return;
  if (at == kIdle) return idle_.clear(class_of_[d], d - classes_[class_of_[d]].first);
  count(d, -1);
  if (after != kNone) seats_[after].before = before;
  if (before != kNone) {
    seats_[before].after = after;
    return;
  }
  bins_[at].first = after + 1;  // 0 after kNone
  if (after != kNone) return;
  std::uint64_t& word = words_[at / 64];
  word &= ~(std::uint64_t{1} << at % 64);
  if (word == 0) sums_[at / 64 / 64] &= ~(std::uint64_t{1} << at / 64 % 64);
}

// Takes its seat, whose links are not filled in.
void ClassIndex::enter(std::uint32_t d) {
  Seat& seat = seats_[d];
  const std::uint32_t at = seat.place;
  if (at == kNone) return;
  if (at == kIdle) return idle_.set(class_of_[d], d - classes_[class_of_[d]].first);
  count(d, +1);
  Bin& bin = bins_[at];
  seat.before = kNone, seat.after = bin.first - 1;
  if (bin.first != 0) {
    seats_[bin.first - 1].before = d;
    widen(bin, seat);
  } else {
    bin.least_step = seat.step, bin.least_to_read = seat.to_read;
    bin.least_jitter = seat.jitter, bin.least_pace = seat.pace;
    std::uint64_t& word = words_[at / 64];
    if (word == 0) sums_[at / 64 / 64] |= std::uint64_t{1} << at / 64 % 64;
    word |= std::uint64_t{1} << at % 64;
  }
  bin.first = d + 1;
}

// All of the class anew, after as many moves as it has devices.
void ClassIndex::look_at_paces(Class& k, const DeviceColumns& devices) {
  k.least_pace = k.most_pace = devices.pace_of(k.first), k.moves = 0;
  for (std::uint32_t d = k.first + 1; d < k.first + k.devices; ++d) {
    k.least_pace = std::min(k.least_pace, devices.pace_of(d));
    k.most_pace = std::max(k.most_pace, devices.pace_of(d));
  }
}

// In or out of a bin.
void ClassIndex::count(std::uint32_t d, int by) {
  Class& k = classes_[class_of_[d]];
  k.binned += static_cast<std::uint32_t>(by);
  const std::uint32_t kind = seats_[d].place / kBins % kKinds;
  k.of_kind[kind] += static_cast<std::uint32_t>(by);
  k.kinds = (k.kinds & ~(1u << kind)) | static_cast<std::uint32_t>(k.of_kind[kind] > 0) << kind;
}

void ClassIndex::widen(Bin& bin, const Seat& seat) {
  bin.least_step = std::min(bin.least_step, seat.step);
  bin.least_to_read = std::min(bin.least_to_read, seat.to_read);
  bin.least_jitter = std::min(bin.least_jitter, seat.jitter);
  bin.least_pace = std::min(bin.least_pace, seat.pace);
}

void ClassIndex::move(std::uint32_t d, Devices& devices) {
  const DeviceColumns& columns = devices.columns();
  const bool up = devices[d].state == DeviceState::up;
  Class& k = classes_[class_of_[d]];
  Seat& seat = seats_[d];
  k.up += static_cast<std::uint32_t>(up) - static_cast<std::uint32_t>(seat.place != kNone);
  const std::int64_t burst = up ? std::min(columns.prefill_burst[d], kDay) / 1000 : 0;
  k.burst_us += burst - burst_us_[d];
  burst_us_[d] = burst;
  const std::uint32_t pace = columns.pace_of(d);
  k.least_pace = std::min(k.least_pace, pace), k.most_pace = std::max(k.most_pace, pace);
  if (++k.moves > k.devices && k.least_pace != k.most_pace) look_at_paces(k, columns);
  Seat now = seat_of(d, columns, up);
  const bool stays = now.place == seat.place;
  if (stays) now.before = seat.before, now.after = seat.after;
  if (!stays) leave(d);
  seat = now;
  if (!stays) return enter(d);
  if (seat.place < kIdle) widen(bins_[seat.place], seat);
}

void ClassIndex::audit(Devices& devices) const {
  const DeviceColumns& columns = devices.columns();
  std::vector<std::uint32_t> seen(seats_.size());
  for (std::uint32_t c = 0; c < classes_.size(); ++c) {
    std::uint32_t binned = 0;
    for (std::uint32_t of = 0; of < kKinds; ++of) {
      const auto kind = static_cast<Kind>(of);
      std::uint32_t of_kind = 0;
      for (std::uint32_t bin = next_bin(c, kind, 0); bin != kNone; bin = next_bin(c, kind, bin + 1))
        for (std::uint32_t d = first_in(c, kind, bin); d != kNone; d = next_in(d)) {
          ++seen[d], ++of_kind;
          const Known all = known_of_bin(c, kind, bin), one = known_of(d);
          CHECK(seats_[d].place == place(c, kind, bin) && all.per_token <= one.per_token);
          CHECK(all.step <= one.step && all.to_read <= one.to_read && all.jitter <= one.jitter && all.pace <= one.pace);
        }
      CHECK(of_kind == classes_[c].of_kind[of] && (of_kind > 0) == (classes_[c].kinds >> of & 1));
      binned += of_kind;
    }
    CHECK(binned == classes_[c].binned);
    const Class& k = classes_[c];
    Class by_costs = k;
    read_costs(by_costs);
    CHECK_WHY(k == by_costs, "what is kept of costs is what they say (X1)");
    std::uint32_t up = 0;
    std::int64_t burst_us = 0;
    for (std::uint32_t d = k.first; d < k.first + k.devices; ++d) {
      const Seat seat = seat_of(d, columns, devices[d].state == DeviceState::up), &is = seats_[d];
      CHECK_WHY(seat.place == is.place && seat.per_token == is.per_token && seat.step == is.step &&
                    seat.to_read == is.to_read && seat.jitter == is.jitter && seat.pace == is.pace,
                "each device that is up is in the place of its columns (X1)");
      CHECK(seen[d] == (is.place < kIdle) && idle_.has(c, d - k.first) == (is.place == kIdle));
      CHECK(k.least_pace <= columns.pace_of(d) && columns.pace_of(d) <= k.most_pace);
      up += is.place != kNone, burst_us += burst_us_[d];
    }
    CHECK_WHY(up == k.up && burst_us == k.burst_us, "a class's sums are its devices' (X1)");
  }
}

}  // namespace yard
