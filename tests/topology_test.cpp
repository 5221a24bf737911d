// A host as a value, from other machines' descriptions: what files say is what we say, and what they do not say stays
// unknown.
#include "topology/host.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <simdjson.h>

#include "scheduler/base/rng.h"
#include "tests/topology_data.h"
#include "topology/distance.h"
#include "topology/host_check.h"
#include "topology/pci.h"
#include "topology/pin.h"
#include "topology/show_host.h"

namespace yard {
namespace {

using testing::count_devices;
using testing::host_of;
using testing::refused;
using testing::topology_data;
using testing::xml_files;

// ---- sets of cpus -------------------------------------------------------------------------------------------------

TEST(CpuSet, TextAndParseAreInverse) {
  for (const char* text : {"", "0", "0-3", "0-3,8", "1,3,5", "0-63", "63-64,8191"}) {
    const auto set = CpuSet::parse(text);
    ASSERT_TRUE(set) << text;
    EXPECT_EQ(set->text(), text);
  }
}

TEST(CpuSet, ParseRefusesWhatIsNoSetAndWhatIsOutOfRange) {
  for (const char* text : {"a", "1-", "-1", "3-1", "1,,2", "1,", "8192", "0-99999999999", "1 2"})
    EXPECT_FALSE(CpuSet::parse(text)) << text;
}

TEST(CpuSet, EqualSetsAreEqualHoweverTheyCameAbout) {
  const CpuSet a = *CpuSet::parse("1,200"), b = *CpuSet::parse("1,300");
  EXPECT_EQ(a & b, *CpuSet::parse("1"));
  EXPECT_EQ(a | b, *CpuSet::parse("1,200,300"));
  EXPECT_TRUE((a & b).inside(a));
  EXPECT_FALSE(a.inside(b));
}

// ---- every file ---------------------------------------------------------------------------------------------------

struct Allowed {
  std::size_t threads = 0, cores = 0, nodes = 0, l3 = 0;
};

Allowed allowed_of(const Host& host) {
  const CpuSet cpus = host.allowed_cpus();
  Allowed n;
  n.threads = cpus.count();
  for (const auto& c : host.cores) n.cores += c.cpus.meets(cpus);
  for (const auto& c : host.l3) n.l3 += c.cpus.meets(cpus);
  for (const auto& node : host.nodes) n.nodes += node.allowed;
  return n;
}

std::optional<std::uint32_t> node_numbered(const Host& host, std::uint64_t number) {
  for (std::uint32_t i = 0; i < host.nodes.size(); ++i)
    if (host.nodes[i].number == number) return i;
  return std::nullopt;
}

// Returns: the numbers in all elements <tag ...>...</tag> of this part of a file.
std::vector<std::uint64_t> numbers_in(std::string_view xml, const std::string& tag) {
  std::vector<std::uint64_t> out;
  for (auto at = xml.find("<" + tag); at != xml.npos; at = xml.find("<" + tag, at + 1)) {
    const auto from = xml.find('>', at) + 1;
    std::istringstream in(std::string(xml.substr(from, xml.find('<', from) - from)));
    for (std::uint64_t n = 0; in >> n;) out.push_back(n);
  }
  return out;
}

// The matrix that the file names as the kernel's is ours, each entry at the nodes that the file lists for it.
// Returns: whether there is one.
bool expect_distances(const Host& host, const std::string& xml) {
  const auto named = xml.find("name=\"NUMALatency\" indexing=\"os\"");
  if (named == xml.npos) return false;
  const std::string_view part = std::string_view(xml).substr(named, xml.find("</distances2", named) - named);
  const auto numbers = numbers_in(part, "indexes"), values = numbers_in(part, "u64values");
  EXPECT_TRUE(host.distances);
  EXPECT_EQ(numbers.size() * numbers.size(), values.size());
  if (!host.distances || numbers.size() * numbers.size() != values.size()) return true;
  for (std::size_t k = 0; k < values.size(); ++k) {
    const auto from = node_numbered(host, numbers[k / numbers.size()]),
               to = node_numbered(host, numbers[k % numbers.size()]);
    EXPECT_TRUE(from && to);
    if (from && to) {
      EXPECT_EQ(host.distances->at(*from, *to), values[k]) << k;
    }
  }
  return true;
}

void expect_devices(const Host& host, simdjson::dom::element said) {
  EXPECT_EQ(host.pci_seen, said["pci"].get_uint64().value());
  for (const simdjson::dom::element device : said["accel_and_net"].get_array()) {
    const std::string address(device["bdf"].get_string().value()), name(device["name"].get_string().value());
    const auto at = std::find_if(host.devices.begin(), host.devices.end(),
                                 [&](const PciDevice& d) { return pci_address(d) == address; });
    ASSERT_NE(at, host.devices.end()) << address;
    EXPECT_NE(std::find(at->os_names.begin(), at->os_names.end(), name), at->os_names.end()) << name;
    ASSERT_TRUE(at->numa) << address;
    EXPECT_EQ(std::to_string(host.nodes[*at->numa].number), device["nodes"].get_string().value()) << address;
  }
}

TEST(HostXml, EveryFileSaysWhatHwlocSaysOfIt) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  simdjson::dom::parser parser;
  std::size_t files = 0, matrices = 0;
  const simdjson::dom::element all = parser.load((topology_data() / "expected_hwloc290.json").string()).value();
  for (const simdjson::dom::element said : all) {
    const std::string file(said["file"].get_string().value());
    SCOPED_TRACE(file);
    const Host host = host_of(file.c_str());
    EXPECT_EQ(contradiction(host), "");
    EXPECT_FALSE(host.this_machine);
    const Allowed allowed = allowed_of(host);
    EXPECT_EQ(allowed.threads, said["pu"].get_uint64().value());
    EXPECT_EQ(allowed.cores, said["core"].get_uint64().value());
    EXPECT_EQ(allowed.nodes, said["numa"].get_uint64().value());
    EXPECT_EQ(allowed.l3, said["l3"].get_uint64().value());
    if (allowed.threads == host.threads.size()) {  // hwloc dropped some packages of what is not allowed, we drop none
      EXPECT_EQ(host.packages.size(), said["package"].get_uint64().value());
    }
    matrices += expect_distances(host, read_file((topology_data() / file).string(), 1 << 20));
    expect_devices(host, said);
    ++files;
  }
  EXPECT_GE(files, 43u);
  EXPECT_GE(matrices, 15u);
}

TEST(HostXml, EveryFileLoadsOrIsOfAVersionThatWeNameInTheRefusal) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  for (const auto& file : xml_files()) {
    SCOPED_TRACE(file);
    try {
      EXPECT_EQ(contradiction(host_from_xml(file.string())), "");
      EXPECT_EQ(file.string().find(".v3."), std::string::npos);
    } catch (const InputError& e) {
      EXPECT_NE(file.string().find(".v3."), std::string::npos) << e.what();
      EXPECT_NE(std::string(e.what()).find("hwloc 3"), std::string::npos) << e.what();
    }
  }
}

