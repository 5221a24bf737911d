// Devices in classes of equal rates, each class in the order of what one more token takes there: so that the best
// device for a request is found without visiting all (README.md, "Placement without visiting all").
//
// A class is what one contract pays of one pool: model, costs, limits and price are one. Of a class, those that are up
// stand in one of four places. Those that are idle and as fast as costs say are all alike, and only the one of lowest
// index can be chosen: a bitmap. The others stand in bins of their time per token, 1/2048 of it wide, from a quarter of
// the class's shortest step on: idle ones of another pace; those that decode and have nothing to read; those that
// have. A bin says the least that anybody in it has to read, and its shortest step. Bounds are the scorer's to make of
// this; what it finds is what a scan would have found.
//
// Nothing here depends on the time: a device moves when something happens to it, once however much that was, before the
// next decision.
//
// Threads: the shard's own. Owns: per class 2.2 MiB of address space, whose pages are touched as bins are used; 48 B
// per device.
// X1  each device that is up is in exactly one place, and its class's sums count it.
// Cost: O(1) to move a device; O(1) to the next bin.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/base/lazy_array.h"
#include "scheduler/core/device.h"

namespace yard {

class ClassIndex {
 public:
  static constexpr std::uint32_t kNone = 0xffff'ffff;
  // Below so many of a model they are scanned.
  static constexpr std::uint32_t kLeastDevices = 32, kMostClasses = 512;

  // decoding: with nothing to read, in a line or not; by the shortest TPOT that somebody there is promised, among the
  // fleet's; the third holds longer ones, too, the last those without any. idle: and of a pace of its own. waiting:
  // with a line, and nobody running yet. reading: all others, of whom some run.
  enum class Kind : std::uint8_t {
    decoding,
    decoding_second,
    decoding_third,
    decoding_unpromised,
    reading,
    waiting,
    idle
  };
  static constexpr std::uint32_t kKinds = 7;
  static constexpr bool decodes(Kind kind) { return kind < Kind::reading; }
  static constexpr bool runs(Kind kind) { return kind <= Kind::reading; }

  struct Class {
    std::uint32_t pool, first, devices;
    std::uint32_t up = 0, binned = 0;  // binned: and not in the bitmap
    std::array<std::uint32_t, kKinds> of_kind{};
    std::uint32_t kinds = 0;    // those of which there are some: 1 << kind
    std::int64_t burst_us = 0;  // sum over those up of prefill_burst, each at most a day
    std::uint32_t least_pace = kPaceAsSaid, most_pace = kPaceAsSaid;  // that any of them had since this was looked at
    std::uint32_t moves = 0;                                          // since then
    // Of its pool and costs, side by side: a step of nobody and of one, ns; ps.
    std::int64_t empty = 0, one = 0, c1 = 0, c2 = 0, c4 = 0;
    std::int64_t budget = 1, error_permille = 0;
    Chunk chunk = Chunk::budget;
    std::int64_t widest_step = 0;  // c0(n + 1) - c0(n), ns, at any n
    std::uint32_t octave = 0;      // time per token from which its bins begin: 2^octave ns
    // A class of its model before it, of which no step, limit or error is worse; kNone: none is known.
    std::uint32_t no_better_than = kNone;

    bool all_run() const { return kinds < 1u << static_cast<std::uint32_t>(Kind::waiting); }  // of those in bins
    bool operator==(const Class&) const = default;
  };

  ClassIndex(const FleetView&, const CostTables&);

  // None: too few devices, or costs that fall as more run together: they are scanned.
  std::span<const std::uint32_t> classes_of(ModelId m) const { return models_[m.value]; }
  const Class& operator[](std::uint32_t c) const { return classes_[c]; }

  // Something happened to these since they were last noted.
  void note(std::span<const std::uint32_t> changed, Devices& devices) {
    for (const std::uint32_t d : changed)
      if (class_of_[d] != kNone) move(d, devices);
  }

  // A row of the tables says something else than it did. Cost: O(devices of its classes). Does not allocate.
  void costs_changed(CostRow, Devices&);

  // The lowest of those that are idle and of the pace that costs say; kNone where there is none.
  std::uint32_t first_idle(std::uint32_t c) const {
    const Class& k = classes_[c];
    const std::uint32_t at = idle_.first(c, k);
    return at == kNone ? kNone : k.first + at;
  }

  // What is known of all devices of a bin, or of one: each figure from below.
  struct Known {
    std::int64_t per_token;  // what one more token takes there with one sequence more, at the device's pace; ns
    std::int64_t step;       // what a step takes now, likewise; 0 where nothing is known of it
    std::int64_t to_read;    // tokens: of the line and of open prefills
    std::int64_t jitter;     // share of its time that goes into reading, even x what one prompt brings (policy.h); 2^20
    std::uint32_t pace;      // 1/1024; 0 where nothing is known of it

