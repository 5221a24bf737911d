// The machine that the tests run on, seen through the kernel's own eyes; and what control groups say, from made trees.
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include <fmt/format.h>

#include "tests/topology_data.h"
#include "topology/cgroup.h"
#include "topology/host_check.h"
#include "topology/pci.h"
#include "topology/pin.h"
#include "topology/show_host.h"
#include "topology/trial.h"

namespace yard {
namespace {

// What is done in a thread of its own leaves the test's own binding alone.
template <class Work>
void in_a_thread(Work work) {
  std::thread(work).join();
}

std::uint32_t kernels_allowed() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  return sched_getaffinity(0, sizeof mask, &mask) == 0 ? static_cast<std::uint32_t>(CPU_COUNT(&mask)) : 0;
}

TEST(ThisMachine, AgreesWithTheKernelOnWhatIsAllowed) {
  const Host host = discover_this_machine();
  EXPECT_EQ(contradiction(host), "");
  EXPECT_TRUE(host.this_machine);
  EXPECT_EQ(host.allowed_cpus().count(), kernels_allowed());
  EXPECT_TRUE(host.allowed_cpus().inside(host.affinity.value()));
  EXPECT_TRUE(host.allowed_cpus().inside(host.cpuset.value()));
  EXPECT_EQ(host.threads.size(), static_cast<std::size_t>(sysconf(_SC_NPROCESSORS_ONLN)));
}

TEST(ThisMachine, IsTheSameTwice) {
  EXPECT_EQ(host_json(discover_this_machine(), Explain::yes), host_json(discover_this_machine(), Explain::yes));
}

TEST(ThisMachine, MemoryIsTheKernels) {
  const Host host = discover_this_machine();
  for (const NumaNode& node : host.nodes) {
    std::ifstream file(fmt::format("/sys/devices/system/node/node{}/meminfo", node.number));
    if (!file) GTEST_SKIP() << "the kernel shows no /sys/devices/system/node";
    std::string word;
    std::uint64_t kib = 0;
    while (file >> word && word != "MemTotal:") {}
    file >> kib;
    EXPECT_EQ(node.memory_bytes.value_or(0), kib * 1024) << node.number;
  }
}

TEST(ThisMachine, SaysWhereEachFactCameFrom) {
  const Host host = discover_this_machine();
  for (const HostFact& fact : host.facts) EXPECT_FALSE(fact.what.empty() || fact.value.empty() || fact.source.empty());
  for (const char* what :
       {"hardware threads", "allowed by affinity", "allowed by cpuset", "CPU quota, thousandths", "memory limit, bytes",
        "NUMA distances", "PCI functions", "HWLOC_* variables", "threads to keep busy"})
    EXPECT_EQ(std::count_if(host.facts.begin(), host.facts.end(), [&](auto& f) { return f.what == what; }), 1) << what;
}

TEST(ThisMachine, HwlocVariablesHaveNoSayAndAreLeftAsTheyWere) {
  const std::size_t threads = discover_this_machine().threads.size();
  setenv("HWLOC_SYNTHETIC", "pu:77", 1);
  setenv("HWLOC_XMLFILE", "/nowhere.xml", 1);
  const Host host = discover_this_machine();
  EXPECT_EQ(host.threads.size(), threads);
  EXPECT_EQ(std::count_if(host.facts.begin(), host.facts.end(),
                          [](auto& f) { return f.value.find("HWLOC_XMLFILE") != f.value.npos; }),
            1);
  EXPECT_STREQ(getenv("HWLOC_SYNTHETIC"), "pu:77");
  unsetenv("HWLOC_SYNTHETIC");
  unsetenv("HWLOC_XMLFILE");
}

TEST(ThisMachine, AHostNarrowedByAnAffinityMaskAllowsThatMuch) {
  in_a_thread([] {
    const Host before = discover_this_machine();
    const std::uint32_t only = before.allowed_cpus().first();
    cpu_set_t mask;
    CPU_ZERO(&mask);
    CPU_SET(only, &mask);
    ASSERT_EQ(sched_setaffinity(0, sizeof mask, &mask), 0);
    const Host after = discover_this_machine();
    EXPECT_EQ(after.threads.size(), before.threads.size());
    EXPECT_EQ(after.allowed_cpus().text(), std::to_string(only));
    for (std::uint32_t c = 0; c < after.cores.size(); ++c)
      if (!after.cores[c].cpus.has(only)) {
        EXPECT_EQ(pin_to_core(after, c).outcome, Pinning::outside_affinity);
      }
  });
}

TEST(Pin, AThreadBoundToACoreRunsThere) {
  const Host host = discover_this_machine();
  for (std::uint32_t c = 0; c < host.cores.size(); ++c)
    in_a_thread([&] {
      const Pinned pinned = pin_to_core(host, c);
      if (!host.cores[c].cpus.meets(host.allowed_cpus())) {
        EXPECT_FALSE(pinned.ok());
        return;
      }
      ASSERT_TRUE(pinned.ok()) << name_of(pinned.outcome);
      EXPECT_EQ(pinned.cpus, (host.cores[c].cpus & host.allowed_cpus()).count());
      EXPECT_TRUE(host.cores[c].cpus.has(static_cast<std::uint32_t>(sched_getcpu())));
    });
}

TEST(Pin, AThreadBoundNearANodeRunsOnItsCpus) {
  const Host host = discover_this_machine();
  in_a_thread([&] {
    const auto thread = host.thread_of(host.allowed_cpus().first());
    const std::uint32_t node = host.threads[*thread].numa.value();
    const Pinned pinned = pin_near_node(host, node);
    ASSERT_TRUE(pinned.ok()) << name_of(pinned.outcome);
    EXPECT_TRUE(host.nodes[node].cpus.has(static_cast<std::uint32_t>(sched_getcpu())));
  });
}

TEST(Pin, SaysWhyNot) {
  Host host = discover_this_machine();
  in_a_thread([&] {
    EXPECT_EQ(pin_to_core(host, 1'000'000).outcome, Pinning::no_such_place);
    EXPECT_EQ(pin_near_node(host, 1'000'000).outcome, Pinning::no_such_place);
    host.nodes.emplace_back();  // memory only
    EXPECT_EQ(pin_near_node(host, static_cast<std::uint32_t>(host.nodes.size() - 1)).outcome, Pinning::no_cpu_there);
    Host elsewhere = host;  // every cpu forbidden, first by the mask, then by the cgroup
    for (auto& t : elsewhere.threads) t.allowed = false;
    EXPECT_EQ(pin_to_core(elsewhere, 0).outcome, Pinning::outside_affinity);
    elsewhere.cpuset = CpuSet();
    EXPECT_EQ(pin_to_core(elsewhere, 0).outcome, Pinning::outside_cpuset);
    Host absent = host;  // a cpu that the kernel does not have
    absent.threads.emplace_back();
    absent.threads.back().cpu = CpuSet::kMaxCpus - 1;
    absent.cpuset->add(CpuSet::kMaxCpus - 1);
    absent.cores.push_back({});
    absent.cores.back().cpus.add(CpuSet::kMaxCpus - 1);
    const Pinned refused = pin_to_core(absent, static_cast<std::uint32_t>(absent.cores.size() - 1));
    EXPECT_EQ(refused.outcome, Pinning::refused_by_kernel);
    EXPECT_EQ(refused.error, EINVAL);
  });
}

// ---- control groups and PCI, from made trees ----------------------------------------------------------------------

class Tree {
 public:
  Tree() {
    std::string name = (std::filesystem::temp_directory_path() / "switchyard-topology-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    root_ = name;
  }
  ~Tree() { std::filesystem::remove_all(root_); }
  Tree& file(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ + path).substr(0, (root_ + path).rfind('/')));
    std::ofstream(root_ + path) << text;
    return *this;
  }
  // A process in `group` of a v2 hierarchy mounted as containers see it.
  Tree& v2(const std::string& group) {
    file("/proc/self/cgroup", "0::" + group + "\n");
    file("/proc/self/mountinfo", "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    return file("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
  }
  Host read() const {
    Host host;
    read_cgroup(root_ + "/proc", root_, host);
    return host;
  }
  const std::string& root() const { return root_; }

 private:
  std::string root_;
};

TEST(Cgroup, V2QuotaIsInThousandths) {
  const Host host = Tree().v2("/pod/box").file("/sys/fs/cgroup/pod/box/cpu.max", "150000 100000\n").read();
  EXPECT_EQ(host.cpu_quota, (Limit{Limit::State::set, 1500}));
}

TEST(Cgroup, TheLeastLimitOnTheWayUpBinds) {
  const Host host = Tree()
                        .v2("/pod/box")
                        .file("/sys/fs/cgroup/pod/cpu.max", "50000 100000\n")
                        .file("/sys/fs/cgroup/pod/box/cpu.max", "max 100000\n")
                        .file("/sys/fs/cgroup/pod/memory.max", "4096000\n")
                        .file("/sys/fs/cgroup/pod/box/memory.max", "8192000\n")
                        .read();
  EXPECT_EQ(host.cpu_quota, (Limit{Limit::State::set, 500}));
  EXPECT_EQ(host.memory_limit, (Limit{Limit::State::set, 4'096'000}));
}

TEST(Cgroup, NoLimitOnTheWayIsUnlimitedAndNoControllerIsUnknown) {
  EXPECT_EQ(Tree().v2("/pod").read().cpu_quota.state, Limit::State::unlimited);
  EXPECT_EQ(Tree().read().cpu_quota.state, Limit::State::unknown);
  EXPECT_EQ(Tree().v2("/pod").file("/sys/fs/cgroup/cgroup.controllers", "io\n").read().cpu_quota.state,
            Limit::State::unknown);
}

TEST(Cgroup, V1IsReadThroughItsOwnMounts) {
  const auto v1 = [](const char* quota, const char* bytes) {
    return Tree()
        .file("/proc/self/cgroup", "4:memory:/docker/box\n3:cpu,cpuacct:/docker/box\n0::/\n")
        .file("/proc/self/mountinfo",
              "32 31 0:29 /docker/box /sys/fs/cgroup/cpu,cpuacct ro shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
              "33 31 0:30 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
              "34 31 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n")
        .file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", quota)
        .file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
        .file("/sys/fs/cgroup/memory/docker/box/memory.limit_in_bytes", bytes)
        .read();
  };
  const Host set = v1("250000\n", "1073741824\n");
  EXPECT_EQ(set.cpu_quota, (Limit{Limit::State::set, 2500}));
  EXPECT_EQ(set.memory_limit, (Limit{Limit::State::set, std::uint64_t{1} << 30}));
  const Host unset = v1("-1\n", "9223372036854771712\n");
  EXPECT_EQ(unset.cpu_quota.state, Limit::State::unlimited);
  EXPECT_EQ(unset.memory_limit.state, Limit::State::unlimited);
}

TEST(Cgroup, WhatIsNoNumberIsNoLimit) {
  for (const char* text : {"", "max", "-5 100000", "1 0", "x y", "99999999999999999999999 1"})
    EXPECT_EQ(Tree().v2("/a").file("/sys/fs/cgroup/a/cpu.max", text).read().cpu_quota.state, Limit::State::unlimited)
        << text;
}

TEST(Pci, ADeviceWhoseNodeTheKernelDoesNotKnowHasNone) {
  Host host = host_from_synthetic("package:2 numa:1 core:1 pu:1");
  const auto function = [](Tree& tree, const std::string& address, const char* ids[3], const char* node) {
    const std::string at = "/bus/pci/devices/" + address;
    tree.file(at + "/class", ids[0]).file(at + "/vendor", ids[1]).file(at + "/device", ids[2]);
    tree.file(at + "/numa_node", node);
  };
  Tree tree;
  const char *h100[] = {"0x030200\n", "0x10de\n", "0x2330\n"}, *disk[] = {"0x010802\n", "0x144d\n", "0xa808\n"};
  const char* wrong[] = {"zzz\n", "0x10de\n", "0x2330\n"};
  function(tree, "0000:3b:00.0", h100, "1\n");
  function(tree, "0000:3c:00.0", h100, "-1\n");
  function(tree, "0000:3d:00.0", h100, "7\n");
  function(tree, "0000:3e:00.0", disk, "0\n");
  function(tree, "0000:3f:00.0", wrong, "0\n");
  tree.file("/bus/pci/devices/0000:3b:00.0/drm/card1/x", "");
  read_pci(tree.root(), host);
  EXPECT_EQ(host.pci_seen, 5u);
  ASSERT_EQ(host.devices.size(), 3u);
  EXPECT_EQ(host.devices[0].numa, 1u);
  EXPECT_EQ(host.devices[0].package, 1u);
  EXPECT_EQ(host.devices[0].os_names, std::vector<std::string>{"card1"});
  EXPECT_FALSE(host.devices[1].numa || host.devices[1].package);
  EXPECT_FALSE(host.devices[2].numa);  // a node that the host does not have
}

TEST(Pci, AMachineThatShowsNoBusHasNoCount) {
  Host host;
  read_pci("/nowhere", host);
  EXPECT_FALSE(host.pci_seen);
}

// ---- the child that reads hostile input ---------------------------------------------------------------------------

TEST(Trial, PassesOnWhatTheWorkSays) {
  EXPECT_EQ(trial([] { return std::string(); }), "");
  EXPECT_EQ(trial([] { return std::string("no"); }), "no");
  EXPECT_LE(trial([] { return std::string(100'000, 'x'); }).size(), 500u);
  EXPECT_EQ(trial([]() -> std::string { throw std::runtime_error("thrown"); }), "thrown");
}

TEST(Trial, ACrashEndsTheChildOnly) {
  EXPECT_NE(trial([]() -> std::string { std::abort(); }), "");
  EXPECT_NE(trial([]() -> std::string { _exit(0); }), "");
}

}  // namespace
}  // namespace yard