TEST(HostXml, EveryFileIsShownAndItsJsonParses) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  simdjson::dom::parser parser;
  for (const auto& file : xml_files()) {
    if (file.string().find(".v3.") != std::string::npos) continue;
    SCOPED_TRACE(file);
    const Host host = host_from_xml(file.string());
    EXPECT_NE(host_text(host, Explain::yes).find("where each fact came from"), std::string::npos);
    const std::string json = host_json(host, Explain::yes);
    simdjson::dom::element parsed;
    ASSERT_EQ(parser.parse(json).get(parsed), simdjson::SUCCESS);
    EXPECT_EQ(parsed["threads"].get_array().size(), host.threads.size());
    EXPECT_EQ(parsed["devices"].get_array().size(), host.devices.size());
    EXPECT_EQ(parsed["facts"].get_array().size(), host.facts.size());
  }
}

// ---- facts read off single files by hand --------------------------------------------------------------------------

TEST(HostXml, ADgx2HasEightGpusAtEachOfTwoNodesAndTwelveSwitches) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  const Host host = host_of("hwloc_xml/nvidiaDGX2.xml");
  for (std::uint32_t node = 0; node < 2; ++node) {
    EXPECT_EQ(count_devices(host, [&](auto& d) { return d.kind == DeviceKind::gpu && d.numa == node; }), 8u);
    EXPECT_EQ(count_devices(host, [&](auto& d) { return d.kind == DeviceKind::gpu && d.package == node; }), 8u);
  }
  EXPECT_EQ(count_devices(host, [](auto& d) { return d.kind == DeviceKind::fabric_switch; }), 12u);
  for (const auto& d : host.devices)
    if (d.kind == DeviceKind::gpu) {
      EXPECT_EQ(fmt::format("{:04x}:{:04x}", d.vendor, d.device), "10de:1db8");  // V100
    }
}