    bool operator==(const Known&) const = default;
  };

  // Bins in the order of their time per token. kNone: no more.
  static constexpr std::uint32_t kBins = 1u << 14;
  std::uint32_t next_bin(std::uint32_t c, Kind kind, std::uint32_t from) const;
  std::int64_t time_per_token(std::uint32_t c, std::uint32_t bin) const;
  Known known_of_bin(std::uint32_t c, Kind kind, std::uint32_t bin) const {
    const Bin& b = bins_[place(c, kind, bin)];
    return {time_per_token(c, bin), b.least_step, b.least_to_read, b.least_jitter, b.least_pace};
  }
  std::uint32_t first_in(std::uint32_t c, Kind kind, std::uint32_t bin) const {
    return bins_[place(c, kind, bin)].first - 1;
  }
  std::uint32_t next_in(std::uint32_t d) const { return seats_[d].after; }
  Known known_of(std::uint32_t d) const {
    const Seat& seat = seats_[d];
    return {seat.per_token, seat.step, seat.to_read, seat.jitter, seat.pace};
  }

  // The longest TPOT that can be the shortest which somebody there is promised, ns; 0: nobody need be promised any.
  std::int64_t promised(Kind kind) const {
    return kind < Kind::decoding_unpromised ? promised_[static_cast<std::size_t>(kind)] : 0;
  }

  void audit(Devices&) const;  // X1, and every key, or the process ends. Cost: all. For tests.

 private:
  static constexpr std::uint32_t kMantissa = 11, kOctaves = 8, kWords = kBins / 64, kSums = kWords / 64;
  static constexpr std::uint32_t kIdle = 0xffff'fffe;  // in the bitmap
  struct Bin {
    std::uint32_t first;  // device + 1; 0: none
    // That any had who was there since it was last empty.
    std::uint32_t least_step, least_to_read, least_jitter, least_pace;
  };
  struct Seat {                                                                // of a device
    std::uint32_t per_token = 0, step = 0, to_read = 0, jitter = 0, pace = 0;  // as Known has them; 2^32 - 1: or more
    std::uint32_t place = kNone;                                               // kNone: not up; kIdle; else of its bin
    std::uint32_t before = 0, after = 0;                                       // in its bin
  };
  static_assert(sizeof(Seat) == 32);

  // A bitmap over the devices of each class, with the words that are not zero marked a level up, twice.
  class Lowest {
   public:
    void add_class(std::uint32_t devices);
    void set(std::uint32_t c, std::uint32_t at);
    void clear(std::uint32_t c, std::uint32_t at);
    bool has(std::uint32_t c, std::uint32_t at) const { return words_[levels_[c][0] + at / 64] >> at % 64 & 1; }
    std::uint32_t first(std::uint32_t c, const Class&) const;

   private:
    struct Levels {
      std::uint32_t at[4];
      std::uint32_t operator[](std::size_t i) const { return at[i]; }
    };
    std::vector<Levels> levels_;  // by class: where in words_
    std::vector<std::uint64_t> words_;
  };

  void rank_promises();
  void read_costs(Class&) const;
  void find_better(ModelId);
  std::size_t place(std::uint32_t c, Kind kind, std::uint32_t bin) const {
    return (std::size_t{c} * kKinds + static_cast<std::size_t>(kind)) * kBins + bin;
  }
  std::uint32_t bin_of(const Class&, std::int64_t per_token) const;
  Seat seat_of(std::uint32_t d, const DeviceColumns&, bool up) const;
  void move(std::uint32_t d, Devices&);
  void leave(std::uint32_t d);
  void enter(std::uint32_t d);
  void count(std::uint32_t d, int by);
  static void look_at_paces(Class&, const DeviceColumns&);
  static void widen(Bin&, const Seat&);

  const FleetView& fleet_;
  const CostTables& tables_;
  std::array<std::int64_t, 3> promised_{};  // by kind: the longest, ns
  std::vector<std::uint32_t> rank_;         // by SLO class: its kind
  std::vector<Class> classes_;
  std::vector<std::vector<std::uint32_t>> models_;  // classes of each
  std::vector<std::uint32_t> class_of_;             // by device
  std::vector<Seat> seats_;                         // likewise
  std::vector<std::int64_t> burst_us_;
  Lowest idle_;
  LazyArray<Bin> bins_;
  LazyArray<std::uint64_t> words_, sums_;  // of the bins that are not empty
};

}  // namespace yard
