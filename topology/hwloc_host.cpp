#include "topology/hwloc_host.h"

#include <hwloc.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "topology/host_check.h"
#include "topology/pci.h"
#include "topology/quiet_environment.h"

namespace yard {
namespace {

// Everything that goes wrong in this file, before it is known whose fault it is.
struct Unreadable {
  std::string found;
};

struct Destroy {
  void operator()(hwloc_topology_t t) const { hwloc_topology_destroy(t); }
};
using Topology = std::unique_ptr<std::remove_pointer_t<hwloc_topology_t>, Destroy>;

void require(int rc, const char* what) {
  if (rc < 0) throw Unreadable{what};
}

Topology load(HwlocSource source, const std::string& text) {
  hwloc_topology_t raw = nullptr;
  require(hwloc_topology_init(&raw), "hwloc cannot start");
  Topology t(raw);
  require(hwloc_topology_set_flags(raw, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED), "hwloc refuses its flags");
  if (source == HwlocSource::xml) {
    require(hwloc_topology_set_io_types_filter(raw, HWLOC_TYPE_FILTER_KEEP_ALL), "hwloc refuses its filter");
    require(hwloc_topology_set_xmlbuffer(raw, text.c_str(), static_cast<int>(text.size() + 1)), "not hwloc XML");
  } else if (source == HwlocSource::synthetic) {
    require(hwloc_topology_set_synthetic(raw, text.c_str()), "not a synthetic description");
  }
  require(hwloc_topology_load(raw), source == HwlocSource::this_machine ? "hwloc cannot read this machine"
                                    : source == HwlocSource::xml
                                        ? "no topology that hwloc can read (cut off, or of another version)"
                                        : "no machine that hwloc can build");
  return t;
}

CpuSet cpus_of(hwloc_const_bitmap_t bits) {
  CpuSet out;
  if (!bits) return out;
  const int last = hwloc_bitmap_last(bits);
  if (last < 0 && !hwloc_bitmap_iszero(bits)) throw Unreadable{"a set of cpus without end"};
  if (last >= static_cast<int>(CpuSet::kMaxCpus))
    throw Unreadable{fmt::format("hardware thread number {}, {} are supported", last, CpuSet::kMaxCpus)};
  for (int i = hwloc_bitmap_first(bits); i >= 0; i = hwloc_bitmap_next(bits, i)) out.add(static_cast<std::uint32_t>(i));
  return out;
}

std::optional<std::uint32_t> number_of(hwloc_obj_t o) {
  if (o->os_index == HWLOC_UNKNOWN_INDEX) return std::nullopt;
  return o->os_index;
}

std::string info(hwloc_obj_t o, const char* key) {
  const char* value = hwloc_obj_get_info_by_name(o, key);
  return value ? value : "";
}

MemoryKind memory_kind(hwloc_obj_t node) {
  const std::string_view s = node->subtype ? node->subtype : "";
  if (s == "DRAM") return MemoryKind::dram;
  if (s == "HBM" || s == "MCDRAM") return MemoryKind::hbm;
  if (s == "GPUMemory") return MemoryKind::gpu;
  if (s == "NVM" || info(node, "DAXType") == "NVM") return MemoryKind::nonvolatile;
  return s.starts_with("CXL") ? MemoryKind::cxl : MemoryKind::unknown;
}

// Visits objects of a type in hwloc's order.
template <class Visit>
void each(hwloc_topology_t t, hwloc_obj_type_t type, Visit visit) {
  for (hwloc_obj_t o = nullptr; (o = hwloc_get_next_obj_by_type(t, type, o)) != nullptr;) visit(o);
}

// By first cpu, then in hwloc's order (those without cpus, last).
template <class Thing>
void by_first_cpu(std::vector<Thing>& things) {
  std::vector<std::pair<std::uint32_t, std::size_t>> order;
  for (std::size_t i = 0; i < things.size(); ++i) order.emplace_back(things[i].cpus.first(), i);
  std::sort(order.begin(), order.end());
  std::vector<Thing> sorted;
  for (const auto& [cpu, i] : order) sorted.push_back(std::move(things[i]));
  things = std::move(sorted);
}

void read_processors(hwloc_topology_t t, Host& host) {
  each(t, HWLOC_OBJ_PACKAGE,
       [&](hwloc_obj_t o) { host.packages.push_back({number_of(o), info(o, "CPUModel"), cpus_of(o->cpuset)}); });
  const auto cache = [](hwloc_obj_t o) {
    const std::uint64_t bytes = o->attr->cache.size;  // 0: hwloc does not know
    return Cache{bytes ? std::optional(bytes) : std::nullopt, cpus_of(o->cpuset)};
  };
  each(t, HWLOC_OBJ_L3CACHE, [&](hwloc_obj_t o) { host.l3.push_back(cache(o)); });
  each(t, HWLOC_OBJ_L2CACHE, [&](hwloc_obj_t o) { host.l2.push_back(cache(o)); });
  each(t, HWLOC_OBJ_CORE, [&](hwloc_obj_t o) { host.cores.push_back({number_of(o), cpus_of(o->cpuset)}); });
  const CpuSet allowed = cpus_of(hwloc_topology_get_allowed_cpuset(t));
  each(t, HWLOC_OBJ_PU, [&](hwloc_obj_t o) {
    if (o->os_index >= CpuSet::kMaxCpus)
      throw Unreadable{fmt::format("hardware thread number {}, {} are supported", o->os_index, CpuSet::kMaxCpus)};
    HardwareThread thread;
    thread.cpu = o->os_index;
    thread.allowed = allowed.has(o->os_index);
    host.threads.push_back(thread);
  });
  host.cpuset = allowed;
  by_first_cpu(host.packages), by_first_cpu(host.l3), by_first_cpu(host.l2), by_first_cpu(host.cores);
  std::sort(host.threads.begin(), host.threads.end(), [](auto& a, auto& b) { return a.cpu < b.cpu; });
}

void read_efficiencies(hwloc_topology_t t, Host& host) {
  const int kinds = hwloc_cpukinds_get_nr(t, 0);
  for (int k = 0; kinds > 1 && k < kinds; ++k) {
    const std::unique_ptr<hwloc_bitmap_s, void (*)(hwloc_bitmap_t)> bits(hwloc_bitmap_alloc(), &hwloc_bitmap_free);
    int efficiency = -1;
    if (hwloc_cpukinds_get_info(t, static_cast<unsigned>(k), bits.get(), &efficiency, nullptr, nullptr, 0) < 0)
      continue;
    if (efficiency < 0) continue;
    cpus_of(bits.get()).for_each([&](std::uint32_t cpu) {
      if (const auto i = host.thread_of(cpu)) host.threads[*i].efficiency = static_cast<std::uint32_t>(efficiency);
    });
  }
}

void read_nodes(hwloc_topology_t t, Host& host) {
  const hwloc_const_bitmap_t allowed = hwloc_topology_get_allowed_nodeset(t);
  each(t, HWLOC_OBJ_NUMANODE, [&](hwloc_obj_t o) {
    NumaNode node;
    node.number = o->os_index;
    // hwloc writes 0 both for a node without memory and for one whose memory it cannot read.
    if (const auto bytes = o->attr->numanode.local_memory) node.memory_bytes = bytes;
    node.memory = memory_kind(o);
    node.cpus = cpus_of(o->cpuset);
    node.allowed = hwloc_bitmap_isset(allowed, o->os_index);
    host.nodes.push_back(std::move(node));
  });
  std::sort(host.nodes.begin(), host.nodes.end(), [](auto& a, auto& b) { return a.number < b.number; });
}

template <class Thing>
void place_threads(Host& host, const std::vector<Thing>& things, std::optional<std::uint32_t> HardwareThread::* field) {
  for (std::uint32_t i = 0; i < things.size(); ++i)
    things[i].cpus.for_each([&](std::uint32_t cpu) {
      if (const auto t = host.thread_of(cpu)) host.threads[*t].*field = i;
    });
}

// A thread's own node is the tightest one around it; among equals (DRAM and HBM of one cluster) ordinary memory, since
// that is where the kernel's default policy allocates; then the lowest number.
void place_threads_in_nodes(Host& host) {
  std::vector<std::uint32_t> order(host.nodes.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto rank = [&](std::uint32_t i) {
    const NumaNode& n = host.nodes[i];
    return std::tuple(n.cpus.count(), n.memory != MemoryKind::dram && n.memory != MemoryKind::unknown, i);
  };
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return rank(a) > rank(b); });
  for (const auto i : order)  // the best comes last and stays
    host.nodes[i].cpus.for_each([&](std::uint32_t cpu) {
      if (const auto t = host.thread_of(cpu)) host.threads[*t].numa = i;
    });
}

class DistanceMatrices {
 public:
  explicit DistanceMatrices(hwloc_topology_t t) : t_(t), all_(kMax) {
    unsigned n = kMax;
    if (hwloc_distances_get(t, &n, all_.data(), 0, 0) < 0) n = 0;
    all_.resize(std::min<std::size_t>(n, kMax));
  }
  ~DistanceMatrices() {
    for (auto* d : all_) hwloc_distances_release(t_, d);
  }
  DistanceMatrices(const DistanceMatrices&) = delete;
  DistanceMatrices& operator=(const DistanceMatrices&) = delete;
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  std::string name(hwloc_distances_s* d) const {
    const char* name = hwloc_distances_get_name(t_, d);
    return name ? name : "";
  }

