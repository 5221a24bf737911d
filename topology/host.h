// One machine as a value: what there is, what of it we may use, and where each fact came from.
//
// Made by topology/discover; plain data, read by any thread. What the source did not say stays empty (std::optional, an
// `unknown` enum value, an empty table): nobody fills a gap with what is usual.
//
// Things refer to each other by index into the tables below; "number" is the operating system's own name.
// H1  threads ascend by cpu, nodes by number; packages, caches and cores ascend by first cpu (those without cpus last).
// H2  two things of one table share no cpu, except NUMA nodes (near and far memory of the same cores).
// H3  a thread's core, l2, l3, numa, package contain its cpu; empty where the source names none.
// H4  every set holds only cpus that are in `threads`.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "topology/cpu_set.h"

namespace yard {

enum class MemoryKind : std::uint8_t { unknown, dram, hbm, gpu, nonvolatile, cxl };
enum class DeviceKind : std::uint8_t { gpu, accelerator, nic, fabric_switch, display, other };

struct Package {
  std::optional<std::uint32_t> number;
  std::string model;  // "" unknown
  CpuSet cpus;
};

struct NumaNode {
  std::uint32_t number = 0;
  std::optional<std::uint64_t> memory_bytes;
  MemoryKind memory = MemoryKind::unknown;
  CpuSet cpus;          // near this memory; empty: the node has memory only
  bool allowed = true;  // our cpuset lets us allocate there

  bool cpu_less() const { return cpus.empty(); }
};

struct Cache {
  std::optional<std::uint64_t> bytes;
  CpuSet cpus;
};

struct CpuCore {
  std::optional<std::uint32_t> number;
  CpuSet cpus;
};

struct HardwareThread {
  std::uint32_t cpu = 0;
  bool allowed = true;  // by the affinity mask and by the cgroup's cpuset
  std::optional<std::uint32_t> core, l2, l3, numa, package;
  std::optional<std::uint32_t> efficiency;  // of a hybrid machine; 0: its slowest kind of core
};

// A PCI function that computes or carries traffic.
struct PciDevice {
  std::uint32_t domain = 0;
  std::uint8_t bus = 0, slot = 0, function = 0;
  std::uint16_t vendor = 0, device = 0;
  std::uint16_t class_code = 0;  // base class and subclass
  DeviceKind kind = DeviceKind::other;
  std::string name;                            // the source's text for it; "" unknown
  std::vector<std::string> os_names;           // cuda0, mlx5_0, eth0: whatever the source calls it
  std::optional<std::uint32_t> numa, package;  // nearest, as index into nodes and packages
};

// What one thing reaches another with, in MB/s, as the source states it (NVLink); ends are devices or packages.
struct HostLink {
  std::optional<std::uint32_t> from_device, from_package, to_device, to_package;
  std::uint64_t mb_per_second = 0;
};

// The kernel's relative access costs, 10 is local; row: who asks, column: whose memory. Indices as in Host::nodes.
struct NumaDistances {
  std::uint32_t size = 0;
  std::vector<std::uint64_t> values;
  std::uint64_t at(std::uint32_t from, std::uint32_t to) const { return values[std::size_t{from} * size + to]; }
};

// A limit that is set, known not to be set, or not readable.
struct Limit {
  enum class State : std::uint8_t { unknown, unlimited, set };
  State state = State::unknown;
  std::uint64_t amount = 0;  // when set
  bool operator==(const Limit&) const = default;
};

// Why a value is what it is: for `switchyard topo --explain`.
struct HostFact {
  std::string what, value, source;
};

struct Host {
  std::string name;
  bool this_machine = false;
  std::vector<Package> packages;
  std::vector<NumaNode> nodes;
  std::vector<Cache> l3, l2;
  std::vector<CpuCore> cores;
  std::vector<HardwareThread> threads;
  std::vector<PciDevice> devices;         // of interest, ascending by address
  std::optional<std::uint32_t> pci_seen;  // functions that the source lists, of interest or not
  std::vector<HostLink> links;
  std::optional<NumaDistances> distances;  // empty: unknown
  std::optional<CpuSet> affinity;          // of the thread that asked; empty: not this machine
  std::optional<CpuSet> cpuset;            // by the cgroup
  Limit cpu_quota;                         // thousandths of a hardware thread, over one period
  Limit memory_limit;                      // bytes
  std::vector<HostFact> facts;

  // Returns: index of the hardware thread with this number.
  std::optional<std::uint32_t> thread_of(std::uint32_t cpu) const {
    const auto at = std::lower_bound(threads.begin(), threads.end(), cpu,
                                     [](const HardwareThread& t, std::uint32_t c) { return t.cpu < c; });
    if (at == threads.end() || at->cpu != cpu) return std::nullopt;
    return static_cast<std::uint32_t>(at - threads.begin());
  }
  CpuSet allowed_cpus() const {
    CpuSet out;
    for (const auto& t : threads)
      if (t.allowed) out.add(t.cpu);
    return out;
  }
  // Returns: thousandths of a hardware thread that we may burn: allowed threads, or the quota where that is less.
  std::uint64_t usable_thousandths() const {
    std::uint64_t n = 0;
    for (const auto& t : threads) n += t.allowed ? 1000 : 0;
    return cpu_quota.state == Limit::State::set ? std::min(n, cpu_quota.amount) : n;
  }
};

}  // namespace yard