TEST(HostXml, ADgx2LinksEachGpuToSixSwitches) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  const Host host = host_of("hwloc_xml/nvidiaDGX2.xml");
  std::vector<int> switches(host.devices.size());
  for (const HostLink& link : host.links) {
    ASSERT_TRUE(link.from_device && link.to_device);
    EXPECT_EQ(link.mb_per_second, 25'000u);
    switches[*link.from_device] += host.devices[*link.to_device].kind == DeviceKind::fabric_switch;
  }
  for (std::size_t d = 0; d < host.devices.size(); ++d)
    if (host.devices[d].kind == DeviceKind::gpu) {
      EXPECT_EQ(switches[d], 6) << d;
    }
}

TEST(HostXml, APower8LinksGpusToEachOtherAndToTheirPackage) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  const Host host = host_of("hwloc_xml/power8gpudistances.xml");
  EXPECT_EQ(count_devices(host, [](auto& d) { return d.kind == DeviceKind::gpu; }), 4u);
  EXPECT_EQ(host.distances->at(0, 1), 40u);
  int between = 0, to_package = 0;
  for (const HostLink& link : host.links) {
    EXPECT_EQ(link.mb_per_second, 40'000u);
    between += link.from_device && link.to_device;
    to_package += link.from_device && link.to_package;
    if (link.from_device && link.to_package) {
      EXPECT_EQ(host.devices[*link.from_device].package, link.to_package);
    }
  }
  EXPECT_EQ(between, 4);     // two pairs, both ways
  EXPECT_EQ(to_package, 4);  // each GPU
}

TEST(HostXml, AnEpycHasGpusAtFourOfItsEightNodesAndFarMemoryAt32) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  const Host host = host_of("mpibind_xml/epyc-corona.xml");
  std::set<std::uint32_t> nodes;
  for (const auto& d : host.devices)
    if (d.kind == DeviceKind::gpu) nodes.insert(host.nodes[d.numa.value()].number);
  EXPECT_EQ(nodes, (std::set<std::uint32_t>{1, 2, 5, 7}));
  EXPECT_EQ(host.distances->at(0, 3), 16u);
  EXPECT_EQ(host.distances->at(0, 4), 32u);
  EXPECT_EQ(count_devices(host, [](auto& d) { return d.kind == DeviceKind::display; }), 1u);  // the board's own VGA
}

TEST(HostXml, NodeNumbersNeedNotBeDense) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  const Host host = host_of("mpibind_xml/coral-lassen.xml");
  ASSERT_EQ(host.nodes.size(), 2u);
  EXPECT_EQ(host.nodes[1].number, 8u);
  EXPECT_EQ(host.nodes[1].cpus.text(), "96-175");
  EXPECT_EQ(host.threads.front().cpu, 8u);
}

