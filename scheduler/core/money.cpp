#include "scheduler/core/money.h"

#include <algorithm>
#include <limits>

#include "scheduler/base/check.h"

namespace yard {

Money::Money(const FleetView& fleet)
    : contracts_(fleet.contracts), accounts_(fleet.contracts.size()), price_(fleet.devices()) {
  if (!contracts_.empty()) contract_of_.assign(fleet.devices(), kNone);
  for (std::uint32_t c = 0; c < contracts_.size(); ++c) {
    const ContractView& contract = contracts_[c];
    const bool by_use = contract.kind == ContractKind::on_demand || contract.kind == ContractKind::spot;
    for (std::uint32_t d = contract.first_device; d < contract.first_device + contract.devices; ++d) {
      CHECK_WHY(contract_of_[d] == kNone, "no device has two contracts (T1)");
      contract_of_[d] = c;
      price_[d] = by_use ? contract.per_hour.count() : 0;
    }
    if (contract.kind == ContractKind::committed) next_ = Time() + kPeriod;
  }
}

Wide Money::committed(const ContractView& c) { return static_cast<Wide>(c.committed.count()) * c.devices; }

void Money::settle(Account& a, const ContractView& contract, Time now) {
  const auto between = [&](Time from, Time to) { return static_cast<Wide>((to - from).count()) * a.busy; };
  if (now <= a.settled) return;
  a.in_use += between(a.settled, now);
  if (contract.kind == ContractKind::committed) {
    const auto beyond = [&](Wide used) { return used > committed(contract) ? used - committed(contract) : 0; };
    if (const Time end = a.window_began + contract.window; now >= end) {
      const std::int64_t whole = (now - end).count() / contract.window.count();
      a.beyond += beyond(a.in_window + between(a.settled, end));
      a.beyond += beyond(between(end, end + contract.window)) * static_cast<Wide>(whole);
      a.window_began = a.settled = end + contract.window * whole;
      a.in_window = 0;
    }
    a.in_window += between(a.settled, now);
  }
  a.settled = now;
}

std::int64_t Money::shadow_price(const Account& a, const ContractView& contract, Time now) {
  constexpr std::int64_t kSecond = kPeriod.count();
  const Wide whole = committed(contract) / kSecond, used = a.in_window / kSecond;
  const auto elapsed = static_cast<Wide>((now - a.window_began).count() / kSecond);
  const Wide forecast = whole * elapsed / static_cast<Wide>(contract.window.count() / kSecond);
  if (used <= forecast) return 0;
  if (used >= whole) return contract.on_demand.count();
  return static_cast<std::int64_t>(static_cast<Wide>(contract.on_demand.count()) * (used - forecast) /
                                   (whole - forecast));
}

void Money::reprice(Time now) {
  const Time period(now.ns() / kPeriod.count() * kPeriod.count());
  for (std::uint32_t c = 0; c < contracts_.size(); ++c) {
    const ContractView& contract = contracts_[c];
    if (contract.kind != ContractKind::committed || contract.devices == 0) continue;
    settle(accounts_[c], contract, period);
    const std::int64_t price = shadow_price(accounts_[c], contract, period);
    const auto first = price_.begin() + contract.first_device;
    if (*first != price) std::fill_n(first, contract.devices, price);
  }
  next_ = period.ns() > std::numeric_limits<std::int64_t>::max() - kPeriod.count() ? Time::never() : period + kPeriod;
}

ContractUse Money::use(std::uint32_t c, Time now) const {
  Account a = accounts_[c];
  settle(a, contracts_[c], now);
  const Wide paid = contracts_[c].kind == ContractKind::committed ? committed(contracts_[c]) : a.in_window;
  return {a.in_use, a.beyond + (a.in_window > paid ? a.in_window - paid : 0)};
}

}  // namespace yard
