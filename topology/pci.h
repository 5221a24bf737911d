// PCI functions as the kernel lists them, and which of them matter here. Read from sysfs, not through hwloc: its PCI
// part is a plugin that may be absent, and loading its GPU plugins would open contexts on the devices that we only
// count.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "topology/host.h"

namespace yard {

// Returns: what a function is by its ids alone; `other` is of no interest here.
DeviceKind kind_of_pci(std::uint16_t class_code, std::uint16_t vendor, std::uint16_t device);

// Returns: "0000:3b:00.0".
std::string pci_address(const PciDevice& device);

const char* name_of(DeviceKind kind);

// Reads <sys>/bus/pci/devices (at most 65,536 functions) into host.devices and host.pci_seen. The node is the kernel's
// numa_node; where that says -1 or names no node of ours, it stays unknown. A folder that is missing leaves pci_seen
// empty.
void read_pci(const std::string& sys, Host& host);

// Sets host.devices[i].package where the device's node lies inside one package.
void place_in_package(const Host& host, PciDevice& device);

}  // namespace yard