TEST(HostXml, NearAndFarMemoryOfOneClusterAreTwoNodesAndAThreadBelongsToTheNearOne) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  const Host host = host_of("hwloc_xml/64intel64-fakeKNL-SNC4-hybrid.xml");
  ASSERT_EQ(host.nodes.size(), 8u);
  for (std::uint32_t n = 0; n < 8; ++n)
    EXPECT_EQ(host.nodes[n].memory, n < 4 ? MemoryKind::dram : MemoryKind::hbm) << n;
  for (const auto& t : host.threads) EXPECT_LT(t.numa.value(), 4u);
  EXPECT_EQ(nodes_nearest_first(host, 0)[1], 7u);  // its own MCDRAM
}

TEST(HostXml, ANodeWithoutCpusHasNone) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  const Host host = host_of("hwloc_xml/8ia64-2n2s2c+1n.v1.xml");
  ASSERT_EQ(host.nodes.size(), 3u);
  EXPECT_EQ(host.nodes[2].number, 16u);
  EXPECT_TRUE(host.nodes[2].cpu_less());
  for (const auto& t : host.threads) EXPECT_NE(t.numa, 2u);
}

TEST(HostXml, WhatACpusetForbidsIsThereAndNotAllowed) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  const Host host = host_of("hwloc_xml/64intel64-3g2n+2n-irregulargroups+pci.xml");
  EXPECT_EQ(host.threads.size(), 64u);
  EXPECT_EQ(host.packages.size(), 8u);
  EXPECT_EQ(host.allowed_cpus().count(), 16u);
  EXPECT_EQ(host.usable_thousandths(), 16'000u);
  EXPECT_EQ(host.distances->size, 8u);
}

TEST(HostXml, WhatAFileDoesNotSayStaysUnknown) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  const Host none = host_of("hwloc_xml/8intel64-4n2t-memattrs.xml");
  EXPECT_TRUE(none.cores.empty() && none.packages.empty() && none.l3.empty());
  for (const auto& t : none.threads) EXPECT_FALSE(t.core || t.package || t.l3 || t.l2);
  EXPECT_FALSE(none.distances);
  EXPECT_EQ(none.cpu_quota.state, Limit::State::unknown);
  EXPECT_FALSE(none.affinity);
  EXPECT_FALSE(host_of("hwloc_xml/16em64t-4s2c2t.xml").nodes[0].memory_bytes);  // an ancient file without memory
  EXPECT_FALSE(host_of("hwloc_xml/16amd64-4distances.v1.xml").distances);       // two unnamed matrices that disagree
  // Two nodes share a package's cpus there and the disk controllers hang under the package: which is nearer is not
  // said.
  for (const auto& d : host_of("hwloc_xml/28intel64-2p2g7c-CoD.nogroups.v1tov2.xml").devices) {
    EXPECT_FALSE(d.numa) << pci_address(d);
    EXPECT_TRUE(d.package) << pci_address(d);
  }
}

TEST(HostXml, KindsOfCoresAreToldApart) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  const Host host = host_of("hwloc_xml/fakecpukinds.xml");
  ASSERT_EQ(host.threads.size(), 4u);
  for (std::uint32_t cpu = 0; cpu < 4; ++cpu) EXPECT_EQ(host.threads[cpu].efficiency, cpu < 2 ? 0 : cpu - 1) << cpu;
  EXPECT_FALSE(host_of("hwloc_xml/nvidiaDGX2.xml").threads[0].efficiency);
}

// ---- bad files ----------------------------------------------------------------------------------------------------

