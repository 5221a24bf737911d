#include "topology/host_check.h"

#include <fmt/format.h>

namespace yard {
namespace {

template <class Thing>
std::string disjoint_and_known(const std::vector<Thing>& things, const CpuSet& all, const char* what) {
  CpuSet so_far;
  for (const Thing& thing : things) {
    if (!thing.cpus.inside(all)) return fmt::format("a {} has cpus that are not there", what);
    if (thing.cpus.meets(so_far)) return fmt::format("two {}s share a cpu", what);
    so_far = so_far | thing.cpus;
  }
  for (std::size_t i = 1; i < things.size(); ++i)
    if (things[i].cpus.first() < things[i - 1].cpus.first()) return fmt::format("{}s are out of order", what);
  return "";
}

template <class Thing>
bool placed(const std::vector<Thing>& things, std::optional<std::uint32_t> index, std::uint32_t cpu) {
  if (index) return *index < things.size() && things[*index].cpus.has(cpu);
  for (const Thing& thing : things)
    if (thing.cpus.has(cpu)) return false;
  return true;
}

}  // namespace

std::string contradiction(const Host& host) {
  if (host.threads.empty()) return "no hardware thread";
  CpuSet all;
  for (std::size_t i = 0; i < host.threads.size(); ++i) {
    if (i > 0 && host.threads[i].cpu <= host.threads[i - 1].cpu)
      return fmt::format("hardware thread {} appears twice", host.threads[i].cpu);
    all.add(host.threads[i].cpu);
  }
  for (const std::string& why :
       {disjoint_and_known(host.packages, all, "package"), disjoint_and_known(host.l3, all, "L3 cache"),
        disjoint_and_known(host.l2, all, "L2 cache"), disjoint_and_known(host.cores, all, "core")})
    if (!why.empty()) return why;
  for (std::size_t i = 0; i < host.nodes.size(); ++i) {
    if (i > 0 && host.nodes[i].number <= host.nodes[i - 1].number)
      return fmt::format("NUMA node {} appears twice", host.nodes[i].number);
    if (!host.nodes[i].cpus.inside(all)) return "a NUMA node has cpus that are not there";
  }
  for (const HardwareThread& t : host.threads)
    if (!placed(host.cores, t.core, t.cpu) || !placed(host.l2, t.l2, t.cpu) || !placed(host.l3, t.l3, t.cpu) ||
        !placed(host.packages, t.package, t.cpu) || !placed(host.nodes, t.numa, t.cpu))
      return fmt::format("hardware thread {} is not where it says", t.cpu);
  if (host.distances && (host.distances->size != host.nodes.size() ||
                         host.distances->values.size() != host.nodes.size() * host.nodes.size()))
    return "distances of another number of nodes";
  return "";
}

}  // namespace yard
