#include "topology/pin_plan.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "topology/distance.h"
#include "topology/pci.h"

namespace yard {
namespace {

// A core that somebody may have, and the node that it is near.
struct Seat {
  std::uint32_t core;
  std::optional<std::uint32_t> node;
  bool taken = false;
};

// A thread of it that is allowed, as index into Host::threads.
std::optional<std::uint32_t> allowed_thread(const Host& host, std::uint32_t core) {
  std::optional<std::uint32_t> found;
  host.cores[core].cpus.for_each([&](std::uint32_t cpu) {
    const auto t = host.thread_of(cpu);
    if (!found && t && host.threads[*t].allowed) found = t;
  });
  return found;
}

std::vector<Seat> seats_of(const Host& host) {
  std::vector<Seat> seats;
  for (std::uint32_t c = 0; c < host.cores.size(); ++c)
    if (const auto t = allowed_thread(host, c)) seats.push_back({c, host.threads[*t].numa});
  return seats;
}

// Nodes in the order in which they are filled: the one asked for, or the one with the most seats, and its nearest.
std::vector<std::uint32_t> nodes_to_fill(const Host& host, const std::vector<Seat>& seats,
                                         std::optional<std::uint32_t> asked) {
  if (host.nodes.empty()) return {};
  std::vector<std::size_t> room(host.nodes.size());
  for (const Seat& s : seats)
    if (s.node) ++room[*s.node];
  const auto most = static_cast<std::uint32_t>(std::max_element(room.begin(), room.end()) - room.begin());
  return nodes_nearest_first(host, asked && *asked < host.nodes.size() ? *asked : most);
}

Seat* next_seat(const Host& host, std::vector<Seat>& seats, std::optional<std::uint32_t> asked) {
  const auto first = [&](auto fits) -> Seat* {
    const auto at = std::find_if(seats.begin(), seats.end(), [&](const Seat& s) { return !s.taken && fits(s); });
    return at == seats.end() ? nullptr : &*at;
  };
  for (const std::uint32_t node : nodes_to_fill(host, seats, asked))
    if (Seat* seat = first([&](const Seat& s) { return s.node == node; })) return seat;
  return first([](const Seat&) { return true; });
}

// Of each place, into Host::threads.
std::vector<std::optional<std::uint32_t>> threads_of(const Host& host, std::span<const PinPlace> places) {
  std::vector<std::optional<std::uint32_t>> threads;
  for (const PinPlace& p : places) threads.push_back(p.core ? allowed_thread(host, *p.core) : std::nullopt);
  return threads;
}

}  // namespace

std::vector<PinPlace> plan_pins(const Host& host, PinTo to, std::span<const PinAsk> asks) {
  std::vector<Seat> seats = seats_of(host);
  std::vector<PinPlace> places;
  for (const PinAsk& ask : asks) {
    if (seats.empty()) {
      places.push_back({{}, {}, host.cores.empty() ? "the machine's cores are unknown" : "no core is allowed"});
      continue;
    }
    Seat* seat = next_seat(host, seats, ask.node);
    if (!seat && to == PinTo::node) {  // memory may be shared where a core may not
      for (Seat& s : seats) s.taken = false;
      seat = next_seat(host, seats, ask.node);
    }
    if (!seat) {
      places.push_back({{}, {}, "more threads than cores"});
    } else if (to == PinTo::node && !seat->node) {
      places.push_back({{}, {}, "which memory its core is near is unknown"});
    } else {
      seat->taken = true;
      places.push_back({seat->core, seat->node, ""});
    }
  }
  return places;
}

std::optional<std::uint32_t> node_named(const Host& host, std::string_view name) {
  constexpr std::string_view kNode = "node ";
  if (name.starts_with(kNode)) {
    std::uint32_t number = 0;
    const char* end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + kNode.size(), end, number);
    if (error != std::errc() || stop != end) return std::nullopt;
    for (std::uint32_t n = 0; n < host.nodes.size(); ++n)
      if (host.nodes[n].number == number) return n;
    return std::nullopt;
  }
  for (const PciDevice& d : host.devices)
    if (pci_address(d) == name || std::find(d.os_names.begin(), d.os_names.end(), name) != d.os_names.end())
      return d.numa;
  return std::nullopt;
}

std::uint32_t busy_threads(const Host& host) {
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, host.usable_thousandths() / 1000));
}

std::vector<std::vector<std::uint32_t>> others_nearest_first(const Host& host, std::span<const PinPlace> places) {
  const auto n = static_cast<std::uint32_t>(places.size());
  const std::vector<std::optional<std::uint32_t>> threads = threads_of(host, places);
  std::vector<std::vector<std::uint32_t>> orders(n);
  for (std::uint32_t from = 0; from < n; ++from) {
    std::vector<std::uint32_t> rank(host.threads.size(), static_cast<std::uint32_t>(host.threads.size()));
    if (threads[from]) {
      std::uint32_t at = 0;
      for (const std::uint32_t t : threads_nearest_first(host, *threads[from])) rank[t] = at++;
    }
    for (std::uint32_t i = 1; i < n; ++i) orders[from].push_back((from + i) % n);
    std::stable_sort(orders[from].begin(), orders[from].end(), [&](std::uint32_t a, std::uint32_t b) {
      const auto of = [&](std::uint32_t p) { return threads[p] ? rank[*threads[p]] : UINT32_MAX; };
      return of(a) < of(b);
    });
  }
  return orders;
}

std::vector<std::vector<HostLevel>> levels_between(const Host& host, std::span<const PinPlace> places) {
  const std::vector<std::optional<std::uint32_t>> threads = threads_of(host, places);
  std::vector<std::vector<HostLevel>> levels(places.size(), std::vector<HostLevel>(places.size(), HostLevel::host));
  for (std::size_t a = 0; a < places.size(); ++a)
    for (std::size_t b = 0; b < places.size(); ++b)
      if (a == b || (threads[a] && threads[b]))
        levels[a][b] = a == b ? HostLevel::same_thread : level_between_threads(host, *threads[a], *threads[b]);
  return levels;
}

}  // namespace yard