TEST(HostXml, AFileCutAnywhereIsRefusedInOneLine) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  for (const char* file :
       {"hwloc_xml/fakecpukinds.xml", "hwloc_xml/power8gpudistances.xml", "hwloc_xml/2intel64-1n2c-numaroot.v1.xml"}) {
    const std::string xml = read_file((topology_data() / file).string(), 1 << 20);
    const std::size_t last = xml.find_last_of('>') - 1;  // without its '>' the closing tag is cut off too
    for (std::size_t k = 0; k <= 60; ++k) {
      const std::size_t cut = last * k / 60;
      EXPECT_TRUE(refused(xml.substr(0, cut))) << file << " cut at " << cut;
    }
  }
}

TEST(HostXml, AChangedByteGivesAConsistentHostOrARefusal) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  const Seed seed = std::getenv("SWITCHYARD_SEED") ? std::strtoull(std::getenv("SWITCHYARD_SEED"), nullptr, 10) : 1;
  std::size_t refusals = 0;
  for (std::uint64_t round = 0; round < 300; ++round) {
    SCOPED_TRACE(fmt::format("SWITCHYARD_SEED={} round {}", seed, round));
    const auto files = {"hwloc_xml/fakecpukinds.xml", "hwloc_xml/power8gpudistances.xml",
                        "hwloc_xml/16em64t-4s2c2t.xml"};
    std::string xml = read_file((topology_data() / *(files.begin() + round % 3)).string(), 1 << 20);
    Rng rng = Rng::stream(seed, round);
    for (std::uint64_t n = 1 + rng.below(4); n > 0; --n) xml[rng.below(xml.size())] = static_cast<char>(rng.below(256));
    try {
      EXPECT_EQ(contradiction(host_from_xml_text(xml, "changed.xml")), "");
    } catch (const InputError& e) {
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
      ++refusals;
    }
  }
  EXPECT_GT(refusals, 30u);
}

TEST(HostXml, WhatIsNoTopologyIsRefused) {
  for (const char* text : {"", "hello", "<html/>", "<topology", "<?xml version=\"1.0\"?><topology/>",
                           "<topology version=\"3.0\"></topology>", "<topology version=\"2.0\"><object/></topology>"})
    EXPECT_TRUE(refused(text)) << text;
  EXPECT_TRUE(refused(std::string("<topology\0>", 11)));
  EXPECT_THROW(host_from_xml("/"), InputError);
  EXPECT_THROW(host_from_xml("/nowhere/at/all.xml"), InputError);
}

// ---- synthetic descriptions ---------------------------------------------------------------------------------------

