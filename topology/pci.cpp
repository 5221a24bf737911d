#include "topology/pci.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <tuple>

#include <fmt/format.h>

#include "topology/distance.h"

namespace yard {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFunctions = 65'536;
constexpr std::uint16_t kNvidia = 0x10de, kAmd = 0x1002, kIntel = 0x8086, kGoogle = 0x1ae0, kAmazon = 0x1d0f;

// Accelerators whose PCI class does not say so. Google: JAX, jax/_src/hardware_utils.py (v2/v3, unnamed, v4, v5p, v5e,
// v6e, 7x). Amazon: the table of the Neuron driver, neuron_device.h (Inferentia 1 and 2, Trainium 1 and 2).
constexpr std::uint16_t kGoogleTpus[] = {0x0027, 0x0056, 0x005e, 0x0062, 0x0063, 0x006f, 0x0076};
constexpr std::uint16_t kAmazonNeurons[] = {0x7064, 0x7065, 0x7066, 0x7067, 0x7164, 0x7264, 0x7364};

template <std::size_t N>
bool listed_in(const std::uint16_t (&ids)[N], std::uint16_t id) {
  return std::find(std::begin(ids), std::end(ids), id) != std::end(ids);
}

// Returns: the first line of a small file; "" when it cannot be read.
std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

template <class Number>
bool parse(std::string_view text, Number& out, int base) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc() && end == text.data() + text.size();
}

// "0000:3b:00.0"
bool parse_address(std::string_view text, PciDevice& d) {
  const auto colon = text.find(':'), dot = text.rfind('.');
  if (colon == text.npos || dot == text.npos || dot < colon + 4 || text[colon + 3] != ':') return false;
  return parse(text.substr(0, colon), d.domain, 16) && parse(text.substr(colon + 1, 2), d.bus, 16) &&
         parse(text.substr(colon + 4, dot - colon - 4), d.slot, 16) && parse(text.substr(dot + 1), d.function, 16);
}

std::vector<std::string> os_names(const fs::path& device) {
  std::vector<std::string> names;
  std::error_code error;
  for (const char* subsystem : {"net", "infiniband", "drm", "accel", "neuron_device"})
    for (fs::directory_iterator at(device / subsystem, error), end; !error && at != end; at.increment(error))
      names.push_back(at->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

void read_function(const fs::path& path, Host& host) {
  PciDevice d;
  std::uint32_t class_code = 0;
  if (!parse_address(path.filename().string(), d) || !parse(first_line(path / "class"), class_code, 16) ||
      !parse(first_line(path / "vendor"), d.vendor, 16) || !parse(first_line(path / "device"), d.device, 16))
    return;
  d.class_code = static_cast<std::uint16_t>(class_code >> 8);
  d.kind = kind_of_pci(d.class_code, d.vendor, d.device);
  if (d.kind == DeviceKind::other) return;
  d.os_names = os_names(path);
  const std::string node = first_line(path / "numa_node");
  std::int32_t number = -1;
  if (parse(node, number, 10) && number >= 0)
    for (std::uint32_t n = 0; n < host.nodes.size(); ++n)
      if (host.nodes[n].number == static_cast<std::uint32_t>(number)) d.numa = n;
  place_in_package(host, d);
  host.facts.push_back({fmt::format("PCI {} NUMA node", pci_address(d)), d.numa ? node : "unknown",
                        fmt::format("{}: '{}'", (path / "numa_node").string(), node)});
  host.devices.push_back(std::move(d));
}

}  // namespace

DeviceKind kind_of_pci(std::uint16_t class_code, std::uint16_t vendor, std::uint16_t device) {
  if (vendor == kGoogle && listed_in(kGoogleTpus, device)) return DeviceKind::accelerator;
  if (vendor == kAmazon && listed_in(kAmazonNeurons, device)) return DeviceKind::accelerator;
  switch (class_code >> 8) {  // base classes: PCI Code and ID Assignment Specification 1.15
    case 0x02: return DeviceKind::nic;
    case 0x03:  // a server's management chip has a VGA too
      return vendor == kNvidia || vendor == kAmd || vendor == kIntel ? DeviceKind::gpu : DeviceKind::display;
    case 0x12: return DeviceKind::accelerator;
    default: break;
  }
  if (class_code == 0x0c06) return DeviceKind::nic;          // InfiniBand as a serial bus
  if (class_code == 0x0b40) return DeviceKind::accelerator;  // coprocessor
  if (class_code == 0x0680 && vendor == kNvidia) return DeviceKind::fabric_switch;
  return DeviceKind::other;
}

std::string pci_address(const PciDevice& d) {
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", d.domain, d.bus, d.slot, d.function);
}

const char* name_of(DeviceKind kind) {
  constexpr const char* kNames[] = {"gpu", "accelerator", "nic", "fabric_switch", "display", "other"};
  return kNames[static_cast<std::size_t>(kind)];
}

void place_in_package(const Host& host, PciDevice& device) {
  if (device.numa) device.package = distance_detail::package_of(host, *device.numa);
}

void read_pci(const std::string& sys, Host& host) {
  const fs::path folder = fs::path(sys) / "bus/pci/devices";
  std::error_code error;
  std::vector<fs::path> functions;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (functions.size() < kMaxFunctions) functions.push_back(at->path());
  if (error) {
    host.facts.push_back({"PCI functions", "unknown", folder.string() + " cannot be read"});
    return;
  }
  std::sort(functions.begin(), functions.end());
  host.pci_seen = static_cast<std::uint32_t>(functions.size());
  host.facts.push_back({"PCI functions", std::to_string(functions.size()), folder.string()});
  for (const auto& path : functions) read_function(path, host);
  std::sort(host.devices.begin(), host.devices.end(), [](const PciDevice& a, const PciDevice& b) {
    return std::tuple(a.domain, a.bus, a.slot, a.function) < std::tuple(b.domain, b.bus, b.slot, b.function);
  });
}

}  // namespace yard
