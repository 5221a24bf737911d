// What one more hour of a device costs, by its contract, and how much of each contract was used.
//
// The marginal price, nano-dollars per hour: of a reserved device 0; on demand and spot the contract's price; of a
// committed one its shadow price. A commitment of C device-seconds in a window of W is paid, used or not. After e
// seconds of the window C e / W of it were to be used; while no more was, hours are left over and cost nothing. Beyond,
// each hour displaces one that will be missed later: the price rises in a straight line with what was used ahead of the
// forecast, and is the on-demand price once all C are used:
//   price = on_demand * (used - forecast) / (C - forecast),  forecast = C e / W, whole seconds, floored.
//
// Threads: the shard's own. Use counts from the epoch, as windows do.
// M1  prices are as of the last whole second (the control period) that lies before anything of `now` was taken in: they
//     do not depend on when Core is polled, only on what happened.
// M2  a device is in use while it is in a run, or has a sequence in flight; no device has two contracts (T1).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/base/hash.h"
#include "scheduler/base/units.h"
#include "topology/fleet_view.h"

namespace yard {

// Device-nanoseconds of a contract: in use, and of these beyond what each window has paid.
struct ContractUse {
  Wide in_use = 0, beyond = 0;
};

class Money {
 public:
  static constexpr Duration kPeriod = seconds(1);

  explicit Money(const FleetView&);

  // Before anything of `now` is taken in or decided. Cost: O(1); once a period O(committed devices whose price moved).
  void advance(Time now) {
    if (now >= next_) reprice(now);
  }
  void in_use(std::uint32_t device, int by, Time now) {
    const std::uint32_t c = contract_of_.empty() ? kNone : contract_of_[device];
    if (c == kNone) return;
    settle(accounts_[c], contracts_[c], now);
    accounts_[c].busy += static_cast<std::uint64_t>(by);
  }

  std::span<const std::int64_t> marginal_price() const { return price_; }  // by device
  ContractUse use(std::uint32_t contract, Time now) const;

 private:
  static constexpr std::uint32_t kNone = 0xffff'ffff;
  struct Account {
    std::uint64_t busy = 0;  // devices
    Time settled, window_began;
    Wide in_window = 0, in_use = 0, beyond = 0;  // beyond: of windows that are over
  };
  static Wide committed(const ContractView&);
  static void settle(Account&, const ContractView&, Time now);
  static std::int64_t shadow_price(const Account&, const ContractView&, Time now);
  void reprice(Time now);

  const std::vector<ContractView>& contracts_;
  std::vector<Account> accounts_;           // by contract
  std::vector<std::uint32_t> contract_of_;  // by device; empty: no contracts at all
  std::vector<std::int64_t> price_;
  Time next_ = Time::never();
};

}  // namespace yard
