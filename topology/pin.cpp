#include "topology/pin.h"

#include <sched.h>

#include <array>
#include <cerrno>

namespace yard {
namespace {

constexpr std::uint32_t kBits = 8 * sizeof(unsigned long);
using Mask = std::array<unsigned long, CpuSet::kMaxCpus / kBits>;  // on the stack: this file does not allocate

Pinned bind(const Host& host, const CpuSet& cpus) noexcept {
  if (cpus.empty()) return {Pinning::no_cpu_there};
  Mask mask{};
  std::uint32_t count = 0;
  bool in_cpuset = false;
  for (const HardwareThread& t : host.threads) {
    if (!cpus.has(t.cpu)) continue;
    in_cpuset = in_cpuset || !host.cpuset || host.cpuset->has(t.cpu);
    if (!t.allowed) continue;
    mask[t.cpu / kBits] |= 1ul << t.cpu % kBits;
    ++count;
  }
  if (count == 0) return {in_cpuset ? Pinning::outside_affinity : Pinning::outside_cpuset};
  if (sched_setaffinity(0, sizeof mask, reinterpret_cast<const cpu_set_t*>(mask.data())) != 0)
    return {Pinning::refused_by_kernel, errno};
  return {Pinning::bound, 0, count};
}

}  // namespace

const char* name_of(Pinning outcome) {
  switch (outcome) {
    case Pinning::bound: return "bound";
    case Pinning::not_this_machine: return "the description is of another machine";
    case Pinning::no_such_place: return "no such core or node";
    case Pinning::no_cpu_there: return "no cpu there, memory only";
    case Pinning::outside_affinity: return "outside the affinity mask that the process was started with";
    case Pinning::outside_cpuset: return "outside the control group's cpuset";
    case Pinning::refused_by_kernel: return "refused by the kernel";
  }
  return "?";
}

Pinned pin_to_core(const Host& host, std::uint32_t core) noexcept {
  if (!host.this_machine) return {Pinning::not_this_machine};
  return core < host.cores.size() ? bind(host, host.cores[core].cpus) : Pinned{Pinning::no_such_place};
}

Pinned pin_near_node(const Host& host, std::uint32_t node) noexcept {
  if (!host.this_machine) return {Pinning::not_this_machine};
  return node < host.nodes.size() ? bind(host, host.nodes[node].cpus) : Pinned{Pinning::no_such_place};
}

}  // namespace yard