 private:
  static constexpr unsigned kMax = 64;
  hwloc_topology_t t_;
  std::vector<hwloc_distances_s*> all_;
};

std::optional<std::uint32_t> node_index(const Host& host, std::uint32_t number) {
  for (std::uint32_t i = 0; i < host.nodes.size(); ++i)
    if (host.nodes[i].number == number) return i;
  return std::nullopt;
}

bool covers_all_nodes(const hwloc_distances_s& d, const Host& host) {
  if (d.nbobjs != host.nodes.size() || !(d.kind & HWLOC_DISTANCES_KIND_MEANS_LATENCY)) return false;
  return std::all_of(d.objs, d.objs + d.nbobjs, [](hwloc_obj_t o) { return o && o->type == HWLOC_OBJ_NUMANODE; });
}

// One matrix over all nodes named NUMALatency, or the only one there is. Of several unnamed ones none is taken: they
// disagree in the files that have them, and nothing says which is the kernel's.
void read_distances(hwloc_topology_t t, Host& host) {
  const DistanceMatrices matrices(t);
  hwloc_distances_s* chosen = nullptr;
  int candidates = 0;
  bool named = false;
  for (auto* d : matrices) {
    if (!covers_all_nodes(*d, host)) continue;
    const bool this_named = matrices.name(d) == "NUMALatency";
    if (named && !this_named) continue;
    candidates = this_named && !named ? 1 : candidates + 1;
    named = this_named;
    chosen = d;
  }
  if (candidates != 1) {
    host.facts.push_back(
        {"NUMA distances", "unknown",
         candidates == 0 ? "no matrix over all nodes" : fmt::format("{} matrices disagree", candidates)});
    return;
  }
  const auto n = static_cast<std::uint32_t>(host.nodes.size());
  NumaDistances out{n, std::vector<std::uint64_t>(std::size_t{n} * n)};
  for (unsigned i = 0; i < n; ++i)
    for (unsigned j = 0; j < n; ++j) {
      const auto from = node_index(host, chosen->objs[i]->os_index), to = node_index(host, chosen->objs[j]->os_index);
      if (!from || !to) throw Unreadable{"distances between nodes that it does not have"};
      out.values[std::size_t{*from} * n + *to] = chosen->values[std::size_t{i} * n + j];
    }
  host.distances = std::move(out);
  host.facts.push_back({"NUMA distances", fmt::format("{0} x {0}", n), "matrix '" + matrices.name(chosen) + "'"});
}

using DeviceOf = std::map<hwloc_obj_t, std::uint32_t>;  // PCI object -> index in host.devices, before sorting

DeviceKind kind_by_os_name(hwloc_obj_t pci) {
  for (hwloc_obj_t o = pci->io_first_child; o; o = o->next_sibling) {
    if (o->type != HWLOC_OBJ_OS_DEVICE) continue;
    const auto type = o->attr->osdev.type;
    if (type == HWLOC_OBJ_OSDEV_NETWORK || type == HWLOC_OBJ_OSDEV_OPENFABRICS) return DeviceKind::nic;
    if (type == HWLOC_OBJ_OSDEV_COPROC) return DeviceKind::accelerator;
  }
  return DeviceKind::other;
}

// The nearest node is known when the ordinary object that hwloc hung the device under has exactly one.
void place_device(hwloc_obj_t pci, const Host& host, PciDevice& d) {
  hwloc_obj_t near = pci->parent;
  while (near && !near->cpuset) near = near->parent;
  if (!near) return;
  if (near->nodeset && hwloc_bitmap_weight(near->nodeset) == 1)
    d.numa = node_index(host, static_cast<std::uint32_t>(hwloc_bitmap_first(near->nodeset)));
  place_in_package(host, d);
  if (d.package) return;
  const CpuSet cpus = cpus_of(near->cpuset);
  for (std::uint32_t p = 0; p < host.packages.size(); ++p)
    if (!cpus.empty() && cpus.inside(host.packages[p].cpus)) d.package = p;
}

DeviceOf read_devices(hwloc_topology_t t, Host& host) {
  std::vector<std::pair<PciDevice, hwloc_obj_t>> found;
  std::uint32_t seen = 0;
  each(t, HWLOC_OBJ_PCI_DEVICE, [&](hwloc_obj_t o) {
    ++seen;
    const auto& a = o->attr->pcidev;
    PciDevice d;
    d.domain = a.domain, d.bus = a.bus, d.slot = a.dev, d.function = a.func;
    d.vendor = a.vendor_id, d.device = a.device_id, d.class_code = a.class_id;
    d.kind = o->subtype && std::string_view(o->subtype) == "NVSwitch"
                 ? DeviceKind::fabric_switch
                 : kind_of_pci(a.class_id, a.vendor_id, a.device_id);
    if (d.kind == DeviceKind::other) d.kind = kind_by_os_name(o);
    if (d.kind == DeviceKind::other) return;
    d.name = info(o, "PCIDevice");
    for (hwloc_obj_t os = o->io_first_child; os; os = os->next_sibling)
      if (os->type == HWLOC_OBJ_OS_DEVICE && os->name) d.os_names.push_back(os->name);
    place_device(o, host, d);
    found.emplace_back(std::move(d), o);
  });
  std::sort(found.begin(), found.end(), [](const auto& x, const auto& y) {
    const PciDevice &a = x.first, &b = y.first;
    return std::tuple(a.domain, a.bus, a.slot, a.function) < std::tuple(b.domain, b.bus, b.slot, b.function);
  });
  DeviceOf index;
  for (auto& [device, object] : found) {
    index[object] = static_cast<std::uint32_t>(host.devices.size());
    host.devices.push_back(std::move(device));
  }
  host.pci_seen = seen;
  return index;
}

using End = std::pair<std::optional<std::uint32_t>, std::optional<std::uint32_t>>;  // device, package

End end_of(hwloc_obj_t o, const DeviceOf& devices, const Host& host) {
  for (hwloc_obj_t at = o; at; at = at->parent) {
    if (at->type == HWLOC_OBJ_PACKAGE) {
      for (std::uint32_t p = 0; p < host.packages.size(); ++p)
        if (host.packages[p].number == number_of(at)) return {std::nullopt, p};
      return {};
    }
    if (const auto d = devices.find(at); d != devices.end()) return {d->second, std::nullopt};
    if (at->type != HWLOC_OBJ_OS_DEVICE) return {};
  }
  return {};
}

void read_links(hwloc_topology_t t, const DeviceOf& devices, Host& host) {
  const DistanceMatrices matrices(t);
  for (auto* d : matrices) {
    if (matrices.name(d) != "NVLinkBandwidth") continue;
    std::vector<End> ends;
    for (unsigned i = 0; i < d->nbobjs; ++i) ends.push_back(end_of(d->objs[i], devices, host));
    for (unsigned i = 0; i < d->nbobjs; ++i)
      for (unsigned j = 0; j < d->nbobjs; ++j) {
        const auto bandwidth = d->values[std::size_t{i} * d->nbobjs + j];
        const bool known = (ends[i].first || ends[i].second) && (ends[j].first || ends[j].second);
        if (i != j && bandwidth && known)
          host.links.push_back({ends[i].first, ends[i].second, ends[j].first, ends[j].second, bandwidth});
      }
  }
}

std::string describe(HwlocSource source, hwloc_topology_t t) {
  const unsigned v = hwloc_get_api_version();
  const char* from = source == HwlocSource::xml         ? "the XML file"
                     : source == HwlocSource::synthetic ? "the synthetic description"
                                                        : "/sys and cpuid";
  const std::string os = info(hwloc_get_root_obj(t), "OSName");
  return fmt::format("hwloc (API {}.{}) from {}{}{}", v >> 16, v >> 8 & 0xff, from, os.empty() ? "" : ", ", os);
}

Host convert(HwlocSource source, hwloc_topology_t t, const std::string& name) {
  Host host;
  host.name = name;
  host.this_machine = source == HwlocSource::this_machine;
  read_processors(t, host);
  read_nodes(t, host);
  read_efficiencies(t, host);
  const std::string from = describe(source, t);
  const auto fact = [&](const char* what, const auto& table) {
    host.facts.push_back({what, table.empty() ? "unknown" : std::to_string(table.size()), from});
  };
  fact("packages", host.packages), fact("NUMA nodes", host.nodes), fact("L3 caches", host.l3);
  fact("L2 caches", host.l2), fact("cores", host.cores), fact("hardware threads", host.threads);
  host.facts.push_back({"allowed by cpuset", host.cpuset->text(), from});
  place_threads(host, host.packages, &HardwareThread::package);
  place_threads(host, host.l3, &HardwareThread::l3);
  place_threads(host, host.l2, &HardwareThread::l2);
  place_threads(host, host.cores, &HardwareThread::core);
  place_threads_in_nodes(host);
  read_distances(t, host);
  if (source == HwlocSource::xml) {
    read_links(t, read_devices(t, host), host);
    host.facts.push_back({"PCI functions", std::to_string(*host.pci_seen), from});
  }
  if (const std::string why = contradiction(host); !why.empty()) throw Unreadable{"it contradicts itself: " + why};
  return host;
}

const char* remedy(HwlocSource source) {
  switch (source) {
    case HwlocSource::xml: return "give a file written by 'lstopo --of xml' of hwloc 1.x or 2.x";
    case HwlocSource::synthetic: return "give an hwloc synthetic string such as 'package:2 numa:1 l3:1 core:8 pu:2'";
    case HwlocSource::this_machine: break;
  }
  return "give a description with --xml or --synthetic";
}

}  // namespace

Host read_hwloc(HwlocSource source, const std::string& text, const std::string& name) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  // Plugins: none is needed, and some open GPUs. LIBXML off: hwloc's own small parser knows no entities and no network.
  const QuietEnvironment quiet("HWLOC_", {"HWLOC_HIDE_ERRORS=2", "HWLOC_LIBXML=0", "HWLOC_PLUGINS_PATH=/nonexistent"});
  try {
    const Topology topology = load(source, text);
    return convert(source, topology.get(), name);
  } catch (const Unreadable& e) {
    throw InputError(name, 0, "", e.found, remedy(source));
  }
}

}  // namespace yard