TEST(HostSynthetic, ADescriptionIsBuiltAsWritten) {
  const Host host = host_from_synthetic("package:2 numa:2(memory=64GB) l3:1(size=32MB) l2:4 core:2 pu:2");
  EXPECT_EQ(contradiction(host), "");
  EXPECT_EQ(host.packages.size(), 2u);
  EXPECT_EQ(host.nodes.size(), 4u);
  EXPECT_EQ(host.l3.size(), 4u);
  EXPECT_EQ(host.l2.size(), 16u);
  EXPECT_EQ(host.cores.size(), 32u);
  EXPECT_EQ(host.threads.size(), 64u);
  EXPECT_EQ(host.nodes[0].memory_bytes, 64'000'000'000u);
  EXPECT_EQ(host.l3[0].bytes, 32'000'000u);
}

TEST(HostSynthetic, SizesThatAreNotStatedAreUnknown) {
  const Host host = host_from_synthetic("package:1 numa:1 l3:1 l2:2 core:1 pu:1");
  EXPECT_FALSE(host.nodes[0].memory_bytes);
  EXPECT_FALSE(host.l3[0].bytes);
  EXPECT_FALSE(host.l2[0].bytes);
  EXPECT_FALSE(host.pci_seen);
}

TEST(HostSynthetic, NonsenseAndTheTooLargeAreRefused) {
  for (const std::string& text :
       {std::string(), std::string("pu"), std::string("unicorn:2 pu:1"), std::string("package:-1 pu:1"),
        std::string("core:100000"), std::string("core:8192 pu:2"), std::string("core:99999999999999999999 pu:1"),
        std::string("package:2 core:2 pu:0"), std::string(2'000, '1'), std::string("pu:\0002", 5)}) {
    try {
      host_from_synthetic(text);
      ADD_FAILURE() << "accepted: " << printable(text);
    } catch (const InputError& e) {
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
    }
  }
}

TEST(HostSynthetic, RandomTextGivesAConsistentHostOrARefusal) {
  constexpr const char* kWords[] = {
      "package:", "numa:",  "l3:", "l2:", "core:", "pu:",          "group:", "[numa]", "2",
      " ",        "(size=", ")",   "4",   "3 ",    "(memory=1GB)", "1",      "(",      "x"};
  for (std::uint64_t round = 0; round < 200; ++round) {
    Rng rng = Rng::stream(5, round);
    std::string text;
    for (std::uint64_t n = rng.below(16); n > 0; --n) text += kWords[rng.below(std::size(kWords))];
    SCOPED_TRACE("'" + text + "'");
    try {
      EXPECT_EQ(contradiction(host_from_synthetic(text)), "");
    } catch (const InputError& e) {
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
    }
  }
}

// ---- distance -----------------------------------------------------------------------------------------------------

TEST(Distance, LevelsNestFromTheCoreOutwards) {
  const Host host = host_from_synthetic("package:2 numa:2 l3:2 l2:2 core:2 pu:2");  // 64 threads
  const auto level = [&](std::uint32_t a, std::uint32_t b) { return level_between_threads(host, a, b); };
  EXPECT_EQ(level(0, 0), HostLevel::same_thread);
  EXPECT_EQ(level(0, 1), HostLevel::core);
  EXPECT_EQ(level(0, 2), HostLevel::l2);
  EXPECT_EQ(level(0, 4), HostLevel::l3);
  EXPECT_EQ(level(0, 8), HostLevel::numa);
  EXPECT_EQ(level(0, 16), HostLevel::package);
  EXPECT_EQ(level(0, 32), HostLevel::host);
}

TEST(Distance, IsSymmetricAndThreadsComeNearestFirst) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  for (const char* file : {"mpibind_xml/epyc-corona.xml", "hwloc_xml/96em64t-4n4d3ca2co-pci.xml",
                           "hwloc_xml/memorysidecaches.xml", "hwloc_xml/8intel64-4n2t-memattrs.xml"}) {
    SCOPED_TRACE(file);
    const Host host = host_of(file);
    for (const std::uint32_t from : {0u, static_cast<std::uint32_t>(host.threads.size() - 1)}) {
      const auto order = threads_nearest_first(host, from);
      ASSERT_EQ(order.size(), host.threads.size());
      EXPECT_EQ(order[0], from);
      for (std::size_t i = 1; i < order.size(); ++i) {
        EXPECT_LE(level_between_threads(host, from, order[i - 1]), level_between_threads(host, from, order[i]));
        EXPECT_EQ(level_between_threads(host, from, order[i]), level_between_threads(host, order[i], from));
      }
      EXPECT_EQ(std::set(order.begin(), order.end()).size(), order.size());
    }
  }
}

TEST(Distance, NodesAreOrderedByTheKernelsDistancesThenByIndex) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  EXPECT_EQ(nodes_nearest_first(host_of("mpibind_xml/epyc-corona.xml"), 5),
            (std::vector<std::uint32_t>{5, 4, 6, 7, 0, 1, 2, 3}));
  EXPECT_EQ(nodes_nearest_first(host_of("hwloc_xml/28intel64-2p2g7c-CoDgroups.v1.xml"), 1),
            (std::vector<std::uint32_t>{1, 0, 2, 3}));
}

TEST(Distance, WithoutAMatrixThePackageDecides) {
  const Host host = host_from_synthetic("package:2 numa:2 core:2 pu:1");
  ASSERT_FALSE(host.distances);
  EXPECT_EQ(nodes_nearest_first(host, 3), (std::vector<std::uint32_t>{3, 2, 0, 1}));
}

TEST(Distance, CoresComeOnceEachNearestFirst) {
  const Host host = host_from_synthetic("package:2 l3:2 core:2 pu:2");
  EXPECT_EQ(cores_nearest_first(host, 5), (std::vector<std::uint32_t>{5, 4, 6, 7, 0, 1, 2, 3}));
}

TEST(Distance, OneNodeOverTwoPackagesDoesNotHideThePackages) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  const Host host = host_of("hwloc_xml/16em64t-4s2c2t.xml");
  const auto far = std::find_if(host.threads.begin(), host.threads.end(),
                                [&](const auto& t) { return t.package != host.threads[0].package; });
  ASSERT_NE(far, host.threads.end());
  EXPECT_EQ(far->numa, host.threads[0].numa);
  EXPECT_EQ(level_between_threads(host, 0, static_cast<std::uint32_t>(far - host.threads.begin())), HostLevel::host);
}

