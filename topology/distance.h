// How far apart two places of one host are, and who is nearest: for pinning, and for the order in which shards steal.
//
// D1  HostLevel is ordered: less is nearer. It is the tightest thing that the host is known to share between the two.
// D2  A NUMA node counts as shared only when it lies inside one package; on a machine that reports one node over two
//     packages the package is the nearer thing.
// D3  Orders are total: equal distances are broken by the lower index, so every build gives the same order.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <tuple>
#include <vector>

#include "topology/host.h"

namespace yard {

enum class HostLevel : std::uint8_t { same_thread, core, l2, l3, numa, package, host };

constexpr const char* name_of(HostLevel level) {
  constexpr const char* kNames[] = {"thread", "core", "L2", "L3", "NUMA node", "package", "host"};
  return kNames[static_cast<std::size_t>(level)];
}

namespace distance_detail {

inline bool same(std::optional<std::uint32_t> a, std::optional<std::uint32_t> b) { return a && b && *a == *b; }

inline bool inside_one_package(const Host& host, std::uint32_t node) {
  const CpuSet& cpus = host.nodes[node].cpus;
  return std::any_of(host.packages.begin(), host.packages.end(),
                     [&](const Package& p) { return cpus.inside(p.cpus); }) ||
         host.packages.empty();
}

inline std::optional<std::uint32_t> package_of(const Host& host, std::uint32_t node) {
  for (std::uint32_t p = 0; p < host.packages.size(); ++p)
    if (!host.nodes[node].cpu_less() && host.nodes[node].cpus.inside(host.packages[p].cpus)) return p;
  return std::nullopt;
}

}  // namespace distance_detail

// a, b: indices into Host::threads.
inline HostLevel level_between_threads(const Host& host, std::uint32_t a, std::uint32_t b) {
  using distance_detail::same;
  const HardwareThread &x = host.threads[a], &y = host.threads[b];
  if (a == b) return HostLevel::same_thread;
  if (same(x.core, y.core)) return HostLevel::core;
  if (same(x.l2, y.l2)) return HostLevel::l2;
  if (same(x.l3, y.l3)) return HostLevel::l3;
  if (same(x.numa, y.numa) && distance_detail::inside_one_package(host, *x.numa)) return HostLevel::numa;
  return same(x.package, y.package) ? HostLevel::package : HostLevel::host;
}

// a, b: indices into Host::nodes. Two nodes with the same cpus (DRAM and HBM of one cluster) are at level numa.
inline HostLevel level_between_nodes(const Host& host, std::uint32_t a, std::uint32_t b) {
  const NumaNode &x = host.nodes[a], &y = host.nodes[b];
  if (a == b || (!x.cpu_less() && x.cpus == y.cpus)) return HostLevel::numa;
  return distance_detail::same(distance_detail::package_of(host, a), distance_detail::package_of(host, b))
             ? HostLevel::package
             : HostLevel::host;
}

// Returns: the level between a thread and a device; nothing where the device's place is unknown.
inline std::optional<HostLevel> level_to_device(const Host& host, std::uint32_t thread, std::uint32_t device) {
  const HardwareThread& t = host.threads[thread];
  const PciDevice& d = host.devices[device];
  // numa known: the device is at that node or, when the thread is not, at best in the same package.
  if (d.numa && t.numa) {
    if (*d.numa == *t.numa) return HostLevel::numa;
    return distance_detail::same(d.package, t.package) ? HostLevel::package : HostLevel::host;
  }
  if (d.package && t.package) return *d.package == *t.package ? HostLevel::package : HostLevel::host;
  return std::nullopt;
}

// Returns: every node, nearest to `from` first and `from` itself at the head. By the kernel's distances where they are
// known, then by level, then by index.
inline std::vector<std::uint32_t> nodes_nearest_first(const Host& host, std::uint32_t from) {
  std::vector<std::uint32_t> order(host.nodes.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto key = [&](std::uint32_t n) {
    return std::tuple(n != from, host.distances ? host.distances->at(from, n) : 0, level_between_nodes(host, from, n),
                      n);
  };
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return key(a) < key(b); });
  return order;
}

// Returns: every hardware thread, nearest to thread `from` first: by level, then by the kernel's distance between their
// nodes (unknown: all alike), then by index. Cost: O(n log n).
inline std::vector<std::uint32_t> threads_nearest_first(const Host& host, std::uint32_t from) {
  struct Entry {
    HostLevel level;
    std::uint64_t cost;
    std::uint32_t thread;
    auto operator<=>(const Entry&) const = default;
  };
  std::vector<Entry> entries;
  entries.reserve(host.threads.size());
  const auto here = host.threads[from].numa;
  for (std::uint32_t t = 0; t < host.threads.size(); ++t) {
    const auto there = host.threads[t].numa;
    const std::uint64_t cost = host.distances && here && there ? host.distances->at(*here, *there) : 0;
    entries.push_back({level_between_threads(host, from, t), cost, t});
  }
  std::sort(entries.begin(), entries.end());
  std::vector<std::uint32_t> order;
  order.reserve(entries.size());
  for (const Entry& e : entries) order.push_back(e.thread);
  return order;
}

// Returns: every core, nearest to core `from` first, `from` at the head: each at the place of its nearest thread.
inline std::vector<std::uint32_t> cores_nearest_first(const Host& host, std::uint32_t from) {
  std::vector<std::uint32_t> order;
  std::vector<bool> seen(host.cores.size());
  const auto thread = host.thread_of(host.cores[from].cpus.first());
  if (!thread) return order;
  for (const std::uint32_t t : threads_nearest_first(host, *thread)) {
    const auto core = host.threads[t].core;
    if (!core || seen[*core]) continue;
    seen[*core] = true;
    order.push_back(*core);
  }
  return order;
}

}  // namespace yard