TEST(Distance, ToADeviceOfUnknownPlaceIsUnknown) {
  Host host = host_from_synthetic("package:2 numa:1 core:1 pu:1");
  host.devices.resize(3);
  host.devices[1].numa = 0, host.devices[1].package = 0;
  host.devices[2].package = 1;
  EXPECT_EQ(level_to_device(host, 0, 0), std::nullopt);
  EXPECT_EQ(level_to_device(host, 0, 1), HostLevel::numa);
  EXPECT_EQ(level_to_device(host, 1, 1), HostLevel::host);
  EXPECT_EQ(level_to_device(host, 1, 2), HostLevel::package);
}

// ---- what is of interest ------------------------------------------------------------------------------------------

TEST(Pci, KindsComeFromIds) {
  EXPECT_EQ(kind_of_pci(0x0302, 0x10de, 0x2330), DeviceKind::gpu);          // H100 SXM
  EXPECT_EQ(kind_of_pci(0x1200, 0x1002, 0x74a1), DeviceKind::accelerator);  // MI300X
  EXPECT_EQ(kind_of_pci(0x0300, 0x1a03, 0x2000), DeviceKind::display);      // ASPEED management chip
  EXPECT_EQ(kind_of_pci(0x0880, 0x1d0f, 0x7364), DeviceKind::accelerator);  // Trainium2
  EXPECT_EQ(kind_of_pci(0x0880, 0x1d0f, 0x0000), DeviceKind::other);
  EXPECT_EQ(kind_of_pci(0xff00, 0x1ae0, 0x006f), DeviceKind::accelerator);  // TPU v6e
  EXPECT_EQ(kind_of_pci(0x0207, 0x15b3, 0x1021), DeviceKind::nic);          // ConnectX-7
  EXPECT_EQ(kind_of_pci(0x0108, 0x144d, 0xa808), DeviceKind::other);        // a disk
}

TEST(Pin, RefusesTheDescriptionOfAnotherMachine) {
  const Host host = host_from_synthetic("core:2 pu:1");
  EXPECT_EQ(pin_to_core(host, 0).outcome, Pinning::not_this_machine);
  EXPECT_EQ(pin_near_node(host, 0).outcome, Pinning::not_this_machine);
}

TEST(HostJson, HostileNamesStayInsideTheirQuotes) {
  Host host = host_from_synthetic("core:1 pu:1");
  host.name = "a\"b\\c\n\x01 \xff \xc3\xa9 \xed\xa0\x80";
  simdjson::dom::parser parser;
  const std::string json = host_json(host, Explain::no);
  std::string_view name;
  ASSERT_EQ(parser.parse(json)["host"].get(name), simdjson::SUCCESS);
  EXPECT_EQ(name, "a\"b\\c\n\x01 \xef\xbf\xbd \xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

}  // namespace
}  // namespace yard
